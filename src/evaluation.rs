//! One evaluation: gather, decide, record, publish, in this order and each once.
//!
//! Invariant: GitHub hears of nothing that is not on record. An evaluation that fails half-way has told nothing or told
//! what is recorded, and the next one finishes it.

mod attempt;
mod backfilled;
mod bypass;
mod debts;
mod ends;
pub mod exceptions;
mod gates;
mod installations;
mod landed;
mod merge_group;
mod outside;
mod participation;
mod policies;
pub mod request;
mod turns;

use crate::git::Objects;
use crate::github::event::{Subject as Asked, What};
use crate::github::gather::{self, Look, pull_request, release};
use crate::github::pins::{self, Pinned};
use crate::github::publish::{self, Shown};
use crate::github::{Client, GitHubError};
use crate::settings::Settings;
use crate::store::record::spelled;
use crate::store::{Recorded, Recording, Store, StoreError};
use countersign_core::domain::{
    CommitSha, Decision, Entry, EntryBody, Facts, Observation, Outcome, PullRequestNumber, PullRequestState, Subject,
    Terms, Verdict, entry::ENTRY_VERSION, facts::FACTS_VERSION,
};
use countersign_core::policy::{self, OwnFile, Policies};
use installations::Installations;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use time::OffsetDateTime;
use tokio::sync::OnceCell;
use turns::Turns;

pub use backfilled::{Afterwards, backfilled};

/// Why an evaluation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// GitHub did not answer as needed.
    #[error(transparent)]
    GitHub(#[from] GitHubError),
    /// The store did not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The policies cannot be used.
    #[error("the policies cannot be used: {0}")]
    Policy(String),
}

/// What an evaluation leaves to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: the subject's rows are answered.
    Done,
    /// Something could not be told; it is worth looking again.
    LookAgain,
}

/// Everything evaluations share.
pub struct Evaluator {
    /// The database.
    pub store: Store,
    /// GitHub.
    pub client: Client,
    /// The repositories' objects.
    pub objects: Objects,
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// Where people reach this service.
    pub public_url: String,
    turns: Turns,
    installations: Installations,
    pins: OnceCell<Pinned>,
    policies: Mutex<BTreeMap<policies::Named, policies::InForce>>,
}

impl Evaluator {
    /// Nothing is asked of GitHub yet.
    pub fn new(store: Store, client: Client, objects: Objects, settings: Arc<Settings>, public_url: String) -> Self {
        Self {
            store,
            client,
            objects,
            settings,
            public_url,
            turns: Turns::default(),
            installations: Installations::default(),
            pins: OnceCell::new(),
            policies: Mutex::new(BTreeMap::new()),
        }
    }

    /// Settles what the names in the settings mean, before anything happens to them.
    pub async fn pin_names(&self) -> Result<(), GitHubError> {
        pins::pin_all(&self.client.for_app(), &self.store, &self.settings).await
    }

    /// Looks at a subject at the moment `now`, in milliseconds since 1970; `last_try` says whether it will not be looked at again.
    pub async fn evaluate(&self, asked: &Asked, now: i64, last_try: bool) -> Result<Next, EvaluationError> {
        if self.settings.scopes_of(&asked.repository.full_name).next().is_none() {
            return Ok(Next::Done);
        }
        self.installations.learn(&asked.repository.full_name, asked.installation);
        let client = self.client.for_installation(asked.installation);
        let pins = self.pins.get_or_try_init(|| pins::resolve(&client, &self.store, &self.settings)).await?;
        let look = Look { now, ..self.look(&client, &asked.repository) };
        let evaluation = Evaluation { evaluator: self, look, pins, last_try };
        match &asked.what {
            What::PullRequest(number) => evaluation.pull_request(*number).await,
            What::Head(head) => evaluation.pull_requests_at(head).await,
            What::Run(run) => evaluation.run(*run).await,
            What::Deployment(id) => evaluation.deployment_alone(*id).await,
            What::MergeGroup { base, head } => evaluation.merge_group(base, head).await,
            What::Branch { name, after } => evaluation.branch(name, after, &asked.default_branch).await,
        }
    }
}

struct Evaluation<'a> {
    evaluator: &'a Evaluator,
    look: Look<'a>,
    pins: &'a Pinned,
    last_try: bool,
}

