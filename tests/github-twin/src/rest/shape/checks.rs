//! Check runs, check suites and commit statuses as REST and webhooks spell them.

use super::commit::nullable_simple_commit;
use super::pull::when;
use super::{deployment_simple, integration, minimal_repository, pulls_of_head, simple_user};
use crate::model::{CheckRun, CheckSuite, CommitStatus, Repository, World, node_id, rfc3339};
use serde_json::{Value, json};

/// `check-run`.
pub fn check_run(world: &World, run: &CheckRun) -> Value {
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    let api = format!("{}/repos/{full_name}/check-runs/{}", world.url, run.id);
    let html = format!("{}/{full_name}/runs/{}", world.url, run.id);
    let mut shown = json!({
        "id": run.id,
        "name": run.name,
        "node_id": node_id("CR", run.id),
        "head_sha": run.head_sha,
        "external_id": run.external_id.as_deref().unwrap_or_default(),
        "url": api,
        "html_url": html,
        "details_url": run.details_url.as_deref().unwrap_or(&html),
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": rfc3339(run.started_at),
        "completed_at": when(run.completed_at),
        "output": {
            "title": run.title,
            "summary": run.summary,
            "text": run.text,
            "annotations_count": 0,
            "annotations_url": format!("{api}/annotations")
        },
        "check_suite": {"id": run.suite},
        "app": integration(world, run.app),
        "pull_requests": pulls_of_head(world, &run.head_sha)
    });
    let deployment = deployment_of(world, run.id).map(|deployment| deployment_simple(world, deployment));
    if let (Value::Object(fields), Some(deployment)) = (&mut shown, deployment) {
        fields.insert("deployment".to_owned(), deployment);
    }
    shown
}

/// The deployment that a job (which shares its check run's id) makes.
pub(crate) fn deployment_of(world: &World, job: u64) -> Option<&crate::model::Deployment> {
    world.deployments.values().find(|deployment| deployment.job == Some(job))
}

/// Where a suite stands as a whole: the runs in it together.
pub(crate) fn suite_state(world: &World, suite: &CheckSuite) -> (&'static str, Option<&'static str>) {
    let runs: Vec<&CheckRun> = world.check_runs.iter().filter(|run| run.suite == suite.id).collect();
    if runs.is_empty() {
        return ("queued", None);
    }
    if runs.iter().any(|run| run.status != "completed") {
        return ("in_progress", None);
    }
    let failed = runs.iter().any(|run| !matches!(run.conclusion.as_deref(), Some("success" | "neutral" | "skipped")));
    ("completed", Some(if failed { "failure" } else { "success" }))
}

/// `check-suite`.
pub fn check_suite(world: &World, suite: &CheckSuite) -> Value {
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    let api = format!("{}/repos/{full_name}/check-suites/{}", world.url, suite.id);
    let (status, conclusion) = suite_state(world, suite);
    let runs = world.check_runs.iter().filter(|run| run.suite == suite.id).count();
    json!({
        "id": suite.id,
        "node_id": node_id("CS", suite.id),
        "head_branch": suite.head_branch,
        "head_sha": suite.head_sha,
        "status": status,
        "conclusion": conclusion,
        "url": api,
        "before": suite.before,
        "after": suite.head_sha,
        "pull_requests": pulls_of_head(world, &suite.head_sha),
        "app": integration(world, suite.app),
        "repository": world.upstream().map(|upstream| minimal_repository(world, upstream)),
        "created_at": rfc3339(suite.created_at),
        "updated_at": rfc3339(suite.created_at),
        "rerequestable": true,
        "runs_rerequestable": true,
        "latest_check_runs_count": runs,
        "check_runs_url": format!("{api}/check-runs"),
        "head_commit": nullable_simple_commit(world, &suite.head_sha)
    })
}

/// `status`: one commit status.
pub fn status(world: &World, one: &CommitStatus) -> Value {
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    json!({
        "url": format!("{}/repos/{full_name}/statuses/{}", world.url, one.sha),
        "avatar_url": format!("{}/avatars/u/{}?v=4", world.url, one.creator),
        "id": one.id,
        "node_id": node_id("SC", one.id),
        "state": one.state,
        "description": one.description,
        "target_url": one.target_url,
        "context": one.context,
        "created_at": rfc3339(one.at),
        "updated_at": rfc3339(one.at),
        "creator": simple_user(world, one.creator)
    })
}

/// `combined-commit-status`: the latest of each context, and all of them together.
pub fn combined_status(world: &World, sha: &str) -> Value {
    let mut latest: Vec<&CommitStatus> = Vec::new();
    for one in world.statuses.iter().rev().filter(|one| one.sha == sha) {
        if !latest.iter().any(|known| known.context == one.context) {
            latest.push(one);
        }
    }
    let any = |state: &str| latest.iter().any(|one| one.state == state);
    let together = if any("failure") || any("error") {
        "failure"
    } else if latest.is_empty() || any("pending") {
        "pending"
    } else {
        "success"
    };
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    let api = format!("{}/repos/{full_name}/commits/{sha}", world.url);
    json!({
        "state": together,
        "statuses": latest.iter().map(|one| super::without(status(world, one), &["creator"])).collect::<Vec<_>>(),
        "sha": sha,
        "total_count": latest.len(),
        "repository": world.upstream().map(|upstream| minimal_repository(world, upstream)),
        "commit_url": api,
        "url": format!("{api}/status")
    })
}
