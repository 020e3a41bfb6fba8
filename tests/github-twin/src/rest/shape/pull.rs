//! Pull requests, reviews, comments and labels as REST and webhooks spell them.

use super::commit::size_of_change;
use super::{merged, repository, simple_user};
use crate::model::{
    AccountId, AccountKind, Comment, MergeMethod, Permission, PullRequest, Repository, Review, ReviewState, Time,
    UPSTREAM, World, node_id, rfc3339,
};
use crate::rest::paging::escaped;
use serde_json::{Value, json};

/// `pull-request-simple`: how lists show it.
pub fn pull_request_simple(world: &World, pull: &PullRequest) -> Value {
    let Some(upstream) = world.upstream() else {
        return Value::Null;
    };
    let repo = format!("{}/repos/{}", world.url, upstream.full_name());
    let api = format!("{repo}/pulls/{}", pull.number);
    let issue = format!("{repo}/issues/{}", pull.number);
    let html = format!("{}/{}/pull/{}", world.url, upstream.full_name(), pull.number);
    let statuses = format!("{repo}/statuses/{}", pull.head.sha);
    let link = |href: &str| json!({"href": href});
    json!({
        "url": api,
        "id": pull.id,
        "node_id": node_id("PR", pull.id),
        "html_url": html,
        "diff_url": format!("{html}.diff"),
        "patch_url": format!("{html}.patch"),
        "issue_url": issue,
        "commits_url": format!("{api}/commits"),
        "review_comments_url": format!("{api}/comments"),
        "review_comment_url": format!("{repo}/pulls/comments{{/number}}"),
        "comments_url": format!("{issue}/comments"),
        "statuses_url": statuses,
        "number": pull.number,
        "state": if pull.is_open() { "open" } else { "closed" },
        "locked": false,
        "active_lock_reason": null,
        "title": pull.title,
        "user": simple_user(world, pull.opener),
        "body": pull.body,
        "labels": pull.labels.iter().map(|name| label(world, name)).collect::<Vec<_>>(),
        "milestone": null,
        "created_at": rfc3339(pull.created_at),
        "updated_at": rfc3339(pull.updated_at),
        "closed_at": when(pull.closed_at),
        "merged_at": when(pull.merged_at),
        "merge_commit_sha": pull.merge_commit,
        "assignee": pull.assignees.first().map(|id| simple_user(world, *id)),
        "assignees": pull.assignees.iter().map(|id| simple_user(world, *id)).collect::<Vec<_>>(),
        "requested_reviewers": [],
        "requested_teams": [],
        "head": end(world, world.repositories.get(&pull.head.repository), &pull.head.branch, &pull.head.sha),
        "base": end(world, Some(upstream), &pull.base, &pull.base_sha),
        "_links": {
            "self": link(&api),
            "html": link(&html),
            "issue": link(&issue),
            "comments": link(&format!("{issue}/comments")),
            "review_comments": link(&format!("{api}/comments")),
            "review_comment": link(&format!("{repo}/pulls/comments{{/number}}")),
            "commits": link(&format!("{api}/commits")),
            "statuses": link(&statuses)
        },
        "author_association": author_association(world, pull.opener),
        "auto_merge": auto_merge(world, pull),
        "draft": pull.draft
    })
}

/// `pull-request`: with what only a single look shows.
pub fn pull_request(world: &World, pull: &PullRequest) -> Value {
    let change = size_of_change(world, pull);
    merged(
        pull_request_simple(world, pull),
        json!({
            "merged": pull.is_merged(),
            "mergeable": pull.is_open().then_some(true),
            "rebaseable": pull.is_open().then_some(true),
            "mergeable_state": if pull.is_open() { "clean" } else { "unknown" },
            "merged_by": pull.merged_by.map(|id| simple_user(world, id)),
            "comments": pull.comments.len(),
            "review_comments": 0,
            "maintainer_can_modify": false,
            "commits": pull.commits.len(),
            "additions": change.additions,
            "deletions": change.deletions,
            "changed_files": change.files
        }),
    )
}

fn end(world: &World, repo: Option<&Repository>, branch: &str, sha: &str) -> Value {
    let owner = repo.map_or("", |repo| repo.owner.as_str());
    json!({
        "label": format!("{owner}:{branch}"),
        "ref": branch,
        "sha": sha,
        "user": repo.map(|repo| simple_user(world, repo.owner_id)),
        "repo": repo.map(|repo| repository(world, repo))
    })
}

