//! The bare connection to GitHub: addresses, headers, limits, and what a status means.
//!
//! Invariant: it does not know who asks, and nothing is asked twice. Next: `client.rs`.

use super::allowance::Told;
use super::client::GitHubError;
use crate::settings::GitHub;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use octocrab::Octocrab;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// GitHub's answers are bounded; this is far above any of them.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// The bare connection: knows addresses, headers and limits, but not who asks.
pub(super) struct Transport {
    octocrab: Octocrab,
    api_url: String,
    graphql_url: String,
    pub(super) told: Told,
}

/// One answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
    what: String,
}

impl Answer {
    /// Reads the body as `T`.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, GitHubError> {
        serde_json::from_slice(&self.body).map_err(|error| GitHubError::Unreadable(format!("{}: {error}", self.what)))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The address of the next page, from the `Link` header.
    pub(super) fn next(&self) -> Option<String> {
        self.header("link")?.split(',').find_map(|link| {
            let (address, relation) = link.split_once(';')?;
            relation.contains("rel=\"next\"").then(|| address.trim().trim_matches(['<', '>']).to_owned())
        })
    }
}

impl Transport {
    pub(super) fn connect(settings: &GitHub) -> anyhow::Result<Self> {
        let octocrab = Octocrab::builder()
            .set_connect_timeout(Some(Duration::from_secs(5)))
            .set_read_timeout(Some(Duration::from_secs(30)))
            .build()?;
        Ok(Self {
            octocrab,
            api_url: settings.api_url.trim_end_matches('/').to_owned(),
            graphql_url: settings.graphql_url.clone(),
            told: Told::default(),
        })
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        bearer: &str,
        etag: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, GitHubError> {
        let address = match path {
            "/graphql" => self.graphql_url.clone(),
            path if path.starts_with("http") => path.to_owned(),
            path => format!("{}{path}", self.api_url),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(&address)
            .header(header::ACCEPT, "application/vnd.github+json")
            .header(header::AUTHORIZATION, format!("Bearer {bearer}"))
            .header("x-github-api-version", "2022-11-28");
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let request = self
            .octocrab
            .build_request(request, body)
            .map_err(|error| GitHubError::Unusable(format!("{method} {path} cannot be asked: {error}")))?;
        let response = self
            .octocrab
            .execute(request)
            .await
            .map_err(|error| GitHubError::Unavailable(format!("{method} {path}: {error}")))?;
        let (parts, stream) = response.into_parts();
        self.told.note(&parts.headers, SystemTime::now());
        let body = Limited::new(stream, LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| GitHubError::Unavailable(format!("{method} {path} was cut short: {error}")))?
            .to_bytes()
            .to_vec();
        let answer = Answer { status: parts.status, headers: parts.headers, body, what: format!("{method} {path}") };
        judge_status(answer, path)
    }
}

fn judge_status(answer: Answer, path: &str) -> Result<Answer, GitHubError> {
    let status = answer.status;
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(answer);
    }
    let message = serde_json::from_slice::<Value>(&answer.body)
        .ok()
        .and_then(|body| body.get("message").and_then(Value::as_str).map(str::to_owned))
        .unwrap_or_default();
    if let Some(until) = limited_until(&answer, &message) {
        return Err(GitHubError::RateLimited { until });
    }
    Err(match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => GitHubError::NotFound(answer.what),
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            GitHubError::Unavailable(format!("{} answered {status}", answer.what))
        }
        status => GitHubError::Refused { path: path.to_owned(), status: status.as_u16(), message },
    })
}

/// GitHub limits with 403 or 429: obey `retry-after`, then `x-ratelimit-reset`, else wait a minute.
pub(super) fn limited_until(answer: &Answer, message: &str) -> Option<SystemTime> {
    if answer.status != StatusCode::FORBIDDEN && answer.status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    if let Some(seconds) = answer.header("retry-after").and_then(|value| value.parse().ok()) {
        return Some(SystemTime::now() + Duration::from_secs(seconds));
    }
    if answer.header("x-ratelimit-remaining") == Some("0")
        && let Some(at) = answer.header("x-ratelimit-reset").and_then(|value| value.parse().ok())
    {
        return Some(UNIX_EPOCH + Duration::from_secs(at));
    }
    let said = answer.status == StatusCode::TOO_MANY_REQUESTS || message.to_lowercase().contains("rate limit");
    said.then(|| SystemTime::now() + Duration::from_mins(1))
}

pub(super) fn reset(answer: &Answer) -> SystemTime {
    answer
        .header("x-ratelimit-reset")
        .and_then(|value| value.parse().ok())
        .map_or_else(|| SystemTime::now() + Duration::from_mins(1), |at| UNIX_EPOCH + Duration::from_secs(at))
}
