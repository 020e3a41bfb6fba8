//! Who wrote or brought what went out, as is known by now: what an exception lets through may lie beside the production branch,
//! or have been judged before everything about it was known.
//!
//! Invariant: it only ever adds people; what cannot be read is an error, and that somebody is not known is said.

use super::{Look, line, pull_request, release};
use crate::github::client::GitHubError;
use crate::github::event::AccountPayload;
use crate::settings::same_environment;
use countersign_core::domain::{
    Account, AccountKind, Commit, CommitSha, Observation, PullRequestNumber, RunId, TimelineEvent,
};
use countersign_core::policy;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// More commits than this nobody goes through: as many as the largest release that is judged has.
const MOST: usize = 10_000;

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

/// People who had a part in something.
#[derive(Debug, Default)]
pub struct Participants {
    /// Their accounts.
    pub people: Vec<Account>,
    /// Somebody else pushed to it, and nobody knows who.
    pub others: bool,
}

/// Everyone behind what lies between two commits, and behind the second; without a first, behind the newest hundred.
pub async fn of_commits(
    look: &Look<'_>,
    from: Option<&CommitSha>,
    target: &CommitSha,
) -> Result<Participants, GitHubError> {
    if from == Some(target) {
        // It ran already: nothing went out.
        return Ok(Participants::default());
    }
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
    let mut commits = Vec::with_capacity(read.len());
    for (node, _) in read.into_values() {
        commits.push(node.commit().0);
        numbers.extend(node.associated_pull_requests.iter().flat_map(|page| &page.nodes).map(|one| one.number));
    }
    let numbers: Vec<PullRequestNumber> = numbers.into_iter().map(PullRequestNumber).collect();
    let (mut others, mut merged_as) = (false, BTreeSet::new());
    for pr in pull_request::gather(look, &numbers).await?.pull_requests {
        merged_as.extend(pr.timeline.iter().filter_map(|event| match event {
            TimelineEvent::Merged { commit, .. } => commit.clone(),
            _ => None,
        }));
        others |= policy::push_gap(&pr).is_some() || !pr.missing.is_empty();
        let pushers = pr.pushes.iter().map(|push| push.by.as_ref());
        let by_person = |account: Option<&Account>| account.is_some_and(|account| account.kind == AccountKind::User);
        others |= pushers.clone().any(|by| by.is_none());
        let by_people_alone = pushers.clone().chain([pr.opener.as_ref()]).all(by_person);
        add(pr.opener.as_ref());
        for account in pushers.flatten().chain(pr.commits.iter().flat_map(named_in)) {
            add(Some(account));
        }
        let merged = |event: &&TimelineEvent| matches!(event, TimelineEvent::Merged { .. });
        for event in pr.timeline.iter().take_while(|event| !merged(event)).filter(|_| !by_people_alone) {
            // Whoever was assigned by then answers for automation.
            if let TimelineEvent::Assigned { who, by } = event {
                add(who.as_ref());
                add(by.as_ref());
            }
        }
    }
    // GitHub's own merge names whoever pressed the button, or queued, as its author: that brings nothing.
    let is_merge =
        |commit: &&Commit| commit.parents.len() == 2 && commit.committed_by_github && merged_as.contains(&commit.oid);
    for account in commits.iter().filter(|commit| !is_merge(commit)).flat_map(named_in) {
        add(Some(account));
    }
    let topics: Vec<String> = oids.iter().map(|oid| format!("commit:{oid}")).collect();
    for seen in look.store.observed(look.repository.id, &topics).await? {
        match &seen {
            // GitHub pushes what it merges for whoever merged, who brings nothing by that.
            Observation::CommitListed { onto: Some(onto), .. } if merged_as.contains(onto) => {}
            Observation::CommitListed { by: Some(by), .. } if !by.is_merge_queue() => add(Some(by)),
            _ => {}
        }
    }
    Ok(Participants { people: people.into_values().collect(), others })
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
