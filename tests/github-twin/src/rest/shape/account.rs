//! Accounts, Apps and installations as REST and webhooks spell them.

use super::merged;
use crate::model::{
    APP_COUNTERSIGN, APP_GITHUB_ACTIONS, Account, AccountId, AccountKind, GHOST, GITHUB_ACTIONS, ORGANIZATION,
    Permission, Team, World, node_id, rfc3339,
};
use serde_json::{Value, json};

/// `simple-user`; a deleted account is shown as `ghost`.
pub fn simple_user(world: &World, id: AccountId) -> Value {
    let shown = world.account(id).filter(|account| !account.deleted).or_else(|| world.account(GHOST));
    shown.map_or(Value::Null, |account| user_fields(world, account))
}

fn user_fields(world: &World, account: &Account) -> Value {
    let login = account.rest_login();
    let escaped = crate::rest::paging::escaped(&login);
    let api = format!("{}/users/{escaped}", world.url);
    json!({
        "login": login,
        "id": account.id,
        "node_id": node_id(prefix(account.kind), account.id),
        "avatar_url": format!("{}/avatars/u/{}?v=4", world.url, account.id),
        "gravatar_id": "",
        "url": api,
        "html_url": format!("{}/{}", world.url, escaped),
        "followers_url": format!("{api}/followers"),
        "following_url": format!("{api}/following{{/other_user}}"),
        "gists_url": format!("{api}/gists{{/gist_id}}"),
        "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{api}/subscriptions"),
        "organizations_url": format!("{api}/orgs"),
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events{{/privacy}}"),
        "received_events_url": format!("{api}/received_events"),
        "type": account.kind.name(),
        "user_view_type": "public",
        "site_admin": false
    })
}

/// The node id prefix of a kind of account.
pub(crate) fn prefix(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::User => "U",
        AccountKind::Bot => "BOT",
        AccountKind::Mannequin => "MNQ",
        AccountKind::Organization => "O",
    }
}

/// `public-user`: what `GET /users/{login}` shows.
pub fn user(world: &World, account: &Account) -> Value {
    let since = world.upstream().map_or(0, |repository| repository.created_at);
    merged(
        user_fields(world, account),
        json!({
            "name": account.login,
            "company": null,
            "blog": "",
            "location": null,
            "email": null,
            "hireable": null,
            "bio": null,
            "twitter_username": null,
            "public_repos": 0,
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "created_at": rfc3339(since),
            "updated_at": rfc3339(since)
        }),
    )
}

/// `collaborator`, with what the account may do.
pub fn collaborator(world: &World, account: &Account) -> Value {
    let may = |least: Permission| account.permission >= least;
    merged(
        user_fields(world, account),
        json!({
            "permissions": {
                "admin": may(Permission::Admin),
                "maintain": may(Permission::Maintain),
                "push": may(Permission::Write),
                "triage": may(Permission::Triage),
                "pull": may(Permission::Read)
            },
            "role_name": account.permission.role_name()
        }),
    )
}

/// `organization-simple`.
pub fn organization_simple(world: &World) -> Value {
    let login = world.account(ORGANIZATION).map_or("", |organization| organization.login.as_str());
    let api = format!("{}/orgs/{login}", world.url);
    json!({
        "login": login,
        "id": ORGANIZATION,
        "node_id": node_id("O", ORGANIZATION),
        "url": api,
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events"),
        "hooks_url": format!("{api}/hooks"),
        "issues_url": format!("{api}/issues"),
        "members_url": format!("{api}/members{{/member}}"),
        "public_members_url": format!("{api}/public_members{{/member}}"),
        "avatar_url": format!("{}/avatars/u/{ORGANIZATION}?v=4", world.url),
        "description": null
    })
}

/// `team-full`.
pub fn team(world: &World, slug: &str, team: &Team) -> Value {
    let organization = organization_simple(world);
    let login = organization.get("login").and_then(Value::as_str).unwrap_or_default();
    let api = format!("{}/organizations/{ORGANIZATION}/team/{}", world.url, team.id);
    let since = rfc3339(world.upstream().map_or(0, |repository| repository.created_at));
    json!({
        "id": team.id,
        "node_id": node_id("T", team.id),
        "url": api,
        "html_url": format!("{}/orgs/{login}/teams/{slug}", world.url),
        "name": slug,
        "slug": slug,
        "description": "",
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "pull",
        "type": "organization",
        "organization_id": ORGANIZATION,
        "members_url": format!("{api}/members{{/member}}"),
        "repositories_url": format!("{api}/repos"),
        "parent": null,
        "members_count": team.members.len(),
        "repos_count": 1,
        "created_at": since,
        "updated_at": since,
        "organization": merged(organization.clone(), json!({
            "name": login,
            "has_organization_projects": true,
            "has_repository_projects": true,
            "public_repos": 1,
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "html_url": format!("{}/{login}", world.url),
            "type": "Organization",
            "created_at": since,
            "updated_at": since,
            "archived_at": null
        }))
    })
}

/// `integration`: an App.
pub fn integration(world: &World, app: u64) -> Value {
    let (slug, name, owner) = match app {
        APP_COUNTERSIGN => (world.installation.slug.as_str(), "Countersign", ORGANIZATION),
        APP_GITHUB_ACTIONS => ("github-actions", "GitHub Actions", GITHUB_ACTIONS),
        _ => ("acme-ci", "Acme CI", ORGANIZATION),
    };
    let since = rfc3339(world.upstream().map_or(0, |repository| repository.created_at));
    let ours = app == APP_COUNTERSIGN;
    let events = if ours { json!(world.installation.events) } else { json!([]) };
    json!({
        "id": app,
        "slug": slug,
        "node_id": node_id("A", app),
        "client_id": format!("Iv1.{app:016x}"),
        "owner": simple_user(world, owner),
        "name": name,
        "description": "",
        "external_url": format!("{}/apps/{slug}", world.url),
        "html_url": format!("{}/apps/{slug}", world.url),
        "created_at": since,
        "updated_at": since,
        "permissions": if ours { app_permissions(world) } else { json!({"metadata": "read", "checks": "write"}) },
        "events": events
    })
}

/// `app-permissions` of our installation.
pub fn app_permissions(world: &World) -> Value {
    json!(world.installation.permissions)
}

/// `installation`.
pub fn installation(world: &World) -> Value {
    let ours = &world.installation;
    let since = rfc3339(world.upstream().map_or(0, |repository| repository.created_at));
    json!({
        "id": ours.id,
        "client_id": format!("Iv1.{:016x}", ours.app_id),
        "account": simple_user(world, ORGANIZATION),
        "repository_selection": "all",
        "access_tokens_url": format!("{}/app/installations/{}/access_tokens", world.url, ours.id),
        "repositories_url": format!("{}/installation/repositories", world.url),
        "html_url": format!("{}/organizations/acme/settings/installations/{}", world.url, ours.id),
        "app_id": ours.app_id,
        "app_slug": ours.slug,
        "target_id": ORGANIZATION,
        "target_type": "Organization",
        "permissions": app_permissions(world),
        "events": ours.events,
        "created_at": since,
        "updated_at": since,
        "single_file_name": null,
        "has_multiple_single_files": false,
        "single_file_paths": [],
        "suspended_by": ours.suspended.map(|(_, by)| simple_user(world, by)),
        "suspended_at": ours.suspended.map(|(at, _)| rfc3339(at))
    })
}
