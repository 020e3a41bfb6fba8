//! What happens to checks and commit statuses.

use super::Rendered;
use crate::model::{CheckRunAction, CommitStatus, Repository, World, rfc3339};
use crate::rest::shape;
use serde_json::{Value, json};

/// `check_suite` `requested`
pub(super) fn suite_requested(world: &World, id: u64) -> Rendered {
    let suite = world.check_suites.iter().find(|suite| suite.id == id);
    let shown = suite.map(|suite| {
        // The published list of an App's events is shorter than the events that GitHub has.
        let app = shape::without(shape::integration(world, suite.app), &["events"]);
        let bare = shape::without(shape::check_suite(world, suite), &["repository"]);
        shape::merged(bare, json!({"app": app}))
    });
    Rendered::new("check_suite", Some("requested"), json!({"check_suite": shown}))
}

/// `check_run`
pub(super) fn run(world: &World, id: u64, action: CheckRunAction) -> Rendered {
    let run = world.check_runs.iter().find(|run| run.id == id);
    let shown = run.map(|run| {
        let suite = world.check_suites.iter().find(|suite| suite.id == run.suite);
        let suite = suite.map(|suite| {
            shape::without(
                shape::check_suite(world, suite),
                &["latest_check_runs_count", "check_runs_url", "head_commit", "rerequestable", "runs_rerequestable"],
            )
        });
        shape::merged(shape::check_run(world, run), json!({"check_suite": suite}))
    });
    let (name, more) = match action {
        CheckRunAction::Created => ("created", json!({})),
        CheckRunAction::Completed => ("completed", json!({})),
        CheckRunAction::Rerequested => ("rerequested", json!({})),
        CheckRunAction::RequestedAction(identifier) => {
            ("requested_action", json!({"requested_action": {"identifier": identifier}}))
        }
    };
    Rendered::new("check_run", Some(name), shape::merged(json!({"check_run": shown}), more))
}

/// `status`
pub(super) fn status(world: &World, id: u64) -> Rendered {
    let one = world.statuses.iter().find(|one| one.id == id);
    let fields = one.map_or(Value::Null, |one| status_fields(world, one));
    Rendered::new("status", None, fields)
}

fn status_fields(world: &World, one: &CommitStatus) -> Value {
    let upstream = world.upstream();
    let commit = upstream.and_then(|upstream| {
        let info = world.git.info(&one.sha).ok()?;
        Some(shape::commit(world, upstream, &info, false))
    });
    let branches: Vec<Value> = upstream.map_or_else(Vec::new, |upstream| {
        let with_it = upstream.branches.iter().filter(|(_, tip)| **tip == one.sha);
        with_it.map(|(name, sha)| shape::short_branch(world, upstream, name, sha)).collect()
    });
    json!({
        "id": one.id,
        "sha": one.sha,
        "name": upstream.map(Repository::full_name),
        "target_url": one.target_url,
        "avatar_url": format!("{}/avatars/u/{}?v=4", world.url, one.creator),
        "context": one.context,
        "description": one.description,
        "state": one.state,
        "commit": commit,
        "branches": branches,
        "created_at": rfc3339(one.at),
        "updated_at": rfc3339(one.at)
    })
}
