//! The doctor: what is not in place, so that the control is not in force, or can be gone past, or cannot be told to be.
//!
//! Invariant: it changes nothing on GitHub and records nothing. What cannot be seen is said to be unseen, never taken for in
//! order.
//!
//! [`own`] looks at the settings, the database and the key, [`app`] at the App and its deliveries, then for each repository
//! [`branch`] at the required check, [`environment`] at our rule, and [`workflow`] at how jobs deploy, by [`wiring`].

mod app;
mod branch;
mod environment;
mod own;
pub mod wiring;
mod workflow;

use crate::github::{Client, GitHubError};
use crate::settings::Settings;
use environment::Environment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The control is not in force here.
    Broken,
    /// It cannot be told whether it is.
    Unknown,
    /// It is, and something could be gone past or made better.
    Weak,
    /// It is.
    Holds,
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Where: the repository, or this service.
    pub place: String,
    /// How it stands.
    pub state: State,
    /// What, as a stable code.
    pub code: &'static str,
    /// What, in words.
    pub what: String,
    /// What to do; empty where nothing is.
    pub remedy: String,
}

/// Where findings are collected.
pub(crate) struct Findings<'a> {
    place: String,
    found: &'a mut Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, state: State, code: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        let (what, remedy) = (what.into(), remedy.into());
        self.found.push(Finding { place: self.place.clone(), state, code, what, remedy });
    }

    fn broken(&mut self, code: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(State::Broken, code, what, remedy);
    }

    fn unknown(&mut self, code: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(State::Unknown, code, what, remedy);
    }

    fn weak(&mut self, code: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(State::Weak, code, what, remedy);
    }

    fn holds(&mut self, code: &'static str, what: impl Into<String>) {
        self.add(State::Holds, code, what, "");
    }

    /// What GitHub did not show.
    fn unread(&mut self, what: &str, error: &GitHubError) {
        let remedy = "Look again; where it stays so, see that the App has the permissions of the README";
        self.unknown("unread", format!("{what} cannot be read: {error}"), remedy);
    }
}

/// As whom it looks.
pub struct As {
    /// The App of the settings, where there is one that can be used.
    pub app: anyhow::Result<Client>,
    /// A person's token, which may see what Apps are not shown.
    pub person: Option<Client>,
}

/// A repository to look at.
#[derive(Debug, Clone, Deserialize)]
struct Repository {
    full_name: String,
    default_branch: String,
    #[serde(default)]
    archived: bool,
}

#[derive(Deserialize)]
struct Repositories {
    repositories: Vec<Repository>,
}

/// Looks at everything, or at what concerns one repository; `looking` is told where it is.
pub async fn examine(
    settings: &Settings,
    callers: &As,
    only: Option<&str>,
    mut looking: impl FnMut(&str, usize, usize),
) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut here = Findings { place: "this service".to_owned(), found: &mut found };
    own::examine(settings, &mut here).await;
    let mut covered: BTreeMap<String, (Repository, Client)> = BTreeMap::new();
    match &callers.app {
        Err(why) => {
            here.broken(
                "app-missing",
                format!("{why:#}"),
                "Create the App, and name it under [github] in the settings",
            );
        }
        Ok(client) => {
            let installations = app::examine(settings, client, SystemTime::now(), &mut here).await;
            for installation in installations {
                let client = client.for_installation(installation);
                let mut listed = Vec::new();
                let read = client
                    .get_pages::<Repositories>("/installation/repositories?per_page=100", |page| {
                        listed.extend(page.repositories);
                        true
                    })
                    .await;
                if let Err(error) = read {
                    here.unread(&format!("the repositories of installation {installation}"), &error);
                }
                for repository in listed.into_iter().filter(|listed| !listed.archived) {
                    covered.insert(repository.full_name.to_lowercase(), (repository, client.clone()));
                }
            }
        }
    }
    uncovered(settings, &covered, only, &mut here);
    let wanted: Vec<&(Repository, Client)> = covered
        .values()
        .filter(|(repository, _)| settings.scope_of(&repository.full_name).is_some())
        .filter(|(repository, _)| only.is_none_or(|only| only.eq_ignore_ascii_case(&repository.full_name)))
        .collect();
    let all = wanted.len();
    for (number, (repository, client)) in wanted.into_iter().enumerate() {
        looking(&repository.full_name, number, all);
        examine_repository(settings, client, callers.person.as_ref(), repository, &mut found).await;
    }
    found
}

async fn examine_repository(
    settings: &Settings,
    client: &Client,
    person: Option<&Client>,
    repository: &Repository,
    found: &mut Vec<Finding>,
) {
    let Some(scope) = settings.scope_of(&repository.full_name) else { return };
    let branch = scope.production_branch.as_deref().unwrap_or(&repository.default_branch).to_owned();
    let mut here = Findings { place: repository.full_name.clone(), found };
    let place = Place { client, person, repository, branch: &branch };
    branch::examine(&place, &mut here).await;
    let environments: Vec<Environment> = environment::read(&place, &scope, &mut here).await;
    let gates = workflow::examine(&place, &scope, &environments, &mut here).await;
    environment::examine(&place, &environments, &gates, &mut here);
}

/// One repository, and as whom it is looked at.
pub(crate) struct Place<'a> {
    client: &'a Client,
    person: Option<&'a Client>,
    repository: &'a Repository,
    branch: &'a str,
}

impl Place<'_> {
    fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.repository.full_name)
    }
}

/// Repositories that the settings name and the App does not see.
fn uncovered(
    settings: &Settings,
    covered: &BTreeMap<String, (Repository, Client)>,
    only: Option<&str>,
    here: &mut Findings<'_>,
) {
    let named = settings.scope.iter().flat_map(|scope| &scope.repositories);
    let mut missing: Vec<String> = named
        .filter(|pattern| !pattern.ends_with("/*") && !covered.contains_key(&pattern.to_lowercase()))
        .cloned()
        .collect();
    match only {
        Some(only) if settings.scope_of(only).is_none() => {
            here.broken(
                "outside-of-every-scope",
                format!("`{only}` is in no scope of the settings: nothing is promised about it"),
                "Name it under [[scope]]",
            );
            missing.clear();
        }
        Some(only) => {
            missing = if covered.contains_key(&only.to_lowercase()) { Vec::new() } else { vec![only.to_owned()] };
        }
        None => {}
    }
    for name in missing {
        here.broken(
            "repository-uncovered",
            format!("`{name}` is in a scope, and the App does not see it"),
            "Install the App on it",
        );
    }
}
