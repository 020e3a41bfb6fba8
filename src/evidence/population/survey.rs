//! The first pass over the entries: what became of each decision.
//!
//! Invariant: it keeps a few words per attempt to deploy and nothing per change, so a year of changes fits in memory.

use serde::Deserialize;
use std::collections::HashMap;

/// What is known of the decisions before the rows are made.
#[derive(Debug, Default)]
pub struct Survey {
    /// How the deployments ended, by the decision that they name.
    ended: HashMap<String, Ended>,
    /// The position of the last decision on each subject.
    last: HashMap<String, u64>,
    /// Which of the ends names a decision that was seen.
    pub(super) entries: u64,
}

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When, RFC 3339.
    pub time: String,
    /// The position of the entry that says so.
    pub position: u64,
    /// GitHub's id of the deployment.
    pub deployment: u64,
    /// The conclusion of the deploying job.
    pub conclusion: String,
}

impl Ended {
    /// Whether it put its commit into production.
    pub fn reached_production(&self) -> bool {
        self.conclusion == "success"
    }
}

/// What the survey reads of an entry.
#[derive(Deserialize)]
struct Glance {
    kind: String,
    time: String,
    id: Option<String>,
    subject: Option<String>,
    decision: Option<String>,
    deployment: Option<u64>,
    conclusion: Option<String>,
}

impl Survey {
    /// Takes note of an entry at its position.
    pub fn note(&mut self, position: u64, line: &[u8]) -> Result<(), String> {
        let glance: Glance = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        self.entries += 1;
        match (glance.kind.as_str(), glance.subject, glance.decision) {
            ("decision", Some(subject), _) if glance.id.is_some() => {
                self.last.insert(subject, position);
            }
            ("deployment_finished", _, Some(decision)) => {
                let (deployment, conclusion) = (glance.deployment.unwrap_or_default(), glance.conclusion);
                let conclusion = conclusion.unwrap_or_default();
                self.ended.insert(decision, Ended { time: glance.time, position, deployment, conclusion });
            }
            _ => {}
        }
        Ok(())
    }

    /// How the deployment ended that names this decision.
    pub fn end_of(&self, decision: &str) -> Option<&Ended> {
        self.ended.get(decision)
    }

    /// Whether nothing was decided on this subject after this position.
    pub fn is_last(&self, subject: &str, position: u64) -> bool {
        self.last.get(subject) == Some(&position)
    }
}
