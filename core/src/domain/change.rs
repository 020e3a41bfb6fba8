//! What lands on the production branch as one unit: pull requests, their commits, pushes and timeline.

use super::{Account, CommitSha, PullRequestNumber, RepositoryId, ReviewId, RunAttempt, RunId};
use serde::{Deserialize, Serialize};

/// Whom a commit names, and the account GitHub links to that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitIdentity {
    /// The linked account; `None` where GitHub links none.
    pub account: Option<Account>,
    /// The e-mail of the commit, lower case; kept only where no account is linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// One commit with everyone it names. Its dates are left out on purpose: they prove nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its id.
    pub oid: CommitSha,
    /// The id of its tree.
    pub tree: CommitSha,
    /// All parents, first parent first.
    pub parents: Vec<CommitSha>,
    /// Whom it names as author.
    pub author: CommitIdentity,
    /// Whom it names as committer.
    pub committer: CommitIdentity,
    /// GitHub itself committed it: account `web-flow`, with a valid signature that GitHub made.
    pub committed_by_github: bool,
    /// Whom its `Co-authored-by` trailers name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coauthors: Vec<CommitIdentity>,
    /// Of a merge that the judgement may hang on: whether it is mechanical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<MergeProof>,
}

/// Whether the tree of a merge is what a mechanical merge of its parents gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proof", rename_all = "snake_case")]
pub enum MergeProof {
    /// It is: recomputed on real objects.
    Mechanical,
    /// It is not: somebody changed something in it, or resolved a conflict.
    Differs,
    /// It could not be recomputed.
    Unproved {
        /// Why.
        why: String,
    },
}

/// How a push is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushSource {
    /// A `push` delivery.
    PushDelivery,
    /// A `pull_request` `synchronize` delivery.
    SynchronizeDelivery,
    /// `CheckSuite.push` of our own App's check suite.
    CheckSuite,
    /// The repository's activity list.
    ActivityList,
    /// A `push` delivery of any branch that lists the commit: it tells who pushed the commit, and nothing of how the head
    /// branch moved.
    CommitListed,
    /// The head named by the `opened` delivery of a pull request from a fork: pushes before it are in another
    /// repository, out of sight.
    OpenedFromFork,
}

/// One push to the head branch: `before` became `after`, and GitHub authenticated who did it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Push {
    /// What the branch pointed at; forty zeros where the push created it.
    pub before: CommitSha,
    /// What it pointed at then; forty zeros where the push deleted it.
    pub after: CommitSha,
    /// Who pushed; `None` where GitHub shows nobody (a deleted account, a deploy key).
    pub by: Option<Account>,
    /// How it is known.
    pub source: PushSource,
}

/// The state of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Says yes.
    Approved,
    /// Objects.
    ChangesRequested,
    /// Says neither; never an opinion.
    Commented,
    /// Was an opinion and has been dismissed since.
    Dismissed,
    /// Not submitted yet.
    Pending,
}

/// One review, as first observed: `commit` and `could_write` are what was true when it was submitted, as far as we saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// Who gave it; `None` where GitHub shows nobody.
    pub by: Option<Account>,
    /// Its state now. What a dismissed review said is in the [`TimelineEvent::Dismissed`] that names it.
    pub state: ReviewState,
    /// The commit it was submitted on.
    pub commit: Option<CommitSha>,
    /// The tree of that commit, where known.
    pub tree: Option<CommitSha>,
    /// The merge base of that commit with the base branch, where known.
    pub merge_base: Option<CommitSha>,
    /// Whether the account could push to the repository when the review was first observed.
    pub could_write: Option<bool>,
    /// Who gave that account write access after the pull request was opened, as far as was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write_given_by: Vec<Account>,
}

