//! Names in the settings become accounts.
//!
//! Invariant: a name is looked up once and pinned. When it later belongs to another account, the pin holds; one that belonged
//! to nobody means nobody for as long as the settings stay what they are, whoever takes it.

use super::client::{Client, GitHubError};
use super::event::AccountPayload;
use crate::settings::Settings;
use crate::store::Store;
use countersign_core::domain::{Account, AccountId, AccountKind, Automation, NameReassigned, Person};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The people and automation of the settings, by id.
#[derive(Debug, Clone, Default)]
pub struct Pinned {
    /// People.
    pub persons: Vec<Person>,
    /// Automation.
    pub automation: Automation,
}

/// Looks up every name of the settings that is not pinned yet, and pins it.
pub async fn resolve(client: &Client, store: &Store, settings: &Settings) -> Result<Pinned, GitHubError> {
    let mut names = Names::new(client, store, settings).await?;
    let mut pinned = Pinned::default();
    for person in &settings.person {
        pinned.persons.push(Person {
            name: person.name.clone(),
            accounts: names.ids(&person.accounts, false).await?,
            emails: person.emails.iter().map(|email| email.trim().to_lowercase()).collect(),
        });
    }
    pinned.automation.trusted = names.ids(&settings.automation.trusted, true).await?;
    pinned.automation.machine_users = names.ids(&settings.automation.machine_users, false).await?;
    for (app, sponsors) in &settings.automation.sponsors {
        let sponsors = names.people(sponsors).await?;
        for id in names.ids(std::slice::from_ref(app), !is_machine_user(settings, app)).await? {
            pinned.automation.sponsors.insert(id, sponsors.clone());
        }
    }
    Ok(pinned)
}

/// Pins every name of the settings that is not pinned yet, those of people who break glass included: what a name means is
/// what it meant when the settings were loaded. Asks GitHub nothing where all of them are pinned.
pub async fn pin_all(app: &Client, store: &Store, settings: &Settings) -> Result<(), GitHubError> {
    let mut wanted = logins(settings);
    let pins = store.pins().await?;
    let under = terms(settings);
    wanted.retain(|login| !pins.get(login).is_some_and(Option::is_some) && !pins.contains_key(&absent(login, &under)));
    if wanted.is_empty() {
        return Ok(());
    }
    let installations = app.get_all::<Installation>("/app/installations?per_page=100").await?;
    let Some(installation) = installations.iter().find(|it| it.suspended_at.is_none()) else { return Ok(()) };
    let client = app.for_installation(installation.id);
    let mut names = Names { client: &client, store, pins, under };
    for login in wanted {
        names.account(&login).await?;
    }
    Ok(())
}

/// Whether a name in the settings is that of an account of type User which is automation; any other name of automation means
/// a bot.
fn is_machine_user(settings: &Settings, name: &str) -> bool {
    settings.automation.machine_users.iter().any(|user| as_login(user, false) == as_login(name, false))
}

/// The names of the settings, as GitHub spells them.
fn logins(settings: &Settings) -> BTreeSet<String> {
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let people = settings.person.iter().flat_map(|person| &person.accounts);
    let automation = &settings.automation;
    let acting = settings.token.iter().map(|token| &token.account).chain(&settings.exceptions.openers);
    let users = people.chain(&automation.machine_users).chain(automation.sponsors.values().flatten()).chain(acting);
    wanted.extend(users.map(|name| as_login(name, false)));
    let sponsored = automation.sponsors.keys().filter(|app| !is_machine_user(settings, app));
    wanted.extend(automation.trusted.iter().chain(sponsored).map(|name| as_login(name, true)));
    wanted
}

/// The names of the settings that belong to another account now than the one they are pinned to.
pub async fn reassigned(
    client: &Client,
    store: &Store,
    settings: &Settings,
) -> Result<Vec<NameReassigned>, GitHubError> {
    let mut pins = store.pins().await?;
    let mut found = Vec::new();
    for name in logins(settings) {
        let Some(pinned) = pins.remove(&name).flatten() else { continue };
        let now = match client.get::<AccountPayload>(&user_path(&name)).await {
            Ok(payload) => payload.account(),
            // Nobody bears it: nothing to be mistaken about.
            Err(GitHubError::NotFound(_)) => continue,
            Err(error) => return Err(error),
        };
        if now.id != pinned.id {
            let text = format!(
                "`{name}` in the settings goes on meaning account {}, though on GitHub account {} bears that name now. \
                 Name the former by its present login, or take it out of the settings",
                pinned.id, now.id
            );
            found.push(NameReassigned { code: "name-reassigned".to_owned(), text, name, pinned, now });
        }
    }
    Ok(found)
}

fn user_path(login: &str) -> String {
    format!("/users/{}", login.replace('[', "%5B").replace(']', "%5D"))
}

