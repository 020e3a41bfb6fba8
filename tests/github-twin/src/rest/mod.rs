//! GitHub's REST API over one world: authenticates, asks the permission, answers, and keeps a record of every call.
//!
//! Invariant: a call that the App's permissions do not allow is refused here, before anything of the world is looked at.
//! Next: `routes.rs` (the table of calls), `shape` (how things are spelt), `crate::graphql` (the other half).

mod actions;
pub mod answer;
mod app;
mod checks;
mod issues;
pub mod paging;
mod pulls;
pub mod recording;
mod repositories;
mod routes;
pub mod shape;
#[cfg(test)]
mod tests;

use crate::auth::{self, Caller};
use crate::faults::{self, FaultAnswer};
use crate::model::{self, PermissionLevel, Shared, World};
use answer::Answer;
use axum::body::{Body, Bytes};
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use axum::{RequestPartsExt as _, Router};
use paging::Query;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a call needs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Needs {
    /// Nothing.
    Nothing,
    /// The App's own JWT.
    App,
    /// An installation token with this permission.
    Permission(&'static str, PermissionLevel),
    /// Any installation token.
    Token,
}

/// One kind of call. Its path is spelt as in GitHub's description, so that records can be held against it.
pub(crate) struct Route {
    pub(crate) method: MethodFilter,
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
    pub(crate) answer: fn(&mut World, &Call) -> Result<Answer, Answer>,
}

/// One call as it came.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) path: String,
    pub(crate) params: Query,
    pub(crate) query: Query,
    pub(crate) body: Value,
    /// The real clock: seconds since 1970.
    pub(crate) now: i64,
}

impl Call {
    /// A parameter of the path; every route names the ones it asks for.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// A numeric parameter of the path.
    pub(crate) fn id(&self, name: &str) -> Result<u64, Answer> {
        self.param(name).parse().map_err(|_| Answer::not_found())
    }

    /// A text of the body.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name)?.as_str()
    }

    /// One page of a list, as a plain array.
    pub(crate) fn page(&self, world: &World, items: Vec<Value>) -> Answer {
        self.page_in(world, items, |_, items| Value::Array(items))
    }

    /// One page of a list, wrapped as this call wraps it (with the total count).
    pub(crate) fn page_in(
        &self,
        world: &World,
        items: Vec<Value>,
        wrap: impl Fn(usize, Vec<Value>) -> Value,
    ) -> Answer {
        let total = items.len();
        let page = paging::Page::asked(&self.query);
        let link = page.link(&format!("{}{}", world.url, self.path), &self.query, total);
        let answer = Answer::ok(wrap(total, page.of(items)));
        match link {
            Some(link) => answer.header("link", link),
            None => answer,
        }
    }
}

/// The REST API, GraphQL and OIDC of one world.
pub fn router(world: Shared) -> Router {
    let mut router = Router::new();
    for route in routes::ROUTES {
        let handler = move |State(world): State<Shared>, request: Request| serve(world, route, request);
        router = router.route(&axum_path(route.path), on(route.method, handler));
    }
    router.fallback(unknown).with_state(world)
}

/// Paths that may hold slashes are spelt `{*name}` for the router.
fn axum_path(path: &'static str) -> String {
    path.replace("{basehead}", "{*basehead}")
        .replace("/{path}", "/{*path}")
        .replace("/branches/{branch}", "/branches/{*branch}")
}

async fn unknown(State(world): State<Shared>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let answer = Answer::not_found();
    let record = Record { method: &parts.method, uri: &parts.uri, template: None, body: &Value::Null };
    finish(&world, &record, &Call::empty(), &answer, &parts.headers)
}

impl Call {
    fn empty() -> Self {
        Self {
            caller: Caller::Nobody,
            path: String::new(),
            params: Query::new(),
            query: Query::new(),
            body: Value::Null,
            now: now(),
        }
    }
}

/// A moment as HTTP spells it.
fn http_date(at: i64) -> String {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let moment = time::OffsetDateTime::from_unix_timestamp(at).ok();
    moment.and_then(|moment| moment.format(format).ok()).unwrap_or_default()
}

/// Seconds since 1970, by the real clock.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

