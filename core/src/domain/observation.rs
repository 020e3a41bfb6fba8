//! What only a delivery (or the first look) knows: kept when first seen, because GitHub shows something else later.
//!
//! Invariant: an observation is never overwritten. The first one under a key wins.

use super::{
    Account, AccountId, CheckResult, CommitSha, DeploymentId, DrivingRun, PullRequestNumber, Push, ReviewId, Run,
    RunAttempt, RunId,
};
use serde::{Deserialize, Serialize};

/// One thing seen once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Observation {
    /// A branch moved.
    Pushed {
        /// The branch's name, without `refs/heads/`.
        branch: String,
        /// The movement.
        push: Push,
    },
    /// The head of a pull request moved (`synchronize`); of a fork's branch nothing else is ever seen.
    Synchronized {
        /// The pull request.
        number: PullRequestNumber,
        /// The movement.
        push: Push,
    },
    /// A pull request was opened.
    Opened {
        /// The pull request.
        number: PullRequestNumber,
        /// Its head then.
        head: CommitSha,
        /// Who opened it.
        by: Account,
        /// The place of its delivery among all that came.
        #[serde(default)]
        arrival: Option<u64>,
    },
    /// A push to some branch listed a commit: whoever pushed it there contributed to it wherever it goes.
    CommitListed {
        /// The commit.
        commit: CommitSha,
        /// Who pushed it.
        by: Option<Account>,
        /// Where the push left the branch. The push by which GitHub merged a pull request brings nothing to that one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        onto: Option<CommitSha>,
        /// The branch; `None` where it was a fork's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<String>,
    },
    /// An account was given write access.
    WriteGiven {
        /// The account.
        to: AccountId,
        /// Who gave it.
        by: Account,
        /// The place of its delivery among all that came: what came before a pull request was opened does not concern it.
        #[serde(default)]
        arrival: Option<u64>,
    },
    /// A review as a look at GitHub first showed it; a delivery, which says what it was submitted on, wins.
    ReviewSeen {
        /// The pull request.
        number: PullRequestNumber,
        /// The review.
        review: ReviewId,
        /// The commit it showed then.
        commit: CommitSha,
        /// Who gave it.
        by: Account,
    },
    /// A review was submitted: the commit it was given on, before anybody could re-point it.
    Reviewed {
        /// The pull request.
        number: PullRequestNumber,
        /// The review.
        review: ReviewId,
        /// The commit it was submitted on.
        commit: CommitSha,
        /// Who gave it.
        by: Account,
    },
    /// Whether a reviewer could push when the review was first looked at.
    CouldWrite {
        /// The pull request.
        number: PullRequestNumber,
        /// The review.
        review: ReviewId,
        /// The answer.
        could_write: bool,
    },
    /// A run was in progress when `github-actions[bot]` opened a pull request or pushed to it. It can be deleted once it is
    /// over, so what was ever seen of it is kept.
    RunInProgress {
        /// The pull request.
        number: PullRequestNumber,
        /// `opened`, or the commit that it pushed.
        act: String,
        /// The run.
        run: DrivingRun,
    },
    /// What had become of checks when a merged pull request was looked at first: what ends later comes too late for it.
    ChecksAtMerge {
        /// The pull request.
        number: PullRequestNumber,
        /// The names of the checks that were asked for.
        asked: Vec<String>,
        /// Their results.
        results: Vec<CheckResult>,
    },
    /// Which run another one followed, as it was first told: either can be run again or deleted.
    RunFollowed {
        /// The run.
        run: RunId,
        /// The one that it followed.
        followed: Box<Run>,
    },
    /// A deployment was created by a run's attempt.
    DeploymentCreated {
        /// The deployment.
        deployment: DeploymentId,
        /// The run.
        run: RunId,
        /// The attempt.
        attempt: RunAttempt,
        /// The environment.
        environment: String,
        /// The deployment's GraphQL id, where the delivery named it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<String>,
        /// The run's GraphQL id, where the delivery named it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run_node: Option<String>,
        /// The commit, where the delivery named it: to ask sooner, never to judge by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<CommitSha>,
    },
    /// GitHub asked our rule about an environment of a run.
    GateAsked {
        /// The run.
        run: RunId,
        /// The environment.
        environment: String,
        /// The deployment, where the delivery named it.
        deployment: Option<DeploymentId>,
        /// Its GraphQL id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<String>,
    },
    /// An environment was approved for a run's attempt.
    EnvironmentApproved {
        /// The run.
        run: RunId,
        /// The attempt.
        attempt: RunAttempt,
        /// The environment.
        environment: String,
        /// Who approved.
        by: Account,
    },
}

