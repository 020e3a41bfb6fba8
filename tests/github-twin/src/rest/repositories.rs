//! What the API says of a repository: who may write, how its branches moved, what lies between two commits.

use super::answer::Answer;
use super::paging::{Page, by_cursor};
use super::{Call, shape};
use crate::model::{AccountKind, ActivityType, Permission, PermissionLevel, Repository, UPSTREAM, World};
use serde_json::{Value, json};

type Answered = Result<Answer, Answer>;

/// The repository that the path names.
pub(super) fn named<'w>(world: &'w World, call: &Call) -> Result<&'w Repository, Answer> {
    world.repository(call.param("owner"), call.param("repo")).ok_or_else(Answer::not_found)
}

/// The repository that the path names, where it is the one the App is installed on.
pub(super) fn upstream<'w>(world: &'w World, call: &Call) -> Result<&'w Repository, Answer> {
    let found = named(world, call)?;
    if found.id == UPSTREAM { Ok(found) } else { Err(Answer::not_found()) }
}

/// The commit that a branch, a tag, a full ref or a commit id names.
pub(super) fn commit_named(world: &World, repository: &Repository, name: &str) -> Option<String> {
    let short = |name: &str| {
        name.strip_prefix("heads/")
            .map(|rest| format!("refs/heads/{rest}"))
            .or_else(|| name.strip_prefix("tags/").map(|rest| format!("refs/tags/{rest}")))
    };
    repository
        .resolve(name)
        .or_else(|| repository.resolve(&short(name)?))
        .cloned()
        .or_else(|| world.git.has_commit(name).then(|| name.to_owned()))
}

/// `GET /repos/{owner}/{repo}`
pub(super) fn show(world: &mut World, call: &Call) -> Answered {
    Ok(Answer::ok(shape::full_repository(world, named(world, call)?)))
}

/// `GET /repositories/{repository_id}`
pub(super) fn by_id(world: &mut World, call: &Call) -> Answered {
    let id = call.id("repository_id")?;
    let found = world.repositories.get(&id).ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(shape::full_repository(world, found)))
}

/// `GET /repos/{owner}/{repo}/collaborators`
pub(super) fn collaborators(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let least = match call.query.get("permission").map(String::as_str) {
        Some("admin") => Permission::Admin,
        Some("maintain") => Permission::Maintain,
        Some("push") => Permission::Write,
        Some("triage") => Permission::Triage,
        _ => Permission::Read,
    };
    let all: Vec<Value> = world
        .accounts
        .values()
        .filter(|account| !account.deleted && !account.built_in && account.permission >= least)
        .filter(|account| account.kind != AccountKind::Organization)
        .map(|account| shape::collaborator(world, account))
        .collect();
    Ok(call.page(world, all))
}

/// `GET /repos/{owner}/{repo}/collaborators/{username}/permission`
pub(super) fn permission(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let account = world.account_by_login(call.param("username")).ok_or_else(Answer::not_found)?;
    let least = account.permission.max(Permission::Read); // the repository is public
    Ok(Answer::ok(json!({
        "permission": least.legacy(),
        "role_name": least.role_name(),
        "user": shape::collaborator(world, account)
    })))
}

/// `GET /repos/{owner}/{repo}/compare/{basehead}`
pub(super) fn compare(world: &mut World, call: &Call) -> Answered {
    let repository = named(world, call)?;
    let basehead = call.param("basehead");
    let (base, head) = basehead.split_once("...").ok_or_else(Answer::not_found)?;
    let find = |name: &str| match name.split_once(':') {
        Some((owner, branch)) => {
            let fork = world.repository(owner, &repository.name)?;
            commit_named(world, fork, branch)
        }
        None => commit_named(world, repository, name),
    };
    let (base, head) = find(base).zip(find(head)).ok_or_else(Answer::not_found)?;
    let page = Page::asked(&call.query);
    let compared = shape::Compared { basehead, base: &base, head: &head };
    let (shown, total) = shape::commit_comparison(world, repository, compared, page)
        .ok_or_else(|| Answer::error(404, &format!("No common ancestor between {base} and {head}.")))?;
    let answer = Answer::ok(shown);
    Ok(match page.link(&format!("{}{}", world.url, call.path), &call.query, total) {
        Some(link) => answer.header("link", link),
        None => answer,
    })
}

