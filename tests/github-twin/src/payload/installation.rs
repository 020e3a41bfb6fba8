//! What becomes of the App's installation. These webhooks name no repository of their own.

use super::Rendered;
use crate::model::{InstallationAction, Repository, World, node_id};
use crate::rest::shape;
use serde_json::{Value, json};

/// `installation` or `installation_repositories`.
pub(super) fn changed(world: &World, action: InstallationAction) -> Rendered {
    let installation = shape::installation(world);
    let repositories: Vec<Value> = world.upstream().map(named).into_iter().collect();
    let (name, action) = match action {
        InstallationAction::Created => ("installation", "created"),
        InstallationAction::Deleted => ("installation", "deleted"),
        InstallationAction::Suspend => ("installation", "suspend"),
        InstallationAction::Unsuspend => ("installation", "unsuspend"),
        InstallationAction::Added => ("installation_repositories", "added"),
        InstallationAction::Removed => ("installation_repositories", "removed"),
    };
    let fields = if name == "installation" {
        json!({"installation": installation, "repositories": repositories})
    } else {
        let (added, removed) = if action == "added" { (repositories, Vec::new()) } else { (Vec::new(), repositories) };
        json!({
            "installation": installation,
            "repository_selection": "selected",
            "repositories_added": added,
            "repositories_removed": removed,
            "requester": null
        })
    };
    Rendered::new(name, Some(action), fields)
}

/// A repository as these webhooks name it.
fn named(one: &Repository) -> Value {
    json!({
        "id": one.id,
        "node_id": node_id("R", one.id),
        "name": one.name,
        "full_name": one.full_name(),
        "private": false
    })
}
