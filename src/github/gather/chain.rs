//! Which run another one followed: the one whose start or end started a run of event `workflow_run`.
//!
//! Invariant: GitHub names that run nowhere but inside the job, so it is told only where the workflow file, the runs of the
//! workflows that it waits for and GitHub's own clock leave one reading; where they leave several or none, the facts say
//! that it is missing. What was once told is kept, since either run can be run again or deleted.
//!
//! Beside `runs.rs` this compares times: GitHub's own, for a link that GitHub has no other word for.

use super::Look;
use super::run::{self, GatheredRun, RunPayload};
use super::runs::{LONGEST, created};
use crate::github::client::GitHubError;
use crate::github::query;
use crate::store::observations::Seen;
use countersign_core::domain::{Observation, Run};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;
use time::{Duration, OffsetDateTime};

/// GitHub starts no longer chains (<https://docs.github.com/en/actions/reference/events-that-trigger-workflows#workflow_run>).
const LEVELS: usize = 4;

/// A run is created so soon after what started it: at once as a rule, later where GitHub is busy.
const SOON: [Duration; 2] = [Duration::seconds(15), Duration::minutes(2)];

/// The event of a run that another run started.
const EVENT: &str = "workflow_run";

/// What a run waits for, as its workflow file says.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Trigger {
    #[serde(deserialize_with = "one_or_several")]
    workflows: Vec<String>,
    #[serde(default, deserialize_with = "one_or_several")]
    types: Vec<String>,
    #[serde(default, deserialize_with = "one_or_several")]
    branches: Vec<String>,
}

#[derive(Deserialize)]
struct Workflow {
    on: Triggers,
}

#[derive(Deserialize)]
struct Triggers {
    workflow_run: Trigger,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

fn one_or_several<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match OneOrSeveral::deserialize(deserializer)? {
        OneOrSeveral::One(one) => vec![one],
        OneOrSeveral::Several(several) => several,
    })
}

/// Says which runs a run of event `workflow_run` followed, back to the first; names as missing what cannot be told.
pub(super) async fn complete(
    look: &Look<'_>,
    gathered: &GatheredRun,
    observed: &[Observation],
    missing: &mut Vec<String>,
) -> Result<Run, GitHubError> {
    let mut run = gathered.run.clone();
    if run.event != EVENT {
        return Ok(run);
    }
    let known = observed.iter().find_map(|seen| match seen {
        Observation::RunFollowed { run: of, followed } if *of == run.id => Some(followed.clone()),
        _ => None,
    });
    if known.is_some() {
        run.followed = known;
        return Ok(run);
    }
    let (mut chain, mut last, mut created_at) = (Vec::new(), run.clone(), gathered.created_at);
    while last.event == EVENT {
        let found = if chain.len() < LEVELS { before(look, &last, created_at).await? } else { None };
        let Some(found) = found else {
            missing.push(format!("which run started run {}", last.id));
            return Ok(run);
        };
        created_at = found.created_at;
        last = run::of(look, found).await?;
        chain.push(last.clone());
    }
    run.followed = chain.into_iter().rev().fold(None, |followed, run: Run| Some(Box::new(Run { followed, ..run })));
    if let Some(followed) = run.followed.clone() {
        let observation = Observation::RunFollowed { run: run.id, followed };
        look.store.observe(vec![Seen { repository: look.repository.id, observation }], look.now).await?;
    }
    Ok(run)
}

/// The attempt that started this run; `None` where nothing or more than one thing can have.
async fn before(look: &Look<'_>, run: &Run, at: OffsetDateTime) -> Result<Option<RunPayload>, GitHubError> {
    let Some(trigger) = trigger(look, run).await? else { return Ok(None) };
    let Some(runs) = created(look, at - LONGEST, at).await? else { return Ok(None) };
    let taken = taken(look, run, &trigger, &runs).await?;
    let mut candidates = Vec::new();
    for latest in runs.into_iter().filter(|latest| latest.id != run.id.0 && trigger.waits_for(latest)) {
        for number in 1..=latest.run_attempt {
            let attempt =
                if number == latest.run_attempt { latest.clone() } else { run::read(look, latest.id, number).await? };
            if let Some(moment) = trigger.moment(&attempt, at).filter(|_| !taken.contains(&(latest.id, number))) {
                candidates.push((attempt, moment));
            }
        }
    }
    let near = |soon: Duration| -> Vec<RunPayload> {
        candidates.iter().filter(|(_, moment)| *moment >= at - soon).map(|(attempt, _)| attempt.clone()).collect()
    };
    let nearest = SOON.map(near).into_iter().find(|some| !some.is_empty());
    Ok(nearest.and_then(|some| the_one(some, &trigger, run, at)))
}

