//! Ids as GitHub gives them, each a type of its own so that none can stand in for another.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// The numeric id of an account: the only identity that survives a rename.
    AccountId
);
number!(
    /// The numeric id of a repository.
    RepositoryId
);
number!(
    /// The number of a pull request within its repository.
    PullRequestNumber
);
number!(
    /// The id of one review.
    ReviewId
);
number!(
    /// The id of a workflow run; the same for all its attempts.
    RunId
);
number!(
    /// The number of one attempt of a run, counted from 1.
    RunAttempt
);
number!(
    /// The id of a deployment.
    DeploymentId
);

/// A full commit (or tree) id in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitSha(String);

impl CommitSha {
    /// Takes the id as GitHub spells it.
    pub fn new(sha: impl Into<String>) -> Self {
        Self(sha.into().to_ascii_lowercase())
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven characters, for people.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }

    /// Whether this is the id of forty zeros, by which a push says "the branch did not exist".
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'0')
    }
}

impl fmt::Display for CommitSha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&str> for CommitSha {
    fn from(sha: &str) -> Self {
        Self::new(sha)
    }
}
