//! A scope: which repositories and environments are in it, and scopes beside each other.
//!
//! Invariant: of each environment the first scope holds that names it, and what is asked of a pull request says the first of
//! its repository. One that can never hold is a mistake and is said.

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

    /// Whether a repository is in it; of a pattern, whether all that it names are.
    pub(super) fn is_of(&self, full_name: &str) -> bool {
        self.repositories.iter().any(|pattern| matches(pattern, full_name))
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

/// Whether this names one repository, or all of one owner. Anything else would hold for nothing, and nobody would be told.
pub(super) fn is_pattern(text: &str) -> bool {
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    text.split_once('/').is_some_and(|(owner, name)| plain(owner) && (name == "*" || plain(name)))
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

/// What contradicts itself in scopes that share a repository: one that holds for nothing, or another production branch.
pub(super) fn contradiction(scopes: &[Scope]) -> Option<String> {
    scopes.iter().enumerate().find_map(|(place, scope)| {
        let before = scopes.iter().take(place);
        scope.repositories.iter().find_map(|pattern| {
            let shared: Vec<&Scope> = before.clone().filter(|earlier| earlier.is_of(pattern)).collect();
            let held = |named: &String| shared.iter().any(|earlier| earlier.covers(named));
            if shared.iter().any(|earlier| earlier.production_branch != scope.production_branch) {
                Some(format!(
                    "`{pattern}` is in an earlier scope with another `production_branch`: a repository has one, and its scopes \
                     differ by their environments"
                ))
            } else if !shared.is_empty() && scope.environments.iter().all(held) {
                Some(format!(
                    "`{pattern}` is in an earlier scope with the same environments, and the first that names an environment \
                     holds: put the more particular one first"
                ))
            } else {
                None
            }
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn scopes(patterns: &[&[&str]]) -> Vec<Scope> {
        let named = |patterns: &&[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        patterns.iter().map(|patterns| Scope { repositories: named(patterns), ..Scope::whole("") }).collect()
    }

    #[test]
    fn only_what_names_a_repository_or_an_owner_is_a_pattern() {
        assert!(["acme/shop", "acme/*", "a-b/c_d.e"].into_iter().all(is_pattern));
        let others =
            ["acme", "*", "*/*", "*/shop", "acme/sh*", "acme/s?op", "acme/", "/shop", "acme/shop/x", "acme/ *"];
        assert!(!others.into_iter().any(is_pattern));
    }

    #[test]
    fn a_scope_that_can_never_hold_is_found() {
        let found = |patterns: &[&[&str]]| contradiction(&scopes(patterns)).is_some();
        assert!(!found(&[&["acme/shop"], &["acme/*"], &["other/*"]]));
        assert!(found(&[&["acme/*"], &["other/*", "acme/shop"]]));
        assert!(found(&[&["acme/*"], &["acme/*"]]));
    }

    #[test]
    fn scopes_of_one_repository_differ_by_their_environments_alone() {
        let mut both = scopes(&[&["acme/*"], &["acme/shop"]]);
        both[1].environments = vec!["staging".to_owned(), "Production ".to_owned()];
        assert_eq!(contradiction(&both), None);
        both[1].production_branch = Some("lts".to_owned());
        assert!(contradiction(&both).unwrap().contains("another `production_branch`"));
    }
}
