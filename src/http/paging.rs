//! Lists, newest first, page by page: where one goes on, and how much of it.
//!
//! Invariant: a page that is full names where the next one begins, so that nothing is out of reach behind newer things.

use super::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// The longest page of a list.
pub const LONGEST: u32 = 100;

/// The query of a request; what it cannot be read as is a problem like any other.
pub struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Query(read) = axum::extract::Query::from_request_parts(parts, state).await?;
        Ok(Self(read))
    }
}

/// Where a list goes on (`?before=`, what the page before named as `next_before`), and how much of it (`?limit=`).
#[derive(Deserialize)]
pub struct Paging<C = i64> {
    pub(super) before: Option<C>,
    limit: Option<u32>,
}

impl<C> Paging<C> {
    /// How many items a page holds.
    pub(super) fn limit(&self) -> u32 {
        within(self.limit)
    }
}

/// How many items a page holds where this many are asked for.
pub(super) fn within(limit: Option<u32>) -> u32 {
    limit.unwrap_or(LONGEST).clamp(1, LONGEST)
}

/// A page as it is answered.
pub(super) type Page = Map<String, Value>;

/// A page, with where the next one begins: `cursor` says it of the last item.
pub(super) fn paged<T>(items: &[T], limit: u32, show: impl Fn(&T) -> Value, cursor: impl Fn(&T) -> Value) -> Page {
    let next = items.last().filter(|_| items.len() as u64 == u64::from(limit)).map(cursor);
    let items = items.iter().map(show).collect();
    Page::from_iter([("items".to_owned(), Value::Array(items)), ("next_before".to_owned(), json!(next))])
}
