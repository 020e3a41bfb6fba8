//! Check runs and commit statuses: what the App reads of them, and what it writes.

use super::answer::Answer;
use super::repositories::{commit_named, upstream};
use super::{Call, shape};
use crate::model::{APP_COUNTERSIGN, CheckRun, CheckSuite, CommitStatus, World, Write};
use serde_json::{Value, json};

type Answered = Result<Answer, Answer>;

const CONCLUSIONS: [&str; 8] = [
    "action_required",
    "cancelled",
    "failure",
    "neutral",
    "success",
    "skipped",
    "stale",
    "timed_out",
];

/// `POST /repos/{owner}/{repo}/check-runs`
pub(super) fn create(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let name = call.text("name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| missing("name"))?.to_owned();
    let sha = call.text("head_sha").ok_or_else(|| missing("head_sha"))?.to_owned();
    if !world.git.has_commit(&sha) {
        return Err(Answer::error(422, &format!("No commit found for SHA: {sha}")));
    }
    let suite = suite_on(world, &sha);
    let started_at = world.tick();
    let mut run = CheckRun {
        id: world.next_id(),
        app: APP_COUNTERSIGN,
        suite,
        name,
        head_sha: sha,
        status: "queued".to_owned(),
        conclusion: None,
        external_id: None,
        details_url: None,
        title: None,
        summary: None,
        text: None,
        actions: json!([]),
        started_at,
        completed_at: None,
    };
    change(&mut run, call, started_at)?;
    let id = run.id;
    world.check_runs.push(run);
    shown(world, id, 201)
}

/// `PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}`
pub(super) fn update(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let id = call.id("check_run_id")?;
    let now = world.tick();
    let run = world
        .check_runs
        .iter_mut()
        .find(|run| run.id == id)
        .ok_or_else(Answer::not_found)?;
    if run.app != APP_COUNTERSIGN {
        return Err(Answer::error(
            403,
            "Invalid app_id `4242` - check run can only be modified by the GitHub App that created it.",
        ));
    }
    let mut changed = run.clone();
    change(&mut changed, call, now)?;
    *run = changed;
    shown(world, id, 200)
}

/// Notes what the App wrote, and shows it.
fn shown(world: &mut World, id: u64, status: u16) -> Answered {
    let run = world
        .check_runs
        .iter()
        .find(|run| run.id == id)
        .ok_or_else(Answer::not_found)?;
    let write = Write::CheckRun {
        id,
        name: run.name.clone(),
        head_sha: run.head_sha.clone(),
        status: run.status.clone(),
        conclusion: run.conclusion.clone(),
        title: run.title.clone(),
    };
    let answer = Answer::with(status, shape::check_run(world, run));
    world.writes.push(write);
    Ok(answer)
}

fn change(run: &mut CheckRun, call: &Call, now: i64) -> Result<(), Answer> {
    let text = |name: &str| call.text(name).map(str::to_owned);
    if let Some(name) = text("name") {
        run.name = name;
    }
    if let Some(status) = text("status") {
        if !["queued", "in_progress", "completed"].contains(&status.as_str()) {
            return Err(invalid("status", &status));
        }
        run.status = status;
    }
    if let Some(conclusion) = text("conclusion") {
        if !CONCLUSIONS.contains(&conclusion.as_str()) {
            return Err(invalid("conclusion", &conclusion));
        }
        run.conclusion = Some(conclusion);
        "completed".clone_into(&mut run.status);
    }
    if run.status == "completed" {
        if run.conclusion.is_none() {
            return Err(missing("conclusion"));
        }
        run.completed_at = Some(now);
    } else {
        run.conclusion = None;
        run.completed_at = None;
    }
    run.external_id = text("external_id").or(run.external_id.take());
    run.details_url = text("details_url").or(run.details_url.take());
    if let Some(output) = call.body.get("output") {
        let part = |name: &str| output.get(name).and_then(Value::as_str).map(str::to_owned);
        let (title, summary) = (part("title"), part("summary"));
        if title.is_none() || summary.is_none() {
            return Err(missing("output.title and output.summary"));
        }
        let text = part("text");
        if summary.as_ref().is_some_and(|text| text.len() > 65_535)
            || text.as_ref().is_some_and(|text| text.len() > 65_535)
        {
            return Err(Answer::unprocessable("Only 65535 characters are allowed"));
        }
        (run.title, run.summary, run.text) = (title, summary, text);
    }
    if let Some(actions) = call.body.get("actions") {
        check_actions(actions)?;
        run.actions = actions.clone();
    }
    Ok(())
}

/// At most three buttons: label of 20 characters, identifier of 20, description of 40.
fn check_actions(actions: &Value) -> Result<(), Answer> {
    let list = actions.as_array().ok_or_else(|| missing("actions"))?;
    let fits = |action: &Value, name: &str, most: usize| {
        action
            .get(name)
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty() && text.chars().count() <= most)
    };
    let fine =
        |action: &Value| fits(action, "label", 20) && fits(action, "identifier", 20) && fits(action, "description", 40);
    if list.len() <= 3 && list.iter().all(fine) {
        Ok(())
    } else {
        Err(Answer::unprocessable("actions is invalid"))
    }
}

