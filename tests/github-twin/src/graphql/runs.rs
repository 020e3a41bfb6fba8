//! Workflow runs.

use super::object::{Arguments, Context, Node, Part, Resolved};
use super::{environments, pull};
use crate::model::{Run, World, node_id, rfc3339};

/// The fields of `WorkflowRun`.
pub(crate) fn workflow_run<'w>(
    context: Context<'w>,
    one: &'w Run,
    name: &str,
    arguments: Arguments<'_>,
) -> Option<Resolved<'w>> {
    let world = context.world;
    let path = || format!("{}/actions/runs/{}", pull::repository_path(world), one.id);
    let changed = one.latest().map_or(one.created_at, |attempt| attempt.updated_at);
    Some(Ok(match name {
        "id" => Part::leaf(node_id("WFR", one.id)),
        "databaseId" => Part::int(one.id),
        "checkSuite" => {
            let suite = world.check_suites.iter().find(|suite| suite.id == one.check_suite);
            Part::One(suite.map(Node::CheckSuite))
        }
        "createdAt" => Part::leaf(rfc3339(one.created_at)),
        "updatedAt" => Part::leaf(rfc3339(changed)),
        "event" => Part::leaf(one.event.clone()),
        "deploymentReviews" => return Some(environments::reviews(one, arguments)),
        "file" => Part::null(),
        "runNumber" => Part::int(one.number),
        "resourcePath" => Part::leaf(path()),
        "url" => Part::leaf(format!("{}{}", world.url, path())),
        "workflow" => workflow(world, one),
        _ => return None,
    }))
}

fn workflow<'w>(world: &'w World, run: &'w Run) -> Part<'w> {
    let since = rfc3339(world.upstream().map_or(0, |upstream| upstream.created_at));
    let file = run.path.rsplit('/').next().unwrap_or_default();
    let path = format!("{}/actions/workflows/{file}", pull::repository_path(world));
    Part::record(
        "Workflow",
        vec![
            ("id", Part::leaf(node_id("W", run.workflow))),
            ("databaseId", Part::int(run.workflow)),
            ("name", Part::leaf(run.name.clone())),
            ("createdAt", Part::leaf(since.clone())),
            ("updatedAt", Part::leaf(since)),
            ("state", Part::leaf("ACTIVE")),
            ("url", Part::leaf(format!("{}{path}", world.url))),
            ("resourcePath", Part::leaf(path)),
        ],
    )
}
