//! Webhook deliveries as `/app/hook/deliveries` shows them.

use super::merged;
use crate::model::{Delivery, DeliveryOutcome, UPSTREAM, World, rfc3339};
use serde_json::{Value, json};

/// `webhook-config`: where the App's webhooks go. The secret is never shown.
pub fn hook_config(world: &World) -> Value {
    let config = json!({"content_type": "json", "secret": "********", "insecure_ssl": "0"});
    // An App without an address shows none.
    match &world.installation.webhook_url {
        Some(url) => super::merged(config, json!({"url": url})),
        None => config,
    }
}

/// `hook-delivery-item`.
pub fn hook_delivery_item(world: &World, one: &Delivery) -> Value {
    let (status, code) = match one.outcome {
        DeliveryOutcome::Answered(code) => (if code < 300 { "OK" } else { "Invalid HTTP Response" }, code),
        DeliveryOutcome::Waiting | DeliveryOutcome::Held => ("pending", 0),
        DeliveryOutcome::Lost => ("failed to connect to host", 0),
    };
    let status = match code {
        401 => "Unauthorized",
        _ => status,
    };
    json!({
        "id": one.id,
        "guid": one.guid,
        "delivered_at": rfc3339(one.delivered_at),
        "redelivery": one.redelivery,
        "duration": 0.01,
        "status": status,
        "status_code": code,
        "event": one.event,
        "action": one.action,
        "installation_id": world.installation.id,
        "repository_id": UPSTREAM,
        "throttled_at": null
    })
}

/// `hook-delivery`: with what was sent.
pub fn hook_delivery(world: &World, one: &Delivery) -> Value {
    merged(
        hook_delivery_item(world, one),
        json!({
            "url": world.installation.webhook_url.as_deref().unwrap_or_default(),
            "request": {
                "headers": {"X-GitHub-Delivery": one.guid, "X-GitHub-Event": one.event},
                "payload": one.payload
            },
            "response": {"headers": {}, "payload": null}
        }),
    )
}
