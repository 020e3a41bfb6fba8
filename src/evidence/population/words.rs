//! What stands in the cells: logins, commits, links, lists.
//!
//! Invariant: nobody is named who is not in the entry, and an account that is unknown is an empty cell, never a guess.

use super::Cell;
use countersign_core::domain::{
    Account, AccountId, ChangeName, Commit, CommitIdentity, Decision, Deployer, Deployment, Facts, Outcome,
    PullRequest, Push, Reason, Terms, TimelineEvent,
};
use std::collections::{BTreeSet, HashMap};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One person: the settings' name for them, else their account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who<'a> {
    Named(&'a str),
    Account(AccountId),
}

/// Which accounts are one person's.
pub(super) struct Persons<'a>(HashMap<AccountId, &'a str>);

impl<'a> Persons<'a> {
    pub(super) fn of(terms: &'a Terms) -> Self {
        let named =
            terms.persons.iter().flat_map(|person| person.accounts.iter().map(|id| (*id, person.name.as_str())));
        Self(named.collect())
    }

    pub(super) fn is(&self, account: AccountId) -> Who<'a> {
        self.0.get(&account).map_or(Who::Account(account), |name| Who::Named(name))
    }
}

pub(super) fn run_cell(facts: &Facts, deployment: &Deployment) -> Cell {
    let Some(run) = &deployment.run else { return Cell::Empty };
    let (web, name) = (&facts.terms.web_url, &facts.repository.full_name);
    let attempt = run.this.number;
    let url = format!("{web}/{name}/actions/runs/{}/attempts/{attempt}", run.id);
    Cell::Link { text: format!("{} attempt {attempt}", run.id), url }
}

pub(super) fn base_cell(deployment: &Deployment) -> Cell {
    deployment.start.as_ref().map_or(Cell::Empty, |start| Cell::commit(start.commit()))
}

pub(super) fn commit_link(facts: &Facts, cell: &Cell, commit: &str) -> Cell {
    let url = format!("{}/{}/commit/{commit}", facts.terms.web_url, facts.repository.full_name);
    Cell::Link { text: cell.plain(), url }
}

pub(super) fn change_link(facts: &Facts, change: &ChangeName) -> Cell {
    match change {
        ChangeName::PullRequest(number) => {
            let url = format!("{}/{}/pull/{number}", facts.terms.web_url, facts.repository.full_name);
            Cell::Link { text: format!("#{number}"), url }
        }
        ChangeName::Commit(commit) => commit_link(facts, &Cell::commit(commit), commit.as_str()),
    }
}

pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    items.filter(|item| !item.is_empty()).collect::<Vec<_>>().join("; ")
}

pub(super) fn codes<'r>(reasons: impl Iterator<Item = &'r Reason>) -> String {
    let codes: BTreeSet<&str> = reasons.map(|reason| reason.code.as_str()).collect();
    codes.into_iter().collect::<Vec<_>>().join("; ")
}

pub(super) fn deployers(deployers: &[Deployer]) -> String {
    list(deployers.iter().map(|deployer| format!("{} ({})", deployer.account.login, deployer.because.join(", "))))
}

/// The ids of accounts, each once, in their order.
pub(super) fn ids(accounts: impl Iterator<Item = AccountId>) -> String {
    let mut told: Vec<String> = Vec::new();
    for account in accounts.map(|account| account.to_string()) {
        if !told.contains(&account) {
            told.push(account);
        }
    }
    told.join("; ")
}

pub(super) fn deployer_ids(deployers: &[Deployer]) -> String {
    ids(deployers.iter().map(|deployer| deployer.account.id))
}

/// The account that GitHub links to an author or committer.
pub(super) fn account_id(identity: &CommitIdentity) -> Option<String> {
    identity.account.as_ref().map(|account| account.id.to_string())
}

/// The exception that let a deployment through, where one did.
pub(super) fn excepting<'a>(decision: &Decision, deployment: &'a Deployment) -> Option<&'a String> {
    let excepted = decision.verdict.outcome == Outcome::Exception;
    deployment.exception.as_ref().map(|one| &one.id).filter(|_| excepted)
}

pub(super) fn merged_by(request: &PullRequest) -> String {
    let merged = request.timeline.iter().rev().find_map(|event| match event {
        TimelineEvent::Merged { by, .. } => by.as_ref(),
        _ => None,
    });
    merged.map(|by: &Account| by.login.clone()).unwrap_or_default()
}

pub(super) fn login(identity: &CommitIdentity) -> String {
    let unlinked = || identity.email.clone().map(|_| "no account".to_owned()).unwrap_or_default();
    identity.account.as_ref().map_or_else(unlinked, |account| account.login.clone())
}

/// The whole minutes between two times; `None` where the second is the earlier one.
pub(super) fn minutes(from: &str, to: &str) -> Option<u64> {
    let moment = |text| OffsetDateTime::parse(text, &Rfc3339).ok();
    u64::try_from((moment(to)? - moment(from)?).whole_minutes()).ok()
}

pub(super) fn committer(commit: &Commit) -> String {
    if commit.committed_by_github { "github".to_owned() } else { login(&commit.committer) }
}

pub(super) fn pushed_by(pushes: &[Push], commit: &str) -> String {
    let by = pushes.iter().filter(|push| push.after.as_str() == commit).filter_map(|push| push.by.as_ref());
    by.map(|account| account.login.as_str()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("; ")
}
