//! The worker: reads what came in, claims a subject, has it evaluated, closes its rows.
//!
//! Invariant: one subject is looked at by one evaluation at a time, and a row stays in the inbox until an evaluation that
//! began after it came has ended well. This is the one place that tries again.

use crate::evaluation::{EvaluationError, Evaluator, Next, entry};
use crate::github::client::millis;
use crate::github::event::{self, Subject};
use crate::github::{GitHubError, event::What};
use crate::metrics::Metrics;
use crate::store::inbox::{OfPullRequest, RULE_ASKS, Read, SubjectRow};
use crate::store::observations::Seen;
use crate::store::{ClaimedWork, StoreError, UnreadDelivery};
use countersign_core::domain::EntryBody;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

/// How often an undetermined subject is looked at again before its answer stands.
const LOOKS: u32 = 5;

/// How often something that time does not heal is tried before it is given up, loudly.
const TRIES: u32 = 8;

/// The events by which GitHub tells that a deployment was created, and what is said of it.
const DEPLOYMENTS: [&str; 2] = ["deployment", "deployment_status"];

const LONGEST_DELAY: Duration = Duration::from_mins(5);

/// The worker.
pub struct Worker {
    evaluator: Arc<Evaluator>,
    metrics: Arc<Metrics>,
    room: Arc<Semaphore>,
    ended: Arc<Notify>,
    left: Left,
    /// When each subject was looked at last, in milliseconds, as far back as the pace.
    looked: HashMap<String, i64>,
}

impl Worker {
    /// Nothing runs yet.
    pub fn new(evaluator: Arc<Evaluator>, metrics: Arc<Metrics>) -> Self {
        let room = Arc::new(Semaphore::new(evaluator.settings.server.evaluations.max(1)));
        Self { evaluator, metrics, room, ended: Arc::new(Notify::new()), left: Left::default(), looked: HashMap::new() }
    }