/// The account that a name of the settings is pinned to; pins it, where it is not yet.
pub async fn account(
    client: &Client,
    store: &Store,
    settings: &Settings,
    name: &str,
) -> Result<Option<Account>, GitHubError> {
    let mut names = Names::new(client, store, settings).await?;
    names.account(&as_login(name, false)).await
}

/// A name of the settings as GitHub spells it, in lower case; a bot's ends in `[bot]`.
fn as_login(name: &str, bot: bool) -> String {
    let plain = name.trim().to_ascii_lowercase();
    if bot && !plain.ends_with("[bot]") { format!("{plain}[bot]") } else { plain }
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
    #[serde(default)]
    suspended_at: Option<String>,
}

/// How long the members of a team are used without asking again.
const MEMBERS_FRESH: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
struct TeamPayload {
    id: u64,
    slug: String,
}

/// The members of `organisation/team`: nobody where GitHub does not show it, or where another team bears the name now.
pub async fn team(client: &Client, store: &Store, name: &str) -> Result<Vec<AccountId>, GitHubError> {
    let name = name.trim().to_ascii_lowercase();
    let Some((organisation, slug)) = name.split_once('/') else { return Ok(Vec::new()) };
    let path = format!("/orgs/{organisation}/teams/{slug}");
    let read = async {
        let team: TeamPayload = client.get(&path).await?;
        let members = format!("{path}/members?per_page=100");
        Ok::<_, GitHubError>((team, client.get_kept::<AccountPayload>(store, &members, MEMBERS_FRESH).await?))
    };
    let (team, members) = match read.await {
        Ok(read) => read,
        Err(error) if error.passes() => return Err(error),
        Err(error) => {
            tracing::warn!(team = name, %error, "a team of the settings cannot be read and admits nobody");
            return Ok(Vec::new());
        }
    };
    let key = format!("team:{name}");
    match store.pins().await?.remove(&key).flatten() {
        Some(pinned) if pinned.id.0 != team.id => {
            tracing::warn!(team = name, "another team bears this name now: it admits nobody");
            return Ok(Vec::new());
        }
        Some(_) => {}
        None => {
            let pinned = Account { id: AccountId(team.id), login: team.slug, kind: AccountKind::Other };
            store.pin(key, Some(pinned)).await?;
        }
    }
    Ok(members.into_iter().map(|member| member.account().id).collect())
}

struct Names<'a> {
    client: &'a Client,
    store: &'a Store,
    pins: BTreeMap<String, Option<Account>>,
    /// The settings that names are looked up for.
    under: String,
}

/// What a name is kept under that belonged to nobody when these settings were loaded.
fn absent(login: &str, under: &str) -> String {
    format!("{login} belongs to nobody under {under}")
}

/// What tells settings apart.
fn terms(settings: &Settings) -> String {
    settings.digest().0
}

impl<'a> Names<'a> {
    async fn new(client: &'a Client, store: &'a Store, settings: &Settings) -> Result<Self, GitHubError> {
        Ok(Self { client, store, pins: store.pins().await?, under: terms(settings) })
    }

    /// The ids of some names; of `bots` only accounts of type Bot. A name nobody bears is warned about and left out.
    async fn ids(&mut self, names: &[String], bots: bool) -> Result<Vec<AccountId>, GitHubError> {
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            let login = as_login(name, bots);
            match self.account(&login).await? {
                Some(account) if !bots || account.kind == AccountKind::Bot => ids.push(account.id),
                Some(_) => tracing::warn!(name, "a name in the settings is no bot and is left out"),
                None => tracing::debug!(name, "a name in the settings belongs to no account"),
            }
        }
        Ok(ids)
    }

    /// The ids of some names that people bear: automation answers for nothing.
    async fn people(&mut self, names: &[String]) -> Result<Vec<AccountId>, GitHubError> {
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            let account = self.account(&as_login(name, false)).await?;
            let person = account.filter(|account| account.kind == AccountKind::User);
            if person.is_none() {
                tracing::warn!(name, "who is to answer for automation is no person and is left out");
            }
            ids.extend(person.map(|account| account.id));
        }
        Ok(ids)
    }

    async fn account(&mut self, login: &str) -> Result<Option<Account>, GitHubError> {
        if let Some(Some(account)) = self.pins.get(login) {
            return Ok(Some(account.clone()));
        }
        let absent = absent(login, &self.under);
        if self.pins.contains_key(&absent) {
            return Ok(None);
        }
        let account = match self.client.get::<AccountPayload>(&user_path(login)).await {
            Ok(payload) => Some(payload.account()),
            Err(GitHubError::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        if account.is_none() {
            tracing::warn!(
                login,
                "a name in the settings belongs to nobody, and means nobody until the settings change"
            );
        }
        let name = if account.is_some() { login.to_owned() } else { absent };
        self.store.pin(name.clone(), account.clone()).await?;
        self.pins.insert(name, account.clone());
        Ok(account)
    }
}
