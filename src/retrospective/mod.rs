//! The retrospective: what was deployed to an environment in a period, and what would have been said of it, had the
//! control begun with the period and with what ran there then.
//!
//! Invariant: nothing here counts as a decision. What cannot be known from afar is undetermined, with the reason; a deployment
//! is in it because its own job succeeded, or because GitHub ties no job to it and nobody can say whether it did.
//!
//! [`Retrospective::step`] goes on by one deployment: first each is found ([`mod@crate::github::gather::deployed`]), then
//! each is judged, oldest first. [`journal`] keeps what was found and judged, so that an interruption costs one step;
//! [`pace`] stays inside GitHub's limits; [`period`] says what is asked about and what it will take; [`tally`] what it comes to.

pub mod journal;
mod judge;
pub mod pace;
pub mod period;
pub mod tally;

pub use journal::Journal;
pub use judge::{Judged, Judgement};
pub use period::{Inquiry, Plan};
pub use tally::Tally;

use crate::github::GitHubError;
use crate::github::gather::deployed::{Deployed, Finder, Listed};
use crate::github::gather::{Look, deployed, line};
use countersign_core::domain::{CommitSha, DeploymentId, Line, StartingPoint, Terms};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// Why it does not go on.
#[derive(Debug, thiserror::Error)]
pub enum RetrospectiveError {
    /// GitHub did not answer as needed.
    #[error(transparent)]
    GitHub(#[from] GitHubError),
    /// What was done cannot be kept.
    #[error("`{path}` cannot be used: {source}")]
    Journal {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The policies cannot be used.
    #[error("the policies cannot be used: {0}")]
    Policy(String),
}

/// A deployment, and the job that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The deployment.
    pub listed: Listed,
    /// The job; `None` where GitHub ties none to it.
    pub deployed: Option<Deployed>,
}

impl Found {
    /// When its job ended with success.
    fn went_out(&self) -> Option<OffsetDateTime> {
        let deployed = self.deployed.as_ref().filter(|deployed| deployed.conclusion.as_deref() == Some("success"))?;
        deployed.ended_at
    }

    /// The commit that went out.
    fn commit(&self) -> &CommitSha {
        self.deployed.as_ref().map_or(&self.listed.commit, |deployed| &deployed.run.head_commit)
    }

    /// When it belongs to the period by: its end, or its beginning where no end is known.
    fn moment(&self) -> OffsetDateTime {
        self.deployed.as_ref().and_then(|deployed| deployed.ended_at).unwrap_or(self.listed.created_at)
    }
}

/// What a step did.
pub enum Step {
    /// One more deployment was found.
    Found,
    /// One more deployment was judged.
    Judged(Box<Judgement>),
    /// Everything is done.
    Done,
}

/// The production branch down to where the period began.
enum Branch {
    /// Not looked at yet.
    Unread,
    /// Read once for all releases.
    Read(Line),
    /// What ran then is gone or unknown: each release is looked at by itself.
    Gone,
}

/// One retrospective, on its way.
pub struct Retrospective<'a> {
    look: &'a Look<'a>,
    terms: Terms,
    plan: Plan,
    journal: Journal,
    finder: Finder,
    found: BTreeMap<DeploymentId, Found>,
    /// In the order in which they ended, once all are found.
    order: Option<Vec<DeploymentId>>,
    judged: Vec<Judged>,
    line: Branch,
}

impl<'a> Retrospective<'a> {
    /// Lists the deployments, or goes on where the journal ends.
    pub async fn begin(
        look: &'a Look<'a>,
        terms: Terms,
        inquiry: &Inquiry,
        mut journal: Journal,
    ) -> Result<Self, RetrospectiveError> {
        let plan = if let Some(plan) = journal.plan() {
            plan.clone()
        } else {
            let spellings = deployed::spellings(look, &inquiry.environment).await?;
            let listed = deployed::list(look, &spellings, inquiry.since).await?;
            let plan = Plan { inquiry: inquiry.clone(), spellings, listed };
            journal.begin(&plan)?;
            plan
        };
        let (found, judged) = journal.done();
        let found = found.into_iter().map(|found| (found.listed.id, found)).collect();
        Ok(Self {
            look,
            terms,
            plan,
            journal,
            finder: Finder::default(),
            found,
            order: None,
            judged,
            line: Branch::Unread,
        })
    }

    /// What was asked, and what is listed.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How many deployments were found, and how many judged.
    pub fn done(&self) -> (usize, usize) {
        (self.found.len(), self.judged.len())
    }

    /// How many deployments are to be judged, once that is known.
    pub fn to_judge(&self) -> Option<usize> {
        self.order.as_ref().map(Vec::len)
    }

    /// Goes on by one deployment.
    pub async fn step(&mut self) -> Result<Step, RetrospectiveError> {
        if self.order.is_none() {
            if let Some(next) = self.next_to_find().cloned() {
                let deployed = self.finder.find(self.look, &next).await?;
                let found = Found { listed: next, deployed };
                self.journal.found(&found)?;
                self.found.insert(found.listed.id, found);
                return Ok(Step::Found);
            }
            self.order = Some(self.in_order());
        }
        let next = self.order.as_ref().and_then(|order| order.get(self.judged.len())).copied();
        let Some(found) = next.and_then(|id| self.found.get(&id)).cloned() else { return Ok(Step::Done) };
        self.read_line().await?;
        let before = self.before(&found);
        let line = match &self.line {
            Branch::Read(line) => Some(line),
            Branch::Unread | Branch::Gone => None,
        };
        let judgement = judge::judge(self.look, &self.terms, &found, before, line).await?;
        Ok(Step::Judged(Box::new(judgement)))
    }

