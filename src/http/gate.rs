//! The door for runs: a job asks whether it may deploy, with the token that GitHub signed for it, and may wait.
//!
//! Invariant: nothing is told before the token proves which run asks, and nothing about any other. A token opens once.
//! What is answered is signed and names all that it holds for. Next: `evaluation/request.rs`.

use super::problem::Problem;
use super::reader::bearer;
use super::{Doors, SMALL};
use crate::evaluation::exceptions::{Wish, words_of};
use crate::evaluation::request::{Answered, Request, RequestError, TokenSays};
use crate::evaluation::{EvaluationError, Evaluator};
use crate::evidence::attestation::attest;
use crate::github::client::millis;
use crate::github::oidc::{Claims, Oidc, OidcError};
use crate::settings::same_environment;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use countersign_core::domain::{AccountId, CommitSha, Outcome, Repository, RepositoryId, RunAttempt, RunId};
use countersign_core::ledger::canonical;
use countersign_core::policy::title;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The first line of every signed answer, so that it can be taken for nothing else that the key signs.
pub const ANSWER: &str = "countersign gate v1";

/// Requests of one repository in one minute.
const A_MINUTE: u32 = 60;
/// The longest that one request waits.
const LONGEST_WAIT: u64 = 50;
/// How often a waiting request looks whether anything was observed.
const LOOK: Duration = Duration::from_millis(200);
/// How often it looks at GitHub though nothing was.
const LOOK_AT_GITHUB: Duration = Duration::from_secs(10);

/// What the door needs.
pub struct Gate {
    oidc: Oidc,
    evaluator: Arc<Evaluator>,
    asked: Mutex<HashMap<u64, (Instant, u32)>>,
}

impl Gate {
    /// Nothing is asked yet.
    pub fn new(oidc: Oidc, evaluator: Arc<Evaluator>) -> Self {
        Self { oidc, evaluator, asked: Mutex::default() }
    }

    /// What decides.
    pub(super) fn evaluator(&self) -> &Evaluator {
        &self.evaluator
    }

    /// Whether a repository may ask once more in this minute.
    fn admits(&self, repository: u64) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, (since, _)| since.elapsed() < Duration::from_mins(1));
        let (_, count) = asked.entry(repository).or_insert_with(|| (Instant::now(), 0));
        *count += 1;
        *count <= A_MINUTE
    }
}

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    environment: String,
    sha: String,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    decision: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    wait_seconds: u64,
    #[serde(default)]
    exception: Option<BreakGlass>,
}

/// The exception that a job asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BreakGlass {
    reason: String,
    #[serde(default)]
    ticket: Option<String>,
}

impl Ask {
    fn is_well_formed(&self) -> bool {
        let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digest = |digest: &String| digest.strip_prefix("sha256:").is_some_and(|d| d.len() == 64 && hexadecimal(d));
        [40, 64].contains(&self.sha.len())
            && hexadecimal(&self.sha)
            && self.digest.as_ref().is_none_or(digest)
            && self.nonce.as_ref().is_none_or(|nonce| nonce.len() <= 128)
            && self.decision.as_ref().is_none_or(|decision| decision.len() <= 128)
    }
}

/// `POST /api/v1/gate`
pub async fn ask(State(doors): State<Doors>, headers: HeaderMap, body: Body) -> Result<Json<Value>, Problem> {
    let gate = &doors.gate;
    let body = doors.bodies.take(body, SMALL).await?.bytes;
    let token = bearer(&headers).ok_or_else(Problem::unauthorized)?;
    let claims = gate.oidc.verify(token).await?;
    let now = millis(SystemTime::now()) / 1_000;
    let Some(mut request) = run_of(&claims) else { return Err(Problem::unauthorized()) };
    if !gate.admits(request.repository.id.0) {
        return Err(Problem::too_many());
    }
    let ends = i64::try_from(claims.exp).unwrap_or(i64::MAX);
    if !doors.store.use_token(claims.iss.clone(), claims.jti.clone(), ends, now).await? {
        return Err(Problem::unauthorized());
    }
    let asked: Ask =
        serde_json::from_slice(&body).map_err(|_| Problem::bad_request("the body is not of the form asked for"))?;
    if !asked.is_well_formed() {
        return Err(Problem::bad_request("`sha` is a full commit id and `digest` reads sha256:…"));
    }
    if !claims.environment.as_ref().is_some_and(|claimed| same_environment(claimed, &asked.environment)) {
        return Err(Problem::forbidden());
    }
    // As GitHub spells it: the rule's decision about this attempt and this one are about the same thing.
    request.environment = claims.environment.clone().unwrap_or_default();
    request.commit = CommitSha::new(asked.sha.to_ascii_lowercase());
    request.digest = asked.digest.as_ref().map(|digest| digest.to_ascii_lowercase());
    request.decision.clone_from(&asked.decision);
    request.exception = asked.exception.map(|BreakGlass { reason, ticket }| Wish {
        repository: request.repository.full_name.clone(),
        environment: request.environment.clone(),
        commit: Some(request.commit.clone()),
        reason,
        ticket: ticket.unwrap_or_default(),
        minutes: None,
    });
    // Told at once, whether it will be needed or not.
    request.exception.as_ref().map(words_of).transpose()?;
    let answered = decided(gate, &request, Duration::from_secs(asked.wait_seconds.min(LONGEST_WAIT))).await?;
    let told = told(&answered, &request, asked.nonce.as_deref());
    let text = canonical::to_bytes(&told).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let note = text.and_then(|text| doors.signer.key().sign(&format!("{ANSWER}\n{text}\n")).ok());
    let Some(note) = note else {
        tracing::error!(decision = answered.decision.id, "an answer could not be signed");
        return Err(Problem::unavailable());
    };
    let time = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    let attestation = attest(&answered.decision, (&time, crate::TOOL), doors.signer.key());
    let (outcome, decision) = (told.get("outcome"), &answered.decision.id);
    Ok(Json(json!({"outcome": outcome, "decision_id": decision, "note": note, "attestation": attestation})))
}

