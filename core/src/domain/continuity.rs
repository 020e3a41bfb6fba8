//! What bears on whether the control was there all the time, and on whether the record is complete.
//!
//! Invariant: nothing here is judged by; times are for people to read, and say whose clock they are of.

use super::{Account, CommitSha, DeploymentId, Repository};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Since when the service had been away when it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// When it was last known to be alive, RFC 3339, by its own clock.
    pub since: String,
    /// Whether it had been stopped in order.
    pub clean: bool,
}

/// What kept the service from its work while it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutageKind {
    /// Its database could not be written.
    DatabaseUnavailable,
    /// It stood still: the machine slept, or had no time for it.
    StoodStill,
}

/// A stretch of time in which the service ran and could not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// What it was.
    pub what: OutageKind,
    /// When it last worked before, RFC 3339, by its own clock.
    pub from: String,
    /// When it worked again.
    pub to: String,
}

/// What became of an installation of the App.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstallationChange {
    /// It was installed.
    Created,
    /// It was uninstalled.
    Deleted,
    /// It was suspended: GitHub asks and tells it nothing.
    Suspended,
    /// It is no longer suspended.
    Unsuspended,
    /// It may reach more repositories.
    RepositoriesAdded,
    /// It may reach fewer repositories.
    RepositoriesRemoved,
    /// It was given other permissions.
    PermissionsChanged,
}

/// An installation of the App changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationChanged {
    /// The installation.
    pub installation: u64,
    /// The login of the organisation or user it is installed on.
    pub on: String,
    /// What became of it.
    pub change: InstallationChange,
    /// Who did it; `None` where it was found by asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Account>,
    /// When, by GitHub's clock, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The repositories that it concerns, where it concerns some only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<Repository>,
}

/// Deliveries that GitHub made and that did not arrive, as one look found them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveriesMissed {
    /// Names them together: the look that found them.
    pub look: String,
    /// When the first was sent, by GitHub's clock.
    pub first: String,
    /// When the last was sent.
    pub last: String,
    /// How many they are.
    pub count: u64,
    /// How many of each event.
    pub events: BTreeMap<String, u64>,
}

/// What became of deliveries that had not arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveriesSettled {
    /// The look that had found them.
    pub look: String,
    /// How many arrived when they were asked for again.
    pub arrived: u64,
    /// How many GitHub keeps no longer: they never arrived.
    pub lost: u64,
}

/// One deployment as GitHub lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedDeployment {
    /// Its id.
    pub id: DeploymentId,
    /// The environment, as GitHub spells it.
    pub environment: String,
    /// The commit it names.
    pub commit: CommitSha,
    /// Who created it; `None` where GitHub shows nobody.
    pub creator: Option<Account>,
    /// When it was created, by GitHub's clock.
    pub created_at: String,
}

/// What GitHub lists of deployments to production environments that was not listed before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentsListed {
    /// Where.
    pub repository: Repository,
    /// The list was read down to this one; `None` at the first look, which goes back to the settings' baselines.
    pub after: Option<DeploymentId>,
    /// The newest that it held, of whatever environment.
    pub upto: DeploymentId,
    /// Those to production environments, oldest first.
    pub deployments: Vec<ListedDeployment>,
}
