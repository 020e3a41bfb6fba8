//! The App: what it may do, which events it hears, where it is installed, and whether its deliveries arrive.
//!
//! Invariant: what is asked for here is what the README tells people to grant; an installation is judged by what it was
//! granted, not by what the App asks for.

use super::Findings;
use crate::github::{Client, GitHubError};
use crate::settings::Settings;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// What the App needs to be granted.
pub const PERMISSIONS: [(&str, Level, &str); 9] = [
    ("checks", Level::Write, "the required check cannot be shown"),
    ("deployments", Level::Write, "the deployment protection rule cannot be answered"),
    ("statuses", Level::Write, "GitHub does not offer the App as the source of a required check"),
    ("pull_requests", Level::Read, "pull requests and reviews cannot be read"),
    ("contents", Level::Read, "commits cannot be read"),
    ("actions", Level::Read, "runs cannot be read: who deploys is unknown"),
    ("merge_queues", Level::Read, "merge groups cannot be read"),
    ("metadata", Level::Read, "nothing can be read"),
    ("members", Level::Read, "teams of the organisation cannot be read"),
];

/// What the App needs to hear.
pub const EVENTS: [&str; 12] = [
    "pull_request",
    "pull_request_review",
    "push",
    "check_run",
    "member",
    "deployment",
    "deployment_protection_rule",
    "deployment_review",
    "deployment_status",
    "workflow_job",
    "workflow_run",
    "merge_group",
];

/// How far clocks may differ, in seconds: GitHub refuses tokens from further ahead.
const CLOCKS: i64 = 30;

/// How many of the last deliveries are looked at.
const DELIVERIES: usize = 50;

/// How much an App may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Read.
    Read,
    /// Read and write.
    Write,
    /// Everything.
    Admin,
}

#[derive(Deserialize)]
struct AppPayload {
    slug: Option<String>,
    permissions: BTreeMap<String, Level>,
    events: Vec<String>,
}

#[derive(Deserialize)]
struct InstallationPayload {
    id: u64,
    account: Option<AccountPayload>,
    permissions: BTreeMap<String, Level>,
    events: Vec<String>,
    suspended_at: Option<String>,
}

#[derive(Deserialize)]
struct AccountPayload {
    login: Option<String>,
}

