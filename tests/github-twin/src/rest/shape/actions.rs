//! Runs, jobs, environments and deployments as REST and webhooks spell them.

use super::commit::nullable_simple_commit;
use super::pull::when;
use super::{integration, minimal_repository, pulls_of_head, simple_user};
use crate::model::{
    APP_COUNTERSIGN, APP_GITHUB_ACTIONS, Approval, Attempt, Deployment, DeploymentStatus, Environment, Job, Repository,
    Run, World, node_id, rfc3339,
};
use crate::rest::paging::escaped;
use serde_json::{Value, json};

fn repo_api(world: &World) -> String {
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    format!("{}/repos/{full_name}", world.url)
}

fn repo_html(world: &World) -> String {
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    format!("{}/{full_name}", world.url)
}

/// `workflow-run`, as one attempt shows it.
pub fn workflow_run(world: &World, run: &Run, attempt: &Attempt) -> Value {
    let api = format!("{}/actions/runs/{}", repo_api(world), run.id);
    let html = format!("{}/actions/runs/{}", repo_html(world), run.id);
    let (attempt_api, previous) = if attempt.number > 1 {
        let before = format!("{api}/attempts/{}", attempt.number - 1);
        (format!("{api}/attempts/{}", attempt.number), Some(before))
    } else {
        (api.clone(), None)
    };
    let from_here = run.head_repository == crate::model::UPSTREAM;
    let head = world.repositories.get(&run.head_repository);
    json!({
        "id": run.id,
        "name": run.name,
        "node_id": node_id("WFR", run.id),
        "check_suite_id": run.check_suite,
        "check_suite_node_id": node_id("CS", run.check_suite),
        "head_branch": run.head_branch,
        "head_sha": run.head_sha,
        "path": run.path,
        "display_title": run.name,
        "run_number": run.number,
        "run_attempt": attempt.number,
        "referenced_workflows": [],
        "event": run.event,
        "status": attempt.status.name(),
        "conclusion": attempt.conclusion,
        "workflow_id": run.workflow,
        "url": api,
        "html_url": html,
        "pull_requests": if from_here { pulls_of_head(world, &run.head_sha) } else { Vec::new() },
        "created_at": rfc3339(run.created_at),
        "updated_at": rfc3339(attempt.updated_at),
        "actor": simple_user(world, attempt.actor),
        "triggering_actor": simple_user(world, attempt.triggering_actor),
        "run_started_at": rfc3339(attempt.started_at),
        "jobs_url": format!("{attempt_api}/jobs"),
        "logs_url": format!("{attempt_api}/logs"),
        "check_suite_url": format!("{}/check-suites/{}", repo_api(world), run.check_suite),
        "artifacts_url": format!("{api}/artifacts"),
        "cancel_url": format!("{api}/cancel"),
        "rerun_url": format!("{api}/rerun"),
        "previous_attempt_url": previous,
        "workflow_url": format!("{}/actions/workflows/{}", repo_api(world), run.workflow),
        "head_commit": nullable_simple_commit(world, &run.head_sha),
        "repository": world.upstream().map(|upstream| minimal_repository(world, upstream)),
        "head_repository": head.map(|head| minimal_repository(world, head))
    })
}

/// `workflow`.
pub fn workflow(world: &World, run: &Run) -> Value {
    let api = format!("{}/actions/workflows/{}", repo_api(world), run.workflow);
    let since = rfc3339(world.upstream().map_or(0, |upstream| upstream.created_at));
    let html = repo_html(world);
    json!({
        "id": run.workflow,
        "node_id": node_id("W", run.workflow),
        "name": run.name,
        "path": run.path,
        "state": "active",
        "created_at": since,
        "updated_at": since,
        "url": api,
        "html_url": format!("{html}/blob/main/{}", run.path),
        "badge_url": format!("{html}/workflows/{}/badge.svg", escaped(&run.name))
    })
}

/// `job`.
pub fn job(world: &World, run: &Run, attempt: &Attempt, job: &Job) -> Value {
    let api = repo_api(world);
    json!({
        "id": job.id,
        "run_id": run.id,
        "workflow_name": run.name,
        "head_branch": run.head_branch,
        "run_url": format!("{api}/actions/runs/{}", run.id),
        "run_attempt": attempt.number,
        "node_id": node_id("CR", job.id),
        "head_sha": run.head_sha,
        "url": format!("{api}/actions/jobs/{}", job.id),
        "html_url": format!("{}/actions/runs/{}/job/{}", repo_html(world), run.id, job.id),
        "status": job.status.name(),
        "conclusion": job.conclusion,
        "created_at": rfc3339(job.created_at),
        "started_at": rfc3339(job.started_at.unwrap_or(job.created_at)),
        "completed_at": when(job.completed_at),
        "name": job.name,
        "steps": [],
        "check_run_url": format!("{api}/check-runs/{}", job.id),
        "labels": ["ubuntu-latest"],
        "runner_id": job.started_at.map(|_| 1),
        "runner_name": job.started_at.map(|_| "GitHub Actions 1"),
        "runner_group_id": job.started_at.map(|_| 0),
        "runner_group_name": job.started_at.map(|_| "GitHub Actions")
    })
}

