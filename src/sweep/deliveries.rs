//! Deliveries that never came: put on record, asked for again, and put on record again when they arrive.
//!
//! Invariant: GitHub's list of deliveries is compared with the inbox, which keeps the id of all that ever came.

use super::{Memory, Sweep, Swept};
use crate::evaluation::entry;
use crate::github::GitHubError;
use crate::github::client::millis;
use crate::store::StoreError;
use crate::store::record::respelled;
use countersign_core::domain::{DeliveriesMissed, DeliveriesSettled, EntryBody};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// How many pages of deliveries a sweep reads at first; where it did not come to what was seen before, the next one reads twice as
/// many. GitHub keeps them for three days
/// (<https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks>).
const PAGES: usize = 50;

/// What was found missing this long ago, in milliseconds, is kept by GitHub no longer.
const KEPT: i64 = 4 * 24 * 60 * 60 * 1_000;

/// How often one delivery is asked for again: what never arrives is not asked for for ever.
const ASKED: u32 = 5;

#[derive(Deserialize)]
struct DeliveryItem {
    id: u64,
    guid: String,
    #[serde(default)]
    event: String,
    #[serde(default)]
    delivered_at: String,
    #[serde(default)]
    status: String,
}

impl Sweep {
    /// Asks again for deliveries that never came.
    pub(super) async fn deliveries(&self, memory: &mut Memory, swept: &mut Swept) -> Result<(), GitHubError> {
        let client = self.evaluator.client.for_app();
        let (mut newest, mut pages, mut found) = (None, 0, Vec::new());
        let (enough, last) = memory.seen_to;
        let most = memory.pages.max(PAGES);
        let mut whole = true;
        client
            .get_pages::<Vec<DeliveryItem>>("/app/hook/deliveries?per_page=100", |page| {
                pages += 1;
                for item in page {
                    if Some(item.id) == enough {
                        return false;
                    }
                    newest = newest.or(Some(item.id));
                    found.push(item);
                }
                whole = pages < most;
                whole
            })
            .await?;
        let guids: Vec<String> = found.iter().map(|item| item.guid.clone()).collect();
        // Newest first: of several attempts to deliver the same, one is asked for.
        let mut missing = self.evaluator.store.never_came(&guids).await?;
        missing.sort_unstable();
        missing.dedup();
        self.settle().await?;
        self.tell(&found, &missing).await?;
        memory.asked.retain(|guid, _| missing.contains(guid));
        memory.pages = if whole { PAGES } else { most.saturating_mul(2) };
        if !whole {
            tracing::warn!(pages, "there are more deliveries than were read: the next sweep reads more");
        }
        // Oldest first, as they were sent.
        for item in found.iter().rev() {
            let Ok(place) = missing.binary_search(&item.guid) else { continue };
            missing.remove(place);
            let asked = memory.asked.entry(item.guid.clone()).or_default();
            if *asked >= ASKED {
                continue;
            }
            *asked += 1;
            let path = format!("/app/hook/deliveries/{}/attempts", item.id);
            match client.ask(&path).await {
                Ok(()) => {
                    tracing::info!(delivery.id = item.guid, "a delivery that never came is asked for again");
                    swept.redelivered += 1;
                }
                Err(error @ GitHubError::RateLimited { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, delivery.id = item.guid, "a delivery cannot be asked for again");
                    swept.unanswered += 1;
                    whole = false;
                }
            }
        }
        if whole {
            memory.seen_to = (last, newest.or(last));
        }
        Ok(())
    }

    /// Puts on record what is missing and was not told before.
    async fn tell(&self, found: &[DeliveryItem], missing: &[String]) -> Result<(), StoreError> {
        let store = &self.evaluator.store;
        let new: BTreeSet<String> = store.not_told(missing).await?.into_iter().collect();
        // One that is still on its way is no missing one.
        let missed = |item: &&DeliveryItem| new.contains(&item.guid) && item.status != "pending";
        let (mut times, mut events, mut ids) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        for item in found.iter().filter(missed) {
            times.extend(respelled(&item.delivered_at));
            if ids.insert(item.guid.clone()) {
                *events.entry(item.event.clone()).or_insert(0_u64) += 1;
            }
        }
        let (Some(first), Some(last)) = (times.first().cloned(), times.last().cloned()) else { return Ok(()) };
        let look = hex::encode(rand::random::<[u8; 8]>());
        let count = ids.len() as u64;
        tracing::warn!(count, first, "deliveries did not arrive");
        let missed = DeliveriesMissed { look: look.clone(), first, last, count, events };
        let entry = entry(EntryBody::DeliveriesMissed(missed));
        store.deliveries_missed(entry, look, ids.into_iter().collect(), millis(SystemTime::now())).await
    }

    /// Puts on record which of those that were missing have arrived, and which never will.
    async fn settle(&self) -> Result<(), StoreError> {
        let store = &self.evaluator.store;
        let now = millis(SystemTime::now());
        for (look, deliveries) in store.missed_deliveries().await? {
            let (arrived, waiting): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(|one| one.arrived);
            let (lost, _): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|one| one.found_at + KEPT < now);
            if arrived.is_empty() && lost.is_empty() {
                continue;
            }
            let settled = DeliveriesSettled { look, arrived: arrived.len() as u64, lost: lost.len() as u64 };
            let both = arrived.into_iter().chain(lost).map(|one| one.delivery).collect();
            store.deliveries_settled(entry(EntryBody::DeliveriesSettled(settled)), both).await?;
        }
        Ok(())
    }
}
