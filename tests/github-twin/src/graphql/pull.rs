//! Pull requests, reviews and comments: what a decision about a change is read from.

use super::connection::{connection, named};
use super::object::{Arguments, Context, Node, Part, Resolved};
use super::{actor, commit, repository, timeline};
use crate::model::{
    AccountId, Comment, MergeMethod, PullRequest, Repository, Review, ReviewState, Time, Timeline, UPSTREAM, World,
    node_id, rfc3339,
};
use crate::rest::shape;
use serde_json::Value;

/// A connection of pull requests, filtered as its arguments ask.
pub(crate) fn connection_of<'w>(all: Vec<&'w PullRequest>, arguments: Arguments<'_>) -> Resolved<'w> {
    let states = arguments.list("states");
    let (head, base) = (arguments.text("headRefName"), arguments.text("baseRefName"));
    let labels = arguments.list("labels");
    let mut wanted: Vec<&PullRequest> = all
        .into_iter()
        .filter(|pull| states.as_ref().is_none_or(|states| states.iter().any(|one| one == state(pull))))
        .filter(|pull| head.is_none_or(|head| head == pull.head.branch))
        .filter(|pull| base.is_none_or(|base| base == pull.base))
        .filter(|pull| labels.as_ref().is_none_or(|labels| labels.iter().any(|one| pull.labels.contains(one))))
        .collect();
    if arguments.within("orderBy", "direction") == Some(Value::from("DESC")) {
        wanted.reverse();
    }
    let named = named("pullRequests", "PullRequestConnection", "PullRequestEdge");
    connection(named, &wanted, arguments, |pull| Some(Node::PullRequest(pull)))
}

fn state(pull: &PullRequest) -> &'static str {
    match (pull.is_merged(), pull.is_open()) {
        (true, _) => "MERGED",
        (false, true) => "OPEN",
        (false, false) => "CLOSED",
    }
}

fn moment<'w>(time: Option<Time>) -> Part<'w> {
    time.map_or_else(Part::null, |time| Part::leaf(rfc3339(time)))
}

/// The fields of `PullRequest`.
pub(crate) fn pull_request<'w>(
    context: Context<'w>,
    pull: &'w PullRequest,
    name: &str,
    arguments: Arguments<'_>,
) -> Option<Resolved<'w>> {
    plain(context.world, pull, name)
        .or_else(|| ends(context, pull, name))
        .map(Ok)
        .or_else(|| lists(context, pull, name, arguments))
}

fn plain<'w>(world: &'w World, pull: &'w PullRequest, name: &str) -> Option<Part<'w>> {
    let path = || format!("{}/pull/{}", repository_path(world), pull.number);
    Some(match name {
        "id" => Part::leaf(node_id("PR", pull.id)),
        "databaseId" => Part::int(pull.id),
        "fullDatabaseId" => Part::leaf(pull.id.to_string()),
        "number" => Part::int(pull.number),
        "url" | "permalink" => Part::leaf(format!("{}{}", world.url, path())),
        "resourcePath" => Part::leaf(path()),
        "state" => Part::leaf(state(pull)),
        "isDraft" => Part::leaf(pull.draft),
        "title" => Part::leaf(pull.title.clone()),
        "body" | "bodyText" => Part::leaf(pull.body.clone().unwrap_or_default()),
        "createdAt" | "publishedAt" => Part::leaf(rfc3339(pull.created_at)),
        "updatedAt" => Part::leaf(rfc3339(pull.updated_at)),
        "closed" => Part::leaf(!pull.is_open()),
        "closedAt" => moment(pull.closed_at),
        "merged" => Part::leaf(pull.is_merged()),
        "mergedAt" => moment(pull.merged_at),
        "mergedBy" => actor::actor(world, pull.merged_by),
        "author" => actor::actor(world, Some(pull.opener)),
        "authorAssociation" => Part::leaf(shape::author_association(world, pull.opener)),
        "mergeable" => Part::leaf(if pull.is_open() { "MERGEABLE" } else { "UNKNOWN" }),
        "mergeStateStatus" => Part::leaf(if pull.is_open() { "CLEAN" } else { "UNKNOWN" }),
        "isCrossRepository" => Part::leaf(pull.head.repository != UPSTREAM),
        "isInMergeQueue" => Part::leaf(pull.queued_by.is_some()),
        "isMergeQueueEnabled" => Part::leaf(world.merge_queue),
        "maintainerCanModify" | "includesCreatedEdit" | "locked" => Part::leaf(false),
        "editor" | "lastEditedAt" => Part::null(),
        "totalCommentsCount" => Part::leaf(pull.comments.len()),
        "repository" | "baseRepository" => repository::upstream(world),
        "additions" => Part::leaf(shape::size_of_change(world, pull).additions),
        "deletions" => Part::leaf(shape::size_of_change(world, pull).deletions),
        "changedFiles" => Part::leaf(shape::size_of_change(world, pull).files),
        "reviewDecision" => review_decision(world, pull),
        _ => return None,
    })
}

