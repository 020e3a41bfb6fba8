//! Who is who: accounts become persons, automation or nobody.
//!
//! Invariant: only numeric ids are compared. A login is a label; the two that mean something to GitHub itself, `ghost`
//! and the ending `[bot]`, can only take standing away. Next: `contributors.rs`.

use crate::domain::{Account, AccountId, AccountKind, Automation, Person, ReviewId, Terms, same_login};
use std::collections::HashMap;

/// One human being, however many accounts they own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PersonKey {
    /// A person the settings name, by position.
    Named(usize),
    /// A person known by one account alone.
    Account(AccountId),
    /// Whoever gave a review that GitHub no longer shows an account for.
    Unseen(ReviewId),
    /// Any person who has no part in anything judged here: all of them are judged alike.
    WithoutRole,
}

/// What an account is, in the eyes of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// A person.
    Person(PersonKey),
    /// Automation.
    Automation(AccountId),
    /// Nobody in particular: shown as null, deleted, or a placeholder.
    Nobody,
}

/// The persons and the automation that the settings name.
#[derive(Debug)]
pub(crate) struct People<'a> {
    persons: &'a [Person],
    by_account: HashMap<AccountId, usize>,
    by_email: HashMap<String, usize>,
    automation: &'a Automation,
}

impl<'a> People<'a> {
    /// Reads the settings' part of the facts. Two entries that share an account or an e-mail are one person.
    pub(crate) fn new(terms: &'a Terms) -> Self {
        let mut same: Vec<usize> = (0..terms.persons.len()).collect();
        let mut by_account: HashMap<AccountId, usize> = HashMap::new();
        let mut by_email: HashMap<String, usize> = HashMap::new();
        for (index, person) in terms.persons.iter().enumerate() {
            for account in &person.accounts {
                let first = *by_account.entry(*account).or_insert(index);
                join(&mut same, first, index);
            }
            for email in &person.emails {
                let first = *by_email.entry(email.to_lowercase()).or_insert(index);
                join(&mut same, first, index);
            }
        }
        for index in by_account.values_mut().chain(by_email.values_mut()) {
            *index = same.get(*index).copied().unwrap_or(*index);
        }
        Self { persons: &terms.persons, by_account, by_email, automation: &terms.automation }
    }

    /// What an account is; `None` is an account GitHub shows as null.
    pub(crate) fn who(&self, account: Option<&Account>) -> Who {
        let Some(account) = account else { return Who::Nobody };
        if account.login.eq_ignore_ascii_case("ghost") {
            return Who::Nobody;
        }
        match account.kind {
            AccountKind::Bot => Who::Automation(account.id),
            _ if account.login.ends_with("[bot]") || self.automation.machine_users.contains(&account.id) => {
                Who::Automation(account.id)
            }
            AccountKind::User => Who::Person(self.person(account.id)),
            AccountKind::Mannequin | AccountKind::Other => Who::Nobody,
        }
    }

    /// The person an account belongs to, whatever kind it is.
    pub(crate) fn person(&self, account: AccountId) -> PersonKey {
        self.by_account.get(&account).map_or(PersonKey::Account(account), |index| PersonKey::Named(*index))
    }

    /// The person the settings name as an account's owner.
    pub(crate) fn owner(&self, account: AccountId) -> Option<&'a Person> {
        self.by_account.get(&account).and_then(|index| self.persons.get(*index))
    }

    /// The person an e-mail belongs to, as an account: their first one, labelled with their name.
    pub(crate) fn by_email(&self, email: &str) -> Option<Account> {
        let person = self.persons.get(*self.by_email.get(&email.to_lowercase())?)?;
        let id = *person.accounts.first()?;
        Some(Account { id, login: person.name.clone(), kind: AccountKind::User })
    }

    /// Whether automation needs no sponsor. Any writer drives `github-actions[bot]`: it never goes without one.
    pub(crate) fn is_trusted(&self, account: &Account) -> bool {
        (account.kind == AccountKind::Bot || account.login.ends_with("[bot]"))
            && self.automation.trusted.contains(&account.id)
            && !same_login(&account.login, "github-actions")
    }

    /// Whom the settings name as answering for automation.
    pub(crate) fn sponsors(&self, automation: AccountId) -> &'a [AccountId] {
        self.automation.sponsors.get(&automation).map_or(&[], Vec::as_slice)
    }

    /// Whether the settings list an account as a machine user.
    pub(crate) fn is_machine_user(&self, account: AccountId) -> bool {
        self.automation.machine_users.contains(&account)
    }

    /// The name under which rules know a person.
    pub(crate) fn entity_id(&self, person: PersonKey) -> String {
        match person {
            PersonKey::Named(index) => {
                let name = self.persons.get(index).map_or("", |person| person.name.as_str());
                format!("person/{name}")
            }
            PersonKey::Account(id) => format!("account/{id}"),
            PersonKey::Unseen(review) => format!("unseen/{review}"),
            PersonKey::WithoutRole => "without-role".to_owned(),
        }
    }
}

fn join(same: &mut [usize], a: usize, b: usize) {
    let (Some(&a), Some(&b)) = (same.get(a), same.get(b)) else {
        return;
    };
    let (low, high) = (a.min(b), a.max(b));
    for root in same.iter_mut().filter(|root| **root == high) {
        *root = low;
    }
}
