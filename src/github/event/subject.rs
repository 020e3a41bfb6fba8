//! What deliveries, and the sweep, ask to be looked at again.
//!
//! Invariant: subjects with the same key are one piece of work, whoever asked. Next: `worker.rs`.

use countersign_core::domain::{CommitSha, DeploymentId, PullRequestNumber, Repository, RunId};
use serde::{Deserialize, Serialize};

/// What to look at again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A pull request.
    PullRequest(PullRequestNumber),
    /// The open pull requests that were judged at this head.
    Head(CommitSha),
    /// A workflow run: the gates it waits at, and how its deployments ended.
    Run(RunId),
    /// A deployment that nobody showed us with a run.
    Deployment(DeploymentId),
    /// What the merge queue built and asks checks for.
    MergeGroup {
        /// The branch it would land on.
        base: String,
        /// Its head.
        head: CommitSha,
    },
    /// A movement of a branch: what landed by it.
    Branch {
        /// The branch.
        name: String,
        /// What it pointed at then.
        after: CommitSha,
    },
}

/// A subject: what to look at, where, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The repository.
    pub repository: Repository,
    /// The installation of the App that may look.
    pub installation: u64,
    /// The repository's default branch, as the delivery named it.
    pub default_branch: String,
    /// What.
    pub what: What,
}

impl Subject {
    /// Subjects with the same key are one piece of work.
    pub fn key(&self) -> String {
        let repository = self.repository.id;
        match &self.what {
            What::PullRequest(number) => format!("repository:{repository}/pull_request:{number}"),
            What::Head(head) => format!("repository:{repository}/head:{head}"),
            What::Run(run) => format!("repository:{repository}/run:{run}"),
            What::Deployment(id) => format!("repository:{repository}/deployment:{id}"),
            What::MergeGroup { head, .. } => format!("repository:{repository}/merge_group:{head}"),
            What::Branch { name, after } => format!("repository:{repository}/branch:{name}/{after}"),
        }
    }

    /// Deployments go before pull requests, pull requests before everything else.
    pub fn class(&self) -> u8 {
        match self.what {
            What::Run(_) => 0,
            What::PullRequest(_) | What::Head(_) | What::MergeGroup { .. } => 1,
            What::Branch { .. } | What::Deployment(_) => 2,
        }
    }
}
