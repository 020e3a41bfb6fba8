//! Runs, deployments and environments over REST, and the answer to our deployment protection rule.

use super::answer::Answer;
use super::repositories::upstream;
use super::{Call, shape};
use crate::model::{Attempt, Deployment, Environment, RuleState, Run, RunStatus, World};
use serde_json::{Value, json};

type Answered = Result<Answer, Answer>;

fn run<'w>(world: &'w World, call: &Call) -> Result<&'w Run, Answer> {
    upstream(world, call)?;
    world.runs.get(&call.id("run_id")?).ok_or_else(Answer::not_found)
}

fn attempt<'w>(world: &'w World, call: &Call) -> Result<(&'w Run, &'w Attempt), Answer> {
    let run = run(world, call)?;
    let number = call.id("attempt_number")?;
    let attempt = run.attempts.iter().find(|attempt| attempt.number == number);
    attempt.map(|attempt| (run, attempt)).ok_or_else(Answer::not_found)
}

fn latest(run: &Run) -> Result<&Attempt, Answer> {
    run.latest().ok_or_else(Answer::not_found)
}

/// `GET /repos/{owner}/{repo}/actions/runs`
pub(super) fn runs(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let asked = |name: &str| call.query.get(name);
    let all = world
        .runs
        .values()
        .rev()
        .filter_map(|run| Some((run, run.latest()?)))
        .filter(|(run, _)| asked("event").is_none_or(|event| *event == run.event))
        .filter(|(run, _)| asked("head_sha").is_none_or(|sha| *sha == run.head_sha))
        .filter(|(run, _)| asked("branch").is_none_or(|branch| run.head_branch.as_ref() == Some(branch)))
        .filter(|(_, latest)| {
            asked("status")
                .is_none_or(|status| *status == latest.status.name() || latest.conclusion.as_ref() == Some(status))
        })
        .filter(|(run, _)| asked("created").is_none_or(|range| created_within(run.created_at, range)))
        .filter(|(_, latest)| {
            asked("actor")
                .is_none_or(|login| world.account_by_login(login).is_some_and(|account| account.id == latest.actor))
        })
        .map(|(run, latest)| shape::workflow_run(world, run, latest))
        .collect();
    Ok(call.page_in(world, all, |total, items| json!({"total_count": total, "workflow_runs": items})))
}

/// `created=>=2026-01-01T00:00:00Z`, `<=…`, `a..b` or an exact time.
fn created_within(at: i64, range: &str) -> bool {
    let shown = crate::model::rfc3339(at);
    let shown = shown.as_str();
    if let Some((from, to)) = range.split_once("..") {
        return (from == "*" || shown >= from) && (to == "*" || shown <= to);
    }
    match (range.strip_prefix(">="), range.strip_prefix("<="), range.strip_prefix('>'), range.strip_prefix('<')) {
        (Some(from), ..) => shown >= from,
        (_, Some(to), ..) => shown <= to,
        (_, _, Some(from), _) => shown > from,
        (_, _, _, Some(to)) => shown < to,
        _ => shown.starts_with(range),
    }
}

/// `GET /repos/{owner}/{repo}/actions/runs/{run_id}`: as its latest attempt shows it.
pub(super) fn show_run(world: &mut World, call: &Call) -> Answered {
    let run = run(world, call)?;
    Ok(Answer::ok(shape::workflow_run(world, run, latest(run)?)))
}

/// `GET /repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}`
pub(super) fn show_attempt(world: &mut World, call: &Call) -> Answered {
    let (run, attempt) = attempt(world, call)?;
    Ok(Answer::ok(shape::workflow_run(world, run, attempt)))
}

fn jobs(world: &World, call: &Call, run: &Run, attempts: &[&Attempt]) -> Answer {
    let all = attempts
        .iter()
        .flat_map(|attempt| attempt.jobs.iter().map(|job| shape::job(world, run, attempt, job)))
        .collect();
    call.page_in(world, all, |total, items| json!({"total_count": total, "jobs": items}))
}

/// `GET /repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs`
pub(super) fn jobs_of_attempt(world: &mut World, call: &Call) -> Answered {
    let (run, attempt) = attempt(world, call)?;
    Ok(jobs(world, call, run, &[attempt]))
}

/// `GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs`
pub(super) fn jobs_of_run(world: &mut World, call: &Call) -> Answered {
    let run = run(world, call)?;
    let all = call.query.get("filter").is_some_and(|filter| filter == "all");
    let attempts: Vec<&Attempt> = if all { run.attempts.iter().collect() } else { run.latest().into_iter().collect() };
    Ok(jobs(world, call, run, &attempts))
}

