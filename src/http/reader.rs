//! Who may read: the bearer of a reader's token, or anyone where the operator said so.
//!
//! Invariant: closed unless opened. Without a token in the settings and without `open_reading` nobody reads anything.

use super::Doors;
use super::problem::Problem;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

/// Lets readers through. Browsers send the token as the password of HTTP Basic, programs as a bearer token.
pub async fn admit(State(doors): State<Doors>, request: Request, next: Next) -> Result<Response, Problem> {
    if doors.settings.server.open_reading {
        return Ok(next.run(request).await);
    }
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(token_of).ok_or_else(Problem::unauthorized)?;
    // Digests are compared, so that the time it takes says nothing about the token.
    let digest = hex::encode(Sha256::digest(token.as_bytes()));
    if doors.settings.server.reader_tokens.iter().any(|known| known.eq_ignore_ascii_case(&digest)) {
        Ok(next.run(request).await)
    } else {
        Err(Problem::unauthorized())
    }
}

fn token_of(authorization: &str) -> Option<String> {
    if let Some(token) = authorization.strip_prefix("Bearer ") {
        return Some(token.trim().to_owned());
    }
    let basic = BASE64_STANDARD.decode(authorization.strip_prefix("Basic ")?.trim()).ok()?;
    let pair = String::from_utf8(basic).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_as_bearer_or_as_password() {
        assert_eq!(token_of("Bearer t").as_deref(), Some("t"));
        assert_eq!(token_of("Basic YW55OnQ=").as_deref(), Some("t"));
        assert_eq!(token_of("Digest t"), None);
    }
}
