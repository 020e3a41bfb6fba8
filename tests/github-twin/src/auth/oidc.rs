//! OIDC for Actions runs: discovery, keys, and tokens with the claims that GitHub's have.
//!
//! Invariant: a token is signed over the claims of a run of this world and nothing else; whoever wants altered claims says
//! so (`sign`), as a story does that forges one. GitHub's tokens name the actor and never the triggering actor.

#![allow(clippy::unnecessary_wraps)] // every handler has the one signature of the table

use super::{Caller, open, sealed};
use crate::model::{Run, World};
use crate::rest::Call;
use crate::rest::answer::Answer;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// The keys of the issuer, by their ids: a world shows one of them at a time.
const KEY_IDS: [&str; 2] = ["twin-actions-1", "twin-actions-2"];
/// How long a token holds, in seconds: GitHub's end after five to ten minutes.
const TOKEN_SECONDS: i64 = 300;

/// The job that asks for a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The run.
    pub run: u64,
    /// The attempt.
    pub attempt: u64,
    /// The environment it names.
    pub environment: Option<String>,
}

struct Keys {
    private: EncodingKey,
    modulus: String,
    exponent: String,
}

fn keys(which: usize) -> Option<&'static Keys> {
    static KEYS: [OnceLock<Option<Keys>>; 2] = [OnceLock::new(), OnceLock::new()];
    KEYS.get(which)?
        .get_or_init(|| {
            let private = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).ok()?;
            let der = private.to_pkcs1_der().ok()?;
            Some(Keys {
                private: EncodingKey::from_rsa_der(der.as_bytes()),
                modulus: URL_SAFE_NO_PAD.encode(private.n().to_bytes_be()),
                exponent: URL_SAFE_NO_PAD.encode(private.e().to_bytes_be()),
            })
        })
        .as_ref()
}

/// The issuer of a world: `{url}/_oidc`.
pub fn issuer(world: &World) -> String {
    format!("{}/_oidc", world.url)
}

/// `ACTIONS_ID_TOKEN_REQUEST_TOKEN` of a job.
pub fn request_token(job: &Job) -> String {
    format!("ghj_{}", sealed(job))
}

pub(super) fn job_of(token: &str) -> Option<Job> {
    open(token.strip_prefix("ghj_")?)
}

/// The claims of a job's token, as GitHub makes them; `None` where there is no such run or attempt.
pub fn claims(world: &World, job: &Job, audience: &str, now: i64) -> Option<Value> {
    let run = world.runs.get(&job.run).or_else(|| world.runs_of_forks.get(&job.run))?;
    let attempt = run.attempts.iter().find(|attempt| attempt.number == job.attempt)?;
    let first = run.attempts.first()?;
    let forks = world.runs_of_forks.contains_key(&run.id);
    let place = if forks { world.repositories.get(&run.head_repository)? } else { world.upstream()? };
    let repository = place.full_name();
    let actor = world.account(first.actor)?;
    let subject = match &job.environment {
        Some(environment) => format!("repo:{repository}:environment:{environment}"),
        None => format!("repo:{repository}:ref:{}", run.reference),
    };
    let workflow_ref = format!("{repository}/{}@{}", run.path, run.reference);
    let mut claims = json!({
        "jti": hex::encode(rand::random::<[u8; 16]>()),
        "sub": subject,
        "aud": audience,
        "iss": issuer(world),
        "iat": now,
        "nbf": now - 60,
        "exp": now + TOKEN_SECONDS,
        "ref": run.reference,
        "ref_type": reference_type(run),
        "ref_protected": if run.reference == "refs/heads/main" { "true" } else { "false" },
        "sha": run.head_sha,
        "repository": repository,
        "repository_id": place.id.to_string(),
        "repository_owner": place.owner,
        "repository_owner_id": place.owner_id.to_string(),
        "repository_visibility": "public",
        "run_id": run.id.to_string(),
        "run_number": run.number.to_string(),
        "run_attempt": attempt.number.to_string(),
        "runner_environment": "github-hosted",
        "actor": actor.rest_login(),
        "actor_id": actor.id.to_string(),
        "workflow": run.name,
        "workflow_ref": workflow_ref,
        "workflow_sha": run.head_sha,
        "job_workflow_ref": workflow_ref,
        "job_workflow_sha": run.head_sha,
        "head_ref": "",
        "base_ref": "",
        "event_name": run.event
    });
    if let (Some(environment), Value::Object(fields)) = (&job.environment, &mut claims) {
        fields.insert("environment".to_owned(), json!(environment));
    }
    Some(claims)
}

fn reference_type(run: &Run) -> &'static str {
    if run.reference.starts_with("refs/tags/") { "tag" } else { "branch" }
}

/// Signs claims with the issuer's first key.
pub fn sign(claims: &Value) -> Option<String> {
    sign_with(0, claims)
}

/// Signs claims with one of the issuer's keys, whether or not a world shows it.
pub fn sign_with(key: usize, claims: &Value) -> Option<String> {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some((*KEY_IDS.get(key)?).to_owned());
    jsonwebtoken::encode(&header, claims, &keys(key)?.private).ok()
}

/// `GET /_oidc/.well-known/openid-configuration`
pub(crate) fn configuration(world: &mut World, _: &Call) -> Result<Answer, Answer> {
    let issuer = issuer(world);
    Ok(Answer::ok(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks"),
        "subject_types_supported": ["public", "pairwise"],
        "response_types_supported": ["id_token"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"],
        "claims_supported": [
            "sub", "aud", "exp", "iat", "iss", "jti", "nbf", "ref", "sha", "repository", "repository_id",
            "repository_owner", "repository_owner_id", "repository_visibility", "run_id", "run_number", "run_attempt",
            "actor", "actor_id", "workflow", "workflow_ref", "workflow_sha", "head_ref", "base_ref", "event_name",
            "ref_type", "ref_protected", "environment", "job_workflow_ref", "job_workflow_sha", "runner_environment"
        ]
    })))
}

/// `GET /_oidc/.well-known/jwks`
pub(crate) fn jwks(world: &mut World, _: &Call) -> Result<Answer, Answer> {
    let (keys, id) =
        keys(world.issuer_key).zip(KEY_IDS.get(world.issuer_key)).ok_or_else(|| Answer::error(500, "no key"))?;
    Ok(Answer::ok(json!({"keys": [{
        "kty": "RSA", "alg": "RS256", "use": "sig", "kid": id, "n": keys.modulus, "e": keys.exponent
    }]})))
}

/// `GET /_oidc/token?audience=…`: what `ACTIONS_ID_TOKEN_REQUEST_URL` names, with the job's request token.
pub(crate) fn token(world: &mut World, call: &Call) -> Result<Answer, Answer> {
    let Caller::Job(job) = &call.caller else {
        return Err(Answer::bad_credentials());
    };
    let owner = world.upstream().map_or("", |upstream| upstream.owner.as_str());
    let fallback = format!("{}/{owner}", world.url);
    let audience = call.query.get("audience").unwrap_or(&fallback);
    let token = claims(world, job, audience, call.now)
        .and_then(|claims| sign_with(world.issuer_key, &claims))
        .ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(json!({"count": token.len(), "value": token})))
}