fn ends<'w>(context: Context<'w>, pull: &'w PullRequest, name: &str) -> Option<Part<'w>> {
    let world = context.world;
    let head = world.repositories.get(&pull.head.repository);
    Some(match name {
        "baseRefName" => Part::leaf(pull.base.clone()),
        "baseRefOid" => Part::leaf(pull.base_sha.clone()),
        "baseRef" => {
            world.upstream().map_or_else(Part::null, |upstream| repository::branch_or_null(upstream, &pull.base))
        }
        "headRefName" => Part::leaf(pull.head.branch.clone()),
        "headRefOid" => Part::leaf(pull.head.sha.clone()),
        "headRef" => head.map_or_else(Part::null, |head| repository::branch_or_null(head, &pull.head.branch)),
        "headRepository" => Part::One(head.map(Node::Repository)),
        "headRepositoryOwner" => actor::actor(world, head.map(|head| head.owner_id)),
        "mergeCommit" => Part::One(pull.merge_commit.as_ref().and_then(|sha| commit::found(world, sha))),
        "potentialMergeCommit" => Part::null(),
        "autoMergeRequest" => auto_merge(world, pull),
        "mergeQueueEntry" => queue_entry(world, pull),
        _ => return None,
    })
}

fn lists<'w>(
    context: Context<'w>,
    pull: &'w PullRequest,
    name: &str,
    arguments: Arguments<'_>,
) -> Option<Resolved<'w>> {
    let world = context.world;
    Some(match name {
        "assignees" => {
            let named = named("assignees", "UserConnection", "UserEdge");
            connection(named, &pull.assignees, arguments, |id| actor::living(world, Some(*id)).map(Node::AsUser))
        }
        "comments" => {
            let named = named("comments", "IssueCommentConnection", "IssueCommentEdge");
            let all: Vec<&Comment> = pull.comments.iter().collect();
            connection(named, &all, arguments, |one| Some(Node::Comment(pull, one)))
        }
        "commits" => {
            let named = named("commits", "PullRequestCommitConnection", "PullRequestCommitEdge");
            connection(named, &pull.commits, arguments, |sha| pull_request_commit(world, pull, sha))
        }
        "labels" => {
            let named = named("labels", "LabelConnection", "LabelEdge");
            connection(named, &pull.labels, arguments, |label| Some(timeline::label(world, label)))
        }
        "reviews" => {
            let states = arguments.list("states");
            let author = arguments.text("author").and_then(|login| world.account_by_login(login));
            let wanted = |review: &&Review| {
                states.as_ref().is_none_or(|states| states.iter().any(|one| one == review.state.name()))
                    && (arguments.text("author").is_none() || author.is_some_and(|author| author.id == review.by))
            };
            reviews("reviews", pull, &pull.reviews.iter().filter(wanted).collect::<Vec<_>>(), arguments)
        }
        "latestReviews" => reviews("latestReviews", pull, &latest(pull, |_| true), arguments),
        "latestOpinionatedReviews" => {
            let opinion = |review: &Review| review.state != ReviewState::Commented;
            reviews("latestOpinionatedReviews", pull, &latest(pull, opinion), arguments)
        }
        "reviewRequests" => {
            let named = named("reviewRequests", "ReviewRequestConnection", "ReviewRequestEdge");
            connection(named, &[(); 0], arguments, |()| None)
        }
        "timelineItems" => timeline::items(world, pull, arguments),
        _ => return None,
    })
}

