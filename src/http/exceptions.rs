//! The doors for break-glass: open, review, list.
//!
//! Invariant: a token names the account that acts, and only its hash is known here. What is refused says why, to whoever
//! holds such a token and to nobody else. Next: `evaluation/exceptions.rs`.

use super::Doors;
use super::problem::Problem;
use crate::evaluation::exceptions::{ExceptionError, Wish};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use countersign_core::domain::{CommitSha, Exception};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How many exceptions a list shows.
const LISTED: u32 = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    repository: String,
    environment: String,
    #[serde(default)]
    commit: Option<String>,
    reason: String,
    ticket: String,
    #[serde(default)]
    minutes: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Review {
    verdict: Justification,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Justification {
    Justified,
    Unjustified,
}

/// `POST /api/v1/exceptions`
pub async fn open(
    State(doors): State<Doors>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Exception>), Problem> {
    let login = acting(&doors, &headers)?;
    let asked: Open = read(&body)?;
    let full = |sha: &String| [40, 64].contains(&sha.len()) && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !super::gate::is_repository(&asked.repository) || !asked.commit.as_ref().is_none_or(full) {
        return Err(Problem::bad_request("`repository` reads owner/name, and `commit` is a full commit id"));
    }
    let wish = Wish {
        repository: asked.repository,
        environment: asked.environment,
        commit: asked.commit.map(|commit| CommitSha::new(commit.to_ascii_lowercase())),
        reason: asked.reason,
        ticket: asked.ticket,
        minutes: asked.minutes,
    };
    let evaluator = doors.gate.evaluator();
    let by = evaluator.acting(&wish.repository, &login).await?;
    Ok((StatusCode::CREATED, Json(evaluator.open_exception(by, &wish).await?)))
}

/// `POST /api/v1/exceptions/{id}/review`
pub async fn review(
    State(doors): State<Doors>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let login = acting(&doors, &headers)?;
    let Review { verdict } = read(&body)?;
    let Some(row) = doors.store.exception(&id).await? else { return Err(Problem::not_found()) };
    let evaluator = doors.gate.evaluator();
    let by = evaluator.acting(&row.exception.repository.full_name, &login).await?;
    evaluator.review_exception(&id, by, matches!(verdict, Justification::Justified)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/exceptions`
pub async fn list(State(doors): State<Doors>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({"items": doors.store.exceptions(LISTED).await?})))
}

/// The login that the bearer's token acts for.
fn acting(doors: &Doors, headers: &HeaderMap) -> Result<String, Problem> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(|given| given.strip_prefix("Bearer ")).ok_or_else(Problem::unauthorized)?;
    // Digests are compared, so that the time it takes says nothing about the token.
    let digest = hex::encode(Sha256::digest(token.trim().as_bytes()));
    let known = doors.settings.token.iter().find(|known| known.sha256.eq_ignore_ascii_case(&digest));
    let known = known.ok_or_else(Problem::unauthorized)?;
    if known.scopes.iter().any(|scope| scope == "exceptions") {
        Ok(known.account.clone())
    } else {
        Err(Problem::forbidden())
    }
}

fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|_| Problem::bad_request("the body is not of the form asked for"))
}

impl From<ExceptionError> for Problem {
    fn from(error: ExceptionError) -> Self {
        match error {
            ExceptionError::Refused(why) => Self::not_open(why),
            ExceptionError::Unknown => Self::not_found(),
            ExceptionError::Evaluation(error) => error.into(),
        }
    }
}
