//! What happens to runs, jobs and deployments.

use super::Rendered;
use crate::model::{AccountId, Approval, Deployment, DeploymentReviewAction, DeploymentStatus, Job, Repository, Run};
use crate::model::{WorkflowAction, World, rfc3339};
use crate::rest::shape;
use serde_json::{Value, json};

fn name(action: WorkflowAction) -> &'static str {
    match action {
        WorkflowAction::Requested => "requested",
        WorkflowAction::Queued => "queued",
        WorkflowAction::Waiting => "waiting",
        WorkflowAction::InProgress => "in_progress",
        WorkflowAction::Completed => "completed",
    }
}

/// A run as webhooks about something else carry it.
fn run_beside(world: &World, run: &Run, attempt: u64) -> Value {
    let found = run.attempts.iter().find(|one| one.number == attempt).or_else(|| run.latest());
    found.map_or(Value::Null, |attempt| shape::workflow_run(world, run, attempt))
}

/// The workflow and the run of a deployment; null for one that came without a run.
fn run_of(world: &World, one: &Deployment) -> (Value, Value) {
    let run = one.run.and_then(|run| world.runs.get(&run));
    (
        run.map_or(Value::Null, |run| shape::workflow(world, run)),
        run.map_or(Value::Null, |run| {
            // As published, a run beside a deployment carries neither a head commit nor the attempt before.
            shape::merged(
                run_beside(world, run, one.attempt),
                json!({"head_commit": null, "previous_attempt_url": null}),
            )
        }),
    )
}

/// `deployment` `created`, with the run that it belongs to.
pub(super) fn deployment(world: &World, id: u64) -> Rendered {
    let fields = world.deployments.get(&id).map_or(Value::Null, |one| {
        let (workflow, run) = run_of(world, one);
        json!({"deployment": shape::deployment(world, one), "workflow": workflow, "workflow_run": run})
    });
    Rendered::new("deployment", Some("created"), fields)
}

/// `deployment_status` `created`
pub(super) fn deployment_status(world: &World, id: u64, status: u64) -> Rendered {
    let fields = world.deployments.get(&id).map_or(Value::Null, |one| {
        let (workflow, run) = run_of(world, one);
        let status = one.statuses.iter().find(|known| known.id == status);
        let shown = status.map(|status| webhook_status(world, one, status));
        let check_run = one.job.and_then(|job| world.check_runs.iter().find(|run| run.id == job));
        let check_run = check_run.map(|run| {
            shape::without(
                shape::check_run(world, run),
                &["app", "check_suite", "output", "pull_requests", "deployment"],
            )
        });
        json!({
            "deployment_status": shown,
            "deployment": shape::deployment(world, one),
            "check_run": check_run,
            "workflow": workflow,
            "workflow_run": run
        })
    });
    Rendered::new("deployment_status", Some("created"), fields)
}

/// A status as webhooks spell it: the state as it is, `waiting` too.
fn webhook_status(world: &World, one: &Deployment, status: &DeploymentStatus) -> Value {
    let shown = shape::deployment_status(world, one, status);
    shape::merged(shown, json!({"state": status.state}))
}

/// `deployment_protection_rule` `requested`: it names no run but in the callback's URL.
pub(super) fn rule_requested(world: &World, id: u64, run: u64, environment: &str) -> Rendered {
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    let one = world.deployments.get(&id);
    let sha = one.map_or("", |one| one.sha.as_str());
    let pulls: Vec<Value> = world
        .pulls
        .values()
        .filter(|pull| pull.is_open() && pull.head.sha == sha)
        .map(|pull| shape::pull_request(world, pull))
        .collect();
    let callback = format!("{}/repos/{full_name}/actions/runs/{run}/deployment_protection_rule", world.url);
    Rendered::new(
        "deployment_protection_rule",
        Some("requested"),
        json!({
            "environment": environment,
            "event": world.runs.get(&run).map(|run| run.event.as_str()),
            "deployment_callback_url": callback,
            "deployment": one.map(|one| shape::deployment(world, one)),
            "pull_requests": pulls
        }),
    )
}

