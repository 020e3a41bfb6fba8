//! What happened to a pull request, in GitHub's order.
//!
//! Invariant: items are named as the schema's types; types that the model does not know never appear, whatever is asked.

use super::connection::{connection, named};
use super::object::{Arguments, Node, Part, Resolved};
use super::{actor, commit, pull, repository};
use crate::model::{PullRequest, Timeline, TimelineItem, UPSTREAM, World, node_id, rfc3339};
use crate::rest::shape;
use serde_json::Value;

/// `PullRequest.timelineItems`, filtered by `itemTypes`.
pub(crate) fn items<'w>(world: &'w World, pull: &'w PullRequest, arguments: Arguments<'_>) -> Resolved<'w> {
    let wanted = arguments.list("itemTypes");
    let since = arguments.text("since").map(str::to_owned);
    let all: Vec<&TimelineItem> = pull
        .timeline
        .iter()
        .filter(|item| wanted.as_ref().is_none_or(|types| types.iter().any(|one| one == item_type(&item.what))))
        .filter(|item| since.as_ref().is_none_or(|since| rfc3339(item.at) >= *since))
        .collect();
    let named = named("timelineItems", "PullRequestTimelineItemsConnection", "PullRequestTimelineItemsEdge");
    let page = connection(named, &all, arguments, |item| node(world, pull, item))?;
    let Part::One(Some(Node::Record(record))) = &page else {
        return Ok(page);
    };
    let mut fields = record.fields.clone();
    fields.push(("updatedAt", Part::leaf(rfc3339(pull.updated_at))));
    Ok(Part::record(named.connection, fields))
}

/// The item's value of `PullRequestTimelineItemsItemType`.
fn item_type(what: &Timeline) -> &'static str {
    match what {
        Timeline::Commit(_) => "PULL_REQUEST_COMMIT",
        Timeline::Review(_) => "PULL_REQUEST_REVIEW",
        Timeline::Comment(_) => "ISSUE_COMMENT",
        Timeline::ReviewDismissed { .. } => "REVIEW_DISMISSED_EVENT",
        Timeline::BaseRefChanged { .. } => "BASE_REF_CHANGED_EVENT",
        Timeline::AutomaticBaseChange { .. } => "AUTOMATIC_BASE_CHANGE_SUCCEEDED_EVENT",
        Timeline::HeadRefForcePushed { .. } => "HEAD_REF_FORCE_PUSHED_EVENT",
        Timeline::HeadRefDeleted => "HEAD_REF_DELETED_EVENT",
        Timeline::Merged { .. } => "MERGED_EVENT",
        Timeline::Closed => "CLOSED_EVENT",
        Timeline::Reopened => "REOPENED_EVENT",
        Timeline::Assigned(_) => "ASSIGNED_EVENT",
        Timeline::Unassigned(_) => "UNASSIGNED_EVENT",
        Timeline::Labeled(_) => "LABELED_EVENT",
        Timeline::AutoMergeEnabled => "AUTO_MERGE_ENABLED_EVENT",
        Timeline::AutoMergeDisabled => "AUTO_MERGE_DISABLED_EVENT",
        Timeline::AddedToMergeQueue => "ADDED_TO_MERGE_QUEUE_EVENT",
        Timeline::RemovedFromMergeQueue { .. } => "REMOVED_FROM_MERGE_QUEUE_EVENT",
    }
}

fn node<'w>(world: &'w World, pull: &'w PullRequest, item: &'w TimelineItem) -> Option<Node<'w>> {
    let (kind, more): (&'static str, Vec<(&'static str, Part<'w>)>) = match &item.what {
        Timeline::Commit(sha) => return pull::pull_request_commit(world, pull, sha),
        Timeline::Review(id) => {
            let review = pull.reviews.iter().find(|review| review.id == *id)?;
            return Some(Node::Review(pull, review));
        }
        Timeline::Comment(id) => {
            let comment = pull.comments.iter().find(|comment| comment.id == *id)?;
            return Some(Node::Comment(pull, comment));
        }
        Timeline::ReviewDismissed { review, was } => {
            let dismissed = pull.reviews.iter().find(|one| one.id == *review);
            let fields = vec![
                ("databaseId", Part::int(item.id)),
                ("dismissalMessage", Part::null()),
                ("previousReviewState", Part::leaf(was.name())),
                ("pullRequestCommit", Part::null()),
                ("review", Part::One(dismissed.map(|one| Node::Review(pull, one)))),
            ];
            ("ReviewDismissedEvent", [fields, addresses(world, pull, item)].concat())
        }
        Timeline::BaseRefChanged { from, to } => (
            "BaseRefChangedEvent",
            vec![
                ("databaseId", Part::int(item.id)),
                ("previousRefName", Part::leaf(from.clone())),
                ("currentRefName", Part::leaf(to.clone())),
            ],
        ),
        Timeline::AutomaticBaseChange { from, to } => (
            "AutomaticBaseChangeSucceededEvent",
            vec![("oldBase", Part::leaf(from.clone())), ("newBase", Part::leaf(to.clone()))],
        ),
        Timeline::HeadRefForcePushed { before, after } => (
            "HeadRefForcePushedEvent",
            vec![
                ("beforeCommit", Part::One(commit::found(world, before))),
                ("afterCommit", Part::One(commit::found(world, after))),
                ("ref", head_ref(world, pull)),
            ],
        ),
        Timeline::HeadRefDeleted => (
            "HeadRefDeletedEvent",
            vec![("headRef", head_ref(world, pull)), ("headRefName", Part::leaf(pull.head.branch.clone()))],
        ),
        Timeline::Merged { commit } => {
            let base = world.upstream().map(|upstream| repository::branch_or_null(upstream, &pull.base));
            let fields = vec![
                ("commit", Part::One(commit::found(world, commit))),
                ("mergeRef", base.unwrap_or_else(Part::null)),
                ("mergeRefName", Part::leaf(pull.base.clone())),
            ];
            ("MergedEvent", [fields, addresses(world, pull, item)].concat())
        }
        other => people(world, pull, item, other)?,
    };
    Some(event(world, pull, item, kind, more))
}

