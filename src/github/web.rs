//! One request to any address, as nobody or with a token: the issuer of run tokens, and the service that the Action asks.
//!
//! Invariant: nothing is asked twice, and what an answer means is for the caller to say.

use super::client::GitHubError;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Limited};
use octocrab::{OctoBody, Octocrab};
use serde_json::Value;
use std::time::Duration;

/// Keys, tokens and decisions are small; this is far above any of them.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// A connection to no one place.
pub struct Web {
    octocrab: Octocrab,
}

impl Web {
    /// Nothing is asked yet. An answer may take `patience`.
    pub fn new(patience: Duration) -> Result<Self, GitHubError> {
        let octocrab = Octocrab::builder()
            .set_connect_timeout(Some(Duration::from_secs(5)))
            .set_read_timeout(Some(patience))
            .build()
            .map_err(|error| GitHubError::Unusable(format!("no connection can be made: {error}")))?;
        Ok(Self { octocrab })
    }

    /// Asks once; gives the status and the body, whatever they are.
    pub async fn ask(
        &self,
        method: &str,
        address: &str,
        bearer: Option<&str>,
        body: Option<&Value>,
    ) -> Result<(u16, Vec<u8>), GitHubError> {
        let mut request = Request::builder().method(method).uri(address).header(header::ACCEPT, "application/json");
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let request = self.octocrab.build_request(request, body).map_err(|error| unusable(address, &error))?;
        self.send(address, request).await
    }

    /// Sends a text once, as nobody; gives the status and the body, whatever they are.
    pub async fn send_text(&self, address: &str, text: String) -> Result<(u16, Vec<u8>), GitHubError> {
        let request = Request::builder().method("POST").uri(address).header(header::CONTENT_TYPE, "text/plain");
        let request = request.body(OctoBody::from(text)).map_err(|error| unusable(address, &error))?;
        self.send(address, request).await
    }

    async fn send(&self, address: &str, request: Request<OctoBody>) -> Result<(u16, Vec<u8>), GitHubError> {
        let failed = |error: &dyn std::fmt::Display| GitHubError::Unavailable(format!("`{address}`: {error}"));
        let response = self.octocrab.execute(request).await.map_err(|error| failed(&error))?;
        let status = response.status().as_u16();
        let read = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
        Ok((status, read.map_err(|error| failed(&error))?.to_bytes().to_vec()))
    }
}

/// Whether a token may be sent to an address: over TLS, or to this machine itself.
pub fn is_safe(address: &str) -> bool {
    let Ok(uri) = address.trim().parse::<Uri>() else { return false };
    let near = uri.host().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host));
    match uri.scheme_str() {
        Some("https") => uri.host().is_some(),
        Some("http") => near,
        _ => false,
    }
}

fn unusable(address: &str, error: &dyn std::fmt::Display) -> GitHubError {
    GitHubError::Unusable(format!("`{address}` cannot be asked: {error}"))
}

#[cfg(test)]
mod tests {
    use super::is_safe;

    #[test]
    fn a_token_goes_over_tls_or_nowhere_but_this_machine() {
        for safe in
            ["https://countersign.example.com", "http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:8080"]
        {
            assert!(is_safe(safe), "{safe}");
        }
        for open in [
            "http://countersign.example.com",
            "http://127.0.0.1:8080@evil.example",
            "ftp://localhost",
            "localhost:80",
            "",
        ] {
            assert!(!is_safe(open), "{open}");
        }
    }
}
