//! The first-parent line of the branch, as the clone has it.
//!
//! Invariant: a place on the line is counted from the root; a commit that is not on it may still be in the clone, and one
//! that is not in the clone proves nothing.

use super::{ABSENT, Difference};
use crate::git::history::{History, HistoryError};
use std::collections::{BTreeSet, HashMap};

/// A commit as the line keeps it: half the memory of its spelling.
#[derive(PartialEq, Eq, Hash)]
struct Oid(Box<[u8]>);

impl Oid {
    fn of(spelled: &str) -> Self {
        Self(hex::decode(spelled).map_or_else(|_| spelled.as_bytes().into(), Into::into))
    }
}

/// The line.
pub(super) struct Line {
    places: HashMap<Oid, usize>,
}

impl Line {
    /// Reads it from the tip down.
    pub(super) fn read(history: &History, tip: &str) -> Result<Self, HistoryError> {
        let mut newest_first = Vec::new();
        history.first_parents(tip, |commit| newest_first.push(Oid::of(commit)))?;
        let last = newest_first.len().saturating_sub(1);
        let places = newest_first.into_iter().enumerate().map(|(place, oid)| (oid, last - place)).collect();
        Ok(Self { places })
    }

    /// How many commits it has.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Where a commit stands, from the root on.
    pub(super) fn place(&self, commit: &str) -> Option<usize> {
        self.places.get(&Oid::of(commit)).copied()
    }
}

/// Tells the differences that the clone proves from those that hang on a commit which it does not have.
pub(super) fn told_apart(
    history: &History,
    found: Vec<Difference>,
) -> Result<(Vec<Difference>, Vec<Difference>), HistoryError> {
    let asked: BTreeSet<&str> = found.iter().filter(|one| hangs(one)).filter_map(|one| one.commit.as_deref()).collect();
    let mut absent: BTreeSet<String> = BTreeSet::new();
    history.absent(asked.into_iter(), |commit| {
        absent.insert(commit.to_owned());
    })?;
    let (unknown, gaps): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|one| hangs(one) && one.commit.as_ref().is_some_and(|commit| absent.contains(commit)));
    let unknown = unknown.into_iter().map(|one| Difference {
        kind: ABSENT,
        what: format!("{}; the clone does not have it: fetch it first", one.what),
        ..one
    });
    Ok((gaps, unknown.collect()))
}

/// Whether a difference is one only if the clone has its commit.
fn hangs(one: &Difference) -> bool {
    [super::OFF_LINE, super::DEPLOYED_OFF_LINE].contains(&one.kind)
}
