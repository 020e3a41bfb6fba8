//! What GitHub says beside every answer: how many calls are left until when, and what its clock shows.
//!
//! Invariant: it only remembers; nothing waits here. Whoever makes many calls looks here before the next ones.

use http::HeaderMap;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// What is left of one kind of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// How many calls, or points.
    pub remaining: u64,
    /// When there are all of them again.
    pub resets_at: SystemTime,
}

/// What was said last.
#[derive(Debug, Default)]
pub struct Told(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    /// By kind: `core`, `graphql`.
    left: BTreeMap<String, Allowance>,
    /// How far GitHub's clock is ahead of ours, in seconds.
    ahead: Option<i64>,
    answers: u64,
}

impl Told {
    /// Takes note of an answer's headers, and of when the answer came.
    pub(super) fn note(&self, headers: &HeaderMap, now: SystemTime) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |name: &str| text(name).and_then(|value| value.parse::<u64>().ok());
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.answers += 1;
        if let (Some(remaining), Some(at)) = (number("x-ratelimit-remaining"), number("x-ratelimit-reset")) {
            let kind = text("x-ratelimit-resource").unwrap_or("core").to_owned();
            said.left.insert(kind, Allowance { remaining, resets_at: UNIX_EPOCH + Duration::from_secs(at) });
        }
        if let Some(theirs) = text("date").and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok()) {
            let ours = OffsetDateTime::from(now);
            said.ahead = Some((theirs - ours).whole_seconds());
        }
    }

    /// The scarcest kind of calls, as far as GitHub has said and the time has not passed.
    pub fn scarcest(&self, now: SystemTime) -> Option<Allowance> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.left.values().filter(|left| left.resets_at > now).min_by_key(|left| left.remaining).copied()
    }

    /// How far GitHub's clock is ahead of ours, in seconds; `None` before the first answer.
    pub fn clock_ahead(&self) -> Option<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ahead
    }

    /// How many answers there were.
    pub fn answers(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).answers
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_scarcest_kind_counts_until_it_is_full_again() {
        let told = Told::default();
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        told.note(&headers(&[("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "1500")]), now);
        let graphql =
            [("x-ratelimit-resource", "graphql"), ("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "1200")];
        told.note(&headers(&graphql), now);
        assert_eq!(told.scarcest(now).unwrap().remaining, 3);
        assert_eq!(told.scarcest(UNIX_EPOCH + Duration::from_secs(1_300)).unwrap().remaining, 9);
        assert_eq!(told.scarcest(UNIX_EPOCH + Duration::from_secs(2_000)), None);
        assert_eq!((told.answers(), told.clock_ahead()), (2, None));
    }

    #[test]
    fn a_clock_that_differs_is_noticed() {
        let told = Told::default();
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 90);
        told.note(&headers(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT")]), now);
        assert_eq!(told.clock_ahead(), Some(90));
    }
}
