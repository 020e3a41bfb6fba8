//! Issues as REST spells them.

use super::{author_association, simple_user};
use crate::model::{AccountId, Issue, PullRequest, Repository, World, node_id, rfc3339};
use serde_json::{Value, json};

/// `issue`.
pub fn issue(world: &World, issue: &Issue) -> Value {
    let more = json!({"body": issue.body, "closed_at": (!issue.open).then(|| rfc3339(issue.updated_at))});
    let times = (issue.created_at, issue.updated_at);
    let told = Told { number: issue.number, id: issue.id, title: &issue.title, by: issue.by, open: issue.open, times };
    super::merged(told.shown(world), more)
}

/// `issue`, of a pull request.
pub fn issue_of_pull(world: &World, pull: &PullRequest) -> Value {
    let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
    let (api, page) = (format!("{}/repos/{full_name}", world.url), format!("{}/{full_name}", world.url));
    let number = pull.number;
    let more = json!({
        "body": pull.body,
        "closed_at": (!pull.is_open()).then(|| rfc3339(pull.updated_at)),
        "pull_request": {
            "url": format!("{api}/pulls/{number}"), "html_url": format!("{page}/pull/{number}"),
            "diff_url": format!("{page}/pull/{number}.diff"), "patch_url": format!("{page}/pull/{number}.patch")
        }
    });
    let times = (pull.created_at, pull.updated_at);
    let told = Told { number, id: pull.id, title: &pull.title, by: pull.opener, open: pull.is_open(), times };
    super::merged(told.shown(world), more)
}

/// What both kinds have.
struct Told<'t> {
    number: u64,
    id: u64,
    title: &'t str,
    by: AccountId,
    open: bool,
    times: (i64, i64),
}

impl Told<'_> {
    fn shown(&self, world: &World) -> Value {
        let full_name = world.upstream().map(Repository::full_name).unwrap_or_default();
        let api = format!("{}/repos/{full_name}", world.url);
        let url = format!("{api}/issues/{}", self.number);
        json!({
            "id": self.id,
            "node_id": node_id("I", self.id),
            "url": url,
            "repository_url": api,
            "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"),
            "events_url": format!("{url}/events"),
            "html_url": format!("{}/{full_name}/issues/{}", world.url, self.number),
            "number": self.number,
            "state": if self.open { "open" } else { "closed" },
            "state_reason": (!self.open).then_some("completed"),
            "title": self.title,
            "user": simple_user(world, self.by),
            "labels": [],
            "assignee": null,
            "assignees": [],
            "milestone": null,
            "locked": false,
            "active_lock_reason": null,
            "comments": 0,
            "created_at": rfc3339(self.times.0),
            "updated_at": rfc3339(self.times.1),
            "author_association": author_association(world, self.by),
            "performed_via_github_app": null
        })
    }
}
