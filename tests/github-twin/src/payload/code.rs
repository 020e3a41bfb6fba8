//! What happens to branches, tags, releases, members and rulesets.

use super::Rendered;
use crate::git::Identity;
use crate::model::{AccountId, Ruleset, RulesetAction, World, ZERO, node_id, rfc3339};
use crate::rest::shape;
use serde_json::{Value, json};

/// A push payload lists at most this many commits.
const MOST_COMMITS: usize = 2048;

/// One movement of a ref.
pub(super) struct Moved<'a> {
    pub(super) reference: &'a str,
    pub(super) before: &'a str,
    pub(super) after: &'a str,
    pub(super) forced: bool,
}

/// The commits of a push that no other branch holds.
fn new_here(world: &World, moved: &Moved<'_>, brought: &[String]) -> Vec<String> {
    // What no push ever brought before is on no other branch, and the other branches may be many.
    if brought.iter().all(|sha| !world.pushed.contains(sha)) {
        return brought.to_vec();
    }
    let elsewhere = world.upstream().into_iter().flat_map(|upstream| &upstream.branches);
    let elsewhere =
        elsewhere.filter(|(branch, _)| moved.reference.strip_prefix("refs/heads/") != Some(branch.as_str()));
    let elsewhere: Vec<&str> = elsewhere.map(|(_, tip)| tip.as_str()).collect();
    world.git.reachable(moved.after, &elsewhere).unwrap_or_default()
}

/// `push`
pub(super) fn push(world: &World, moved: &Moved<'_>, sender: AccountId) -> Rendered {
    let (created, deleted) = (moved.before == ZERO, moved.after == ZERO);
    let brought = if deleted {
        Vec::new()
    } else {
        let default = world.upstream().and_then(|upstream| upstream.branches.get("main")).map(String::as_str);
        let known = if created { default.filter(|tip| *tip != moved.after) } else { Some(moved.before) };
        let not: Vec<&str> = known.into_iter().collect();
        world.git.reachable(moved.after, &not).unwrap_or_default()
    };
    let new = new_here(world, moved, &brought);
    let listed = brought.iter().take(MOST_COMMITS);
    let commits: Vec<Value> = listed.filter_map(|sha| commit(world, sha, new.contains(sha))).collect();
    let full_name = world.upstream().map(crate::model::Repository::full_name).unwrap_or_default();
    let pusher = world
        .account(sender)
        .map_or(Value::Null, |account| json!({"name": account.rest_login(), "email": account.email()}));
    let repository = world.upstream().map(|upstream| {
        shape::merged(
            shape::repository(world, upstream),
            json!({
                "created_at": upstream.created_at,
                "pushed_at": upstream.pushed_at,
                "stargazers": 0,
                "master_branch": upstream.default_branch
            }),
        )
    });
    Rendered::new(
        "push",
        None,
        json!({
            "ref": moved.reference,
            "before": moved.before,
            "after": moved.after,
            "base_ref": null,
            "created": created,
            "deleted": deleted,
            "forced": moved.forced,
            "compare": format!("{}/{full_name}/compare/{}...{}", world.url, moved.before, moved.after),
            "commits": commits,
            "head_commit": if deleted { None } else { commit(world, moved.after, true) },
            "pusher": pusher,
            "repository": repository
        }),
    )
}

/// `distinct`: no earlier push brought it.
fn commit(world: &World, sha: &str, distinct: bool) -> Option<Value> {
    let info = world.git.info(sha).ok()?;
    let full_name = world.upstream()?.full_name();
    let person = |one: &Identity| {
        let mut shown = json!({"name": one.name, "email": one.email, "date": rfc3339(one.at)});
        let account = world.account_by_email(&one.email);
        if let (Some(account), Value::Object(fields)) = (account, &mut shown) {
            fields.insert("username".to_owned(), json!(account.rest_login()));
        }
        shown
    };
    let files = world.git.changed_files(info.parents.first().map(String::as_str), sha).unwrap_or_default();
    let named = |status: &str| {
        let of = files.iter().filter(|file| file.status == status);
        of.map(|file| file.path.clone()).collect::<Vec<_>>()
    };
    Some(json!({
        "id": info.sha,
        "tree_id": info.tree,
        "distinct": distinct,
        "message": info.message,
        "timestamp": rfc3339(info.committer.at),
        "url": format!("{}/{full_name}/commit/{sha}", world.url),
        "author": person(&info.author),
        "committer": person(&info.committer),
        "added": named("added"),
        "removed": named("removed"),
        "modified": named("modified")
    }))
}

/// The short name of a full ref, and what it is.
fn named(reference: &str) -> (&str, &'static str) {
    match reference.strip_prefix("refs/tags/") {
        Some(tag) => (tag, "tag"),
        None => (reference.strip_prefix("refs/heads/").unwrap_or(reference), "branch"),
    }
}

