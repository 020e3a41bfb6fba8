//! What the survey reads of an entry: a few words of most, and all of those that tell more.
//!
//! Invariant: reading an entry depends on nothing but its line, so that many are read side by side. Next: `survey.rs`.

use countersign_core::domain::Entry;
use serde::Deserialize;
use serde_json::Value;

/// Kinds of entries that tell of stretches of time before them.
pub(super) const OF_WINDOWS: [&str; 5] =
    ["service_started", "outage", "installation_changed", "deliveries_missed", "deliveries_settled"];

/// Other kinds of entries that are read whole.
const READ_WHOLE: [&str; 2] = ["service_stopped", "deployments_listed"];

#[derive(Deserialize)]
pub(super) struct By {
    pub(super) id: u64,
    pub(super) login: String,
}

/// What the survey reads of an entry: see [`glance()`].
#[derive(Deserialize)]
pub struct Glance {
    pub(super) kind: String,
    pub(super) time: String,
    pub(super) id: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) decision: Option<String>,
    pub(super) deployment: Option<u64>,
    pub(super) conclusion: Option<String>,
    pub(super) exception: Option<String>,
    pub(super) by: Option<Value>,
    pub(super) justified: Option<bool>,
    pub(super) ended_at: Option<String>,
    pub(super) verdict: Option<GlanceVerdict>,
    pub(super) facts: Option<GlanceFacts>,
    pub(super) repository: Option<Numbered>,
    #[serde(default)]
    pub(super) beside: Vec<u64>,
    /// All of it, where a glance is not enough.
    #[serde(skip)]
    pub(super) whole: Option<Box<Entry>>,
}

#[derive(Deserialize)]
pub(super) struct Numbered {
    pub(super) id: u64,
}

#[derive(Deserialize)]
pub(super) struct GlanceVerdict {
    pub(super) outcome: String,
}

#[derive(Deserialize)]
pub(super) struct GlanceFacts {
    pub(super) subject: GlanceSubject,
    pub(super) repository: Numbered,
}

#[derive(Deserialize)]
pub(super) struct GlanceSubject {
    #[serde(default)]
    pub(super) kind: String,
    pub(super) exception: Option<Named>,
    pub(super) record: Option<Numbered>,
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
}

/// Reads of an entry what the survey takes note of.
pub fn glance(line: &[u8]) -> Result<Glance, String> {
    let mut glance: Glance = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let excepted = glance.verdict.as_ref().is_some_and(|verdict| verdict.outcome == "exception");
    if excepted || OF_WINDOWS.contains(&glance.kind.as_str()) || READ_WHOLE.contains(&glance.kind.as_str()) {
        glance.whole = Some(serde_json::from_slice(line).map_err(|error| error.to_string())?);
    }
    Ok(glance)
}