fn reviews<'w>(
    field: &'static str,
    pull: &'w PullRequest,
    all: &[&'w Review],
    arguments: Arguments<'_>,
) -> Resolved<'w> {
    let named = named(field, "PullRequestReviewConnection", "PullRequestReviewEdge");
    connection(named, all, arguments, |review| Some(Node::Review(pull, review)))
}

/// The last review of each reviewer that is of the wanted kind.
fn latest(pull: &PullRequest, wanted: impl Fn(&Review) -> bool) -> Vec<&Review> {
    let mut last: Vec<&Review> = Vec::new();
    for review in pull.reviews.iter().filter(|review| wanted(review)) {
        last.retain(|known| known.by != review.by);
        last.push(review);
    }
    last
}

fn review_decision<'w>(world: &'w World, pull: &'w PullRequest) -> Part<'w> {
    let can_write = |id: AccountId| world.account(id).is_some_and(crate::model::Account::can_write);
    let opinions = latest(pull, |review| review.state != ReviewState::Commented && can_write(review.by));
    let any = |state| opinions.iter().any(|review| review.state == state);
    Part::leaf(if any(ReviewState::ChangesRequested) {
        "CHANGES_REQUESTED"
    } else if any(ReviewState::Approved) {
        "APPROVED"
    } else {
        "REVIEW_REQUIRED"
    })
}

/// A `PullRequestCommit`; none where git has no such commit.
pub(crate) fn pull_request_commit<'w>(world: &'w World, pull: &'w PullRequest, sha: &str) -> Option<Node<'w>> {
    let node = commit::found(world, sha)?;
    let path = format!("{}/pull/{}/commits/{sha}", repository_path(world), pull.number);
    Some(Node::record(
        "PullRequestCommit",
        vec![
            ("id", Part::leaf(format!("PURC_kwDO{:010x}{sha}", pull.id))),
            ("commit", Part::One(Some(node))),
            ("pullRequest", Part::One(Some(Node::PullRequest(pull)))),
            ("url", Part::leaf(format!("{}{path}", world.url))),
            ("resourcePath", Part::leaf(path)),
        ],
    ))
}

fn auto_merge<'w>(world: &'w World, pull: &'w PullRequest) -> Part<'w> {
    let Some(auto) = &pull.auto_merge else {
        return Part::null();
    };
    let enabled = |item: &&crate::model::TimelineItem| item.what == Timeline::AutoMergeEnabled;
    let at = pull.timeline.iter().rev().find(enabled).map(|item| item.at);
    let method = match auto.method {
        MergeMethod::Merge => "MERGE",
        MergeMethod::Squash => "SQUASH",
        MergeMethod::Rebase => "REBASE",
    };
    Part::record(
        "AutoMergeRequest",
        vec![
            ("authorEmail", Part::null()),
            ("commitBody", Part::null()),
            ("commitHeadline", Part::null()),
            ("enabledAt", moment(at)),
            ("enabledBy", actor::actor(world, Some(auto.enabled_by))),
            ("mergeMethod", Part::leaf(method)),
            ("pullRequest", Part::One(Some(Node::PullRequest(pull)))),
        ],
    )
}

/// The fields of `MergeQueue`: the entries are in the order in which they were queued.
pub(crate) fn queue<'w>(world: &'w World, name: &str, arguments: Arguments<'_>) -> Option<Resolved<'w>> {
    Some(match name {
        "id" => Ok(Part::leaf(node_id("MQ", UPSTREAM))),
        "repository" => Ok(repository::upstream(world)),
        "entries" => {
            let waiting = world.merge_groups.iter().filter(|group| group.waiting);
            let queued: Vec<&PullRequest> =
                waiting.flat_map(|group| &group.pulls).filter_map(|number| world.pulls.get(number)).collect();
            let named = named("entries", "MergeQueueEntryConnection", "MergeQueueEntryEdge");
            connection(named, &queued, arguments, |pull| match queue_entry(world, pull) {
                Part::One(node) => node,
                _ => None,
            })
        }
        _ => return None,
    })
}

