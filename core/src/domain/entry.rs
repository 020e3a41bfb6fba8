//! What goes into the ledger: one entry per decision and per observation of note.
//!
//! Shape: written as canonical JSON (RFC 8785); what is hashed is exactly the bytes that are stored.

use super::{
    Account, CommitSha, DeploymentId, Exception, ExceptionOverdue, ExceptionReview, Facts, Repository, RunAttempt,
    RunId, Verdict,
};
use serde::{Deserialize, Serialize};

/// The version of the entries' shape that this build writes.
pub const ENTRY_VERSION: u32 = 1;

/// One line of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`ENTRY_VERSION`] of the build that wrote it.
    pub version: u32,
    /// When, RFC 3339 in UTC with milliseconds. For people: nothing is decided by it.
    pub time: String,
    /// Name and version of the program that wrote it.
    pub tool: String,
    /// What.
    #[serde(flatten)]
    pub body: EntryBody,
}

/// What an entry records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EntryBody {
    /// A verdict on record, with all it was based on.
    Decision(Box<Decision>),
    /// A deployment from before anybody watched, judged afterwards. It is no decision: it allows nothing.
    Backfilled(Box<Backfilled>),
    /// A deployment's own job ended, as read from the attempt's jobs.
    DeploymentFinished(DeploymentFinished),
    /// Something was found afterwards that should not have been.
    Alert(Alert),
    /// A person broke the glass.
    ExceptionOpened(Exception),
    /// Somebody else said whether it was justified.
    ExceptionReviewed(ExceptionReview),
    /// Nobody said so in time.
    ExceptionOverdue(ExceptionOverdue),
    /// The service started.
    ServiceStarted {
        /// Digest of the settings in force, hexadecimal SHA-256.
        settings_digest: String,
        /// The key that signs the ledger's heads from now on, as auditors know it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ledger_key: Option<String>,
    },
    /// Another key signs the ledger's heads from here on.
    KeyRotated {
        /// The note that both keys signed; it names them, and the ledger as it stood.
        note: String,
    },
}

/// A verdict on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Its id, unique in the ledger.
    pub id: String,
    /// What was asked, for example `repository:7/pull_request:3` or `repository:7/run:9/environment:production`.
    pub subject: String,
    /// All it may see.
    pub facts: Facts,
    /// What the policy said.
    pub verdict: Verdict,
    /// Digest of the policies, hexadecimal SHA-256.
    pub policy_digest: String,
    /// Digest of the settings, hexadecimal SHA-256.
    pub settings_digest: String,
}

/// What would have been said of a deployment, had anybody watched: judged afterwards, from what GitHub showed then, without
/// observations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfilled {
    /// What would have been said, with all it was based on.
    #[serde(flatten)]
    pub decision: Decision,
    /// The deployment.
    pub deployment: DeploymentId,
    /// How its job ended, as GitHub names it; `unknown` where GitHub ties no job to it.
    pub conclusion: String,
    /// When, RFC 3339 in UTC with milliseconds, by GitHub's clock; when it was created where no end is known.
    pub ended_at: String,
}

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentFinished {
    /// Where.
    pub repository: Repository,
    /// The environment.
    pub environment: String,
    /// The deployment.
    pub deployment: DeploymentId,
    /// The run.
    pub run: RunId,
    /// The attempt.
    pub attempt: RunAttempt,
    /// The commit that went out.
    pub commit: CommitSha,
    /// The conclusion of the deploying job, as GitHub names it.
    pub conclusion: String,
    /// The decision for that very attempt; `None` where there was none.
    pub decision: Option<String>,
}

/// Something found afterwards: a deployment that went out without an answer of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is, as a stable code: `gate-bypassed`.
    pub code: String,
    /// In words.
    pub text: String,
    /// Where.
    pub repository: Repository,
    /// The environment.
    pub environment: String,
    /// The run.
    pub run: RunId,
    /// The attempt.
    pub attempt: RunAttempt,
    /// The deployment.
    pub deployment: DeploymentId,
    /// The commit that went out.
    pub commit: CommitSha,
    /// The accounts that started the attempt.
    pub by: Vec<Account>,
}
