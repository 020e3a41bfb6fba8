//! The heartbeat: marks that the service is alive, and puts on record when it was not or could not work.
//!
//! Invariant: the first thing on record of a start says since when the service had been away; the last thing of a stop in
//! order says so. A beat costs one row. Nothing is decided by it.

use crate::evaluation::entry;
use crate::settings::Settings;
use crate::store::record::spelled;
use crate::store::{Store, StoreError};
use countersign_core::domain::{EntryBody, Outage, OutageKind};
use std::time::Duration;
use time::OffsetDateTime;

/// So many beats late, and the service stood still.
const LATE: u32 = 6;

/// The heartbeat.
#[derive(Clone)]
pub struct Heartbeat {
    store: Store,
    every: Duration,
}

impl Heartbeat {
    /// Puts the start on record, with the key that signs the ledger's heads.
    pub async fn start(store: &Store, settings: &Settings, ledger_key: String) -> Result<Self, StoreError> {
        let in_force = settings.digest();
        let (settings_digest, ledger_key) = (in_force.0.clone(), Some(ledger_key));
        let started = EntryBody::ServiceStarted { settings_digest, ledger_key, away: None };
        store.started(entry(started), in_force).await?;
        let every = Duration::from_millis(settings.server.heartbeat_ms.max(10));
        Ok(Self { store: store.clone(), every })
    }

    /// Beats until the task is dropped.
    pub async fn beat(self) {
        let late = self.every.saturating_mul(LATE);
        let (mut last, mut failing) = (OffsetDateTime::now_utc(), false);
        loop {
            tokio::time::sleep(self.every).await;
            let now = OffsetDateTime::now_utc();
            let outage = match (failing, Duration::try_from(now - last)) {
                (true, _) => Some(OutageKind::DatabaseUnavailable),
                (false, Ok(since)) if since > late => Some(OutageKind::StoodStill),
                (false, _) => None,
            };
            match self.one(outage, last, now).await {
                Ok(()) => (last, failing) = (OffsetDateTime::now_utc(), false),
                Err(error) => {
                    tracing::error!(%error, "the heartbeat could not be written");
                    failing = true;
                }
            }
        }
    }

    async fn one(
        &self,
        outage: Option<OutageKind>,
        last: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        self.store.beat(spelled(now)).await?;
        let Some(what) = outage else { return Ok(()) };
        let outage = Outage { what, from: spelled(last), to: spelled(OffsetDateTime::now_utc()) };
        tracing::warn!(?what, from = outage.from, "the service could not work for a while");
        self.store.note(entry(EntryBody::Outage(outage))).await
    }

    /// Puts on record that the service is stopped in order.
    pub async fn stop(&self) -> Result<(), StoreError> {
        self.store.stopped(entry(EntryBody::ServiceStopped {})).await
    }
}
