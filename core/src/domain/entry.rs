//! What goes into the ledger: one entry per decision and per observation of note.
//!
//! Shape: written as canonical JSON (RFC 8785); what is hashed is exactly the bytes that are stored.

use super::{
    Account, Away, CommitSha, DeliveriesMissed, DeliveriesSettled, DeploymentId, DeploymentsListed, Exception,
    ExceptionOverdue, ExceptionReview, Facts, InstallationChanged, Outage, Repository, RepositoryId, RunAttempt, RunId,
    Verdict,
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
    /// A name in the settings belongs to another account now.
    NameReassigned(NameReassigned),
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
        /// Since when it had been away; `None` where it never ran before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        away: Option<Away>,
    },
    /// Another key signs the ledger's heads from here on.
    KeyRotated {
        /// The note that both keys signed; it names them, and the ledger as it stood.
        note: String,
    },
    /// The service was stopped in order.
    ServiceStopped {},
    /// The service ran and could not work.
    Outage(Outage),
    /// An installation of the App changed.
    InstallationChanged(InstallationChanged),
    /// Deliveries did not arrive.
    DeliveriesMissed(DeliveriesMissed),
    /// What became of them.
    DeliveriesSettled(DeliveriesSettled),
    /// GitHub lists deployments that were not listed before.
    DeploymentsListed(DeploymentsListed),
}

impl EntryBody {
    /// What kind it is, as it is written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Decision(_) => "decision",
            Self::Backfilled(_) => "backfilled",
            Self::DeploymentFinished(_) => "deployment_finished",
            Self::Alert(_) => "alert",
            Self::NameReassigned(_) => "name_reassigned",
            Self::ExceptionOpened(_) => "exception_opened",
            Self::ExceptionReviewed(_) => "exception_reviewed",
            Self::ExceptionOverdue(_) => "exception_overdue",
            Self::ServiceStarted { .. } => "service_started",
            Self::KeyRotated { .. } => "key_rotated",
            Self::ServiceStopped {} => "service_stopped",
            Self::Outage(_) => "outage",
            Self::InstallationChanged(_) => "installation_changed",
            Self::DeliveriesMissed(_) => "deliveries_missed",
            Self::DeliveriesSettled(_) => "deliveries_settled",
            Self::DeploymentsListed(_) => "deployments_listed",
        }
    }

    /// The repository that it belongs to; `None` for what belongs to none.
    pub fn repository(&self) -> Option<RepositoryId> {
        match self {
            Self::Decision(decision) => Some(decision.facts.repository.id),
            Self::Backfilled(backfilled) => Some(backfilled.decision.facts.repository.id),
            Self::DeploymentFinished(finished) => Some(finished.repository.id),
            Self::Alert(alert) => Some(alert.repository.id),
            Self::ExceptionOpened(exception) => Some(exception.repository.id),
            Self::ExceptionReviewed(review) => Some(review.repository.id),
            Self::ExceptionOverdue(overdue) => Some(overdue.repository.id),
            Self::DeploymentsListed(listed) => Some(listed.repository.id),
            Self::NameReassigned(_)
            | Self::ServiceStarted { .. }
            | Self::KeyRotated { .. }
            | Self::ServiceStopped {}
            | Self::Outage(_)
            | Self::InstallationChanged(_)
            | Self::DeliveriesMissed(_)
            | Self::DeliveriesSettled(_) => None,
        }
    }

    /// What it is about: `repository:7/…`, or what belongs to no repository.
    pub fn subject(&self) -> String {
        match self {
            Self::Decision(decision) => decision.subject.clone(),
            Self::Backfilled(backfilled) => backfilled.decision.subject.clone(),
            Self::DeploymentFinished(DeploymentFinished { repository, run, environment, .. }) => {
                format!("repository:{}/run:{run}/environment:{environment}", repository.id)
            }
            Self::Alert(Alert { repository, run: Some(run), attempt: Some(attempt), environment, .. }) => {
                format!("repository:{}/run:{run}/attempt:{attempt}/environment:{environment}", repository.id)
            }
            Self::Alert(Alert { repository, deployment, .. }) => {
                format!("repository:{}/deployment:{deployment}", repository.id)
            }
            Self::NameReassigned(reassigned) => format!("name:{}", reassigned.name),
            Self::ExceptionOpened(exception) => {
                format!("repository:{}/exception:{}", exception.repository.id, exception.id)
            }
            Self::ExceptionReviewed(review) => {
                format!("repository:{}/exception:{}", review.repository.id, review.exception)
            }
            Self::ExceptionOverdue(overdue) => {
                format!("repository:{}/exception:{}", overdue.repository.id, overdue.exception)
            }
            Self::ServiceStarted { .. } | Self::ServiceStopped {} | Self::Outage(_) => "service".to_owned(),
            Self::KeyRotated { .. } => "ledger".to_owned(),
            Self::InstallationChanged(changed) => format!("installation:{}", changed.installation),
            Self::DeliveriesMissed(DeliveriesMissed { look, .. })
            | Self::DeliveriesSettled(DeliveriesSettled { look, .. }) => format!("deliveries:{look}"),
            Self::DeploymentsListed(listed) => format!("repository:{}/deployments", listed.repository.id),
        }
    }
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
    /// When the job ended, by GitHub's clock: what ended last is what runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Other deployments of this attempt here, which ended with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<DeploymentId>,
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
    /// The run; `None` where the deployment came without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<RunAttempt>,
    /// The deployment.
    pub deployment: DeploymentId,
    /// The commit that went out.
    pub commit: CommitSha,
    /// The accounts that started the attempt; of a deployment without a run: who created it.
    pub by: Vec<Account>,
    /// The first-parent commits that it put into production, newest first, as far as the branch's line shows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<CommitSha>,
}

/// A name that the settings use belongs to another account now than when it was pinned. What it means does not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameReassigned {
    /// What it is, as a stable code: `name-reassigned`.
    pub code: String,
    /// In words.
    pub text: String,
    /// The name in lower case; a bot's ends in `[bot]`.
    pub name: String,
    /// The account that the settings go on meaning.
    pub pinned: Account,
    /// The account that bears the name now.
    pub now: Account,
}