/// `create`
pub(super) fn create(world: &World, reference: &str) -> Rendered {
    let (name, kind) = named(reference);
    let default = world.upstream().map_or("main", |upstream| upstream.default_branch.as_str());
    let fields = json!({
        "ref": name, "ref_type": kind, "master_branch": default, "description": null, "pusher_type": "user"
    });
    Rendered::new("create", None, fields)
}

/// `delete`
pub(super) fn delete(reference: &str) -> Rendered {
    let (name, kind) = named(reference);
    Rendered::new("delete", None, json!({"ref": name, "ref_type": kind, "pusher_type": "user"}))
}

/// `release` `published`
pub(super) fn release(world: &World, id: u64) -> Rendered {
    let shown = world.releases.iter().find(|release| release.id == id).map(|release| {
        let full_name = world.upstream().map(crate::model::Repository::full_name).unwrap_or_default();
        let api = format!("{}/repos/{full_name}/releases/{id}", world.url);
        let html = format!("{}/{full_name}", world.url);
        json!({
            "id": id,
            "node_id": node_id("RE", id),
            "tag_name": release.tag,
            "target_commitish": "main",
            "name": release.tag,
            "body": "",
            "draft": false,
            "prerelease": false,
            "immutable": false,
            "author": shape::simple_user(world, release.author),
            "created_at": rfc3339(release.at),
            "published_at": rfc3339(release.at),
            "updated_at": rfc3339(release.at),
            "assets": [],
            "url": api,
            "assets_url": format!("{api}/assets"),
            "upload_url": format!("{api}/assets{{?name,label}}"),
            "html_url": format!("{html}/releases/tag/{}", release.tag),
            "tarball_url": format!("{}/repos/{full_name}/tarball/{}", world.url, release.tag),
            "zipball_url": format!("{}/repos/{full_name}/zipball/{}", world.url, release.tag)
        })
    });
    Rendered::new("release", Some("published"), json!({"release": shown}))
}

/// `member`
pub(super) fn member(world: &World, id: AccountId, action: &'static str, from: Option<&'static str>) -> Rendered {
    let now = world.account(id).map_or("none", |account| account.permission.role_name());
    let legacy = |role: &str| match role {
        "admin" => "admin",
        "maintain" | "write" => "write",
        _ => "read",
    };
    let mut fields = json!({"member": shape::simple_user(world, id)});
    let changes = match action {
        "added" => Some(json!({"permission": {"to": legacy(now)}, "role_name": {"to": now}})),
        "edited" => Some(json!({"permission": {"from": from.map(legacy), "to": legacy(now)}})),
        _ => None,
    };
    if let (Some(changes), Value::Object(fields)) = (changes, &mut fields) {
        fields.insert("changes".to_owned(), changes);
    }
    Rendered::new("member", Some(action), fields)
}

/// `repository_ruleset`: without bypass actors, which webhooks omit.
pub(super) fn ruleset(world: &World, one: &Ruleset, before: Option<&Ruleset>, action: RulesetAction) -> Rendered {
    let action = match action {
        RulesetAction::Created => "created",
        RulesetAction::Edited => "edited",
        RulesetAction::Deleted => "deleted",
    };
    let shown = shape::repository_ruleset(world, one, false);
    let mut fields = json!({"repository_ruleset": shown});
    if let (Some(before), Value::Object(fields)) = (before, &mut fields) {
        fields.insert("changes".to_owned(), changes(world, one, before));
    }
    Rendered::new("repository_ruleset", Some(action), fields)
}

fn changes(world: &World, now: &Ruleset, before: &Ruleset) -> Value {
    let mut changes = json!({});
    let Value::Object(fields) = &mut changes else {
        return changes;
    };
    if now.name != before.name {
        fields.insert("name".to_owned(), json!({"from": before.name}));
    }
    if now.active != before.active {
        let enforcement = if before.active { "active" } else { "disabled" };
        fields.insert("enforcement".to_owned(), json!({"from": enforcement}));
    }
    let rules = |one: &Ruleset| {
        let shown = shape::repository_ruleset(world, one, false);
        shown.get("rules").and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let (new, old) = (rules(now), rules(before));
    let kind = |rule: &Value| rule.get("type").cloned().unwrap_or_default();
    let only = |these: &[Value], those: &[Value]| {
        let missing = |rule: &&Value| !those.iter().any(|other| kind(other) == kind(rule));
        these.iter().filter(missing).cloned().collect::<Vec<_>>()
    };
    let differs = |rule: &&Value| old.iter().any(|other| kind(other) == kind(rule) && other != *rule);
    let updated: Vec<Value> = new
        .iter()
        .filter(differs)
        .map(|rule| json!({"rule": rule, "changes": {"configuration": {"from": "{}"}}}))
        .collect();
    let (added, deleted) = (only(&new, &old), only(&old, &new));
    if !(added.is_empty() && deleted.is_empty() && updated.is_empty()) {
        fields.insert("rules".to_owned(), json!({"added": added, "deleted": deleted, "updated": updated}));
    }
    changes
}
