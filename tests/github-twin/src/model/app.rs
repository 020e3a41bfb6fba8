//! Our App as installed, what it was sent, and what it asked and wrote.

use super::{Sha, Time};
use std::collections::BTreeMap;

/// How much an App may do with one kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PermissionLevel {
    /// Read.
    Read,
    /// Read and write.
    Write,
}

/// Our App on the organisation.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The App's id.
    pub app_id: u64,
    /// The App's slug: `countersign`.
    pub slug: String,
    /// The account its writes show as: `countersign[bot]`.
    pub bot: u64,
    /// The installation's id.
    pub id: u64,
    /// The App's webhook id (`X-GitHub-Hook-ID`).
    pub hook_id: u64,
    /// The App's public key (PEM), with which its JWTs are checked; `None` refuses them all.
    pub public_key: Option<String>,
    /// Where webhooks go; `None` sends none.
    pub webhook_url: Option<String>,
    /// The webhook secret.
    pub webhook_secret: String,
    /// What it may do: `checks` → write, `contents` → read, …
    pub permissions: BTreeMap<String, PermissionLevel>,
    /// The events it is subscribed to. Others are not sent.
    pub events: Vec<String>,
    /// Since when it is suspended, and by whom.
    pub suspended: Option<(Time, super::AccountId)>,
    /// Whether it is installed.
    pub installed: bool,
    /// Whether it may reach the repository.
    pub reaches: bool,
}

/// What becomes of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallationAction {
    /// `installation` `created`.
    Created,
    /// `installation` `deleted`.
    Deleted,
    /// `installation` `suspend`.
    Suspend,
    /// `installation` `unsuspend`.
    Unsuspend,
    /// `installation_repositories` `added`.
    Added,
    /// `installation_repositories` `removed`.
    Removed,
}

/// How a delivery went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Not sent yet.
    Waiting,
    /// Kept back by a story's `hold`.
    Held,
    /// Never sent: lost on a story's demand, or nobody answered (`status_code` 0).
    Lost,
    /// Answered with this status.
    Answered(u16),
}

/// One webhook delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its id; a redelivery has a new one.
    pub id: u64,
    /// The GUID (`X-GitHub-Delivery`); a redelivery keeps it.
    pub guid: String,
    /// The event: `pull_request`.
    pub event: String,
    /// The action, where the payload has one.
    pub action: Option<String>,
    /// The payload, as it was when it happened.
    pub payload: serde_json::Value,
    /// How it went.
    pub outcome: DeliveryOutcome,
    /// Whether somebody asked for it again.
    pub redelivery: bool,
    /// When, by the real clock.
    pub delivered_at: Time,
}

/// One API call.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Call {
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The GraphQL operation's name, for `POST /graphql`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The status answered.
    pub status: u16,
    /// The request's body, where it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<serde_json::Value>,
    /// The answer's body, where it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<serde_json::Value>,
}

/// What the App wrote.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Write {
    /// A check run was created or changed.
    CheckRun {
        /// The check run.
        id: u64,
        /// Its name.
        name: String,
        /// The commit.
        head_sha: Sha,
        /// Its status then.
        status: String,
        /// Its conclusion then.
        conclusion: Option<String>,
        /// Its title then.
        title: Option<String>,
    },
    /// A commit status was posted.
    Status {
        /// The commit.
        sha: Sha,
        /// Its context.
        context: String,
        /// Its state.
        state: String,
    },
    /// A deployment protection rule was answered or given a note.
    Rule {
        /// The run.
        run: u64,
        /// The environment.
        environment: String,
        /// The answer; `None` for a mere note.
        state: Option<super::RuleState>,
        /// The note.
        comment: String,
    },
}
