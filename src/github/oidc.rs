//! Which run asks: the token that GitHub Actions signs for a job, checked against the issuer's published keys
//! (<https://docs.github.com/en/actions/reference/security/oidc>).
//!
//! Invariant: nothing of a token is believed before its signature is, by a key of an issuer that the settings name and by
//! RS256 alone. `sub` is never parsed: repositories choose its form. Who runs is read from the API, since a token names
//! the first actor only. Next: `http/gate.rs`.

use super::client::GitHubError;
use super::web::Web;
use crate::settings::Oidc as Settings;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long keys are used without asking whether they still hold.
const FRESH: Duration = Duration::from_hours(1);
/// How long the issuer is left alone after it was asked, whatever keys tokens name.
const PATIENCE: Duration = Duration::from_secs(20);
/// How far clocks may differ, in seconds.
const LEEWAY: u64 = 30;
/// GitHub's tokens end after minutes; one that says it holds for longer is none of theirs.
const LONGEST: u64 = 3_600;

/// What a token says that we hold against GitHub's API. Everything is required and of exactly this type, but the
/// environment, which only a job that names one has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// For whom: one, never a list.
    pub aud: String,
    /// The token's own id.
    pub jti: String,
    /// From when it holds, in seconds since 1970.
    pub nbf: u64,
    /// When it was made.
    pub iat: u64,
    /// When it ends.
    pub exp: u64,
    /// `owner/name`.
    pub repository: String,
    /// The repository's id.
    pub repository_id: String,
    /// Its owner.
    pub repository_owner: String,
    /// The run.
    pub run_id: String,
    /// The attempt.
    pub run_attempt: String,
    /// The commit.
    pub sha: String,
    /// The full ref.
    #[serde(rename = "ref")]
    pub reference: String,
    /// `branch` or `tag`, as the ref is.
    pub ref_type: String,
    /// The branch of a pull request; empty for every other event.
    pub head_ref: String,
    /// The branch it goes into; empty for every other event.
    pub base_ref: String,
    /// What started the run.
    pub event_name: String,
    /// The workflow's file: `owner/name/path@ref`.
    pub workflow_ref: String,
    /// Whose event it was.
    pub actor_id: String,
    /// The environment of the job.
    #[serde(default)]
    pub environment: Option<String>,
}

impl Claims {
    /// Whether what a token says twice it says alike. What it says besides is not read: `sub` has the form that a repository
    /// chose; logins, names and numbers label what ids name; visibility, protection of the ref and the kind of runner are no
    /// part of any rule; and the file of a called workflow is in the commit that is judged.
    fn agree(&self) -> bool {
        let owner = self.repository.split_once('/').map(|(owner, _)| owner);
        let kind = match self.ref_type.as_str() {
            "branch" => self.reference.starts_with("refs/heads/") || self.reference.starts_with("refs/pull/"),
            "tag" => self.reference.starts_with("refs/tags/"),
            _ => false,
        };
        let of_pull_request = self.event_name.starts_with("pull_request");
        let elsewhere = self.head_ref.is_empty() && self.base_ref.is_empty();
        owner == Some(self.repository_owner.as_str()) && kind && (of_pull_request || elsewhere)
    }
}

/// Why a token opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// It proves nothing.
    #[error("{0}")]
    Refused(String),
    /// The issuer's keys cannot be read now.
    #[error("the issuer's keys cannot be read: {0}")]
    Unavailable(GitHubError),
}

fn refused(why: impl std::fmt::Display) -> OidcError {
    OidcError::Refused(why.to_string())
}

/// The issuers in force and their keys.
pub struct Oidc {
    web: Web,
    issuers: Vec<String>,
    audience: String,
    keys: Mutex<HashMap<String, Kept>>,
}

