//! Who wrote or brought what went out where no release could be compared: commits beside the production branch, the first
//! ones of all, a way back, a history that could not be read.
//!
//! Invariant: it only ever adds people; what cannot be read is an error.

use super::{Look, line, pull_request, release};
use crate::github::client::GitHubError;
use crate::github::event::AccountPayload;
use crate::settings::same_environment;
use countersign_core::domain::{Account, Commit, CommitSha, Observation, PullRequestNumber, RunId, TimelineEvent};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// More commits than this nobody goes through.
const MOST: usize = 1_000;

#[derive(Deserialize)]
struct Listed {
    sha: String,
}

#[derive(Deserialize)]
struct Approval {
    state: String,
    user: Option<AccountPayload>,
    #[serde(default)]
    environments: Vec<Environment>,
}

#[derive(Deserialize)]
struct Environment {
    name: String,
}

/// Everyone behind what lies between two commits, and behind the second; without a first, behind the newest hundred.
pub async fn of_commits(
    look: &Look<'_>,
    from: Option<&CommitSha>,
    target: &CommitSha,
) -> Result<Vec<Account>, GitHubError> {
    let between = match from {
        // What ran may be gone.
        Some(from) => line::reached(look, from, target).await.map(Some).or_else(|error| match error {
            GitHubError::NotFound(_) => Ok(None),
            error => Err(error),
        })?,
        None => None,
    };
    let mut oids: BTreeSet<CommitSha> = if let Some(between) = between {
        between.into_iter().collect()
    } else {
        let newest: Vec<Listed> = look.client.get(&look.path(&format!("/commits?sha={target}&per_page=100"))).await?;
        newest.into_iter().map(|listed| CommitSha::new(listed.sha)).collect()
    };
    oids.insert(target.clone());
    if oids.len() > MOST {
        return Err(GitHubError::Unavailable(format!("{} commits are too many to go through", oids.len())));
    }
    let oids: Vec<CommitSha> = oids.into_iter().collect();
    let mut people: BTreeMap<u64, Account> = BTreeMap::new();
    let mut add = |account: Option<&Account>| {
        if let Some(account) = account {
            people.entry(account.id.0).or_insert_with(|| account.clone());
        }
    };
    let mut numbers: BTreeSet<u64> = BTreeSet::new();
    let read = release::commits(look, &oids).await?;
    if read.len() != oids.len() || read.values().any(|(_, gaps)| !gaps.is_empty()) {
        return Err(GitHubError::Unavailable(format!("not all of {} commits is shown", oids.len())));
    }
    for (node, _) in read.into_values() {
        let (commit, _) = node.commit();
        for account in named_in(&commit) {
            add(Some(account));
        }
        numbers.extend(node.associated_pull_requests.iter().flat_map(|page| &page.nodes).map(|one| one.number));
    }
    let topics: Vec<String> = oids.iter().map(|oid| format!("commit:{oid}")).collect();
    for seen in look.store.observed(look.repository.id, &topics).await? {
        if let Observation::CommitListed { by: Some(by), .. } = &seen
            && !by.is_merge_queue()
        {
            add(Some(by));
        }
    }
    let numbers: Vec<PullRequestNumber> = numbers.into_iter().map(PullRequestNumber).collect();
    for pr in pull_request::gather(look, &numbers).await?.pull_requests {
        add(pr.opener.as_ref());
        for account in pr.pushes.iter().filter_map(|push| push.by.as_ref()).chain(pr.commits.iter().flat_map(named_in))
        {
            add(Some(account));
        }
        for event in &pr.timeline {
            if let TimelineEvent::Assigned { who, by } = event {
                add(who.as_ref());
                add(by.as_ref());
            }
        }
    }
    Ok(people.into_values().collect())
}

fn named_in(commit: &Commit) -> Vec<&Account> {
    let committer = Some(&commit.committer).filter(|_| !commit.committed_by_github);
    let named = std::iter::once(&commit.author).chain(committer).chain(&commit.coauthors);
    named.filter_map(|identity| identity.account.as_ref()).collect()
}

/// Everyone who approved an environment for a run, as GitHub lists them; nobody where the run is deleted.
pub async fn approvers(look: &Look<'_>, run: RunId, environment: &str) -> Result<Vec<Account>, GitHubError> {
    let path = look.path(&format!("/actions/runs/{run}/approvals"));
    let listed = match look.client.get::<Vec<Approval>>(&path).await {
        Ok(listed) => listed,
        Err(GitHubError::NotFound(_)) => Vec::new(),
        Err(error) => return Err(error),
    };
    let here =
        |approval: &Approval| approval.environments.iter().any(|named| same_environment(&named.name, environment));
    let approved = listed.into_iter().filter(|approval| approval.state == "approved" && here(approval));
    Ok(approved.filter_map(|approval| approval.user.map(AccountPayload::account)).collect())
}