    /// Takes a judgement into the result, and keeps it: after the caller has done with it what it has to.
    pub fn keep(&mut self, judgement: &Judgement) -> Result<(), RetrospectiveError> {
        self.journal.judged(&judgement.judged)?;
        self.judged.push(judgement.judged.clone());
        Ok(())
    }

    /// What was judged, in the order in which it went out, and what is to be said of the rest.
    pub fn finish(self) -> Result<(Vec<Judged>, Tally), RetrospectiveError> {
        let others = self.found.values().filter(|found| self.concerns(found) && !is_judged(found)).count();
        let tally = Tally::of(&self.judged, others);
        self.journal.end()?;
        Ok((self.judged, tally))
    }

    /// Where the journal is.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Newest first; those before the period until it is certain what ran when it began.
    fn next_to_find(&self) -> Option<&Listed> {
        let inquiry = &self.plan.inquiry;
        let ran_first = self.ran_first();
        self.plan
            .listed
            .iter()
            .filter(|listed| listed.created_at < inquiry.until && !self.found.contains_key(&listed.id))
            .find(|listed| {
                let of_period = listed.created_at >= inquiry.since || listed.updated_at >= inquiry.since;
                // What changed last before that one had ended, ended before it.
                let settled = ran_first.and_then(Found::went_out).is_some_and(|ended| listed.updated_at < ended);
                of_period || !settled
            })
    }

    /// What ran when the period began, as far as it is found.
    pub fn ran_first(&self) -> Option<&Found> {
        let ended = |found: &&Found| found.went_out().filter(|ended| *ended < self.plan.inquiry.since);
        self.found.values().filter(|found| ended(found).is_some()).max_by_key(|found| (ended(found), found.listed.id))
    }

    fn concerns(&self, found: &Found) -> bool {
        let moment = found.moment();
        self.plan.inquiry.since <= moment && moment < self.plan.inquiry.until
    }

    fn in_order(&self) -> Vec<DeploymentId> {
        let concerned = self.found.values().filter(|found| self.concerns(found) && is_judged(found));
        let mut order: Vec<(OffsetDateTime, DeploymentId)> =
            concerned.map(|found| (found.moment(), found.listed.id)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, id)| id).collect()
    }

    /// What ran when this one was created: what had gone out last by then, else the settings' baseline.
    fn before(&self, found: &Found) -> judge::Before {
        let asks = self.plan.asks(&found.listed.environment);
        let target = found.commit();
        let mut at = found.listed.created_at;
        let mut passed = vec![found.listed.id];
        loop {
            let ran = self
                .found
                .values()
                .filter(|one| !passed.contains(&one.listed.id))
                .filter_map(|one| Some(((one.went_out()?, one.listed.id), one)))
                .filter(|(ended, _)| ended.0 <= at)
                .max_by_key(|(ended, _)| *ended);
            let Some((_, ran)) = ran else {
                let start = self.baseline(&found.listed.environment).map(|commit| StartingPoint::Baseline { commit });
                return judge::Before { start, allowed: self.allowed(target, &found.listed.environment), asks };
            };
            let judged = self.judged.iter().find(|judged| judged.deployment == ran.listed.id);
            if let Some(judged) = judged
                && judged.commit == *target
                && !judged.is_allowed()
            {
                // The same release once more: it was not allowed, so it would not have become what runs.
                at = ran.listed.created_at;
                passed.push(ran.listed.id);
                continue;
            }
            let commit = ran.commit().clone();
            let start = match judged {
                Some(_) => StartingPoint::Deployed { commit, decision: format!("deployment {}", ran.listed.id) },
                None => StartingPoint::Baseline { commit },
            };
            return judge::Before {
                start: Some(start),
                allowed: self.allowed(target, &found.listed.environment),
                asks,
            };
        }
    }

    fn baseline(&self, environment: &str) -> Option<CommitSha> {
        let baseline = self.look.settings.baseline_of(&self.look.repository.full_name, environment)?;
        Some(CommitSha::new(baseline.commit.clone()))
    }

    /// What allowed this very commit before, by what is judged so far.
    fn allowed(&self, target: &CommitSha, environment: &str) -> Option<String> {
        let ran_first = self.ran_first().map(|found| found.commit().clone());
        if ran_first.or_else(|| self.baseline(environment)).as_ref() == Some(target) {
            return Some("baseline".to_owned());
        }
        let allowed = self.judged.iter().find(|judged| judged.commit == *target && judged.is_allowed());
        allowed.map(|judged| format!("deployment {}", judged.deployment))
    }

    /// Reads the production branch down to where the period began, once.
    async fn read_line(&mut self) -> Result<(), RetrospectiveError> {
        if !matches!(self.line, Branch::Unread) {
            return Ok(());
        }
        let start = self.ran_first().map(|found| found.commit().clone());
        let start = start.or_else(|| self.baseline(&self.plan.inquiry.environment));
        self.line = match start {
            None => Branch::Gone,
            Some(start) => match line::of_branch(self.look, &self.terms.production_branch, &start, &start).await {
                Ok(line) => Branch::Read(line),
                Err(GitHubError::NotFound(_)) => Branch::Gone,
                Err(error) => return Err(error.into()),
            },
        };
        Ok(())
    }
}

/// What succeeded is judged, and what nobody can say whether it did.
fn is_judged(found: &Found) -> bool {
    found.went_out().is_some() || found.deployed.is_none()
}
