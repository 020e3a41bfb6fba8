//! What somebody wants to take away, in their words: a period and repositories by name; and what that is in the ledger.
//!
//! Invariant: a name that no repository on record ever bore is an error, never an empty bundle.

use super::EvidenceError;
use super::population::Period;
use crate::store::Store;
use countersign_core::domain::RepositoryId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;

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
    /// The repositories; `None` for all.
    pub repositories: Option<BTreeSet<RepositoryId>>,
}

impl Wanted {
    /// Looks it up. The range reaches back to the decisions that the deployments in the period name.
    pub async fn find(&self, store: &Store) -> Result<Found, EvidenceError> {
        let range = match &self.period {
            Some(Period { from, to }) => {
                let range = store.positions_between(from, to).await?;
                let range = store.with_backfilled(range, from, to).await?;
                let nothing = || EvidenceError::NothingBetween { from: from.clone(), to: to.clone() };
                Some(store.with_their_decisions(range.ok_or_else(nothing)?).await?)
            }
            None => None,
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
        Ok(Found { range, repositories: (!repositories.is_empty()).then_some(repositories) })
    }
}