fn missing(what: &str) -> Answer {
    Answer::error(422, &format!("Invalid request.\n\n\"{what}\" wasn't supplied."))
}

fn invalid(what: &str, value: &str) -> Answer {
    Answer::error(422, &format!("Invalid request.\n\n{value} is not a valid {what}."))
}

/// Our suite on this commit; GitHub makes one where the commit was never pushed to this repository.
fn suite_on(world: &mut World, sha: &str) -> u64 {
    let ours = |suite: &&CheckSuite| suite.app == APP_COUNTERSIGN && suite.head_sha == sha;
    if let Some(suite) = world.check_suites.iter().rev().find(ours) {
        return suite.id;
    }
    let (id, created_at) = (world.next_id(), world.tick());
    world.check_suites.push(CheckSuite {
        id,
        app: APP_COUNTERSIGN,
        head_sha: sha.to_owned(),
        head_branch: None,
        before: None,
        push: None,
        created_at,
    });
    id
}

/// `GET /repos/{owner}/{repo}/check-runs/{check_run_id}`
pub(super) fn show(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let id = call.id("check_run_id")?;
    let run = world
        .check_runs
        .iter()
        .find(|run| run.id == id)
        .ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(shape::check_run(world, run)))
}

/// `GET /repos/{owner}/{repo}/commits/{ref}/check-runs`
pub(super) fn of_commit(world: &mut World, call: &Call) -> Answered {
    let sha = commit(world, call)?;
    let app: Option<u64> = call.query.get("app_id").and_then(|id| id.parse().ok());
    let mut newest: Vec<&CheckRun> = Vec::new();
    let latest = call.query.get("filter").is_none_or(|filter| filter == "latest");
    for run in world.check_runs.iter().rev().filter(|run| run.head_sha == sha) {
        let wanted = app.is_none_or(|app| run.app == app)
            && call.query.get("check_name").is_none_or(|name| *name == run.name)
            && call.query.get("status").is_none_or(|status| *status == run.status);
        let known = newest
            .iter()
            .any(|other| other.app == run.app && other.name == run.name && other.suite == run.suite);
        if wanted && !(latest && known) {
            newest.push(run);
        }
    }
    let all = newest.iter().map(|run| shape::check_run(world, run)).collect();
    Ok(call.page_in(
        world,
        all,
        |total, items| json!({"total_count": total, "check_runs": items}),
    ))
}

/// `GET /repos/{owner}/{repo}/commits/{ref}/check-suites`
pub(super) fn suites_of_commit(world: &mut World, call: &Call) -> Answered {
    let sha = commit(world, call)?;
    let app: Option<u64> = call.query.get("app_id").and_then(|id| id.parse().ok());
    let all = world
        .check_suites
        .iter()
        .filter(|suite| suite.head_sha == sha && app.is_none_or(|app| suite.app == app))
        .map(|suite| shape::check_suite(world, suite))
        .collect();
    Ok(call.page_in(
        world,
        all,
        |total, items| json!({"total_count": total, "check_suites": items}),
    ))
}

/// `GET /repos/{owner}/{repo}/commits/{ref}/statuses`
pub(super) fn statuses(world: &mut World, call: &Call) -> Answered {
    let sha = commit(world, call)?;
    let all = world
        .statuses
        .iter()
        .rev()
        .filter(|one| one.sha == sha)
        .map(|one| shape::status(world, one))
        .collect();
    Ok(call.page(world, all))
}

/// `GET /repos/{owner}/{repo}/commits/{ref}/status`
pub(super) fn combined_status(world: &mut World, call: &Call) -> Answered {
    let sha = commit(world, call)?;
    Ok(Answer::ok(shape::combined_status(world, &sha)))
}

/// `POST /repos/{owner}/{repo}/statuses/{sha}`
pub(super) fn post_status(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let sha = call.param("sha").to_owned();
    if !world.git.has_commit(&sha) {
        return Err(Answer::error(422, &format!("No commit found for SHA: {sha}")));
    }
    let state = call.text("state").ok_or_else(|| missing("state"))?.to_owned();
    if !["error", "failure", "pending", "success"].contains(&state.as_str()) {
        return Err(invalid("state", &state));
    }
    let one = CommitStatus {
        id: world.next_id(),
        sha: sha.clone(),
        state: state.clone(),
        context: call.text("context").unwrap_or("default").to_owned(),
        description: call.text("description").map(str::to_owned),
        target_url: call.text("target_url").map(str::to_owned),
        creator: world.installation.bot,
        at: world.tick(),
    };
    let answer = Answer::created(shape::status(world, &one));
    let context = one.context.clone();
    world.statuses.push(one);
    world.writes.push(Write::Status { sha, context, state });
    Ok(answer)
}

fn commit(world: &World, call: &Call) -> Result<String, Answer> {
    let repository = upstream(world, call)?;
    let name = call.param("ref");
    commit_named(world, repository, name).ok_or_else(|| Answer::error(422, &format!("No commit found for SHA: {name}")))
}
