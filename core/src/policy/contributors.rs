//! Everyone whose work is in a change, each with the evidence.
//!
//! Invariant: what a commit says of itself may add a contributor and never removes one; whoever cannot be named is said
//! to be unknown. Next: `approvals.rs`.

use super::merges::CleanMerges;
use super::people::{People, PersonKey, Who};
use super::pushes::{commits_are_whole, pushes};
use super::timeline::{is_merged, until_merge};
use crate::domain::{
    Account, AccountId, AccountKind, ChangeInRelease, Commit, CommitIdentity, CommitSha, Contribution, Contributor,
    Landing, LandingKind, PullRequest, PushSource, RunId, TimelineEvent,
};
use std::collections::{BTreeMap, BTreeSet};

/// The contributors of one change, and what is not known of them.
#[derive(Debug, Default)]
pub(crate) struct Contributors {
    /// By account id.
    pub(crate) accounts: BTreeMap<AccountId, Contributor>,
    /// The persons among them.
    pub(crate) persons: BTreeSet<PersonKey>,
    /// Commits that belong to no known account.
    pub(crate) unattributed: Vec<CommitSha>,
    /// Automation that brought the change and for which nobody answers.
    pub(crate) unsponsored: Vec<Account>,
    /// What is not known, in words that follow "not known:".
    pub(crate) unknown: BTreeSet<String>,
}

impl Contributors {
    /// The accounts, with their evidence in order.
    pub(crate) fn list(&self) -> Vec<Contributor> {
        self.accounts
            .values()
            .map(|contributor| {
                let mut contributor = contributor.clone();
                contributor.because.sort();
                contributor.because.dedup();
                contributor
            })
            .collect()
    }
}

/// Whether an account, or the person it belongs to, is among the contributors.
pub(crate) fn contributed(people: &People<'_>, contributors: &Contributors, account: &Account) -> bool {
    contributors.accounts.contains_key(&account.id) || contributors.persons.contains(&people.person(account.id))
}

/// The contributors of a pull request, as far as its facts tell.
pub(crate) fn of_pull_request(people: &People<'_>, pr: &PullRequest) -> Contributors {
    let mut found = Gathering::new(people);
    let mut brought = Vec::new();
    found.act(pr.opener.as_ref(), Contribution::Opened, || format!("who opened #{}", pr.number));
    brought.extend(pr.opener.as_ref().map(|opener| (opener, Brought::It)));
    let clean = CleanMerges::of(pr);
    for commit in pr.commits.iter().filter(|commit| !clean.holds(&commit.oid)) {
        found.commit(commit);
    }
    let pushes = pushes(pr);
    for push in pushes.known {
        // Of a fork's opening only the head is seen: it names who opened, not who pushed.
        if push.source != PushSource::OpenedFromFork && !clean.only_pushed(push) {
            found.push(push.by.as_ref(), &push.after);
            let what = if push.source == PushSource::CommitListed { Brought::Commits } else { Brought::It };
            brought.extend(push.by.as_ref().map(|by| (by, what)));
        }
    }
    let events = until_merge(pr, is_merged(pr)).events;
    for event in events {
        if let TimelineEvent::ForcePushed { after, by, .. } = event {
            found.push(by.as_ref(), after.as_ref().unwrap_or(&pr.head));
            brought.extend(by.as_ref().map(|by| (by, Brought::It)));
        }
    }
    if let Some(gap) = pushes.gap {
        let text = format!("who pushed {} to the branch of #{}", gap.short(), pr.number);
        found.so_far.unknown.insert(text);
    }
    if !commits_are_whole(pr) {
        found.so_far.unknown.insert(format!("which commits #{} holds", pr.number));
    }
    brought.sort_by_key(|(account, what)| (account.id, *what));
    brought.dedup_by_key(|(account, _)| account.id);
    for (automation, what) in brought {
        found.sponsor((automation, what), pr, events);
    }
    found.so_far
}

