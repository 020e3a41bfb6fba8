//! A year of changes in many repositories: opened, reviewed, merged, deployed; denied, excepted, rolled back, and now and then
//! past the control.
//!
//! Invariant: what is written follows from the plan alone, repository by repository. Repositories write side by side, as they
//! would, so only the order between them is left to chance.

use crate::cast::{self, Dice, PEOPLE};
use countersign::store::exceptions::Times;
use countersign::store::record::spelled;
use countersign::store::{Recording, Store, StoreError};
use countersign_core::domain::entry::ENTRY_VERSION;
use countersign_core::domain::{
    Account, ChangeInRelease, CommitSha, Decision, Deployment, Entry, EntryBody, Exception, ExceptionOverdue,
    ExceptionReview, LandingKind, Outcome, PullRequest, Repository, ReviewState, StartingPoint, Subject,
};
use countersign_core::policy::{Policies, decide};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

/// When the year begins.
pub const BEGINS: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
const SETTINGS: &str = "{\"scope\":[{\"repositories\":[\"acme/*\"]}]}";

/// How much there is of it.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Changes that reach production, at least.
    pub changes: u64,
    /// Entries, at least; more looks at open pull requests make up for what is missing.
    pub entries: u64,
    /// Repositories that they are spread over.
    pub repositories: u64,
    /// For another year of the same size.
    pub seed: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Changes that reached production by a deployment on record.
    pub changes: u64,
    /// Entries.
    pub entries: u64,
}

/// What all repositories share.
struct Hand {
    store: Store,
    policies: Policies,
    policy: (String, String),
    settings: (String, String),
    /// Entries made, for their times, and those that went on record.
    made: AtomicU64,
    recorded: AtomicU64,
    changes: AtomicU64,
    /// How long passes between two entries.
    pace: Duration,
}

/// What is different about one attempt to deploy.
type Twist = Box<dyn FnOnce(&mut Deployment) + Send>;

/// One repository as it goes on.
struct Team {
    hand: Arc<Hand>,
    repository: Repository,
    dice: Dice,
    pulls: u64,
    runs: u64,
    asked: u64,
    running: StartingPoint,
    tip: CommitSha,
    before: Option<(CommitSha, String)>,
}

/// Writes a year into a store.
pub async fn write(store: &Store, plan: Plan) -> Result<Written, StoreError> {
    let packs = ["three-person".to_owned()];
    let policies = Policies::builtin(&packs).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    let sources = policies.sources();
    let text = serde_json::json!({"schema": sources.schema, "files": sources.files}).to_string();
    let year = Duration::days(365).whole_milliseconds();
    let pace = year / i128::from(plan.entries.max(1));
    let hand = Arc::new(Hand {
        store: store.clone(),
        policy: (policies.digest().to_owned(), text),
        policies,
        settings: (hex::encode(Sha256::digest(SETTINGS)), SETTINGS.to_owned()),
        made: AtomicU64::new(0),
        recorded: AtomicU64::new(0),
        changes: AtomicU64::new(0),
        pace: Duration::milliseconds(i64::try_from(pace).unwrap_or(i64::MAX)),
    });
    hand.start().await?;
    let each = |whole: u64| whole.div_ceil(plan.repositories.max(1));
    let mut teams = tokio::task::JoinSet::new();
    for number in 0..plan.repositories {
        let mut team = Team::new(hand.clone(), number, plan.seed);
        let (changes, entries) = (each(plan.changes), plan.entries);
        teams.spawn(async move { team.live(changes, entries).await });
    }
    while let Some(team) = teams.join_next().await {
        team.map_err(|error| StoreError::Unreadable(error.to_string()))??;
    }
    Ok(Written { changes: hand.changes.load(Ordering::Relaxed), entries: store.ledger_head().await?.size })
}

