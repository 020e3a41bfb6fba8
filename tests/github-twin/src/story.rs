//! A story file, typed: a small GitHub world, what happens in it, and what Countersign must say.
//!
//! Invariant: every step and key that the specification of stories knows parses, and nothing else does: an unknown key is
//! an error. Next: `build.rs` makes the world, `steps` plays it, `runner` compares what is expected.

use crate::model::{MergeMethod, Permission, ReviewState};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// One story.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// A sentence.
    pub name: String,
    /// What it is about.
    #[serde(default)]
    pub group: Option<Group>,
    /// Why it matters.
    #[serde(default)]
    pub why: Option<String>,
    /// Where the trick or the rule is described.
    #[serde(default)]
    pub source: Option<String>,
    /// What there is at the start.
    pub world: WorldSpec,
    /// What happens.
    pub story: Vec<Step>,
}

/// A file that is no story.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It does not parse.
    #[error("{0}")]
    Unparsable(String),
}

impl Story {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, StoryError> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// Parses a text.
    pub fn parse(text: &str) -> Result<Self, StoryError> {
        serde_saphyr::from_str(text).map_err(|error| StoryError::Unparsable(error.to_string()))
    }
}

/// What a story is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Group {
    Review,
    Identity,
    Landing,
    Release,
    Deployer,
    Integrity,
    Faults,
    Exception,
    Legit,
}

/// What there is at the start.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldSpec {
    /// Every login used, with what it may do.
    #[serde(default)]
    pub accounts: BTreeMap<String, AccountSpec>,
    /// Over the default settings, same keys as `countersign.toml`.
    #[serde(default)]
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Files of the first commit.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// The environment `production`.
    #[serde(default)]
    pub environment: EnvironmentSpec,
    /// Whether the merge queue is on.
    #[serde(default)]
    pub queue: bool,
    /// The repository's own policies: `.github/countersign/{name}`.
    #[serde(default)]
    pub policies: BTreeMap<String, String>,
}

/// GitHub's own required reviewers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentSpec {
    /// Their logins.
    #[serde(default)]
    pub reviewers: Vec<String>,
}

/// An account, short or long.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum AccountSpec {
    /// A person with this permission.
    Permission(Permission),
    /// Anything else.
    Long(LongAccount),
}

/// An account with everything said.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongAccount {
    /// What it may do.
    #[serde(default)]
    pub permission: Permission,
    /// Whether it is a bot.
    #[serde(default)]
    pub bot: bool,
    /// Its numeric id.
    #[serde(default)]
    pub id: Option<u64>,
    /// What it is.
    #[serde(default, rename = "type")]
    pub kind: Option<crate::model::AccountKind>,
}

/// A commit, or many small ones.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitSpec {
    /// Its name in the story.
    pub id: Option<String>,
    /// Author and committer.
    pub by: Option<String>,
    /// The author.
    pub author: Option<String>,
    /// The committer; the author by default.
    pub committer: Option<String>,
    /// Logins (or e-mails) in `Co-authored-by` trailers.
    #[serde(default)]
    pub coauthors: Vec<String>,
    /// An e-mail that is linked to nobody.
    pub email: Option<String>,
    /// Parents; by default the tip.
    pub parents: Option<Vec<String>>,
    /// Files; by default one new file named after the id.
    pub files: Option<BTreeMap<String, String>>,
    /// Exactly that commit's tree.
    pub tree: Option<String>,
    /// The date that it claims.
    pub date: Option<String>,
    /// The message.
    pub message: Option<String>,
    /// Stands for that many small ones.
    pub repeat: Option<u32>,
}

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
    Tag(Tag),
    SetPermission(SetPermission),
    Rename(Rename),
    DeleteAccount(DeleteAccount),
    Deploy(Deploy),
    Rerun(Rerun),
    ApproveEnvironment(ApproveEnvironment),
    Finish(Finish),
    Status(Status),
    Gate(Box<Gate>),
    Exception(Exception),
    ReviewException(ReviewException),
    Webhooks(Webhooks),
    Fault(Fault),
    Service(ServiceAct),
    Sweep(Sweep),
    Protection(Protection),
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
                    Self::Tag(it) => it.refused,
                    Self::SetPermission(it) => it.refused,
                    Self::Rename(it) => it.refused,
                    Self::DeleteAccount(it) => it.refused,
                    Self::Deploy(it) => it.refused,
                    Self::Rerun(it) => it.refused,
                    Self::ApproveEnvironment(it) => it.refused,
                    Self::Finish(it) => it.refused,
                    Self::Status(it) => it.refused,
                    Self::Gate(it) => it.refused,
                    Self::Exception(it) => it.refused,
                    Self::ReviewException(it) => it.refused,
                    Self::Webhooks(it) => it.refused,
                    Self::Fault(it) => it.refused,
                    Self::Sweep(it) => it.refused,
                    Self::Protection(it) => it.refused,
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
}

