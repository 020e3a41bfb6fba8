//! The door for exports: ask for one, look how far it is, take it away once.
//!
//! Invariant: as [`super::reader`]: only readers come this far. Whoever asks names nothing but a period and repositories; the
//! service says where it is made. Next: `evidence/jobs.rs`.

use super::problem::Problem;
use super::{Doors, SMALL};
use crate::evidence::bundle::address_of_pages;
use crate::evidence::jobs::{JobError, Shown, State as Job};
use crate::evidence::population::Period;
use crate::evidence::wanted;
use crate::evidence::{EvidenceError, Wanted};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use time::OffsetDateTime;
use tokio::sync::mpsc;

/// How much of a file is read at a time.
const PIECE: usize = 1 << 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    repositories: Vec<String>,
}

/// `POST /api/v1/exports`: asks for a bundle.
pub async fn ask(State(doors): State<Doors>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let body = doors.bodies.take(body, SMALL).await?.bytes;
    // A page of somebody else's can send a form in a reader's name, but not this.
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| !kind.as_bytes().starts_with(b"application/json")) {
        return Err(Problem::bad_request("the body is JSON: say so in `content-type`"));
    }
    let asked: Ask =
        serde_json::from_slice(&body).map_err(|_| Problem::bad_request("the body is not of the form asked for"))?;
    let period = match (&asked.from, &asked.to) {
        (Some(from), Some(to)) => Some(Period { from: moment(from)?, to: moment(to)? }),
        (None, None) => None,
        _ => return Err(Problem::bad_request("`from` and `to` come together")),
    };
    let wanted = Wanted { period, repositories: asked.repositories };
    wanted.find(&doors.store, None).await.map_err(JobError::from)?;
    let id = hex::encode(rand::random::<[u8; 16]>());
    let shown = doors.exports.ask(&id, wanted, now())?;
    let location = HeaderValue::from_str(&format!("/api/v1/exports/{id}")).ok();
    tokio::spawn(async move {
        let size = match doors.witnesses.ask(&doors.store, &doors.signer).await {
            Ok(asked) => Some(asked.size),
            Err(error) => {
                tracing::warn!(%error, "no witness could be asked before an export");
                None
            }
        };
        let pages = address_of_pages(&doors.settings.server.public_url);
        doors.exports.make(&id, &doors.store, doors.signer.key(), size, pages).await;
    });
    let mut answer = (StatusCode::ACCEPTED, told(&shown)).into_response();
    if let Some(location) = location {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    Ok(answer)
}

/// `GET /api/v1/exports/{id}`: how far it is.
pub async fn show(State(doors): State<Doors>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    doors.exports.show(&id, now()).map(|shown| told(&shown)).ok_or_else(Problem::not_found)
}

/// `GET /api/v1/exports/{id}/bundle.zip`: takes it away; it can be taken once.
pub async fn take(State(doors): State<Doors>, Path(id): Path<String>) -> Result<Response, Problem> {
    let (file, bytes) = doors.exports.take(&id, now())?;
    let mut answer = Body::new(pieces(file)).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"bundle.zip\""));
    Ok(answer)
}

fn told(shown: &Shown) -> Json<Value> {
    let mut told = json!(shown);
    if let (Job::Ready { .. }, Some(members)) = (&shown.state, told.as_object_mut()) {
        members.insert("bundle".into(), json!(format!("/api/v1/exports/{}/bundle.zip", shown.id)));
    }
    Json(told)
}

fn moment(text: &str) -> Result<String, Problem> {
    let words = "`from` and `to` are times like 2026-01-31T00:00:00Z, or days like 2026-01-31";
    wanted::moment(text).ok_or_else(|| Problem::bad_request(words))
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// A file as a body, read on a thread that may wait.
fn pieces(mut file: File) -> Pieces {
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = file.read(&mut piece).map(|read| {
                piece.truncate(read);
                Bytes::from(piece)
            });
            let (over, failed) = (read.as_ref().is_ok_and(Bytes::is_empty), read.is_err());
            // Whoever took it may be gone: nobody can take it again.
            if over || sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    Pieces(receiver)
}

struct Pieces(mpsc::Receiver<std::io::Result<Bytes>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        match error {
            JobError::TooMany => Self::too_many_exports(),
            JobError::Unknown => Self::not_found(),
            JobError::NotReady => Self::conflict("it is not ready: ask how far it is"),
            JobError::Taken => Self::gone("it was taken away, and can be taken once: ask for another"),
            JobError::Evidence(EvidenceError::NothingBetween { .. }) => Self::not_open("no entry is in that period"),
            JobError::Evidence(EvidenceError::NoPeriod { .. }) => Self::not_open("`from` comes before `to`"),
            JobError::Evidence(EvidenceError::NoRepository(_)) => {
                Self::not_open("no repository on record bears that name")
            }
            JobError::Evidence(error) => {
                tracing::error!(%error, "an export cannot be begun or taken");
                Self::unavailable()
            }
        }
    }
}
