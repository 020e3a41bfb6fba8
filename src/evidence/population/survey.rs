//! The first pass over the entries: what became of each decision.
//!
//! Invariant: it keeps a few words per attempt to deploy and nothing per change, so a year of changes fits in memory.

use super::glance::{By, Glance, Named, Numbered, OF_WINDOWS};
use super::windows::Windows;
use super::{Period, within};
use countersign_core::domain::{
    AccountId, Decision, DeploymentId, DeploymentsListed, Entry, EntryBody, Exception, Person, RepositoryId,
};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// By how much an entry may be earlier than the one before it: several are made at a time, and wait their turn.
const TOLERANCE: Duration = Duration::minutes(1);

/// A deployment, wherever it is.
type Place = (RepositoryId, DeploymentId);

/// What is known of the decisions before the rows are made.
#[derive(Debug, Default)]
pub struct Survey {
    /// The time told of: what was recorded after it is not known yet.
    period: Option<Period>,
    /// The time of the first entry, of the one read last, and the latest.
    first: Option<String>,
    before: Option<String>,
    latest: Option<String>,
    /// The exception that each decision names which was let through by one.
    through: HashMap<String, String>,
    /// How the deployments ended, by the decision that they name.
    ended: HashMap<String, Ended>,
    /// The position of the last decision on each attempt to deploy.
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
    /// What its review says.
    pub review: Option<Reviewed>,
    /// It was reported overdue.
    pub overdue: bool,
    /// It was used, reviewed or reported in the time told of.
    pub touched: bool,
    /// Everybody who contributed to, or deployed, what it let through.
    pub took_part: BTreeSet<AccountId>,
    /// The persons with several accounts, as those decisions knew them.
    pub persons: Vec<Person>,
}

/// A review of an exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// Who says so: their login, and their account.
    pub login: String,
    /// The account.
    pub account: AccountId,
    /// When, RFC 3339.
    pub time: String,
    /// Whether they call it justified.
    pub justified: bool,
    /// The position of the entry that says so.
    pub position: u64,
}

impl Became {
    /// Whether whoever reviewed it neither opened it nor had a part in what it let through; `None` without a review.
    pub fn reviewer_had_no_part(&self, opener: AccountId) -> Option<bool> {
        let by = self.review.as_ref()?.account;
        let one = |account: AccountId| {
            let both = |person: &Person| person.accounts.contains(&by) && person.accounts.contains(&account);
            account == by || self.persons.iter().any(both)
        };
        Some(!one(opener) && !self.took_part.iter().any(|account| one(*account)))
    }
}

impl Survey {
    /// Begins, for a period or for all that the entries tell of.
    pub fn of(period: Option<&Period>) -> Self {
        Self { period: period.cloned(), ..Self::default() }
    }

