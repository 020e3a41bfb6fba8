//! Issues over REST: what an App opens, changes and lists. A list of issues holds pull requests too, as on GitHub.

use super::answer::Answer;
use super::repositories::upstream;
use super::{Call, shape};
use crate::model::{Issue, World};
use serde_json::Value;

type Answered = Result<Answer, Answer>;

/// `GET /repos/{owner}/{repo}/issues`
pub(super) fn list(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let state = call.query.get("state").map_or("open", String::as_str);
    let since = call.query.get("since").map_or("", String::as_str);
    let wanted = |open: bool, updated: i64| {
        (state == "all" || (state == "open") == open) && crate::model::rfc3339(updated).as_str() >= since
    };
    let mut all: Vec<Value> = Vec::new();
    let issues = world.issues.values().rev().filter(|issue| wanted(issue.open, issue.updated_at));
    all.extend(issues.map(|issue| shape::issue(world, issue)));
    let pulls = world.pulls.values().rev().filter(|pull| wanted(pull.is_open(), pull.updated_at));
    all.extend(pulls.map(|pull| shape::issue_of_pull(world, pull)));
    Ok(call.page(world, all))
}

/// `POST /repos/{owner}/{repo}/issues`
pub(super) fn open(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let title = call.text("title").filter(|title| !title.trim().is_empty());
    let title = title.ok_or_else(|| Answer::error(422, "Validation Failed: title is missing"))?.to_owned();
    let body = call.text("body").map(str::to_owned);
    let number = world.open_issue(title, body);
    let issue = world.issues.get(&number).ok_or_else(Answer::not_found)?;
    Ok(Answer::with(201, shape::issue(world, issue)))
}

/// `PATCH /repos/{owner}/{repo}/issues/{issue_number}`
pub(super) fn change(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let number = call.id("issue_number")?;
    let open = match call.text("state") {
        None => None,
        Some("open") => Some(true),
        Some("closed") => Some(false),
        Some(_) => return Err(Answer::error(422, "Validation Failed: state is neither open nor closed")),
    };
    let (title, body) = (call.text("title").map(str::to_owned), call.text("body").map(str::to_owned));
    let known: &Issue = world.change_issue(number, title, body, open).ok_or_else(Answer::not_found)?;
    let known = known.clone();
    Ok(Answer::ok(shape::issue(world, &known)))
}