fn queue_entry<'w>(world: &'w World, pull: &'w PullRequest) -> Part<'w> {
    let Some(by) = pull.queued_by else {
        return Part::null();
    };
    let group = world.merge_groups.iter().rev().find(|group| group.waiting && group.pulls.contains(&pull.number));
    let place = group.and_then(|group| group.pulls.iter().position(|number| *number == pull.number));
    let added = |item: &&crate::model::TimelineItem| item.what == Timeline::AddedToMergeQueue;
    let at = pull.timeline.iter().rev().find(added).map_or(pull.updated_at, |item| item.at);
    let commit = |sha: Option<&String>| Part::One(sha.and_then(|sha| commit::found(world, sha)));
    Part::record(
        "MergeQueueEntry",
        vec![
            ("id", Part::leaf(node_id("MQE", pull.id))),
            ("baseCommit", commit(group.map(|group| &group.base_sha))),
            ("headCommit", commit(group.map(|group| &group.head_sha))),
            ("enqueuedAt", Part::leaf(rfc3339(at))),
            ("enqueuer", actor::certain_actor(world, by)),
            ("jump", Part::leaf(false)),
            ("solo", Part::leaf(false)),
            ("position", Part::leaf(place.map_or(1, |place| place + 1))),
            ("pullRequest", Part::One(Some(Node::PullRequest(pull)))),
            ("state", Part::leaf(if group.is_some() { "AWAITING_CHECKS" } else { "QUEUED" })),
        ],
    )
}

/// The fields of `PullRequestReview`.
pub(crate) fn review<'w>(
    context: Context<'w>,
    pull: &'w PullRequest,
    one: &'w Review,
    name: &str,
    arguments: Arguments<'_>,
) -> Option<Resolved<'w>> {
    let world = context.world;
    let path = || format!("{}/pull/{}#pullrequestreview-{}", repository_path(world), pull.number, one.id);
    Some(Ok(match name {
        "id" => Part::leaf(node_id("PRR", one.id)),
        "databaseId" => Part::int(one.id),
        "fullDatabaseId" => Part::leaf(one.id.to_string()),
        "author" => actor::actor(world, Some(one.by)),
        "authorAssociation" => Part::leaf(shape::author_association(world, one.by)),
        "authorCanPushToRepository" => Part::leaf(world.account(one.by).is_some_and(crate::model::Account::can_write)),
        "body" | "bodyText" => Part::leaf(one.body.clone()),
        "commit" => Part::One(commit::found(world, &one.commit)),
        "createdAt" | "updatedAt" | "submittedAt" | "publishedAt" => Part::leaf(rfc3339(one.submitted_at)),
        "lastEditedAt" | "editor" => Part::null(),
        "includesCreatedEdit" => Part::leaf(false),
        "onBehalfOf" => {
            let named = named("onBehalfOf", "TeamConnection", "TeamEdge");
            return Some(connection(named, &[(); 0], arguments, |()| None));
        }
        "pullRequest" => Part::One(Some(Node::PullRequest(pull))),
        "repository" => repository::upstream(world),
        "state" => Part::leaf(one.state.name()),
        "resourcePath" => Part::leaf(path()),
        "url" => Part::leaf(format!("{}{}", world.url, path())),
        _ => return None,
    }))
}

/// The fields of `IssueComment`.
pub(crate) fn comment<'w>(
    context: Context<'w>,
    pull: &'w PullRequest,
    one: &'w Comment,
    name: &str,
) -> Option<Resolved<'w>> {
    let world = context.world;
    let path = || format!("{}/pull/{}#issuecomment-{}", repository_path(world), pull.number, one.id);
    Some(Ok(match name {
        "id" => Part::leaf(node_id("IC", one.id)),
        "databaseId" => Part::int(one.id),
        "fullDatabaseId" => Part::leaf(one.id.to_string()),
        "author" => actor::actor(world, Some(one.by)),
        "authorAssociation" => Part::leaf(shape::author_association(world, one.by)),
        "body" | "bodyText" => Part::leaf(one.body.clone()),
        "createdAt" | "updatedAt" | "publishedAt" => Part::leaf(rfc3339(one.at)),
        "lastEditedAt" | "editor" => Part::null(),
        "includesCreatedEdit" => Part::leaf(false),
        "pullRequest" => Part::One(Some(Node::PullRequest(pull))),
        "repository" => repository::upstream(world),
        "resourcePath" => Part::leaf(path()),
        "url" => Part::leaf(format!("{}{}", world.url, path())),
        _ => return None,
    }))
}

/// `/acme/shop`.
pub(crate) fn repository_path(world: &World) -> String {
    format!("/{}", world.upstream().map(Repository::full_name).unwrap_or_default())
}
