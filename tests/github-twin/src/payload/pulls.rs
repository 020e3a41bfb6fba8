//! What happens to pull requests, their reviews and comments, and to merge groups.

use super::Rendered;
use crate::model::{MergeGroupAction, PullRequest, PullRequestAction, Repository, ReviewAction, ReviewState, World};
use crate::model::{node_id, rfc3339};
use crate::rest::shape;
use serde_json::{Value, json};

fn webhook_pull(world: &World, pull: &PullRequest) -> Value {
    shape::merged(
        shape::pull_request(world, pull),
        json!({
            "allow_auto_merge": true,
            "allow_update_branch": true,
            "delete_branch_on_merge": false,
            "merge_commit_message": "PR_TITLE",
            "merge_commit_title": "MERGE_MESSAGE",
            "squash_merge_commit_message": "COMMIT_MESSAGES",
            "squash_merge_commit_title": "COMMIT_OR_PR_TITLE",
            "use_squash_pr_title_as_default": false
        }),
    )
}

/// `pull_request`
pub(super) fn pull_request(world: &World, number: u64, action: &PullRequestAction) -> Rendered {
    use PullRequestAction as A;
    let (name, more) = match action {
        A::Opened => ("opened", json!({})),
        A::Synchronize { before, after } => ("synchronize", json!({"before": before, "after": after})),
        A::BaseChanged { from, from_sha } => {
            ("edited", json!({"changes": {"base": {"ref": {"from": from}, "sha": {"from": from_sha}}}}))
        }
        A::Closed => ("closed", json!({})),
        A::Reopened => ("reopened", json!({})),
        A::Assigned(id) => ("assigned", json!({"assignee": shape::simple_user(world, *id)})),
        A::Unassigned(id) => ("unassigned", json!({"assignee": shape::simple_user(world, *id)})),
        A::Labeled(label) => ("labeled", json!({"label": shape::label(world, label)})),
        A::AutoMergeEnabled => ("auto_merge_enabled", json!({})),
        A::AutoMergeDisabled => ("auto_merge_disabled", json!({"reason": "Manually disabled by user"})),
        A::Enqueued => ("enqueued", json!({})),
        A::Dequeued { reason } => ("dequeued", json!({"reason": reason})),
    };
    let pull = world.pulls.get(&number).map(|pull| webhook_pull(world, pull));
    let fields = json!({"number": number, "pull_request": pull});
    Rendered::new("pull_request", Some(name), shape::merged(fields, more))
}

/// `pull_request_review`: its state is in lower case here, and of a dismissed one it is `dismissed`.
pub(super) fn review(world: &World, number: u64, id: u64, action: ReviewAction) -> Rendered {
    let name = match action {
        ReviewAction::Submitted => "submitted",
        ReviewAction::Dismissed { .. } => "dismissed",
    };
    let pull = world.pulls.get(&number);
    let shown = pull.and_then(|pull| {
        let review = pull.reviews.iter().find(|review| review.id == id)?;
        let state = match action {
            ReviewAction::Submitted => review.submitted_state,
            ReviewAction::Dismissed { .. } => ReviewState::Dismissed,
        };
        let body = if review.body.is_empty() { Value::Null } else { json!(review.body) };
        let more = json!({
            "state": shape::lower_case(state), "body": body, "updated_at": rfc3339(review.submitted_at)
        });
        Some(shape::merged(shape::pull_request_review(world, pull, review), more))
    });
    let simple = pull.map(|pull| shape::pull_request_simple(world, pull));
    Rendered::new("pull_request_review", Some(name), json!({"review": shown, "pull_request": simple}))
}

/// `issue_comment` `created`
pub(super) fn comment(world: &World, number: u64, id: u64) -> Rendered {
    let pull = world.pulls.get(&number);
    let shown = pull.and_then(|pull| {
        let comment = pull.comments.iter().find(|comment| comment.id == id)?;
        Some(shape::issue_comment(world, pull, comment))
    });
    let issue = pull.map(|pull| issue(world, pull));
    Rendered::new("issue_comment", Some("created"), json!({"comment": shown, "issue": issue}))
}

/// A pull request as the issue that it also is.
fn issue(world: &World, pull: &PullRequest) -> Value {
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    let repo = format!("{}/repos/{full_name}", world.url);
    let api = format!("{repo}/issues/{}", pull.number);
    let html = format!("{}/{full_name}/pull/{}", world.url, pull.number);
    json!({
        "id": pull.id,
        "node_id": node_id("PR", pull.id),
        "url": api,
        "repository_url": repo,
        "labels_url": format!("{api}/labels{{/name}}"),
        "comments_url": format!("{api}/comments"),
        "events_url": format!("{api}/events"),
        "html_url": html,
        "timeline_url": format!("{api}/timeline"),
        "number": pull.number,
        "title": pull.title,
        "user": shape::simple_user(world, pull.opener),
        "labels": pull.labels.iter().map(|name| shape::label(world, name)).collect::<Vec<_>>(),
        "state": if pull.is_open() { "open" } else { "closed" },
        "state_reason": null,
        "locked": false,
        "active_lock_reason": null,
        "assignee": pull.assignees.first().map(|id| shape::simple_user(world, *id)),
        "assignees": pull.assignees.iter().map(|id| shape::simple_user(world, *id)).collect::<Vec<_>>(),
        "milestone": null,
        "comments": pull.comments.len(),
        "created_at": rfc3339(pull.created_at),
        "updated_at": rfc3339(pull.updated_at),
        "closed_at": pull.closed_at.map(rfc3339),
        "author_association": shape::author_association(world, pull.opener),
        "draft": pull.draft,
        "body": pull.body,
        "performed_via_github_app": null,
        "pull_request": {
            "url": format!("{repo}/pulls/{}", pull.number),
            "html_url": html,
            "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"),
            "merged_at": pull.merged_at.map(rfc3339)
        },
        "reactions": {
            "url": format!("{api}/reactions"), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0, "confused": 0, "heart": 0,
            "hooray": 0, "eyes": 0, "rocket": 0
        }
    })
}

/// `merge_group`: it does not list its pull requests.
pub(super) fn merge_group(world: &World, id: u64, action: MergeGroupAction) -> Rendered {
    let group = world.merge_groups.iter().find(|group| group.id == id);
    let shown = group.map(|group| {
        json!({
            "head_sha": group.head_sha,
            "head_ref": group.head_ref,
            "base_sha": group.base_sha,
            "base_ref": group.base_ref,
            "head_commit": shape::nullable_simple_commit(world, &group.head_sha)
        })
    });
    match action {
        MergeGroupAction::ChecksRequested => {
            Rendered::new("merge_group", Some("checks_requested"), json!({"merge_group": shown}))
        }
        MergeGroupAction::Destroyed(reason) => {
            Rendered::new("merge_group", Some("destroyed"), json!({"merge_group": shown, "reason": reason}))
        }
    }
}
