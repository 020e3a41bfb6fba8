//! What the App asks about itself: installations, tokens, deliveries, limits.

#![allow(clippy::unnecessary_wraps)] // every handler has the one signature of the table

use super::answer::Answer;
use super::paging::by_cursor;
use super::{Call, shape};
use crate::auth::{self, Permissions};
use crate::model::{APP_COUNTERSIGN, PermissionLevel, World, rfc3339};
use serde_json::{Value, json};

type Answered = Result<Answer, Answer>;

/// `GET /app`
pub(super) fn show(world: &mut World, _: &Call) -> Answered {
    let shown = shape::merged(shape::integration(world, APP_COUNTERSIGN), json!({"installations_count": 1}));
    Ok(Answer::ok(shown))
}

/// `GET /app/installations`
pub(super) fn installations(world: &mut World, call: &Call) -> Answered {
    // As published, the account of a list's installation has the fields of an enterprise as well.
    let mut one = shape::installation(world);
    if let Some(account) = one.get_mut("account") {
        let since = rfc3339(world.upstream().map_or(0, |upstream| upstream.created_at));
        let login = account.get("login").cloned().unwrap_or_default();
        let more = json!({"name": login, "slug": login, "created_at": since, "updated_at": since});
        *account = shape::merged(account.take(), more);
    }
    let listed = world.installation.installed.then_some(one);
    Ok(call.page(world, listed.into_iter().collect()))
}

/// `GET /app/installations/{installation_id}`
pub(super) fn installation(world: &mut World, call: &Call) -> Answered {
    if call.id("installation_id")? != world.installation.id {
        return Err(Answer::not_found());
    }
    Ok(Answer::ok(shape::installation(world)))
}

/// `GET /repos/{owner}/{repo}/installation`
pub(super) fn of_repository(world: &mut World, call: &Call) -> Answered {
    super::repositories::upstream(world, call)?;
    Ok(Answer::ok(shape::installation(world)))
}

/// `POST /app/installations/{installation_id}/access_tokens`
pub(super) fn access_token(world: &mut World, call: &Call) -> Answered {
    if call.id("installation_id")? != world.installation.id || !world.installation.installed {
        return Err(Answer::not_found());
    }
    if world.installation.suspended.is_some() {
        return Err(Answer::error(403, "This installation has been suspended"));
    }
    let permissions = match call.body.get("permissions") {
        None | Some(Value::Null) => world.installation.permissions.clone(),
        Some(asked) => asked_for(&world.installation.permissions, asked)?,
    };
    let selected = selected(world, call)?;
    let (token, ends) = auth::mint(&world.installation, permissions.clone(), call.now);
    let mut shown = json!({
        "token": token,
        "expires_at": rfc3339(ends),
        "permissions": permissions,
        "repository_selection": if selected { "selected" } else { "all" }
    });
    if let (true, Some(upstream), Value::Object(fields)) = (selected, world.upstream(), &mut shown) {
        fields.insert("repositories".to_owned(), json!([shape::repository(world, upstream)]));
    }
    Ok(Answer::created(shown))
}

fn asked_for(granted: &Permissions, asked: &Value) -> Result<Permissions, Answer> {
    let asked: Permissions = serde_json::from_value(asked.clone())
        .map_err(|_| Answer::error(422, "Invalid request.\n\nInvalid property /permissions."))?;
    let allowed = |(name, level): (&String, &PermissionLevel)| {
        (name == "metadata" && *level == PermissionLevel::Read) || granted.get(name).is_some_and(|most| most >= level)
    };
    if asked.iter().all(allowed) {
        Ok(asked)
    } else {
        Err(Answer::error(422, "The permissions requested are not granted to this installation."))
    }
}

/// Whether the token is asked for certain repositories; they must all be ours.
fn selected(world: &World, call: &Call) -> Result<bool, Answer> {
    let list = |name: &str| call.body.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (ids, names) = (list("repository_ids"), list("repositories"));
    let Some(upstream) = world.upstream() else {
        return Err(Answer::not_found());
    };
    let known = ids.iter().all(|id| id.as_u64() == Some(upstream.id))
        && names.iter().all(|name| name.as_str() == Some(upstream.name.as_str()));
    if known {
        Ok(!ids.is_empty() || !names.is_empty())
    } else {
        Err(Answer::error(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        ))
    }
}

/// `GET /installation/repositories`
pub(super) fn repositories(world: &mut World, call: &Call) -> Answered {
    let reached = world.upstream().filter(|_| world.installation.reaches);
    let all = reached.map(|upstream| shape::repository(world, upstream));
    Ok(call.page_in(
        world,
        all.into_iter().collect(),
        |total, items| json!({"total_count": total, "repository_selection": "all", "repositories": items}),
    ))
}

/// `GET /app/hook/config`
pub(super) fn hook_config(world: &mut World, _: &Call) -> Answered {
    Ok(Answer::ok(shape::hook_config(world)))
}

/// `GET /app/hook/deliveries`
pub(super) fn deliveries(world: &mut World, call: &Call) -> Answered {
    let all: Vec<Value> = world.deliveries.iter().rev().map(|one| shape::hook_delivery_item(world, one)).collect();
    let key = |one: &Value| one.get("id").map(ToString::to_string).unwrap_or_default();
    let base = format!("{}{}", world.url, call.path);
    let (page, link) = by_cursor(all, key, &base, &call.query, ("cursor", None));
    let answer = Answer::ok(Value::Array(page));
    Ok(match link {
        Some(link) => answer.header("link", link),
        None => answer,
    })
}

/// `GET /app/hook/deliveries/{delivery_id}`
pub(super) fn delivery(world: &mut World, call: &Call) -> Answered {
    let id = call.id("delivery_id")?;
    let one = world.deliveries.iter().find(|one| one.id == id);
    one.map(|one| Answer::ok(shape::hook_delivery(world, one))).ok_or_else(Answer::not_found)
}

/// `POST /app/hook/deliveries/{delivery_id}/attempts`
pub(super) fn redeliver(world: &mut World, call: &Call) -> Answered {
    let id = call.id("delivery_id")?;
    if world.redeliver(id) { Ok(Answer::with(202, json!({}))) } else { Err(Answer::not_found()) }
}

/// `GET /rate_limit`
pub(super) fn rate_limit(world: &mut World, call: &Call) -> Answered {
    let hourly = world.hourly.max(1);
    let used = world.calls.len() as u64 % hourly;
    let one = json!({"limit": hourly, "remaining": hourly - used, "reset": call.now + 3600, "used": used});
    Ok(Answer::ok(json!({
        "resources": {"core": one, "graphql": one, "search": {"limit": 30, "remaining": 30, "reset": call.now + 60, "used": 0}},
        "rate": one
    })))
}

/// `GET /meta`
pub(super) fn meta(_: &mut World, _: &Call) -> Answered {
    Ok(Answer::ok(json!({
        "verifiable_password_authentication": false,
        "hooks": ["127.0.0.0/8"],
        "web": ["127.0.0.0/8"],
        "api": ["127.0.0.0/8"],
        "git": ["127.0.0.0/8"]
    })))
}
