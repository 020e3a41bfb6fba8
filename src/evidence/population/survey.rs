//! The first pass over the entries: what became of each decision.
//!
//! Invariant: it keeps a few words per attempt to deploy and nothing per change, so a year of changes fits in memory.

use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// What is known of the decisions before the rows are made.
#[derive(Debug, Default)]
pub struct Survey {
    /// How the deployments ended, by the decision that they name.
    ended: HashMap<String, Ended>,
    /// The position of the last decision on each subject.
    last: HashMap<String, u64>,
    /// What became of each exception.
    exceptions: HashMap<String, Became>,
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

/// What became of an exception.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Became {
    /// How many decisions name it.
    pub let_through: u64,
    /// Who reviewed it, when, and whether they call it justified.
    pub review: Option<(String, String, bool)>,
    /// It was reported overdue.
    pub overdue: bool,
}

#[derive(Deserialize)]
struct By {
    login: String,
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
    exception: Option<String>,
    by: Option<Value>,
    justified: Option<bool>,
    ended_at: Option<String>,
    verdict: Option<GlanceVerdict>,
    facts: Option<GlanceFacts>,
}

#[derive(Deserialize)]
struct GlanceVerdict {
    outcome: String,
}

#[derive(Deserialize)]
struct GlanceFacts {
    subject: GlanceSubject,
}

#[derive(Deserialize)]
struct GlanceSubject {
    exception: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

impl Survey {
    /// Takes note of an entry at its position.
    pub fn note(&mut self, position: u64, line: &[u8]) -> Result<(), String> {
        let glance: Glance = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        self.entries += 1;
        match (glance.kind.as_str(), glance.subject, glance.decision) {
            ("decision", Some(subject), _) if glance.id.is_some() => {
                let excepted = glance.verdict.is_some_and(|verdict| verdict.outcome == "exception");
                let exception = glance.facts.and_then(|facts| facts.subject.exception).filter(|_| excepted);
                if let Some(exception) = exception {
                    self.exceptions.entry(exception.id).or_default().let_through += 1;
                }
                self.last.insert(subject, position);
            }
            ("deployment_finished", _, Some(decision)) => {
                let (deployment, conclusion) = (glance.deployment.unwrap_or_default(), glance.conclusion);
                let conclusion = conclusion.unwrap_or_default();
                self.ended.insert(decision, Ended { time: glance.time, position, deployment, conclusion });
            }
            // It tells of its own end.
            ("backfilled", ..) => {
                let time = glance.ended_at.unwrap_or_default();
                let (deployment, conclusion) = (glance.deployment.unwrap_or_default(), glance.conclusion);
                let conclusion = conclusion.unwrap_or_default();
                self.ended.insert(glance.id.unwrap_or_default(), Ended { time, position, deployment, conclusion });
            }
            ("exception_reviewed", ..) => {
                let by = glance.by.and_then(|by| serde_json::from_value::<By>(by).ok());
                let review = (by.map(|by| by.login).unwrap_or_default(), glance.time, glance.justified == Some(true));
                self.exceptions.entry(glance.exception.unwrap_or_default()).or_default().review = Some(review);
            }
            ("exception_overdue", ..) => {
                self.exceptions.entry(glance.exception.unwrap_or_default()).or_default().overdue = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// What became of an exception.
    pub fn of_exception(&self, id: &str) -> Became {
        self.exceptions.get(id).cloned().unwrap_or_default()
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
