//! What a delivery says of an installation of the App: it names no repository to look at, and goes on record as it is.
//!
//! Invariant: an action that we do not know says nothing.

use super::AccountPayload;
use crate::store::record::respelled;
use countersign_core::domain::{InstallationChange, InstallationChanged, Repository, RepositoryId};
use serde::Deserialize;

#[derive(Deserialize)]
struct Payload {
    action: String,
    installation: InstallationPayload,
    #[serde(default)]
    repositories: Vec<RepositoryPayload>,
    #[serde(default)]
    repositories_added: Vec<RepositoryPayload>,
    #[serde(default)]
    repositories_removed: Vec<RepositoryPayload>,
    sender: Option<AccountPayload>,
}

#[derive(Deserialize)]
struct InstallationPayload {
    id: u64,
    account: AccountName,
    #[serde(default)]
    suspended_at: Option<String>,
}

#[derive(Deserialize)]
struct AccountName {
    login: String,
}

#[derive(Deserialize)]
struct RepositoryPayload {
    id: u64,
    full_name: String,
}

/// Reads a delivery of the events `installation` and `installation_repositories`.
pub fn read(event: &str, body: &[u8]) -> Option<InstallationChanged> {
    if !["installation", "installation_repositories"].contains(&event) {
        return None;
    }
    let payload: Payload = serde_json::from_slice(body)
        .inspect_err(|error| tracing::debug!(event, %error, "a delivery of a shape we do not know says nothing"))
        .ok()?;
    let (change, repositories) = match (event, payload.action.as_str()) {
        ("installation", "created") => (InstallationChange::Created, payload.repositories),
        ("installation", "deleted") => (InstallationChange::Deleted, Vec::new()),
        ("installation", "suspend") => (InstallationChange::Suspended, Vec::new()),
        ("installation", "unsuspend") => (InstallationChange::Unsuspended, Vec::new()),
        ("installation", "new_permissions_accepted") => (InstallationChange::PermissionsChanged, Vec::new()),
        ("installation_repositories", "added") => (InstallationChange::RepositoriesAdded, payload.repositories_added),
        ("installation_repositories", "removed") => {
            (InstallationChange::RepositoriesRemoved, payload.repositories_removed)
        }
        _ => return None,
    };
    let at = payload.installation.suspended_at.as_deref().filter(|_| change == InstallationChange::Suspended);
    let named = |one: RepositoryPayload| Repository { id: RepositoryId(one.id), full_name: one.full_name };
    Some(InstallationChanged {
        installation: payload.installation.id,
        on: payload.installation.account.login,
        change,
        by: payload.sender.map(AccountPayload::account),
        at: at.and_then(respelled),
        repositories: repositories.into_iter().map(named).collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_suspension_is_told_with_who_and_when_by_githubs_clock() {
        let body = br#"{"action":"suspend","installation":{"id":3,"account":{"login":"acme"},
            "suspended_at":"2026-01-02T03:04:05Z"},"sender":{"id":7,"login":"ann","type":"User"}}"#;
        let changed = read("installation", body).unwrap();
        assert_eq!((changed.change, changed.on.as_str()), (InstallationChange::Suspended, "acme"));
        assert_eq!(changed.at.as_deref(), Some("2026-01-02T03:04:05.000Z"));
        assert_eq!(
            read("installation", br#"{"action":"sneeze","installation":{"id":3,"account":{"login":"a"}}}"#),
            None
        );
        assert_eq!(read("installation_target", body), None);
        assert_eq!(read("installation", b"[]"), None);
    }
}
