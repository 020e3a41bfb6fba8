//! Check suites and runs, pushes, statuses, deployments and workflow runs.

use super::connection::{connection, named};
use super::object::{Arguments, Context, Node, Part, Resolved};
use super::{actor, commit, pull, repository};
use crate::model::{
    CheckRun, CheckSuite, CommitStatus, Deployment, DeploymentStatus, Time, World, ZERO, node_id, rfc3339,
};
use crate::rest::shape;
use serde_json::Value;

fn upper<'w>(text: Option<&str>) -> Part<'w> {
    Part::leaf(text.map(str::to_ascii_uppercase))
}

fn moment<'w>(time: Option<Time>) -> Part<'w> {
    Part::leaf(time.map(rfc3339))
}

/// `Commit.checkSuites`, filtered by App and check name.
pub(crate) fn suites<'w>(world: &'w World, sha: &str, arguments: Arguments<'_>) -> Resolved<'w> {
    let app = arguments.within("filterBy", "appId").and_then(|id| id.as_u64());
    let name = arguments.within("filterBy", "checkName");
    let name = name.as_ref().and_then(Value::as_str);
    let holds = |suite: &CheckSuite, name: &str| {
        let in_it = |run: &CheckRun| run.suite == suite.id && run.name == name;
        world.check_runs.iter().any(in_it)
    };
    let all: Vec<&CheckSuite> = world
        .check_suites
        .iter()
        .filter(|suite| suite.head_sha == sha)
        .filter(|suite| app.is_none_or(|app| suite.app == app))
        .filter(|suite| name.is_none_or(|name| holds(suite, name)))
        .collect();
    let named = named("checkSuites", "CheckSuiteConnection", "CheckSuiteEdge");
    connection(named, &all, arguments, |suite| Some(Node::CheckSuite(suite)))
}

/// The fields of `CheckSuite`.
pub(crate) fn suite<'w>(
    context: Context<'w>,
    one: &'w CheckSuite,
    name: &str,
    arguments: Arguments<'_>,
) -> Option<Resolved<'w>> {
    let world = context.world;
    let (status, conclusion) = shape::suite_state(world, one);
    let push = || world.pushes.iter().find(|push| Some(push.id) == one.push);
    let path = || format!("{}/commit/{}/checks?check_suite_id={}", pull::repository_path(world), one.head_sha, one.id);
    Some(Ok(match name {
        "id" => Part::leaf(node_id("CS", one.id)),
        "databaseId" => Part::int(one.id),
        "app" => app(world, one.app),
        "branch" => match (world.upstream(), &one.head_branch) {
            (Some(upstream), Some(branch)) => repository::branch_or_null(upstream, branch),
            _ => Part::null(),
        },
        "checkRuns" => return Some(runs(world, one, arguments)),
        "commit" => Part::One(commit::found(world, &one.head_sha)),
        "status" => upper(Some(status)),
        "conclusion" => upper(conclusion),
        "createdAt" | "updatedAt" => Part::leaf(rfc3339(one.created_at)),
        "creator" => actor::as_user(world, push().map(|push| push.pusher)),
        "push" => push().map_or_else(Part::null, |push| {
            Part::record(
                "Push",
                vec![
                    ("id", Part::leaf(node_id("PSH", push.id))),
                    ("previousSha", Part::leaf((push.before != ZERO).then(|| push.before.clone()))),
                    ("nextSha", Part::leaf((push.after != ZERO).then(|| push.after.clone()))),
                    (
                        "permalink",
                        Part::leaf(format!("{}{}/pushes/{}", world.url, pull::repository_path(world), push.id)),
                    ),
                    ("pusher", actor::certain_actor(world, push.pusher)),
                    ("repository", Part::One(world.repositories.get(&push.repository).map(Node::Repository))),
                ],
            )
        }),
        "repository" => repository::upstream(world),
        "resourcePath" => Part::leaf(path()),
        "url" => Part::leaf(format!("{}{}", world.url, path())),
        "workflowRun" => {
            let run = world.runs.values().find(|run| run.check_suite == one.id);
            Part::One(run.map(Node::WorkflowRun))
        }
        _ => return None,
    }))
}

fn app(world: &World, id: u64) -> Part<'_> {
    let shown = shape::integration(world, id);
    let field = |name: &str| Part::leaf(shown.get(name).cloned().unwrap_or(Value::Null));
    Part::record(
        "App",
        vec![
            ("id", field("node_id")),
            ("databaseId", Part::int(id)),
            ("name", field("name")),
            ("slug", field("slug")),
            ("description", field("description")),
            ("url", field("html_url")),
            ("createdAt", field("created_at")),
            ("updatedAt", field("updated_at")),
        ],
    )
}

