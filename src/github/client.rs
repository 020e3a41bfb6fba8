//! Calls to GitHub: one request, one answer, nothing hidden.
//!
//! Invariant: nothing is retried here. An error says when it makes sense to try again, and the worker is the one place
//! that does. Lists are read to their end or the answer is an error: there is no "first page".

use super::allowance::Told;
use super::app::App;
use super::transport::{Answer, Transport, limited_until, reset};
use crate::settings::GitHub;
use crate::store::Store;
use crate::store::pins::KeptAnswer;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What can go wrong between GitHub and us; each variant is something a caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// Too many calls: nothing before `until`.
    #[error("github limits our calls until {until:?}")]
    RateLimited {
        /// When to try again.
        until: SystemTime,
    },
    /// GitHub is down, slow, or cut the answer short. Worth another try.
    #[error("github is unavailable: {0}")]
    Unavailable(String),
    /// It is not there, or not for us.
    #[error("github has no {0}")]
    NotFound(String),
    /// GitHub understood and refused.
    #[error("github refused {path}: {status} {message}")]
    Refused {
        /// What was asked.
        path: String,
        /// The status.
        status: u16,
        /// What GitHub says.
        message: String,
    },
    /// The answer is not of the published shape.
    #[error("github's answer cannot be read: {0}")]
    Unreadable(String),
    /// Our own App cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// Our own store did not answer.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl GitHubError {
    /// Whether trying again later can help.
    pub fn passes(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable(_) | Self::Store(_))
    }
}

/// GitHub Actions' own App (<https://api.github.com/apps/github-actions>), whose check suites stand in for ours where
/// there is no App of ours.
const ACTIONS_APP: u64 = 15_368;

/// As whom a client asks.
#[derive(Clone)]
enum Caller {
    /// The App itself.
    App(Arc<App>),
    /// One installation of the App.
    Installation { app: Arc<App>, installation: u64 },
    /// Whoever holds this token.
    Bearer(String),
}

/// A client: a connection, and as whom it asks.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
    caller: Caller,
    /// Of deployments before our App was there, only the check suites of GitHub Actions tell who pushed.
    suites_of_actions: bool,
}

impl Client {
    /// A client of the App; asks nothing yet. [`Client::for_installation`] says for whom it speaks.
    pub fn new(settings: &GitHub, app: Arc<App>) -> anyhow::Result<Self> {
        Self::connect(settings, Caller::Installation { app, installation: 0 })
    }

    /// A client of whoever holds a token.
    pub fn with_token(settings: &GitHub, token: String) -> anyhow::Result<Self> {
        Self::connect(settings, Caller::Bearer(token))
    }

    fn connect(settings: &GitHub, caller: Caller) -> anyhow::Result<Self> {
        let transport = Transport::connect(settings)?;
        Ok(Self { transport: Arc::new(transport), caller, suites_of_actions: false })
    }

    /// The same connection, speaking for another installation.
    #[must_use]
    pub fn for_installation(&self, installation: u64) -> Self {
        let caller = match &self.caller {
            Caller::App(app) | Caller::Installation { app, .. } => {
                Caller::Installation { app: app.clone(), installation }
            }
            bearer @ Caller::Bearer(_) => bearer.clone(),
        };
        Self { transport: self.transport.clone(), caller, suites_of_actions: self.suites_of_actions }
    }

    /// The same connection, speaking for the App itself: its installations and its deliveries.
    #[must_use]
    pub fn for_app(&self) -> Self {
        let caller = match &self.caller {
            Caller::App(app) | Caller::Installation { app, .. } => Caller::App(app.clone()),
            bearer @ Caller::Bearer(_) => bearer.clone(),
        };
        Self { transport: self.transport.clone(), caller, suites_of_actions: self.suites_of_actions }
    }

    /// The same, for a time when there were no check suites of ours.
    #[must_use]
    pub fn by_suites_of_actions(&self) -> Self {
        Self { suites_of_actions: true, ..self.clone() }
    }

    /// The App whose check suites tell who pushed.
    pub fn app_id(&self) -> u64 {
        match &self.caller {
            Caller::App(app) | Caller::Installation { app, .. } if !self.suites_of_actions => app.id(),
            _ => ACTIONS_APP,
        }
    }

    /// What GitHub said beside its answers: how many calls are left, and what its clock shows.
    pub fn told(&self) -> &Told {
        &self.transport.told
    }

    /// The token this caller asks with, for what is not asked over the API: git.
    pub async fn token(&self) -> Result<String, GitHubError> {
        match &self.caller {
            Caller::Bearer(token) => Ok(token.clone()),
            Caller::App(_) => Err(GitHubError::Unusable("the App itself reads no repository".to_owned())),
            Caller::Installation { app, installation } => app.installation_token(&self.transport, *installation).await,
        }
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        etag: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, GitHubError> {
        let (app, installation) = match &self.caller {
            Caller::Bearer(token) => return self.transport.send(method, path, token, etag, body).await,
            Caller::App(app) => {
                let token = app.json_web_token(SystemTime::now())?;
                return self.transport.send(method, path, &token, etag, body).await;
            }
            Caller::Installation { app, installation } => (app, *installation),
        };
        let token = app.installation_token(&self.transport, installation).await?;
        let answer = self.transport.send(method, path, &token, etag, body).await;
        if let Err(GitHubError::Refused { status: 401, .. }) = &answer {
            app.forget(installation).await;
            return Err(GitHubError::Unavailable("the installation token was refused".to_owned()));
        }
        answer
    }

    /// Reads one thing.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, GitHubError> {
        self.call("GET", path, None, None).await?.read()
    }

