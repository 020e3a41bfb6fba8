//! Break-glass: an exception that a person opens, what it lets through, and the review that it owes.
//!
//! Invariant: an exception breaks no rule by itself. The verdict keeps every rule that is broken, and says that it was let
//! through all the same.

use super::{Account, CommitSha, Repository};
use serde::{Deserialize, Serialize};

/// An exception, opened by a person for a repository and an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// Its id, unique in the ledger.
    pub id: String,
    /// Where.
    pub repository: Repository,
    /// The environment.
    pub environment: String,
    /// The one commit that it is for; `None` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitSha>,
    /// Why, in the words of whoever opened it.
    pub reason: String,
    /// The ticket of the emergency.
    pub ticket: String,
    /// Who opened it.
    pub opened_by: Account,
    /// Until when it covers what is asked for, RFC 3339.
    pub ends: String,
    /// Until when somebody else must have reviewed it, RFC 3339.
    pub due: String,
}

/// What somebody else says of an exception afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionReview {
    /// The exception.
    pub exception: String,
    /// Where.
    pub repository: Repository,
    /// The environment.
    pub environment: String,
    /// Who says so: a person who neither opened it, nor contributed to, nor deployed what it let through.
    pub by: Account,
    /// Whether it was justified.
    pub justified: bool,
}

/// An exception that nobody reviewed in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionOverdue {
    /// The exception.
    pub exception: String,
    /// Where.
    pub repository: Repository,
    /// The environment.
    pub environment: String,
    /// Until when it should have been reviewed, RFC 3339.
    pub due: String,
}
