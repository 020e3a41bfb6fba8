//! A scope: which repositories and environments are in it, and scopes beside each other.
//!
//! Invariant: the first scope that matches a repository holds, so one that can never hold is a mistake and is said: what it
//! names would not be under control.

use super::{Scope, production, same_environment, three_person};

impl Scope {
    /// One repository under the default policies.
    pub fn whole(repository: &str) -> Self {
        Self {
            repositories: vec![repository.to_owned()],
            production_branch: None,
            environments: production(),
            policies: three_person(),
            checks: Vec::new(),
            ticket: None,
        }
    }

    /// The checks that must have succeeded; none where no pack asks.
    pub fn checks_asked(&self) -> &[String] {
        if self.policies.iter().any(|pack| pack == "tested") { &self.checks } else { &[] }
    }

    /// What a reference to a ticket looks like; `None` where no pack asks.
    pub fn ticket_asked(&self) -> Option<&str> {
        self.ticket.as_deref().filter(|_| self.policies.iter().any(|pack| pack == "ticketed"))
    }

    /// Whether an environment is under control.
    pub fn covers(&self, environment: &str) -> bool {
        self.spelling_of(environment).is_some()
    }

    /// An environment under control, as the settings spell it.
    pub fn spelling_of(&self, environment: &str) -> Option<&str> {
        self.environments.iter().map(String::as_str).find(|named| same_environment(named, environment))
    }
}

/// Whether a pattern, `owner/name` or `owner/*`, is of a repository.
pub(super) fn matches(pattern: &str, full_name: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let full_name = full_name.to_ascii_lowercase();
    match pattern.strip_suffix("/*") {
        Some(owner) => full_name.split_once('/').is_some_and(|(o, _)| o == owner),
        None => pattern == full_name,
    }
}

/// A pattern of a scope whose repositories an earlier scope has already.
pub(super) fn hidden(scopes: &[Scope]) -> Option<&str> {
    scopes.iter().enumerate().find_map(|(place, scope)| {
        let before = scopes.iter().take(place).flat_map(|scope| &scope.repositories);
        let hidden = |pattern: &&String| before.clone().any(|earlier| matches(earlier, pattern));
        scope.repositories.iter().find(hidden).map(String::as_str)
    })
}

/// What to do about it.
pub(super) fn words(pattern: &str) -> String {
    format!(
        "`{pattern}` is in an earlier scope, and the first scope that matches a repository holds: put the more particular \
         one first, and name all environments of a repository in it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(patterns: &[&[&str]]) -> Vec<Scope> {
        let named = |patterns: &&[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        patterns.iter().map(|patterns| Scope { repositories: named(patterns), ..Scope::whole("") }).collect()
    }

    #[test]
    fn a_scope_that_an_earlier_one_hides_is_found() {
        let found = |patterns: &[&[&str]]| hidden(&scopes(patterns)).map(str::to_owned);
        assert_eq!(found(&[&["acme/shop"], &["acme/*"], &["other/*"]]), None);
        assert_eq!(found(&[&["acme/*"], &["other/*", "acme/shop"]]), Some("acme/shop".to_owned()));
        assert_eq!(found(&[&["acme/*"], &["acme/*"]]), Some("acme/*".to_owned()));
    }
}
