//! What a story expects.
//!
//! Next: `crate::runner`, which compares it with what the service says.

use super::words;
use serde::Deserialize;

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

words! {
    CheckIs { Success, Failure, Pending }
    GateIs { Allow, Deny, Pending, Undetermined, Exception }
    ChangeIs { Compliant, Violation, Undetermined }
    LedgerIs { Valid }
}
