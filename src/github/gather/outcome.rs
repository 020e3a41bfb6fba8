//! How a deployment went: the very job that deployed, read from the attempt's jobs.
//!
//! Invariant: a deployment status is never believed, since anyone with write access can post one.

use super::Look;
use super::run::GatheredRun;
use crate::github::client::GitHubError;
use crate::github::query;
use countersign_core::domain::{DeploymentId, RunAttempt};
use serde::Deserialize;
use serde_json::{Value, json};

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
}

impl DeployingJob {
    /// How it ended, as GitHub names it; `None` while it has not.
    pub fn conclusion(&self) -> Option<&str> {
        self.conclusion.as_deref().filter(|_| self.status == "completed")
    }

    /// Whether it runs or has succeeded: nothing holds it back any more.
    pub fn proceeded(&self) -> bool {
        self.status == "in_progress" || self.conclusion() == Some("success")
    }

    /// Whether it ended otherwise, but on a runner: what was held back or turned away never had one.
    pub fn ran_and_failed(&self) -> bool {
        self.conclusion().is_some_and(|conclusion| conclusion != "success") && self.runner_id.is_some_and(|id| id > 0)
    }
}

/// The job that `deployment` belongs to, in an attempt of the run; `None` while it has not begun, and where GitHub ties
/// no job of the attempt to it.
pub async fn gather(
    look: &Look<'_>,
    gathered: &GatheredRun,
    attempt: RunAttempt,
    deployment: DeploymentId,
) -> Result<Option<DeployingJob>, GitHubError> {
    let mut jobs = Vec::new();
    let path = look.path(&format!("/actions/runs/{}/attempts/{attempt}/jobs?per_page=100", gathered.run.id));
    look.client
        .get_pages::<Jobs>(&path, |page| {
            jobs.extend(page.jobs);
            true
        })
        .await?;
    jobs.retain(|job| ["completed", "in_progress"].contains(&job.status.as_str()));
    if jobs.is_empty() {
        return Ok(None);
    }
    let Some(suite) = &gathered.check_suite else { return Ok(None) };
    let Some(deploying) = check_run(look, suite, deployment).await? else { return Ok(None) };
    Ok(jobs.into_iter().find(|job| job.id == deploying))
}

/// The check run that GitHub ties to a deployment, in all pages of the suite: its id is the job's.
async fn check_run(look: &Look<'_>, suite: &str, deployment: DeploymentId) -> Result<Option<u64>, GitHubError> {
    let mut after = Value::Null;
    loop {
        let data = look.client.graphql(query::DEPLOYING_JOBS, json!({"suite": suite, "after": after})).await?;
        let checks = data.pointer("/node/checkRuns/nodes").and_then(Value::as_array);
        let tied = checks.into_iter().flatten().find_map(|check| {
            let of = check.pointer("/deployment/databaseId")?.as_u64()?;
            (of == deployment.0).then(|| check.get("databaseId")?.as_u64())?
        });
        let more = data.pointer("/node/checkRuns/pageInfo/hasNextPage").and_then(Value::as_bool) == Some(true);
        let cursor = data.pointer("/node/checkRuns/pageInfo/endCursor").filter(|cursor| cursor.is_string());
        match (tied, cursor) {
            (None, Some(cursor)) if more && *cursor != after => after = cursor.clone(),
            (tied, _) => return Ok(tied),
        }
    }
}
