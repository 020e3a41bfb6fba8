//! Accounts: as actors, where a bot is a `Bot` without `[bot]`, and where the schema says `User`, where it is one with it.

use super::object::{Arguments, Context, Node, Part, Resolved};
use crate::model::{Account, AccountId, GHOST, World, node_id, rfc3339};
use crate::rest::shape;
use serde_json::Value;

/// Who did something: null where the account is gone.
pub(crate) fn actor(world: &World, id: Option<AccountId>) -> Part<'_> {
    Part::One(living(world, id).map(Node::Actor))
}

/// Who did something, where the schema says that there always is somebody: `ghost` where the account is gone.
pub(crate) fn certain_actor(world: &World, id: AccountId) -> Part<'_> {
    let shown = living(world, Some(id)).or_else(|| world.account(GHOST));
    Part::One(shown.map(Node::Actor))
}

/// Who did something, where the schema says `User`.
pub(crate) fn as_user(world: &World, id: Option<AccountId>) -> Part<'_> {
    Part::One(living(world, id).map(Node::AsUser))
}

pub(crate) fn living(world: &World, id: Option<AccountId>) -> Option<&Account> {
    world.account(id?).filter(|account| !account.deleted)
}

/// The fields of `User`, `Bot`, `Mannequin` and `Organization`.
pub(crate) fn account<'w>(
    context: Context<'w>,
    account: &'w Account,
    as_user: bool,
    name: &str,
    arguments: Arguments<'_>,
) -> Option<Resolved<'w>> {
    let world = context.world;
    let login = if as_user { account.rest_login() } else { account.login.clone() };
    let prefix = if as_user { "U" } else { shape::account_prefix(account.kind) };
    let path = match account.kind {
        crate::model::AccountKind::Bot if !as_user => format!("/apps/{}", account.login),
        _ => format!("/{login}"),
    };
    let since = || Part::leaf(rfc3339(world.upstream().map_or(0, |upstream| upstream.created_at)));
    Some(Ok(match name {
        "id" => Part::leaf(node_id(prefix, account.id)),
        "databaseId" => Part::int(account.id),
        "login" => Part::leaf(login),
        "name" => Part::leaf(Value::from(account.login.clone())),
        "email" => Part::leaf(""),
        "avatarUrl" => Part::leaf(format!("{}/avatars/u/{}?v=4", world.url, account.id)),
        "resourcePath" => Part::leaf(path),
        "url" => Part::leaf(format!("{}{path}", world.url)),
        "createdAt" | "updatedAt" => since(),
        "isViewer" => Part::leaf(account.id == world.installation.bot),
        "isSiteAdmin" => Part::leaf(false),
        "repository" => {
            let found = arguments.text("name").and_then(|name| world.repository(&account.login, name));
            Part::One(found.map(Node::Repository))
        }
        _ => return None,
    }))
}
