//! What happens: each is one webhook, with ids into the world.
//!
//! `crate::payload::render` turns an event into GitHub's payload, at once, from the world as it is at that moment.

use super::{AccountId, ReviewState, Sha};

/// What happened. `sender` is the payload's `sender` everywhere.
#[derive(Debug, Clone)]
pub enum Event {
    /// `push` to a branch or tag of the upstream repository. `pusher` and `sender` are the same account.
    Push {
        /// The full ref: `refs/heads/main`, `refs/tags/v1`.
        reference: String,
        /// `before`: zeros when created.
        before: Sha,
        /// `after`: zeros when deleted.
        after: Sha,
        /// `forced`.
        forced: bool,
        /// Who.
        sender: AccountId,
    },
    /// `create` of a branch or tag (`ref`, `ref_type`).
    Create {
        /// The full ref.
        reference: String,
        /// Who.
        sender: AccountId,
    },
    /// `delete` of a branch or tag.
    Delete {
        /// The full ref.
        reference: String,
        /// Who.
        sender: AccountId,
    },
    /// `pull_request`.
    PullRequest {
        /// Its number.
        number: u64,
        /// What happened to it.
        action: PullRequestAction,
        /// Who.
        sender: AccountId,
    },
    /// `pull_request_review`.
    Review {
        /// The pull request's number.
        number: u64,
        /// The review's id.
        review: u64,
        /// Submitted or dismissed.
        action: ReviewAction,
        /// Who.
        sender: AccountId,
    },
    /// `issue_comment` `created`.
    IssueComment {
        /// The pull request's number.
        number: u64,
        /// The comment's id.
        comment: u64,
        /// Who.
        sender: AccountId,
    },
    /// `check_suite` `requested` (ours only).
    CheckSuiteRequested {
        /// The suite's id.
        suite: u64,
        /// Who pushed.
        sender: AccountId,
    },
    /// `check_run`.
    CheckRun {
        /// The check run's id.
        check_run: u64,
        /// What happened to it.
        action: CheckRunAction,
        /// Who: the App's bot, or the person who clicked.
        sender: AccountId,
    },
    /// `status`: a commit status was posted.
    Status {
        /// The status's id.
        status: u64,
        /// Who.
        sender: AccountId,
    },
    /// `deployment` `created`, with the workflow run where it has one.
    Deployment {
        /// The deployment's id.
        deployment: u64,
        /// Who.
        sender: AccountId,
    },
    /// `deployment_status` `created`.
    DeploymentStatus {
        /// The deployment's id.
        deployment: u64,
        /// The status's id.
        status: u64,
        /// Who.
        sender: AccountId,
    },
    /// `deployment_protection_rule` `requested`, with the callback's URL. It carries no run.
    RuleRequested {
        /// The deployment's id.
        deployment: u64,
        /// The run, for the callback's URL and `event`.
        run: u64,
        /// The environment.
        environment: String,
        /// Who.
        sender: AccountId,
    },
    /// `deployment_review`.
    DeploymentReview {
        /// The run.
        run: u64,
        /// The attempt.
        attempt: u64,
        /// The environment.
        environment: String,
        /// What happened.
        action: DeploymentReviewAction,
        /// Who.
        sender: AccountId,
    },
    /// `workflow_run`.
    WorkflowRun {
        /// The run.
        run: u64,
        /// The attempt.
        attempt: u64,
        /// What happened to it.
        action: WorkflowAction,
        /// Who.
        sender: AccountId,
    },
    /// `workflow_job`.
    WorkflowJob {
        /// The run.
        run: u64,
        /// The attempt.
        attempt: u64,
        /// The job.
        job: u64,
        /// What happened to it.
        action: WorkflowAction,
        /// Who.
        sender: AccountId,
    },
    /// `merge_group`.
    MergeGroup {
        /// The group's id.
        group: u64,
        /// What happened to it.
        action: MergeGroupAction,
        /// Who.
        sender: AccountId,
    },
    /// `member`: `added`, `edited` (the permission changed) or `removed`.
    Member {
        /// Whose access.
        member: AccountId,
        /// `added`, `edited`, `removed`.
        action: &'static str,
        /// `changes.permission.from` (`role_name`), where there was access before.
        from: Option<&'static str>,
        /// Who.
        sender: AccountId,
    },
    /// `release` `published`.
    Release {
        /// The release's id.
        release: u64,
        /// Who.
        sender: AccountId,
    },
    /// `installation` and `installation_repositories`: sent to every App, whatever it subscribes to.
    Installation {
        /// What became of it.
        action: super::InstallationAction,
        /// Who.
        sender: AccountId,
    },
    /// `repository_ruleset`.
    Ruleset {
        /// The ruleset as it is now, or was before it was deleted.
        ruleset: Box<super::Ruleset>,
        /// As it was before an edit.
        before: Option<Box<super::Ruleset>>,
        /// What happened to it.
        action: RulesetAction,
        /// Who.
        sender: AccountId,
    },
}

/// `action` of `pull_request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullRequestAction {
    /// `opened`.
    Opened,
    /// `synchronize` with `before` and `after`.
    Synchronize {
        /// The head before.
        before: Sha,
        /// The head after.
        after: Sha,
    },
    /// `edited` with `changes.base.ref.from` and `changes.base.sha.from`.
    BaseChanged {
        /// The base branch before.
        from: String,
        /// Its tip then.
        from_sha: Sha,
    },
    /// `closed` (merged or not: see `pull_request.merged`).
    Closed,
    /// `reopened`.
    Reopened,
    /// `assigned` with `assignee`.
    Assigned(AccountId),
    /// `unassigned` with `assignee`.
    Unassigned(AccountId),
    /// `labeled` with `label`.
    Labeled(String),
    /// `auto_merge_enabled`.
    AutoMergeEnabled,
    /// `auto_merge_disabled` with `reason`.
    AutoMergeDisabled,
    /// `enqueued`.
    Enqueued,
    /// `dequeued` with `reason` (`MERGE`, `CI_FAILURE`, …).
    Dequeued {
        /// Why.
        reason: &'static str,
    },
}

/// `action` of `pull_request_review`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewAction {
    /// `submitted`.
    Submitted,
    /// `dismissed`.
    Dismissed {
        /// What it was before.
        was: ReviewState,
    },
}

/// `action` of `check_run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckRunAction {
    /// `created`.
    Created,
    /// `completed`.
    Completed,
    /// `requested_action` with this identifier.
    RequestedAction(&'static str),
    /// `rerequested`.
    Rerequested,
}

/// `action` of `deployment_review`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeploymentReviewAction {
    /// `requested`: the job waits (`requestor`, `reviewers`).
    Requested,
    /// `approved` (`approver`, `comment`).
    Approved,
    /// `rejected`.
    Rejected,
}

/// `action` of `workflow_run` and `workflow_job`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkflowAction {
    /// `requested` (runs only).
    Requested,
    /// `queued` (jobs only).
    Queued,
    /// `waiting` (jobs only).
    Waiting,
    /// `in_progress`.
    InProgress,
    /// `completed`.
    Completed,
}

/// `action` of `merge_group`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeGroupAction {
    /// `checks_requested`.
    ChecksRequested,
    /// `destroyed` with `reason`: `merged`, `invalidated` or `dequeued`.
    Destroyed(&'static str),
}

/// `action` of `repository_ruleset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RulesetAction {
    /// `created`.
    Created,
    /// `edited`.
    Edited,
    /// `deleted`.
    Deleted,
}
