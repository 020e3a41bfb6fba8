//! Installations as GitHub shows them, compared with what deliveries told: a suspension may have gone unheard.
//!
//! Invariant: only what differs goes on record, and an installation that was never met before is nothing new.

use super::Sweep;
use crate::evaluation::entry;
use crate::store::StoreError;
use crate::store::installations::InstallationState;
use crate::store::record::respelled;
use countersign_core::domain::{EntryBody, InstallationChange, InstallationChanged};
use serde::Deserialize;
use serde_json::Value;

/// An installation as GitHub lists it.
#[derive(Deserialize)]
pub(super) struct Installation {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) suspended_at: Option<String>,
    /// An organisation, a user or an enterprise: each is named otherwise.
    #[serde(default)]
    account: Value,
}

impl Installation {
    fn owner(&self) -> &str {
        let named = ["login", "slug"].iter().find_map(|key| self.account.get(key)?.as_str());
        named.unwrap_or_default()
    }
}

impl Sweep {
    /// Puts on record what became of installations unheard.
    pub(super) async fn compare(&self, listed: &[Installation]) -> Result<(), StoreError> {
        let store = &self.evaluator.store;
        let known = store.installations().await?;
        for one in listed.iter().filter(|one| self.evaluator.settings.concerns(one.owner())) {
            let state = known.get(&one.id).map(|(_, state)| *state);
            let at = one.suspended_at.as_deref().and_then(respelled);
            let change = match (state, one.suspended_at.is_some()) {
                (Some(InstallationState::Suspended), true) | (Some(InstallationState::Present), false) => continue,
                (_, true) => InstallationChange::Suspended,
                (Some(InstallationState::Suspended), false) => InstallationChange::Unsuspended,
                (Some(InstallationState::Gone), false) => InstallationChange::Created,
                (None, false) => {
                    // A new installation of an owner whose old one is gone.
                    let gone = |(owner, state): &(String, InstallationState)| {
                        *state == InstallationState::Gone && owner.eq_ignore_ascii_case(one.owner())
                    };
                    if !known.values().any(gone) {
                        store.meet_installation(one.id, one.owner().to_owned()).await?;
                        continue;
                    }
                    InstallationChange::Created
                }
            };
            self.changed(one.id, one.owner(), change, at).await?;
        }
        for (id, (owner, state)) in known {
            let is_listed = listed.iter().any(|one| one.id == id);
            if !is_listed && state != InstallationState::Gone {
                self.changed(id, &owner, InstallationChange::Deleted, None).await?;
            }
        }
        Ok(())
    }

    async fn changed(
        &self,
        installation: u64,
        owner: &str,
        change: InstallationChange,
        at: Option<String>,
    ) -> Result<(), StoreError> {
        tracing::warn!(installation, owner, ?change, "an installation changed unheard");
        let on = owner.to_owned();
        let changed = InstallationChanged { installation, on, change, by: None, at, repositories: Vec::new() };
        self.evaluator.store.installation_changed(entry(EntryBody::InstallationChanged(changed))).await
    }
}
