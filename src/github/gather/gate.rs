//! What one query tells at a gate: where the production branch is, what the environment asks for and who approved, the
//! deployment, and the repository's own rules. Only the run itself is read beside it.
//!
//! Invariant: all of it is read anew for every decision, and nothing in it stands for something that was left out.
//! Fields: <https://docs.github.com/en/graphql/reference/objects#workflowrun>, `#environment`, `#deployment`.

use super::line::{Tip, tip_of};
use super::{Look, own_rules};
use crate::github::client::GitHubError;
use crate::github::node::{DatabaseId, PageInfo, UserNode, Who};
use crate::github::query;
use crate::settings::same_environment;
use countersign_core::domain::{Account, CommitSha, DeploymentId, DeploymentRecord, RunId, StartingPoint};
use countersign_core::policy::OwnFile;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What is asked about.
pub(super) struct Asked<'a> {
    /// The run, and its node.
    pub(super) run: (RunId, &'a str),
    pub(super) environment: &'a str,
    /// The deployment, and its node, where they are known.
    pub(super) deployment: Option<(DeploymentId, &'a str)>,
    pub(super) start: Option<&'a StartingPoint>,
    pub(super) target: &'a CommitSha,
}

/// What GitHub said at a gate before it was known for certain what is to be asked.
pub struct Ahead {
    asked: Value,
    said: Result<GateAnswer, GitHubError>,
}

/// What GitHub says at a gate.
pub struct GateAnswer {
    /// The repository's default branch.
    pub default_branch: String,
    /// The rules of the repository's own, of what runs now and of what would.
    pub own_rules: Vec<OwnFile>,
    /// Where the production branch is; `None` where there is none.
    pub(super) tip: Option<Tip>,
    /// Whether the environment asks for an approval.
    pub(super) approval_asked: bool,
    /// Who approved it for this run, in whatever attempt.
    pub(super) approved_by: Vec<Option<Account>>,
    /// The deployment, where its node was known.
    pub(super) record: Option<DeploymentRecord>,
    /// What was not shown whole.
    pub(super) missing: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    repository: Option<RepositoryNode>,
    run: Option<RunNode>,
    deployment: Option<DeploymentNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryNode {
    database_id: Option<u64>,
    default_branch_ref: Option<Value>,
    #[serde(rename = "ref")]
    reference: Option<Value>,
    environment: Option<EnvironmentNode>,
    now: Value,
    now_rules: Value,
    then: Value,
    then_rules: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvironmentNode {
    protection_rules: Whole<RuleNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whole<T> {
    page_info: PageInfo,
    nodes: Vec<T>,
}

#[derive(Deserialize)]
struct RuleNode {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunNode {
    deployment_reviews: Option<Whole<ReviewNode>>,
}

#[derive(Deserialize)]
struct ReviewNode {
    state: String,
    user: Option<UserNode>,
    environments: Whole<EnvironmentName>,
}

#[derive(Deserialize)]
struct EnvironmentName {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeploymentNode {
    database_id: Option<u64>,
    commit_oid: Option<String>,
    creator: Option<Who>,
    repository: Option<DatabaseId>,
}

/// Asks GitHub about an attempt to deploy; what was asked ahead counts where the very same was asked.
pub(super) async fn read(look: &Look<'_>, asked: &Asked<'_>, ahead: Option<Ahead>) -> Result<GateAnswer, GitHubError> {
    let variables = variables(look, asked);
    match ahead.filter(|ahead| ahead.asked == variables) {
        Some(ahead) => ahead.said,
        None => ask(look, asked, variables).await,
    }
}

/// Asks before it is known for certain what is to be asked.
pub(super) async fn read_ahead(look: &Look<'_>, asked: &Asked<'_>) -> Ahead {
    let variables = variables(look, asked);
    Ahead { said: ask(look, asked, variables.clone()).await, asked: variables }
}

fn branch_named<'a>(look: &Look<'a>) -> Option<&'a str> {
    look.scope().and_then(|scope| scope.production_branch.as_deref())
}

fn variables(look: &Look<'_>, asked: &Asked<'_>) -> Value {
    let named = branch_named(look);
    let target = asked.target.as_str();
    let now = asked.start.map_or(target, |start| start.commit().as_str());
    look.variables([
        ("run", json!(asked.run.1)),
        ("environment", json!(asked.environment.trim())),
        ("branch", json!(format!("refs/heads/{}", named.unwrap_or_default()))),
        ("named", json!(named.is_some())),
        ("deployment", json!(asked.deployment.map_or("", |(_, node)| node))),
        ("deployed", json!(asked.deployment.is_some())),
        ("now", json!(now)),
        ("nowRules", json!(own_rules::expression(now))),
        ("then", json!(target)),
        ("thenRules", json!(own_rules::expression(target))),
    ])
}

async fn ask(look: &Look<'_>, asked: &Asked<'_>, variables: Value) -> Result<GateAnswer, GitHubError> {
    let answer: Answer = from(look.client.graphql(&query::gate(), variables).await?)?;
    let repository = answer.repository.filter(|node| node.database_id == Some(look.repository.id.0));
    let Some(repository) = repository else {
        return Err(GitHubError::NotFound(format!("repository {} under this name", look.repository.id)));
    };
    let Some(environment) = repository.environment else {
        return Err(GitHubError::NotFound(format!("environment {}", asked.environment)));
    };
    let mut missing = Vec::new();
    if environment.protection_rules.page_info.has_next_page {
        missing.push("all that the environment asks for".to_owned());
    }
    let reviews = answer.run.and_then(|run| run.deployment_reviews);
    let reviews = reviews.ok_or_else(|| GitHubError::NotFound(format!("run {}", asked.run.0)))?;
    let cut_short = |review: &ReviewNode| review.environments.page_info.has_next_page;
    if reviews.page_info.has_next_page || reviews.nodes.iter().any(cut_short) {
        missing.push("everyone who approved the environment".to_owned());
    }
    let approved = reviews.nodes.into_iter().filter(|review| {
        let here = review.environments.nodes.iter().any(|named| same_environment(&named.name, asked.environment));
        here && review.state == "APPROVED"
    });
    let default = repository.default_branch_ref.unwrap_or_default();
    let name = default.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let tip = tip_of(if branch_named(look).is_some() { repository.reference.unwrap_or_default() } else { default })?;
    let own_rules = [(repository.now, repository.now_rules), (repository.then, repository.then_rules)];
    Ok(GateAnswer {
        default_branch: name,
        own_rules: own_rules.into_iter().flat_map(|(commit, rules)| own_rules::of_revision(&commit, rules)).collect(),
        tip,
        approval_asked: environment.protection_rules.nodes.iter().any(|rule| rule.kind == "REQUIRED_REVIEWERS"),
        approved_by: approved.map(|review| review.user.as_ref().and_then(UserNode::account)).collect(),
        record: asked.deployment.map(|(id, _)| record(look, id, answer.deployment)).transpose()?,
        missing,
    })
}

/// The deployment as GitHub records it.
fn record(look: &Look<'_>, id: DeploymentId, node: Option<DeploymentNode>) -> Result<DeploymentRecord, GitHubError> {
    let here = |node: &DeploymentNode| {
        // A number that is too large for GraphQL is shown as none.
        node.database_id.is_none_or(|shown| shown == id.0)
            && node.repository.as_ref().and_then(|repository| repository.database_id) == Some(look.repository.id.0)
    };
    let node = node.filter(here).ok_or_else(|| GitHubError::NotFound(format!("deployment {id}")))?;
    let commit = node.commit_oid.ok_or_else(|| GitHubError::Unreadable("a deployment without a commit".to_owned()))?;
    let creator = node.creator.as_ref().and_then(Who::account);
    Ok(DeploymentRecord { id, commit: CommitSha::new(commit), creator })
}

fn from<T: DeserializeOwned>(value: Value) -> Result<T, GitHubError> {
    serde_json::from_value(value).map_err(|error| GitHubError::Unreadable(error.to_string()))
}
