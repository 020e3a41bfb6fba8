//! Pull requests, their reviews, and the one ordered timeline of each.

use super::{AccountId, Sha, Time};

/// Open or closed; a merged one is closed with [`PullRequest::merged_at`] set (GraphQL `MERGED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    /// Open.
    Open,
    /// Closed or merged.
    Closed,
}

/// Where a pull request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The repository's id: [`super::UPSTREAM`], or a fork's.
    pub repository: u64,
    /// The branch without `refs/heads/`.
    pub branch: String,
    /// The commit. It stays as it was when the pull request is closed or merged.
    pub sha: Sha,
}

/// How a pull request is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MergeMethod {
    /// A merge commit.
    #[default]
    Merge,
    /// One new commit.
    Squash,
    /// New commits, one for each.
    Rebase,
}

/// Auto-merge, while it is enabled.
#[derive(Debug, Clone)]
pub struct AutoMerge {
    /// Who enabled it (`enabled_by`).
    pub enabled_by: AccountId,
    /// How it will be merged.
    pub method: MergeMethod,
    /// The story's name for the commit that will land last.
    pub name: Option<String>,
}

/// One pull request into a branch of the upstream repository.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// Its id (GraphQL `fullDatabaseId`); node id prefix `PR`.
    pub id: u64,
    /// Its number.
    pub number: u64,
    /// Who opened it.
    pub opener: AccountId,
    /// Open or closed.
    pub state: PullState,
    /// Whether it is a draft.
    pub draft: bool,
    /// Title.
    pub title: String,
    /// Body; `None` is null.
    pub body: Option<String>,
    /// The base branch.
    pub base: String,
    /// The base branch's tip as the pull request shows it (`base.sha`): kept up to date while open, then fixed.
    pub base_sha: Sha,
    /// Where it comes from.
    pub head: Head,
    /// Assignees now.
    pub assignees: Vec<AccountId>,
    /// Labels now.
    pub labels: Vec<String>,
    /// Reviews, oldest first.
    pub reviews: Vec<Review>,
    /// Conversation comments, oldest first.
    pub comments: Vec<Comment>,
    /// What happened, in GitHub's order.
    pub timeline: Vec<TimelineItem>,
    /// Auto-merge, while it is enabled.
    pub auto_merge: Option<AutoMerge>,
    /// Who put it into the merge queue, while it is in it (`mergeQueueEntry.enqueuer`).
    pub queued_by: Option<AccountId>,
    /// When it was merged.
    pub merged_at: Option<Time>,
    /// Who merged it (`merged_by`, the actor of `MergedEvent`).
    pub merged_by: Option<AccountId>,
    /// The commit that stands for it on the base (`merge_commit_sha` of a merged one, `mergeCommit`).
    pub merge_commit: Option<Sha>,
    /// Commits reachable from the head and not from the base, oldest first, as GitHub lists them: fixed at the merge.
    pub commits: Vec<Sha>,
    /// Whether the head branch was force-pushed or deleted while closed: it cannot be reopened then.
    pub head_lost: bool,
    /// When it was opened.
    pub created_at: Time,
    /// When anything about it changed.
    pub updated_at: Time,
    /// When it was closed.
    pub closed_at: Option<Time>,
}

impl PullRequest {
    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.state == PullState::Open
    }

    /// Whether it shows as merged.
    pub fn is_merged(&self) -> bool {
        self.merged_at.is_some()
    }
}

/// The state of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// `APPROVED`.
    Approved,
    /// `CHANGES_REQUESTED`.
    ChangesRequested,
    /// `COMMENTED`.
    Commented,
    /// `DISMISSED`.
    Dismissed,
}

impl ReviewState {
    /// As REST and GraphQL write it; webhooks write it in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::ChangesRequested => "CHANGES_REQUESTED",
            Self::Commented => "COMMENTED",
            Self::Dismissed => "DISMISSED",
        }
    }
}