/// Decides, and decides again while something is still to come and the caller waits.
async fn decided(gate: &Gate, request: &Request, wait: Duration) -> Result<Answered, Problem> {
    let until = Instant::now() + wait;
    let mut presented = None;
    loop {
        let seen = gate.evaluator.observed_of(request).await?;
        let answered = gate.evaluator.answer(request, &mut presented).await?;
        if [Outcome::Allow, Outcome::Exception, Outcome::Deny].contains(&answered.decision.verdict.outcome) {
            return Ok(answered);
        }
        let looked = Instant::now();
        loop {
            if Instant::now() >= until {
                return Ok(answered);
            }
            if looked.elapsed() >= LOOK_AT_GITHUB || gate.evaluator.observed_of(request).await? != seen {
                break;
            }
            tokio::time::sleep(LOOK.min(until.saturating_duration_since(Instant::now()))).await;
        }
    }
}

/// The run that a token speaks for; `None` where its numbers are none.
fn run_of(claims: &Claims) -> Option<Request> {
    let id = |text: &str| text.parse::<u64>().ok();
    Some(Request {
        repository: Repository {
            id: RepositoryId(id(&claims.repository_id)?),
            full_name: claims
                .repository
                .split_once('/')
                .filter(|(owner, name)| is_name(owner) && is_name(name))
                .map(|(owner, name)| format!("{owner}/{name}"))?,
        },
        run: RunId(id(&claims.run_id)?),
        attempt: RunAttempt(id(&claims.run_attempt)?),
        environment: String::new(),
        commit: CommitSha::new(String::new()),
        digest: None,
        decision: None,
        exception: None,
        token: TokenSays {
            commit: CommitSha::new(claims.sha.clone()),
            reference: claims.reference.clone(),
            event: claims.event_name.clone(),
            workflow: claims.workflow_ref.clone(),
            actor: id(&claims.actor_id).map(AccountId),
        },
    })
}

/// Whether it reads `owner/name`.
pub(super) fn is_repository(full_name: &str) -> bool {
    full_name.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

/// It becomes part of an address.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    !name.is_empty() && name != "." && name != ".." && name.chars().all(plain)
}

/// All that an answer holds for, and what a person can act on.
fn told(answered: &Answered, request: &Request, nonce: Option<&str>) -> Value {
    let (decision, verdict) = (&answered.decision, &answered.decision.verdict);
    let reasons: Vec<Value> = verdict
        .reasons
        .iter()
        .map(|reason| json!({"code": reason.code, "text": reason.text, "remedy": reason.remedy}))
        .collect();
    let logins = |account: &countersign_core::domain::Account| account.login.clone();
    json!({
        "outcome": verdict.outcome,
        "decision": decision.id,
        "page": answered.page,
        "repository_id": request.repository.id.to_string(),
        "environment": request.environment,
        "commit": request.commit,
        "run": request.run.to_string(),
        "attempt": request.attempt.to_string(),
        "digest": request.digest,
        "nonce": nonce,
        "ends": answered.ends,
        "title": title(verdict),
        "reasons": reasons,
        "deployers": verdict.deployers.iter().map(|deployer| logins(&deployer.account)).collect::<Vec<_>>(),
        "can_deploy": verdict.can_deploy.iter().map(logins).collect::<Vec<_>>(),
        "up_to": verdict.up_to,
        "tree_size": answered.recorded.size,
        "tree_root": answered.recorded.root,
    })
}

impl From<OidcError> for Problem {
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::Refused(why) => {
                tracing::warn!(why, "a token opens nothing");
                Self::unauthorized()
            }
            OidcError::Unavailable(error) => {
                tracing::error!(%error, "tokens cannot be checked");
                Self::unavailable()
            }
        }
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NotForYou(why) => {
                tracing::warn!(why, "a run is told nothing");
                Self::forbidden()
            }
            RequestError::Exception(error) => error.into(),
            RequestError::Evaluation(error) => error.into(),
        }
    }
}

impl From<EvaluationError> for Problem {
    fn from(error: EvaluationError) -> Self {
        tracing::error!(%error, "nothing could be decided");
        Self::unavailable()
    }
}
