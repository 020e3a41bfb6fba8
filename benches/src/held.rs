//! Webhooks sent by the harness itself, so that it knows when, and through how many connections.

use crate::service::play;
use anyhow::{Context as _, ensure};
use github_twin::delivery::sign;
use github_twin::model::DeliveryOutcome;
use github_twin::runner::Stage;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Webhooks that the twin holds back, to be sent by us.
struct Held {
    /// Event, GUID and body of each.
    deliveries: Vec<(String, String, Vec<u8>)>,
    client: reqwest::Client,
    address: String,
    secret: String,
}

impl Held {
    /// Takes all that are held back: the twin counts them as sent.
    fn take(stage: &Stage) -> anyhow::Result<Self> {
        let mut world = stage.world().lock();
        let mut deliveries = Vec::new();
        for delivery in world.deliveries.iter_mut().filter(|delivery| delivery.outcome == DeliveryOutcome::Held) {
            let body = serde_json::to_vec(&delivery.payload)?;
            deliveries.push((delivery.event.clone(), delivery.guid.clone(), body));
            delivery.outcome = DeliveryOutcome::Answered(202);
        }
        world.release_webhooks();
        Ok(Self {
            deliveries,
            client: reqwest::Client::builder().no_proxy().build()?,
            address: format!("{}/webhooks/github", stage.service_url().context("the service")?),
            secret: world.installation.webhook_secret.clone(),
        })
    }

    /// Sends one; answers whether it was accepted.
    async fn send(&self, (event, guid, body): &(String, String, Vec<u8>)) -> bool {
        let request = self.client.post(&self.address).header("x-github-event", event).header("x-github-delivery", guid);
        let request = request.header("x-hub-signature-256", sign(&self.secret, body));
        let answer = request.header("content-type", "application/json").body(body.clone()).send().await;
        answer.is_ok_and(|answer| answer.status() == 202)
    }
}

/// Plays a step and sends what GitHub would tell of it, the named event last: answers when that one was sent.
pub async fn tell(stage: &mut Stage, step: Value, event: &str) -> anyhow::Result<Instant> {
    play(stage, json!({"webhooks": {"hold": 1}})).await?;
    play(stage, step).await?;
    let mut held = Held::take(stage)?;
    held.deliveries.sort_by_key(|(named, ..)| named == event);
    let last = held.deliveries.pop().filter(|(named, ..)| named == event).context("the event was not sent")?;
    for delivery in &held.deliveries {
        ensure!(held.send(delivery).await, "a delivery was refused");
    }
    let begun = Instant::now();
    ensure!(held.send(&last).await, "a delivery was refused");
    Ok(begun)
}

/// Sends every delivery that is held back, through many connections at once; answers how many were not accepted.
pub async fn flood(stage: &Stage) -> anyhow::Result<u64> {
    const HANDS: usize = 128;
    let held = Arc::new(Held::take(stage)?);
    let next = Arc::new(AtomicUsize::new(0));
    let mut hands = tokio::task::JoinSet::new();
    for _ in 0..HANDS {
        let (held, next) = (held.clone(), next.clone());
        hands.spawn(async move {
            let mut accepted = 0_u64;
            while let Some(delivery) = held.deliveries.get(next.fetch_add(1, Ordering::Relaxed)) {
                accepted += u64::from(held.send(delivery).await);
            }
            accepted
        });
    }
    let mut accepted = 0;
    while let Some(hand) = hands.join_next().await {
        accepted += hand?;
    }
    Ok(held.deliveries.len() as u64 - accepted)
}
