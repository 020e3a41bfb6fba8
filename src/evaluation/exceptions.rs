//! Break-glass: who may open an exception, who may review it, and which one covers what is asked for.
//!
//! Invariant: an account acts only where GitHub shows it and the settings let it; whoever took part in what an exception
//! let through never reviews it. Everything is an entry before anybody hears of it.

use super::{Evaluation, EvaluationError, Evaluator, RepositoryPayload, entry, new_id};
use crate::github::GitHubError;
use crate::github::client::millis;
use crate::github::gather::{Look, deployment};
use crate::github::pins;
use crate::store::exceptions::{ExceptionRow, Opening, Reviewing, Times};
use crate::store::{StoreError, record};
use countersign_core::domain::{
    Account, AccountId, AccountKind, CommitSha, Deployment, EntryBody, Exception, ExceptionOverdue, ExceptionReview,
    Outcome, Person, Repository, RepositoryId, RunAttempt, RunId, Subject, Terms,
};
use countersign_core::policy::OwnFile;
use std::time::SystemTime;
use time::OffsetDateTime;

const HOUR: i64 = 3_600_000;
/// How many reviews the exceptions of one account in one repository may owe.
const MOST: u32 = 10;
/// The events by which a person, and nobody's push, starts a run.
const DISPATCHED: &[&str] = &["workflow_dispatch", "repository_dispatch"];

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

impl From<GitHubError> for ExceptionError {
    fn from(error: GitHubError) -> Self {
        Self::Evaluation(error.into())
    }
}

impl From<StoreError> for ExceptionError {
    fn from(error: StoreError) -> Self {
        Self::Evaluation(error.into())
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
        let client = self.client.for_installation(self.installation(&wish.repository).await?);
        // As GitHub spells it, whatever the caller wrote.
        let payload: RepositoryPayload = shown(client.get(&format!("/repos/{}", wish.repository)).await)?;
        let repository = Repository { id: RepositoryId(payload.id), full_name: payload.full_name };
        let look = self.look(&client, &repository);
        let (exception, times) = self.wished(&look, by, wish)?;
        let exception = self.open(&look, exception, times, None).await?;
        self.show_debt_of(&exception.id).await;
        Ok(exception)
    }

    /// The exception that somebody wishes for, as it would be opened now.
    fn wished(&self, look: &Look<'_>, by: Account, wish: &Wish) -> Result<(Exception, Times), ExceptionError> {
        let scope = self.settings.scope_for(&look.repository.full_name, &wish.environment);
        let environment = scope.and_then(|scope| scope.spelling_of(&wish.environment));
        let environment = environment.ok_or(ExceptionError::Refused("the environment is outside of every scope"))?;
        let (reason, ticket) = words_of(wish)?;
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
            repository: look.repository.clone(),
            environment: environment.to_owned(),
            commit: wish.commit.clone(),
            reason: reason.chars().take(1_000).collect(),
            ticket: ticket.chars().take(200).collect(),
            opened_by: by,
            ends: spelled(times.ends_at),
            due: spelled(times.due_at),
        };
        Ok((exception, times))
    }

    async fn open(
        &self,
        look: &Look<'_>,
        exception: Exception,
        times: Times,
        job: Option<(RunId, RunAttempt)>,
    ) -> Result<Exception, ExceptionError> {
        if !self.may_open(look, &exception.opened_by).await? {
            return Err(ExceptionError::Refused("this account may not open exceptions here"));
        }
        let opened = entry(EntryBody::ExceptionOpened(exception.clone()));
        match self.store.open_exception(opened, times, job, MOST).await? {
            Opening::Opened => {}
            Opening::TooMany => {
                return Err(ExceptionError::Refused(
                    "this account opened ten exceptions in this repository that nobody reviewed yet: have one reviewed first",
                ));
            }
            Opening::GivenBefore => {
                return Err(ExceptionError::Refused(
                    "this attempt was given an exception before, and that one is over: start another run, or open one with \
                     `countersign exception open`",
                ));
            }
        }
        tracing::warn!(exception = exception.id, by = exception.opened_by.login, "the glass was broken");
        Ok(exception)
    }

    /// Says of an exception whether it was justified, which ends it. What it lets through while this is asked is asked about
    /// too: the review is on record only where the reviewer had no part in any of it.
    pub async fn review_exception(&self, id: &str, by: Account, justified: bool) -> Result<(), ExceptionError> {
        loop {
            let Some(row) = self.store.exception(id).await? else { return Err(ExceptionError::Unknown) };
            self.may_review(&row, &by).await?;
            let exception = row.exception;
            let review = ExceptionReview {
                exception: exception.id.clone(),
                repository: exception.repository.clone(),
                environment: exception.environment.clone(),
                by: by.clone(),
                justified,
            };
            match self.store.review_exception(entry(EntryBody::ExceptionReviewed(review)), row.let_through).await? {
                Reviewing::Recorded => break,
                Reviewing::ReviewedBefore => return Err(ExceptionError::Refused("it was reviewed already")),
                // Each time round it let something more through, so this comes to its end.
                Reviewing::LetThroughMore => {}
            }
        }
        self.show_debt_of(id).await;
        Ok(())
    }

    /// Whether an account had no part in an exception and in what it let through so far.
    async fn may_review(&self, row: &ExceptionRow, by: &Account) -> Result<(), ExceptionError> {
        let exception = &row.exception;
        let client = self.client.for_installation(self.installation(&exception.repository.full_name).await?);
        let pins = self.pins.get_or_try_init(|| pins::resolve(&client, &self.store, &self.settings)).await?;
        if by.kind != AccountKind::User || pins.automation.machine_users.contains(&by.id) {
            return Err(ExceptionError::Refused("automation reviews nothing"));
        }
        let one_of = |account: &Account| is_same(&pins.persons, account.id, by.id);
        if one_of(&exception.opened_by) {
            return Err(ExceptionError::Refused("whoever opened an exception cannot review it"));
        }
        for id in &row.let_through {
            let recorded = self.store.decision(id).await?.map(|(_, entry)| entry.body);
            let Some(EntryBody::Decision(decision)) = recorded else {
                // Nobody can tell who had a part in it.
                return Err(StoreError::Unreadable(format!("decision {id}")).into());
            };
            let look = self.look(&client, &exception.repository);
            let took_part = self.took_part(&look, &decision).await?;
            if took_part.people.iter().any(one_of) {
                return Err(ExceptionError::Refused("whoever contributed to it or deployed it cannot review it"));
            }
            // Whoever it was could write.
            if took_part.others && deployment::writers(&look).await?.is_none_or(|writers| writers.iter().any(one_of)) {
                return Err(ExceptionError::Refused(
                    "it is not known who pushed to what it let through: only somebody without write access can review it",
                ));
            }
        }
        Ok(())
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
        shown(self.installation_of(repository).await)
    }

    pub(super) fn look<'l>(&'l self, client: &'l crate::github::Client, repository: &'l Repository) -> Look<'l> {
        let now = millis(SystemTime::now());
        Look::new(client, &self.store, &self.settings, repository, &self.objects, now)
    }
}

