//! Facts: the complete, serialisable snapshot that a decision may see, and all that it may see.

use super::{Automation, ChangeInRelease, CommitSha, Deployment, Person, PullRequest, RepositoryId};
use serde::{Deserialize, Serialize};

/// The version of the facts' shape that this build writes.
pub const FACTS_VERSION: u32 = 1;

/// The repository judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Repository {
    /// Its id, which is compared.
    pub id: RepositoryId,
    /// `owner/name` when it was read, for people and links.
    pub full_name: String,
}

/// What the settings contribute to a decision, with names already turned into ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The production branch.
    pub production_branch: String,
    /// The names of the packs in force.
    pub packs: Vec<String>,
    /// The checks that must have succeeded, under the pack `tested`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// What is to be said of the repository's own rules.
    #[serde(default, skip_serializing_if = "RepositoryRules::is_unremarkable")]
    pub repository_rules: RepositoryRules,
    /// People with several accounts or with e-mails of their own.
    pub persons: Vec<Person>,
    /// What is automation.
    pub automation: Automation,
    /// The web address of GitHub, for links (`https://github.com`).
    pub web_url: String,
}

/// What is to be said of the rules that a repository lays beside the packs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryRules {
    /// Permits: a repository can only be stricter, so they are left out.
    pub ignored: Vec<String>,
    /// What is wrong with the others; anything here makes the outcome undetermined.
    pub faults: Vec<String>,
}

impl RepositoryRules {
    fn is_unremarkable(&self) -> bool {
        self.ignored.is_empty() && self.faults.is_empty()
    }
}

/// What is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// One pull request: open (may it merge?) or merged (was it compliant then?).
    PullRequest(Box<PullRequest>),
    /// One change on the production branch that came without a pull request, judged when it landed.
    Landed(Box<ChangeInRelease>),
    /// What the merge queue built to land together: may all of it merge?
    MergeGroup(Box<MergeGroup>),
    /// One attempt to deploy.
    Deployment(Box<Deployment>),
}

/// A merge group: what would land on the production branch if its head did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeGroup {
    /// The commit that the queue built.
    pub head: CommitSha,
    /// What it was built on: a commit of the production branch.
    pub base: CommitSha,
    /// Every pull request between the two, first queued first.
    pub pull_requests: Vec<PullRequest>,
    /// What could not be read, in words; anything here makes the facts incomplete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// The snapshot. The same facts and policies give the same verdict, byte for byte, years later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// [`FACTS_VERSION`] of the build that wrote it.
    pub version: u32,
    /// Where.
    pub repository: Repository,
    /// Under which settings.
    pub terms: Terms,
    /// What.
    pub subject: Subject,
}
