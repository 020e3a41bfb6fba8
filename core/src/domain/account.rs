//! Accounts as GitHub authenticated them, and the people and automation behind them.

use super::AccountId;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::collections::BTreeMap;

/// What GitHub says an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// An account a person may type at.
    User,
    /// An App or bot.
    Bot,
    /// A placeholder for an imported identity: nobody in particular.
    Mannequin,
    /// An organisation or anything else that is no person.
    Other,
}

/// One account. `login` is a label for people; only `id` is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account {
    /// The numeric id.
    pub id: AccountId,
    /// The login when it was read.
    pub login: String,
    /// What GitHub says it is.
    pub kind: AccountKind,
}

impl Account {
    /// GitHub's own `github-actions[bot]`, which acts for whoever runs a workflow.
    pub fn is_actions(&self) -> bool {
        self.kind == AccountKind::Bot && same_login(&self.login, "github-actions")
    }

    /// GitHub's own `github-merge-queue[bot]`, for which nobody else can act.
    pub fn is_merge_queue(&self) -> bool {
        self.kind == AccountKind::Bot && same_login(&self.login, "github-merge-queue")
    }
}

/// A person the settings name, with all accounts and e-mails that are theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name in the settings.
    pub name: String,
    /// Ids of the accounts they own, as pinned when the settings were first loaded.
    pub accounts: Vec<AccountId>,
    /// E-mail addresses of commits that belong to them, lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
}

/// What the settings say of automation, by pinned id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automation {
    /// Accounts of type Bot that need no sponsor.
    pub trusted: Vec<AccountId>,
    /// Accounts of type User at which no person types.
    pub machine_users: Vec<AccountId>,
    /// Who answers for an App: the App's account to its sponsors'.
    #[serde(deserialize_with = "keyed_by_account")]
    pub sponsors: BTreeMap<AccountId, Vec<AccountId>>,
}

/// JSON spells the keys of a map as text. Within an entry (tagged, hence buffered) serde does not turn them back into
/// numbers by itself.
fn keyed_by_account<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<AccountId, T>, D::Error> {
    let texts = BTreeMap::<String, T>::deserialize(deserializer)?;
    texts
        .into_iter()
        .map(|(key, value)| {
            let id = key.parse().map_err(|_| D::Error::custom(format!("`{key}` is no account id")))?;
            Ok((AccountId(id), value))
        })
        .collect()
}

/// Whether two logins are one: GitHub compares them case-insensitively and spells bots with and without `[bot]`.
pub fn same_login(a: &str, b: &str) -> bool {
    let plain = |login: &str| login.strip_suffix("[bot]").unwrap_or(login).to_ascii_lowercase();
    plain(a) == plain(b)
}
