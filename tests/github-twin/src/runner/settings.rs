//! The settings file that the service under test is given: the defaults of stories, and what a story puts in their place.

use super::exception::token;
use super::gate::AUDIENCE;
use crate::auth::oidc;
use crate::model::World;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Tables that a story adds to; every other key replaces its default.
const MERGED: [&str; 5] = ["server", "github", "storage", "ledger", "oidc"];

/// The file's text. `directory` holds the App's key, the database and the ledger's key.
pub(super) fn settings(world: &World, story: &BTreeMap<String, Value>, directory: &Path) -> String {
    let path = |name: &str| directory.join(name).to_string_lossy().into_owned();
    let mut all = json!({
        "server": {
            "listen": "127.0.0.1:0",
            "public_url": AUDIENCE,
            "retry_base_ms": 50,
            "pace_ms": 20,
            "open_reading": true,
        },
        "github": {
            "api_url": world.url,
            "graphql_url": format!("{}/graphql", world.url),
            "web_url": world.url,
            "writers_ms": 0,
            "app_id": world.installation.app_id,
            "private_key_file": path("app.pem"),
            "webhook_secrets": [world.installation.webhook_secret],
        },
        "storage": {"url": format!("sqlite://{}", path("countersign.sqlite"))},
        "ledger": {"key_file": path("ledger.key")},
        "oidc": {"issuers": [oidc::issuer(world)]},
        "scope": [{
            "repositories": ["acme/*"],
            "production_branch": "main",
            "environments": ["production"],
            "policies": ["three-person"],
        }],
        "baseline": [{"repository": "acme/shop", "environment": "production", "commit": "base"}],
        "person": [],
        "token": tokens(world),
        "automation": {"trusted": ["dependabot", "renovate"], "machine_users": [], "sponsors": {}},
    });
    if let Some(all) = all.as_object_mut() {
        for (key, value) in story {
            match (all.get_mut(key).and_then(Value::as_object_mut), value.as_object()) {
                (Some(known), Some(more)) if MERGED.contains(&key.as_str()) => known.extend(more.clone()),
                _ => {
                    all.insert(key.clone(), value.clone());
                }
            }
        }
        name_commits(world, all);
    }
    toml(&all)
}

/// A token for everybody, each for their own account.
fn tokens(world: &World) -> Vec<Value> {
    let people = world.accounts.values().filter(|account| !account.built_in);
    let token = |login: &str| {
        let sha256 = hex::encode(Sha256::digest(token(login).as_bytes()));
        json!({"account": login, "sha256": sha256, "scopes": ["exceptions"]})
    };
    people.map(|account| token(&account.login)).collect()
}

/// Baselines name commits as the story does.
fn name_commits(world: &World, settings: &mut Map<String, Value>) {
    let baselines = settings.get_mut("baseline").and_then(Value::as_array_mut);
    for baseline in baselines.into_iter().flatten() {
        let named = baseline.get("commit").and_then(Value::as_str).and_then(|name| world.resolve(name).ok());
        if let (Some(sha), Some(baseline)) = (named, baseline.as_object_mut()) {
            baseline.insert("commit".to_owned(), Value::String(sha));
        }
    }
}

/// Writes tables and lists of tables in TOML's long form, and everything below in its short one.
fn toml(all: &Value) -> String {
    let (mut plain, mut tables) = (String::new(), String::new());
    for (key, value) in all.as_object().into_iter().flat_map(sorted) {
        let list = value.as_array().filter(|list| !list.is_empty() && list.iter().all(Value::is_object));
        match (value.as_object(), list) {
            (Some(table), _) => {
                let _ = writeln!(tables, "\n[{key}]");
                pairs(&mut tables, table);
            }
            (None, Some(list)) => {
                for table in list.iter().filter_map(Value::as_object) {
                    let _ = writeln!(tables, "\n[[{key}]]");
                    pairs(&mut tables, table);
                }
            }
            (None, None) => {
                let _ = writeln!(plain, "{key} = {}", inline(value));
            }
        }
    }
    plain + &tables
}

/// In the order of the keys, whatever features the JSON library was built with.
fn sorted(table: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut pairs: Vec<_> = table.iter().collect();
    pairs.sort_by_key(|(key, _)| *key);
    pairs
}

fn pairs(text: &mut String, table: &Map<String, Value>) {
    for (key, value) in sorted(table).into_iter().filter(|(_, value)| !value.is_null()) {
        let _ = writeln!(text, "{} = {}", Value::from(key.as_str()), inline(value));
    }
}

/// JSON's strings, numbers, booleans and lists are TOML's too; only tables differ.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(table) => {
            let pair = |(key, value): (&String, &Value)| format!("{} = {}", Value::from(key.as_str()), inline(value));
            format!("{{{}}}", sorted(table).into_iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(inline).collect::<Vec<_>>().join(", ")),
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_lists_and_values_become_toml() {
        // In alphabetical order: whether a map keeps another one depends on what else is built.
        let text = toml(&json!({
            "automation": {"sponsors": {"train[bot]": ["ann"]}},
            "baseline": [],
            "scope": [{"environments": ["production"], "repositories": ["acme/*"]}],
            "server": {"none": null, "open_reading": true, "pace_ms": 20},
        }));
        insta::assert_snapshot!(text, @r#"
        baseline = []

        [automation]
        "sponsors" = {"train[bot]" = ["ann"]}

        [[scope]]
        "environments" = ["production"]
        "repositories" = ["acme/*"]

        [server]
        "open_reading" = true
        "pace_ms" = 20
        "#);
    }
}
