//! Who we are to GitHub: the App's JSON web token, and installation tokens made with it.
//!
//! Invariant: a token is used only while it has a margin left; none is ever logged.

use super::client::GitHubError;
use super::transport::Transport;
use crate::settings::GitHub;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Mutex;

/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_mins(5);

/// The App, with its key and the installation tokens that are still good.
pub struct App {
    id: u64,
    key: EncodingKey,
    tokens: Mutex<HashMap<u64, InstallationToken>>,
}

#[derive(Clone)]
struct InstallationToken {
    secret: String,
    expires_at: SystemTime,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: String,
    expires_at: String,
}

impl App {
    /// Reads the App's key.
    pub fn load(settings: &GitHub) -> anyhow::Result<Self> {
        let path = &settings.private_key_file;
        if settings.app_id == 0 || path.as_os_str().is_empty() {
            anyhow::bail!("no App is configured: set `app_id` and `private_key_file` under [github]");
        }
        let pem = std::fs::read(path)
            .map_err(|error| anyhow::anyhow!("the App's key `{}` cannot be read: {error}", path.display()))?;
        let key = EncodingKey::from_rsa_pem(&pem)
            .map_err(|error| anyhow::anyhow!("`{}` is no RSA key in PEM form: {error}", path.display()))?;
        Ok(Self { id: settings.app_id, key, tokens: Mutex::new(HashMap::new()) })
    }

    /// The App's id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// A token that speaks for the App itself, good for nine minutes. It is dated a minute back for clocks that differ.
    pub fn json_web_token(&self, now: SystemTime) -> Result<String, GitHubError> {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let claims = serde_json::json!({
            "iat": now.saturating_sub(60), "exp": now.saturating_add(540), "iss": self.id.to_string(),
        });
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map_err(|error| GitHubError::Unusable(format!("the App's key does not sign: {error}")))
    }

    /// A token for one installation: the kept one, or a new one where that ends soon.
    pub(super) async fn installation_token(
        &self,
        transport: &Transport,
        installation: u64,
    ) -> Result<String, GitHubError> {
        let now = SystemTime::now();
        // Held over the call on purpose: many evaluations at once ask for one token, not for many.
        let mut tokens = self.tokens.lock().await;
        if let Some(token) = tokens.get(&installation)
            && token.expires_at > now + MARGIN
        {
            return Ok(token.secret.clone());
        }
        let path = format!("/app/installations/{installation}/access_tokens");
        let bearer = self.json_web_token(now)?;
        let answer = transport.send("POST", &path, &bearer, None, Some(&serde_json::json!({}))).await?;
        let answer: TokenAnswer = answer.read()?;
        let expires_at = OffsetDateTime::parse(&answer.expires_at, &Rfc3339)
            .map_err(|_| GitHubError::Unreadable("the expiry of an installation token".to_owned()))?;
        tokens.insert(installation, InstallationToken { secret: answer.token.clone(), expires_at: expires_at.into() });
        Ok(answer.token)
    }

    /// Forgets a token that GitHub refused, so that the next call asks for a new one.
    pub(super) async fn forget(&self, installation: u64) {
        self.tokens.lock().await.remove(&installation);
    }
}