impl Observation {
    /// The same, with the place of its delivery among all that came, where that matters.
    #[must_use]
    pub fn arrived(mut self, place: u64) -> Self {
        if let Self::Opened { arrival, .. } | Self::WriteGiven { arrival, .. } = &mut self {
            *arrival = Some(place);
        }
        self
    }

    /// What it is about, for looking up all that is known of one thing: `branch:main`, `pull_request:7`, `run:5`.
    pub fn topic(&self) -> String {
        match self {
            Self::Pushed { branch, .. } => format!("branch:{branch}"),
            Self::CommitListed { commit, .. } => format!("commit:{commit}"),
            Self::WriteGiven { to, .. } => format!("account:{to}"),
            Self::Synchronized { number, .. }
            | Self::Opened { number, .. }
            | Self::ReviewSeen { number, .. }
            | Self::Reviewed { number, .. }
            | Self::RunInProgress { number, .. }
            | Self::ChecksAtMerge { number, .. }
            | Self::CouldWrite { number, .. } => format!("pull_request:{number}"),
            Self::RunFollowed { run, .. }
            | Self::DeploymentCreated { run, .. }
            | Self::GateAsked { run, .. }
            | Self::EnvironmentApproved { run, .. } => format!("run:{run}"),
        }
    }

    /// What makes it the same observation when it is seen again.
    pub fn key(&self) -> String {
        let somebody = |by: &Option<Account>| by.as_ref().map_or_else(|| "nobody".to_owned(), |by| by.id.to_string());
        let pusher = |push: &Push| somebody(&push.by);
        match self {
            Self::Pushed { push, .. } => format!("pushed:{}:{}:{}", push.before, push.after, pusher(push)),
            Self::Synchronized { push, .. } => {
                format!("synchronized:{}:{}:{}", push.before, push.after, pusher(push))
            }
            Self::Opened { .. } => "opened".to_owned(),
            Self::CommitListed { by, onto: None, .. } => format!("listed:{}", somebody(by)),
            Self::CommitListed { by, onto: Some(onto), .. } => format!("listed:{}:{onto}", somebody(by)),
            Self::WriteGiven { by, arrival, .. } => {
                format!("write_given:{}:{}", by.id, arrival.map_or_else(|| "unknown".to_owned(), |at| at.to_string()))
            }
            Self::Reviewed { review, .. } => format!("reviewed:{review}"),
            Self::ReviewSeen { review, .. } => format!("review_seen:{review}"),
            Self::CouldWrite { review, .. } => format!("could_write:{review}"),
            Self::RunInProgress { act, run, .. } => {
                format!("run:{act}:{}:{}:{}", run.run, somebody(&run.actor), somebody(&run.triggering_actor))
            }
            Self::ChecksAtMerge { asked, .. } => format!("checks_at_merge:{}", asked.join("\n")),
            Self::RunFollowed { .. } => "followed".to_owned(),
            Self::DeploymentCreated { deployment, .. } => format!("deployment:{deployment}"),
            Self::GateAsked { environment, deployment, .. } => {
                let deployment = deployment.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
                format!("asked:{environment}:{deployment}")
            }
            Self::EnvironmentApproved { attempt, environment, by, .. } => {
                format!("approved:{attempt}:{environment}:{}", by.id)
            }
        }
    }
}
