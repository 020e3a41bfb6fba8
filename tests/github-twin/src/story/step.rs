//! The steps of a story: each a map with one key, closed to unknown fields.
//!
//! Next: `crate::steps`, which plays them.

use super::{CommitSpec, Expect, words};
use crate::model::{MergeMethod, Permission, ReviewState};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One thing that happens.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Step {
    Open(Open),
    Push(Push),
    Assign(Assign),
    Unassign(Assign),
    UpdateBranch(UpdateBranch),
    Suggest(Suggest),
    Review(Review),
    Dismiss(Dismiss),
    Comment(Comment),
    Label(Comment),
    Noise(Noise),
    Ci(Ci),
    Retarget(Retarget),
    Close(PullAct),
    Reopen(PullAct),
    Merge(Merge),
    Queue(Queue),
    DirectPush(DirectPush),
    Branch(Branch),
    DeleteBranch(DeleteBranch),
    Tag(Tag),
    SetPermission(SetPermission),
    Rename(Rename),
    DeleteAccount(DeleteAccount),
    Deploy(Deploy),
    Rerun(Rerun),
    ApproveEnvironment(ApproveEnvironment),
    Finish(Finish),
    NextJob(NextJob),
    Status(Status),
    Gate(Box<Gate>),
    Exception(Exception),
    ReviewException(ReviewException),
    Webhooks(Webhooks),
    Fault(Fault),
    Service(ServiceAct),
    Sweep(Sweep),
    Protection(Protection),
    Installation(Installation),
    OutsideDeployment(OutsideDeployment),
    Expect(Box<Expect>),
}

