//! Pull requests and people over REST. What a decision needs of a pull request is read over GraphQL instead.

use super::answer::Answer;
use super::repositories::upstream;
use super::{Call, shape};
use crate::model::{AccountKind, ORGANIZATION, OWNER, PullRequest, Team, World};
use serde_json::{Value, json};

type Answered = Result<Answer, Answer>;

fn named<'w>(world: &'w World, call: &Call) -> Result<&'w PullRequest, Answer> {
    upstream(world, call)?;
    world.pulls.get(&call.id("pull_number")?).ok_or_else(Answer::not_found)
}

/// `GET /repos/{owner}/{repo}/pulls`
pub(super) fn list(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let state = call.query.get("state").map_or("open", String::as_str);
    let wanted = |pull: &&PullRequest| match state {
        "all" => true,
        "closed" => !pull.is_open(),
        _ => pull.is_open(),
    };
    let owner_of = |pull: &PullRequest| world.repositories.get(&pull.head.repository).map(|repo| repo.owner.clone());
    let mut all: Vec<&PullRequest> = world
        .pulls
        .values()
        .filter(wanted)
        .filter(|pull| call.query.get("base").is_none_or(|base| *base == pull.base))
        .filter(|pull| {
            call.query.get("head").is_none_or(|head| {
                let owner = owner_of(pull).unwrap_or_default();
                *head == format!("{owner}:{}", pull.head.branch)
            })
        })
        .collect();
    if call.query.get("direction").is_none_or(|direction| direction == "desc") {
        all.reverse();
    }
    let shown = all.iter().map(|pull| shape::pull_request_simple(world, pull)).collect();
    Ok(call.page(world, shown))
}

/// `GET /repos/{owner}/{repo}/pulls/{pull_number}`
pub(super) fn show(world: &mut World, call: &Call) -> Answered {
    Ok(Answer::ok(shape::pull_request(world, named(world, call)?)))
}

/// `GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews`
pub(super) fn reviews(world: &mut World, call: &Call) -> Answered {
    let pull = named(world, call)?;
    let all = pull.reviews.iter().map(|review| shape::pull_request_review(world, pull, review)).collect();
    Ok(call.page(world, all))
}

/// `GET /repos/{owner}/{repo}/pulls/{pull_number}/commits`: never more than 250, as on GitHub.
pub(super) fn commits(world: &mut World, call: &Call) -> Answered {
    let pull = named(world, call)?;
    let repository = upstream(world, call)?;
    let all = pull
        .commits
        .iter()
        .take(250)
        .filter_map(|sha| world.git.info(sha).ok())
        .map(|info| shape::commit(world, repository, &info, false))
        .collect();
    Ok(call.page(world, all))
}

/// `GET /repos/{owner}/{repo}/pulls/{pull_number}/files`
pub(super) fn files(world: &mut World, call: &Call) -> Answered {
    let pull = named(world, call)?;
    let repository = upstream(world, call)?;
    let compared = shape::Compared { basehead: "", base: &pull.base_sha, head: &pull.head.sha };
    let first = super::paging::Page { number: 1, size: 1 };
    let (comparison, _) = shape::commit_comparison(world, repository, compared, first).ok_or_else(Answer::not_found)?;
    let all = comparison.get("files").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(call.page(world, all))
}

/// `GET /repos/{owner}/{repo}/issues/{issue_number}/labels`
pub(super) fn labels(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    let pull = world.pulls.get(&call.id("issue_number")?).ok_or_else(Answer::not_found)?;
    let all = pull.labels.iter().map(|name| shape::label(world, name)).collect();
    Ok(call.page(world, all))
}

/// `GET /users/{username}`
pub(super) fn user(world: &mut World, call: &Call) -> Answered {
    let account = world.account_by_login(call.param("username")).ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(shape::user(world, account)))
}

/// `GET /user/{account_id}`
pub(super) fn user_by_id(world: &mut World, call: &Call) -> Answered {
    let id = call.id("account_id")?;
    let account = world.account(id).filter(|account| !account.deleted).ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(shape::user(world, account)))
}

/// `GET /orgs/{org}/memberships/{username}`: every collaborator of kind User is a member, the owner an administrator.
pub(super) fn org_membership(world: &mut World, call: &Call) -> Answered {
    let (_, account) = member(world, call)?;
    let organization = shape::organization_simple(world);
    let login = organization.get("login").and_then(Value::as_str).unwrap_or_default();
    Ok(Answer::ok(json!({
        "url": format!("{}/orgs/{login}/memberships/{}", world.url, account.login),
        "state": "active",
        "role": if account.id == OWNER { "admin" } else { "member" },
        "organization_url": format!("{}/orgs/{login}", world.url),
        "organization": organization,
        "user": shape::simple_user(world, account.id)
    })))
}

/// `GET /orgs/{org}/members/{username}`
pub(super) fn org_member(world: &mut World, call: &Call) -> Answered {
    member(world, call).map(|_| Answer::no_content())
}

/// `GET /orgs/{org}/teams/{team_slug}/memberships/{username}`
pub(super) fn team_membership(world: &mut World, call: &Call) -> Answered {
    let (_, account) = member(world, call)?;
    let (_, team) = team_named(world, call)?;
    if !team.members.contains(&account.id) {
        return Err(Answer::not_found());
    }
    let url = format!("{}/organizations/{ORGANIZATION}/team/{}/memberships/{}", world.url, team.id, account.login);
    Ok(Answer::ok(json!({"url": url, "role": "member", "state": "active"})))
}

/// `GET /orgs/{org}/teams/{team_slug}`
pub(super) fn team(world: &mut World, call: &Call) -> Answered {
    let (slug, team) = team_named(world, call)?;
    Ok(Answer::ok(shape::team(world, slug, team)))
}

/// `GET /orgs/{org}/teams/{team_slug}/members`
pub(super) fn team_members(world: &mut World, call: &Call) -> Answered {
    let (_, team) = team_named(world, call)?;
    let all = team.members.iter().map(|member| shape::simple_user(world, *member)).collect();
    Ok(call.page(world, all))
}

fn team_named<'w>(world: &'w World, call: &Call) -> Result<(&'w str, &'w Team), Answer> {
    let named = call.param("org");
    let here = world.account(ORGANIZATION).is_some_and(|organization| organization.login.eq_ignore_ascii_case(named));
    let found = world.teams.get_key_value(&call.param("team_slug").to_ascii_lowercase()).filter(|_| here);
    found.map(|(slug, team)| (slug.as_str(), team)).ok_or_else(Answer::not_found)
}

/// `GET /repos/{owner}/{repo}/teams`: the model has no teams.
pub(super) fn teams(world: &mut World, call: &Call) -> Answered {
    upstream(world, call)?;
    Ok(call.page(world, Vec::new()))
}

fn member<'w>(world: &'w World, call: &Call) -> Result<(String, &'w crate::model::Account), Answer> {
    let organization = world
        .account(ORGANIZATION)
        .filter(|organization| organization.login.eq_ignore_ascii_case(call.param("org")))
        .ok_or_else(Answer::not_found)?;
    let account = world
        .account_by_login(call.param("username"))
        .filter(|account| account.kind == AccountKind::User)
        .filter(|account| account.id == OWNER || !account.built_in)
        .ok_or_else(Answer::not_found)?;
    Ok((organization.login.clone(), account))
}