/// `CheckSuite.checkRuns`: the latest of each name, or all of them where the filter says so.
fn runs<'w>(world: &'w World, suite: &'w CheckSuite, arguments: Arguments<'_>) -> Resolved<'w> {
    let wanted = |field: &str| {
        let value = arguments.within("filterBy", field)?;
        value.as_str().map(str::to_owned)
    };
    let (name, status) = (wanted("checkName"), wanted("status"));
    let every = wanted("checkType").is_some_and(|kind| kind == "ALL");
    let mut all: Vec<&CheckRun> = Vec::new();
    for run in world.check_runs.iter().filter(|run| run.suite == suite.id) {
        let fits = name.as_ref().is_none_or(|name| *name == run.name)
            && status.as_ref().is_none_or(|status| status.eq_ignore_ascii_case(&run.status));
        if fits {
            if !every {
                all.retain(|known| known.name != run.name);
            }
            all.push(run);
        }
    }
    let named = named("checkRuns", "CheckRunConnection", "CheckRunEdge");
    connection(named, &all, arguments, |run| Some(Node::CheckRun(run)))
}

/// The fields of `CheckRun`.
pub(crate) fn run<'w>(context: Context<'w>, one: &'w CheckRun, name: &str) -> Option<Resolved<'w>> {
    let world = context.world;
    let path = || format!("{}/runs/{}", pull::repository_path(world), one.id);
    Some(Ok(match name {
        "id" => Part::leaf(node_id("CR", one.id)),
        "databaseId" => Part::int(one.id),
        "name" => Part::leaf(one.name.clone()),
        "checkSuite" => {
            let suite = world.check_suites.iter().find(|suite| suite.id == one.suite);
            Part::One(suite.map(Node::CheckSuite))
        }
        "status" => upper(Some(&one.status)),
        "conclusion" => upper(one.conclusion.as_deref()),
        "startedAt" => moment(Some(one.started_at)),
        "completedAt" => moment(one.completed_at),
        "deployment" => {
            let deployment = shape::deployment_of(world, one.id);
            match context.needs("deployments") {
                Err(refused) => return Some(Err(refused)),
                Ok(()) => Part::One(deployment.map(Node::Deployment)),
            }
        }
        "detailsUrl" => Part::leaf(one.details_url.clone()),
        "externalId" => Part::leaf(one.external_id.clone()),
        "isRequired" => {
            let required = |(context, _): &(String, Option<u64>)| *context == one.name;
            Part::leaf(
                world.rulesets.iter().any(|ruleset| ruleset.active && ruleset.required_checks.iter().any(required)),
            )
        }
        "repository" => repository::upstream(world),
        "title" => Part::leaf(one.title.clone()),
        "summary" => Part::leaf(one.summary.clone()),
        "text" => Part::leaf(one.text.clone()),
        "resourcePath" => Part::leaf(path()),
        "url" | "permalink" => Part::leaf(format!("{}{}", world.url, path())),
        _ => return None,
    }))
}

fn latest_statuses<'w>(world: &'w World, sha: &str) -> Vec<&'w CommitStatus> {
    let mut latest: Vec<&CommitStatus> = Vec::new();
    for one in world.statuses.iter().filter(|one| one.sha == sha) {
        latest.retain(|known| known.context != one.context);
        latest.push(one);
    }
    latest
}

fn together<'a>(mut states: impl Iterator<Item = &'a str> + Clone) -> &'static str {
    if states.clone().any(|state| !["success", "pending", "neutral", "skipped"].contains(&state)) {
        "FAILURE"
    } else if states.any(|state| state == "pending") {
        "PENDING"
    } else {
        "SUCCESS"
    }
}

fn status_context<'w>(world: &'w World, one: &'w CommitStatus) -> Node<'w> {
    Node::record(
        "StatusContext",
        vec![
            ("id", Part::leaf(node_id("SC", one.id))),
            ("commit", Part::One(commit::found(world, &one.sha))),
            ("context", Part::leaf(one.context.clone())),
            ("createdAt", moment(Some(one.at))),
            ("creator", actor::actor(world, Some(one.creator))),
            ("description", Part::leaf(one.description.clone())),
            ("state", upper(Some(&one.state))),
            ("targetUrl", Part::leaf(one.target_url.clone())),
            ("avatarUrl", Part::null()),
            ("isRequired", Part::leaf(false)),
        ],
    )
}

/// `Commit.status`; null where nobody posted one.
pub(crate) fn status<'w>(world: &'w World, sha: &str) -> Part<'w> {
    let latest = latest_statuses(world, sha);
    if latest.is_empty() {
        return Part::null();
    }
    let contexts = latest.iter().map(|one| Some(status_context(world, one))).collect();
    Part::record(
        "Status",
        vec![
            ("id", Part::leaf(format!("ST_kwDO{sha}"))),
            ("commit", Part::One(commit::found(world, sha))),
            ("context", Part::null()),
            ("contexts", Part::Many(contexts)),
            ("state", Part::leaf(together(latest.iter().map(|one| one.state.as_str())))),
        ],
    )
}

