//! Break-glass, as a person's program asks for it: through the service's own door, with a token that names the account.
//!
//! Invariant: the twin knows nothing of exceptions; what the service refuses is a refusal of the story.

use super::stage::Stage;
use crate::story::{Exception, Justification, ReviewException};
use serde_json::{Value, json};

/// The token of an account in every story.
pub(super) fn token(login: &str) -> String {
    format!("exceptions-of-{login}")
}

impl Stage {
    pub(super) async fn exception_step(&self, it: &Exception) -> Result<(), String> {
        let body = json!({
            "repository": it.repository.as_deref().unwrap_or("acme/shop"),
            "environment": it.environment.as_deref().unwrap_or("production"),
            "reason": it.reason,
            "ticket": it.ticket,
            "minutes": it.minutes,
        });
        let (status, answer) = self.ask_exceptions("", &it.by, &body).await?;
        match (status, it.refused) {
            (201, false) | (422, true) => Ok(()),
            _ => Err(format!("an exception by {}: seen {status} {answer}", it.by)),
        }
    }

    pub(super) async fn review_exception_step(&self, it: &ReviewException) -> Result<(), String> {
        let listed = self.read("/api/v1/exceptions").await?;
        let listed: Value = serde_json::from_str(&listed).map_err(|error| format!("/api/v1/exceptions: {error}"))?;
        // A job may have opened the last one at the gate.
        let newest = listed.pointer("/items/0/id").and_then(Value::as_str).map(str::to_owned);
        let id = newest.ok_or("no exception was opened")?;
        let verdict = match it.verdict {
            Justification::Justified => "justified",
            Justification::Unjustified => "unjustified",
        };
        let path = format!("/{id}/review");
        let (status, answer) = self.ask_exceptions(&path, &it.by, &json!({"verdict": verdict})).await?;
        match (status, it.refused) {
            (204, false) | (422, true) => Ok(()),
            _ => Err(format!("a review by {}: seen {status} {answer}", it.by)),
        }
    }

    async fn ask_exceptions(&self, path: &str, by: &str, body: &Value) -> Result<(u16, Value), String> {
        let url = format!("{}/api/v1/exceptions{path}", self.url()?);
        let account = self.world.lock().account_by_login(by).map(|account| account.id);
        let known = account.and_then(|id| self.first_logins.get(&id)).map_or(by, String::as_str);
        let asked = self.client.post(&url).bearer_auth(token(known)).json(body).send().await;
        let answer = asked.map_err(|error| format!("/api/v1/exceptions: {error}"))?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or_default()))
    }
}