/// One review.
#[derive(Debug, Clone)]
pub struct Review {
    /// Its id (GraphQL `fullDatabaseId`); node id prefix `PRR`.
    pub id: u64,
    /// Who gave it.
    pub by: AccountId,
    /// Its state now.
    pub state: ReviewState,
    /// What it was before it was dismissed; else the same as `state`.
    pub submitted_state: ReviewState,
    /// The commit it was given on.
    pub commit: Sha,
    /// What it says.
    pub body: String,
    /// When it was submitted.
    pub submitted_at: Time,
}

/// One comment on the conversation.
#[derive(Debug, Clone)]
pub struct Comment {
    /// Its id; node id prefix `IC`.
    pub id: u64,
    /// Who wrote it.
    pub by: AccountId,
    /// What it says.
    pub body: String,
    /// When.
    pub at: Time,
}

/// One item of the timeline.
#[derive(Debug, Clone)]
pub struct TimelineItem {
    /// Its id.
    pub id: u64,
    /// When (`createdAt`).
    pub at: Time,
    /// Who did it (`actor`; for a review its author). `None`: GitHub shows nobody.
    pub actor: Option<AccountId>,
    /// What.
    pub what: Timeline,
}

/// What happened to a pull request, named as the GraphQL types of `timelineItems`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timeline {
    /// `PullRequestCommit`.
    Commit(Sha),
    /// `PullRequestReview`: the review with this id.
    Review(u64),
    /// `IssueComment`: the comment with this id.
    Comment(u64),
    /// `ReviewDismissedEvent`.
    ReviewDismissed {
        /// The review's id.
        review: u64,
        /// `previousReviewState`.
        was: ReviewState,
    },
    /// `BaseRefChangedEvent` (`previousRefName`, `currentRefName`).
    BaseRefChanged {
        /// The base before.
        from: String,
        /// The base after.
        to: String,
    },
    /// `AutomaticBaseChangeSucceededEvent` (`oldBase`, `newBase`).
    AutomaticBaseChange {
        /// The base before.
        from: String,
        /// The base after.
        to: String,
    },
    /// `HeadRefForcePushedEvent` (`beforeCommit`, `afterCommit`).
    HeadRefForcePushed {
        /// The head before.
        before: Sha,
        /// The head after.
        after: Sha,
    },
    /// `HeadRefDeletedEvent`.
    HeadRefDeleted,
    /// `MergedEvent` (`commit`).
    Merged {
        /// The commit that stands for it on the base.
        commit: Sha,
    },
    /// `ClosedEvent`.
    Closed,
    /// `ReopenedEvent`.
    Reopened,
    /// `AssignedEvent`.
    Assigned(AccountId),
    /// `UnassignedEvent`.
    Unassigned(AccountId),
    /// `LabeledEvent`.
    Labeled(String),
    /// `AutoMergeEnabledEvent` (`enabler` is the actor).
    AutoMergeEnabled,
    /// `AutoMergeDisabledEvent` (`disabler` is the actor).
    AutoMergeDisabled,
    /// `AddedToMergeQueueEvent` (`enqueuer` is the actor).
    AddedToMergeQueue,
    /// `RemovedFromMergeQueueEvent` (`reason`).
    RemovedFromMergeQueue {
        /// Why, as GitHub names it: `merged`, `failed_checks`, `manual`.
        reason: String,
    },
}

/// A group of queued pull requests, built on the base as if merged.
#[derive(Debug, Clone)]
pub struct MergeGroup {
    /// Its id.
    pub id: u64,
    /// The full ref: `refs/heads/gh-readonly-queue/main/pr-1-<base sha>`.
    pub head_ref: String,
    /// The last commit of the group.
    pub head_sha: Sha,
    /// The full base ref: `refs/heads/main`.
    pub base_ref: String,
    /// What it was built on.
    pub base_sha: Sha,
    /// The pull requests in it, first queued first.
    pub pulls: Vec<u64>,
    /// Whether it still waits for its checks.
    pub waiting: bool,
}