#[derive(Deserialize)]
struct HookPayload {
    url: Option<String>,
    content_type: Option<String>,
    insecure_ssl: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct DeliveryPayload {
    event: String,
    delivered_at: String,
    status: String,
    status_code: u16,
}

/// Looks at the App; says where it is installed and not suspended.
pub(super) async fn examine(
    settings: &Settings,
    client: &Client,
    now: SystemTime,
    here: &mut Findings<'_>,
) -> Vec<u64> {
    let app = client.for_app();
    let _ = now;
    let known = app.get::<AppPayload>("/app").await;
    clock(client, here);
    let known = match known {
        Ok(known) => known,
        Err(error) => {
            let remedy = "See that app_id and the private key belong together, and that the clock is right";
            here.broken("app-refused", format!("GitHub does not know the App: {error}"), remedy);
            return Vec::new();
        }
    };
    let name = known.slug.as_deref().unwrap_or("the App").to_owned();
    granted(&name, &known.permissions, &known.events, "Change the App's settings", here);
    let hook = app.get::<HookPayload>("/app/hook/config").await;
    webhook(settings, hook, here);
    deliveries(&app, here).await;
    let installations = match app.get_all::<InstallationPayload>("/app/installations?per_page=100").await {
        Ok(installations) => installations,
        Err(error) => {
            here.unread("where the App is installed", &error);
            return Vec::new();
        }
    };
    if installations.is_empty() {
        here.broken("app-not-installed", "the App is installed nowhere", "Install it on the organisation");
    }
    let mut working = Vec::new();
    for installation in installations {
        let owner = installation.account.and_then(|account| account.login).unwrap_or_default();
        if installation.suspended_at.is_some() {
            here.broken(
                "installation-suspended",
                format!("the installation on {owner} is suspended"),
                "An owner of the organisation can end that",
            );
            continue;
        }
        let place = format!("the installation on {owner}");
        let remedy = "An owner of the organisation must accept what the App asks for";
        granted(&place, &installation.permissions, &installation.events, remedy, here);
        working.push(installation.id);
    }
    working
}

fn granted(
    name: &str,
    permissions: &BTreeMap<String, Level>,
    events: &[String],
    remedy: &str,
    here: &mut Findings<'_>,
) {
    let mut whole = true;
    for (what, needed, without) in PERMISSIONS {
        if permissions.get(what).is_none_or(|level| *level < needed) {
            whole = false;
            let level = if needed == Level::Read { "read" } else { "write" };
            here.broken("permission-missing", format!("{name} lacks `{what}: {level}`: {without}"), remedy);
        }
    }
    for event in EVENTS {
        if !events.iter().any(|heard| heard == event) {
            whole = false;
            here.broken("event-missing", format!("{name} does not hear `{event}`"), remedy);
        }
    }
    if whole {
        here.holds("permissions", format!("{name} may do and hears what it needs"));
    }
}

fn clock(client: &Client, here: &mut Findings<'_>) {
    match client.told().clock_ahead() {
        None => here.unknown("clock", "GitHub did not say what time it is", "Look again"),
        Some(ahead) if ahead.abs() > CLOCKS => here.broken(
            "clock",
            format!("our clock differs from GitHub's by {} seconds", ahead.abs()),
            "Let the machine keep time (NTP): GitHub refuses tokens of another time",
        ),
        Some(_) => here.holds("clock", "our clock agrees with GitHub's"),
    }
}

fn webhook(settings: &Settings, hook: Result<HookPayload, GitHubError>, here: &mut Findings<'_>) {
    let hook = match hook {
        Ok(hook) => hook,
        Err(error) => return here.unread("the App's webhook", &error),
    };
    let url = hook.url.unwrap_or_default();
    let public = settings.server.public_url.trim_end_matches('/');
    if url.is_empty() {
        here.broken("webhook-missing", "the App has no webhook address", "Set it to https://your.host/webhooks/github");
    } else if !public.is_empty() && url != format!("{public}/webhooks/github") {
        here.weak(
            "webhook-elsewhere",
            format!("the App's webhook goes to `{url}`, and this service is reached at `{public}`"),
            format!("Set it to {public}/webhooks/github, or public_url to where it goes"),
        );
    } else if !url.ends_with("/webhooks/github") {
        here.weak(
            "webhook-elsewhere",
            format!("the App's webhook goes to `{url}`"),
            "It should end in /webhooks/github",
        );
    }
    if hook.content_type.as_deref() != Some("json") {
        here.broken("webhook-form", "the App's webhook does not send JSON", "Choose application/json");
    }
    let insecure = hook.insecure_ssl.as_ref().is_some_and(|value| value == "1" || value == &serde_json::json!(1));
    if insecure {
        here.weak(
            "webhook-insecure",
            "GitHub does not check our certificate",
            "Enable SSL verification of the webhook",
        );
    }
}

async fn deliveries(app: &Client, here: &mut Findings<'_>) {
    let mut seen: Vec<DeliveryPayload> = Vec::new();
    let read = app
        .get_pages::<Vec<DeliveryPayload>>("/app/hook/deliveries?per_page=50", |page| {
            seen.extend(page);
            false
        })
        .await;
    if let Err(error) = read {
        return here.unread("the App's deliveries", &error);
    }
    seen.truncate(DELIVERIES);
    let failed: Vec<&DeliveryPayload> = seen.iter().filter(|one| !(200..300).contains(&one.status_code)).collect();
    let remedy = "See that the webhook's address reaches this service, and that its secret is in the settings";
    let said =
        |one: &DeliveryPayload| format!("`{}` at {}: {} {}", one.event, one.delivered_at, one.status_code, one.status);
    match (seen.first(), failed.first()) {
        (None, _) => here.unknown(
            "deliveries",
            "no delivery of the last days is known to GitHub",
            "Look again after something has happened in a repository",
        ),
        (Some(_), None) => here.holds("deliveries", format!("the last {} deliveries arrived", seen.len())),
        (Some(last), Some(_)) if !(200..300).contains(&last.status_code) => here.broken(
            "deliveries",
            format!(
                "{} of the last {} deliveries did not arrive, the last one too: {}",
                failed.len(),
                seen.len(),
                said(last)
            ),
            remedy,
        ),
        (Some(_), Some(latest)) => here.weak(
            "deliveries",
            format!("{} of the last {} deliveries did not arrive, lately {}", failed.len(), seen.len(), said(latest)),
            "The sweep asks for them again; where it goes on, see to the network",
        ),
    }
}