struct Kept {
    keys: HashMap<String, DecodingKey>,
    /// When the issuer showed them; `None` where it never has.
    shown: Option<Instant>,
    /// When it was asked again for a key that we do not know, or gave no answer.
    asked: Option<Instant>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Oidc {
    /// Nothing is asked yet. Tokens must be made for `audience`.
    pub fn new(settings: &Settings, audience: String) -> Result<Self, GitHubError> {
        let issuers = settings.issuers.iter().map(|issuer| issuer.trim_end_matches('/').to_owned()).collect();
        Ok(Self { web: Web::new(Duration::from_secs(10))?, issuers, audience, keys: Mutex::default() })
    }

    /// What a token says, where GitHub signed it for us and it holds now.
    pub async fn verify(&self, token: &str) -> Result<Claims, OidcError> {
        let header = jsonwebtoken::decode_header(token).map_err(refused)?;
        if header.alg != Algorithm::RS256 {
            return Err(refused("the token is not signed by RS256"));
        }
        let kid = header.kid.ok_or_else(|| refused("the token names no key"))?;
        let issuer = claimed_issuer(token).ok_or_else(|| refused("the token names no issuer"))?;
        if !self.issuers.contains(&issuer) {
            return Err(refused(format!("`{issuer}` is no issuer of the settings")));
        }
        let key = self.key(&issuer, &kid).await?;
        let mut rules = Validation::new(Algorithm::RS256);
        rules.leeway = LEEWAY;
        rules.validate_nbf = true;
        rules.set_issuer(&[&issuer]);
        rules.set_audience(&[&self.audience]);
        rules.set_required_spec_claims(&["exp", "nbf", "aud", "iss"]);
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules).map_err(refused)?.claims;
        if claims.iat > jsonwebtoken::get_current_timestamp() + LEEWAY {
            return Err(refused("the token is made in the future"));
        }
        if claims.exp.saturating_sub(claims.iat) > LONGEST || claims.jti.is_empty() || !claims.agree() {
            return Err(refused("the token is not of GitHub's form"));
        }
        Ok(claims)
    }

    /// The key of this name. An issuer is asked again for one that we do not know, but not for each, and not at once
    /// after it gave no answer.
    async fn key(&self, issuer: &str, kid: &str) -> Result<DecodingKey, OidcError> {
        let unknown = || refused("the token is signed by a key that its issuer does not show");
        // Held over the call on purpose: many tokens at once ask for the keys once.
        let mut kept = self.keys.lock().await;
        if let Some(known) = kept.get(issuer) {
            let fresh = known.shown.is_some_and(|shown| shown.elapsed() < FRESH);
            let rests = known.asked.is_some_and(|asked| asked.elapsed() < PATIENCE);
            match known.keys.get(kid).filter(|_| fresh) {
                Some(key) => return Ok(key.clone()),
                None if rests && fresh => return Err(unknown()),
                None if rests => {
                    let silent = format!("`{issuer}` gave no answer a moment ago");
                    return Err(OidcError::Unavailable(GitHubError::Unavailable(silent)));
                }
                None => {}
            }
        }
        let now = Instant::now();
        let again = kept.get(issuer).is_some_and(|known| known.shown.is_some_and(|shown| shown.elapsed() < FRESH));
        match self.published(issuer).await {
            Ok(keys) => {
                let found = keys.get(kid).cloned();
                kept.insert(issuer.to_owned(), Kept { keys, shown: Some(now), asked: again.then_some(now) });
                found.ok_or_else(unknown)
            }
            Err(error) => {
                let known = kept.entry(issuer.to_owned());
                known.or_insert_with(|| Kept { keys: HashMap::new(), shown: None, asked: None }).asked = Some(now);
                Err(error)
            }
        }
    }

    async fn published(&self, issuer: &str) -> Result<HashMap<String, DecodingKey>, OidcError> {
        let found: Discovery = self.read(&format!("{issuer}/.well-known/openid-configuration")).await?;
        let beside = found.jwks_uri.strip_prefix(issuer).is_some_and(|rest| rest.starts_with('/'));
        if found.issuer.trim_end_matches('/') != issuer || !beside {
            return Err(refused(format!("`{issuer}` does not describe itself")));
        }
        let set: KeySet = self.read(&found.jwks_uri).await?;
        let signs = |key: &Key| {
            key.kty == "RSA"
                && key.alg.as_deref().is_none_or(|alg| alg == "RS256")
                && key.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
        };
        let keys = set.keys.into_iter().filter(signs).filter_map(|key| {
            let decoding = DecodingKey::from_rsa_components(key.n.as_deref()?, key.e.as_deref()?).ok()?;
            Some((key.kid?, decoding))
        });
        Ok(keys.collect())
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, address: &str) -> Result<T, OidcError> {
        let (status, body) = self.web.ask("GET", address, None, None).await.map_err(OidcError::Unavailable)?;
        if status != 200 {
            return Err(OidcError::Unavailable(GitHubError::Unavailable(format!("`{address}` answered {status}"))));
        }
        serde_json::from_slice(&body)
            .map_err(|error| OidcError::Unavailable(GitHubError::Unreadable(format!("`{address}`: {error}"))))
    }
}

/// The issuer that a token names, not yet believed: it says whose keys to check it with.
fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    let body = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Issuer>(&body).ok().map(|claims| claims.iss)
}
