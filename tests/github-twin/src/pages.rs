//! Where links to GitHub lead: a pull request, a commit and a run in plain text.
//!
//! Invariant: for people only; nothing that is compared reads it.

use crate::git_http;
use crate::model::{PullState, Shared, World};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use std::fmt::Write as _;
use tokio::process::Command;

type Page = Result<String, StatusCode>;

/// `/{owner}/{repo}/pull/{number}`, `/commit/{sha}`, `/actions/runs/{run}` with or without an attempt.
pub fn router(world: Shared) -> Router {
    Router::new()
        .route("/{owner}/{repo}/pull/{number}", get(pull))
        .route("/{owner}/{repo}/commit/{sha}", get(commit))
        .route("/{owner}/{repo}/actions/runs/{run}", get(run))
        .route("/{owner}/{repo}/actions/runs/{run}/attempts/{attempt}", get(attempt))
        .with_state(world)
}

fn login(world: &World, id: u64) -> &str {
    world.account(id).map_or("ghost", |account| account.login.as_str())
}

async fn pull(State(world): State<Shared>, Path((_, _, number)): Path<(String, String, u64)>) -> Page {
    let world = world.lock();
    let pull = world.pulls.get(&number).ok_or(StatusCode::NOT_FOUND)?;
    let state = match (&pull.merged_by, pull.state) {
        (Some(by), _) => format!("merged by {}", login(&world, *by)),
        (None, PullState::Open) => "open".to_owned(),
        (None, PullState::Closed) => "closed".to_owned(),
    };
    let (opener, head) = (login(&world, pull.opener), &pull.head);
    let mut text = format!("#{number} {}: {state}\n\n", pull.title);
    let _ = writeln!(text, "opened by {opener} from {} into {}", head.branch, pull.base);
    let _ = writeln!(text, "head {}", head.sha);
    for review in &pull.reviews {
        let (by, state) = (login(&world, review.by), review.state.name().to_lowercase());
        let _ = writeln!(text, "review by {by}: {state} at {}", review.commit);
    }
    for run in world.check_runs.iter().filter(|run| run.head_sha == head.sha) {
        let said = run.conclusion.as_deref().unwrap_or(&run.status);
        let _ = writeln!(text, "\ncheck {}: {said}\n{}", run.name, run.title.as_deref().unwrap_or_default());
        let _ = writeln!(text, "\n{}", run.summary.as_deref().unwrap_or_default());
    }
    Ok(text)
}

async fn commit(State(world): State<Shared>, Path((owner, repo, sha)): Path<(String, String, String)>) -> Page {
    let place = git_http::repository(&world, &owner, &repo).ok_or(StatusCode::NOT_FOUND)?;
    if !world.lock().git.has_commit(&sha) {
        return Err(StatusCode::NOT_FOUND);
    }
    let mut git = Command::new("git");
    git.arg("--git-dir").arg(place).args(["show", "--no-color", "--format=fuller", "--stat", "--patch", &sha]);
    let shown = git.output().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(String::from_utf8_lossy(&shown.stdout).into_owned())
}

async fn run(State(world): State<Shared>, Path((_, _, run)): Path<(String, String, u64)>) -> Page {
    show_run(&world.lock(), run)
}

async fn attempt(State(world): State<Shared>, Path((_, _, run, _)): Path<(String, String, u64, u64)>) -> Page {
    show_run(&world.lock(), run)
}

fn show_run(world: &World, id: u64) -> Page {
    let run = world.runs.get(&id).ok_or(StatusCode::NOT_FOUND)?;
    let mut text =
        format!("run {id} of {}, started by {}\n{} at {}\n", run.path, run.event, run.reference, run.head_sha);
    for attempt in &run.attempts {
        let (by, said) = (login(world, attempt.triggering_actor), attempt.conclusion.as_deref());
        let _ = writeln!(text, "\nattempt {} by {by}: {}", attempt.number, said.unwrap_or(attempt.status.name()));
        let asked = world.rule_requests.iter().filter(|asked| (asked.run, asked.attempt) == (id, attempt.number));
        for note in asked.flat_map(|asked| &asked.notes) {
            let _ = writeln!(text, "  {}", note.replace('\n', "\n  "));
        }
    }
    Ok(text)
}
