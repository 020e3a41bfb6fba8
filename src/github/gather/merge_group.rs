//! The merge queue as facts: a group lists no pull requests, so the queue's entries are followed from its head down to the
//! production branch.
//!
//! Invariant: with `HEADGREEN` one group's check lands every entry before it, so all of them are in the facts.

use super::{Look, merge_bases, pull_request};
use crate::github::client::GitHubError;
use crate::github::node::{Oid, Page};
use crate::github::query;
use countersign_core::domain::{CommitSha, MergeGroup, PullRequestNumber};
use countersign_core::policy::OwnFile;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Answer {
    repository: Option<RepositoryNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryNode {
    database_id: Option<u64>,
    merge_queue: Option<QueueNode>,
    #[serde(rename = "ref")]
    reference: Option<RefNode>,
}

#[derive(Deserialize)]
struct QueueNode {
    entries: Page<Option<EntryNode>>,
}

#[derive(Deserialize)]
struct RefNode {
    target: Option<Oid>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryNode {
    base_commit: Option<Oid>,
    head_commit: Option<Oid>,
    pull_request: Option<Number>,
}

#[derive(Clone, Deserialize)]
struct Number {
    number: u64,
}

/// The queue of a branch as GitHub shows it now.
pub struct Queue {
    entries: Vec<EntryNode>,
    tip: Option<CommitSha>,
    whole: bool,
}

impl Queue {
    /// Whether an entry was built as this commit.
    pub fn holds(&self, head: &CommitSha) -> bool {
        self.entry(head).is_some()
    }

    /// The pull requests from this head down to the branch.
    pub fn behind(&self, head: &CommitSha) -> Vec<PullRequestNumber> {
        self.chain(head).into_iter().filter_map(|entry| entry.pull_request.as_ref()).map(number).collect()
    }

    fn entry(&self, head: &CommitSha) -> Option<&EntryNode> {
        self.entries.iter().find(|entry| entry.head_commit.as_ref().is_some_and(|oid| oid.oid == head.as_str()))
    }

    /// The entries from this head down, each built on the next.
    fn chain(&self, head: &CommitSha) -> Vec<&EntryNode> {
        let mut chain: Vec<&EntryNode> = Vec::new();
        let mut next = self.entry(head);
        while let Some(entry) = next.filter(|_| chain.len() < self.entries.len()) {
            chain.push(entry);
            let base = entry.base_commit.as_ref().map(|oid| CommitSha::new(oid.oid.clone()));
            next = base.and_then(|base| self.entry(&base));
        }
        chain
    }
}

fn number(node: &Number) -> PullRequestNumber {
    PullRequestNumber(node.number)
}

/// Reads the queue of a branch.
pub async fn queue(look: &Look<'_>, branch: &str) -> Result<Queue, GitHubError> {
    let variables = look.variables([("branch", json!(branch)), ("ref", json!(format!("refs/heads/{branch}")))]);
    let data = look.client.graphql(query::MERGE_QUEUE, variables).await?;
    let answer: Answer = serde_json::from_value(data).map_err(|error| GitHubError::Unreadable(error.to_string()))?;
    let repository = answer.repository.filter(|node| node.database_id == Some(look.repository.id.0));
    let Some(repository) = repository else {
        return Err(GitHubError::NotFound(format!("repository {} under this name", look.repository.id)));
    };
    let tip = repository.reference.and_then(|reference| reference.target).map(|oid| CommitSha::new(oid.oid));
    let Some(queue) = repository.merge_queue else { return Ok(Queue { entries: Vec::new(), tip, whole: true }) };
    let whole = !queue.entries.info.has_next_page && queue.entries.nodes.iter().all(Option::is_some);
    Ok(Queue { entries: queue.entries.nodes.into_iter().flatten().collect(), tip, whole })
}

/// Reads every pull request of the group whose head this is.
pub async fn gather(
    look: &Look<'_>,
    queue: &Queue,
    head: &CommitSha,
) -> Result<(MergeGroup, Vec<OwnFile>), GitHubError> {
    let chain = queue.chain(head);
    let base = chain.last().and_then(|entry| entry.base_commit.as_ref()).map(|oid| CommitSha::new(oid.oid.clone()));
    let mut missing = Vec::new();
    if chain.iter().any(|entry| entry.pull_request.is_none()) {
        missing.push(format!("which pull requests are in merge group {}", head.short()));
    }
    let grounded = match (&base, &queue.tip) {
        (Some(base), Some(tip)) => base == tip || merge_bases::merge_base(look, tip.as_str(), base).await? == *base,
        _ => false,
    };
    if !grounded {
        let of_queue = if queue.whole { "" } else { " (the queue was not shown whole)" };
        missing.push(format!("what merge group {} was built on{of_queue}", head.short()));
    }
    let mut numbers = queue.behind(head);
    numbers.reverse();
    let (pull_requests, own_rules) = if numbers.is_empty() {
        (Vec::new(), Vec::new())
    } else {
        let gathered = pull_request::gather(look, &numbers).await?;
        (gathered.pull_requests, gathered.own_rules)
    };
    let base = base.unwrap_or_else(|| CommitSha::new(""));
    Ok((MergeGroup { head: head.clone(), base, pull_requests, missing }, own_rules))
}
