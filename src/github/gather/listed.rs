//! A deployment as GitHub shows it, and what is said of it: by its statuses, and by the job that it is tied to.
//!
//! Invariant: what a status says is a claim, since anyone with write access can post one. Only a check run that GitHub ties
//! to the deployment makes it a job's.

use super::{Look, outcome};
use crate::github::client::GitHubError;
use crate::github::event::AccountPayload;
use crate::settings::same_environment;
use countersign_core::domain::{Account, DeploymentId, RunAttempt, RunId};
use serde::Deserialize;
use std::collections::BTreeSet;

/// States of a status that say that something ran. `inactive` follows a success.
const RAN: [&str; 5] = ["in_progress", "success", "failure", "error", "inactive"];

/// A deployment as REST shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct DeploymentPayload {
    /// Its id.
    pub id: u64,
    /// The commit it names.
    pub sha: String,
    /// The environment it is in now.
    pub environment: String,
    /// The environment it was made for: a status can move it to another.
    #[serde(default)]
    original_environment: Option<String>,
    creator: Option<AccountPayload>,
    /// When it was created, as GitHub spells it.
    #[serde(default)]
    pub created_at: String,
}

impl DeploymentPayload {
    /// Whether it is, or was made, for an environment.
    pub fn is_in(&self, environment: &str) -> bool {
        let made_for = self.original_environment.as_deref().unwrap_or_default();
        same_environment(environment, &self.environment) || same_environment(environment, made_for)
    }

    /// Who created it.
    pub fn creator(&self) -> Option<Account> {
        self.creator.clone().map(AccountPayload::account)
    }
}

#[derive(Deserialize)]
struct StatusPayload {
    state: String,
    creator: Option<AccountPayload>,
    #[serde(default)]
    log_url: Option<String>,
}

/// What is said of a deployment.
#[derive(Debug, Default)]
pub struct Claims {
    /// The states that say that something ran.
    pub ran: BTreeSet<String>,
    /// Who said so.
    pub by: Vec<Account>,
    /// Runs that its statuses point to: hints, no more.
    runs: BTreeSet<RunId>,
}

/// Reads a deployment.
pub async fn deployment(look: &Look<'_>, id: DeploymentId) -> Result<DeploymentPayload, GitHubError> {
    look.client.get(&look.path(&format!("/deployments/{id}"))).await
}

/// Reads all that its statuses say.
pub async fn claims(look: &Look<'_>, id: DeploymentId) -> Result<Claims, GitHubError> {
    let path = look.path(&format!("/deployments/{id}/statuses?per_page=100"));
    let mut claims = Claims::default();
    for status in look.client.get_all::<StatusPayload>(&path).await? {
        let run = status.log_url.as_deref().and_then(|url| url.split("/actions/runs/").nth(1));
        claims.runs.extend(run.and_then(|rest| rest.split('/').next()?.parse().ok()).map(RunId));
        if RAN.contains(&status.state.as_str()) {
            claims.ran.insert(status.state);
            let by = status.creator.map(AccountPayload::account);
            claims.by.extend(by.filter(|by| claims.by.iter().all(|known| known.id != by.id)));
        }
    }
    Ok(claims)
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<RunPayload>,
}

#[derive(Deserialize)]
struct RunPayload {
    id: u64,
    check_suite_node_id: Option<String>,
}

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<JobPayload>,
}

#[derive(Deserialize)]
struct JobPayload {
    id: u64,
    #[serde(default)]
    run_attempt: Option<u64>,
}

/// The run and the attempt whose job made a deployment: among those that its statuses point to, and those of its commit.
pub async fn made_by(
    look: &Look<'_>,
    one: &DeploymentPayload,
    claims: &Claims,
) -> Result<Option<(RunId, RunAttempt)>, GitHubError> {
    let mut runs = Vec::new();
    for run in &claims.runs {
        match look.client.get::<RunPayload>(&look.path(&format!("/actions/runs/{run}"))).await {
            Ok(run) => runs.push(run),
            Err(GitHubError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let path = look.path(&format!("/actions/runs?head_sha={}&per_page=100", one.sha));
    look.client
        .get_pages::<Runs>(&path, |page| {
            runs.extend(page.workflow_runs);
            true
        })
        .await?;
    let mut asked = BTreeSet::new();
    for run in runs {
        let Some(suite) = run.check_suite_node_id.filter(|_| asked.insert(run.id)) else { continue };
        let id = DeploymentId(one.id);
        let Some(job) = outcome::check_runs(look, &suite, &[id]).await?.remove(&id) else { continue };
        let path = look.path(&format!("/actions/runs/{}/jobs?filter=all&per_page=100", run.id));
        let mut attempt = None;
        look.client
            .get_pages::<Jobs>(&path, |page| {
                let here = page.jobs.into_iter().find(|one| one.id == job);
                attempt = attempt.or(here.and_then(|job| job.run_attempt));
                attempt.is_none()
            })
            .await?;
        if let Some(attempt) = attempt {
            return Ok(Some((RunId(run.id), RunAttempt(attempt))));
        }
    }
    Ok(None)
}
