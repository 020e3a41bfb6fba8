//! Rulesets as REST and webhooks spell them.

use crate::model::{Repository, Ruleset, World, node_id, rfc3339};
use serde_json::{Value, json};

/// `repository-ruleset`; `with_bypass_actors` where the caller may write rulesets: others are not shown them.
pub fn repository_ruleset(world: &World, one: &Ruleset, with_bypass_actors: bool) -> Value {
    let source = world.upstream().map(Repository::full_name).unwrap_or_default();
    let api = format!("{}/repos/{source}/rulesets/{}", world.url, one.id);
    let mut shown = json!({
        "id": one.id,
        "name": one.name,
        "target": "branch",
        "source_type": "Repository",
        "source": source,
        "enforcement": if one.active { "active" } else { "disabled" },
        "node_id": node_id("RRS", one.id),
        "_links": {
            "self": {"href": api},
            "html": {"href": format!("{}/{source}/rules/{}", world.url, one.id)}
        },
        "conditions": {"ref_name": {"include": ["refs/heads/main"], "exclude": []}},
        "rules": rules(one),
        "created_at": rfc3339(one.created_at),
        "updated_at": rfc3339(one.updated_at)
    });
    if let (true, Value::Object(fields)) = (with_bypass_actors, &mut shown) {
        let admins = json!([{"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}]);
        let actors = if one.admins_bypass { admins } else { json!([]) };
        fields.insert("bypass_actors".to_owned(), actors);
        fields.insert("current_user_can_bypass".to_owned(), json!("never"));
    }
    shown
}

/// The rules of a ruleset.
fn rules(one: &Ruleset) -> Vec<Value> {
    let mut rules = Vec::new();
    if let Some(count) = one.required_approvals {
        rules.push(json!({"type": "pull_request", "parameters": {
            "required_approving_review_count": count,
            "dismiss_stale_reviews_on_push": false,
            "require_code_owner_review": false,
            "require_last_push_approval": false,
            "required_review_thread_resolution": false,
            "allowed_merge_methods": ["merge", "squash", "rebase"]
        }}));
    }
    if !one.required_checks.is_empty() {
        let checks: Vec<Value> = one
            .required_checks
            .iter()
            .map(|(context, app)| match app {
                Some(app) => json!({"context": context, "integration_id": app}),
                None => json!({"context": context}),
            })
            .collect();
        rules.push(json!({"type": "required_status_checks", "parameters": {
            "strict_required_status_checks_policy": false,
            "do_not_enforce_on_create": false,
            "required_status_checks": checks
        }}));
    }
    if one.no_force_push {
        rules.push(json!({"type": "non_fast_forward"}));
    }
    if one.merge_queue {
        rules.push(json!({"type": "merge_queue", "parameters": {
            "check_response_timeout_minutes": 60,
            "grouping_strategy": "ALLGREEN",
            "max_entries_to_build": 5,
            "max_entries_to_merge": 5,
            "merge_method": "MERGE",
            "min_entries_to_merge": 1,
            "min_entries_to_merge_wait_minutes": 0
        }}));
    }
    rules
}

/// `repository-rule-detailed`: the rules in force on `main`, each with the ruleset it comes from.
pub fn detailed_rules(world: &World, branch: &str) -> Vec<Value> {
    if branch != "main" {
        return Vec::new();
    }
    let source = world.upstream().map(Repository::full_name).unwrap_or_default();
    let of = |one: &Ruleset| {
        let from = json!({
            "ruleset_source_type": "Repository", "ruleset_source": source, "ruleset_id": one.id
        });
        rules(one).into_iter().map(move |rule| super::merged(rule, from.clone())).collect::<Vec<_>>()
    };
    world.rulesets.iter().filter(|one| one.active).flat_map(of).collect()
}
