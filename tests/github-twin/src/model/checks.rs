//! Checks and statuses: what Apps and people say of a commit.

use super::{AccountId, Sha, Time};

/// Our App.
pub const APP_COUNTERSIGN: u64 = 4242;
/// GitHub Actions' App.
pub const APP_GITHUB_ACTIONS: u64 = 15_368;
/// Some other App that runs checks (step `ci`).
pub const APP_CI: u64 = 5_151;

/// One App's suite of checks on one pushed head.
#[derive(Debug, Clone)]
pub struct CheckSuite {
    /// Its id; node id prefix `CS`.
    pub id: u64,
    /// Whose: [`APP_COUNTERSIGN`], [`APP_GITHUB_ACTIONS`] or [`APP_CI`].
    pub app: u64,
    /// The commit.
    pub head_sha: Sha,
    /// The branch; `None` for a fork's.
    pub head_branch: Option<String>,
    /// What the branch pointed at before (`before`).
    pub before: Option<Sha>,
    /// The id of the [`super::Push`] that made GitHub create it; `None` for a fork's and where a check came without one.
    pub push: Option<u64>,
    /// When.
    pub created_at: Time,
}

/// One check run.
#[derive(Debug, Clone)]
pub struct CheckRun {
    /// Its id; node id prefix `CR`.
    pub id: u64,
    /// Whose.
    pub app: u64,
    /// The suite it belongs to.
    pub suite: u64,
    /// Its name: `Countersign`.
    pub name: String,
    /// The commit.
    pub head_sha: Sha,
    /// `queued`, `in_progress`, `completed`.
    pub status: String,
    /// `success`, `failure`, `neutral`, …: only when completed.
    pub conclusion: Option<String>,
    /// What the App calls it: for ours the id of the decision.
    pub external_id: Option<String>,
    /// Where to read more.
    pub details_url: Option<String>,
    /// `output.title`.
    pub title: Option<String>,
    /// `output.summary`.
    pub summary: Option<String>,
    /// `output.text`.
    pub text: Option<String>,
    /// Buttons, as the App sent them (`label`, `description`, `identifier`).
    pub actions: serde_json::Value,
    /// When it started.
    pub started_at: Time,
    /// When it completed.
    pub completed_at: Option<Time>,
}

/// One commit status.
#[derive(Debug, Clone)]
pub struct CommitStatus {
    /// Its id.
    pub id: u64,
    /// The commit.
    pub sha: Sha,
    /// `error`, `failure`, `pending`, `success`.
    pub state: String,
    /// Its name.
    pub context: String,
    /// What it says.
    pub description: Option<String>,
    /// Where to read more.
    pub target_url: Option<String>,
    /// Who posted it.
    pub creator: AccountId,
    /// When.
    pub at: Time,
}
