//! Whom the settings can concern at all.
//!
//! Invariant: an organisation that no scope names is none of ours, whatever happens to the App there.

use super::Settings;

impl Settings {
    /// Whether any repository of an organisation or user can be in a scope.
    pub fn concerns(&self, owner: &str) -> bool {
        let owners = self.scope.iter().flat_map(|scope| &scope.repositories).filter_map(|named| named.split_once('/'));
        owners.into_iter().any(|(named, _)| named == "*" || named.eq_ignore_ascii_case(owner))
    }
}
