//! Who is who, as the settings of a story say it.

use github_twin::model::{AccountId, AccountKind, World};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the settings say of accounts, by id: names are pinned when the story begins.
#[derive(Debug, Clone)]
pub struct People {
    persons: BTreeMap<AccountId, AccountId>,
    machine_users: BTreeSet<AccountId>,
    trusted: BTreeSet<AccountId>,
    sponsors: BTreeMap<AccountId, BTreeSet<AccountId>>,
    /// The pack in force.
    pub pack: String,
}

fn ids(world: &World, names: &Value) -> BTreeSet<AccountId> {
    let names = names.as_array().cloned().unwrap_or_default();
    let id = |name: &Value| world.account_by_login(name.as_str()?).map(|account| account.id);
    names.iter().filter_map(id).collect()
}

impl People {
    pub fn of(settings: &Value, world: &World) -> Self {
        let mut persons = BTreeMap::new();
        for person in settings["person"].as_array().into_iter().flatten() {
            let accounts = ids(world, &person["accounts"]);
            let first = accounts.first().copied().unwrap_or_default();
            persons.extend(accounts.into_iter().map(|account| (account, first)));
        }
        let automation = &settings["automation"];
        let known = automation["sponsors"].as_object().cloned().unwrap_or_default();
        let of = |name: &str| world.account_by_login(name).map(|account| account.id);
        Self {
            persons,
            machine_users: ids(world, &automation["machine_users"]),
            trusted: ids(world, &automation["trusted"]),
            pack: settings["scope"][0]["policies"][0].as_str().unwrap_or("three-person").to_owned(),
            sponsors: known.iter().filter_map(|(name, who)| Some((of(name)?, ids(world, who)))).collect(),
        }
    }

    /// The person behind an account; the account itself, where the settings know of no other.
    pub fn person(&self, account: AccountId) -> AccountId {
        self.persons.get(&account).copied().unwrap_or(account)
    }

    pub fn persons(&self, accounts: &BTreeSet<AccountId>) -> BTreeSet<AccountId> {
        accounts.iter().map(|account| self.person(*account)).collect()
    }

    pub fn is_automation(&self, world: &World, account: AccountId) -> bool {
        let bot = world.accounts.get(&account).is_some_and(|account| account.kind == AccountKind::Bot);
        bot || self.machine_users.contains(&account)
    }

    /// Whether automation needs nobody who answers for it.
    pub fn is_trusted(&self, account: AccountId) -> bool {
        self.trusted.contains(&account)
    }

    pub fn sponsors(&self, account: AccountId) -> BTreeSet<AccountId> {
        self.sponsors.get(&account).cloned().unwrap_or_default()
    }

    /// The accounts that are persons and may write now.
    pub fn writers(&self, world: &World) -> BTreeSet<AccountId> {
        let account = world.accounts.values();
        let writer = |id: &AccountId| !self.is_automation(world, *id) && !world.accounts[id].built_in;
        account.filter(|account| account.can_write()).map(|account| account.id).filter(writer).collect()
    }
}
