//! A job asks the service whether it may deploy, with the token of its run, altered where the story says so.
//!
//! Invariant: the token is the run's own but for what the story alters, and it is asked with once.

use super::stage::Stage;
use crate::auth::oidc::{self, Job};
use crate::story::Gate;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// For whom tokens are made: the address under which the service is reached.
pub(super) const AUDIENCE: &str = "http://countersign.test";

/// What the last job that asked was told.
#[derive(Debug, Clone)]
pub struct LastGate {
    /// Its run.
    pub run: u64,
    /// The status of the answer.
    pub status: u16,
    /// The answer.
    pub answer: Value,
}

impl Stage {
    /// What the last job that asked was told.
    pub fn last_gate(&self) -> Option<&LastGate> {
        self.gate.as_ref()
    }

    /// The claims of a job's token.
    pub fn claims(&self, job: &Job) -> Option<Value> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        oidc::claims(&self.world.lock(), job, AUDIENCE, i64::try_from(now).unwrap_or(i64::MAX))
    }

    /// Asks the service's gate with a token, whatever it is.
    pub async fn ask_gate(&self, token: &str, body: &Value) -> Result<(u16, Value), String> {
        let url = format!("{}/api/v1/gate", self.url()?);
        let asked = self.client.post(&url).bearer_auth(token).json(body).send().await;
        let answer = asked.map_err(|error| format!("/api/v1/gate: {error}"))?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.map_err(|error| format!("/api/v1/gate: {error}"))?))
    }

    pub(super) async fn gate_step(&mut self, it: &Gate) -> Result<(), String> {
        let before = self.gate.clone();
        let played = self.world.lock().asking_job(it, before.as_ref().map(|gate| gate.run));
        let job = played.map_err(|error| error.to_string())?;
        let mut claims = self.claims(&job).ok_or("the run has no token")?;
        if let Some(claims) = claims.as_object_mut() {
            for (claim, value) in &it.token {
                claims.insert(claim.clone(), value.clone());
            }
        }
        let token = if it.unsigned { Some(unsigned(&claims)) } else { oidc::sign(&claims) };
        let token = token.ok_or("the token cannot be signed")?;
        let sha = self.world.lock().runs.get(&job.run).map(|run| run.head_sha.clone());
        let before = before.filter(|_| it.reuse);
        let body = json!({
            "environment": job.environment,
            "sha": sha,
            "decision": before.and_then(|before| before.answer.get("decision_id").cloned()),
            "exception": it.exception.as_ref().map(|it| json!({"reason": it.reason, "ticket": it.ticket})),
        });
        let (status, answer) = self.ask_gate(&token, &body).await?;
        self.gate = Some(LastGate { run: job.run, status, answer });
        match (it.refused, status) {
            (true, 200) => Err("expected a refusal, seen an answer".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Claims that nobody signed.
fn unsigned(claims: &Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "JWT"}).to_string());
    format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()))
}