/// Declares the small closed words of stories.
macro_rules! words {
    ($( $(#[$shape:meta])* $name:ident { $( $(#[$attribute:meta])* $word:ident ),* } )*) => {
        $(
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
            $(#[$shape])*
            #[serde(rename_all = "snake_case")]
            #[allow(missing_docs)]
            pub enum $name { $( $(#[$attribute])* $word ),* }
        )*
    };
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
    CheckIs { Success, Failure, Pending }
    GateIs { Allow, Deny, Pending, Undetermined, Exception }
    ChangeIs { Compliant, Violation, Undetermined }
    LedgerIs { Valid }
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
    /// Who started it.
    pub by: String,
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

/// What Countersign must say now.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Our check run on a pull request's head.
    pub check: Option<ExpectCheck>,
    /// Our check run on the merge group that holds a pull request.
    pub queue_check: Option<ExpectCheck>,
    /// The newest deployment or gate request.
    pub gate: Option<ExpectGate>,
    /// The change ticket.
    pub change: Option<ExpectChange>,
    /// Decisions on record in all.
    pub decisions: Option<u64>,
    /// The ledger as an auditor finds it.
    pub ledger: Option<LedgerIs>,
    /// Alerts that must have been raised.
    pub alerts: Option<Vec<String>>,
    /// The status of the last gate call.
    pub http: Option<u16>,
}

/// A check run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectCheck {
    /// The pull request.
    pub pr: u64,
    /// What it says.
    pub is: CheckIs,
    /// Codes that must be among those reported.
    #[serde(default)]
    pub because: Vec<String>,
    /// A text in its title.
    #[serde(default)]
    pub titled: Option<String>,
}

/// A decision about a deployment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectGate {
    /// What it says.
    pub is: GateIs,
    /// Codes that must be among those reported.
    #[serde(default)]
    pub because: Vec<String>,
    /// Exactly who could deploy it.
    #[serde(default)]
    pub can_deploy: Option<Vec<String>>,
    /// How far the known deployers could go.
    #[serde(default)]
    pub up_to: Option<String>,
}

/// A change ticket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectChange {
    /// Of a pull request.
    #[serde(default)]
    pub pr: Option<u64>,
    /// Of a commit.
    #[serde(default)]
    pub commit: Option<String>,
    /// What it says.
    pub is: ChangeIs,
    /// Codes that must be among those reported.
    #[serde(default)]
    pub because: Vec<String>,
    /// Exactly who contributed.
    #[serde(default)]
    pub contributors: Option<Vec<String>>,
    /// Exactly whose approvals count.
    #[serde(default)]
    pub reviewers: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_story_of_the_corpus_parses() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stories");
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let story = Story::read(&path);
            assert!(story.is_ok(), "{}: {}", path.display(), story.unwrap_err());
        }
    }

    #[test]
    fn a_key_that_no_step_knows_is_an_error() {
        let text = "name: x\nworld: {accounts: {ann: write}}\nstory:\n  - close: {pr: 1, by: ann, loudly: true}\n";
        assert!(Story::parse(text).unwrap_err().to_string().contains("loudly"));
        let text = "name: x\nworld: {}\nstory:\n  - slam: {pr: 1}\n";
        assert!(Story::parse(text).unwrap_err().to_string().contains("slam"));
    }
}
