//! `COUNTERSIGN_SECTION_KEY`: scalars from the environment, which win over the file.

use super::{Fault, Settings, SettingsError};

/// The sections that hold scalars.
const SECTIONS: [&str; 6] = ["server", "github", "storage", "ledger", "oidc", "exceptions"];
/// Their lists, written with commas between.
const LISTS: [&str; 5] = ["webhook_secrets", "webhook_secret_files", "reader_tokens", "issuers", "openers"];

/// Lays `COUNTERSIGN_SECTION_KEY` over the file's scalars.
pub(super) fn overlay(
    from_file: Settings,
    text: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Settings, SettingsError> {
    let mut table: toml::Table = text.parse().unwrap_or_default();
    let mut used = Vec::new();
    for (variable, value) in environment {
        let Some((section, key)) = variable.strip_prefix("COUNTERSIGN_").and_then(|rest| rest.split_once('_')) else {
            continue;
        };
        let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        if !SECTIONS.contains(&section.as_str()) {
            continue;
        }
        let scalar = match value.parse::<i64>() {
            // A secret may consist of digits.
            _ if LISTS.contains(&key.as_str()) => {
                toml::Value::Array(value.split(',').map(|one| toml::Value::String(one.trim().to_owned())).collect())
            }
            Ok(number) => toml::Value::Integer(number),
            Err(_) if value == "true" || value == "false" => toml::Value::Boolean(value == "true"),
            Err(_) => toml::Value::String(value),
        };
        if let Some(section) =
            table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new())).as_table_mut()
        {
            section.insert(key, scalar);
        }
        used.push(variable);
    }
    if used.is_empty() {
        return Ok(from_file);
    }
    Ok(table.try_into().map_err(|error: toml::de::Error| Fault::Environment {
        variable: used.join("`, `"),
        message: error.message().to_owned(),
    })?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_section_of_scalars_is_read_and_lists_come_with_commas() {
        let variables = [
            ("COUNTERSIGN_EXCEPTIONS_MAX_HOURS", "1"),
            ("COUNTERSIGN_EXCEPTIONS_REVIEW_DAYS", "3"),
            ("COUNTERSIGN_EXCEPTIONS_OVERDUE_BLOCKS", "true"),
            ("COUNTERSIGN_EXCEPTIONS_OPENERS", "ann, acme/oncall"),
            ("COUNTERSIGN_OIDC_ISSUERS", "https://one.example,https://two.example"),
            ("COUNTERSIGN_GITHUB_WEBHOOK_SECRETS", "123"),
            ("COUNTERSIGN_SERVER_PATIENCE_MS", "5"),
            ("COUNTERSIGN_URL", "https://countersign.example.com"),
            ("COUNTERSIGN_TOKEN", "t"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::load(None, variables.into_iter()).unwrap();
        let exceptions = &settings.exceptions;
        assert_eq!((exceptions.max_hours, exceptions.review_days, exceptions.overdue_blocks), (1, 3, true));
        assert_eq!(exceptions.openers, ["ann", "acme/oncall"]);
        assert_eq!(settings.oidc.issuers, ["https://one.example", "https://two.example"]);
        assert_eq!(settings.github.webhook_secrets, ["123"]);
        assert_eq!(settings.server.patience_ms, 5);
        let misspelt = [("COUNTERSIGN_EXCEPTIONS_MAX_HOUR".to_owned(), "1".to_owned())];
        assert!(Settings::load(None, misspelt.into_iter()).is_err());
    }
}
