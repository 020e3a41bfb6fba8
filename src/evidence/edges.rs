//! What an entry's own bytes say of when it was recorded and where it belongs, and the edges of a period.
//!
//! Invariant: the tables beside the entries only help to find them. A bundle is of a period where an entry stands on
//! either side of it, or the ledger begins or ends there: then nothing was cut off that was recorded within.

use super::EvidenceError;
use super::bundle::{ENTRIES, Frontiers};
use super::population::Period;
use countersign_core::domain::RepositoryId;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};

/// What is read of an entry, of whatever kind.
#[derive(Deserialize)]
pub(super) struct Glance {
    /// When it was recorded.
    pub(super) time: String,
    pub(super) policy_digest: Option<String>,
    pub(super) settings_digest: Option<String>,
    /// The how-manieth of its repository it is; `None` where it was recorded before entries bore such numbers.
    of_repository: Option<u64>,
    repository: Option<Numbered>,
    facts: Option<Facts>,
}

#[derive(Deserialize)]
struct Facts {
    repository: Numbered,
}

#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

impl Glance {
    /// Reads an entry's bytes.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// Whether it belongs to what was asked for. What belongs to no repository always does.
    pub(super) fn is_among(&self, repositories: Option<&BTreeSet<RepositoryId>>) -> bool {
        let Some(repositories) = repositories else { return true };
        self.repository().is_none_or(|of| repositories.contains(&of))
    }

    /// The repository that it belongs to; `None` for what belongs to none.
    pub(super) fn repository(&self) -> Option<RepositoryId> {
        let of = self.facts.as_ref().map(|facts| &facts.repository).or(self.repository.as_ref());
        of.map(|of| RepositoryId(of.id))
    }
}

/// The numbers that entries bear within their repository, as they go by: each is one more than the one before it.
///
/// So nothing of a repository can be left out between two entries of it that are there, nor before the first one in a
/// bundle that begins with the ledger. Memory grows with repositories.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    last: HashMap<RepositoryId, u64>,
    /// Whether these entries begin with the ledger's first.
    whole_from_start: bool,
}

impl Numbers {
    /// Begins at this position of the ledger.
    pub(super) fn from(position: u64) -> Self {
        Self { last: HashMap::new(), whole_from_start: position == 0 }
    }

    /// Takes the next entry; an error where one of its repository is missing before it.
    pub(super) fn note(&mut self, glance: &Glance) -> Result<(), String> {
        let Some(of) = glance.repository() else { return Ok(()) };
        let before = self.last.get(&of).copied();
        let Some(number) = glance.of_repository else {
            return match before {
                Some(before) => {
                    Err(format!("it bears no number, and entry {before} of repository {of} came before it"))
                }
                None => Ok(()),
            };
        };
        let expected = match before {
            Some(before) => Some(before.saturating_add(1)),
            None => self.whole_from_start.then_some(1),
        };
        if let Some(expected) = expected.filter(|expected| *expected != number) {
            return Err(format!("it is entry {number} of repository {of}, and entry {expected} is not before it"));
        }
        self.last.insert(of, number);
        Ok(())
    }
}

/// When the first and the last entry were recorded, of those that a bundle has with their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Edges {
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
}

impl Edges {
    /// Takes the next entry.
    pub(super) fn note(&mut self, time: String) {
        if self.first.is_none() {
            self.first = Some(time.clone());
        }
        self.last = Some(time);
    }

    /// Whether nothing that was recorded in the period can lie before or behind these entries.
    pub(super) fn check(&self, period: Option<&Period>, frontiers: &Frontiers) -> Result<(), EvidenceError> {
        let Some(Period { from, to }) = period else { return Ok(()) };
        let told = |time: &Option<String>| time.clone().unwrap_or_else(|| "no time".to_owned());
        if frontiers.from > 0 && self.first.as_ref().is_none_or(|first| first >= from) {
            let first = told(&self.first);
            let what = format!(
                "the first entry is of {first} and the period begins at {from}: what lies before it in the ledger may belong to the period"
            );
            return Err(EvidenceError::wrong(ENTRIES, what));
        }
        if frontiers.to < frontiers.size && self.last.as_ref().is_none_or(|last| last < to) {
            let last = told(&self.last);
            let what = format!(
                "the last entry is of {last} and the period ends at {to}: what comes after it in the ledger may belong to the period"
            );
            return Err(EvidenceError::wrong(ENTRIES, what));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn edges(first: &str, last: &str) -> Edges {
        Edges { first: Some(first.to_owned()), last: Some(last.to_owned()) }
    }

    #[test]
    fn a_period_has_an_entry_on_either_side_or_the_end_of_the_ledger() {
        let period = Period { from: "2026-02".to_owned(), to: "2026-03".to_owned() };
        let frontiers = |from, to| Frontiers { version: 1, from, to, size: 9, left: Vec::new(), right: Vec::new() };
        let check = |edges: &Edges, from, to| edges.check(Some(&period), &frontiers(from, to)).is_ok();
        assert!(check(&edges("2026-01", "2026-03"), 3, 6));
        assert!(!check(&edges("2026-02", "2026-03"), 3, 6), "it begins in the period");
        assert!(!check(&edges("2026-01", "2026-02"), 3, 6), "it ends in the period");
        assert!(check(&edges("2026-02", "2026-02"), 0, 9), "it is the whole ledger");
        assert!(!check(&Edges::default(), 3, 6) && check(&Edges::default(), 0, 9));
        assert!(edges("2026-02", "2026-02").check(None, &frontiers(3, 6)).is_ok());
    }

    #[test]
    fn a_number_that_is_missing_is_found_and_old_entries_need_none() {
        let entry = |repository: u64, number: Option<u64>| {
            let number = number.map(|number| format!(r#","of_repository":{number}"#)).unwrap_or_default();
            Glance::of(format!(r#"{{"time":"t","repository":{{"id":{repository}}}{number}}}"#).as_bytes()).unwrap()
        };
        let holds = |from: u64, numbers: &[(u64, Option<u64>)]| {
            let mut seen = Numbers::from(from);
            numbers.iter().all(|(repository, number)| seen.note(&entry(*repository, *number)).is_ok())
        };
        assert!(holds(0, &[(7, None), (7, Some(1)), (8, Some(1)), (7, Some(2)), (8, Some(2))]));
        assert!(holds(5, &[(7, Some(12)), (7, Some(13))]), "where it begins later, it begins anywhere");
        assert!(!holds(0, &[(7, Some(2))]), "the first is missing");
        assert!(!holds(5, &[(7, Some(12)), (7, Some(14))]), "one in between is missing");
        assert!(!holds(5, &[(7, Some(12)), (7, Some(12))]) && !holds(5, &[(7, Some(12)), (7, None)]));
    }

    #[test]
    fn an_entry_belongs_to_the_repository_that_its_bytes_name() {
        let chosen = BTreeSet::from([RepositoryId(7)]);
        let is_among = |text: &str| Glance::of(text.as_bytes()).map(|glance| glance.is_among(Some(&chosen)));
        assert_eq!(is_among(r#"{"time":"t","facts":{"repository":{"id":7}}}"#), Ok(true));
        assert_eq!(is_among(r#"{"time":"t","facts":{"repository":{"id":8}}}"#), Ok(false));
        assert_eq!(is_among(r#"{"time":"t","repository":{"id":8}}"#), Ok(false));
        assert_eq!(is_among(r#"{"time":"t","kind":"outage"}"#), Ok(true));
        assert!(is_among(r#"{"time":"t","repository":"acme/shop"}"#).is_err());
    }
}
