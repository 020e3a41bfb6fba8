//! The first pass over the entries: what became of each decision.
//!
//! Invariant: it keeps a few words per attempt to deploy and nothing per change, so a year of changes fits in memory.

use super::windows::Windows;
use countersign_core::domain::{DeploymentId, DeploymentsListed, Entry, EntryBody, RepositoryId};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// A deployment, wherever it is.
type Place = (RepositoryId, DeploymentId);

/// What is known of the decisions before the rows are made.
#[derive(Debug, Default)]
pub struct Survey {
    /// How the deployments ended, by the decision that they name.
    ended: HashMap<String, Ended>,
    /// The position of the last decision on each subject.
    last: HashMap<String, u64>,
    /// What became of each exception.
    exceptions: HashMap<String, Became>,
    /// What each exception let through: its id and the subject.
    excepted: HashSet<(String, String)>,
    /// When the service was not there.
    pub(super) windows: Windows,
    /// Deployments of which something was decided, or whose end is on record.
    decided: HashSet<Place>,
    /// Deployments that an alert is about.
    alerted: HashSet<Place>,
    /// Deployments that GitHub lists.
    listed: HashSet<Place>,
    /// The stretches of GitHub's lists that were read: after one deployment, up to another.
    lists: Vec<(RepositoryId, DeploymentId, DeploymentId)>,
    /// How many entries there are.
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
    /// When the job ended, by GitHub's clock.
    pub ended_at: Option<String>,
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
    /// How many attempts to deploy it let through, however often each was decided.
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
    repository: Option<Numbered>,
    #[serde(default)]
    beside: Vec<u64>,
}

#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

#[derive(Deserialize)]
struct GlanceVerdict {
    outcome: String,
}

#[derive(Deserialize)]
struct GlanceFacts {
    subject: GlanceSubject,
    repository: Numbered,
}

#[derive(Deserialize)]
struct GlanceSubject {
    exception: Option<Named>,
    record: Option<Numbered>,
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
        let place = |repository: &Numbered, deployment: u64| (RepositoryId(repository.id), DeploymentId(deployment));
        match (glance.kind.as_str(), glance.subject, glance.decision) {
            ("decision", Some(subject), _) if glance.id.is_some() => {
                let excepted = glance.verdict.is_some_and(|verdict| verdict.outcome == "exception");
                let record =
                    glance.facts.as_ref().and_then(|facts| Some((&facts.repository, facts.subject.record.as_ref()?)));
                self.decided.extend(record.map(|(repository, record)| place(repository, record.id)));
                let exception = glance.facts.and_then(|facts| facts.subject.exception).filter(|_| excepted);
                if let Some(Named { id }) = exception {
                    let first = self.excepted.insert((id.clone(), subject.clone()));
                    self.exceptions.entry(id).or_default().let_through += u64::from(first);
                }
                self.last.insert(subject, position);
            }
            ("deployment_finished", _, decision) => {
                let (deployment, conclusion) = (glance.deployment.unwrap_or_default(), glance.conclusion);
                let conclusion = conclusion.unwrap_or_default();
                if let Some(repository) = &glance.repository {
                    let all = glance.beside.iter().chain([&deployment]);
                    self.decided.extend(all.map(|id| place(repository, *id)));
                }
                if let Some(decision) = decision {
                    let (time, ended_at) = (glance.time, glance.ended_at);
                    self.ended.insert(decision, Ended { time, position, deployment, conclusion, ended_at });
                }
            }
            ("alert", ..) => {
                self.alerted.extend(glance.repository.zip(glance.deployment).map(|(one, id)| place(&one, id)));
            }
            (
                "service_started"
                | "outage"
                | "installation_changed"
                | "deliveries_missed"
                | "deliveries_settled"
                | "deployments_listed",
                ..,
            ) => {
                let entry: Entry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
                match &entry.body {
                    EntryBody::DeploymentsListed(listed) => self.note_list(listed),
                    _ => self.windows.note(position, entry),
                }
            }
            // It tells of its own end.
            ("backfilled", ..) => {
                let (ended_at, deployment) = (glance.ended_at, glance.deployment.unwrap_or_default());
                let (time, conclusion) = (ended_at.clone().unwrap_or_default(), glance.conclusion.unwrap_or_default());
                let end = Ended { time, position, deployment, conclusion, ended_at };
                self.ended.insert(glance.id.unwrap_or_default(), end);
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

    fn note_list(&mut self, list: &DeploymentsListed) {
        let repository = list.repository.id;
        self.listed.extend(list.deployments.iter().map(|one| (repository, one.id)));
        if let Some(after) = list.after {
            self.lists.push((repository, after, list.upto));
        }
    }

    /// Whether nothing is on record of a deployment but that GitHub lists it.
    pub fn is_undecided(&self, repository: RepositoryId, deployment: DeploymentId) -> bool {
        !self.is_decided(repository, deployment) && !self.alerted.contains(&(repository, deployment))
    }

    /// Whether something was decided of a deployment, or its end is on record.
    pub fn is_decided(&self, repository: RepositoryId, deployment: DeploymentId) -> bool {
        self.decided.contains(&(repository, deployment))
    }

    /// Whether GitHub's list was read where a deployment must have been, and did not show it.
    pub fn is_unlisted(&self, repository: RepositoryId, deployment: DeploymentId) -> bool {
        let read = |(of, after, upto): &(RepositoryId, DeploymentId, DeploymentId)| {
            *of == repository && *after < deployment && deployment <= *upto
        };
        !self.listed.contains(&(repository, deployment)) && self.lists.iter().any(read)
    }

    /// What became of an exception.
    pub fn of_exception(&self, id: &str) -> Became {
        self.exceptions.get(id).cloned().unwrap_or_default()
    }

    /// What its review says of an exception.
    pub fn review_of(&self, exception: &str) -> &'static str {
        match self.exceptions.get(exception).and_then(|became| became.review.as_ref()) {
            Some((_, _, true)) => "justified",
            Some((_, _, false)) => "unjustified",
            None => "open",
        }
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
