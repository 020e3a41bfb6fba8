//! A workflow run and its attempts, read from the API: deliveries and tokens are not believed about who started it.
//! Next: `chain.rs`, for a run that another run started.

use super::{Look, recalled};
use crate::github::client::GitHubError;
use crate::github::event::AccountPayload;
use countersign_core::domain::{Attempt, CommitSha, RepositoryId, Run, RunAttempt, RunId};
use serde::Deserialize;
use time::OffsetDateTime;

/// One attempt of a run, as GitHub shows it (<https://docs.github.com/en/rest/actions/workflow-runs>).
#[derive(Clone, Deserialize)]
pub(super) struct RunPayload {
    pub(super) id: u64,
    /// The name of its workflow.
    pub(super) name: Option<String>,
    pub(super) event: String,
    pub(super) status: Option<String>,
    pub(super) head_branch: Option<String>,
    pub(super) head_sha: String,
    head_repository: Option<Id>,
    pub(super) path: String,
    pub(super) run_attempt: u64,
    pub(super) actor: Option<AccountPayload>,
    pub(super) triggering_actor: Option<AccountPayload>,
    check_suite_node_id: Option<String>,
    /// When the run was created: the same for all its attempts.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) created_at: OffsetDateTime,
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub(super) run_started_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) updated_at: OffsetDateTime,
    node_id: String,
}

#[derive(Clone, Deserialize)]
struct Id {
    id: u64,
}

/// A run, and what is needed to look further.
pub struct GatheredRun {
    /// The run.
    pub run: Run,
    /// The check suite's GraphQL id, which holds its jobs.
    pub check_suite: Option<String>,
    /// When it was created, by GitHub's clock.
    pub created_at: OffsetDateTime,
    /// The run's own GraphQL id.
    pub node: String,
}

/// Reads the latest attempt of a run, and the first one where there were several.
pub async fn gather(look: &Look<'_>, run: RunId) -> Result<GatheredRun, GitHubError> {
    let latest: RunPayload = look.client.get(&look.path(&format!("/actions/runs/{run}"))).await?;
    let (check_suite, created_at) = (latest.check_suite_node_id.clone(), latest.created_at);
    let node = latest.node_id.clone();
    Ok(GatheredRun { run: of(look, latest).await?, check_suite, created_at, node })
}

/// A run as of one of its attempts, with the first one beside it.
pub(super) async fn of(look: &Look<'_>, payload: RunPayload) -> Result<Run, GitHubError> {
    let this = attempt_of(&payload);
    let first = if payload.run_attempt <= 1 { this.clone() } else { attempt_of(&read(look, payload.id, 1).await?) };
    let mut run = Run {
        id: RunId(payload.id),
        event: payload.event,
        head_branch: payload.head_branch,
        head_commit: CommitSha::new(payload.head_sha),
        head_repository: payload.head_repository.map(|repository| RepositoryId(repository.id)),
        path: payload.path,
        first,
        this,
        followed: None,
    };
    recalled::run(look, &mut run).await?;
    Ok(run)
}

/// One attempt of a run.
pub(super) async fn read(look: &Look<'_>, run: u64, attempt: u64) -> Result<RunPayload, GitHubError> {
    look.client.get(&look.path(&format!("/actions/runs/{run}/attempts/{attempt}"))).await
}

/// Reads one attempt of a run.
pub async fn attempt(look: &Look<'_>, gathered: &GatheredRun, number: RunAttempt) -> Result<Attempt, GitHubError> {
    let run = &gathered.run;
    if let Some(known) = [&run.this, &run.first].into_iter().find(|attempt| attempt.number == number) {
        return Ok(known.clone());
    }
    Ok(attempt_of(&read(look, run.id.0, number.0).await?))
}

fn attempt_of(payload: &RunPayload) -> Attempt {
    Attempt {
        number: RunAttempt(payload.run_attempt),
        actor: payload.actor.clone().map(AccountPayload::account),
        triggering_actor: payload.triggering_actor.clone().map(AccountPayload::account),
    }
}