async fn serve(world: Shared, route: &'static Route, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let params = parts
        .extract::<RawPathParams>()
        .await
        .map(|params| params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
        .unwrap_or_default();
    let bytes = axum::body::to_bytes(body, 10_000_000).await.unwrap_or_default();
    let parsed = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
    let mut call = Call {
        caller: Caller::Nobody,
        path: parts.uri.path().to_owned(),
        params,
        query: query(&parts.uri),
        body: parsed.as_ref().cloned().unwrap_or_default(),
        now: now(),
    };
    let record =
        Record { method: &parts.method, uri: &parts.uri, template: Some(route.path), body: &call.body.clone() };
    let answer = match fault(&world, &record).await {
        Some(answer) => answer,
        None if parsed.is_err() => Answer::error(400, "Problems parsing JSON"),
        None => answered(&world, route, &mut call, &parts.headers).unwrap_or_else(|refusal| refusal),
    };
    finish(&world, &record, &call, &answer, &parts.headers)
}

fn query(uri: &Uri) -> Query {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (paging::unescaped(name, true), paging::unescaped(value, true))
    };
    uri.query().unwrap_or_default().split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

fn answered(world: &Shared, route: &Route, call: &mut Call, headers: &HeaderMap) -> Result<Answer, Answer> {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    let mut world = world.lock();
    call.caller =
        auth::caller(&world.installation, header, call.now).map_err(|error| Answer::error(401, &error.to_string()))?;
    permit(route.needs, &call.caller)?;
    in_reach(&world.installation, route, &call.caller)?;
    (route.answer)(&mut world, call)
}

/// What an installation that is gone, suspended or not given the repository may reach: nothing of it.
fn in_reach(ours: &model::Installation, route: &Route, caller: &Caller) -> Result<(), Answer> {
    if !matches!(caller, Caller::Installation(_)) {
        return Ok(());
    }
    if !ours.installed {
        return Err(Answer::error(401, "Bad credentials"));
    }
    if ours.suspended.is_some() {
        return Err(Answer::error(403, "This installation has been suspended"));
    }
    let of_repository = route.path.starts_with("/repos/") || route.path == "/graphql";
    if of_repository && !ours.reaches { Err(Answer::not_found()) } else { Ok(()) }
}

fn permit(needs: Needs, caller: &Caller) -> Result<(), Answer> {
    match (needs, caller) {
        (Needs::Nothing, _) | (Needs::App, Caller::App) | (Needs::Token, Caller::Installation(_)) => Ok(()),
        (_, Caller::Nobody) => Err(Answer::error(401, "Requires authentication")),
        (Needs::App, _) => Err(Answer::error(401, "A JSON web token could not be decoded")),
        (_, Caller::App) => Err(Answer::not_permitted()),
        (Needs::Permission(what, level), caller) if caller.may(what, level) => Ok(()),
        (Needs::Token | Needs::Permission(..), _) => Err(Answer::not_permitted()),
    }
}

struct Record<'a> {
    method: &'a Method,
    uri: &'a Uri,
    template: Option<&'static str>,
    body: &'a Value,
}

/// What goes wrong with this call on demand, if anything: waits first where that is part of it.
async fn fault(world: &Shared, record: &Record<'_>) -> Option<Answer> {
    let mut call = path_and_query(record.uri);
    if let Some(operation) = crate::graphql::operation_name(record.body) {
        call = format!("{call} {operation}");
    }
    let fault = faults::next(&mut world.lock(), &call)?;
    if !fault.latency.is_zero() {
        delay(fault.latency).await;
    }
    fault.answer.map(|answer| match answer {
        FaultAnswer::Status(status) => Answer::error(status, "On demand"),
        FaultAnswer::RateLimited { reset } => Answer::error(403, "API rate limit exceeded for installation.")
            .header("x-ratelimit-remaining", "0".to_owned())
            .header("x-ratelimit-reset", reset.to_string())
            .header("retry-after", "1".to_owned()),
    })
}

/// Exactly as late as asked, since figures are held against this: the runtime's own clock counts whole milliseconds and is
/// late by one or two, so the last of them are left to a thread.
#[allow(clippy::disallowed_methods)] // It hopes for nothing: being late is what was asked for.
async fn delay(latency: Duration) {
    let until = Instant::now() + latency;
    tokio::time::sleep(latency.saturating_sub(Duration::from_millis(3))).await;
    let rest = move || std::thread::sleep(until.saturating_duration_since(Instant::now()));
    let _ = tokio::task::spawn_blocking(rest).await;
}

fn path_and_query(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string)
}

/// Adds what every answer carries, keeps the call on record, and answers 304 where the caller knows the body.
fn finish(world: &Shared, record: &Record<'_>, call: &Call, answer: &Answer, headers: &HeaderMap) -> Response {
    let graphql = record.uri.path() == "/graphql";
    let text = answer.body.as_ref().map(ToString::to_string);
    let tag = text.as_ref().map(|text| format!("W/\"{}\"", hex::encode(Sha256::digest(text.as_bytes()))));
    let known = headers.get("if-none-match").and_then(|value| value.to_str().ok());
    let unchanged = record.method == Method::GET && answer.status == 200 && tag.is_some() && tag.as_deref() == known;
    let status = if unchanged { 304 } else { answer.status };
    let operation = graphql.then(|| crate::graphql::operation_name(record.body)).flatten();
    let shown = if unchanged { None } else { answer.body.clone() };
    recording::call(
        record.method.as_str(),
        record.template,
        call,
        operation.as_deref(),
        record.body,
        status,
        shown.as_ref(),
    );
    let (used, hourly, clock_ahead) = {
        let mut world = world.lock();
        let path = path_and_query(record.uri);
        world.calls.push(model::Call {
            method: record.method.to_string(),
            path,
            operation,
            status,
            request: None,
            response: None,
        });
        (world.calls.len() as u64, world.hourly.max(1), world.clock_ahead)
    };
    let mut response = Response::new(match (unchanged, text) {
        (false, Some(text)) => Body::from(Bytes::from(text)),
        _ => Body::empty(),
    });
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    };
    set("content-type", "application/json; charset=utf-8");
    set("x-github-request-id", &format!("{used:04X}:{:X}", call.now));
    set("x-github-media-type", "github.v3; format=json");
    set("date", &http_date(call.now + clock_ahead));
    set("x-ratelimit-limit", &hourly.to_string());
    set("x-ratelimit-remaining", &hourly.saturating_sub(used % hourly).to_string());
    set("x-ratelimit-used", &(used % hourly).to_string());
    set("x-ratelimit-reset", &(call.now + 3600).to_string());
    set("x-ratelimit-resource", if graphql { "graphql" } else { "core" });
    if let (Some(tag), true) = (&tag, record.method == Method::GET) {
        set("etag", tag);
    }
    for (name, value) in &answer.headers {
        set(name, value);
    }
    response
}
