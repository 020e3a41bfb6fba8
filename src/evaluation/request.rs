//! A run's own job asks: the same gathering, judgement and record as for GitHub's rule, answered in the request itself.
//!
//! Invariant: what is answered is on record. The run is read from GitHub as it is now, and whatever the token says
//! otherwise makes it impossible to tell; a decision presented is used up before the judgement that it serves, and an
//! exception is opened after one that needs it.

use super::attempt::{AtGate, subject_of};
use super::exceptions::{ExceptionError, Wish};
use super::gates::with_others;
use super::{Evaluation, EvaluationError, Evaluator};
use crate::github::GitHubError;
use crate::github::gather::{deployment, run};
use crate::github::pins;
use crate::store::Recorded;
use crate::store::grants::Grant;
use countersign_core::domain::{
    AccountId, CommitSha, Decision, GateRequest, Outcome, Presented, Repository, Run, RunAttempt, RunId, Subject,
};

/// How long an allowed decision may be presented, in seconds.
const LASTS: i64 = 300;

/// What a job asks for, as its token and its request say.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where.
    pub repository: Repository,
    /// The run.
    pub run: RunId,
    /// The attempt.
    pub attempt: RunAttempt,
    /// The environment.
    pub environment: String,
    /// The commit that is about to be deployed.
    pub commit: CommitSha,
    /// The digest of the artifact, where one is named.
    pub digest: Option<String>,
    /// The decision that is presented.
    pub decision: Option<String>,
    /// The exception that the job asks for, should it be needed.
    pub exception: Option<Wish>,
    /// What the token says of the run, to be held against GitHub.
    pub token: TokenSays,
}

/// What a token says of its run.
#[derive(Debug, Clone)]
pub struct TokenSays {
    /// The commit.
    pub commit: CommitSha,
    /// The full ref.
    pub reference: String,
    /// The event.
    pub event: String,
    /// The workflow's file: `owner/name/path@ref`.
    pub workflow: String,
    /// Whose event it was.
    pub actor: Option<AccountId>,
}