    /// Works until the task is dropped.
    pub async fn run(mut self) {
        let wake = self.evaluator.store.wake();
        loop {
            let due = match self.round().await {
                Ok(due) => due,
                Err(error) => {
                    tracing::error!(%error, "the inbox cannot be read");
                    Some(millis(SystemTime::now()) + 1_000)
                }
            };
            let rest = due.map_or(Duration::from_mins(1), |due| {
                Duration::from_millis(u64::try_from(due - millis(SystemTime::now())).unwrap_or(1).max(1))
            });
            tokio::select! {
                () = wake.notified() => {}
                () = self.ended.notified() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Starts all that can start; says when there is more to do.
    async fn round(&mut self) -> Result<Option<i64>, StoreError> {
        self.put_back().await?;
        loop {
            let unread = self.evaluator.store.unread(256).await?;
            let full = unread.len() == 256;
            // One moment for all questions: a row that falls due between them would be seen by neither.
            let now = millis(SystemTime::now());
            let read = self.read(unread, now).await?;
            let room = std::iter::from_fn(|| self.room.clone().try_acquire_owned().ok()).collect::<Vec<_>>();
            let claimed = self.evaluator.store.sort_and_claim(read, room.len(), now).await?;
            for (work, permit) in claimed.into_iter().zip(room) {
                self.looked.insert(work.subject.clone(), now);
                self.start(work, permit);
            }
            if !full {
                return self.evaluator.store.next_due(now).await;
            }
        }
    }

    /// Puts back what evaluations left behind that did not come to an end, to be looked at again.
    async fn put_back(&self) -> Result<(), StoreError> {
        let rows = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        if rows.is_empty() {
            return Ok(());
        }
        let due = millis(SystemTime::now()) + 1_000;
        let put_back = self.evaluator.store.postpone(rows.clone(), due).await;
        if put_back.is_err() {
            self.left.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
        }
        put_back
    }

    /// What deliveries say.
    async fn read(&mut self, unread: Vec<UnreadDelivery>, now: i64) -> Result<Vec<(i64, Read)>, StoreError> {
        let pace = i64::try_from(self.evaluator.settings.server.pace_ms).unwrap_or(0);
        self.looked.retain(|_, at| *at + pace > now);
        let looked = Arc::new(self.looked.clone());
        let mut access_changed = BTreeSet::new();
        let read = unread
            .into_iter()
            .map(|delivery| {
                if let Some(changed) = event::read_installation(&delivery.event, &delivery.body) {
                    let concerns = self.evaluator.settings.concerns(&changed.on);
                    let changed = concerns.then(|| entry(EntryBody::InstallationChanged(changed)));
                    return (delivery.row, Read { changed, ..Read::default() });
                }
                let reading = event::read(&delivery.event, &delivery.body);
                let repository = reading.repository.as_ref();
                let scope = repository.and_then(|r| self.evaluator.settings.scopes_of(&r.full_name).next());
                let (Some(repository), Some(scope)) = (repository, scope) else {
                    return (delivery.row, Read::default());
                };
                if delivery.event == "member" {
                    access_changed.insert(repository.full_name.clone());
                }
                let looked = looked.clone();
                let of_pull_request = reading.of_pull_request().map(|of| -> OfPullRequest {
                    Box::new(move |number| {
                        let subject = of(number);
                        let (key, class) = (subject.key(), subject.class());
                        let due_at = looked.get(&key).map_or(0, |at| at + pace);
                        Some(SubjectRow { key, class, detail: serde_json::to_string(&subject).ok()?, due_at })
                    })
                });
                let concerns = reading.check.is_none_or(|check| scope.checks_asked().contains(&check));
                let subject = reading.subject.filter(|_| concerns).filter(|subject| match &subject.what {
                    What::Branch { name, .. } => {
                        name == scope.production_branch.as_deref().unwrap_or(&subject.default_branch)
                    }
                    What::PullRequest(_)
                    | What::Head(_)
                    | What::MergeGroup { .. }
                    | What::Run(_)
                    | What::Deployment(_) => true,
                });
                tracing::debug!(delivery.id = delivery.id, event = delivery.event, ?subject, "read");
                let subject = subject.and_then(|subject| {
                    let key = subject.key();
                    let rested = self.looked.get(&key).map_or(0, |at| at + pace);
                    let due_at = match delivery.event.as_str() {
                        // Whoever waits for the answer does not wait for the pace.
                        RULE_ASKS => 0,
                        // Where our rule stands, GitHub asks at once: one look then answers both.
                        event if DEPLOYMENTS.contains(&event) => rested.max(now + pace),
                        _ => rested,
                    };
                    let detail = serde_json::to_string(&subject).ok()?;
                    // What the sweep asks for goes behind everything that GitHub asks for.
                    let class = if delivery.event == event::SWEEP { 2 } else { subject.class() };
                    Some(SubjectRow { key, class, detail, due_at })
                });
                let arrival = u64::try_from(delivery.row).unwrap_or(0);
                let seen = reading
                    .observations
                    .into_iter()
                    .map(|observation| Seen { repository: repository.id, observation: observation.arrived(arrival) });
                (delivery.row, Read { subject, seen: seen.collect(), of_pull_request, changed: None })
            })
            .collect();
        for repository in access_changed {
            self.evaluator.store.doubt_answers(&format!("/repos/{repository}/collaborators")).await?;
        }
        Ok(read)
    }

    fn start(&self, work: ClaimedWork, permit: OwnedSemaphorePermit) {
        let evaluator = self.evaluator.clone();
        let metrics = self.metrics.clone();
        let claimed = Claimed { rows: work.rows.clone(), left: self.left.clone(), ended: self.ended.clone() };
        let span = tracing::info_span!("evaluation", subject = work.subject, delivery.id = work.deliveries.join(" "));
        tokio::spawn(
            async move {
                metrics.evaluations.inc();
                let result = one(&evaluator, &metrics, work).await;
                drop(permit);
                match result {
                    Ok(()) => claimed.are_closed(),
                    Err(error) => tracing::error!(%error, "the inbox cannot be written"),
                }
            }
            .instrument(span),
        );
    }
}

/// Rows of the inbox that an evaluation could not close.
type Left = Arc<Mutex<Vec<i64>>>;

/// The rows that an evaluation answers. Where it ends without closing them, by an error of the database or by a panic, they are
/// left to the worker: nobody else would ever look at their subject again.
struct Claimed {
    rows: Vec<i64>,
    left: Left,
    ended: Arc<Notify>,
}

impl Claimed {
    fn are_closed(mut self) {
        self.rows.clear();
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.rows);
        self.ended.notify_one();
    }
}

async fn one(evaluator: &Evaluator, metrics: &Metrics, work: ClaimedWork) -> Result<(), StoreError> {
    let started = millis(SystemTime::now());
    let Ok(subject) = serde_json::from_str::<Subject>(&work.detail) else {
        tracing::error!(subject = work.subject, "a row of the inbox cannot be read");
        return evaluator.store.finish(work.rows).await;
    };
    let last_try = work.attempts >= LOOKS;
    let result = evaluator.evaluate(&subject, started, last_try).await;
    let pace = i64::try_from(evaluator.settings.server.pace_ms).unwrap_or(0);
    evaluator.store.pace(work.subject.clone(), started + pace).await?;
    let again = match &result {
        Ok(Next::Done) => None,
        Ok(Next::LookAgain) if last_try => None,
        Ok(Next::LookAgain) => Some(delay(evaluator, work.attempts)),
        Err(error) => retry(evaluator, error, work.attempts),
    };
    if let Err(error) = &result {
        if again.is_some() {
            tracing::warn!(%error, attempts = work.attempts, "an evaluation failed and is tried again");
        } else {
            metrics.abandoned.inc();
            tracing::error!(%error, attempts = work.attempts, "an evaluation failed and is given up");
        }
    }
    match again {
        Some(delay) => {
            let due = millis(SystemTime::now()) + i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
            evaluator.store.postpone(work.rows, due).await
        }
        None => evaluator.store.finish(work.rows).await,
    }
}

/// How long to wait before the next try; `None` where trying again cannot help.
fn retry(evaluator: &Evaluator, error: &EvaluationError, attempts: u32) -> Option<Duration> {
    match error {
        EvaluationError::GitHub(GitHubError::RateLimited { until }) => {
            Some(until.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO) + Duration::from_millis(20))
        }
        EvaluationError::GitHub(error) if error.passes() => Some(delay(evaluator, attempts)),
        EvaluationError::Store(_) => Some(delay(evaluator, attempts)),
        EvaluationError::GitHub(_) | EvaluationError::Policy(_) => {
            (attempts < TRIES).then(|| delay(evaluator, attempts))
        }
    }
}

fn delay(evaluator: &Evaluator, attempts: u32) -> Duration {
    let base = Duration::from_millis(evaluator.settings.server.retry_base_ms);
    base.saturating_mul(2_u32.saturating_pow(attempts.min(16))).min(LONGEST_DELAY)
}
