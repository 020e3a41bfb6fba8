//! The doors for break-glass: open, review, list.
//!
//! Invariant: a token names the account that acts, and only its hash is known here. What is refused says why, to whoever
//! holds such a token and to nobody else. Next: `evaluation/exceptions.rs`.

use super::paging::{Page, Query, paged, within};
use super::problem::Problem;
use super::reader::bearer;
use super::{Doors, SMALL};
use crate::evaluation::exceptions::{ExceptionError, Wish};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use countersign_core::domain::{CommitSha, Exception};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

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
    body: Body,
) -> Result<(StatusCode, Json<Exception>), Problem> {
    let body = doors.bodies.take(body, SMALL).await?.bytes;
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
    body: Body,
) -> Result<StatusCode, Problem> {
    let body = doors.bodies.take(body, SMALL).await?.bytes;
    let login = acting(&doors, &headers)?;
    let Review { verdict } = read(&body)?;
    let Some(row) = doors.store.exception(&id).await? else { return Err(Problem::not_found()) };
    let evaluator = doors.gate.evaluator();
    let by = evaluator.acting(&row.exception.repository.full_name, &login).await?;
    evaluator.review_exception(&id, by, matches!(verdict, Justification::Justified)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which exceptions.
#[derive(Deserialize)]
pub struct Which {
    before: Option<i64>,
    limit: Option<u32>,
    state: Option<Standing>,
}

/// How an exception stands.
#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Open,
}

/// `GET /api/v1/exceptions`: newest first; `?state=open`: only those that somebody must review still.
pub async fn list(State(doors): State<Doors>, Query(which): Query<Which>) -> Result<Json<Page>, Problem> {
    let limit = within(which.limit);
    let owed = which.state == Some(Standing::Open);
    let items = doors.store.exceptions(which.before, limit, owed).await?;
    let mut page = paged(&items, limit, |row| json!(row), |last| json!(last.position));
    page.insert("owed".to_owned(), json!(doors.store.debts_count().await?));
    Ok(Json(page))
}

/// The login that the bearer's token acts for.
fn acting(doors: &Doors, headers: &HeaderMap) -> Result<String, Problem> {
    let token = bearer(headers).ok_or_else(Problem::unauthorized)?;
    // Digests are compared, so that the time it takes says nothing about the token.
    let digest = hex::encode(Sha256::digest(token.as_bytes()));
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