/// Which environment of which attempt is asked about.
pub(super) struct Asked<'a> {
    pub(super) run: u64,
    pub(super) attempt: u64,
    pub(super) environment: &'a str,
}

/// `deployment_review`
pub(super) fn deployment_review(
    world: &World,
    asked: &Asked<'_>,
    action: DeploymentReviewAction,
    sender: AccountId,
) -> Rendered {
    let Some(run) = world.runs.get(&asked.run) else {
        return Rendered::new("deployment_review", Some("requested"), Value::Null);
    };
    let reviewers: Vec<Value> = world.environments.get(asked.environment).map_or_else(Vec::new, |environment| {
        let shown = |id: &AccountId| json!({"type": "User", "reviewer": shape::simple_user(world, *id)});
        environment.reviewers.iter().map(shown).collect()
    });
    let jobs: Vec<Value> = run
        .attempts
        .iter()
        .filter(|attempt| attempt.number == asked.attempt)
        .flat_map(|attempt| &attempt.jobs)
        .filter(|job| job.environment.as_deref() == Some(asked.environment))
        .map(|job| job_run(world, run, job, asked.environment))
        .collect();
    let since = run.attempts.iter().find(|attempt| attempt.number == asked.attempt);
    let common = json!({
        "reviewers": reviewers,
        "since": rfc3339(since.map_or(run.created_at, |attempt| attempt.started_at)),
        "workflow_run": run_beside(world, run, asked.attempt)
    });
    let given = run.approvals.iter().rev().find(|approval| {
        approval.attempt == asked.attempt && approval.environment == asked.environment && approval.by == sender
    });
    let answered = |given: Option<&Approval>| {
        json!({
            "approver": shape::simple_user(world, sender),
            "comment": given.map_or("", |approval| approval.comment.as_str()),
            "workflow_job_runs": jobs
        })
    };
    let (action, more) = match action {
        DeploymentReviewAction::Requested => (
            "requested",
            json!({
                "environment": asked.environment,
                "requestor": shape::simple_user(world, sender),
                "workflow_job_run": jobs.first()
            }),
        ),
        DeploymentReviewAction::Approved => ("approved", answered(given)),
        DeploymentReviewAction::Rejected => ("rejected", answered(given)),
    };
    Rendered::new("deployment_review", Some(action), shape::merged(common, more))
}

fn job_run(world: &World, run: &Run, job: &Job, environment: &str) -> Value {
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    json!({
        "id": job.id,
        "name": job.name,
        "status": job.status.name(),
        "conclusion": null,
        "environment": environment,
        "html_url": format!("{}/{full_name}/actions/runs/{}/job/{}", world.url, run.id, job.id),
        "created_at": rfc3339(job.created_at),
        "updated_at": rfc3339(job.created_at)
    })
}

/// `workflow_run`
pub(super) fn workflow_run(world: &World, id: u64, attempt: u64, action: WorkflowAction) -> Rendered {
    let fields = world.runs.get(&id).map_or(
        Value::Null,
        |run| json!({"workflow_run": run_beside(world, run, attempt), "workflow": shape::workflow(world, run)}),
    );
    Rendered::new("workflow_run", Some(name(action)), fields)
}

/// `workflow_job`, with the deployment that it makes.
pub(super) fn workflow_job(world: &World, (id, attempt, job): (u64, u64, u64), action: WorkflowAction) -> Rendered {
    let found = world.runs.get(&id).and_then(|run| {
        let attempt = run.attempts.iter().find(|one| one.number == attempt)?;
        let job = attempt.jobs.iter().find(|one| one.id == job)?;
        let mut fields = json!({"workflow_job": shape::job(world, run, attempt, job)});
        let deployment = job.deployment.and_then(|id| world.deployments.get(&id));
        if let (Some(deployment), Value::Object(fields)) = (deployment, &mut fields) {
            fields.insert("deployment".to_owned(), shape::deployment(world, deployment));
        }
        Some(fields)
    });
    Rendered::new("workflow_job", Some(name(action)), found.unwrap_or(Value::Null))
}