/// The attempts that are known to have started another run of the same workflow: an attempt ends once, and starts one run
/// of each workflow that waits for that.
async fn taken(
    look: &Look<'_>,
    run: &Run,
    trigger: &Trigger,
    runs: &[RunPayload],
) -> Result<BTreeSet<(u64, u64)>, GitHubError> {
    if trigger.types.len() != 1 {
        return Ok(BTreeSet::new());
    }
    let siblings = runs.iter().filter(|other| other.event == EVENT && other.path == run.path && other.id != run.id.0);
    let topics: Vec<String> = siblings.map(|other| format!("run:{}", other.id)).collect();
    let observed = look.store.observed(look.repository.id, &topics).await?;
    let followed = observed.into_iter().filter_map(|seen| match seen {
        Observation::RunFollowed { followed, .. } => Some((followed.id.0, followed.this.number.0)),
        _ => None,
    });
    Ok(followed.collect())
}

/// What the workflow file of this very run says that it waits for.
async fn trigger(look: &Look<'_>, run: &Run) -> Result<Option<Trigger>, GitHubError> {
    let file = format!("{}:{}", run.head_commit, run.path);
    let data = look.client.graphql(query::FILE, look.variables([("file", json!(file))])).await?;
    let blob = data.pointer("/repository/object");
    let whole = blob.and_then(|blob| blob.get("isTruncated")).and_then(serde_json::Value::as_bool) == Some(false);
    let text = blob.and_then(|blob| blob.get("text")).and_then(serde_json::Value::as_str).filter(|_| whole);
    Ok(text.and_then(read))
}

fn read(text: &str) -> Option<Trigger> {
    serde_saphyr::from_str::<Workflow>(text).ok().map(|workflow| workflow.on.workflow_run)
}

impl Trigger {
    fn waits_for(&self, run: &RunPayload) -> bool {
        // A pattern is no name: where there is one, the branches leave nothing out.
        let plain = |branch: &String| !branch.contains(['*', '?', '+', '[', '!', '\\']);
        let named = self.branches.is_empty()
            || !self.branches.iter().all(plain)
            || run.head_branch.as_ref().is_some_and(|branch| self.branches.contains(branch));
        let workflow = run.name.as_ref().is_some_and(|name| self.workflows.contains(name));
        (workflow || self.workflows.contains(&run.path)) && named
    }

    /// The last moment at which an attempt can have started a run that was created at `at`.
    fn moment(&self, attempt: &RunPayload, at: OffsetDateTime) -> Option<OffsetDateTime> {
        let waits = |kind: &str| self.types.is_empty() || self.types.iter().any(|waited| waited == kind);
        let over = attempt.status.as_deref() == Some("completed");
        // A re-run is not requested again, but it is in progress and completed again.
        let requested = (attempt.run_attempt == 1).then_some(attempt.created_at).filter(|_| waits("requested"));
        let started = attempt.run_started_at.filter(|_| waits("in_progress"));
        let completed = Some(attempt.updated_at).filter(|_| waits("completed") && over);
        let moments = [requested, started, completed].into_iter().flatten();
        moments.filter(|moment| *moment <= at).max()
    }
}

/// Everything about an attempt that decides who started it.
fn people(attempt: &RunPayload) -> impl PartialEq + use<> {
    let id = |account: &Option<crate::github::event::AccountPayload>| account.clone().map(|it| it.account().id);
    let (actor, triggering) = (id(&attempt.actor), id(&attempt.triggering_actor));
    (attempt.event.clone(), attempt.head_branch.clone(), attempt.run_attempt == 1, actor, triggering)
}

