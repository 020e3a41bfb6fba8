//! How REST and webhooks spell the things of the model: one place per published schema, complete as published.
//!
//! Invariant: every required field of the schema is there, so that no client of GitHub can tell the twin by what is
//! missing. Each function is named after the schema it builds. Next: `crate::rest::routes` (which call shows what).

mod account;
mod actions;
mod checks;
mod commit;
mod hook;
mod issue;
mod pull;
mod repository;
mod rules;

pub(crate) use account::prefix as account_prefix;
pub use account::{
    app_permissions, collaborator, installation, integration, organization_simple, simple_user, team, user,
};
pub use actions::{
    deployment, deployment_protection_rule, deployment_simple, deployment_status, environment, environment_approval,
    job, pending_deployment, workflow, workflow_run,
};
pub use checks::{check_run, check_suite, combined_status, status};
pub(crate) use checks::{deployment_of, suite_state};
pub use commit::{Compared, branch_with_protection, commit, commit_comparison, nullable_simple_commit, short_branch};
pub(crate) use commit::{commit_node_id, size_of_change};
pub use hook::{hook_config, hook_delivery, hook_delivery_item};
pub use issue::{issue, issue_of_pull};
pub use pull::{
    author_association, issue_comment, label, lower_case, pull_request, pull_request_minimal, pull_request_review,
    pull_request_simple, pulls_of_head,
};
pub use repository::{activity, content_file, full_repository, minimal_repository, repository};
pub use rules::{detailed_rules, repository_ruleset};

use serde_json::{Map, Value};

/// The fields of `base` and, over them, those of `more`.
pub(crate) fn merged(base: Value, more: Value) -> Value {
    match (base, more) {
        (Value::Object(mut base), Value::Object(more)) => {
            base.extend(more);
            Value::Object(base)
        }
        (base, _) => base,
    }
}

/// An object without the named fields.
pub(crate) fn without(value: Value, fields: &[&str]) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().filter(|(name, _)| !fields.contains(&name.as_str())).collect::<Map<_, _>>())
        }
        other => other,
    }
}
