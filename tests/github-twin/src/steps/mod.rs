//! What people do in a world, step by step, and what GitHub does about it.
//!
//! Invariant: what GitHub refuses is refused here ([`StepError::Refused`]), before anything has changed; whatever changes
//! emits the webhooks that GitHub sends. Next: `pulls.rs` and `reviews.rs`, `merge.rs` and `queue.rs`, `deploy.rs` and
//! `jobs.rs`, `people.rs`, `deletion.rs`.

#[cfg(test)]
mod corner_tests;
mod deletion;
mod deploy;
mod gate;
mod jobs;
mod merge;
mod people;
mod pulls;
mod queue;
mod reviews;
#[cfg(test)]
pub(crate) mod tests;

use crate::git::GitError;
use crate::model::{Account, AccountId, Permission, PullRequest, World};
use crate::story::Step;

/// Why a step was not played.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// GitHub refuses it.
    #[error("refused: {0}")]
    Refused(String),
    /// The story names what is not there.
    #[error("the story is wrong: {0}")]
    Story(String),
    /// It is known and cannot be played yet, or not here.
    #[error("step `{0}` cannot be played yet")]
    NotYet(&'static str),
    /// The objects are broken.
    #[error(transparent)]
    Git(#[from] GitError),
}

type Result<T> = std::result::Result<T, StepError>;

impl World {
    /// Plays one step. Steps that need the service (`service`, `sweep`, `gate`, …, `expect`) are the runner's.
    pub fn play(&mut self, step: &Step) -> Result<()> {
        self.tick();
        match step {
            Step::Open(it) => self.open(it),
            Step::Push(it) => self.push(it),
            Step::Assign(it) => self.assign(it, true),
            Step::Unassign(it) => self.assign(it, false),
            Step::UpdateBranch(it) => self.update_branch(it),
            Step::Suggest(it) => self.suggest(it),
            Step::Review(it) => self.review_step(it),
            Step::Dismiss(it) => self.dismiss(it),
            Step::Comment(it) => self.comment(it),
            Step::Label(it) => self.label(it),
            Step::Noise(it) => self.noise(it),
            Step::Ci(it) => self.ci(it),
            Step::Retarget(it) => self.retarget(it),
            Step::Close(it) => self.close(it),
            Step::Reopen(it) => self.reopen(it),
            Step::Merge(it) => self.merge(it),
            Step::Queue(it) => self.queue(it),
            Step::DirectPush(it) => self.direct_push(it),
            Step::Branch(it) => self.branch(it),
            Step::DeleteBranch(it) => self.delete_branch_step(it),
            Step::Tag(it) => self.tag(it),
            Step::SetPermission(it) => self.set_permission(it),
            Step::Rename(it) => self.rename(it),
            Step::DeleteAccount(it) => self.delete_account(it),
            Step::Deploy(it) => self.deploy(it),
            Step::Rerun(it) => self.rerun(it),
            Step::ApproveEnvironment(it) => self.approve_environment(it),
            Step::NextJob(it) => self.next_job(it),
            Step::Finish(it) => self.finish(it),
            Step::Status(it) => self.status(it),
            Step::Protection(it) => self.protection(it),
            Step::Installation(it) => self.installation_step(it),
            Step::OutsideDeployment(it) => self.outside_deployment(it),
            Step::Webhooks(it) => {
                self.plan_webhooks(it);
                Ok(())
            }
            Step::Fault(it) => {
                self.faults.add(it);
                Ok(())
            }
            Step::Gate(_)
            | Step::Exception(_)
            | Step::ReviewException(_)
            | Step::Service(_)
            | Step::Sweep(_)
            | Step::Expect(_) => Err(StepError::NotYet(step.word())),
        }?;
        self.settle()
    }

    /// The living account with this login: it may be part of GitHub itself, as commits name it.
    pub(crate) fn known(&self, login: &str) -> Result<AccountId> {
        self.account_by_login(login)
            .map(|account| account.id)
            .ok_or_else(|| StepError::Story(format!("account `{login}` is not listed")))
    }

    /// The account that acts: listed by the story, and alive.
    pub(crate) fn actor(&self, login: &str) -> Result<AccountId> {
        match self.account_by_login(login) {
            Some(account) if !account.built_in => Ok(account.id),
            _ => Err(StepError::Story(format!("account `{login}` is not listed"))),
        }
    }

    /// The account that acts, where it has at least this permission.
    pub(crate) fn allowed(&self, login: &str, least: Permission) -> Result<AccountId> {
        let id = self.actor(login)?;
        match self.accounts.get(&id) {
            Some(Account { permission, .. }) if *permission >= least => Ok(id),
            _ => Err(refused(format!("`{login}` lacks {} access", least.role_name()))),
        }
    }

    /// A pull request by number.
    pub(crate) fn pull(&self, number: u64) -> Result<&PullRequest> {
        self.pulls.get(&number).ok_or_else(|| StepError::Story(format!("there is no pull request {number}")))
    }

    /// A pull request by number, to change.
    pub(crate) fn pull_mut(&mut self, number: u64) -> Result<&mut PullRequest> {
        self.pulls.get_mut(&number).ok_or_else(|| StepError::Story(format!("there is no pull request {number}")))
    }
}

/// GitHub refuses this.
pub(crate) fn refused(why: impl Into<String>) -> StepError {
    StepError::Refused(why.into())
}

impl Step {
    /// The step's name in a story.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Push(_) => "push",
            Self::Assign(_) => "assign",
            Self::Unassign(_) => "unassign",
            Self::UpdateBranch(_) => "update_branch",
            Self::Suggest(_) => "suggest",
            Self::Review(_) => "review",
            Self::Dismiss(_) => "dismiss",
            Self::Comment(_) => "comment",
            Self::Label(_) => "label",
            Self::Noise(_) => "noise",
            Self::Ci(_) => "ci",
            Self::Retarget(_) => "retarget",
            Self::Close(_) => "close",
            Self::Reopen(_) => "reopen",
            Self::Merge(_) => "merge",
            Self::Queue(_) => "queue",
            Self::DirectPush(_) => "direct_push",
            Self::Branch(_) => "branch",
            Self::DeleteBranch(_) => "delete_branch",
            Self::Tag(_) => "tag",
            Self::SetPermission(_) => "set_permission",
            Self::Rename(_) => "rename",
            Self::DeleteAccount(_) => "delete_account",
            Self::Deploy(_) => "deploy",
            Self::Rerun(_) => "rerun",
            Self::ApproveEnvironment(_) => "approve_environment",
            Self::NextJob(_) => "next_job",
            Self::Finish(_) => "finish",
            Self::Status(_) => "status",
            Self::Gate(_) => "gate",
            Self::Exception(_) => "exception",
            Self::ReviewException(_) => "review_exception",
            Self::Webhooks(_) => "webhooks",
            Self::Fault(_) => "fault",
            Self::Service(_) => "service",
            Self::Sweep(_) => "sweep",
            Self::Protection(_) => "protection",
            Self::Installation(_) => "installation",
            Self::OutsideDeployment(_) => "outside_deployment",
            Self::Expect(_) => "expect",
        }
    }
}