/// Declares the fields of steps: each is closed to unknown keys and may be `refused: true`.
macro_rules! fields {
    ($( $(#[$doc:meta])* $name:ident { $( $(#[$attribute:meta])* $field:ident : $kind:ty, )* } )*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Deserialize)]
            #[serde(deny_unknown_fields)]
            #[allow(missing_docs)]
            pub struct $name {
                $( $(#[$attribute])* pub $field: $kind, )*
                /// The story expects that this is refused.
                #[serde(default)]
                pub refused: bool,
            }
        )*
        impl Step {
            /// Whether the story expects that this step is refused.
            pub fn refused(&self) -> bool {
                match self {
                    Self::Service(_) | Self::Expect(_) => false,
                    Self::Open(it) => it.refused,
                    Self::Push(it) => it.refused,
                    Self::Assign(it) | Self::Unassign(it) => it.refused,
                    Self::UpdateBranch(it) => it.refused,
                    Self::Suggest(it) => it.refused,
                    Self::Review(it) => it.refused,
                    Self::Dismiss(it) => it.refused,
                    Self::Comment(it) | Self::Label(it) => it.refused,
                    Self::Noise(it) => it.refused,
                    Self::Ci(it) => it.refused,
                    Self::Retarget(it) => it.refused,
                    Self::Close(it) | Self::Reopen(it) => it.refused,
                    Self::Merge(it) => it.refused,
                    Self::Queue(it) => it.refused,
                    Self::DirectPush(it) => it.refused,
                    Self::Branch(it) => it.refused,
                    Self::DeleteBranch(it) => it.refused,
                    Self::Tag(it) => it.refused,
                    Self::SetPermission(it) => it.refused,
                    Self::Rename(it) => it.refused,
                    Self::DeleteAccount(it) => it.refused,
                    Self::Deploy(it) => it.refused,
                    Self::Rerun(it) => it.refused,
                    Self::ApproveEnvironment(it) => it.refused,
                    Self::Finish(it) => it.refused,
                    Self::NextJob(it) => it.refused,
                    Self::Status(it) => it.refused,
                    Self::Gate(it) => it.refused,
                    Self::Exception(it) => it.refused,
                    Self::ReviewException(it) => it.refused,
                    Self::Webhooks(it) => it.refused,
                    Self::Fault(it) => it.refused,
                    Self::Sweep(it) => it.refused,
                    Self::Protection(it) => it.refused,
                    Self::Installation(it) => it.refused,
                    Self::OutsideDeployment(it) => it.refused,
                }
            }
        }
    };
}

fields! {
    /// A pull request is opened.
    Open {
        pr: u64,
        by: String,
        #[serde(default)]
        commits: Vec<CommitSpec>,
        base: Option<String>,
        head: Option<String>,
        #[serde(default)]
        draft: bool,
        body: Option<String>,
        #[serde(default)]
        fork: bool,
        via_run: Option<String>,
        #[serde(default)]
        assignees: Vec<String>,
    }
    /// Commits are pushed to a pull request's branch.
    Push {
        pr: u64,
        by: String,
        commits: Vec<CommitSpec>,
        #[serde(default)]
        force: bool,
        onto: Option<String>,
    }
    /// Somebody is assigned, or no longer.
    Assign { pr: u64, who: String, by: String, }
    /// "Update branch" is clicked.
    UpdateBranch {
        pr: u64,
        by: String,
        #[serde(default)]
        edited: bool,
    }
    /// A suggested change is committed through the web.
    Suggest { pr: u64, by: String, applied_by: String, }
    /// A review is submitted.
    Review {
        pr: u64,
        by: String,
        state: ReviewState,
        at: Option<String>,
    }
    /// A review is dismissed.
    Dismiss { pr: u64, of: String, by: String, }
    /// A comment or a label.
    Comment { pr: u64, by: String, text: String, }
    /// Many reviews and comments of no weight.
    Noise {
        pr: u64,
        #[serde(default)]
        reviews: u32,
        #[serde(default)]
        comments: u32,
    }
    /// A check of another App on the head.
    Ci { pr: u64, name: String, state: Ending, }
    /// Another base.
    Retarget { pr: u64, by: String, base: String, }
    /// Closed or opened again.
    PullAct { pr: u64, by: String, }
    /// Merged.
    Merge {
        pr: u64,
        by: String,
        #[serde(default)]
        method: MergeMethod,
        #[serde(default)]
        bypass: bool,
        #[serde(default)]
        auto: bool,
        id: Option<String>,
    }
    /// Put into the merge queue.
    Queue { pr: u64, by: String, id: Option<String>, objection_by: Option<String>, }
    /// Pushed to a branch without a pull request.
    DirectPush {
        by: String,
        #[serde(default)]
        commits: Vec<CommitSpec>,
        branch: Option<String>,
        #[serde(default)]
        force: bool,
        pr_head: Option<u64>,
    }
    /// A branch is created.
    Branch { name: String, from: String, by: String, }
    /// A branch is deleted.
    DeleteBranch { name: String, by: String, }
    /// A tag is set.
    Tag {
        name: String,
        at: String,
        by: String,
        #[serde(default)]
        force: bool,
    }
    /// Access is given or taken.
    SetPermission { account: String, to: Permission, by: Option<String>, }
    /// A login changes.
    Rename { account: String, to: String, taken_by: Option<TakenBy>, }
    /// An account goes away.
    DeleteAccount { account: String, }
    /// A run that deploys.
    Deploy {
        by: Option<String>,
        #[serde(rename = "ref")]
        reference: Option<String>,
        #[serde(default)]
        via: Via,
        environment: Option<String>,
        job_sha: Option<String>,
        chain: Option<Chain>,
    }
    /// The latest completed run, next attempt.
    Rerun {
        by: String,
        #[serde(default)]
        jobs: RerunJobs,
    }
    /// GitHub's own required review.
    ApproveEnvironment { by: String, }
    /// Another job of the latest run deploys to the same environment, after the one before it.
    NextJob { job_sha: Option<String>, }
    /// The latest deployment's job ends.
    Finish { state: Ending, }
    /// A deployment status posted by hand.
    Status { by: String, state: String, }
    /// A run's Action asks the service.
    Gate {
        by: String,
        #[serde(rename = "ref")]
        reference: Option<String>,
        environment: Option<String>,
        attempt: Option<u64>,
        exception: Option<GateException>,
        #[serde(default)]
        reuse: bool,
        #[serde(default)]
        token: BTreeMap<String, serde_json::Value>,
        #[serde(default)]
        unsigned: bool,
    }
    /// Break-glass.
    Exception {
        by: String,
        reason: String,
        ticket: String,
        repository: Option<String>,
        environment: Option<String>,
        minutes: Option<u64>,
    }
    /// Break-glass is reviewed.
    ReviewException { by: String, verdict: Justification, }
    /// What happens to deliveries of the next steps.
    Webhooks {
        drop: Option<u32>,
        duplicate: Option<u32>,
        hold: Option<u32>,
        release: Option<ReleaseOrder>,
    }
    /// What goes wrong with API calls.
    Fault {
        status: Option<u16>,
        times: Option<u32>,
        on: Option<String>,
        latency_ms: Option<u64>,
        #[serde(default)]
        rate_limit: bool,
    }
    /// The service's reconciler runs now.
    Sweep {}
    /// Protection is changed.
    Protection {
        by: String,
        change: Option<ProtectionChange>,
        environment_rule: Option<RuleChange>,
    }
    /// The App's installation changes.
    Installation { by: String, change: InstallationStep, }
    /// A program outside Actions creates a deployment and posts these states on it.
    OutsideDeployment {
        by: String,
        #[serde(rename = "ref")]
        reference: Option<String>,
        environment: Option<String>,
        #[serde(default)]
        states: Vec<String>,
    }
}

words! {
    #[derive(Default)]
    Ending { #[default] Success, Failure }
    #[derive(Default)]
    Via { #[default] Dispatch, Push, Release, Api, Schedule, Run, PullRequestTarget }
    #[derive(Default)]
    RerunJobs { #[default] All, Failed }
    Justification { Justified, Unjustified }
    ReleaseOrder { Shuffled, InOrder }
    ServiceAct { Kill, Start, Stop }
    ProtectionChange { Removed, Weakened, Restored }
    RuleChange { Removed, Restored }
    InstallationStep { Suspended, Unsuspended, Deleted, Created, Removed, Added }
}

impl Ending {
    /// As GitHub writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// Who takes the old login.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenBy {
    /// The new account's id.
    pub id: u64,
}

/// The first run of a chain.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Who started it; of a push left out, as whoever pushed the branch last did.
    #[serde(default)]
    pub by: Option<String>,
    /// How.
    #[serde(default)]
    pub via: Via,
}

/// Break-glass asked for at the gate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateException {
    /// Why.
    pub reason: String,
    /// The ticket.
    #[serde(default)]
    pub ticket: Option<String>,
}
