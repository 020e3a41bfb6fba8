//! What happened, as far as the twin's present state does not keep it: noted after each step.

use github_twin::model::{AccountId, Sha, UPSTREAM, World};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Someone moved the branch of a fork.
#[derive(Debug, Clone)]
pub struct ForkPush {
    pub at: u64,
    pub repository: u64,
    pub branch: String,
    pub after: Sha,
    pub by: AccountId,
}

/// Someone gave an account write access.
#[derive(Debug, Clone)]
pub struct Grant {
    pub at: u64,
    pub account: AccountId,
    pub by: Option<AccountId>,
}

/// The notes.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Whether the account could write when it gave this review.
    pub could_write: BTreeMap<u64, bool>,
    pub grants: Vec<Grant>,
    pub fork_pushes: Vec<ForkPush>,
    writers: BTreeSet<AccountId>,
    forks: BTreeMap<(u64, String), Sha>,
}

impl History {
    pub fn begin(world: &World) -> Self {
        Self { writers: writers(world), ..Self::default() }
    }

    /// Looks at what a step has changed.
    pub fn note(&mut self, world: &World, step: &Value) {
        let (word, fields) = step.as_object().and_then(|step| step.iter().next()).expect("a step has one key");
        let by = fields["applied_by"].as_str().or(fields["by"].as_str());
        let by = by.and_then(|login| world.account_by_login(login)).map(|account| account.id);
        for pull in world.pulls.values() {
            for review in &pull.reviews {
                let can = || world.accounts.get(&review.by).is_some_and(github_twin::model::Account::can_write);
                self.could_write.entry(review.id).or_insert_with(can);
            }
        }
        let now = writers(world);
        for account in now.difference(&self.writers) {
            self.grants.push(Grant {
                at: world.last_id,
                account: *account,
                by: by.filter(|_| word == "set_permission"),
            });
        }
        self.writers = now;
        for repository in world.repositories.values().filter(|repository| repository.id != UPSTREAM) {
            for (branch, after) in &repository.branches {
                let place = (repository.id, branch.clone());
                if self.forks.insert(place, after.clone()).as_ref() != Some(after)
                    && let (Some(by), true) = (by, branch != "main")
                {
                    let (at, repository, branch) = (world.last_id, repository.id, branch.clone());
                    self.fork_pushes.push(ForkPush { at, repository, branch, after: after.clone(), by });
                }
            }
        }
    }
}

fn writers(world: &World) -> BTreeSet<AccountId> {
    world.accounts.values().filter(|account| account.can_write()).map(|account| account.id).collect()
}
