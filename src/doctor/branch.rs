//! The production branch: is our check required, from our App and nobody else, and who may go past it?
//!
//! Invariant: a check that anybody may post is no control. Bypass lists are shown only to callers who may write the
//! ruleset (<https://docs.github.com/en/rest/repos/rules>): unseen is not empty.

use super::{Findings, Place};
use crate::github::GitHubError;
use crate::github::publish::CHECK;
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
struct RulePayload {
    #[serde(rename = "type")]
    kind: String,
    parameters: Option<serde_json::Value>,
    ruleset_id: Option<u64>,
}

#[derive(Deserialize)]
struct ChecksPayload {
    #[serde(default)]
    required_status_checks: Vec<CheckPayload>,
}

#[derive(Deserialize)]
struct CheckPayload {
    context: String,
    #[serde(alias = "app_id")]
    integration_id: Option<i64>,
}

#[derive(Deserialize)]
struct BranchPayload {
    protection: Option<ProtectionPayload>,
}

#[derive(Deserialize)]
struct ProtectionPayload {
    required_status_checks: Option<ClassicPayload>,
}

#[derive(Deserialize)]
struct ClassicPayload {
    enforcement_level: Option<String>,
    #[serde(default)]
    checks: Vec<CheckPayload>,
}

#[derive(Deserialize)]
struct RulesetPayload {
    name: String,
    bypass_actors: Option<Vec<BypassPayload>>,
}

#[derive(Deserialize)]
struct BypassPayload {
    actor_id: Option<u64>,
    actor_type: String,
    bypass_mode: Option<String>,
}

pub(super) async fn examine(place: &Place<'_>, here: &mut Findings<'_>) {
    let branch = place.branch;
    let name = branch.replace('%', "%25").replace('#', "%23").replace('?', "%3F");
    let rules = place.client.get_all::<RulePayload>(&place.path(&format!("/rules/branches/{name}?per_page=100"))).await;
    let rules = match rules {
        Ok(rules) => rules,
        Err(error) => return here.unread(&format!("the rules of `{branch}`"), &error),
    };
    let classic = place.client.get::<BranchPayload>(&place.path(&format!("/branches/{name}"))).await;
    let classic = match classic {
        Ok(found) => found.protection.and_then(|protection| protection.required_status_checks),
        Err(GitHubError::NotFound(_)) => {
            return here.broken(
                "branch-missing",
                format!("there is no branch `{branch}`"),
                "Name the production branch under [[scope]]",
            );
        }
        Err(error) => {
            here.unread(&format!("the branch `{branch}`"), &error);
            None
        }
    };
    let of_rulesets = rules.iter().filter(|rule| rule.kind == "required_status_checks").flat_map(|rule| {
        let checks = rule.parameters.clone().and_then(|it| serde_json::from_value::<ChecksPayload>(it).ok());
        checks.map(|checks| checks.required_status_checks).unwrap_or_default()
    });
    let in_force = classic.iter().filter(|classic| classic.enforcement_level.as_deref() != Some("off"));
    let everyone = in_force.clone().all(|classic| classic.enforcement_level.as_deref() == Some("everyone"));
    let by_ruleset: Vec<CheckPayload> = of_rulesets.collect();
    let by_classic: Vec<&CheckPayload> = in_force.flat_map(|classic| &classic.checks).collect();
    required(place, &by_ruleset, &by_classic, everyone, here);
    let rulesets: BTreeSet<u64> = rules.iter().filter_map(|rule| rule.ruleset_id).collect();
    for id in rulesets {
        bypass(place, id, here).await;
    }
}

fn required(
    place: &Place<'_>,
    by_ruleset: &[CheckPayload],
    by_classic: &[&CheckPayload],
    everyone: bool,
    here: &mut Findings<'_>,
) {
    let branch = place.branch;
    let ours = i64::try_from(place.client.app_id()).unwrap_or(-1);
    let bound = |check: &&CheckPayload| check.context == CHECK && check.integration_id == Some(ours);
    let remedy = format!("Require the check `{CHECK}` from this App in a ruleset of `{branch}`");
    if by_ruleset.iter().any(|check| bound(&check)) {
        here.holds("check-required", format!("`{branch}` requires our check, from our App"));
    } else if by_classic.iter().any(bound) {
        here.holds("check-required", format!("the protection of `{branch}` requires our check, from our App"));
        if !everyone {
            here.weak(
                "administrators-bypass",
                format!("administrators may merge into `{branch}` past our check"),
                "Do not allow bypassing the branch protection: the deployment is judged all the same",
            );
        }
    } else if by_ruleset.iter().chain(by_classic.iter().copied()).any(|check| check.context == CHECK) {
        here.broken(
            "check-unbound",
            format!("`{branch}` requires a check named `{CHECK}` from anybody: whoever may write can post it"),
            format!("Choose this App as its source in the ruleset of `{branch}`"),
        );
    } else {
        here.broken("check-not-required", format!("`{branch}` does not require our check"), remedy);
    }
}

/// Who may go past a ruleset.
async fn bypass(place: &Place<'_>, id: u64, here: &mut Findings<'_>) {
    let path = place.path(&format!("/rulesets/{id}"));
    let mut seen = place.client.get::<RulesetPayload>(&path).await;
    if let Some(person) = place.person
        && seen.as_ref().map_or(true, |ruleset| ruleset.bypass_actors.is_none())
        && let Ok(shown) = person.get::<RulesetPayload>(&path).await
    {
        seen = Ok(shown);
    }
    let ruleset = match seen {
        Ok(ruleset) => ruleset,
        Err(error) => return here.unread(&format!("ruleset {id}"), &error),
    };
    let name = &ruleset.name;
    match ruleset.bypass_actors {
        None => here.unknown(
            "bypass-unseen",
            format!("who may go past the ruleset `{name}` cannot be seen: GitHub shows it to those who may change it"),
            "Look with --token of somebody who may, or look at the ruleset's page",
        ),
        Some(actors) if actors.is_empty() => {
            here.holds("bypass", format!("nobody may go past the ruleset `{name}`"));
        }
        Some(actors) => {
            let who: Vec<String> = actors.iter().map(described).collect();
            here.weak(
                "bypass",
                format!("may go past the ruleset `{name}`: {}", who.join(", ")),
                "Take them off the list, where they need not be: what they merge is denied at the deployment",
            );
        }
    }
}

fn described(actor: &BypassPayload) -> String {
    let who = match (actor.actor_type.as_str(), actor.actor_id) {
        // GitHub documents no ids of its own roles; these are what those who manage rulesets by program use
        ("RepositoryRole", Some(2)) => "everybody with the role maintain".to_owned(),
        ("RepositoryRole", Some(4)) => "everybody with the role write".to_owned(),
        ("RepositoryRole", Some(5)) => "repository administrators".to_owned(),
        ("OrganizationAdmin", _) => "owners of the organisation".to_owned(),
        ("DeployKey", _) => "deploy keys".to_owned(),
        (kind, Some(id)) => format!("{kind} {id}"),
        (kind, None) => kind.to_owned(),
    };
    match actor.bypass_mode.as_deref() {
        Some("pull_request") => format!("{who} (by pull request)"),
        _ => who,
    }
}
