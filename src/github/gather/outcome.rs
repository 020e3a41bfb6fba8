//! How a deployment ended: the conclusion of the very job that deployed, read from the attempt's jobs.
//!
//! Invariant: a deployment status is never believed, since anyone with write access can post one.

use super::Look;
use super::run::GatheredRun;
use crate::github::client::GitHubError;
use crate::github::query;
use countersign_core::domain::DeploymentId;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Job {
    id: u64,
    status: String,
    conclusion: Option<String>,
}

/// The conclusion of the job that `deployment` belongs to, in the run's latest attempt; `None` while it runs, and where
/// GitHub ties no job of the attempt to it.
pub async fn gather(
    look: &Look<'_>,
    gathered: &GatheredRun,
    deployment: DeploymentId,
) -> Result<Option<String>, GitHubError> {
    let run = &gathered.run;
    let mut jobs = Vec::new();
    let path = look.path(&format!("/actions/runs/{}/attempts/{}/jobs?per_page=100", run.id, run.this.number));
    look.client
        .get_pages::<Jobs>(&path, |page| {
            jobs.extend(page.jobs);
            true
        })
        .await?;
    if !jobs.iter().any(|job| job.status == "completed") {
        return Ok(None);
    }
    let Some(suite) = &gathered.check_suite else { return Ok(None) };
    let data = look.client.graphql(query::DEPLOYING_JOBS, json!({"suite": suite})).await?;
    let checks = data.pointer("/node/checkRuns/nodes").and_then(serde_json::Value::as_array);
    let deploying = checks.into_iter().flatten().find_map(|check| {
        let of = check.pointer("/deployment/databaseId")?.as_u64()?;
        (of == deployment.0).then(|| check.get("databaseId")?.as_u64())?
    });
    Ok(jobs
        .into_iter()
        .find(|job| Some(job.id) == deploying && job.status == "completed")
        .and_then(|job| job.conclusion))
}
