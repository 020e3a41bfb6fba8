//! `COUNTERSIGN_SECTION_KEY`: scalars from the environment, which win over the file.

use super::{Fault, Settings, SettingsError};

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
        if !["server", "github", "storage", "ledger", "oidc"].contains(&section.as_str()) {
            continue;
        }
        let scalar = match value.parse::<i64>() {
            Ok(number) => toml::Value::Integer(number),
            Err(_) if value == "true" || value == "false" => toml::Value::Boolean(value == "true"),
            Err(_) if key == "webhook_secrets" || key == "reader_tokens" => {
                toml::Value::Array(value.split(',').map(|one| toml::Value::String(one.trim().to_owned())).collect())
            }
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
