//! Pull requests as facts: one GraphQL read, more only where a list is long or a push is unknown.
//!
//! Invariant: what was observed when it happened (who reviewed on which commit, with which permission) wins over what
//! GitHub shows now.

use super::demands::Demands;
use super::merge_bases::{self, Reviewed};
use super::merges::OnBase;
use super::{Look, access, authors, merges, observed, own_rules, pushes, recalled, runs, settled};
use crate::github::client::GitHubError;
use crate::github::node::{BigInt, Page, PullRequestCommit, PullRequestNode, ReviewCommit, TimelineNode, account};
use crate::github::query;
use crate::store::observations::Seen;
use crate::store::record::respelled;
use countersign_core::domain::{
    CommitSha, Observation, PullRequest, PullRequestNumber, PullRequestState, RepositoryId, Review, ReviewId,
    ReviewState, TimelineEvent,
};
use countersign_core::policy::OwnFile;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// GitHub cuts heavier queries short.
const TOGETHER: usize = 25;

/// Pull requests of the repository, and its default branch.
pub struct Gathered {
    /// The repository's default branch.
    pub default_branch: String,
    /// The repository's own rules on the production branch.
    pub own_rules: Vec<OwnFile>,
    /// The pull requests, in the order asked for.
    pub pull_requests: Vec<PullRequest>,
    /// Of the commits that GitHub shows as their merges, the parent that was merged in.
    pub second_parents: BTreeMap<PullRequestNumber, CommitSha>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryNode {
    database_id: Option<u64>,
    default_branch_ref: Option<Named>,
    rules: Value,
    #[serde(flatten)]
    fields: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Merged pull requests of a release by number: from the record where it stands, else read.
pub(super) async fn of_release(
    look: &Look<'_>,
    numbers: &[PullRequestNumber],
    production_branch: &str,
) -> Result<BTreeMap<PullRequestNumber, PullRequest>, GitHubError> {
    let mut found = settled::standing(look, &Demands::of(look), numbers, production_branch).await?;
    let rest: Vec<PullRequestNumber> = numbers.iter().filter(|number| !found.contains_key(number)).copied().collect();
    if !rest.is_empty() {
        found.extend(gather(look, &rest).await?.pull_requests.into_iter().map(|pr| (pr.number, pr)));
    }
    Ok(found)
}

/// Reads some pull requests, 25 a call.
pub async fn gather(look: &Look<'_>, numbers: &[PullRequestNumber]) -> Result<Gathered, GitHubError> {
    let mut gathered = Gathered {
        default_branch: String::new(),
        own_rules: Vec::new(),
        pull_requests: Vec::with_capacity(numbers.len()),
        second_parents: BTreeMap::new(),
    };
    let demands = Demands::of(look);
    for some in numbers.chunks(TOGETHER) {
        let variables = look.variables([
            ("app", json!(look.client.app_id())),
            ("kinds", json!(query::KINDS)),
            ("tested", json!(demands.tested())),
            ("ticketed", json!(demands.ticketed())),
            ("rules", json!(own_rules::on_production_branch(look))),
        ]);
        let query = query::pull_requests(&some.iter().map(|number| number.0).collect::<Vec<_>>());
        let mut data = look.client.graphql(&query, variables).await?;
        let mut repository: RepositoryNode = read(data.get_mut("repository").map(Value::take).unwrap_or_default())?;
        if repository.database_id != Some(look.repository.id.0) {
            return Err(GitHubError::NotFound(format!("repository {} under this name", look.repository.id)));
        }
        gathered.default_branch = repository.default_branch_ref.map(|branch| branch.name).unwrap_or_default();
        gathered.own_rules = own_rules::read(repository.rules.take());
        let mut read_now = Vec::with_capacity(some.len());
        for (place, number) in some.iter().enumerate() {
            let node = repository.fields.remove(&format!("p{place}")).unwrap_or_default();
            if node.is_null() {
                return Err(GitHubError::NotFound(format!("pull request #{number}")));
            }
            let node: PullRequestNode = read(node)?;
            if let Some(second) = node.landed.as_ref().and_then(|landed| landed.parents.nodes.get(1)) {
                gathered.second_parents.insert(*number, CommitSha::new(second.oid.clone()));
            }
            read_now.push(complete(look, &demands, node).await?);
        }
        merges::dropped(look, &mut read_now).await?;
        let read_now: Vec<PullRequest> = read_now.into_iter().map(|one| one.pull_request).collect();
        settled::keep(look, &demands, &read_now).await?;
        gathered.pull_requests.extend(read_now);
    }
    Ok(gathered)
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, GitHubError> {
    serde_json::from_value(value).map_err(|error| GitHubError::Unreadable(error.to_string()))
}

async fn complete(look: &Look<'_>, demands: &Demands, node: PullRequestNode) -> Result<OnBase, GitHubError> {
    let number = PullRequestNumber(node.number);
    let topics = observed::topics(number, &node.head_ref_name, &node.base_ref_name);
    let observed_of_it = look.store.observed(look.repository.id, &topics).await?;
    let mut seen: Vec<&Observation> = observed_of_it.iter().collect();

    let mut missing = Vec::new();
    let mut commits = Vec::new();
    let mut known_pushes = Vec::new();
    let count = node.commits.total_count;
    let mut texts: Vec<String> = vec![node.head_ref_name.clone()];
    texts.extend([&node.title, &node.body].into_iter().flatten().cloned());
    for PullRequestCommit { commit } in all_commits(look, demands, &node).await? {
        texts.extend(commit.message.clone());
        for suite in commit.check_suites.iter().flat_map(|suites| &suites.nodes) {
            known_pushes.extend(pushes::of_check_suite(suite, &node.head_ref_name));
        }
        let (commit, gaps) = commit.commit();
        commits.push(commit);
        missing.extend(gaps);
    }
    if count != Some(commits.len() as u64) {
        missing.push(format!("all of the {} commits GitHub counts", count.unwrap_or_default()));
    }
    let timeline = all_timeline(look, &node).await?;
    let mut pull_request = PullRequest {
        number,
        state: match node.state.as_str() {
            "OPEN" => PullRequestState::Open,
            "MERGED" => PullRequestState::Merged,
            _ => PullRequestState::Closed,
        },
        merged_at: node.merged_at.as_deref().and_then(respelled),
        opener: account(node.author.as_ref()),
        head: CommitSha::new(node.head_ref_oid.clone()),
        head_tree: CommitSha::new(String::new()),
        head_branch: node.head_ref_name.clone(),
        head_repository: node.head_repository.as_ref().and_then(|r| r.database_id).map(RepositoryId),
        base_branch: node.base_ref_name.clone(),
        merge_base: None,
        commits,
        pushes: known_pushes,
        on_base: vec![CommitSha::new(node.base_ref_oid.clone())],
        dropped_merges: Vec::new(),
        timeline: Vec::with_capacity(timeline.len()),
        checks: None,
        tickets: demands.tickets(texts.iter().map(String::as_str)),
        runs: Vec::new(),
        missing,
    };
    match pull_request.commits.iter().find(|commit| commit.oid == pull_request.head) {
        Some(head) => pull_request.head_tree = head.tree.clone(),
        None => pull_request.missing.push("the head commit among its commits".to_owned()),
    }
    let mut learned = Vec::new();
    let mut reviewed = Vec::new();
    for entry in &timeline {
        if let Some(event) = event(entry, &mut pull_request.missing, &mut reviewed) {
            pull_request.timeline.push(event);
        }
    }
    let unread = pull_request.missing.len();
    pull_request.checks = demands.results(&node, &pull_request.timeline, &mut pull_request.missing);
    let whole = unread == pull_request.missing.len();
    demands.at_merge(&mut pull_request, &seen, &mut learned, whole);
    observed::of_pull_request(&mut pull_request, &seen, &mut learned);
    let topics = observed::topics_of_others(&pull_request);
    if pull_request.state == PullRequestState::Open {
        look.store.watch(look.repository.id, number, &topics).await?;
    } else {
        look.store.unwatch(look.repository.id, number).await?;
    }
    let others = look.store.observed(look.repository.id, &topics).await?;
    seen.extend(&others);
    let in_doubt = access::in_doubt(look, &pull_request, &seen).await?;
    observed::of_others(&mut pull_request, &seen, &in_doubt);
    let learned = learned.into_iter().map(|observation| Seen { repository: look.repository.id, observation }).collect();
    look.store.observe(learned, look.now).await?;
    pushes::complete(look, &mut pull_request, &seen).await?;
    recalled::pull_request(look, &mut pull_request).await?;
    runs::complete(look, &mut pull_request, node.created_at.as_deref(), &seen).await?;
    merges::complete(look, &mut pull_request).await?;
    merge_bases::complete(look, &mut pull_request, &reviewed, &node.base_ref_oid).await?;
    Ok(OnBase { pull_request, base: CommitSha::new(node.base_ref_oid) })
}

async fn all_commits(
    look: &Look<'_>,
    demands: &Demands,
    node: &PullRequestNode,
) -> Result<Vec<PullRequestCommit>, GitHubError> {
    let mut all = node.commits.nodes.clone();
    let mut page = node.commits.info.clone();
    while page.has_next_page {
        let variables = look.variables([
            ("number", json!(node.number)),
            ("after", json!(page.end_cursor)),
            ("app", json!(look.client.app_id())),
            ("ticketed", json!(demands.ticketed())),
        ]);
        let data = look.client.graphql(&query::more_commits(), variables).await?;
        let more = data.pointer("/repository/pullRequest").cloned().unwrap_or_default();
        if more.get("headRefOid").and_then(Value::as_str) != Some(node.head_ref_oid.as_str()) {
            return Err(GitHubError::Unavailable("the head moved while its commits were read".to_owned()));
        }
        let more: Page<PullRequestCommit> = read(more.get("commits").cloned().unwrap_or_default())?;
        page = more.info;
        all.extend(more.nodes);
    }
    authors::complete(look, all.iter_mut().map(|listed| &mut listed.commit)).await?;
    Ok(all)
}

/// The whole timeline: from the front, until it is at its end or meets what was read from the back.
async fn all_timeline(look: &Look<'_>, node: &PullRequestNode) -> Result<Vec<TimelineNode>, GitHubError> {
    let mut all = node.head.nodes.clone();
    let mut page = node.head.info.clone();
    loop {
        if !page.has_next_page {
            return Ok(all);
        }
        let known: BTreeSet<&str> = all.iter().map(|entry| entry.id.as_str()).collect();
        if let Some(first) = node.tail.nodes.first()
            && !first.id.is_empty()
            && known.contains(first.id.as_str())
        {
            let new = node.tail.nodes.iter().filter(|entry| !known.contains(entry.id.as_str())).cloned();
            let new: Vec<_> = new.collect();
            all.extend(new);
            return Ok(all);
        }
        let variables = look.variables([
            ("number", json!(node.number)),
            ("after", json!(page.end_cursor)),
            ("kinds", json!(query::KINDS)),
        ]);
        let data = look.client.graphql(&query::more_timeline(), variables).await?;
        let more: Page<TimelineNode> =
            read(data.pointer("/repository/pullRequest/timelineItems").cloned().unwrap_or_default())?;
        page = more.info;
        all.extend(more.nodes);
    }
}

fn state(name: Option<&str>) -> Option<ReviewState> {
    Some(match name? {
        "APPROVED" => ReviewState::Approved,
        "CHANGES_REQUESTED" => ReviewState::ChangesRequested,
        "COMMENTED" => ReviewState::Commented,
        "DISMISSED" => ReviewState::Dismissed,
        "PENDING" => ReviewState::Pending,
        _ => return None,
    })
}

fn event(entry: &TimelineNode, missing: &mut Vec<String>, reviewed: &mut Vec<Reviewed>) -> Option<TimelineEvent> {
    let actor = || account(entry.actor.as_ref());
    Some(match entry.kind.as_str() {
        "PullRequestReview" => {
            let (Some(id), Some(state)) =
                (entry.full_database_id.as_ref().and_then(BigInt::number), state(entry.state.as_deref()))
            else {
                missing.push("a review of a shape we do not know".to_owned());
                return None;
            };
            let commit: Option<ReviewCommit> =
                entry.commit.clone().and_then(|commit| serde_json::from_value(commit).ok());
            if let Some(commit) = &commit {
                let parents = commit.parents.nodes.iter().map(|parent| CommitSha::new(parent.oid.clone())).collect();
                reviewed.push(Reviewed { review: ReviewId(id), parents });
            }
            TimelineEvent::Reviewed(Review {
                id: ReviewId(id),
                by: account(entry.author.as_ref()),
                state,
                commit: commit.as_ref().map(|commit| CommitSha::new(commit.oid.clone())),
                tree: commit.as_ref().map(|commit| CommitSha::new(commit.tree.oid.clone())),
                merge_base: None,
                // Of an account that is gone this says nothing of the time when it was there.
                could_write: entry.author_can_push_to_repository.filter(|_| entry.author.is_some()),
                write_given_by: Vec::new(),
            })
        }
        "ReviewDismissedEvent" => TimelineEvent::Dismissed {
            review: entry
                .review
                .as_ref()
                .and_then(|review| review.full_database_id.as_ref())
                .and_then(BigInt::number)
                .map(ReviewId),
            was: state(entry.previous_review_state.as_deref()).unwrap_or(ReviewState::Dismissed),
            by: actor(),
            write_given_by: Vec::new(),
        },
        "BaseRefChangedEvent" => TimelineEvent::Retargeted {
            from: entry.previous_ref_name.clone().unwrap_or_default(),
            to: entry.current_ref_name.clone().unwrap_or_default(),
            by: actor(),
            automatic: false,
        },
        "AutomaticBaseChangeSucceededEvent" => TimelineEvent::Retargeted {
            from: entry.old_base.clone().unwrap_or_default(),
            to: entry.new_base.clone().unwrap_or_default(),
            by: actor(),
            automatic: true,
        },
        "HeadRefForcePushedEvent" => TimelineEvent::ForcePushed {
            before: entry.before_commit.as_ref().map(|commit| CommitSha::new(commit.oid.clone())),
            after: entry.after_commit.as_ref().map(|commit| CommitSha::new(commit.oid.clone())),
            by: actor(),
        },
        "MergedEvent" => TimelineEvent::Merged {
            by: actor(),
            commit: entry
                .commit
                .as_ref()
                .and_then(|commit| commit.get("oid"))
                .and_then(Value::as_str)
                .map(CommitSha::new),
        },
        "ClosedEvent" => TimelineEvent::Closed { by: actor() },
        "ReopenedEvent" => TimelineEvent::Reopened { by: actor() },
        "AutoMergeEnabledEvent" => TimelineEvent::AutoMergeEnabled { by: account(entry.enabler.as_ref()) },
        "AutoMergeDisabledEvent" => TimelineEvent::AutoMergeDisabled,
        "AddedToMergeQueueEvent" => TimelineEvent::Queued { by: account(entry.enqueuer.as_ref()) },
        "RemovedFromMergeQueueEvent" => TimelineEvent::Dequeued,
        "AssignedEvent" => TimelineEvent::Assigned { who: account(entry.assignee.as_ref()), by: actor() },
        kind => {
            missing.push(format!("a timeline entry of the unknown kind {kind}"));
            return None;
        }
    })
}