    /// Takes note of an entry at its position.
    pub fn note(&mut self, position: u64, glance: Glance) -> Result<(), String> {
        self.entries += 1;
        self.clock(position, &glance.time);
        // What tells of a stretch of time may tell of one that lies before it.
        if self.is_later(&glance.kind, &glance.time) && !OF_WINDOWS.contains(&glance.kind.as_str()) {
            return Ok(());
        }
        let place = |repository: &Numbered, deployment: u64| (RepositoryId(repository.id), DeploymentId(deployment));
        match (glance.kind.as_str(), glance.subject, glance.decision) {
            ("decision", Some(subject), _) => {
                let Some(facts) = glance.facts.filter(|facts| facts.subject.kind == "deployment") else {
                    return Ok(());
                };
                let record = facts.subject.record.as_ref();
                self.decided.extend(record.map(|record| place(&facts.repository, record.id)));
                let whole = glance.whole.map(|entry| entry.body);
                if let (Some(Named { id }), Some(EntryBody::Decision(decision))) = (facts.subject.exception, whole) {
                    let first = self.excepted.insert((id.clone(), subject.clone()));
                    self.let_through(id, *decision, &glance.time, first);
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
                    if let Some(exception) = self.through.get(&decision)
                        && within(self.period.as_ref(), &glance.time)
                    {
                        self.exceptions.entry(exception.clone()).or_default().touched = true;
                    }
                    let (time, ended_at) = (glance.time, glance.ended_at);
                    self.ended.insert(decision, Ended { time, position, deployment, conclusion, ended_at });
                }
            }
            ("alert", ..) => {
                self.alerted.extend(glance.repository.zip(glance.deployment).map(|(one, id)| place(&one, id)));
            }
            (
                "service_started"
                | "service_stopped"
                | "outage"
                | "installation_changed"
                | "deliveries_missed"
                | "deliveries_settled"
                | "deployments_listed",
                ..,
            ) => match glance.whole.map(|entry| *entry) {
                Some(Entry { body: EntryBody::DeploymentsListed(listed), .. }) => self.note_list(&listed),
                Some(entry) => self.windows.note(position, entry),
                None => {}
            },
            // It tells of its own end.
            ("backfilled", ..) => {
                let (ended_at, deployment) = (glance.ended_at, glance.deployment.unwrap_or_default());
                let (time, conclusion) = (ended_at.clone().unwrap_or_default(), glance.conclusion.unwrap_or_default());
                let end = Ended { time, position, deployment, conclusion, ended_at };
                self.ended.insert(glance.id.unwrap_or_default(), end);
            }
            ("exception_reviewed", ..) => {
                let by = glance.by.ok_or("a review by nobody")?;
                let By { id, login } = serde_json::from_value(by).map_err(|error| error.to_string())?;
                let (account, justified) = (AccountId(id), glance.justified == Some(true));
                let touched = within(self.period.as_ref(), &glance.time);
                let became = self.exceptions.entry(glance.exception.unwrap_or_default()).or_default();
                became.touched |= touched;
                became.review = Some(Reviewed { login, account, time: glance.time, justified, position });
            }
            ("exception_overdue", ..) => {
                let touched = within(self.period.as_ref(), &glance.time);
                let became = self.exceptions.entry(glance.exception.unwrap_or_default()).or_default();
                became.touched |= touched;
                became.overdue = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends the first pass: these were all entries of this range, in a ledger of this size.
    pub fn end(&mut self, range: &Range<u64>, size: u64) {
        let span = self.first.as_deref().zip(self.latest.as_deref());
        self.windows.end_of_record(span, range, size, self.period.as_ref());
    }

    /// Whether an entry came after the time told of. What was judged afterwards tells of its own time.
    pub fn is_later(&self, kind: &str, time: &str) -> bool {
        kind != "backfilled" && self.period.as_ref().is_some_and(|period| time >= period.to.as_str())
    }

    /// Until when things are known: the end of the period, else the latest entry.
    pub fn as_of(&self) -> &str {
        let latest = self.latest.as_deref().unwrap_or_default();
        self.period.as_ref().map_or(latest, |period| period.to.as_str())
    }

    /// Follows the service's clock.
    fn clock(&mut self, position: u64, time: &str) {
        if let Some(before) = self.before.replace(time.to_owned())
            && time < before.as_str()
        {
            let moment = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
            if moment(time).zip(moment(&before)).is_none_or(|(now, before)| before - now > TOLERANCE) {
                self.windows.set_back(position, &before, time);
            }
        }
        if self.first.is_none() {
            self.first = Some(time.to_owned());
        }
        if self.latest.as_deref().is_none_or(|latest| latest < time) {
            self.latest = Some(time.to_owned());
        }
    }

    /// A decision that an exception let through.
    fn let_through(&mut self, exception: String, decision: Decision, time: &str, first: bool) {
        self.through.insert(decision.id, exception.clone());
        let touched = within(self.period.as_ref(), time);
        let became = self.exceptions.entry(exception).or_default();
        became.let_through += u64::from(first);
        became.touched |= touched;
        let verdict = &decision.verdict;
        let contributors = verdict.changes.iter().flat_map(|change| &change.contributors);
        became.took_part.extend(contributors.map(|contributor| contributor.account.id));
        became.took_part.extend(verdict.deployers.iter().map(|deployer| deployer.account.id));
        became.persons.extend(
            decision
                .facts
                .terms
                .persons
                .iter()
                .filter(|one| !became.persons.contains(one))
                .cloned()
                .collect::<Vec<_>>(),
        );
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

    /// Whether an exception was opened at this time, used, reviewed, or due in the time told of.
    pub fn tells_of(&self, exception: &Exception, opened: &str) -> bool {
        let period = self.period.as_ref();
        let touched = self.exceptions.get(&exception.id).is_some_and(|became| became.touched);
        touched || within(period, opened) || within(period, &exception.due)
    }

    /// What its review says of an exception.
    pub fn review_of(&self, exception: &str) -> &'static str {
        match self.exceptions.get(exception).and_then(|became| became.review.as_ref()) {
            Some(Reviewed { justified: true, .. }) => "justified",
            Some(Reviewed { justified: false, .. }) => "unjustified",
            None => "open",
        }
    }

    /// The review of the exception that let through what was decided, where one did.
    pub fn review_that_closes(&self, decision: &Decision) -> Option<Reviewed> {
        let exception = self.through.get(&decision.id)?;
        self.exceptions.get(exception)?.review.clone()
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