/// The contributors of commits that came without a pull request, as far as anybody knows of one.
pub(crate) fn of_bare_commits(
    people: &People<'_>,
    change: &ChangeInRelease,
    landing: Option<&Landing>,
) -> Contributors {
    let mut found = Gathering::new(people);
    for commit in &change.bare_commits {
        found.commit(commit);
    }
    for push in &change.bare_pushes {
        found.push(push.by.as_ref(), &push.after);
    }
    match landing {
        Some(landing) if landing.kind == LandingKind::Push => found.push(landing.by.as_ref(), &landing.after),
        // Whoever presses the merge button contributes nothing.
        Some(_) => {}
        None => {
            let last = change.commits.last().map_or("these commits", CommitSha::short);
            found.so_far.unknown.insert(format!("who pushed {last} to the production branch"));
        }
    }
    found.so_far
}

/// What an account brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Brought {
    /// The pull request, or something to its branch.
    It,
    /// Commits to another branch, from where somebody else took them.
    Commits,
}

struct Gathering<'a> {
    people: &'a People<'a>,
    so_far: Contributors,
}

impl<'a> Gathering<'a> {
    fn new(people: &'a People<'a>) -> Self {
        Self { people, so_far: Contributors::default() }
    }

    fn add(&mut self, account: &Account, automation: bool, how: Contribution) {
        let owner = self.people.owner(account.id);
        // A machine user that the settings give to a person stands for that person as well, where it takes away.
        if !automation || owner.is_some() {
            self.so_far.persons.insert(self.people.person(account.id));
        }
        let entry = self.so_far.accounts.entry(account.id).or_insert_with(|| Contributor {
            account: account.clone(),
            person: owner.map(|person| person.name.clone()),
            automation,
            because: Vec::new(),
        });
        // A login that GitHub gave is a better label than a name from the settings.
        if entry.person.as_ref() == Some(&entry.account.login) {
            entry.account.clone_from(account);
        }
        entry.automation |= automation;
        entry.because.push(how);
    }

    /// Somebody did something that GitHub authenticated.
    fn act(&mut self, account: Option<&Account>, how: Contribution, unknown: impl FnOnce() -> String) {
        match (account, self.people.who(account)) {
            (Some(account), Who::Person(_)) => self.add(account, false, how),
            (Some(account), Who::Automation(_)) => self.add(account, true, how),
            _ => {
                self.so_far.unknown.insert(unknown());
            }
        }
    }

    fn push(&mut self, by: Option<&Account>, after: &CommitSha) {
        let how = Contribution::Pushed { commit: after.clone() };
        self.act(by, how, || format!("who pushed {}", after.short()));
    }

    fn commit(&mut self, commit: &Commit) {
        let oid = &commit.oid;
        let mut attributed = self.named(&commit.author, oid, Contribution::Authored { commit: oid.clone() });
        if !commit.committed_by_github {
            attributed &= self.named(&commit.committer, oid, Contribution::Committed { commit: oid.clone() });
        }
        if !attributed {
            self.so_far.unattributed.push(oid.clone());
        }
        for coauthor in &commit.coauthors {
            // One that belongs to nobody known adds nobody and harms nothing.
            self.named(coauthor, oid, Contribution::CoAuthored { commit: oid.clone() });
        }
    }

    /// Adds whom a commit names; false where that is nobody known.
    fn named(&mut self, identity: &CommitIdentity, commit: &CommitSha, how: Contribution) -> bool {
        if identity.account.is_some() {
            self.act(identity.account.as_ref(), how, || format!("whose account commit {} names", commit.short()));
            return true;
        }
        let email = identity.email.as_deref();
        let Some(account) = email.and_then(|email| self.people.by_email(email)) else {
            // GitHub's own address for an account, which it links to none: that account is gone, or was imported.
            let matters = !matches!(how, Contribution::CoAuthored { .. });
            if matters && email.is_some_and(|email| email.contains("@users.noreply.")) {
                self.so_far.unknown.insert(format!("whose account commit {} names", commit.short()));
            }
            return false;
        };
        self.add(&account, self.people.is_machine_user(account.id), how);
        true
    }

