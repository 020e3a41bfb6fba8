//! Webhook payloads, rendered from the world as it is when something happens.
//!
//! Invariant: complete as GitHub publishes them, and built from the same shapes as REST's answers; nothing here is written
//! by hand for a test. Next: `code.rs` (what happens to code), `actions.rs` (what happens to runs and deployments).

mod actions;
mod checks;
mod code;
mod installation;
mod pulls;

use crate::model::{Event, World, node_id};
use crate::rest::{recording, shape};
use serde_json::{Map, Value, json};

/// What is particular to one event: its name, its action, and its own fields.
struct Rendered {
    name: &'static str,
    action: Option<&'static str>,
    fields: Value,
}

impl Rendered {
    fn new(name: &'static str, action: Option<&'static str>, fields: Value) -> Self {
        Self { name, action, fields }
    }
}

/// One event as GitHub sends it: the name (`X-GitHub-Event`), the action, and the payload.
pub fn render(world: &World, event: &Event) -> (&'static str, Option<&'static str>, Value) {
    let (rendered, sender) = rendered(world, event);
    let mut payload = Map::new();
    if let Some(action) = rendered.action {
        payload.insert("action".to_owned(), json!(action));
    }
    payload.insert("sender".to_owned(), shape::simple_user(world, sender));
    payload.insert("organization".to_owned(), shape::organization_simple(world));
    payload.insert(
        "installation".to_owned(),
        json!({"id": world.installation.id, "node_id": node_id("IN", world.installation.id)}),
    );
    if let Some(upstream) = world.upstream().filter(|_| !rendered.name.starts_with("installation")) {
        payload.insert("repository".to_owned(), shape::repository(world, upstream));
    }
    let payload = shape::merged(Value::Object(payload), rendered.fields);
    if !world.url.is_empty() {
        recording::webhook(rendered.name, rendered.action, &payload); // a world under construction tells nobody
    }
    (rendered.name, rendered.action, payload)
}

fn rendered(world: &World, event: &Event) -> (Rendered, u64) {
    match event {
        Event::Push { reference, before, after, forced, sender } => {
            let moved = code::Moved { reference, before, after, forced: *forced };
            (code::push(world, &moved, *sender), *sender)
        }
        Event::Create { reference, sender } => (code::create(world, reference), *sender),
        Event::Delete { reference, sender } => (code::delete(reference), *sender),
        Event::Release { release, sender } => (code::release(world, *release), *sender),
        Event::Member { member, action, from, sender } => (code::member(world, *member, action, *from), *sender),
        Event::Installation { action, sender } => (installation::changed(world, *action), *sender),
        Event::Ruleset { ruleset, before, action, sender } => {
            (code::ruleset(world, ruleset, before.as_deref(), *action), *sender)
        }
        Event::PullRequest { number, action, sender } => (pulls::pull_request(world, *number, action), *sender),
        Event::Review { number, review, action, sender } => (pulls::review(world, *number, *review, *action), *sender),
        Event::IssueComment { number, comment, sender } => (pulls::comment(world, *number, *comment), *sender),
        Event::MergeGroup { group, action, sender } => (pulls::merge_group(world, *group, *action), *sender),
        Event::CheckSuiteRequested { suite, sender } => (checks::suite_requested(world, *suite), *sender),
        Event::CheckRun { check_run, action, sender } => (checks::run(world, *check_run, *action), *sender),
        Event::Status { status, sender } => (checks::status(world, *status), *sender),
        Event::Deployment { deployment, sender } => (actions::deployment(world, *deployment), *sender),
        Event::DeploymentStatus { deployment, status, sender } => {
            (actions::deployment_status(world, *deployment, *status), *sender)
        }
        Event::RuleRequested { deployment, run, environment, sender } => {
            (actions::rule_requested(world, *deployment, *run, environment), *sender)
        }
        Event::DeploymentReview { run, attempt, environment, action, sender } => {
            let asked = actions::Asked { run: *run, attempt: *attempt, environment };
            (actions::deployment_review(world, &asked, *action, *sender), *sender)
        }
        Event::WorkflowRun { run, attempt, action, sender } => {
            (actions::workflow_run(world, *run, *attempt, *action), *sender)
        }
        Event::WorkflowJob { run, attempt, job, action, sender } => {
            (actions::workflow_job(world, (*run, *attempt, *job), *action), *sender)
        }
    }
}
