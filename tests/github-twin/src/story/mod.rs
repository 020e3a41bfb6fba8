//! A story file, typed: a small GitHub world, what happens in it, and what Countersign must say.
//!
//! Invariant: every step and key that the specification of stories knows parses, and nothing else does: an unknown key is
//! an error. Next: `build.rs` makes the world, `steps` plays it, `runner` compares what is expected.

mod episodes;
mod expect;
mod step;

pub use episodes::{Episode, Episodes, ToldStep};
pub use expect::{ChangeIs, CheckIs, Expect, ExpectChange, ExpectCheck, ExpectGate, GateIs, LedgerIs};
pub use step::{
    ApproveEnvironment, Assign, Branch, Chain, Ci, Comment, DeleteAccount, DeleteBranch, Deploy, DirectPush, Dismiss,
    Ending, Exception, Fault, Finish, Gate, GateException, Installation, InstallationStep, Justification, Merge,
    NextJob, Noise, Open, OutsideDeployment, Protection, ProtectionChange, PullAct, Push, Queue, ReleaseOrder, Rename,
    Rerun, RerunJobs, Retarget, Review, ReviewException, RuleChange, ServiceAct, SetPermission, Status, Step, Suggest,
    Sweep, Tag, TakenBy, UpdateBranch, Via, Webhooks,
};

use crate::model::Permission;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

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

use words;

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
    /// Teams of the organisation: slug to logins.
    #[serde(default)]
    pub teams: BTreeMap<String, Vec<String>>,
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
