//! What one deployment would put into production, and who starts it.

use super::{
    Account, Commit, CommitSha, DeploymentId, Exception, Landing, PullRequest, PullRequestNumber, Push, RepositoryId,
    RunAttempt, RunId,
};
use serde::{Deserialize, Serialize};

/// Who started one attempt of a run, as read from the attempt itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: RunAttempt,
    /// Whose event it was.
    pub actor: Option<Account>,
    /// Who caused this very attempt.
    pub triggering_actor: Option<Account>,
}

/// The workflow run that deploys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The event that started it, as GitHub names it.
    pub event: String,
    /// The branch or tag it runs for; `None` where GitHub shows none.
    pub head_branch: Option<String>,
    /// The commit it runs.
    pub head_commit: CommitSha,
    /// The repository that commit comes from; `None` where GitHub shows none.
    pub head_repository: Option<RepositoryId>,
    /// The path of the workflow file.
    pub path: String,
    /// The first attempt.
    pub first: Attempt,
    /// The attempt being judged (the first, where there was no re-run).
    pub this: Attempt,
    /// Of a run started by another run: that one, where GitHub's data tell which it was. Its `this` is the attempt that
    /// started the next run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed: Option<Box<Run>>,
}

impl Run {
    /// The run at the start of the chain: what somebody or something other than a run brought about.
    pub fn origin(&self) -> &Run {
        let mut run = self;
        while let Some(followed) = &run.followed {
            run = followed;
        }
        run
    }

    /// This run, the one it followed, and so on.
    pub fn chain(&self) -> impl Iterator<Item = &Run> {
        std::iter::successors(Some(self), |run| run.followed.as_deref())
    }
}

/// The deployment as GitHub records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    /// Its id.
    pub id: DeploymentId,
    /// The commit it names, which may differ from the run's.
    pub commit: CommitSha,
    /// Who created it.
    pub creator: Option<Account>,
}

/// GitHub's own required reviewers of the environment, for this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentApproval {
    /// Whether the environment asks for an approval; `None` where it could not be read.
    pub asked: Option<bool>,
    /// Who approved it for this attempt; `None` inside where GitHub shows nobody.
    pub given_by: Vec<Option<Account>>,
}

/// Where a release starts: what runs in production now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StartingPoint {
    /// The last deployment that was allowed here and succeeded.
    Deployed {
        /// Its commit.
        commit: CommitSha,
        /// The decision that allowed it.
        decision: String,
    },
    /// The settings' baseline.
    Baseline {
        /// Its commit.
        commit: CommitSha,
    },
}

impl StartingPoint {
    /// The commit that runs in production.
    pub fn commit(&self) -> &CommitSha {
        match self {
            Self::Deployed { commit, .. } | Self::Baseline { commit } => commit,
        }
    }
}

/// The first-parent line of the production branch, as far as this decision needs it.
///
/// Shape: `commits` runs from the tip (first) down to the starting point (last) when `reaches_start`. When the target
/// lies behind the starting point, `behind` runs from the starting point (first) down to the target (last).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// First parents from the tip of the production branch, newest first.
    pub commits: Vec<CommitSha>,
    /// Whether the starting point is the last of `commits`.
    pub reaches_start: bool,
    /// First parents from the starting point back to the target, both included; empty where the target is not behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<CommitSha>,
    /// How the branch moved over these commits.
    pub landings: Vec<Landing>,
}

/// One change between the starting point and the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeInRelease {
    /// Its commits on the first-parent line, oldest first; the last one stands for it.
    pub commits: Vec<CommitSha>,
    /// The movement of the branch that brought them; `None` where the activity list does not show it.
    pub landing: Option<Landing>,
    /// The pull request that landed them by GitHub's own merge; `None` for commits that came without one.
    pub pull_request: Option<PullRequest>,
    /// Others with the same head that GitHub shows as merged by the same commit, where nothing tells which of them was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<PullRequest>,
    /// Another pull request that the merge of this one contained, where it is that one which is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_as: Option<PullRequestNumber>,
    /// Without a pull request: the commits themselves, with everyone they name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bare_commits: Vec<Commit>,
    /// Who is known to have pushed these commits anywhere, without a pull request: each names the commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bare_pushes: Vec<Push>,
    /// Pull requests that GitHub shows as merged by this commit although a push put it there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown_as_merged: Vec<PullRequestNumber>,
    /// Of a change without a pull request: the tickets that its commits name; `None` where none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tickets: Option<Vec<String>>,
    /// What could not be read, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// What the run's own job asked for, as GitHub signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateRequest {
    /// The commits that the job names: the one in its token, and the one it is about to deploy.
    pub commits: Vec<CommitSha>,
    /// The event in its token.
    pub event: String,
    /// The digest of the artifact that is about to be deployed, where the job names one. No rule reads it: it is on record so
    /// that what was answered for an artifact can be attested from the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The decision that it presents as already made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presented: Option<Presented>,
}

/// A decision presented as already made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presented {
    /// Its id.
    pub decision: String,
    /// Whether it was made for this very run, attempt, environment, commit and artifact, has not expired, and was never
    /// presented before.
    pub holds: bool,
}

/// Everything a decision may see of one attempt to deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The environment, as GitHub spells it.
    pub environment: String,
    /// The deployment; `None` where the run has none yet.
    pub record: Option<DeploymentRecord>,
    /// The run and the attempt; `None` where a deployment came without one.
    pub run: Option<Run>,
    /// What the run's own job asked for; `None` where GitHub's rule asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<GateRequest>,
    /// The commit that would go into production.
    pub target: CommitSha,
    /// The environment's own approval.
    pub approval: EnvironmentApproval,
    /// What runs now; `None` where nothing was deployed under control and the settings name no baseline.
    pub start: Option<StartingPoint>,
    /// The production branch.
    pub line: Line,
    /// What allowed this very commit in this environment before: the id of a decision, or `baseline`.
    pub allowed_before: Option<String>,
    /// The changes from the starting point (exclusive) to the target, oldest first.
    pub changes: Vec<ChangeInRelease>,
    /// The exception in force when it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<Exception>,
    /// Exceptions here that nobody reviewed in time, where the settings let them hold back everything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overdue: Vec<String>,
    /// Accounts that can push to the repository; `None` where the list could not be read.
    pub writers: Option<Vec<Account>>,
    /// What could not be read, in words; anything here makes the facts incomplete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Set where the branch's history itself could not be read: nothing can be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_unavailable: Option<String>,
}
