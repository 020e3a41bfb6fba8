//! Facts: GitHub's present state, and what we alone observed, as one snapshot that a decision may see.
//!
//! Invariant: what could not be read whole is named in the facts as missing, or the look fails and is tried again. Nothing
//! unread is ever taken for nothing there.
//!
//! [`pull_request`] reads pull requests, [`pushes`] who moved their branches, `observed` what only we know of them,
//! [`deployment`] a run at a [`gate`], `chain` the run that it followed, [`release`] what it would put into production,
//! [`mod@line`] the production branch it deploys from, [`outcome`] how a deployment ended. [`deployed`] and [`retrospect`]
//! look at deployments of the past.

mod access;
mod authors;
mod chain;
mod demands;
pub mod deployed;
pub mod deployment;
pub mod gate;
mod landings;
pub mod line;
pub mod listed;
mod merge_bases;
pub mod merge_group;
mod merges;
mod observed;
pub mod outcome;
pub mod own_rules;
pub mod participants;
pub mod pull_request;
pub mod pushes;
mod recalled;
pub mod release;
pub mod retrospect;
pub mod run;
mod runs;
mod settled;
mod walk;

use super::client::{Client, GitHubError};
use crate::git::Objects;
use crate::settings::{Scope, Settings};
use crate::store::Store;
use countersign_core::domain::{Repository, RepositoryRules, Terms};
use serde_json::Value;

/// Everything one look at GitHub needs.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// Calls to GitHub, as the installation that covers the repository.
    pub client: &'a Client,
    /// What was observed.
    pub store: &'a Store,
    /// The settings in force.
    pub settings: &'a Settings,
    /// Where.
    pub repository: &'a Repository,
    /// The repositories' objects.
    pub objects: &'a Objects,
    /// When the look began, in milliseconds since 1970: for keeping, never for judging.
    pub now: i64,
    /// The environment that it is about; `None` where it is about none.
    pub environment: Option<&'a str>,
}

impl<'a> Look<'a> {
    /// A look about no environment, which begins `now`.
    pub fn new(
        client: &'a Client,
        store: &'a Store,
        settings: &'a Settings,
        repository: &'a Repository,
        objects: &'a Objects,
        now: i64,
    ) -> Self {
        Self { client, store, settings, repository, objects, now, environment: None }
    }

    /// The same, about this environment.
    #[must_use]
    pub fn at(self, environment: &'a str) -> Self {
        Self { environment: Some(environment), ..self }
    }

    /// What the settings ask of what is looked at.
    fn scope(&self) -> Option<&'a Scope> {
        let full_name = &self.repository.full_name;
        match self.environment {
            Some(environment) => self.settings.scope_for(full_name, environment),
            None => self.settings.scopes_of(full_name).next(),
        }
    }

    /// `/repos/{owner}/{name}` and what follows.
    pub fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.repository.full_name)
    }

    /// Owner, name and `more` as GraphQL variables.
    fn variables<const N: usize>(&self, more: [(&str, Value); N]) -> Value {
        let (owner, name) = self.repository.full_name.split_once('/').unwrap_or_default();
        let both = [("owner", Value::from(owner)), ("name", Value::from(name))];
        both.into_iter().chain(more).map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// The production branch: as the settings name it, else the repository's default branch.
fn production_branch(look: &Look<'_>, default_branch: &str) -> String {
    let scope = look.scope();
    let named = scope.and_then(|scope| scope.production_branch.clone());
    named.unwrap_or_else(|| default_branch.to_owned())
}

/// The terms of a decision in this repository.
pub fn terms(look: &Look<'_>, pins: &super::pins::Pinned, default_branch: &str) -> Result<Terms, GitHubError> {
    let scope =
        look.scope().ok_or_else(|| GitHubError::NotFound(format!("scope for {}", look.repository.full_name)))?;
    Ok(Terms {
        production_branch: production_branch(look, default_branch),
        packs: scope.policies.clone(),
        checks: scope.checks_asked().to_vec(),
        repository_rules: RepositoryRules::default(),
        persons: pins.persons.clone(),
        automation: pins.automation.clone(),
        web_url: look.settings.github.web_url.clone(),
    })
}
