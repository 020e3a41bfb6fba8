//! How a deployment went: the very job that deployed, read from the attempt's jobs.
//!
//! Invariant: a deployment status is never believed, since anyone with write access can post one.

use super::Look;
use super::run::GatheredRun;
use crate::github::client::GitHubError;
use crate::github::query;
use crate::store::record::respelled;
use countersign_core::domain::{DeploymentId, RunAttempt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<DeployingJob>,
}

/// The job that makes a deployment.
#[derive(Deserialize)]
pub struct DeployingJob {
    id: u64,
    status: String,
    conclusion: Option<String>,
    runner_id: Option<u64>,
    #[serde(default)]
    completed_at: Option<String>,
}

impl DeployingJob {
    /// How it ended, as GitHub names it; `None` while it has not.
    pub fn conclusion(&self) -> Option<&str> {
        self.conclusion.as_deref().filter(|_| self.status == "completed")
    }

    /// When it ended, by GitHub's clock.
    pub fn ended_at(&self) -> Option<String> {
        self.completed_at.as_deref().and_then(respelled)
    }

    /// Whether it is running: no rule holds it back any more.
    pub fn runs(&self) -> bool {
        self.status == "in_progress"
    }

    /// Whether it ended well.
    pub fn succeeded(&self) -> bool {
        self.conclusion() == Some("success")
    }

    /// Whether it ended otherwise, but on a runner: what was held back or turned away never had one.
    pub fn ran_and_failed(&self) -> bool {
        self.conclusion().is_some_and(|conclusion| conclusion != "success") && self.runner_id.is_some_and(|id| id > 0)
    }
}

/// The job that each of `deployments` belongs to, in an attempt of the run; `None` while it has not begun, and where
/// GitHub ties no job of the attempt to it.
pub async fn gather(
    look: &Look<'_>,
    gathered: &GatheredRun,
    attempt: RunAttempt,
    deployments: &[DeploymentId],
) -> Result<Vec<Option<DeployingJob>>, GitHubError> {
    let mut jobs: BTreeMap<u64, DeployingJob> = BTreeMap::new();
    let path = look.path(&format!("/actions/runs/{}/attempts/{attempt}/jobs?per_page=100", gathered.run.id));
    look.client
        .get_pages::<Jobs>(&path, |page| {
            jobs.extend(page.jobs.into_iter().map(|job| (job.id, job)));
            true
        })
        .await?;
    jobs.retain(|_, job| ["completed", "in_progress"].contains(&job.status.as_str()));
    let deploying = match &gathered.check_suite {
        Some(suite) if !jobs.is_empty() => check_runs(look, suite, deployments).await?,
        _ => BTreeMap::new(),
    };
    Ok(deployments.iter().map(|deployment| jobs.remove(deploying.get(deployment)?)).collect())
}

/// The check runs that GitHub ties to deployments, in all pages of the suite: the id of each is the job's.
pub(super) async fn check_runs(
    look: &Look<'_>,
    suite: &str,
    deployments: &[DeploymentId],
) -> Result<BTreeMap<DeploymentId, u64>, GitHubError> {
    tied(look, suite, |found| deployments.iter().all(|deployment| found.contains_key(deployment))).await
}

/// The check runs of a suite by the deployments that GitHub ties to them, read until there are enough.
pub(super) async fn tied(
    look: &Look<'_>,
    suite: &str,
    enough: impl Fn(&BTreeMap<DeploymentId, u64>) -> bool,
) -> Result<BTreeMap<DeploymentId, u64>, GitHubError> {
    let mut found = BTreeMap::new();
    let mut after = Value::Null;
    loop {
        let data = look.client.graphql(query::DEPLOYING_JOBS, json!({"suite": suite, "after": after})).await?;
        let checks = data.pointer("/node/checkRuns/nodes").and_then(Value::as_array);
        for check in checks.into_iter().flatten() {
            let of = check.pointer("/deployment/databaseId").and_then(Value::as_u64).map(DeploymentId);
            if let (Some(of), Some(id)) = (of, check.get("databaseId").and_then(Value::as_u64)) {
                found.insert(of, id);
            }
        }
        let more = data.pointer("/node/checkRuns/pageInfo/hasNextPage").and_then(Value::as_bool) == Some(true);
        let cursor = data.pointer("/node/checkRuns/pageInfo/endCursor").filter(|cursor| cursor.is_string());
        match cursor {
            Some(cursor) if more && !enough(&found) && *cursor != after => after = cursor.clone(),
            _ => return Ok(found),
        }
    }
}
