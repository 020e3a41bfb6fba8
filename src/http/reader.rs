//! Who may read: the bearer of a reader's token, or anyone where the operator said so.
//!
//! Invariant: closed unless opened. Without a token in the settings and without `open_reading` nobody reads anything.

use super::Doors;
use super::problem::Problem;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
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

/// The token of a bearer.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    scheme(headers.get(header::AUTHORIZATION)?.to_str().ok()?, "Bearer")
}

fn token_of(authorization: &str) -> Option<String> {
    if let Some(token) = scheme(authorization, "Bearer") {
        return Some(token.to_owned());
    }
    let basic = BASE64_STANDARD.decode(scheme(authorization, "Basic")?).ok()?;
    let pair = String::from_utf8(basic).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

/// What is given under a scheme; schemes are spelled in any case (RFC 9110, section 11.1).
fn scheme<'h>(authorization: &'h str, name: &str) -> Option<&'h str> {
    let (scheme, given) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case(name).then(|| given.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_as_bearer_or_as_password() {
        assert_eq!(token_of("Bearer t").as_deref(), Some("t"));
        assert_eq!(token_of("Basic YW55OnQ=").as_deref(), Some("t"));
        assert_eq!(token_of("bearer t").as_deref(), Some("t"));
        assert_eq!(token_of("BASIC YW55OnQ=").as_deref(), Some("t"));
        assert_eq!(token_of("Digest t"), None);
        assert_eq!(token_of("Bearert"), None);
    }
}
