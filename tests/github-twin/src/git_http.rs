//! The world's repository over smart HTTP: `git upload-pack --stateless-rpc`, reading only.
//!
//! Invariant: nothing is ever received. Filters and any object are allowed by the repository's own settings (`git.rs`).

use crate::model::Shared;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// `/{owner}/{repo}.git/info/refs` and `/{owner}/{repo}.git/git-upload-pack`.
pub fn router(world: Shared) -> Router {
    Router::new()
        .route("/{owner}/{repo}/info/refs", get(refs))
        .route("/{owner}/{repo}/git-upload-pack", post(upload_pack))
        .with_state(world)
}

async fn refs(
    State(world): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Some(place) = repository(&world, &owner, &repo) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if query.get("service").map(String::as_str) != Some("git-upload-pack") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut command = git(place, &headers);
    command.arg("--advertise-refs");
    let Ok(advertised) = run(command, None).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut body = b"001e# service=git-upload-pack\n0000".to_vec();
    body.extend(advertised);
    answer("application/x-git-upload-pack-advertisement", body)
}

async fn upload_pack(
    State(world): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(place) = repository(&world, &owner, &repo) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let zipped = headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
    let request = if zipped {
        let mut unzip = Command::new("gzip");
        unzip.arg("-dc");
        run(unzip, Some(body.to_vec())).await
    } else {
        Ok(body.to_vec())
    };
    let Ok(request) = request else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match run(git(place, &headers), Some(request)).await {
        Ok(pack) => answer("application/x-git-upload-pack-result", pack),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Where the objects lie. Forks share them, but not the refs: they are not served.
pub(crate) fn repository(world: &Shared, owner: &str, repo: &str) -> Option<PathBuf> {
    let world = world.lock();
    let name = repo.strip_suffix(".git").unwrap_or(repo);
    let known = world.repository(owner, name)?;
    known.fork_of.is_none().then(|| world.git.path().to_owned())
}

fn git(place: PathBuf, headers: &HeaderMap) -> Command {
    let mut command = Command::new("git");
    if let Some(version) = headers.get("git-protocol").and_then(|version| version.to_str().ok()) {
        command.env("GIT_PROTOCOL", version);
    }
    command.args(["upload-pack", "--stateless-rpc"]).arg(place);
    command
}

async fn run(mut command: Command, input: Option<Vec<u8>>) -> std::io::Result<Vec<u8>> {
    // `--advertise-refs` may follow the directory: git sorts its arguments.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let stdin = child.stdin.take();
    let feed = async move {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A reader that has seen enough closes early; what it answered still counts.
            let _ = stdin.write_all(&input).await;
        }
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    Ok(output?.stdout)
}

fn answer(kind: &'static str, body: Vec<u8>) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
    (headers, body).into_response()
}
