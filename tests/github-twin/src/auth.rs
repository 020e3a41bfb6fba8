//! Who calls: the App by its JWT, or its installation by a token that ends after an hour and may do what it was given.
//!
//! Invariant: nothing is believed that is not signed: a JWT by the App's key, a token by a secret of this process. A token
//! never may more than the installation may now. Next: `crate::rest` (which call needs which permission), `oidc` (the
//! tokens of Actions runs).

pub mod oidc;

use crate::model::{Installation, PermissionLevel};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rand::RngCore as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Permissions by name, as in `app-permissions`.
pub type Permissions = BTreeMap<String, PermissionLevel>;

/// How long an installation token holds, in seconds.
pub const TOKEN_SECONDS: i64 = 3600;
/// How far ahead a JWT may end, in seconds.
const JWT_SECONDS: i64 = 600;
/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 60;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// No credentials.
    Nobody,
    /// The App itself.
    App,
    /// The App's installation, with what this token may do.
    Installation(Permissions),
    /// A job of a run, which may ask for an OIDC token and nothing else.
    Job(oidc::Job),
}

impl Caller {
    /// Whether the caller may do this much with that kind of thing. Every installation may read metadata.
    pub fn may(&self, what: &str, level: PermissionLevel) -> bool {
        match self {
            Self::Installation(given) => {
                (what == "metadata" && level == PermissionLevel::Read)
                    || given.get(what).is_some_and(|most| *most >= level)
            }
            Self::Nobody | Self::App | Self::Job(_) => false,
        }
    }
}

/// Why credentials do not hold; GitHub answers 401 with this message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No such scheme, not signed by us, or ended.
    #[error("Bad credentials")]
    BadCredentials,
    /// Not a JWT that this App signed.
    #[error("A JSON web token could not be decoded")]
    NotDecoded,
    /// The JWT ended.
    #[error(
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
    )]
    Expired,
    /// The JWT ends too late.
    #[error("'Expiration time' claim ('exp') is too far in the future")]
    TooLong,
    /// The JWT was made in the future.
    #[error("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")]
    NotYetIssued,
    /// The JWT names another App.
    #[error("Integration not found")]
    UnknownApp,
}

#[derive(Deserialize)]
struct AppClaims {
    iss: serde_json::Value,
    iat: i64,
    exp: i64,
}

#[derive(Serialize, Deserialize)]
struct TokenClaims {
    installation: u64,
    exp: i64,
    permissions: Permissions,
    serial: u64,
}

/// Who sends this `Authorization` header (`now` in seconds since 1970).
pub fn caller(installation: &Installation, header: Option<&str>, now: i64) -> Result<Caller, AuthError> {
    let Some(header) = header else {
        return Ok(Caller::Nobody);
    };
    let (scheme, credentials) = header.split_once(' ').ok_or(AuthError::BadCredentials)?;
    if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("token") {
        return Err(AuthError::BadCredentials);
    }
    let credentials = credentials.trim();
    if credentials.starts_with("ghs_") {
        return token_holder(installation, credentials, now);
    }
    if let Some(job) = oidc::job_of(credentials) {
        return Ok(Caller::Job(job));
    }
    if credentials.split('.').count() == 3 {
        return app(installation, credentials, now).map(|()| Caller::App);
    }
    Err(AuthError::BadCredentials)
}

fn app(installation: &Installation, jwt: &str, now: i64) -> Result<(), AuthError> {
    let pem = installation.public_key.as_deref().ok_or(AuthError::NotDecoded)?;
    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| AuthError::NotDecoded)?;
    let mut rules = Validation::new(Algorithm::RS256);
    rules.validate_exp = false; // checked below against the clock that was handed in
    rules.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<AppClaims>(jwt, &key, &rules).map_err(|_| AuthError::NotDecoded)?.claims;
    let issuer = match &claims.iss {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if issuer != installation.app_id.to_string() && issuer != format!("Iv1.{:016x}", installation.app_id) {
        return Err(AuthError::UnknownApp);
    }
    if claims.exp <= now {
        return Err(AuthError::Expired);
    }
    if claims.exp > now + JWT_SECONDS + LEEWAY {
        return Err(AuthError::TooLong);
    }
    if claims.iat > now + LEEWAY {
        return Err(AuthError::NotYetIssued);
    }
    Ok(())
}

/// A new installation token and when it ends.
pub fn mint(installation: &Installation, permissions: Permissions, now: i64) -> (String, i64) {
    let claims = TokenClaims {
        installation: installation.id,
        exp: now + TOKEN_SECONDS,
        permissions,
        serial: rand::rng().next_u64(),
    };
    (format!("ghs_{}", sealed(&claims)), claims.exp)
}

fn token_holder(installation: &Installation, token: &str, now: i64) -> Result<Caller, AuthError> {
    let claims = token
        .strip_prefix("ghs_")
        .and_then(open::<TokenClaims>)
        .filter(|claims| claims.exp > now && claims.installation == installation.id)
        .ok_or(AuthError::BadCredentials)?;
    let mut permissions = claims.permissions;
    permissions.retain(|name, level| match installation.permissions.get(name) {
        Some(most) => {
            *level = (*level).min(*most);
            true
        }
        None => false,
    });
    Ok(Caller::Installation(permissions))
}

/// Anything as a text that only this process can have made.
fn sealed(content: &impl Serialize) -> String {
    let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(content).unwrap_or_default());
    let mark = URL_SAFE_NO_PAD.encode(seal(body.as_bytes()));
    format!("{body}~{mark}")
}

/// What was sealed; `None` where it was not, or was altered.
fn open<T: DeserializeOwned>(text: &str) -> Option<T> {
    let (body, mark) = text.split_once('~')?;
    if URL_SAFE_NO_PAD.encode(seal(body.as_bytes())) != mark {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
}

fn seal(bytes: &[u8]) -> Vec<u8> {
    static SECRET: OnceLock<[u8; 32]> = OnceLock::new();
    let secret = SECRET.get_or_init(|| {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        secret
    });
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret).unwrap_or_else(|_| unreachable!("any length will do"));
    mac.update(bytes);
    mac.finalize().into_bytes().to_vec()
}