/// Events that are about people and labels rather than about commits.
fn people<'w>(
    world: &'w World,
    pull: &'w PullRequest,
    item: &'w TimelineItem,
    what: &'w Timeline,
) -> Option<(&'static str, Vec<(&'static str, Part<'w>)>)> {
    let this = || Part::One(Some(Node::PullRequest(pull)));
    let assigned = |id: u64| {
        vec![
            ("assignable", this()),
            ("assignee", actor::actor(world, Some(id))),
            ("user", actor::as_user(world, Some(id))),
        ]
    };
    Some(match what {
        Timeline::Closed => (
            "ClosedEvent",
            [vec![("closer", Part::null()), ("closable", this())], addresses(world, pull, item)].concat(),
        ),
        Timeline::Reopened => ("ReopenedEvent", vec![("closable", this())]),
        Timeline::Assigned(id) => ("AssignedEvent", assigned(*id)),
        Timeline::Unassigned(id) => ("UnassignedEvent", assigned(*id)),
        Timeline::Labeled(name) => {
            ("LabeledEvent", vec![("label", Part::One(Some(label(world, name)))), ("labelable", this())])
        }
        Timeline::AutoMergeEnabled => ("AutoMergeEnabledEvent", vec![("enabler", actor::as_user(world, item.actor))]),
        Timeline::AutoMergeDisabled => (
            "AutoMergeDisabledEvent",
            vec![
                ("disabler", actor::as_user(world, item.actor)),
                ("reason", Part::null()),
                ("reasonCode", Part::null()),
            ],
        ),
        Timeline::AddedToMergeQueue => {
            ("AddedToMergeQueueEvent", vec![("enqueuer", actor::as_user(world, item.actor))])
        }
        Timeline::RemovedFromMergeQueue { reason } => {
            let added = |one: &&TimelineItem| one.what == Timeline::AddedToMergeQueue && one.id < item.id;
            let by = pull.timeline.iter().rev().find(added).and_then(|one| one.actor);
            (
                "RemovedFromMergeQueueEvent",
                vec![
                    ("beforeCommit", Part::null()),
                    ("enqueuer", actor::as_user(world, by)),
                    ("reason", Part::leaf(reason.clone())),
                ],
            )
        }
        _ => return None,
    })
}

fn event<'w>(
    world: &'w World,
    pull: &'w PullRequest,
    item: &'w TimelineItem,
    kind: &'static str,
    more: Vec<(&'static str, Part<'w>)>,
) -> Node<'w> {
    let mut fields = vec![
        ("id", Part::leaf(node_id("TLE", item.id))),
        ("actor", actor::actor(world, item.actor)),
        ("createdAt", Part::leaf(rfc3339(item.at))),
        ("pullRequest", Part::One(Some(Node::PullRequest(pull)))),
    ];
    fields.extend(more);
    Node::record(kind, fields)
}

fn addresses<'w>(world: &'w World, pull: &'w PullRequest, item: &'w TimelineItem) -> Vec<(&'static str, Part<'w>)> {
    let path = format!("{}/pull/{}#event-{}", pull::repository_path(world), pull.number, item.id);
    vec![("url", Part::leaf(format!("{}{path}", world.url))), ("resourcePath", Part::leaf(path))]
}

fn head_ref<'w>(world: &'w World, pull: &'w PullRequest) -> Part<'w> {
    let head = world.repositories.get(&pull.head.repository);
    head.map_or_else(Part::null, |head| repository::branch_or_null(head, &pull.head.branch))
}

/// A `Label`.
pub(crate) fn label<'w>(world: &'w World, name: &str) -> Node<'w> {
    let shown = shape::label(world, name);
    let text = |field: &str| Part::leaf(shown.get(field).cloned().unwrap_or(Value::Null));
    let path = format!("{}/labels/{}", pull::repository_path(world), crate::rest::paging::escaped(name));
    let repository = world.repositories.get(&UPSTREAM).map(Node::Repository);
    Node::record(
        "Label",
        vec![
            ("id", text("node_id")),
            ("name", text("name")),
            ("color", text("color")),
            ("isDefault", text("default")),
            ("description", text("description")),
            ("url", Part::leaf(format!("{}{path}", world.url))),
            ("resourcePath", Part::leaf(path)),
            ("repository", Part::One(repository)),
            ("createdAt", Part::null()),
            ("updatedAt", Part::null()),
        ],
    )
}
