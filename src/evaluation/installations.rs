//! Which installation of the App covers a repository.
//!
//! Invariant: it says only as whom to ask. What an answer is about is compared by the repository's id, and one that failed
//! is asked for again.

use super::Evaluator;
use crate::github::GitHubError;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Installations that deliveries or GitHub named, by the repository's full name.
#[derive(Default)]
pub(super) struct Installations {
    known: Mutex<HashMap<String, u64>>,
}

impl Installations {
    pub(super) fn learn(&self, full_name: &str, installation: u64) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(full_name.to_lowercase(), installation);
    }

    /// Asks again next time: what it led to failed.
    pub(super) fn forget(&self, full_name: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&full_name.to_lowercase());
    }

    fn known(&self, full_name: &str) -> Option<u64> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&full_name.to_lowercase()).copied()
    }
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

impl Evaluator {
    /// The installation that covers a repository.
    pub(super) async fn installation_of(&self, full_name: &str) -> Result<u64, GitHubError> {
        if let Some(known) = self.installations.known(full_name) {
            return Ok(known);
        }
        let path = format!("/repos/{full_name}/installation");
        let found: Installation = self.client.for_app().get(&path).await?;
        self.installations.learn(full_name, found.id);
        Ok(found.id)
    }
}