/// What is told to the job.
pub struct Answered {
    /// The decision, on record.
    pub decision: Decision,
    /// Where.
    pub recorded: Recorded,
    /// Where people read it.
    pub page: String,
    /// Until when it holds, in seconds since 1970.
    pub ends: i64,
}

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It is none of ours to decide, or the run that asks is over.
    #[error("not for this run: {0}")]
    NotForYou(&'static str),
    /// It is denied or cannot be told, and the exception that the job asks for is not given.
    #[error(transparent)]
    Exception(#[from] ExceptionError),
    /// It could not be decided now.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
}

impl Evaluator {
    /// Decides, records, and says what is to be told. `presented` is `None` at first, and what became of the decision that
    /// the request presents when it is answered again.
    pub async fn answer(&self, request: &Request, presented: &mut Option<Presented>) -> Result<Answered, RequestError> {
        if self.settings.scope_for(&request.repository.full_name, &request.environment).is_none() {
            return Err(RequestError::NotForYou("the environment is outside of every scope"));
        }
        let full_name = &request.repository.full_name;
        let client = self.client.for_installation(theirs(self.installation_of(full_name).await)?);
        let resolve = || pins::resolve(&client, &self.store, &self.settings);
        let pins = self.pins.get_or_try_init(resolve).await.map_err(EvaluationError::from)?;
        let look = self.look(&client, &request.repository);
        let answered = Evaluation { evaluator: self, look, pins, last_try: true }.answered(request, presented).await;
        if answered.is_err() {
            self.installations.forget(full_name);
        }
        answered
    }

    /// How much was observed of a run: more of it is worth another look.
    pub async fn observed_of(&self, request: &Request) -> Result<usize, EvaluationError> {
        Ok(self.store.observed(request.repository.id, &[format!("run:{}", request.run)]).await?.len())
    }
}

impl Request {
    fn grant(&self) -> Grant {
        Grant {
            repository: self.repository.id,
            run: self.run,
            attempt: self.attempt,
            environment: self.environment.trim().to_lowercase(),
            commit: self.commit.clone(),
            digest: self.digest.clone().unwrap_or_default(),
        }
    }
}

impl Evaluation<'_> {
    async fn answered(self, request: &Request, presented: &mut Option<Presented>) -> Result<Answered, RequestError> {
        let store = &self.evaluator.store;
        // The rule's decision about this run and this one are made one after the other.
        let _turn = self.evaluator.turns.at(format!("{}/run:{}", self.look.repository.id, request.run)).await;
        let topic = format!("run:{}", request.run);
        let observed = store.observed(self.look.repository.id, &[topic]).await.map_err(EvaluationError::from)?;
        let asked = deployment::Asked {
            environment: request.environment.clone(),
            deployment: None,
            beside: Vec::new(),
            request: Some(GateRequest {
                commits: vec![request.token.commit.clone(), request.commit.clone()],
                event: request.token.event.clone(),
                digest: request.digest.clone(),
                presented: None,
            }),
        };
        let asked = with_others(asked, &observed, request.attempt);
        let here = self.at(&request.environment);
        let ahead = deployment::ahead(&here.look, request.run, &asked, &observed);
        let (gathered, ahead) = tokio::join!(run::gather(&self.look, request.run), ahead);
        let gathered = theirs(gathered)?;
        if gathered.run.this.number != request.attempt {
            return Err(RequestError::NotForYou("the run has gone on to another attempt"));
        }
        self.note_open_ends(&gathered.run, &request.environment).await?;
        let AtGate { mut facts, terms, own, failed } = match self.at_gate(&gathered, &asked, &observed, ahead).await {
            // Only a repository that is not the token's own is not there at all.
            Err(EvaluationError::GitHub(error)) => return Err(not_theirs(error)),
            other => other?,
        };
        if let Some(error) = failed.filter(GitHubError::passes) {
            return Err(EvaluationError::from(error).into());
        }
        let now = self.look.now / 1_000;
        if let (Some(decision), None) = (&request.decision, &presented) {
            let holds = store.present(decision.clone(), request.grant(), now).await.map_err(EvaluationError::from)?;
            *presented = Some(Presented { decision: decision.clone(), holds });
        }
        if let Some(asks) = &mut facts.request {
            asks.presented.clone_from(presented);
        }
        let contradictions = contradictions(request, &gathered.run);
        // No exception stands in for knowing which run asks.
        let asked_at = contradictions.is_empty().then_some(self.look.now);
        self.with_exceptions(&mut facts, asked_at).await?;
        let wish = request.exception.as_ref().filter(|_| contradictions.is_empty());
        facts.missing.extend(contradictions);
        self.with_wished((&mut facts, &terms, &own), wish).await?;
        let opened = facts.exception.as_ref().map(|exception| exception.id.clone()).filter(|_| wish.is_some());
        let subject = subject_of(&self.look, request.run, request.attempt, &request.environment);
        let (decision, recorded) = self.decide(subject, terms, &own, Subject::Deployment(Box::new(facts))).await?;
        let ends = now + LASTS;
        if matches!(decision.verdict.outcome, Outcome::Allow | Outcome::Exception) && presented.is_none() {
            let given = store.give_out(decision.id.clone(), request.grant(), ends).await;
            given.map_err(EvaluationError::from)?;
        }
        if let Some(opened) = opened {
            self.evaluator.show_debt_of(&opened).await;
        }
        Ok(Answered { page: self.page(&decision.id), decision, recorded, ends })
    }
}

/// What GitHub does not show to us is not ours to speak of.
fn theirs<T>(read: Result<T, GitHubError>) -> Result<T, RequestError> {
    read.map_err(not_theirs)
}

fn not_theirs(error: GitHubError) -> RequestError {
    match error {
        GitHubError::NotFound(_) => RequestError::NotForYou("github does not show it to us"),
        error => RequestError::Evaluation(error.into()),
    }
}

/// What the token says of the run and GitHub does not, in words that follow "not known:".
fn contradictions(request: &Request, run: &Run) -> Vec<String> {
    let token = &request.token;
    let branch = ["refs/heads/", "refs/tags/"].iter().find_map(|kind| token.reference.strip_prefix(kind));
    let of_pull_request = run.event.starts_with("pull_request");
    let same_ref = of_pull_request || run.head_branch.is_none() || branch == run.head_branch.as_deref();
    let file = token.workflow.split('@').next().unwrap_or_default();
    let path = format!("{}/{}", request.repository.full_name, run.path.split('@').next().unwrap_or_default());
    let claims = [
        ("ref", same_ref),
        ("workflow file", file.eq_ignore_ascii_case(&path)),
        ("actor", run.first.actor.as_ref().map(|actor| actor.id) == token.actor),
    ];
    let wrong = claims.into_iter().filter(|(_, holds)| !holds);
    wrong.map(|(what, _)| format!("which run asks, since its token names another {what}")).collect()
}