/// Of several that can have started a run, the one that must have: the only one, or the only one whose actor the run shows,
/// or the nearest of those that came about alike.
fn the_one(mut candidates: Vec<RunPayload>, trigger: &Trigger, run: &Run, at: OffsetDateTime) -> Option<RunPayload> {
    if candidates.len() > 1 {
        let actor = run.first.actor.as_ref().map(|actor| actor.id);
        let shown = |attempt: &RunPayload| attempt.actor.clone().map(|it| it.account().id) == actor;
        candidates.retain(shown);
    }
    let (first, others) = candidates.split_first()?;
    if others.iter().any(|other| people(other) != people(first)) {
        return None;
    }
    let same_commit = |attempt: &RunPayload| attempt.head_sha == run.head_commit.as_str();
    candidates.into_iter().max_by_key(|attempt| (same_commit(attempt), trigger.moment(attempt, at), attempt.id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use time::macros::datetime;

    const AT: OffsetDateTime = datetime!(2026-01-01 12:00:00 UTC);

    fn ended(id: u64, actor: u64, event: &str, before: Duration) -> RunPayload {
        let spelled = |moment: OffsetDateTime| moment.format(&time::format_description::well_known::Rfc3339).unwrap();
        serde_json::from_value(json!({
            "id": id, "name": "ci", "event": event, "status": "completed", "head_branch": "main", "head_sha": "aa",
            "head_repository": {"id": 7}, "path": ".github/workflows/ci.yml", "run_attempt": 1,
            "actor": {"id": actor, "login": "x", "type": "User"}, "triggering_actor": {"id": actor, "login": "x", "type": "User"},
            "node_id": "WFR_1", "check_suite_node_id": null,
            "created_at": spelled(AT - Duration::hours(1)), "updated_at": spelled(AT - before),
        }))
        .unwrap()
    }

    fn trigger(of: &str) -> Trigger {
        read(of).unwrap()
    }

    #[test]
    fn a_workflow_file_says_what_its_runs_wait_for() {
        let one = trigger("on:\n  workflow_run:\n    workflows: ci\n");
        assert_eq!((one.workflows, one.types.len(), one.branches.len()), (vec!["ci".to_owned()], 0, 0));
        let several =
            trigger("\"on\": {workflow_run: {workflows: [ci, e2e], types: [completed], branches: [main]}, push: }\n");
        assert_eq!(several.workflows, ["ci", "e2e"]);
        for nothing in ["on: push\n", "on: [push, workflow_run]\n", "on:\n  workflow_run:\n", "jobs: {}\n", ": :"] {
            assert!(read(nothing).is_none(), "{nothing}");
        }
    }

    #[test]
    fn a_run_of_another_branch_or_of_a_later_moment_started_nothing() {
        let waits = trigger("on:\n  workflow_run: {workflows: [ci], types: [completed], branches: [release]}\n");
        assert!(!waits.waits_for(&ended(1, 1, "push", Duration::SECOND)));
        let any = trigger("on:\n  workflow_run: {workflows: [ci], branches: ['rel*', main2]}\n");
        assert!(any.waits_for(&ended(1, 1, "push", Duration::SECOND)));
        assert!(any.moment(&ended(1, 1, "push", Duration::SECOND), AT).is_some());
        let completed = trigger("on:\n  workflow_run: {workflows: [ci], types: completed}\n");
        assert!(completed.moment(&ended(1, 1, "push", -Duration::SECOND), AT).is_none());
    }

    #[test]
    fn of_several_runs_only_one_that_leaves_no_other_reading_is_told() {
        let trigger = trigger("on:\n  workflow_run: {workflows: [ci], types: [completed]}\n");
        let second = Duration::SECOND;
        let run: Run = serde_json::from_value(json!({
            "id": 9, "event": "workflow_run", "head_branch": "main", "head_commit": "aa", "head_repository": 7,
            "path": "deploy.yml",
            "first": {"number": 1, "actor": {"id": 1, "login": "x", "kind": "user"}, "triggering_actor": null},
            "this": {"number": 1, "actor": {"id": 1, "login": "x", "kind": "user"}, "triggering_actor": null},
        }))
        .unwrap();
        let told = |of: &[RunPayload]| the_one(of.to_vec(), &trigger, &run, AT).map(|found| found.id);
        assert_eq!(told(&[ended(4, 2, "push", second)]), Some(4), "the only one, whoever the next run shows");
        assert_eq!(told(&[ended(4, 2, "push", second), ended(5, 1, "push", second * 3)]), Some(5));
        assert_eq!(told(&[ended(4, 1, "push", second), ended(5, 1, "push", second * 3)]), Some(4), "they are alike");
        assert_eq!(told(&[ended(4, 1, "push", second), ended(5, 1, "pull_request", second)]), None);
        assert_eq!(told(&[ended(4, 2, "push", second), ended(5, 3, "push", second)]), None);
        assert_eq!(told(&[]), None);
    }
}