fn auto_merge(world: &World, pull: &PullRequest) -> Value {
    pull.auto_merge.as_ref().map_or(Value::Null, |auto| {
        json!({
            "enabled_by": simple_user(world, auto.enabled_by),
            "merge_method": match auto.method {
                MergeMethod::Merge => "merge",
                MergeMethod::Squash => "squash",
                MergeMethod::Rebase => "rebase",
            },
            "commit_title": pull.title,
            "commit_message": ""
        })
    })
}

/// `pull-request-minimal`: how checks, runs and deployments name it.
pub fn pull_request_minimal(world: &World, pull: &PullRequest) -> Value {
    let end = |repo: u64, branch: &str, sha: &str| {
        let (name, full_name) = world
            .repositories
            .get(&repo)
            .map_or((String::new(), String::new()), |repo| (repo.name.clone(), repo.full_name()));
        let url = format!("{}/repos/{full_name}", world.url);
        json!({"ref": branch, "sha": sha, "repo": {"id": repo, "url": url, "name": name}})
    };
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    json!({
        "id": pull.id,
        "number": pull.number,
        "url": format!("{}/repos/{full_name}/pulls/{}", world.url, pull.number),
        "head": end(pull.head.repository, &pull.head.branch, &pull.head.sha),
        "base": end(UPSTREAM, &pull.base, &pull.base_sha)
    })
}

/// The open pull requests of this repository whose head is this commit, as checks name them: a fork's never show.
pub fn pulls_of_head(world: &World, sha: &str) -> Vec<Value> {
    world
        .pulls
        .values()
        .filter(|pull| pull.is_open() && pull.head.sha == sha && pull.head.repository == UPSTREAM)
        .map(|pull| pull_request_minimal(world, pull))
        .collect()
}

/// `pull-request-review`. Webhooks write the state in lower case.
pub fn pull_request_review(world: &World, pull: &PullRequest, review: &Review) -> Value {
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    let html = format!("{}/{full_name}/pull/{}#pullrequestreview-{}", world.url, pull.number, review.id);
    let api = format!("{}/repos/{full_name}/pulls/{}", world.url, pull.number);
    json!({
        "id": review.id,
        "node_id": node_id("PRR", review.id),
        "user": simple_user(world, review.by),
        "body": review.body,
        "state": review.state.name(),
        "html_url": html,
        "pull_request_url": api,
        "author_association": author_association(world, review.by),
        "_links": {"html": {"href": html}, "pull_request": {"href": api}},
        "submitted_at": rfc3339(review.submitted_at),
        "commit_id": review.commit
    })
}

/// `issue-comment`.
pub fn issue_comment(world: &World, pull: &PullRequest, comment: &Comment) -> Value {
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    let api = format!("{}/repos/{full_name}/issues/comments/{}", world.url, comment.id);
    let reactions = format!("{api}/reactions");
    json!({
        "id": comment.id,
        "node_id": node_id("IC", comment.id),
        "url": api,
        "body": comment.body,
        "html_url": format!("{}/{full_name}/pull/{}#issuecomment-{}", world.url, pull.number, comment.id),
        "user": simple_user(world, comment.by),
        "created_at": rfc3339(comment.at),
        "updated_at": rfc3339(comment.at),
        "issue_url": format!("{}/repos/{full_name}/issues/{}", world.url, pull.number),
        "author_association": author_association(world, comment.by),
        "performed_via_github_app": null,
        "reactions": {
            "url": reactions, "total_count": 0, "+1": 0, "-1": 0, "laugh": 0, "confused": 0, "heart": 0, "hooray": 0,
            "eyes": 0, "rocket": 0
        }
    })
}

/// `label`. Its id is made from its name, which is all the model knows.
pub fn label(world: &World, name: &str) -> Value {
    let id = name.bytes().fold(7_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000_000_007);
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    json!({
        "id": id,
        "node_id": node_id("LA", id),
        "url": format!("{}/repos/{full_name}/labels/{}", world.url, escaped(name)),
        "name": name,
        "description": "",
        "color": "ededed",
        "default": false
    })
}

/// `author-association` of an account with the repository.
pub fn author_association(world: &World, id: AccountId) -> &'static str {
    match world.account(id) {
        Some(account) if account.kind == AccountKind::Mannequin => "MANNEQUIN",
        Some(account) if account.permission >= Permission::Write => "MEMBER",
        Some(account) if account.permission >= Permission::Read => "COLLABORATOR",
        _ => "NONE",
    }
}

/// A time, or null.
pub(super) fn when(time: Option<Time>) -> Value {
    time.map_or(Value::Null, |time| json!(rfc3339(time)))
}

/// The state of a review as webhooks write it.
pub fn lower_case(state: ReviewState) -> String {
    state.name().to_ascii_lowercase()
}
