//! GitHub's list of deployments, as whoever may read it saved it: `gh api --paginate repos/OWNER/NAME/deployments`.
//!
//! Invariant: pages may follow each other as arrays, be one array, or an array of arrays; anything else is no list.

use super::ReconcileError;
use crate::store::record::respelled;
use serde::Deserialize;
use serde_json::Value;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// One deployment of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: u64,
    pub(super) commit: String,
    pub(super) environment: String,
    pub(super) created_at: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    id: u64,
    sha: String,
    environment: String,
    #[serde(default)]
    created_at: Option<String>,
}

/// Reads the list.
pub(super) fn read(path: &Path) -> Result<Vec<Listed>, ReconcileError> {
    let wrong = |why: String| ReconcileError::NoList { path: path.to_owned(), why };
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut list = Vec::new();
    for page in serde_json::Deserializer::from_reader(BufReader::new(file)).into_iter::<Value>() {
        take(page.map_err(|error| wrong(error.to_string()))?, &mut list).map_err(wrong)?;
    }
    Ok(list)
}

fn take(value: Value, list: &mut Vec<Listed>) -> Result<(), String> {
    match value {
        Value::Array(items) => items.into_iter().try_for_each(|item| take(item, list)),
        Value::Object(_) => {
            let one: Payload = serde_json::from_value(value).map_err(|error| error.to_string())?;
            let created_at = one.created_at.as_deref().and_then(respelled);
            list.push(Listed { id: one.id, commit: one.sha, environment: one.environment, created_at });
            Ok(())
        }
        _ => Err("it holds something that is neither a list nor a deployment".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pages_may_come_in_any_of_the_ways_that_gh_writes_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list.json");
        let one = r#"{"id":1,"sha":"aa","environment":"production","created_at":"2026-01-01T00:00:00Z"}"#;
        let other = r#"{"id":2,"sha":"bb","environment":"production"}"#;
        for text in [
            format!("[{one},{other}]"),
            format!("[{one}][{other}]"),
            format!("[[{one}],[{other}]]"),
            format!("{one}\n{other}\n"),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap().iter().map(|one| one.id).collect::<Vec<_>>(), [1, 2]);
        }
        for text in ["[1]", "[{}]", "{\"message\":\"Not Found\"}", "[", "null"] {
            std::fs::write(&path, text).unwrap();
            assert!(read(&path).is_err(), "{text}");
        }
        assert!(read(&directory.path().join("none")).is_err());
    }
}
