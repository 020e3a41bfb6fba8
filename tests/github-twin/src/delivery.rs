//! Webhooks: rendered when something happens, sent one after another, signed as GitHub signs them.
//!
//! Invariant: nothing is ever sent again by itself; a story may drop, double or hold deliveries. Next: `payload`.

use crate::model::{Delivery, DeliveryOutcome, Event, Shared, World};
use crate::story::{ReleaseOrder, Webhooks};
use hmac::{Hmac, Mac};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use sha2::Sha256;
use std::time::Duration;

/// What a story does to the deliveries of the next steps.
#[derive(Debug, Default)]
pub struct WebhookPlan {
    drop: u32,
    duplicate: u32,
    hold: u32,
    release: Option<ReleaseOrder>,
    dropping: bool,
    duplicating: bool,
    holding: bool,
}

impl World {
    /// Renders an event and queues its delivery, where the App is subscribed to it.
    pub fn emit(&mut self, event: &Event) {
        let (name, action, payload) = crate::payload::render(self, event);
        if name == "push" {
            let commits = payload.get("commits").and_then(serde_json::Value::as_array);
            let ids = commits.into_iter().flatten().filter_map(|commit| commit.get("id")?.as_str().map(str::to_owned));
            self.pushed.extend(ids);
        }
        // What becomes of the installation is told in any case; all else only while it is there, awake and in reach.
        let ours = &self.installation;
        let heard = ours.events.iter().any(|known| known == name);
        let ours_to_hear = heard && ours.installed && ours.suspended.is_none() && ours.reaches;
        if !name.starts_with("installation") && !ours_to_hear {
            return;
        }
        let outcome = if self.webhooks.dropping {
            DeliveryOutcome::Lost
        } else if self.webhooks.holding {
            DeliveryOutcome::Held
        } else {
            DeliveryOutcome::Waiting
        };
        let guid = guid();
        for _ in 0..=u8::from(self.webhooks.duplicating) {
            let id = self.next_id();
            self.deliveries.push(Delivery {
                id,
                guid: guid.clone(),
                event: name.to_owned(),
                action: action.map(str::to_owned),
                payload: payload.clone(),
                outcome,
                redelivery: false,
                delivered_at: now(),
            });
        }
        self.wake.notify_one();
    }

    /// Sends a delivery once more, as `POST /app/hook/deliveries/{id}/attempts` asks. Says whether there is such a one.
    pub fn redeliver(&mut self, id: u64) -> bool {
        let Some(original) = self.deliveries.iter().find(|delivery| delivery.id == id) else {
            return false;
        };
        let mut again = original.clone();
        again.id = self.next_id();
        again.redelivery = true;
        again.outcome = DeliveryOutcome::Waiting;
        again.delivered_at = now();
        self.deliveries.push(again);
        self.wake.notify_one();
        true
    }

    /// Whether all that is to be sent has been sent.
    pub fn all_delivered(&self) -> bool {
        self.deliveries.iter().all(|delivery| delivery.outcome != DeliveryOutcome::Waiting)
    }

    /// Takes note of a story's step `webhooks`.
    pub fn plan_webhooks(&mut self, step: &Webhooks) {
        let plan = &mut self.webhooks;
        plan.drop = step.drop.unwrap_or(plan.drop);
        plan.duplicate = step.duplicate.unwrap_or(plan.duplicate);
        plan.hold = step.hold.unwrap_or(plan.hold);
        plan.release = step.release.or(plan.release);
    }

    /// Before a step: what was planned for the steps before has ended, where it has.
    pub fn end_webhook_plan(&mut self) {
        self.webhooks.dropping &= self.webhooks.drop > 0;
        self.webhooks.duplicating &= self.webhooks.duplicate > 0;
        if self.webhooks.holding && self.webhooks.hold == 0 {
            self.release_webhooks();
        }
    }

    /// As a step begins: its deliveries are dropped, doubled or held, where that was planned.
    pub fn begin_webhook_plan(&mut self) {
        let plan = &mut self.webhooks;
        plan.dropping = plan.drop > 0;
        plan.duplicating = plan.duplicate > 0;
        plan.holding = plan.hold > 0;
        plan.drop = plan.drop.saturating_sub(1);
        plan.duplicate = plan.duplicate.saturating_sub(1);
        plan.hold = plan.hold.saturating_sub(1);
    }

    /// Lets go of what is held: at the next `expect`, or after the steps it was held for.
    pub fn release_webhooks(&mut self) {
        self.webhooks.holding = false;
        self.webhooks.hold = 0;
        let (mut held, rest): (Vec<Delivery>, Vec<Delivery>) = std::mem::take(&mut self.deliveries)
            .into_iter()
            .partition(|delivery| delivery.outcome == DeliveryOutcome::Held);
        if self.webhooks.release == Some(ReleaseOrder::Shuffled) {
            let mut dice = rand::rngs::StdRng::seed_from_u64(held.len() as u64);
            held.shuffle(&mut dice);
        }
        for delivery in &mut held {
            delivery.outcome = DeliveryOutcome::Waiting;
        }
        self.deliveries = rest;
        self.deliveries.extend(held);
        self.wake.notify_one();
    }
}

/// Sends what there is to send, for as long as it is polled.
pub async fn send_all(world: Shared) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build();
    let Ok(client) = client else { return };
    let wake = world.lock().wake.clone();
    loop {
        match next(&world) {
            Some(outgoing) => {
                let outcome = outgoing.send(&client).await;
                let mut world = world.lock();
                let sent = world.deliveries.iter_mut().find(|delivery| delivery.id == outgoing.id);
                if let Some(delivery) = sent {
                    delivery.outcome = outcome;
                    delivery.delivered_at = now();
                }
            }
            None => wake.notified().await,
        }
    }
}

struct Outgoing {
    id: u64,
    url: Option<String>,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

impl Outgoing {
    async fn send(&self, client: &reqwest::Client) -> DeliveryOutcome {
        let Some(url) = &self.url else {
            return DeliveryOutcome::Lost;
        };
        let mut request = client.post(url).body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        match request.send().await {
            Ok(answer) => DeliveryOutcome::Answered(answer.status().as_u16()),
            Err(_) => DeliveryOutcome::Lost,
        }
    }
}

fn next(world: &Shared) -> Option<Outgoing> {
    let world = world.lock();
    let waiting = |delivery: &&Delivery| delivery.outcome == DeliveryOutcome::Waiting;
    let delivery = world.deliveries.iter().find(waiting)?;
    let installation = &world.installation;
    let body = serde_json::to_vec(&delivery.payload).ok()?;
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "*/*".to_owned()),
        ("user-agent", "GitHub-Hookshot/7e5d0a1".to_owned()),
        ("x-github-event", delivery.event.clone()),
        ("x-github-delivery", delivery.guid.clone()),
        ("x-github-hook-id", installation.hook_id.to_string()),
        ("x-github-hook-installation-target-id", installation.app_id.to_string()),
        ("x-github-hook-installation-target-type", "integration".to_owned()),
        ("x-hub-signature-256", sign(&installation.webhook_secret, &body)),
    ];
    Some(Outgoing { id: delivery.id, url: installation.webhook_url.clone(), body, headers })
}

/// The signature header's value: `sha256=` and the HMAC of the body in hexadecimal.
pub fn sign(secret: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length; the error cannot happen, and a signature of nothing is refused by whoever checks.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn guid() -> String {
    let bits: u128 = rand::random();
    let hexadecimal = format!("{bits:032x}");
    let part = |from: usize, to: usize| hexadecimal.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}
