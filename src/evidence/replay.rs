//! Replay: every decision made again from its facts and its policies, and compared with what is on record.
//!
//! Invariant: a decision holds only where the policies and settings that it names are in the bundle under digests that are
//! theirs, and where `decide` gives the recorded verdict byte for byte.

use super::EvidenceError;
use super::bundle::{POLICIES, SCHEMA, SETTINGS};
use super::contents::Contents;
use countersign_core::domain::entry::ENTRY_VERSION;
use countersign_core::domain::{Decision, Entry, EntryBody};
use countersign_core::ledger::canonical;
use countersign_core::policy::{Policies, decide};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// What a bundle brings to decide again.
pub(super) struct Replay {
    policies: BTreeMap<String, Policies>,
    settings: BTreeSet<String>,
    /// The policies and settings that entries name; entries are read side by side.
    named: Mutex<BTreeSet<String>>,
}

/// What an entry is, as far as the check goes on with it.
pub(super) enum Seen {
    /// A decision, made again with the same verdict.
    Decision,
    /// The service started, and named the key that signs.
    Key(String),
    /// Another key took over, by this note.
    Rotation(String),
    /// Anything else.
    Other,
}

/// What can be told of an entry before its body is read.
#[derive(Deserialize)]
struct Beginning {
    version: u32,
    kind: String,
    settings_digest: Option<String>,
}

impl Replay {
    /// Reads the policies and settings of a bundle; each must have the digest it is filed under.
    pub(super) fn load(contents: &Contents) -> Result<Self, EvidenceError> {
        let mut texts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (rest, path) in contents.under(POLICIES) {
            let Some((digest, file)) = rest.split_once('/') else {
                return Err(EvidenceError::wrong(path, "it belongs to no policy"));
            };
            let files = texts.entry(digest.to_owned()).or_default();
            files.insert(file.to_owned(), contents.text(path)?);
        }
        let mut policies = BTreeMap::new();
        for (digest, mut files) in texts {
            let place = format!("{POLICIES}/{digest}");
            let schema = files.remove(SCHEMA);
            let schema = schema.ok_or_else(|| EvidenceError::wrong(&place, format!("it has no {SCHEMA}")))?;
            let parsed = Policies::parse(&schema, &files);
            let parsed = parsed.map_err(|error| EvidenceError::wrong(&place, error.to_string()))?;
            if parsed.digest() != digest {
                return Err(EvidenceError::wrong(&place, format!("its digest is {}", parsed.digest())));
            }
            policies.insert(digest, parsed);
        }
        let mut settings = BTreeSet::new();
        for (rest, path) in contents.under(SETTINGS) {
            let digest = hex::encode(Sha256::digest(contents.text(path)?));
            if rest.strip_suffix(".json") != Some(&digest) {
                return Err(EvidenceError::wrong(path, format!("its digest is {digest}")));
            }
            settings.insert(digest);
        }
        Ok(Self { policies, settings, named: Mutex::default() })
    }

    /// Reads an entry; a decision among them is made again.
    pub(super) fn entry(&self, line: &[u8]) -> Result<Seen, String> {
        let beginning: Beginning = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if beginning.version != ENTRY_VERSION {
            return Err(format!("an entry of version {}: this build reads {ENTRY_VERSION}", beginning.version));
        }
        if let Some(settings) = beginning.settings_digest {
            self.name(settings);
        }
        // What was judged afterwards is made again like a decision.
        if !["decision", "backfilled"].contains(&beginning.kind.as_str()) {
            return seen(line);
        }
        let decision: Decision = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if !self.settings.contains(&decision.settings_digest) {
            return Err(format!("its settings {} are not in the bundle", decision.settings_digest));
        }
        let policies = self.policies.get(&decision.policy_digest);
        let policies = policies.ok_or_else(|| format!("its policy {} is not in the bundle", decision.policy_digest))?;
        compare(&decision, policies, line)?;
        self.name(decision.policy_digest);
        Ok(Seen::Decision)
    }

    fn name(&self, digest: String) {
        self.named.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
    }

    /// The path of a policy or of settings that no entry names.
    pub(super) fn not_named(&self) -> Option<String> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = self.policies.keys().find(|digest| !named.contains(*digest));
        let settings = self.settings.iter().find(|digest| !named.contains(*digest));
        policy
            .map(|digest| format!("{POLICIES}/{digest}"))
            .or_else(|| settings.map(|digest| format!("{SETTINGS}/{digest}.json")))
    }
}

/// Reads an entry without making a decision again.
pub(super) fn seen(line: &[u8]) -> Result<Seen, String> {
    let entry: Entry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    Ok(match entry.body {
        EntryBody::KeyRotated { note } => Seen::Rotation(note),
        EntryBody::ServiceStarted { ledger_key: Some(key), .. } => Seen::Key(key),
        EntryBody::Decision(_) => Seen::Decision,
        _ => Seen::Other,
    })
}

fn compare(decision: &Decision, policies: &Policies, line: &[u8]) -> Result<(), String> {
    let verdict = decide(&decision.facts, policies);
    let recorded = &decision.verdict;
    if verdict.outcome != recorded.outcome {
        let outcome = verdict.outcome;
        return Err(format!("the verdict on record is `{}`, and replay says `{outcome}`", recorded.outcome));
    }
    // An entry is canonical: its members are ordered, and `verdict` comes last but for `version`.
    let spelled = canonical::to_bytes(&verdict).map_err(|error| error.to_string())?;
    let version = format!(",\"version\":{ENTRY_VERSION}}}");
    let end = [b"\"verdict\":", spelled.as_slice(), version.as_bytes()].concat();
    if *recorded == verdict && line.ends_with(&end) {
        Ok(())
    } else {
        Err(format!("replay gives another verdict than the `{}` on record", recorded.outcome))
    }
}
