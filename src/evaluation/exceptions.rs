//! Break-glass: who may open an exception, who may review it, and which one covers what is asked for.
//!
//! Invariant: an account acts only where GitHub shows it and the settings let it; whoever took part in what an exception
//! let through never reviews it. Everything is an entry before anybody hears of it.

use super::{Evaluation, EvaluationError, Evaluator, RepositoryPayload, entry, new_id};
use crate::github::GitHubError;
use crate::github::client::millis;
use crate::github::gather::{Look, deployment, run};
use crate::github::pins;
use crate::store::exceptions::Times;
use crate::store::record;
use countersign_core::domain::{
    Account, AccountId, AccountKind, CommitSha, EntryBody, Exception, ExceptionOverdue, ExceptionReview, Person,
    Repository, RepositoryId,
};
use std::time::SystemTime;
use time::OffsetDateTime;

const HOUR: i64 = 3_600_000;

/// What somebody wants an exception for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// `owner/name`.
    pub repository: String,
    /// The environment.
    pub environment: String,
    /// The one commit, if only one.
    pub commit: Option<CommitSha>,
    /// Why.
    pub reason: String,
    /// The ticket.
    pub ticket: String,
    /// For how long, in minutes; `None`: as long as the settings let it.
    pub minutes: Option<u32>,
}

/// Why there is no exception, or no review.
#[derive(Debug, thiserror::Error)]
pub enum ExceptionError {
    /// This account may not; the words are for whoever asked.
    #[error("{0}")]
    Refused(&'static str),
    /// There is no such thing here.
    #[error("no such exception")]
    Unknown,
    /// It could not be done now.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
}

impl<E: Into<EvaluationErrorOf>> From<E> for ExceptionError {
    fn from(error: E) -> Self {
        Self::Evaluation(error.into().0)
    }
}

/// What the parts of an evaluation can fail with.
pub struct EvaluationErrorOf(EvaluationError);

impl From<GitHubError> for EvaluationErrorOf {
    fn from(error: GitHubError) -> Self {
        Self(error.into())
    }
}

impl From<crate::store::StoreError> for EvaluationErrorOf {
    fn from(error: crate::store::StoreError) -> Self {
        Self(error.into())
    }
}

impl Evaluator {
    /// The account that a token of the settings acts for.
    pub async fn acting(&self, repository: &str, login: &str) -> Result<Account, ExceptionError> {
        let client = self.client.for_installation(self.installation(repository).await?);
        let account = pins::account(&client, &self.store, &self.settings, login).await?;
        account.ok_or(ExceptionError::Refused("the account of this token is not on GitHub any more"))
    }

    /// Opens an exception for an account.
    pub async fn open_exception(&self, by: Account, wish: &Wish) -> Result<Exception, ExceptionError> {
        let scope = self.settings.scope_of(&wish.repository);
        if !scope.is_some_and(|scope| scope.covers(&wish.environment)) {
            return Err(ExceptionError::Refused("the environment is outside of every scope"));
        }
        if wish.reason.trim().is_empty() || wish.ticket.trim().is_empty() {
            return Err(ExceptionError::Refused("an exception needs a reason and a ticket"));
        }
        let client = self.client.for_installation(self.installation(&wish.repository).await?);
        let payload: RepositoryPayload = client.get(&format!("/repos/{}", wish.repository)).await?;
        let repository = Repository { id: RepositoryId(payload.id), full_name: wish.repository.clone() };
        let look = self.look(&client, &repository);
        if !self.may_open(&look, &by).await? {
            return Err(ExceptionError::Refused("this account may not open exceptions here"));
        }
        let longest = i64::from(self.settings.exceptions.max_hours) * HOUR;
        let wanted = wish.minutes.map_or(longest, |minutes| i64::from(minutes) * 60_000);
        let opened_at = look.now;
        let times = Times {
            opened_at,
            ends_at: opened_at + wanted.min(longest),
            due_at: opened_at + i64::from(self.settings.exceptions.review_days) * 24 * HOUR,
        };
        let exception = Exception {
            id: new_id(),
            repository,
            environment: wish.environment.clone(),
            commit: wish.commit.clone(),
            reason: wish.reason.trim().chars().take(1_000).collect(),
            ticket: wish.ticket.trim().chars().take(200).collect(),
            opened_by: by,
            ends: spelled(times.ends_at),
            due: spelled(times.due_at),
        };
        self.store.open_exception(entry(EntryBody::ExceptionOpened(exception.clone())), times).await?;
        tracing::warn!(exception = exception.id, by = exception.opened_by.login, "the glass was broken");
        self.show_debt_of(&exception.id).await;
        Ok(exception)
    }

