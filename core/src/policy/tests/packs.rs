//! What the other packs demand more, or less.

use super::world::{Pull, Release, judge, under, user};
use super::{Case, allowed, carries, check};
use crate::domain::{CheckResult, Facts, Outcome};
use crate::policy::{Policies, PolicyError};
use Outcome::{Allow, Deny, Pending};

pub(super) const TESTED: &[&str] = &["three-person", "tested"];
pub(super) const TICKETED: &[&str] = &["three-person", "ticketed"];

pub(super) fn tested(pull: Pull, results: &[(&str, bool)]) -> Facts {
    let results = results.iter();
    let checks = |head: &crate::domain::CommitSha| {
        results
            .map(|(name, succeeded)| CheckResult {
                name: (*name).to_owned(),
                commit: head.clone(),
                succeeded: *succeeded,
            })
            .collect()
    };
    let mut facts = under(TESTED, pull.with(|pr| pr.checks = Some(checks(&pr.head))).facts());
    facts.terms.checks = vec!["ci/test".to_owned()];
    facts
}

pub(super) fn ticketed(pull: Pull, tickets: &[&str]) -> Facts {
    let tickets: Vec<String> = tickets.iter().map(|ticket| (*ticket).to_owned()).collect();
    under(TICKETED, pull.with(|pr| pr.tickets = Some(tickets.clone())).facts())
}

fn approved() -> Pull {
    Pull::opened(1, &user("ann"), "a1").approved(&user("ben"))
}

pub(super) const CASES: &[Case] = &[
    carries("tests-missing", Pending, "a check that did not run yet is still to come", || tested(approved(), &[])),
    carries("tests-missing", Pending, "a check that failed may be run again while the pull request is open", || {
        tested(approved(), &[("ci/test", false)])
    }),
    carries("tests-missing", Deny, "a check that failed on what was merged denies", || {
        tested(approved().merged(&user("cat")), &[("ci/test", false)])
    }),
    carries("tests-missing", Deny, "of several results of one name all must be good", || {
        tested(approved().merged(&user("cat")), &[("ci/test", true), ("ci/test", false)])
    }),
    carries("tests-missing", Deny, "another check is not the one that was named", || {
        tested(approved().merged(&user("cat")), &[("ci/tests", true)])
    }),
    allowed("tests-missing", "the check succeeded", || tested(approved(), &[("ci/test", true), ("lint", false)])),
    carries("ticket-missing", Pending, "an open pull request may still name its ticket", || ticketed(approved(), &[])),
    carries("ticket-missing", Deny, "a merged one without a ticket stays without", || {
        ticketed(approved().merged(&user("cat")), &[])
    }),
    allowed("ticket-missing", "one reference is enough", || ticketed(approved(), &["SHOP-7"])),
];

#[test]
fn packs_beside_the_base_demand_more() {
    check(CASES);
}

#[test]
fn under_two_person_the_only_reviewer_may_deploy() {
    let deployed = Release::good().by(&user("ben")).facts();
    assert_eq!(judge(&deployed).outcome, Deny);
    assert_eq!(judge(&under(&["two-person"], deployed)).outcome, Allow);
    let by_author = Release::good().by(&user("ann")).facts();
    assert_eq!(judge(&under(&["two-person"], by_author)).outcome, Deny);
}

#[test]
fn under_release_approver_only_the_environments_approvers_deploy() {
    let pack = &["release-approver"];
    let outcome = |release: Release| judge(&under(pack, release.facts())).outcome;
    assert_eq!(outcome(Release::good()), Deny, "nobody approves, nobody deploys");
    assert_eq!(outcome(Release::good().by(&user("ann")).approvals(&[&user("dee")])), Allow);
    assert_eq!(outcome(Release::good().approvals(&[&user("ann")])), Deny);
    assert_eq!(outcome(Release::good().approvals(&[])), Pending);
}

#[test]
fn under_unattended_a_push_to_production_deploys_by_itself_once() {
    let pack = &["unattended"];
    let pushed = || Release::good().by_push();
    let verdict = judge(&under(pack, pushed().facts()));
    assert_eq!((verdict.outcome, verdict.deployers.len()), (Allow, 0), "{verdict:?}");
    assert_eq!(verdict.up_to, verdict.changes.last().map(|change| change.commit.clone()));
    let rerun = pushed().with_run(|run| {
        run.this.number.0 += 1;
        run.this.triggering_actor = Some(user("ann"));
    });
    assert_eq!(judge(&under(pack, rerun.facts())).outcome, Deny, "a second attempt has somebody behind it");
    let asked = pushed().approvals(&[]);
    assert_eq!(judge(&under(pack, asked.facts())).outcome, Pending);
    let dispatched = Release::good().by(&user("ann"));
    assert_eq!(judge(&under(pack, dispatched.facts())).outcome, Deny);
}

#[test]
fn exactly_one_pack_says_how_many_people_it_takes() {
    let named = |packs: &[&str]| Policies::builtin(&packs.iter().map(|pack| (*pack).to_owned()).collect::<Vec<_>>());
    for packs in [&["tested"][..], &["three-person", "two-person"], &["unattended", "release-approver", "ticketed"]] {
        assert!(matches!(named(packs), Err(PolicyError::NotOneBase { .. })), "{packs:?}");
    }
    for base in ["three-person", "two-person", "release-approver", "unattended"] {
        assert!(named(&["tested", base, "ticketed"]).is_ok());
    }
}