#[derive(Deserialize)]
struct RepositoryPayload {
    id: u64,
    full_name: String,
    default_branch: String,
}

impl<'a> Evaluation<'a> {
    /// The same, about this environment.
    fn at<'e>(&self, environment: &'e str) -> Evaluation<'e>
    where
        'a: 'e,
    {
        Evaluation {
            evaluator: self.evaluator,
            look: self.look.at(environment),
            pins: self.pins,
            last_try: self.last_try,
        }
    }

    async fn pull_request(&self, number: PullRequestNumber) -> Result<Next, EvaluationError> {
        let mut gathered = pull_request::gather(&self.look, &[number]).await?;
        let terms = gather::terms(&self.look, self.pins, &gathered.default_branch)?;
        let Some(pull_request) = gathered.pull_requests.pop() else { return Ok(Next::Done) };
        let subject = format!("repository:{}/pull_request:{number}", self.look.repository.id);
        let store = &self.evaluator.store;
        if pull_request.base_branch != terms.production_branch {
            // It goes elsewhere now: the check that it shared is no concern of it any more.
            for head in store.leave(&subject).await? {
                self.show_on(&head, None).await?;
            }
            return Ok(Next::Done);
        }
        let (head, state) = (pull_request.head.clone(), pull_request.state);
        let was_queued = merge_group::was_queued(&pull_request);
        let base = terms.production_branch.clone();
        let judged = self.as_it_landed(pull_request, gathered.second_parents.remove(&number), &base).await?;
        let (decision, recorded) = self.decide(subject, terms, &gathered.own_rules, judged).await?;
        let outcome = decision.verdict.outcome;
        self.show_on(&head, Some((&decision, &recorded))).await?;
        if recorded.fresh {
            // Another pull request may be left alone with the head that this one had.
            if let Some(left) = store.head_before(&decision.subject, &head).await? {
                self.show_on(&left, None).await?;
            }
        }
        let of_groups = if was_queued { self.merge_groups_of(number, &base).await? } else { Next::Done };
        let unsettled = outcome == Outcome::Undetermined && state != PullRequestState::Closed;
        let again = unsettled || of_groups == Next::LookAgain;
        Ok(if again { Next::LookAgain } else { Next::Done })
    }

    async fn pull_requests_at(&self, head: &CommitSha) -> Result<Next, EvaluationError> {
        let mut next = Next::Done;
        for number in self.evaluator.store.open_at(self.look.repository.id, head).await? {
            if self.pull_request(number).await? == Next::LookAgain {
                next = Next::LookAgain;
            }
        }
        Ok(next)
    }

    /// The check shows the worst outcome of all open pull requests that share the head.
    async fn show_on(&self, head: &CommitSha, just: Option<(&Decision, &Recorded)>) -> Result<(), EvaluationError> {
        let store = &self.evaluator.store;
        let _turn = self.evaluator.turns.at(format!("{}/{head}", self.look.repository.id)).await;
        let open = store.open_on(self.look.repository.id, head).await?;
        let rank = |outcome: &str| {
            ["allow", "exception", "pending", "undetermined", "deny"].iter().position(|o| *o == outcome)
        };
        let Some((worst, _)) = open.into_iter().max_by_key(|(_, outcome)| rank(outcome)) else { return Ok(()) };
        let earlier;
        let (decision, recorded) = match just {
            // GitHub cannot have heard of a decision that was only just made.
            Some((decision, recorded)) if recorded.fresh && decision.id == worst => (decision, recorded),
            _ => {
                earlier = self.recorded(&worst).await?;
                let found = earlier.as_ref().map(|(decision, recorded)| (decision, recorded));
                found.ok_or_else(|| StoreError::Unreadable(format!("decision {worst}")))?
            }
        };
        let shown = Shown { page: self.page(&decision.id), decision, recorded };
        publish::check(self.look.client, store, self.look.repository, head, &shown).await?;
        Ok(())
    }

    /// A decision on record, and the ledger as it is now.
    async fn recorded(&self, decision: &str) -> Result<Option<(Decision, Recorded)>, EvaluationError> {
        let Some((position, entry)) = self.evaluator.store.decision(decision).await? else { return Ok(None) };
        let EntryBody::Decision(decision) = entry.body else { return Ok(None) };
        let head = self.evaluator.store.ledger_head().await?;
        let recorded = Recorded {
            decision: decision.id.clone(),
            fresh: false,
            size: head.size.max(position + 1),
            root: hex::encode(head.root),
        };
        Ok(Some((*decision, recorded)))
    }

    async fn branch(&self, name: &str, after: &CommitSha, default_branch: &str) -> Result<Next, EvaluationError> {
        let named = self.look.settings.scopes_of(&self.look.repository.full_name).next();
        let production = named.and_then(|scope| scope.production_branch.as_deref()).unwrap_or(default_branch);
        if name != production {
            return Ok(Next::Done);
        }
        let observed = self.evaluator.store.observed(self.look.repository.id, &[format!("branch:{name}")]).await?;
        let before = observed.iter().find_map(|seen| match seen {
            Observation::Pushed { push, .. } if push.after == *after && !push.before.is_zero() => Some(&push.before),
            _ => None,
        });
        let Some(before) = before else { return Ok(Next::Done) };
        let terms = self.terms().await?;
        let own = self.own_rules([before.as_str(), after.as_str()]).await?;
        for change in release::landed(&self.look, &terms.production_branch, before, after).await? {
            let Some(last) = change.commits.last() else { continue };
            let subject = format!("repository:{}/commit:{last}", self.look.repository.id);
            self.decide(subject, terms.clone(), &own, Subject::Landed(Box::new(change))).await?;
        }
        Ok(Next::Done)
    }

    async fn terms(&self) -> Result<Terms, EvaluationError> {
        let repository: RepositoryPayload = self.look.client.get(&self.look.path("")).await?;
        if repository.id != self.look.repository.id.0 {
            let what = format!("repository {} under this name", self.look.repository.id);
            return Err(GitHubError::NotFound(what).into());
        }
        Ok(gather::terms(&self.look, self.pins, &repository.default_branch)?)
    }

    /// What the policies say, with nothing on record yet.
    fn judged(
        &self,
        mut terms: Terms,
        own: &[OwnFile],
        subject: Subject,
    ) -> Result<(Facts, Arc<Policies>, Verdict), EvaluationError> {
        let (policies, rules) = self.evaluator.policies(&terms.packs, own)?;
        terms.repository_rules = rules;
        let facts = Facts { version: FACTS_VERSION, repository: self.look.repository.clone(), terms, subject };
        let verdict = policy::decide(&facts, &policies);
        Ok((facts, policies, verdict))
    }

    async fn decide(
        &self,
        subject: String,
        terms: Terms,
        own: &[OwnFile],
        judged: Subject,
    ) -> Result<(Decision, Recorded), EvaluationError> {
        let (facts, policies, verdict) = self.judged(terms, own, judged)?;
        tracing::info!(subject, verdict = %verdict.outcome, reasons = codes(&verdict), "decided");
        let (settings_digest, settings_text) = self.look.settings.digest();
        let mut decision = Decision {
            id: new_id(),
            subject,
            facts,
            verdict,
            policy_digest: policies.digest().to_owned(),
            settings_digest: settings_digest.clone(),
        };
        let recording = Recording {
            entry: entry(EntryBody::Decision(Box::new(decision.clone()))),
            policy: (policies.digest().to_owned(), export(&policies)),
            settings: (settings_digest, settings_text),
        };
        let recorded = self.evaluator.store.record(recording).await?;
        decision.id.clone_from(&recorded.decision);
        Ok((decision, recorded))
    }

    fn page(&self, decision: &str) -> String {
        format!("{}/decisions/{decision}", self.evaluator.public_url)
    }
}

/// The texts of the policies as they are kept: whoever replays a decision parses them again.
fn export(policies: &Policies) -> String {
    let sources = policies.sources();
    serde_json::json!({"schema": sources.schema, "files": sources.files}).to_string()
}

fn codes(verdict: &Verdict) -> String {
    verdict.reasons.iter().map(|reason| reason.code.as_str()).collect::<Vec<_>>().join(" ")
}

/// An entry, dated now.
pub fn entry(body: EntryBody) -> Entry {
    Entry { version: ENTRY_VERSION, time: spelled(OffsetDateTime::now_utc()), tool: crate::TOOL.to_owned(), body }
}

/// Ids sort by nothing and say nothing: 128 random bits.
fn new_id() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}
