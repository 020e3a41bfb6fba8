//! The ledger: its name, the key that signs its heads, the one before it, and who watches.

use countersign_core::ledger::WitnessKey;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[ledger]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// The signing key; created on the first start where there is none.
    pub key_file: PathBuf,
    /// The key that signed before, at the first start with another one: both sign that it follows.
    pub previous_key_file: Option<PathBuf>,
    /// The ledger's name, the first line of its checkpoints.
    pub origin: String,
    /// Witnesses that are asked to cosign the ledger's heads (C2SP tlog-witness).
    pub witness: Vec<WitnessSettings>,
}

/// `[[ledger.witness]]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessSettings {
    /// Its submission prefix: what stands before `/add-checkpoint`.
    pub url: String,
    /// Its key, `name+hash+base64`.
    pub key: String,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            key_file: "countersign-ledger.key".into(),
            previous_key_file: None,
            origin: "countersign.local/ledger".into(),
            witness: Vec::new(),
        }
    }
}

/// What contradicts itself in it.
pub(super) fn wrong(ledger: &Ledger) -> Option<String> {
    let mut names = std::collections::BTreeSet::new();
    ledger.witness.iter().find_map(|witness| match WitnessKey::parse(&witness.key) {
        Err(error) => Some(format!("the key of the witness `{}` cannot be used: {error}", witness.url)),
        Ok(key) if !names.insert(key.name().to_owned()) => Some(format!("the witness `{}` is named twice", key.name())),
        Ok(_) => None,
    })
}
