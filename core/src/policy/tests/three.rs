//! The promise itself: behind each change of whatever is allowed stand three different persons, whom the verdict names.
//!
//! Who they can be is read from the facts here, by few and plain lines of its own, and not from what the verdict says.

use super::histories::{releases, so_many};
use super::world::{Landed, Pull, Release, bot, facts, judge, linked, user};
use crate::domain::{
    Account, AccountId, AccountKind, ChangeVerdict, Deployment, Outcome, Person, PullRequest, ReviewState, Subject,
    TimelineEvent,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Whose account it is: the lowest of the accounts that the settings give to one person.
fn person(persons: &[Person], account: &Account) -> AccountId {
    let owner = persons.iter().find(|person| person.accounts.contains(&account.id));
    owner.and_then(|person| person.accounts.iter().min()).copied().unwrap_or(account.id)
}

/// Every account whose work is in it, as the facts tell.
fn worked(pr: &PullRequest) -> Vec<&Account> {
    let of_commits = pr.commits.iter().flat_map(|commit| {
        let committer = Some(&commit.committer).filter(|_| !commit.committed_by_github);
        [Some(&commit.author), committer].into_iter().flatten().chain(&commit.coauthors)
    });
    let accounts = of_commits.filter_map(|identity| identity.account.as_ref());
    let pushed = pr.pushes.iter().filter_map(|push| push.by.as_ref());
    let brought: Vec<&Account> = pr.opener.iter().chain(pushed).collect();
    let automatic = brought.iter().any(|by| by.kind == AccountKind::Bot && by.id != bot("dependabot").id);
    let assigned = pr.timeline.iter().filter(move |_| automatic).flat_map(|event| match event {
        TimelineEvent::Assigned { who, by } => who.iter().chain(by).collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    accounts.chain(brought).chain(assigned).collect()
}

/// Every account that approved what was merged, before it was merged, and did not take it back.
fn approved(pr: &PullRequest) -> Vec<&Account> {
    let merged = pr.timeline.iter().position(|event| matches!(event, TimelineEvent::Merged { .. }));
    let before = &pr.timeline[..merged.expect("a merge")];
    let moved = before.iter().rposition(|event| matches!(event, TimelineEvent::Retargeted { .. }));
    let since = &before[moved.map_or(0, |at| at + 1)..];
    let given = since.iter().filter_map(|event| match event {
        TimelineEvent::Reviewed(review) => Some(review),
        _ => None,
    });
    let good = given.filter(|review| {
        review.state == ReviewState::Approved
            && review.commit.as_ref() == Some(&pr.head)
            && review.could_write == Some(true)
            && review.by.as_ref().is_some_and(|by| by.kind == AccountKind::User)
    });
    good.filter_map(|review| review.by.as_ref()).collect()
}

/// Every account that takes part in deploying, where somebody started the run by hand.
fn deployed(deployment: &Deployment) -> Vec<&Account> {
    let attempts = deployment.run.iter().flat_map(|run| [&run.first, &run.this]);
    let started = attempts.flat_map(|attempt| [attempt.actor.as_ref(), attempt.triggering_actor.as_ref()]);
    let approved = deployment.approval.given_by.iter().map(Option::as_ref);
    started.chain(approved).flatten().filter(|by| by.kind == AccountKind::User).collect()
}

fn holds(deployment: &Deployment, change: &ChangeVerdict, persons: &[Person]) -> Result<(), TestCaseError> {
    let three = change.three.as_ref().expect("three people");
    let pr = deployment.changes.iter().filter_map(|it| it.pull_request.as_ref());
    let pr = pr.into_iter().find(|pr| change.change == crate::domain::ChangeName::PullRequest(pr.number));
    let pr = pr.expect("the pull request");
    let who = |account: &Account| person(persons, account);
    let workers: BTreeSet<AccountId> = worked(pr).into_iter().map(who).collect();
    prop_assert!(worked(pr).contains(&&three.author), "{} wrote none of it", three.author.login);
    prop_assert!(approved(pr).contains(&&three.reviewer), "{} did not approve it", three.reviewer.login);
    prop_assert!(deployed(deployment).contains(&&three.deployer), "{} does not deploy it", three.deployer.login);
    prop_assert!(!workers.contains(&who(&three.reviewer)) && !workers.contains(&who(&three.deployer)));
    prop_assert!(who(&three.reviewer) != who(&three.deployer));
    // Automation is the author only where no person wrote any of it, and nobody need answer for it.
    if three.author.kind == AccountKind::Bot {
        prop_assert_eq!(three.author.id, bot("dependabot").id);
        prop_assert!(worked(pr).iter().all(|account| account.kind == AccountKind::Bot));
    }
    // Nobody who takes part in deploying wrote any of it.
    prop_assert!(deployed(deployment).into_iter().all(|account| !workers.contains(&who(account))));
    Ok(())
}

proptest! {
    #![proptest_config(so_many())]

    #[test]
    fn whatever_is_allowed_has_three_people_behind_each_change(release in releases(), twins in 0..4_usize) {
        // Two of the accounts may be one person's.
        let pair = [None, Some(["ann", "dee"]), Some(["ben", "cat"]), Some(["cat", "dee"])][twins];
        let mut facts = facts(Subject::Deployment(Box::new(release.clone())));
        facts.terms.persons.extend(pair.map(|pair| Person {
            name: "Two".to_owned(),
            accounts: pair.map(|login| user(login).id).to_vec(),
            emails: Vec::new(),
        }));
        let verdict = judge(&facts);
        for change in &verdict.changes {
            prop_assert_eq!(change.three.is_some(), verdict.outcome == Outcome::Allow);
            if change.three.is_some() {
                holds(&release, change, &facts.terms.persons)?;
            }
        }
    }
}

#[test]
fn two_accounts_of_one_person_are_not_two_of_the_three() {
    for pair in [["ann", "ben"], ["ann", "dee"], ["ben", "dee"]] {
        let mut facts = Release::good().facts();
        facts.terms.persons.push(Person {
            name: "Two".to_owned(),
            accounts: pair.map(|login| user(login).id).to_vec(),
            emails: Vec::new(),
        });
        let verdict = judge(&facts);
        assert_eq!(verdict.outcome, Outcome::Deny, "{pair:?}");
        assert!(verdict.changes.iter().all(|change| change.three.is_none()));
    }
}

#[test]
fn the_author_is_who_opened_it_else_who_wrote_it_and_automation_only_where_nobody_did() {
    let author = |pull: Pull| {
        let pull = pull.approved(&user("ben")).merged(&user("cat"));
        let verdict = judge(&Release::of(&[Landed::Merge("m1", pull)]).facts());
        assert_eq!(verdict.outcome, Outcome::Allow, "{:?}", verdict.reasons);
        verdict.changes[0].three.clone().unwrap().author.login
    };
    let updater = || Pull::opened(1, &bot("dependabot"), "d1");
    assert_eq!(author(updater()), "dependabot");
    // ann only pushed; eve wrote what she pushed, and has the higher id.
    assert_eq!(author(updater().push(&user("ann"), "d2", &bot("dependabot"))), "ann");
    assert_eq!(
        author(
            updater().push(&user("ann"), "e1", &user("eve")).with(|pr| pr.commits[1].committer = linked(&user("ann")))
        ),
        "eve"
    );
    assert_eq!(author(Pull::opened(1, &user("eve"), "e1").push(&user("ann"), "a1", &user("ann"))), "eve");
}

#[test]
fn a_reviewer_who_deploys_is_the_deployer_and_another_one_the_reviewer() {
    let pull = Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).approved(&user("cat"));
    let release = Release::of(&[Landed::Merge("m1", pull.merged(&user("ann")))]).by(&user("ben"));
    let three = judge(&release.facts()).changes[0].three.clone().unwrap();
    assert_eq!((three.reviewer, three.deployer), (user("cat"), user("ben")));
}
