//! What somebody wants to take away, in their words: a period and repositories by name; and what that is in the ledger.
//!
//! Invariant: a name that no repository on record ever bore is an error, never an empty bundle. The tables beside the
//! entries say where to look; where a period begins and ends is read from the entries' own bytes, and one more entry on
//! each side comes along to show it.

use super::EvidenceError;
use super::edges::Glance;
use super::population::Period;
use crate::store::Store;
use crate::store::record::spelled;
use countersign_core::domain::RepositoryId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The time that the population is told for; `None` for all that the entries tell of.
    pub period: Option<Period>,
    /// The repositories, by `owner/name` or by id; none: all.
    pub repositories: Vec<String>,
}

/// What that is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The positions of the entries; `None` for all there are.
    pub range: Option<Range<u64>>,
    /// The time told of: the period asked for, cut off now where it lies ahead.
    pub period: Option<Period>,
    /// The repositories; `None` for all.
    pub repositories: Option<BTreeSet<RepositoryId>>,
    /// How many entries the ledger had when all this was looked up.
    pub size: u64,
}

/// A moment as entries spell it, from a time (RFC 3339) or from a day alone, which is its beginning in UTC.
pub fn moment(text: &str) -> Option<String> {
    let day = Date::parse(text, format_description!("[year]-[month]-[day]")).ok();
    let moment = day.map(|day| day.midnight().assume_utc()).or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok())?;
    Some(spelled(moment))
}

impl Wanted {
    /// Looks it up, in the ledger of this size or the present one. The range reaches back to the decisions that the
    /// deployments in the period name, and to the exceptions that were used, due or reviewed in it.
    pub async fn find(&self, store: &Store, size: Option<u64>) -> Result<Found, EvidenceError> {
        let size = match size {
            Some(size) => size,
            None => store.ledger_head().await?.size,
        };
        let mut repositories = BTreeSet::new();
        for name in &self.repositories {
            let ids = match name.parse() {
                Ok(id) => vec![RepositoryId(id)],
                Err(_) => store.repositories_named(name).await?,
            };
            if ids.is_empty() {
                return Err(EvidenceError::NoRepository(name.clone()));
            }
            repositories.extend(ids);
        }
        let repositories = (!repositories.is_empty()).then_some(repositories);
        let period = self.period.as_ref().map(Period::until_now).transpose()?;
        let range = match &period {
            Some(period) => Some(range_of(store, period, repositories.as_ref(), size).await?),
            None => None,
        };
        Ok(Found { range, period, repositories, size })
    }
}

impl Period {
    /// The same, without what lies ahead: of that nothing can be told.
    fn until_now(&self) -> Result<Self, EvidenceError> {
        let Self { from, to } = self.clone();
        if from >= to {
            return Err(EvidenceError::NoPeriod { from, to });
        }
        let now = spelled(OffsetDateTime::now_utc());
        if from >= now {
            return Err(EvidenceError::NothingBetween { from, to });
        }
        Ok(Self { from, to: to.min(now) })
    }
}

async fn range_of(
    store: &Store,
    period: &Period,
    repositories: Option<&BTreeSet<RepositoryId>>,
    size: u64,
) -> Result<Range<u64>, EvidenceError> {
    let Period { from, to } = period;
    let range = store.positions_between(from, to).await?;
    let range = store.with_backfilled(range, from, to).await?;
    let nothing = || EvidenceError::NothingBetween { from: from.clone(), to: to.clone() };
    let range = store.with_their_decisions(range.ok_or_else(nothing)?).await?;
    let range = store.with_their_exceptions(range, from, to).await?;
    let (mut start, mut end) = (range.start, range.end.min(size));
    if start >= end {
        return Err(nothing());
    }
    // Entry by entry, as far as their own bytes say. A column that was changed leads no further astray than here.
    while start > 0 && !is_border(store, start, repositories, |time| time < from.as_str()).await? {
        start -= 1;
    }
    while end < size && !is_border(store, end - 1, repositories, |time| time >= to.as_str()).await? {
        end += 1;
    }
    Ok(start..end)
}

/// Whether the entry at a position will be in the bundle with its bytes, and its time is as it must be.
async fn is_border(
    store: &Store,
    position: u64,
    repositories: Option<&BTreeSet<RepositoryId>>,
    outside: impl Fn(&str) -> bool,
) -> Result<bool, EvidenceError> {
    let record = |what: String| EvidenceError::Record { position, what };
    let entry = store.ledger_entries(position, 1).await?.into_iter().next();
    let entry = entry.filter(|entry| entry.position == position);
    let entry = entry.ok_or_else(|| record("it is missing from the ledger's table".to_owned()))?;
    let glance = Glance::of(&entry.body).map_err(record)?;
    Ok(glance.is_among(repositories) && outside(&glance.time))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_day_alone_is_its_beginning_and_a_period_goes_forward() {
        assert_eq!(moment("2026-11-27").as_deref(), Some("2026-11-27T00:00:00.000Z"));
        assert_eq!(moment("2026-11-27T01:00:00+01:00").as_deref(), Some("2026-11-27T00:00:00.000Z"));
        for text in ["yesterday", "2026-13-01", "2026-11-27 10:00", "27.11.2026", ""] {
            assert_eq!(moment(text), None, "{text}");
        }
        let period = |from: &str, to: &str| Period { from: from.to_owned(), to: to.to_owned() };
        let backwards = period("2026-02-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z").until_now();
        assert!(matches!(backwards, Err(EvidenceError::NoPeriod { .. })));
        let ahead = period("9998-01-01T00:00:00.000Z", "9999-01-01T00:00:00.000Z").until_now();
        assert!(matches!(ahead, Err(EvidenceError::NothingBetween { .. })));
        let cut = period("2020-01-01T00:00:00.000Z", "9999-01-01T00:00:00.000Z").until_now().unwrap();
        assert!(cut.to.as_str() < "9999" && cut.from < cut.to);
    }
}