impl Hand {
    fn entry(&self, body: EntryBody) -> Entry {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let passed = self.pace * i32::try_from(number).unwrap_or(i32::MAX);
        Entry { version: ENTRY_VERSION, time: spelled(BEGINS + passed), tool: "countersign 0.1.0".to_owned(), body }
    }

    async fn start(&self) -> Result<(), StoreError> {
        let started =
            EntryBody::ServiceStarted { settings_digest: self.settings.0.clone(), ledger_key: None, away: None };
        self.store.note_under(self.entry(started), Some(self.settings.clone())).await
    }
}

impl Team {
    fn new(hand: Arc<Hand>, number: u64, seed: u64) -> Self {
        let repository = cast::repository(number);
        let base = cast::sha(&format!("{}/base", repository.id.0));
        Self {
            hand,
            dice: Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(number)),
            pulls: 0,
            runs: 0,
            asked: 0,
            running: StartingPoint::Baseline { commit: base.clone() },
            tip: base,
            before: None,
            repository,
        }
    }

    /// Releases until enough changes are out, then more talk until enough is on record.
    async fn live(&mut self, changes: u64, entries: u64) -> Result<(), StoreError> {
        let mut out = 0;
        while out < changes {
            out += self.release().await?;
        }
        while self.hand.recorded.load(Ordering::Relaxed) < entries {
            let author = self.somebody();
            self.open(&author).await?;
        }
        Ok(())
    }

    /// One release, from pull requests to the end of the job; answers how many changes it put out.
    async fn release(&mut self) -> Result<u64, StoreError> {
        if self.dice.happens(2) {
            self.hand.start().await?;
        }
        let size = 1 + self.dice.below(4);
        let mut changes = Vec::new();
        for _ in 0..size {
            changes.push(self.change().await?);
        }
        let count = changes.len() as u64;
        let target = self.tip.clone();
        if self.dice.happens(60) {
            let author = changes.iter().find_map(|change| change.pull_request.as_ref()?.opener.clone());
            let denied = self.attempt(changes.clone(), &author.unwrap_or_else(|| cast::person(1)), None).await?;
            self.finish(&denied, "failure", &target).await?;
        }
        let deployer = self.somebody_else(&changes);
        let mut decision = self.attempt(changes.clone(), &deployer, None).await?;
        if decision.verdict.outcome != Outcome::Allow {
            self.finish(&decision, "failure", &target).await?;
            decision = self.break_the_glass(changes, &deployer).await?;
        }
        if self.dice.happens(3) {
            // Nobody sees it end: the next release begins where this one did.
            return Ok(0);
        }
        let before = std::mem::replace(
            &mut self.running,
            StartingPoint::Deployed { commit: target.clone(), decision: decision.id.clone() },
        );
        self.finish(&decision, "success", &target).await?;
        self.hand.changes.fetch_add(count, Ordering::Relaxed);
        if let StartingPoint::Deployed { commit, decision } = before {
            self.before = Some((commit, decision));
        }
        if self.dice.happens(15) {
            self.roll_back(&deployer).await?;
        }
        if self.dice.happens(4) {
            self.go_past_the_control(&deployer).await?;
        }
        Ok(count)
    }

    /// One change as it comes onto the production branch.
    async fn change(&mut self) -> Result<ChangeInRelease, StoreError> {
        let author = if self.dice.happens(80) { cast::updater() } else { self.somebody() };
        let merger = self.somebody();
        let change = if self.dice.happens(4) {
            self.pulls += 1;
            let name = format!("{}/{}/pushed", self.repository.id.0, self.pulls);
            let change = cast::pushed(&name, &merger, &self.tip);
            self.judge(format!("commit:{}", cast::sha(&name)), Subject::Landed(Box::new(change.clone()))).await?;
            change
        } else {
            let mut pull = self.open(&author).await?;
            let reviewer = self.other_than(&author);
            if self.dice.happens(120) {
                cast::review(&mut pull, &reviewer, ReviewState::ChangesRequested);
                self.look(&pull).await?;
                cast::push(&mut pull, &self.repository, &author);
                self.look(&pull).await?;
            }
            if !self.dice.happens(6) {
                cast::review(&mut pull, &reviewer, ReviewState::Approved);
            }
            if self.dice.happens(300) {
                let second = self.other_than(&author);
                cast::review(&mut pull, &second, ReviewState::Approved);
            }
            self.look(&pull).await?;
            cast::merged(pull, &self.repository, &merger, &self.tip)
        };
        if let Some(landing) = &change.landing {
            self.tip = landing.after.clone();
        }
        Ok(change)
    }

    async fn open(&mut self, author: &Account) -> Result<PullRequest, StoreError> {
        self.pulls += 1;
        let commits = 1 + self.dice.below(4);
        let pull = cast::pull_request(&self.repository, self.pulls, author, commits, &self.tip);
        self.look(&pull).await?;
        Ok(pull)
    }

    async fn look(&mut self, pull: &PullRequest) -> Result<Decision, StoreError> {
        let name = format!("pull_request:{}", pull.number);
        self.judge(name, Subject::PullRequest(Box::new(pull.clone()))).await
    }

    /// An attempt to deploy, judged.
    async fn attempt(
        &mut self,
        changes: Vec<ChangeInRelease>,
        by: &Account,
        change: Option<Twist>,
    ) -> Result<Decision, StoreError> {
        self.runs += 1;
        let run = self.repository.id.0 * 1_000_000 + self.runs;
        let mut deployment = cast::deployment(&self.repository, run, self.running.clone(), changes, by);
        if let Some(change) = change {
            change(&mut deployment);
        }
        self.judge(format!("run:{run}/attempt:1/environment:production"), Subject::Deployment(Box::new(deployment)))
            .await
    }

    async fn break_the_glass(&mut self, changes: Vec<ChangeInRelease>, by: &Account) -> Result<Decision, StoreError> {
        let exception = Exception {
            id: format!("x-{}-{}", self.repository.id.0, self.runs),
            repository: self.repository.clone(),
            environment: "production".to_owned(),
            commit: None,
            reason: "=checkout is down".to_owned(),
            ticket: format!("INC-{}", self.runs),
            opened_by: by.clone(),
            ends: spelled(BEGINS + Duration::days(400)),
            due: spelled(BEGINS + Duration::days(402)),
        };
        let opened = self.hand.entry(EntryBody::ExceptionOpened(exception.clone()));
        let times = Times { opened_at: 0, ends_at: i64::MAX, due_at: i64::MAX };
        self.hand.store.open_exception(opened, times, None, u32::MAX).await?;
        let (id, given) = (exception.id.clone(), exception.clone());
        let decision =
            self.attempt(changes, by, Some(Box::new(|deployment| deployment.exception = Some(given)))).await?;
        let Exception { repository, environment, due, .. } = exception;
        let after = match self.dice.below(10) {
            0 => EntryBody::ExceptionOverdue(ExceptionOverdue { exception: id, repository, environment, due }),
            1 => return Ok(decision),
            other => EntryBody::ExceptionReviewed(ExceptionReview {
                exception: id,
                repository,
                environment,
                by: cast::person(PEOPLE),
                justified: other > 2,
            }),
        };
        let entry = self.hand.entry(after);
        match &entry.body {
            EntryBody::ExceptionOverdue(_) => self.hand.store.report_overdue(entry).await.map(|_| ())?,
            _ => self.hand.store.review_exception(entry, vec![decision.id.clone()]).await.map(|_| ())?,
        }
        Ok(decision)
    }

    /// Back to what ran before: any person may, since it was allowed before.
    async fn roll_back(&mut self, by: &Account) -> Result<(), StoreError> {
        let Some((commit, allowed)) = self.before.clone() else { return Ok(()) };
        let (from, target) = (self.running.commit().clone(), commit.clone());
        let back = move |deployment: &mut Deployment| {
            deployment.allowed_before = Some(allowed);
            deployment.line.behind = vec![from, commit.clone()];
            deployment.target = commit.clone();
            if let Some(record) = &mut deployment.record {
                record.commit = commit.clone();
            }
            if let Some(run) = &mut deployment.run {
                run.head_commit = commit;
            }
        };
        let decision = self.attempt(Vec::new(), by, Some(Box::new(back))).await?;
        self.finish(&decision, if decision.verdict.outcome == Outcome::Allow { "success" } else { "failure" }, &target)
            .await
    }

    /// Out it goes, and nobody asked.
    async fn go_past_the_control(&mut self, by: &Account) -> Result<(), StoreError> {
        self.runs += 1;
        let run = self.repository.id.0 * 1_000_000 + self.runs;
        let commit = self.tip.clone();
        let alert = cast::alert(&self.repository, run, &commit, by);
        self.hand.store.raise(self.hand.entry(EntryBody::Alert(alert))).await?;
        self.ended(run, "success", &commit, None).await
    }

    async fn finish(&self, decision: &Decision, conclusion: &str, commit: &CommitSha) -> Result<(), StoreError> {
        let Subject::Deployment(deployment) = &decision.facts.subject else { return Ok(()) };
        let run = deployment.run.as_ref().map_or(0, |run| run.id.0);
        self.ended(run, conclusion, commit, Some(decision.id.clone())).await
    }

    async fn ended(
        &self,
        run: u64,
        conclusion: &str,
        commit: &CommitSha,
        decision: Option<String>,
    ) -> Result<(), StoreError> {
        let finished = cast::ended(&self.repository, run, conclusion, commit, decision);
        self.hand.recorded.fetch_add(1, Ordering::Relaxed);
        self.hand.store.note(self.hand.entry(EntryBody::DeploymentFinished(finished))).await
    }

    /// Judges, and puts it on record.
    async fn judge(&mut self, about: String, subject: Subject) -> Result<Decision, StoreError> {
        let facts = cast::facts(&self.repository, subject);
        self.asked += 1;
        let id = hex::encode(Sha256::digest(format!("{}/{}", self.repository.id.0, self.asked)));
        let mut decision = Decision {
            id: id.chars().take(32).collect(),
            subject: format!("repository:{}/{about}", self.repository.id.0),
            verdict: decide(&facts, &self.hand.policies),
            facts,
            policy_digest: self.hand.policy.0.clone(),
            settings_digest: self.hand.settings.0.clone(),
        };
        let entry = self.hand.entry(EntryBody::Decision(Box::new(decision.clone())));
        let recording = Recording { entry, policy: self.hand.policy.clone(), settings: self.hand.settings.clone() };
        let recorded = self.hand.store.record(recording).await?;
        self.hand.recorded.fetch_add(u64::from(recorded.fresh), Ordering::Relaxed);
        decision.id = recorded.decision;
        Ok(decision)
    }

    fn somebody(&mut self) -> Account {
        cast::person(1 + self.dice.below(PEOPLE - 1))
    }

    fn other_than(&mut self, account: &Account) -> Account {
        loop {
            let other = self.somebody();
            if other.id != account.id {
                return other;
            }
        }
    }

    /// Somebody who wrote none of it, and is not the only one who reviewed any.
    fn somebody_else(&mut self, changes: &[ChangeInRelease]) -> Account {
        loop {
            let candidate = self.somebody();
            let took_part = changes.iter().any(|change| {
                let text = serde_json::to_string(&change.pull_request).unwrap_or_default();
                let pushed = change.landing.as_ref().filter(|landing| landing.kind == LandingKind::Push);
                text.contains(&format!("\"{}\"", candidate.login))
                    || pushed.and_then(|landing| landing.by.as_ref()).is_some_and(|by| by.id == candidate.id)
            });
            if !took_part {
                return candidate;
            }
        }
    }
}