    /// Finds who answers for automation that opened the pull request or pushed to it. What a person took from another branch
    /// needs nobody else; whoever is known to have driven it there contributed all the same.
    fn sponsor(&mut self, (account, what): (&Account, Brought), pr: &PullRequest, events: &[TimelineEvent]) {
        let Who::Automation(automation) = self.people.who(Some(account)) else {
            return;
        };
        if self.people.is_trusted(account) {
            return;
        }
        let how = |run: Option<RunId>| Contribution::Sponsors { automation, run };
        let (mut somebody, mut unseen) = (false, false);
        let from_settings = self.people.sponsors(automation).iter().map(|id| label(self.people, pr, *id));
        let from_settings: Vec<Account> = from_settings.collect();
        let assigned = events.iter().flat_map(|event| match event {
            TimelineEvent::Assigned { who, by } => vec![who.as_ref(), by.as_ref()],
            _ => Vec::new(),
        });
        let runs = pr.runs.iter().filter(|_| account.is_actions());
        let behind = runs.flat_map(|run| [&run.actor, &run.triggering_actor].map(|by| (by.as_ref(), Some(run.run))));
        let named = from_settings.iter().map(Some).chain(assigned).filter(|_| what == Brought::It);
        let others = named.map(|candidate| (candidate, None));
        for (candidate, run) in others.chain(behind) {
            match (candidate, self.people.who(candidate)) {
                (Some(candidate), Who::Person(_)) => {
                    somebody = true;
                    self.add(candidate, false, how(run));
                }
                (_, Who::Nobody) => unseen = true,
                _ => {}
            }
        }
        if unseen {
            let text = format!("who answers for @{} in #{}", account.login, pr.number);
            self.so_far.unknown.insert(text);
        } else if !somebody && what == Brought::It {
            self.so_far.unsponsored.push(account.clone());
        }
    }
}

/// An account by its id, with the login that the pull request's facts show for it.
fn label(people: &People<'_>, pr: &PullRequest, id: AccountId) -> Account {
    let of_commits = pr.commits.iter().flat_map(|commit| {
        let coauthors = commit.coauthors.iter();
        [&commit.author, &commit.committer]
            .into_iter()
            .chain(coauthors)
            .filter_map(|identity| identity.account.as_ref())
    });
    let of_pushes = pr.pushes.iter().filter_map(|push| push.by.as_ref());
    let of_timeline = pr.timeline.iter().flat_map(accounts_of);
    let mut seen = pr.opener.iter().chain(of_commits).chain(of_pushes).chain(of_timeline);
    seen.find(|account| account.id == id).cloned().unwrap_or_else(|| Account {
        id,
        login: people.owner(id).map_or_else(|| format!("account {id}"), |person| person.name.clone()),
        kind: AccountKind::User,
    })
}

fn accounts_of(event: &TimelineEvent) -> Vec<&Account> {
    match event {
        TimelineEvent::Reviewed(review) => review.by.iter().collect(),
        TimelineEvent::Assigned { who, by } => who.iter().chain(by).collect(),
        TimelineEvent::Dismissed { by, .. }
        | TimelineEvent::Retargeted { by, .. }
        | TimelineEvent::ForcePushed { by, .. }
        | TimelineEvent::Merged { by, .. }
        | TimelineEvent::Closed { by }
        | TimelineEvent::Reopened { by }
        | TimelineEvent::AutoMergeEnabled { by }
        | TimelineEvent::Queued { by } => by.iter().collect(),
        TimelineEvent::AutoMergeDisabled | TimelineEvent::Dequeued => Vec::new(),
    }
}
