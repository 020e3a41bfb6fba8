//! Two pull requests of one head, and a merge that shows both as merged: which of them was, nobody tells.

use super::world::{Landed, Pull, Release, good_pull, judge, logins, user};
use crate::domain::{Outcome, Verdict};

/// The good release, whose change may have been landed by this pull request of the same head instead.
fn or(other: Pull) -> Release {
    Release::good().with(|deployment| deployment.changes[0].alternatives.push(other.0))
}

/// By rae, approved by ben, merged by cat: the same commit as that of the good pull request.
fn of_rae() -> Pull {
    Pull::opened(2, &user("rae"), "a1").approved(&user("ben")).merged(&user("cat"))
}

fn codes(verdict: &Verdict) -> Vec<&str> {
    verdict.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

#[test]
fn what_is_compliant_either_way_may_go() {
    let verdict = judge(&or(of_rae()).facts());
    assert_eq!((verdict.outcome, codes(&verdict)), (Outcome::Allow, vec![]));
    assert_eq!(verdict.changes[0].change.to_string(), "#1");
    assert_eq!(verdict.changes[0].contributors.len(), 1, "the first one's contributors are told");
    assert_eq!(logins(&verdict.can_deploy), ["cat", "dee"], "neither who contributed either way nor the only reviewer");
}

#[test]
fn whoever_contributed_to_one_of_them_deploys_neither() {
    let verdict = judge(&or(of_rae()).by(&user("rae")).facts());
    assert_eq!((verdict.outcome, codes(&verdict)), (Outcome::Undetermined, vec!["facts-incomplete"]));
    assert!(verdict.reasons[0].text.contains("which pull request landed m1"), "{:?}", verdict.reasons);
    assert_eq!(verdict.up_to, None);
    let verdict = judge(&or(of_rae()).by(&user("ann")).facts());
    assert_eq!(codes(&verdict), ["facts-incomplete"], "ann has no part in the other one");
    let both = or(good_pull(2, "a1")).by(&user("ann"));
    assert_eq!(codes(&judge(&both.facts())), ["deployer-is-author"]);
}

#[test]
fn the_only_reviewer_of_one_of_them_deploys_neither() {
    let by_dee = Pull::opened(2, &user("rae"), "a1").approved(&user("dee")).merged(&user("cat"));
    let verdict = judge(&or(by_dee).facts());
    assert_eq!((verdict.outcome, codes(&verdict)), (Outcome::Undetermined, vec!["facts-incomplete"]));
    assert_eq!(logins(&verdict.can_deploy), ["cat"]);
}

#[test]
fn a_doubtful_review_of_one_of_them_frees_no_deployer() {
    let by_rae = Pull::opened(2, &user("rae"), "a1").approved(&user("ben")).approved(&user("dee"));
    let doubtful = by_rae.with_review(|review| review.could_write = None).merged(&user("cat"));
    let ann = Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).approved(&user("eve")).merged(&user("cat"));
    let release = Release::of(&[Landed::Merge("m1", ann)]);
    let release = release.with(|deployment| deployment.changes[0].alternatives.push(doubtful.0)).by(&user("ben"));
    assert_eq!(judge(&release.clone().facts()).outcome, Outcome::Undetermined, "ben may be the only reviewer");
    assert_eq!(judge(&release.by(&user("cat")).facts()).outcome, Outcome::Allow);
}

#[test]
fn what_is_broken_one_way_only_nobody_can_tell() {
    let unreviewed = Pull::opened(2, &user("rae"), "a1").merged(&user("cat"));
    for release in [or(unreviewed.clone()), {
        let swapped = Release::of(&[Landed::Merge("m1", unreviewed.clone())]);
        swapped.with(|deployment| deployment.changes[0].alternatives.push(good_pull(1, "a1").0))
    }] {
        let verdict = judge(&release.facts());
        assert_eq!((verdict.outcome, codes(&verdict)), (Outcome::Undetermined, vec!["facts-incomplete"]));
        assert!(verdict.reasons[0].text.contains("which pull request landed m1"), "{:?}", verdict.reasons);
        assert_eq!(verdict.can_deploy, []);
        let told = verdict.changes[0].contributors.iter().map(|it| it.account.login.as_str());
        assert_eq!(told.collect::<std::collections::BTreeSet<_>>(), ["ann", "rae"].into(), "all who may have");
    }
}

#[test]
fn what_is_broken_either_way_is_broken() {
    let unreviewed = |number, by: &str| Pull::opened(number, &user(by), "a1").merged(&user("cat"));
    let release = Release::of(&[Landed::Merge("m1", unreviewed(1, "ann"))]);
    let verdict = judge(&release.with(|it| it.changes[0].alternatives.push(unreviewed(2, "rae").0)).facts());
    assert_eq!((verdict.outcome, codes(&verdict)), (Outcome::Deny, vec!["review-missing", "facts-incomplete"]));
}

#[test]
fn whoever_merged_either_deploys_where_a_push_does() {
    let by_rae = Pull::opened(2, &user("rae"), "a1").approved(&user("ben")).merged(&user("dee"));
    let verdict = judge(&or(by_rae).by_push().facts());
    assert_eq!(logins(&verdict.deployers.iter().map(|it| it.account.clone()).collect::<Vec<_>>()), ["cat", "dee"]);
}
