//! Check runs and commit statuses: what the App reads of them, and what it writes.

use super::answer::Answer;
use super::repositories::{commit_named, upstream};
use super::{Call, shape};
use crate::model::{APP_COUNTERSIGN, CheckRun, World};
use crate::steps::StepError;
use crate::writes::CheckRunFields;
use serde_json::{Value, json};

type Answered = Result<Answer, Answer>;

/// How long a summary or a text may be.
const LONGEST_TEXT: usize = 65_535;

const STATUSES: [&str; 3] = ["queued", "in_progress", "completed"];

const CONCLUSIONS: [&str; 8] =
    ["action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out"];

/// `POST /repos/{owner}/{repo}/check-runs`
pub(super) fn create(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let fields = fields(call)?;
    if fields.name.as_ref().is_none_or(String::is_empty) {
        return Err(missing("name"));
    }
    let sha = call.text("head_sha").ok_or_else(|| missing("head_sha"))?;
    let id = world.create_check_run(sha, fields).map_err(|error| refused(&error))?;
    shown(world, id, 201)
}

/// `PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}`
pub(super) fn update(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let id = call.id("check_run_id")?;
    let run = world.check_runs.iter().find(|run| run.id == id).ok_or_else(Answer::not_found)?;
    if run.app != APP_COUNTERSIGN {
        return Err(Answer::error(
            403,
            "Invalid app_id `4242` - check run can only be modified by the GitHub App that created it.",
        ));
    }
    world.update_check_run(id, fields(call)?).map_err(|error| refused(&error))?;
    shown(world, id, 200)
}

fn refused(error: &StepError) -> Answer {
    Answer::error(422, &error.to_string())
}

fn shown(world: &World, id: u64, status: u16) -> Answered {
    let run = world.check_runs.iter().find(|run| run.id == id).ok_or_else(Answer::not_found)?;
    Ok(Answer::with(status, shape::check_run(world, run)))
}

/// What the body says of the check run, held against GitHub's limits.
fn fields(call: &Call) -> Result<CheckRunFields, Answer> {
    let text = |name: &str| call.text(name).map(str::to_owned);
    let (status, conclusion) = (text("status"), text("conclusion"));
    if let Some(status) = status.as_ref().filter(|one| !STATUSES.contains(&one.as_str())) {
        return Err(invalid("status", status));
    }
    if let Some(conclusion) = conclusion.as_ref().filter(|one| !CONCLUSIONS.contains(&one.as_str())) {
        return Err(invalid("conclusion", conclusion));
    }
    if status.as_deref() == Some("completed") && conclusion.is_none() {
        return Err(missing("conclusion"));
    }
    let mut fields = CheckRunFields {
        name: text("name"),
        status,
        conclusion,
        external_id: text("external_id"),
        details_url: text("details_url"),
        ..CheckRunFields::default()
    };
    if let Some(output) = call.body.get("output") {
        let part = |name: &str| output.get(name).and_then(Value::as_str).map(str::to_owned);
        (fields.title, fields.summary, fields.text) = (part("title"), part("summary"), part("text"));
        if fields.title.is_none() || fields.summary.is_none() {
            return Err(missing("output.title and output.summary"));
        }
        let too_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > LONGEST_TEXT);
        if too_long(&fields.summary) || too_long(&fields.text) {
            return Err(Answer::unprocessable("Only 65535 characters are allowed"));
        }
    }
    if let Some(actions) = call.body.get("actions") {
        check_actions(actions)?;
        fields.actions = Some(actions.clone());
    }
    Ok(fields)
}

/// At most three buttons: label of 20 characters, identifier of 20, description of 40.
fn check_actions(actions: &Value) -> Result<(), Answer> {
    let list = actions.as_array().ok_or_else(|| missing("actions"))?;
    let fits = |action: &Value, name: &str, most: usize| {
        action.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty() && text.chars().count() <= most)
    };
    let fine =
        |action: &Value| fits(action, "label", 20) && fits(action, "identifier", 20) && fits(action, "description", 40);
    if list.len() <= 3 && list.iter().all(fine) { Ok(()) } else { Err(Answer::unprocessable("actions is invalid")) }
}

fn missing(what: &str) -> Answer {
    Answer::error(422, &format!("Invalid request.\n\n\"{what}\" wasn't supplied."))
}

fn invalid(what: &str, value: &str) -> Answer {
    Answer::error(422, &format!("Invalid request.\n\n{value} is not a valid {what}."))
}

/// `GET /repos/{owner}/{repo}/check-runs/{check_run_id}`
pub(super) fn show(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let id = call.id("check_run_id")?;
    let run = world.check_runs.iter().find(|run| run.id == id).ok_or_else(Answer::not_found)?;
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
        let known =
            newest.iter().any(|other| other.app == run.app && other.name == run.name && other.suite == run.suite);
        if wanted && !(latest && known) {
            newest.push(run);
        }
    }
    let all = newest.iter().map(|run| shape::check_run(world, run)).collect();
    Ok(call.page_in(world, all, |total, items| json!({"total_count": total, "check_runs": items})))
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
    Ok(call.page_in(world, all, |total, items| json!({"total_count": total, "check_suites": items})))
}

/// `GET /repos/{owner}/{repo}/commits/{ref}/statuses`
pub(super) fn statuses(world: &mut World, call: &Call) -> Answered {
    let sha = commit(world, call)?;
    let all = world.statuses.iter().rev().filter(|one| one.sha == sha).map(|one| shape::status(world, one)).collect();
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
    let state = call.text("state").ok_or_else(|| missing("state"))?;
    if !["error", "failure", "pending", "success"].contains(&state) {
        return Err(invalid("state", state));
    }
    let context = call.text("context").unwrap_or("default");
    let text = |name: &str| call.text(name).map(str::to_owned);
    let bot = world.installation.bot;
    let id = world
        .post_status(call.param("sha"), context, state, text("description"), text("target_url"), bot)
        .map_err(|error| refused(&error))?;
    let one = world.statuses.iter().find(|one| one.id == id).ok_or_else(Answer::not_found)?;
    Ok(Answer::created(shape::status(world, one)))
}

fn commit(world: &World, call: &Call) -> Result<String, Answer> {
    let repository = upstream(world, call)?;
    let name = call.param("ref");
    commit_named(world, repository, name).ok_or_else(|| Answer::error(422, &format!("No commit found for SHA: {name}")))
}