    /// Says of an exception whether it was justified.
    pub async fn review_exception(&self, id: &str, by: Account, justified: bool) -> Result<(), ExceptionError> {
        let Some(row) = self.store.exception(id).await? else { return Err(ExceptionError::Unknown) };
        let exception = row.exception;
        let client = self.client.for_installation(self.installation(&exception.repository.full_name).await?);
        let pins = self.pins.get_or_try_init(|| pins::resolve(&client, &self.store, &self.settings)).await?;
        if by.kind != AccountKind::User || pins.automation.machine_users.contains(&by.id) {
            return Err(ExceptionError::Refused("automation reviews nothing"));
        }
        let one_of = |account: &Account| is_same(&pins.persons, account.id, by.id);
        if one_of(&exception.opened_by) {
            return Err(ExceptionError::Refused("whoever opened an exception cannot review it"));
        }
        for decision in &row.let_through {
            let Some((_, recorded)) = self.store.decision(decision).await? else { continue };
            let EntryBody::Decision(decision) = recorded.body else { continue };
            let verdict = &decision.verdict;
            let contributors = verdict.changes.iter().flat_map(|change| &change.contributors);
            let mut took_part = contributors
                .map(|contributor| &contributor.account)
                .chain(verdict.deployers.iter().map(|deployer| &deployer.account));
            if took_part.any(one_of) {
                return Err(ExceptionError::Refused("whoever contributed to it or deployed it cannot review it"));
            }
        }
        let review = ExceptionReview {
            exception: exception.id.clone(),
            repository: exception.repository.clone(),
            environment: exception.environment.clone(),
            by,
            justified,
        };
        if self.store.review_exception(entry(EntryBody::ExceptionReviewed(review))).await? {
            self.show_debt_of(&exception.id).await;
            Ok(())
        } else {
            Err(ExceptionError::Refused("it was reviewed already"))
        }
    }

    /// Reports every exception that nobody reviewed in time, each once.
    pub async fn report_overdue(&self, now: i64) -> Result<(), EvaluationError> {
        for exception in self.store.owed(now).await? {
            let overdue = ExceptionOverdue {
                exception: exception.id.clone(),
                repository: exception.repository,
                environment: exception.environment,
                due: exception.due,
            };
            if self.store.report_overdue(entry(EntryBody::ExceptionOverdue(overdue))).await? {
                tracing::warn!(exception = exception.id, "an exception was not reviewed in time");
            }
        }
        Ok(())
    }

    /// Opens the exception that a run's own job asks for, as whoever started this attempt.
    pub async fn open_for_run(&self, request: &super::request::Request, wish: &Wish) -> Result<(), ExceptionError> {
        let client = self.client.for_installation(self.installation(&wish.repository).await?);
        let look = self.look(&client, &request.repository);
        let gathered = run::gather(&look, request.run).await?;
        let started = gathered.run.this.triggering_actor;
        let by = started.ok_or(ExceptionError::Refused("nobody is known to have started this attempt"))?;
        if gathered.run.this.number != request.attempt {
            return Err(ExceptionError::Refused("the run has gone on to another attempt"));
        }
        self.open_exception(by, wish).await.map(|_| ())
    }

    async fn may_open(&self, look: &Look<'_>, by: &Account) -> Result<bool, ExceptionError> {
        let resolve = || pins::resolve(look.client, &self.store, &self.settings);
        let pins = self.pins.get_or_try_init(resolve).await?;
        if by.kind != AccountKind::User || pins.automation.machine_users.contains(&by.id) {
            return Ok(false);
        }
        let openers = &self.settings.exceptions.openers;
        if openers.is_empty() {
            let writers = deployment::writers(look).await?.unwrap_or_default();
            return Ok(writers.iter().any(|writer| writer.id == by.id));
        }
        for opener in openers {
            let named = if opener.contains('/') {
                pins::team(look.client, &self.store, opener).await?
            } else {
                pins::account(look.client, &self.store, &self.settings, opener)
                    .await?
                    .into_iter()
                    .map(|account| account.id)
                    .collect()
            };
            if named.contains(&by.id) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn installation(&self, repository: &str) -> Result<u64, ExceptionError> {
        if self.settings.scope_of(repository).is_none() {
            return Err(ExceptionError::Refused("the repository is outside of every scope"));
        }
        // Seldom enough to ask each time.
        self.installations.forget(repository);
        Ok(self.installation_of(repository).await?)
    }

    fn look<'l>(&'l self, client: &'l crate::github::Client, repository: &'l Repository) -> Look<'l> {
        Look {
            client,
            store: &self.store,
            settings: &self.settings,
            repository,
            objects: &self.objects,
            now: millis(SystemTime::now()),
        }
    }
}

impl Evaluation<'_> {
    /// Adds to the facts of a deployment what exceptions say of it. `asked_at` is when it was asked for.
    pub(super) async fn with_exceptions(
        &self,
        facts: &mut countersign_core::domain::Deployment,
        asked_at: Option<i64>,
    ) -> Result<(), EvaluationError> {
        let (store, repository) = (&self.evaluator.store, self.look.repository.id);
        if let Some(asked_at) = asked_at {
            facts.exception = store.covering(repository, &facts.environment, &facts.target, asked_at).await?;
        }
        if self.evaluator.settings.exceptions.overdue_blocks {
            facts.overdue = store.overdue(repository, &facts.environment, self.look.now).await?;
        }
        Ok(())
    }
}

/// Whether two accounts are one person's.
fn is_same(persons: &[Person], one: AccountId, other: AccountId) -> bool {
    one == other || persons.iter().any(|person| person.accounts.contains(&one) && person.accounts.contains(&other))
}

fn spelled(at: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000);
    moment.map(record::spelled).unwrap_or_default()
}
