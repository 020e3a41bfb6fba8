//! Runs, jobs, environments and deployments.

use super::{AccountId, Sha, Time};

/// An environment of the upstream repository.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// GitHub's own required reviewers; empty: no approval is asked.
    pub reviewers: Vec<AccountId>,
    /// Whether our deployment protection rule is enabled.
    pub rule_enabled: bool,
    /// The id of our rule on this environment.
    pub rule_id: u64,
    /// `can_admins_bypass`: whether administrators may deploy past the protection rules.
    pub admins_bypass: bool,
    /// Whether only branches and tags that it names may deploy (`custom_branch_policies`); else any may.
    pub named_branches_only: bool,
    /// When it was made.
    pub created_at: Time,
}

/// Where a run, attempt or job stands (`status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// `queued`.
    Queued,
    /// `waiting`: for a rule or an approval of the environment.
    Waiting,
    /// `in_progress`.
    InProgress,
    /// `completed`.
    Completed,
}

impl RunStatus {
    /// As REST writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
        }
    }
}

/// One workflow run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id; node id prefix `WFR`.
    pub id: u64,
    /// `run_number`.
    pub number: u64,
    /// `workflow_id`.
    pub workflow: u64,
    /// The workflow's name.
    pub name: String,
    /// The workflow's file: `.github/workflows/deploy.yml`.
    pub path: String,
    /// What started it: `push`, `workflow_dispatch`, …
    pub event: String,
    /// The branch or tag it runs for.
    pub head_branch: Option<String>,
    /// The full ref it runs for (`refs/heads/main`): what an OIDC token's `ref` claims.
    pub reference: String,
    /// The commit it runs.
    pub head_sha: Sha,
    /// The repository that commit comes from.
    pub head_repository: u64,
    /// GitHub Actions' check suite.
    pub check_suite: u64,
    /// Its attempts, first to last; never empty.
    pub attempts: Vec<Attempt>,
    /// Approvals of environments (`GET …/runs/{id}/approvals`), oldest first.
    pub approvals: Vec<Approval>,
    /// When it was created.
    pub created_at: Time,
}

impl Run {
    /// The latest attempt.
    pub fn latest(&self) -> Option<&Attempt> {
        self.attempts.last()
    }
}

/// One attempt of a run.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u64,
    /// `actor`: whose event it was.
    pub actor: AccountId,
    /// `triggering_actor`: who caused this attempt.
    pub triggering_actor: AccountId,
    /// Where it stands.
    pub status: RunStatus,
    /// How it ended.
    pub conclusion: Option<String>,
    /// Its jobs.
    pub jobs: Vec<Job>,
    /// When it started (`run_started_at`).
    pub started_at: Time,
    /// When anything about it changed.
    pub updated_at: Time,
}

/// One job of an attempt.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id, which is also that of its check run.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: RunStatus,
    /// How it ended.
    pub conclusion: Option<String>,
    /// The environment it deploys to.
    pub environment: Option<String>,
    /// The deployment it makes.
    pub deployment: Option<u64>,
    /// Whether our protection rule was asked for this attempt and has not approved yet.
    pub waits_for_rule: bool,
    /// Whether GitHub's own required review was asked for this attempt and is not given yet.
    pub waits_for_approval: bool,
    /// When it was created.
    pub created_at: Time,
    /// When it started to run.
    pub started_at: Option<Time>,
    /// When it ended.
    pub completed_at: Option<Time>,
}

/// Somebody answered GitHub's own required review of an environment.
#[derive(Debug, Clone)]
pub struct Approval {
    /// For which attempt it was given. REST shows no attempt here.
    pub attempt: u64,
    /// The environment.
    pub environment: String,
    /// Who.
    pub by: AccountId,
    /// Approved, else rejected.
    pub approved: bool,
    /// What they said.
    pub comment: String,
    /// When.
    pub at: Time,
}

/// One deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Its id; node id prefix `DE`.
    pub id: u64,
    /// The commit it names.
    pub sha: Sha,
    /// The branch, tag or commit it was asked for (`ref`).
    pub reference: String,
    /// The environment.
    pub environment: String,
    /// Who created it.
    pub creator: AccountId,
    /// The run that it belongs to.
    pub run: Option<u64>,
    /// The attempt of that run.
    pub attempt: u64,
    /// The job of that attempt.
    pub job: Option<u64>,
    /// Its statuses, oldest first.
    pub statuses: Vec<DeploymentStatus>,
    /// When it was created.
    pub created_at: Time,
}

/// One deployment status.
#[derive(Debug, Clone)]
pub struct DeploymentStatus {
    /// Its id.
    pub id: u64,
    /// `waiting`, `queued`, `in_progress`, `success`, `failure`, `error`, `inactive`.
    pub state: String,
    /// Who posted it; Actions' own are by `github-actions`.
    pub creator: AccountId,
    /// What it says.
    pub description: String,
    /// When.
    pub at: Time,
}

/// What an App answers to a deployment protection rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleState {
    /// The job may run, as far as this rule goes.
    Approved,
    /// The job fails.
    Rejected,
}

/// One time that our rule was asked about a job.
#[derive(Debug, Clone)]
pub struct RuleRequest {
    /// The run; the callback is `{url}/repos/acme/shop/actions/runs/{run}/deployment_protection_rule`.
    pub run: u64,
    /// The attempt.
    pub attempt: u64,
    /// The environment.
    pub environment: String,
    /// The deployment.
    pub deployment: u64,
    /// The answer so far.
    pub state: Option<RuleState>,
    /// Every note posted, oldest first (with or without a state).
    pub notes: Vec<String>,
}

/// One release.
#[derive(Debug, Clone)]
pub struct Release {
    /// Its id.
    pub id: u64,
    /// Its tag.
    pub tag: String,
    /// Who published it.
    pub author: AccountId,
    /// When.
    pub at: Time,
}