/// `Commit.statusCheckRollup`: checks and statuses together; null where there are none.
pub(crate) fn rollup<'w>(context: Context<'w>, sha: &str) -> Part<'w> {
    let world = context.world;
    let statuses = latest_statuses(world, sha);
    let here: Vec<&CheckRun> = world.check_runs.iter().filter(|run| run.head_sha == sha).collect();
    // Of each App's checks of one name the latest is shown.
    let later = |run: &CheckRun| here.iter().any(|it| it.app == run.app && it.name == run.name && it.id > run.id);
    let checks: Vec<&CheckRun> = here.iter().copied().filter(|run| !later(run)).collect();
    if statuses.is_empty() && checks.is_empty() {
        return Part::null();
    }
    let of_checks = checks.iter().map(|run| run.conclusion.as_deref().unwrap_or("pending"));
    let states: Vec<&str> = statuses.iter().map(|one| one.state.as_str()).chain(of_checks).collect();
    let mut nodes: Vec<Option<Node<'w>>> = checks.into_iter().map(|run| Some(Node::CheckRun(run))).collect();
    nodes.extend(statuses.into_iter().map(|one| Some(status_context(world, one))));
    Part::record(
        "StatusCheckRollup",
        vec![
            ("id", Part::leaf(format!("SCR_kwDO{sha}"))),
            ("commit", Part::One(commit::found(world, sha))),
            ("contexts", all_of(nodes)),
            ("state", Part::leaf(together(states.iter().copied()))),
        ],
    )
}

/// A connection that is never longer than a page here.
fn all_of(nodes: Vec<Option<Node<'_>>>) -> Part<'_> {
    let page_info = Part::record(
        "PageInfo",
        vec![
            ("hasNextPage", Part::leaf(false)),
            ("hasPreviousPage", Part::leaf(false)),
            ("startCursor", Part::null()),
            ("endCursor", Part::null()),
        ],
    );
    Part::record(
        "StatusCheckRollupContextConnection",
        vec![
            ("totalCount", Part::leaf(nodes.len())),
            ("pageInfo", page_info),
            ("edges", Part::null()),
            ("nodes", Part::Many(nodes)),
        ],
    )
}

/// `deployments` of a repository, or of one commit.
pub(crate) fn deployments<'w>(context: Context<'w>, sha: Option<&str>, arguments: Arguments<'_>) -> Resolved<'w> {
    let environments = arguments.list("environments");
    let mut all: Vec<&Deployment> = context
        .world
        .deployments
        .values()
        .filter(|one| sha.is_none_or(|sha| sha == one.sha))
        .filter(|one| environments.as_ref().is_none_or(|wanted| wanted.contains(&one.environment)))
        .collect();
    if arguments.within("orderBy", "direction") == Some(Value::from("DESC")) {
        all.reverse();
    }
    let named = named("deployments", "DeploymentConnection", "DeploymentEdge");
    connection(named, &all, arguments, |one| Some(Node::Deployment(one)))
}

/// The fields of `Deployment`.
pub(crate) fn deployment<'w>(
    context: Context<'w>,
    one: &'w Deployment,
    name: &str,
    arguments: Arguments<'_>,
) -> Option<Resolved<'w>> {
    let world = context.world;
    let last = one.statuses.last();
    Some(Ok(match name {
        "id" => Part::leaf(node_id("DE", one.id)),
        "databaseId" => Part::int(one.id),
        "commit" => Part::One(commit::found(world, &one.sha)),
        "commitOid" => Part::leaf(one.sha.clone()),
        "createdAt" => Part::leaf(rfc3339(one.created_at)),
        "updatedAt" => Part::leaf(rfc3339(last.map_or(one.created_at, |status| status.at))),
        "creator" => actor::certain_actor(world, one.creator),
        "description" | "payload" => Part::null(),
        "environment" | "latestEnvironment" | "originalEnvironment" => Part::leaf(one.environment.clone()),
        "latestStatus" => Part::One(last.map(|status| Node::DeploymentStatus(one, status))),
        "ref" => match world.upstream() {
            Some(upstream) => repository::branch_or_null(upstream, &one.reference),
            None => Part::null(),
        },
        "repository" => repository::upstream(world),
        "state" => match last.map(|status| status.state.as_str()) {
            None => Part::leaf("PENDING"),
            Some("success") => Part::leaf("ACTIVE"),
            other => upper(other),
        },
        "statuses" => {
            let named = named("statuses", "DeploymentStatusConnection", "DeploymentStatusEdge");
            let all: Vec<&DeploymentStatus> = one.statuses.iter().rev().collect();
            return Some(connection(named, &all, arguments, |status| Some(Node::DeploymentStatus(one, status))));
        }
        "task" => Part::leaf("deploy"),
        _ => return None,
    }))
}

/// The fields of `DeploymentStatus`.
pub(crate) fn deployment_status<'w>(
    context: Context<'w>,
    of: &'w Deployment,
    one: &'w DeploymentStatus,
    name: &str,
) -> Option<Resolved<'w>> {
    Some(Ok(match name {
        "id" => Part::leaf(node_id("DES", one.id)),
        "createdAt" | "updatedAt" => Part::leaf(rfc3339(one.at)),
        "creator" => actor::certain_actor(context.world, one.creator),
        "deployment" => Part::One(Some(Node::Deployment(of))),
        "description" => Part::leaf(one.description.clone()),
        "environment" => Part::leaf(of.environment.clone()),
        "environmentUrl" | "logUrl" => Part::null(),
        "state" => upper(Some(&one.state)),
        _ => return None,
    }))
}
