//! What a bundle is made of: the names of its files and the shapes of those that hold it together.
//!
//! Invariant: `manifest.note` is signed and names `manifest.json`, which names every other file with size and SHA-256.
//! The note is spelled like a checkpoint under an origin of its own ([`manifest_origin`]), so that neither can ever stand
//! in for the other. Written by [`super::export()`], read by [`super::verify()`].

use super::population::Period;
use countersign_core::domain::RepositoryId;
use countersign_core::ledger::{Checkpoint, Hash};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// The version of the bundle's shape that this build writes and reads.
pub const BUNDLE_VERSION: u32 = 4;

/// One entry a line, exactly the bytes that were hashed; an entry left out is a [`LeftOut`] line.
pub const ENTRIES: &str = "entries.jsonl";
/// [`Frontiers`]: what stands left and right of the entries in the tree.
pub const FRONTIERS: &str = "frontiers.json";
/// The signed head of the ledger that the entries lead to.
pub const CHECKPOINT: &str = "checkpoint.txt";
/// Optional: the proof that an older checkpoint is the beginning of this one.
pub const CONSISTENCY: &str = "consistency.json";
/// Optional: the notes by which one key of the ledger followed another, in order, as a list of texts.
pub const ROTATIONS: &str = "rotations.json";
/// [`Manifest`]: every other file but the note.
pub const MANIFEST: &str = "manifest.json";
/// The signed note over the manifest.
pub const MANIFEST_NOTE: &str = "manifest.note";
/// Every change that a deployment put into production.
pub const CHANGES: &str = "changes.csv";
/// The commits of these changes.
pub const COMMITS: &str = "commits.csv";
/// Every attempt to deploy, with its last decision and how it ended.
pub const DEPLOYMENTS: &str = "deployments.csv";
/// Exceptions, and what became of them.
pub const EXCEPTIONS: &str = "exceptions.csv";
/// What is missing, or happened outside the control.
pub const GAPS: &str = "gaps.csv";
/// The population as an auditor's workpaper.
pub const WORKBOOK: &str = "workbook.xlsx";
/// The population as a report to read and to print.
pub const REPORT: &str = "report.html";
/// The population as OSCAL assessment results.
pub const OSCAL: &str = "oscal-assessment-results.json";
/// The files that are derived from the entries; whoever has these can make them again.
pub const DERIVED: &[&str] = &[CHANGES, COMMITS, DEPLOYMENTS, EXCEPTIONS, GAPS, OSCAL, REPORT, WORKBOOK];
/// The directory of attestations, in files of many lines: what they state is derived too, and signed.
pub const ATTESTATIONS: &str = "attestations";
/// The directory of policies: one directory per digest.
pub const POLICIES: &str = "policies";
/// The directory of settings: one file per digest.
pub const SETTINGS: &str = "settings";
/// The schema within the directory of one policy.
pub const SCHEMA: &str = "schema.cedarschema";

/// Every file of a bundle but the manifest and its note, by path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`BUNDLE_VERSION`] of the build that wrote it.
    pub version: u32,
    /// The program that wrote it, with its version: another one may tell derived files in other words.
    pub tool: String,
    /// The time that the population is told for; absent for all that the entries tell of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// The ids of the repositories that were chosen; absent for all, and then no entry is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repositories: Option<BTreeSet<RepositoryId>>,
    /// The address under which Countersign shows changes, where it has one; tables link to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<String>,
    /// The files, ordered by path, none twice.
    pub files: Vec<ListedFile>,
}

/// One file in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedFile {
    /// Its path within the bundle, with `/`.
    pub path: String,
    /// Its SHA-256, hexadecimal.
    pub sha256: Hash,
    /// Its size in bytes.
    pub size: u64,
}

/// The place of the entries in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frontiers {
    /// [`BUNDLE_VERSION`] of the build that wrote it.
    pub version: u32,
    /// The position of the first entry.
    pub from: u64,
    /// The position after the last entry.
    pub to: u64,
    /// How many entries the ledger had.
    pub size: u64,
    /// The roots of the perfect subtrees over `0..from`, from left to right.
    pub left: Vec<Hash>,
    /// The roots of the perfect subtrees over `to..size`, from left to right.
    pub right: Vec<Hash>,
}

/// What stands for an entry that was left out: its hash as a leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The leaf.
    pub left_out: Hash,
}

/// How a line that stands for an entry left out begins.
pub const LEFT_OUT_PREFIX: &[u8] = b"{\"left_out\":";

/// The policies that a decision was made by, as the store keeps them under their digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySource {
    /// The Cedar schema.
    pub schema: String,
    /// The rules, one per file, by name.
    pub files: std::collections::BTreeMap<String, String>,
}

/// The origin of the note over a manifest, from the origin of the ledger.
pub fn manifest_origin(ledger: &str) -> String {
    format!("{ledger}/bundle")
}

/// The text that is signed over a manifest: its origin, its size and its SHA-256 in base64, spelled like a checkpoint.
pub fn manifest_text(ledger: &str, manifest: &[u8]) -> Checkpoint {
    Checkpoint {
        origin: manifest_origin(ledger),
        size: manifest.len() as u64,
        root: Hash::new(Sha256::digest(manifest).into()),
    }
}

/// The file of attestations of this number, from 1.
pub fn attestations_file(number: u64) -> String {
    format!("{ATTESTATIONS}/{number:06}.intoto.jsonl")
}

/// An address that tables may link to; `None` where it is none.
pub fn address_of_pages(url: &str) -> Option<String> {
    let is_one = url.starts_with("https://") || url.starts_with("http://");
    is_one.then(|| url.to_owned())
}

/// Whether a path of a bundle is plain: relative, without `.` and `..`, of letters, digits, `.`, `_` and `-`.
pub fn is_plain(path: &str) -> bool {
    path.split('/').all(|part| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        !part.is_empty() && part != "." && part != ".." && part.bytes().all(allowed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_cannot_leave_the_bundle() {
        for plain in ["entries.jsonl", "policies/ab12/three-person/review-missing.cedar"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a\\b", "C:x", "a b", "é"] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
