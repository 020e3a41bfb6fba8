//! What is known of the App's installations, to tell what changed while nobody told us.
//!
//! Invariant: the state follows from the entries, and changes in the transaction that appends one.

use super::observations::signed;
use super::{Store, StoreError, record};
use countersign_core::domain::{Entry, EntryBody, InstallationChange, InstallationChanged};
use sqlx::{Row, SqliteConnection};
use std::collections::BTreeMap;

/// Where an installation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallationState {
    /// It is there.
    Present,
    /// It is there, and suspended.
    Suspended,
    /// It is no longer there.
    Gone,
}

impl InstallationState {
    fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Suspended => "suspended",
            Self::Gone => "gone",
        }
    }
}

impl Store {
    /// The installations that are known: on whom, and where each stands.
    pub async fn installations(&self) -> Result<BTreeMap<u64, (String, InstallationState)>, StoreError> {
        let rows = sqlx::query("SELECT installation, owner, state FROM installations").fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                let state = match row.try_get::<String, _>(2)?.as_str() {
                    "present" => InstallationState::Present,
                    "suspended" => InstallationState::Suspended,
                    _ => InstallationState::Gone,
                };
                Ok((row.try_get::<i64, _>(0)?.unsigned_abs(), (row.try_get(1)?, state)))
            })
            .collect()
    }

    /// Takes note of an installation that is there as it is expected to be.
    pub async fn meet_installation(&self, installation: u64, owner: String) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move { keep(connection, installation, &owner, InstallationState::Present).await })
            })
            .await
    }

    /// Puts on record what became of an installation.
    pub async fn installation_changed(&self, entry: Entry) -> Result<(), StoreError> {
        self.writer.write(move |connection| Box::pin(async move { note(connection, &entry).await })).await
    }
}

/// Puts on record what became of an installation, within a larger unit.
pub(super) async fn note(connection: &mut SqliteConnection, entry: &Entry) -> Result<(), StoreError> {
    record::append(connection, entry).await?;
    let EntryBody::InstallationChanged(InstallationChanged { installation, on, change, .. }) = &entry.body else {
        return Ok(());
    };
    let state = match change {
        InstallationChange::Created | InstallationChange::Unsuspended => InstallationState::Present,
        InstallationChange::Suspended => InstallationState::Suspended,
        InstallationChange::Deleted => InstallationState::Gone,
        InstallationChange::RepositoriesAdded
        | InstallationChange::RepositoriesRemoved
        | InstallationChange::PermissionsChanged => return Ok(()),
    };
    keep(connection, *installation, on, state).await
}

async fn keep(
    connection: &mut SqliteConnection,
    installation: u64,
    owner: &str,
    state: InstallationState,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO installations (installation, owner, state) VALUES ($1, $2, $3) \
         ON CONFLICT (installation) DO UPDATE SET owner = $2, state = $3",
    )
    .bind(signed(installation))
    .bind(owner)
    .bind(state.name())
    .execute(connection)
    .await?;
    Ok(())
}
