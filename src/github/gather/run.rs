//! A workflow run and its attempts, read from the API: deliveries and tokens are not believed about who started it.

use super::Look;
use crate::github::client::GitHubError;
use crate::github::event::AccountPayload;
use countersign_core::domain::{Attempt, CommitSha, RepositoryId, Run, RunAttempt, RunId};
use serde::Deserialize;

#[derive(Deserialize)]
struct RunPayload {
    id: u64,
    event: String,
    head_branch: Option<String>,
    head_sha: String,
    head_repository: Option<Id>,
    path: String,
    run_attempt: u64,
    actor: Option<AccountPayload>,
    triggering_actor: Option<AccountPayload>,
    check_suite_node_id: Option<String>,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

/// A run, and the node of the check suite that holds its jobs.
pub struct GatheredRun {
    /// The run.
    pub run: Run,
    /// The check suite's GraphQL id.
    pub check_suite: Option<String>,
}

/// Reads the latest attempt of a run, and the first one where there were several.
pub async fn gather(look: &Look<'_>, run: RunId) -> Result<GatheredRun, GitHubError> {
    let latest: RunPayload = look.client.get(&look.path(&format!("/actions/runs/{run}"))).await?;
    let check_suite = latest.check_suite_node_id.clone();
    let this = attempt_of(&latest);
    let first = if latest.run_attempt <= 1 {
        this.clone()
    } else {
        attempt_of(&look.client.get(&look.path(&format!("/actions/runs/{run}/attempts/1"))).await?)
    };
    let run = Run {
        id: RunId(latest.id),
        event: latest.event,
        head_branch: latest.head_branch,
        head_commit: CommitSha::new(latest.head_sha),
        head_repository: latest.head_repository.map(|repository| RepositoryId(repository.id)),
        path: latest.path,
        first,
        this,
    };
    Ok(GatheredRun { run, check_suite })
}

/// Reads one attempt of a run.
pub async fn attempt(look: &Look<'_>, gathered: &GatheredRun, number: RunAttempt) -> Result<Attempt, GitHubError> {
    let run = &gathered.run;
    if let Some(known) = [&run.this, &run.first].into_iter().find(|attempt| attempt.number == number) {
        return Ok(known.clone());
    }
    Ok(attempt_of(&look.client.get(&look.path(&format!("/actions/runs/{}/attempts/{number}", run.id))).await?))
}

fn attempt_of(payload: &RunPayload) -> Attempt {
    Attempt {
        number: RunAttempt(payload.run_attempt),
        actor: payload.actor.clone().map(AccountPayload::account),
        triggering_actor: payload.triggering_actor.clone().map(AccountPayload::account),
    }
}
