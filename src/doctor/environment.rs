//! Production environments: is our rule enabled on each spelling of them, and who may go past it?
//!
//! Invariant: an environment is under control where our rule is enabled, or where every job that names it asks through the
//! Action; it is enough of one, and each closes a hole of the other.

use super::workflow::Gates;
use super::{Findings, Place};
use crate::settings::{Scope, same_environment};
use serde::Deserialize;

/// A production environment as it is.
pub(super) struct Environment {
    pub(super) name: String,
    /// Whether our rule is enabled; `None` where that cannot be read.
    pub(super) rule: Option<bool>,
    administrators_bypass: Option<bool>,
    branches: Branches,
}

/// Which branches may deploy there.
enum Branches {
    Any,
    Protected,
    Named,
}

#[derive(Deserialize)]
struct EnvironmentsPayload {
    environments: Vec<EnvironmentPayload>,
}

#[derive(Deserialize)]
struct EnvironmentPayload {
    name: String,
    can_admins_bypass: Option<bool>,
    deployment_branch_policy: Option<PolicyPayload>,
}

#[derive(Deserialize)]
struct PolicyPayload {
    protected_branches: bool,
}

#[derive(Deserialize)]
struct RulesPayload {
    #[serde(default)]
    custom_deployment_protection_rules: Vec<RulePayload>,
}

#[derive(Deserialize)]
struct RulePayload {
    enabled: bool,
    app: Option<AppPayload>,
}

#[derive(Deserialize)]
struct AppPayload {
    id: u64,
}

/// Reads the production environments of a repository, in all their spellings.
pub(super) async fn read(place: &Place<'_>, scope: &Scope, here: &mut Findings<'_>) -> Vec<Environment> {
    let mut listed: Vec<EnvironmentPayload> = Vec::new();
    let path = place.path("/environments?per_page=100");
    let read = place
        .client
        .get_pages::<EnvironmentsPayload>(&path, |page| {
            listed.extend(page.environments);
            true
        })
        .await;
    if let Err(error) = read {
        here.unread("the environments", &error);
        return Vec::new();
    }
    let (ours, others): (Vec<_>, Vec<_>) = listed.into_iter().partition(|one| scope.covers(&one.name));
    for named in &scope.environments {
        if !ours.iter().any(|one| same_environment(&one.name, named)) {
            here.broken(
                "environment-missing",
                format!("there is no environment `{named}`: what deploys without naming one is not seen"),
                "Make the environment, and name it in the jobs that deploy",
            );
        }
    }
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|one| one.name.as_str()).collect();
        here.holds("environments-outside", format!("outside of every scope, and so not judged: {}", names.join(", ")));
    }
    let mut environments = Vec::new();
    for one in ours {
        let rule = enabled(place, &one.name, here).await;
        let branches = match one.deployment_branch_policy {
            None => Branches::Any,
            Some(policy) if policy.protected_branches => Branches::Protected,
            Some(_) => Branches::Named,
        };
        environments.push(Environment { name: one.name, rule, administrators_bypass: one.can_admins_bypass, branches });
    }
    environments
}

async fn enabled(place: &Place<'_>, name: &str, here: &mut Findings<'_>) -> Option<bool> {
    let escaped: String = name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    let path = place.path(&format!("/environments/{escaped}/deployment_protection_rules"));
    match place.client.get::<RulesPayload>(&path).await {
        Ok(rules) => {
            let ours = place.client.app_id();
            let rules = rules.custom_deployment_protection_rules;
            Some(rules.iter().any(|rule| rule.enabled && rule.app.as_ref().is_some_and(|app| app.id == ours)))
        }
        Err(error) => {
            here.unread(&format!("the protection rules of `{name}`"), &error);
            None
        }
    }
}

/// Says how the environments stand, now that it is known how jobs deploy to them.
pub(super) fn examine(place: &Place<'_>, environments: &[Environment], gates: &Gates, here: &mut Findings<'_>) {
    for environment in environments {
        let name = &environment.name;
        let gated = gates.everywhere(name);
        match environment.rule {
            Some(true) => here.holds("rule-enabled", format!("`{name}` asks our rule")),
            Some(false) if gated => here.weak(
                "rule-not-enabled",
                format!("`{name}` does not ask our rule; every job that names it asks by itself"),
                "Enable the App as a deployment protection rule too, where GitHub offers it: jobs can be changed",
            ),
            Some(false) => here.broken(
                "rule-not-enabled",
                format!("`{name}` does not ask our rule, and not every job that names it asks by itself"),
                "Enable the App as a deployment protection rule of the environment, or put the Action into its jobs",
            ),
            None if gated => {}
            None => here.unknown(
                "rule-unseen",
                format!("whether `{name}` asks our rule cannot be seen"),
                "Look again; see the App's permission actions: read",
            ),
        }
        if environment.rule == Some(true) && environment.administrators_bypass != Some(false) {
            let what = format!("administrators may deploy to `{name}` past our rule");
            let remedy = "Do not allow administrators to bypass the protection rules of the environment";
            if gated {
                here.weak("administrators-bypass", format!("{what}; its jobs ask by themselves all the same"), remedy);
            } else {
                here.broken("administrators-bypass", what, remedy);
            }
        }
        match environment.branches {
            Branches::Named => {}
            Branches::Any => here.weak(
                "branches-open",
                format!("any branch or tag may ask to deploy to `{name}`: what is not on `{}` is denied", place.branch),
                format!("Allow `{}` (and release tags) only", place.branch),
            ),
            // https://docs.github.com/en/actions/reference/workflows-and-actions/deployments-and-environments
            Branches::Protected => here.weak(
                "branches-protected",
                format!("`{name}` takes protected branches only: where no branch is protected, that is every branch"),
                format!("Name `{}` instead", place.branch),
            ),
        }
    }
}
