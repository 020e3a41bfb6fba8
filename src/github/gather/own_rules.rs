//! A repository's own rules, read at a commit or a branch: the Cedar files in `.github/countersign/`.
//!
//! Invariant: a folder that is not there holds no rules; one that cannot be read whole is a fault, never an empty one.

use super::Look;
use crate::github::client::GitHubError;
use crate::github::query;
use countersign_core::policy::OwnFile;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// Where they are.
const FOLDER: &str = ".github/countersign";

/// More files, or larger ones, are no rules that anybody reads.
const MOST: usize = 50;
const LONGEST: usize = 64 * 1024;

#[derive(Deserialize)]
struct Folder {
    #[serde(rename = "__typename")]
    kind: String,
    entries: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    object: Option<Blob>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Blob {
    text: Option<String>,
    is_truncated: Option<bool>,
}

/// What GraphQL calls the folder in a revision.
pub(super) fn expression(revision: &str) -> String {
    format!("{revision}:{FOLDER}")
}

/// The rules on the production branch, for the read of a pull request.
pub(super) fn on_production_branch(look: &Look<'_>) -> String {
    let scope = look.scope();
    let named = scope.and_then(|scope| scope.production_branch.as_deref());
    expression(&named.map_or_else(|| "HEAD".to_owned(), |branch| format!("refs/heads/{branch}")))
}

/// Reads the rules in two revisions: of what runs now, and of what would.
pub async fn gather(look: &Look<'_>, revisions: [&str; 2]) -> Result<Vec<OwnFile>, GitHubError> {
    let [now, then] = revisions;
    let variables = look.variables([
        ("now", json!(now)),
        ("nowRules", json!(expression(now))),
        ("then", json!(then)),
        ("thenRules", json!(expression(then))),
    ]);
    let mut data = look.client.graphql(query::OWN_RULES, variables).await?;
    let mut part = |name: &str| {
        let part = data.pointer_mut(&format!("/repository/{name}")).map(Value::take);
        part.ok_or_else(|| GitHubError::Unreadable(format!("own rules without `{name}`")))
    };
    let mut files = Vec::new();
    for (revision, rules) in [("now", "nowRules"), ("then", "thenRules")] {
        files.extend(of_revision(&part(revision)?, part(rules)?));
    }
    Ok(files)
}

/// The rules in one revision, of which `commit` shows whether GitHub has it.
pub(super) fn of_revision(commit: &Value, folder: Value) -> Vec<OwnFile> {
    // A commit that GitHub no longer has shows no folder either: that is not the same as no rules.
    let gone = commit.is_null().then(|| unreadable(FOLDER, "its commit cannot be read"));
    gone.into_iter().chain(read(folder)).collect()
}

/// The files of a folder; one that cannot be read becomes a fault.
pub(super) fn read(folder: Value) -> Vec<OwnFile> {
    if folder.is_null() {
        return Vec::new();
    }
    let Ok(Folder { kind, entries }) = serde_json::from_value::<Folder>(folder) else {
        return vec![unreadable(FOLDER, "this cannot be read")];
    };
    let Some(entries) = entries.filter(|_| kind == "Tree") else {
        return vec![unreadable(FOLDER, "this is no folder")];
    };
    let rules: Vec<Entry> = entries.into_iter().filter(|entry| is_cedar(&entry.name)).collect();
    if rules.len() > MOST {
        return vec![unreadable(FOLDER, "these are more files than anybody reads")];
    }
    let file = |entry: Entry| match entry.object {
        Some(Blob { text: Some(text), is_truncated: Some(false) }) if entry.kind == "blob" && text.len() <= LONGEST => {
            OwnFile { name: entry.name, text }
        }
        _ => unreadable(&entry.name, "this is no text that can be read whole"),
    };
    rules.into_iter().map(file).collect()
}

/// What no parser takes, so that it becomes a fault and says why.
pub fn unreadable(name: &str, why: &str) -> OwnFile {
    OwnFile { name: name.to_owned(), text: format!("{why}!") }
}

fn is_cedar(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|kind| kind.eq_ignore_ascii_case("cedar"))
}
