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
    pub(super) async fn exception_step(&mut self, it: &Exception) -> Result<(), String> {
        let body = json!({
            "repository": it.repository.as_deref().unwrap_or("acme/shop"),
            "environment": it.environment.as_deref().unwrap_or("production"),
            "reason": it.reason,
            "ticket": it.ticket,
            "minutes": it.minutes,
        });
        let (status, answer) = self.ask_exceptions("", &it.by, &body).await?;
        match (status, it.refused) {
            (201, false) => {
                self.exception = answer.get("id").and_then(Value::as_str).map(str::to_owned);
                Ok(())
            }
            (422, true) => Ok(()),
            _ => Err(format!("an exception by {}: seen {status} {answer}", it.by)),
        }
    }

    pub(super) async fn review_exception_step(&mut self, it: &ReviewException) -> Result<(), String> {
        let id = self.exception.clone().ok_or("no exception was opened")?;
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
        let asked = self.client.post(&url).bearer_auth(token(by)).json(body).send().await;
        let answer = asked.map_err(|error| format!("/api/v1/exceptions: {error}"))?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or_default()))
    }
}