/// What happened to a pull request. The order of a timeline is GitHub's; times are never compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TimelineEvent {
    /// A review was submitted.
    Reviewed(Review),
    /// A review was dismissed.
    Dismissed {
        /// The review; `None` where GitHub does not say which.
        review: Option<ReviewId>,
        /// What it said before.
        was: ReviewState,
        /// Who dismissed it.
        by: Option<Account>,
        /// Who gave that account write access after the pull request was opened.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        write_given_by: Vec<Account>,
    },
    /// The pull request was given another base, by a person or by GitHub itself.
    Retargeted {
        /// The base before, as a branch name.
        from: String,
        /// The base after.
        to: String,
        /// Who did it.
        by: Option<Account>,
        /// Whether GitHub did it when the old base went away.
        automatic: bool,
    },
    /// The head branch was force-pushed.
    ForcePushed {
        /// What it pointed at.
        before: Option<CommitSha>,
        /// What it pointed at then.
        after: Option<CommitSha>,
        /// Who did it.
        by: Option<Account>,
    },
    /// The pull request shows as merged.
    Merged {
        /// Who GitHub says merged it.
        by: Option<Account>,
        /// The commit that stands for it on the base.
        commit: Option<CommitSha>,
    },
    /// Closed, merged or not.
    Closed {
        /// Who closed it.
        by: Option<Account>,
    },
    /// Opened again.
    Reopened {
        /// Who did it.
        by: Option<Account>,
    },
    /// Auto-merge was enabled.
    AutoMergeEnabled {
        /// Who enabled it.
        by: Option<Account>,
    },
    /// Auto-merge was disabled.
    AutoMergeDisabled,
    /// Put into the merge queue.
    Queued {
        /// Who queued it.
        by: Option<Account>,
    },
    /// Taken out of the merge queue.
    Dequeued,
    /// Somebody was assigned.
    Assigned {
        /// Who is assigned.
        who: Option<Account>,
        /// Who assigned them.
        by: Option<Account>,
    },
}

/// What became of one check on one commit. A name may be there several times: then all of them must have succeeded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CheckResult {
    /// The name of the check run, or the context of the status.
    pub name: String,
    /// The commit it is on.
    pub commit: CommitSha,
    /// Whether it succeeded; one still running has not.
    pub succeeded: bool,
}

/// One attempt of a run that was in progress when `github-actions[bot]` acted, and who stood behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DrivingRun {
    /// The run.
    pub run: RunId,
    /// Which attempt; `None` in what was seen before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<RunAttempt>,
    /// Whose event it was; `None` where GitHub shows nobody.
    pub actor: Option<Account>,
    /// Who caused this attempt.
    pub triggering_actor: Option<Account>,
}

/// Whether a pull request is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullRequestState {
    /// Open, a draft included.
    Open,
    /// Closed without a merge.
    Closed,
    /// Shows as merged.
    Merged,
}

/// Everything a decision may see of one pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// Its number.
    pub number: PullRequestNumber,
    /// Open, closed or merged.
    pub state: PullRequestState,
    /// When it was merged, by GitHub's clock: to tell of, never to judge by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_at: Option<String>,
    /// Who opened it; `None` where GitHub shows nobody and no delivery recorded it.
    pub opener: Option<Account>,
    /// The branch it goes into.
    pub base_branch: String,
    /// The branch it comes from.
    pub head_branch: String,
    /// The repository it comes from; `None` where that is gone.
    pub head_repository: Option<RepositoryId>,
    /// The last commit (for a merged one: when it was merged).
    pub head: CommitSha,
    /// The tree of that commit.
    pub head_tree: CommitSha,
    /// The merge base of the head with the base branch, where known.
    pub merge_base: Option<CommitSha>,
    /// Every commit reachable from the head and not from the base.
    pub commits: Vec<Commit>,
    /// The known pushes to the head branch, in no particular order.
    pub pushes: Vec<Push>,
    /// Commits known to be on the base: a chain of pushes may start at one of them.
    pub on_base: Vec<CommitSha>,
    /// GitHub's own merges of the base that the branch held once and a force-push dropped, those that were proved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped_merges: Vec<Commit>,
    /// What happened, in GitHub's order.
    pub timeline: Vec<TimelineEvent>,
    /// What became of the checks asked for, on its head and, where the queue merged it, on its merge group; `None` where
    /// none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Vec<CheckResult>>,
    /// The tickets that it names, under the settings' pattern; `None` where none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tickets: Option<Vec<String>>,
    /// The runs in progress when `github-actions[bot]` opened it or pushed to it: any writer makes it act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<DrivingRun>,
    /// What could not be read, in words; anything here makes the facts incomplete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// How commits came onto the production branch, as the repository's activity list names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LandingKind {
    /// GitHub merged a pull request (`pr_merge`).
    PullRequestMerge,
    /// The merge queue merged (`merge_queue_merge`).
    MergeQueueMerge,
    /// Somebody pushed (`push`, `force_push`, `branch_creation` and whatever else).
    Push,
}

/// One movement of the production branch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Landing {
    /// What the branch pointed at.
    pub before: CommitSha,
    /// What it pointed at then.
    pub after: CommitSha,
    /// How.
    pub kind: LandingKind,
    /// Who GitHub says did it.
    pub by: Option<Account>,
    /// When, by GitHub's clock: to tell of, never to judge by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}