impl Evaluation<'_> {
    /// Adds to the facts of a deployment what exceptions say of it. `asked_at` is when it was asked for.
    pub(super) async fn with_exceptions(
        &self,
        facts: &mut Deployment,
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

impl Evaluation<'_> {
    /// Opens the exception that a job wishes for, as whoever started this attempt, where it is needed and would help: the
    /// facts without it are denied or cannot be told, and with it they would be let through. Else nothing is opened, so
    /// that no request leaves an exception behind that let nothing through.
    pub(super) async fn with_wished(
        &self,
        (facts, terms, own): (&mut Deployment, &Terms, &[OwnFile]),
        wish: Option<&Wish>,
    ) -> Result<(), ExceptionError> {
        let (Some(wish), Some(run)) = (wish, facts.run.clone()) else { return Ok(()) };
        if facts.exception.is_some() || wish.commit.as_ref() != Some(&run.head_commit) {
            return Ok(());
        }
        let judged = |facts: &Deployment| {
            let subject = Subject::Deployment(Box::new(facts.clone()));
            self.judged(terms.clone(), own, subject).map(|(_, _, verdict)| verdict.outcome)
        };
        if !matches!(judged(facts)?, Outcome::Deny | Outcome::Undetermined) {
            return Ok(());
        }
        let by = run.this.triggering_actor.clone();
        let by = by.ok_or(ExceptionError::Refused("nobody is known to have started this attempt"))?;
        let (exception, times) = self.evaluator.wished(&self.look, by, wish)?;
        let mut with = facts.clone();
        with.exception = Some(exception.clone());
        if judged(&with)? != Outcome::Exception {
            // One of the rules that no exception covers is broken.
            return Ok(());
        }
        if !DISPATCHED.contains(&run.event.as_str()) {
            return Err(ExceptionError::Refused(
                "only a run that somebody dispatched may ask for an exception by itself: open one with `countersign \
                 exception open` and run this again",
            ));
        }
        let job = Some((run.id, run.this.number));
        facts.exception = Some(self.evaluator.open(&self.look, exception, times, job).await?);
        Ok(())
    }
}

/// What GitHub does not show to the App is a mistake of whoever asks, and not to be tried again.
fn shown<T>(read: Result<T, GitHubError>) -> Result<T, ExceptionError> {
    read.map_err(|error| match error {
        GitHubError::NotFound(_) => ExceptionError::Refused("GitHub shows no such repository to the App"),
        error => error.into(),
    })
}

/// The reason and the ticket of a wish, each on one line; both are needed.
pub fn words_of(wish: &Wish) -> Result<(String, String), ExceptionError> {
    let (reason, ticket) = (one_line(&wish.reason)?, one_line(&wish.ticket)?);
    if reason.is_empty() || ticket.is_empty() {
        return Err(ExceptionError::Refused("an exception needs a reason and a ticket"));
    }
    Ok((reason, ticket))
}

/// Text of others on one line, for terminals, tables and issues.
fn one_line(text: &str) -> Result<String, ExceptionError> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().any(is_hidden) {
        return Err(ExceptionError::Refused("the reason or the ticket holds control characters"));
    }
    Ok(line)
}

/// What a terminal or a page would act on instead of showing it.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether two accounts are one person's.
fn is_same(persons: &[Person], one: AccountId, other: AccountId) -> bool {
    one == other || persons.iter().any(|person| person.accounts.contains(&one) && person.accounts.contains(&other))
}

fn spelled(at: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000);
    moment.map(record::spelled).unwrap_or_default()
}