/// `environment`.
pub fn environment(world: &World, one: &Environment) -> Value {
    let mut rules = Vec::new();
    if !one.reviewers.is_empty() {
        let reviewers: Vec<Value> = one.reviewers.iter().map(|id| reviewer(world, *id)).collect();
        let id = one.id + 1;
        rules.push(json!({
            "id": id, "node_id": node_id("GA", id), "type": "required_reviewers", "prevent_self_review": false,
            "reviewers": reviewers
        }));
    }
    if one.rule_enabled {
        rules.push(json!({"id": one.rule_id, "node_id": node_id("GA", one.rule_id), "type": "custom"}));
    }
    let policy = one.named_branches_only.then(|| json!({"protected_branches": false, "custom_branch_policies": true}));
    if policy.is_some() {
        let id = one.id + 2;
        rules.push(json!({"id": id, "node_id": node_id("GA", id), "type": "branch_policy"}));
    }
    super::merged(
        environment_named(world, one),
        json!({
            "created_at": rfc3339(one.created_at),
            "updated_at": rfc3339(one.created_at),
            "can_admins_bypass": one.admins_bypass,
            "protection_rules": rules,
            "deployment_branch_policy": policy
        }),
    )
}

fn environment_named(world: &World, one: &Environment) -> Value {
    json!({
        "id": one.id,
        "node_id": node_id("EN", one.id),
        "name": one.name,
        "url": format!("{}/environments/{}", repo_api(world), escaped(&one.name)),
        "html_url": format!("{}/deployments/activity_log?environments_filter={}", repo_html(world), escaped(&one.name))
    })
}

fn reviewer(world: &World, id: u64) -> Value {
    json!({"type": "User", "reviewer": simple_user(world, id)})
}

/// `environment-approvals`: one answer to GitHub's own required review.
pub fn environment_approval(world: &World, one: &Approval) -> Value {
    let named = world.environments.get(&one.environment).map(|environment| {
        super::merged(
            environment_named(world, environment),
            json!({"created_at": rfc3339(environment.created_at), "updated_at": rfc3339(environment.created_at)}),
        )
    });
    json!({
        "environments": named.into_iter().collect::<Vec<_>>(),
        "state": if one.approved { "approved" } else { "rejected" },
        "user": simple_user(world, one.by),
        "comment": one.comment
    })
}

/// `pending-deployment`: an environment that a run waits for.
pub fn pending_deployment(world: &World, one: &Environment) -> Value {
    json!({
        "environment": environment_named(world, one),
        "wait_timer": 0,
        "wait_timer_started_at": null,
        "current_user_can_approve": false,
        "reviewers": one.reviewers.iter().map(|id| reviewer(world, *id)).collect::<Vec<_>>()
    })
}

/// `deployment-protection-rule`: ours, on an environment.
pub fn deployment_protection_rule(world: &World, one: &Environment) -> Value {
    json!({
        "id": one.rule_id,
        "node_id": node_id("GA", one.rule_id),
        "enabled": one.rule_enabled,
        "app": {
            "id": APP_COUNTERSIGN,
            "slug": world.installation.slug,
            "integration_url": format!("{}/apps/{}", world.url, world.installation.slug),
            "node_id": node_id("A", APP_COUNTERSIGN)
        }
    })
}

/// `deployment-simple`.
pub fn deployment_simple(world: &World, one: &Deployment) -> Value {
    let api = format!("{}/deployments/{}", repo_api(world), one.id);
    let changed = one.statuses.last().map_or(one.created_at, |status| status.at);
    json!({
        "url": api,
        "id": one.id,
        "node_id": node_id("DE", one.id),
        "task": "deploy",
        "original_environment": one.environment,
        "environment": one.environment,
        "description": null,
        "created_at": rfc3339(one.created_at),
        "updated_at": rfc3339(changed),
        "statuses_url": format!("{api}/statuses"),
        "repository_url": repo_api(world),
        "transient_environment": false,
        "production_environment": one.environment == "production",
        "performed_via_github_app": one.run.map(|_| integration(world, APP_GITHUB_ACTIONS))
    })
}

/// `deployment`.
pub fn deployment(world: &World, one: &Deployment) -> Value {
    super::merged(
        deployment_simple(world, one),
        json!({
            "sha": one.sha,
            "ref": one.reference,
            "payload": {},
            "creator": simple_user(world, one.creator)
        }),
    )
}

/// `deployment-status`. The published states have no `waiting`: REST shows it as `pending`.
pub fn deployment_status(world: &World, one: &Deployment, status: &DeploymentStatus) -> Value {
    let api = format!("{}/deployments/{}", repo_api(world), one.id);
    let log = one.run.map_or_else(
        || format!("{}/deployments", repo_html(world)),
        |run| {
            let job = one.job.map_or_else(String::new, |job| format!("/job/{job}"));
            format!("{}/actions/runs/{run}{job}", repo_html(world))
        },
    );
    json!({
        "url": format!("{api}/statuses/{}", status.id),
        "id": status.id,
        "node_id": node_id("DES", status.id),
        "state": if status.state == "waiting" { "pending" } else { status.state.as_str() },
        "creator": simple_user(world, status.creator),
        "description": status.description,
        "environment": one.environment,
        "target_url": log,
        "created_at": rfc3339(status.at),
        "updated_at": rfc3339(status.at),
        "deployment_url": api,
        "repository_url": repo_api(world),
        "log_url": log,
        "performed_via_github_app": one.run.map(|_| integration(world, APP_GITHUB_ACTIONS))
    })
}