/// `GET /repos/{owner}/{repo}/actions/jobs/{job_id}`
pub(super) fn show_job(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let id = call.id("job_id")?;
    let found = world.runs.values().find_map(|run| {
        let of = |attempt: &Attempt| attempt.jobs.iter().position(|job| job.id == id);
        run.attempts.iter().find_map(|attempt| Some((run, attempt, attempt.jobs.get(of(attempt)?)?)))
    });
    let (run, attempt, job) = found.ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(shape::job(world, run, attempt, job)))
}

/// `GET /repos/{owner}/{repo}/actions/runs/{run_id}/approvals`
pub(super) fn approvals(world: &mut World, call: &Call) -> Answered {
    let run = run(world, call)?;
    let all = run.approvals.iter().map(|one| shape::environment_approval(world, one)).collect();
    Ok(Answer::ok(Value::Array(all)))
}

/// `GET /repos/{owner}/{repo}/actions/runs/{run_id}/pending_deployments`
pub(super) fn pending_deployments(world: &mut World, call: &Call) -> Answered {
    let run = run(world, call)?;
    let waiting = latest(run)?.jobs.iter().filter(|job| job.status == RunStatus::Waiting);
    let all = waiting
        .filter_map(|job| world.environments.get(job.environment.as_deref()?))
        .map(|one| shape::pending_deployment(world, one))
        .collect();
    Ok(Answer::ok(Value::Array(all)))
}

/// `POST /repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule`
pub(super) fn answer_rule(world: &mut World, call: &Call) -> Answered {
    let run = run(world, call)?.id;
    let environment =
        call.text("environment_name").ok_or_else(|| Answer::unprocessable("environment_name is missing"))?.to_owned();
    let comment = call.text("comment").unwrap_or_default().to_owned();
    let state = match call.text("state") {
        None if call.body.get("state").is_none_or(Value::is_null) => None,
        Some("approved") => Some(RuleState::Approved),
        Some("rejected") => Some(RuleState::Rejected),
        _ => return Err(Answer::unprocessable("state is not included in the list")),
    };
    if state.is_none() && comment.is_empty() {
        return Err(Answer::unprocessable("comment is missing"));
    }
    world.answer_rule(run, &environment, state, &comment).map_err(|error| Answer::unprocessable(&error.to_string()))?;
    Ok(Answer::no_content())
}

fn deployment<'w>(world: &'w World, call: &Call) -> Result<&'w Deployment, Answer> {
    upstream(world, call)?;
    world.deployments.get(&call.id("deployment_id")?).ok_or_else(Answer::not_found)
}

/// `GET /repos/{owner}/{repo}/deployments`
pub(super) fn deployments(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let asked = |name: &str| call.query.get(name);
    let all = world
        .deployments
        .values()
        .rev()
        .filter(|one| asked("environment").is_none_or(|wanted| *wanted == one.environment))
        .filter(|one| asked("sha").is_none_or(|wanted| *wanted == one.sha))
        .filter(|one| asked("ref").is_none_or(|wanted| *wanted == one.reference))
        .map(|one| shape::deployment(world, one))
        .collect();
    Ok(call.page(world, all))
}

/// `GET /repos/{owner}/{repo}/deployments/{deployment_id}`
pub(super) fn show_deployment(world: &mut World, call: &Call) -> Answered {
    Ok(Answer::ok(shape::deployment(world, deployment(world, call)?)))
}

/// `GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses`
pub(super) fn deployment_statuses(world: &mut World, call: &Call) -> Answered {
    let one = deployment(world, call)?;
    let all = one.statuses.iter().rev().map(|status| shape::deployment_status(world, one, status)).collect();
    Ok(call.page(world, all))
}

fn environment<'w>(world: &'w World, call: &Call) -> Result<&'w Environment, Answer> {
    upstream(world, call)?;
    let name = call.param("environment_name");
    world.environments.values().find(|one| one.name.eq_ignore_ascii_case(name.trim())).ok_or_else(Answer::not_found)
}

/// `GET /repos/{owner}/{repo}/environments`
pub(super) fn environments(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let all = world.environments.values().map(|one| shape::environment(world, one)).collect();
    Ok(call.page_in(world, all, |total, items| json!({"total_count": total, "environments": items})))
}

/// `GET /repos/{owner}/{repo}/environments/{environment_name}`
pub(super) fn show_environment(world: &mut World, call: &Call) -> Answered {
    Ok(Answer::ok(shape::environment(world, environment(world, call)?)))
}

/// `GET /repos/{owner}/{repo}/environments/{environment_name}/deployment_protection_rules`
pub(super) fn protection_rules(world: &mut World, call: &Call) -> Answered {
    let one = environment(world, call)?;
    let ours = one.rule_enabled.then(|| shape::deployment_protection_rule(world, one));
    let all: Vec<Value> = ours.into_iter().collect();
    Ok(Answer::ok(json!({"total_count": all.len(), "custom_deployment_protection_rules": all})))
}
