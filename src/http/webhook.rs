//! The door for GitHub's webhooks: is it GitHub? Keep it, and answer 202.
//!
//! Invariant: a delivery that is accepted is on disk before GitHub hears so; one that is not leaves no trace but a
//! counter. Nothing is looked at here: the next stop is the inbox.

use super::Doors;
use super::problem::Problem;
use crate::store::Delivery;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::time::SystemTime;

/// GitHub caps payloads at 25 MB
/// (<https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap>).
pub const LARGEST: usize = 25 * 1024 * 1024;

/// `POST /webhooks/github`
pub async fn receive(State(doors): State<Doors>, headers: HeaderMap, body: Body) -> Result<StatusCode, Problem> {
    let turn_away = |reason, problem| {
        doors.metrics.refuse(reason);
        problem
    };
    let taken = doors.bodies.take(body, LARGEST).await.map_err(|why| turn_away("body", why.into()))?;
    let body = &taken.bytes;
    let signature = header(&headers, "x-hub-signature-256").unwrap_or_default();
    if !signed_by_one_of(&doors.settings.github.webhook_secrets, body, signature) {
        return Err(turn_away("signature", Problem::unauthorized()));
    }
    let (Some(event), Some(id)) = (header(&headers, "x-github-event"), header(&headers, "x-github-delivery")) else {
        return Err(turn_away("headers", Problem::bad_request("the event or delivery header is missing")));
    };
    if id.is_empty() || id.len() > 200 || event.is_empty() || event.len() > 100 {
        return Err(turn_away("headers", Problem::bad_request("the event or delivery header is not GitHub's")));
    }
    if !is_json_object(body) {
        return Err(turn_away("json", Problem::bad_request("the body is no JSON object")));
    }
    let delivery = Delivery {
        id: id.to_owned(),
        event: event.to_owned(),
        body: body.to_vec(),
        received_at: crate::github::client::millis(SystemTime::now()),
    };
    doors.store.accept(delivery).await.map_err(|error| {
        // GitHub keeps what we did not take, and we ask for it again.
        tracing::error!(%error, delivery.id = id, "a delivery could not be kept");
        turn_away("store", Problem::unavailable())
    })?;
    doors.metrics.accepted.inc();
    Ok(StatusCode::ACCEPTED)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Skipped text is not looked at by the parser, so that it is UTF-8 is asked first.
fn is_json_object(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Compares in constant time, with every secret: while one is being replaced, two are good.
fn signed_by_one_of(secrets: &[String], body: &[u8], signature: &str) -> bool {
    let Some(Ok(given)) = signature.strip_prefix("sha256=").map(hex::decode) else { return false };
    secrets.iter().filter(|secret| !secret.is_empty()).any(|secret| {
        Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(&given).is_ok())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sign(secret: &str, body: &[u8]) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
        format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn either_of_two_secrets_opens_the_door_and_a_third_does_not() {
        let secrets = ["old".to_owned(), "new".to_owned()];
        assert!(signed_by_one_of(&secrets, b"body", &sign("old", b"body")));
        assert!(signed_by_one_of(&secrets, b"body", &sign("new", b"body")));
        assert!(!signed_by_one_of(&secrets, b"body", &sign("other", b"body")));
        assert!(!signed_by_one_of(&secrets, b"body!", &sign("new", b"body")));
    }

    #[test]
    fn no_secret_and_no_signature_open_nothing() {
        assert!(!signed_by_one_of(&[], b"body", &sign("", b"body")));
        assert!(!signed_by_one_of(&[String::new()], b"body", &sign("", b"body")));
        assert!(!signed_by_one_of(&["secret".to_owned()], b"body", ""));
        assert!(!signed_by_one_of(&["secret".to_owned()], b"body", "sha1=00"));
    }
}