    /// Reads a list to its end. `path` must ask for 100 a page.
    pub async fn get_all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, GitHubError> {
        let mut all = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(page) = next {
            let answer = self.call("GET", &page, None, None).await?;
            all.extend(answer.read::<Vec<T>>()?);
            next = answer.next();
        }
        Ok(all)
    }

    /// Reads pages of objects to their end; each page is handed to `read`, which says whether to go on.
    pub async fn get_pages<T: DeserializeOwned>(
        &self,
        path: &str,
        mut read: impl FnMut(T) -> bool,
    ) -> Result<(), GitHubError> {
        let mut next = Some(path.to_owned());
        while let Some(page) = next {
            let answer = self.call("GET", &page, None, None).await?;
            if !read(answer.read()?) {
                return Ok(());
            }
            next = answer.next();
        }
        Ok(())
    }

    /// Reads a whole list that seldom changes: kept with its tag, trusted for `fresh`, then asked for again, where an
    /// unchanged answer costs nothing.
    pub async fn get_kept<T: DeserializeOwned>(
        &self,
        store: &Store,
        path: &str,
        fresh: Duration,
    ) -> Result<Vec<T>, GitHubError> {
        let now = millis(SystemTime::now());
        let key = match &self.caller {
            Caller::Installation { installation, .. } => format!("{installation}:{path}"),
            Caller::App(_) => format!("app:{path}"),
            Caller::Bearer(_) => format!("bearer:{path}"),
        };
        let kept = store.kept_answer(&key).await?;
        let read = |body: &str| {
            serde_json::from_str(body).map_err(|error| GitHubError::Unreadable(format!("kept {path}: {error}")))
        };
        if let Some(kept) = &kept
            && now.saturating_sub(kept.fetched_at) < i64::try_from(fresh.as_millis()).unwrap_or(0)
        {
            return read(&kept.body);
        }
        let first = self
            .call("GET", path, kept.as_ref().map(|kept| kept.etag.as_str()).filter(|etag| !etag.is_empty()), None)
            .await?;
        let answer = if let (StatusCode::NOT_MODIFIED, Some(kept)) = (first.status, kept) {
            KeptAnswer { fetched_at: now, ..kept }
        } else {
            let mut all: Vec<Value> = first.read()?;
            let mut next = first.next();
            // A tag speaks for the first page only, so a list of several pages is not asked for by tag.
            let etag = if next.is_some() { "" } else { first.header("etag").unwrap_or_default() }.to_owned();
            while let Some(page) = next {
                let answer = self.call("GET", &page, None, None).await?;
                all.extend(answer.read::<Vec<Value>>()?);
                next = answer.next();
            }
            KeptAnswer { etag, body: Value::Array(all).to_string(), fetched_at: now }
        };
        let list = read(&answer.body)?;
        store.keep_answer(key, answer).await?;
        Ok(list)
    }

    /// Asks GraphQL. Any error in the answer is an error here: half an answer is none.
    pub async fn graphql(&self, query: &str, variables: Value) -> Result<Value, GitHubError> {
        let body = serde_json::json!({"query": query, "variables": variables});
        let answer = self.call("POST", "/graphql", None, Some(&body)).await?;
        let mut value: Value = answer.read()?;
        if let Some(error) = value.get("errors").and_then(Value::as_array).and_then(|errors| errors.first()) {
            let text = |key| error.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            return Err(match text("type").as_str() {
                "RATE_LIMITED" => GitHubError::RateLimited {
                    until: limited_until(&answer, "rate limit").unwrap_or_else(|| reset(&answer)),
                },
                "NOT_FOUND" => GitHubError::NotFound(text("message")),
                "INTERNAL" | "TIMEOUT" => GitHubError::Unavailable(text("message")),
                "" if text("message").starts_with("Something went wrong") => GitHubError::Unavailable(text("message")),
                kind => GitHubError::Refused {
                    path: "/graphql".to_owned(),
                    status: 200,
                    message: format!("{kind}: {}", text("message")),
                },
            });
        }
        match value.get_mut("data").map(Value::take) {
            Some(data) if !data.is_null() => Ok(data),
            _ => Err(GitHubError::Unreadable("graphql without data".to_owned())),
        }
    }

    /// Asks for something to be done that takes no body.
    pub async fn ask(&self, path: &str) -> Result<(), GitHubError> {
        self.call("POST", path, None, None).await.map(drop)
    }

    /// Writes.
    pub async fn write(&self, method: &str, path: &str, body: &Value) -> Result<Value, GitHubError> {
        let answer = self.call(method, path, None, Some(body)).await?;
        if answer.body.is_empty() { Ok(Value::Null) } else { answer.read() }
    }
}

/// Milliseconds since 1970, for pacing and keeping; never for judging.
pub fn millis(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
