//! Repositories, how their branches moved, and their rulesets.

use super::{AccountId, Sha, Time};
use std::collections::BTreeMap;

/// The id of `acme/shop`.
pub const UPSTREAM: u64 = 700_001;

/// What a branch pointed at before it existed, and after it was deleted.
pub const ZERO: &str = "0000000000000000000000000000000000000000";

/// A repository: public, owned by the organisation (upstream) or by a person (fork).
#[derive(Debug, Clone)]
pub struct Repository {
    /// The numeric id.
    pub id: u64,
    /// The owner's login: `acme`, or a person's for a fork.
    pub owner: String,
    /// The owner's account id.
    pub owner_id: AccountId,
    /// The name: `shop`.
    pub name: String,
    /// The default branch: `main`.
    pub default_branch: String,
    /// The repository it was forked from.
    pub fork_of: Option<u64>,
    /// Branches by name without `refs/heads/`. The upstream's are refs of the world's git repository as well.
    pub branches: BTreeMap<String, Sha>,
    /// Tags by name without `refs/tags/` (all are lightweight).
    pub tags: BTreeMap<String, Sha>,
    /// When it was made.
    pub created_at: Time,
    /// When anything was pushed last.
    pub pushed_at: Time,
}

impl Repository {
    /// `owner/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The commit that a full ref (`refs/heads/main`), a branch or a tag points at; branches first.
    pub fn resolve(&self, name: &str) -> Option<&Sha> {
        if let Some(branch) = name.strip_prefix("refs/heads/") {
            return self.branches.get(branch);
        }
        if let Some(tag) = name.strip_prefix("refs/tags/") {
            return self.tags.get(tag);
        }
        self.branches.get(name).or_else(|| self.tags.get(name))
    }
}

/// What moved a branch (REST `activity_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityType {
    /// A fast-forward push.
    Push,
    /// A push that dropped commits.
    ForcePush,
    /// The branch was created.
    BranchCreation,
    /// The branch was deleted.
    BranchDeletion,
    /// GitHub merged a pull request.
    PrMerge,
    /// The merge queue merged.
    MergeQueueMerge,
}

impl ActivityType {
    /// As REST writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::ForcePush => "force_push",
            Self::BranchCreation => "branch_creation",
            Self::BranchDeletion => "branch_deletion",
            Self::PrMerge => "pr_merge",
            Self::MergeQueueMerge => "merge_queue_merge",
        }
    }
}

/// One movement of a branch of the upstream repository.
#[derive(Debug, Clone)]
pub struct Activity {
    /// Its id.
    pub id: u64,
    /// What the branch pointed at; [`ZERO`] when created.
    pub before: Sha,
    /// What it pointed at then; [`ZERO`] when deleted.
    pub after: Sha,
    /// The full ref: `refs/heads/main`.
    pub reference: String,
    /// Who did it.
    pub actor: AccountId,
    /// What it was.
    pub kind: ActivityType,
    /// When (`timestamp`).
    pub at: Time,
}

/// One push, as GraphQL shows it in `CheckSuite.push`.
#[derive(Debug, Clone)]
pub struct Push {
    /// Its id (node id prefix `PSH`).
    pub id: u64,
    /// Which repository (a fork's pushes never show upstream).
    pub repository: u64,
    /// The full ref.
    pub reference: String,
    /// `previousSha`; [`ZERO`] when the branch was created (GraphQL: null).
    pub before: Sha,
    /// `nextSha`.
    pub after: Sha,
    /// `pusher`.
    pub pusher: AccountId,
    /// Whether commits were dropped.
    pub forced: bool,
}

/// A ruleset of the upstream repository, on `refs/heads/main`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is a rule or a switch of its own on GitHub too
pub struct Ruleset {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `enforcement`: `active` or `disabled`.
    pub active: bool,
    /// The rule `pull_request`: how many approvals are required; `None` without the rule.
    pub required_approvals: Option<u32>,
    /// The rule `required_status_checks`: contexts with the App they must come from (`integration_id`).
    pub required_checks: Vec<(String, Option<u64>)>,
    /// The rule `non_fast_forward`.
    pub no_force_push: bool,
    /// The rule `merge_queue`.
    pub merge_queue: bool,
    /// `bypass_actors`: repository administrators (role 5), mode `always`. Shown only to who may write the ruleset.
    pub admins_bypass: bool,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed.
    pub updated_at: Time,
}