/// `GET /repos/{owner}/{repo}/activity`
pub(super) fn activity(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let wanted_ref = call
        .query
        .get("ref")
        .map(|name| if name.starts_with("refs/") { name.clone() } else { format!("refs/heads/{name}") });
    let wanted_kind = call.query.get("activity_type");
    let known = |kind: &str| {
        use ActivityType as A;
        [A::Push, A::ForcePush, A::BranchCreation, A::BranchDeletion, A::PrMerge, A::MergeQueueMerge]
            .iter()
            .any(|one| one.name() == kind)
    };
    if wanted_kind.is_some_and(|kind| !known(kind)) {
        return Err(Answer::unprocessable("activity_type is not valid"));
    }
    let actor = call.query.get("actor");
    let actor_id = actor.and_then(|login| world.account_by_login(login)).map(|account| account.id);
    let mut all: Vec<Value> = world
        .activity
        .iter()
        .rev()
        .filter(|one| wanted_ref.as_ref().is_none_or(|wanted| *wanted == one.reference))
        .filter(|one| wanted_kind.is_none_or(|kind| one.kind.name() == kind))
        .filter(|one| actor.is_none() || actor_id == Some(one.actor))
        .map(|one| shape::activity(world, one))
        .collect();
    if call.query.get("direction").is_some_and(|direction| direction == "asc") {
        all.reverse();
    }
    let key = |one: &Value| {
        let id = one.get("id").map(ToString::to_string).unwrap_or_default();
        hex::encode(format!("activity:{id}"))
    };
    let base = format!("{}{}", world.url, call.path);
    let (page, link) = by_cursor(all, key, &base, &call.query, ("after", Some("before")));
    let answer = Answer::ok(Value::Array(page));
    Ok(match link {
        Some(link) => answer.header("link", link),
        None => answer,
    })
}

/// `GET /repos/{owner}/{repo}/commits`
pub(super) fn commits(world: &mut World, call: &Call) -> Answered {
    let repository = named(world, call)?;
    let name = call.query.get("sha").unwrap_or(&repository.default_branch);
    let tip = commit_named(world, repository, name).ok_or_else(Answer::not_found)?;
    let shown = world
        .git
        .history(&tip, 5_000)
        .unwrap_or_default()
        .iter()
        .filter_map(|sha| world.git.info(sha).ok())
        .map(|info| shape::commit(world, repository, &info, false))
        .collect();
    Ok(call.page(world, shown))
}

/// `GET /repos/{owner}/{repo}/commits/{ref}`
pub(super) fn commit(world: &mut World, call: &Call) -> Answered {
    let repository = named(world, call)?;
    let name = call.param("ref");
    let missing = || Answer::error(422, &format!("No commit found for SHA: {name}"));
    let sha = commit_named(world, repository, name).ok_or_else(missing)?;
    let info = world.git.info(&sha).map_err(|_| missing())?;
    Ok(Answer::ok(shape::commit(world, repository, &info, true)))
}

/// `GET /repos/{owner}/{repo}/branches`
pub(super) fn branches(world: &mut World, call: &Call) -> Answered {
    let repository = named(world, call)?;
    let all = repository.branches.iter().map(|(name, sha)| shape::short_branch(world, repository, name, sha)).collect();
    Ok(call.page(world, all))
}

/// `GET /repos/{owner}/{repo}/contents/{path}`
pub(super) fn contents(world: &mut World, call: &Call) -> Answered {
    let repository = named(world, call)?;
    let at = call.query.get("ref").unwrap_or(&repository.default_branch).clone();
    let path = call.param("path").trim_matches('/');
    let sha = commit_named(world, repository, &at)
        .ok_or_else(|| Answer::error(404, &format!("No commit found for the ref {at}")))?;
    if let Some((blob, content)) = world.git.file(&sha, path) {
        return Ok(Answer::ok(shape::content_file(world, repository, path, &at, &blob, &content)));
    }
    let entries = world.git.list(&sha, path).ok_or_else(Answer::not_found)?;
    let listed = entries.iter().map(|(name, blob, directory)| {
        let place = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        let size = world.git.file(&sha, &place).map_or(0, |(_, content)| content.len());
        let file = shape::content_file(world, repository, &place, &at, blob, b"");
        let kind = if *directory { "dir" } else { "file" };
        shape::merged(shape::without(file, &["content", "encoding"]), json!({"type": kind, "size": size}))
    });
    Ok(Answer::ok(Value::Array(listed.collect())))
}

/// `GET /repos/{owner}/{repo}/rulesets`
pub(super) fn rulesets(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let listed = |one| shape::without(shape::repository_ruleset(world, one, false), &["rules", "conditions"]);
    let all = world.rulesets.iter().map(listed).collect();
    Ok(call.page(world, all))
}

/// `GET /repos/{owner}/{repo}/rulesets/{ruleset_id}`
pub(super) fn ruleset(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let id = call.id("ruleset_id")?;
    let one = world.rulesets.iter().find(|one| one.id == id).ok_or_else(Answer::not_found)?;
    let may_write = call.caller.may("administration", PermissionLevel::Write);
    Ok(Answer::ok(shape::repository_ruleset(world, one, may_write)))
}

/// `GET /repos/{owner}/{repo}/branches/{branch}`
pub(super) fn branch(world: &mut World, call: &Call) -> Answered {
    let repository = named(world, call)?;
    let name = call.param("branch");
    let sha = repository.branches.get(name).ok_or_else(Answer::not_found)?;
    shape::branch_with_protection(world, repository, name, sha).map(Answer::ok).ok_or_else(Answer::not_found)
}

/// `GET /repos/{owner}/{repo}/rules/branches/{branch}`
pub(super) fn rules_of_branch(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let all = shape::detailed_rules(world, call.param("branch"));
    Ok(call.page(world, all))
}
