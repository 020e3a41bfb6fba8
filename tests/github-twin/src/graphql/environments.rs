//! Environments: what they ask for, and who approved them for a run.

use super::actor;
use super::connection::{connection, named};
use super::object::{Arguments, Context, Node, Part, Resolved};
use crate::model::{self, Approval, GHOST, Run, node_id};

/// The environment of this name, or null.
pub(crate) fn environment<'w>(context: Context<'w>, name: &str) -> Resolved<'w> {
    context.needs("actions")?;
    let found = context.world.environments.values().find(|one| one.name.eq_ignore_ascii_case(name));
    Ok(Part::One(found.map(Node::Environment)))
}

/// The environments of the upstream repository.
pub(crate) fn environments<'w>(context: Context<'w>, arguments: Arguments<'_>) -> Resolved<'w> {
    context.needs("actions")?;
    let names = arguments.list("names").unwrap_or_default();
    let all = context.world.environments.values();
    let all: Vec<&model::Environment> = all.filter(|one| names.is_empty() || names.contains(&one.name)).collect();
    connection_of(&all, arguments)
}

fn connection_of<'w>(all: &[&'w model::Environment], arguments: Arguments<'_>) -> Resolved<'w> {
    let named = named("environments", "EnvironmentConnection", "EnvironmentEdge");
    connection(named, all, arguments, |one| Some(Node::Environment(one)))
}

/// The fields of `Environment`.
pub(crate) fn field<'w>(one: &'w model::Environment, name: &str, arguments: Arguments<'_>) -> Option<Resolved<'w>> {
    Some(Ok(match name {
        "id" => Part::leaf(node_id("EN", one.id)),
        "databaseId" => Part::int(one.id),
        "name" => Part::leaf(one.name.clone()),
        "isPinned" => Part::leaf(false),
        "protectionRules" => return Some(protection_rules(one, arguments)),
        _ => return None,
    }))
}

/// GitHub's own rules; those of Apps are not among them.
fn protection_rules<'w>(one: &'w model::Environment, arguments: Arguments<'_>) -> Resolved<'w> {
    let reviewed = (!one.reviewers.is_empty()).then_some(one.id + 1);
    let rules: Vec<u64> = reviewed.into_iter().collect();
    let named = named("protectionRules", "DeploymentProtectionRuleConnection", "DeploymentProtectionRuleEdge");
    connection(named, &rules, arguments, |id| {
        Some(Node::record(
            "DeploymentProtectionRule",
            vec![
                ("databaseId", Part::int(*id)),
                ("preventSelfReview", Part::leaf(false)),
                ("timeout", Part::leaf(0)),
                ("type", Part::leaf("REQUIRED_REVIEWERS")),
            ],
        ))
    })
}

/// The answers to the required reviews of a run's environments, oldest first.
pub(crate) fn reviews<'w>(run: &'w Run, arguments: Arguments<'_>) -> Resolved<'w> {
    let named = named("deploymentReviews", "DeploymentReviewConnection", "DeploymentReviewEdge");
    let all: Vec<&Approval> = run.approvals.iter().collect();
    connection(named, &all, arguments, |one| Some(Node::DeploymentReview(run, one)))
}

/// The fields of `DeploymentReview`.
pub(crate) fn review<'w>(
    context: Context<'w>,
    run: &'w Run,
    one: &'w Approval,
    name: &str,
    arguments: Arguments<'_>,
) -> Option<Resolved<'w>> {
    let world = context.world;
    let place = run.approvals.iter().position(|known| std::ptr::eq(known, one)).unwrap_or_default() as u64;
    let id = run.id * 1_000 + place;
    Some(Ok(match name {
        "id" => Part::leaf(node_id("DRV", id)),
        "databaseId" => Part::int(id),
        "comment" => Part::leaf(one.comment.clone()),
        "state" => Part::leaf(if one.approved { "APPROVED" } else { "REJECTED" }),
        // The schema knows no review by nobody.
        "user" => {
            let by = actor::living(world, Some(one.by)).or_else(|| world.account(GHOST));
            Part::One(by.map(Node::AsUser))
        }
        "environments" => {
            let named: Vec<&model::Environment> = world.environments.get(&one.environment).into_iter().collect();
            return Some(connection_of(&named, arguments));
        }
        _ => return None,
    }))
}
