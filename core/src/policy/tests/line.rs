//! Where the target lies, and that each way of lying wrong is said once and alone.

use super::deploy::{back_to_m1, inside_a_rebase, two};
use super::world::{Landed, Pull, Release, codes_in, commit, good_pull, judge, sha, user};
use crate::domain::{Landing, LandingKind, Line, MergeProof, Outcome, StartingPoint};
use crate::policy::merges_of_base;

fn codes(release: Release) -> Vec<String> {
    codes_in(&judge(&release.facts()))
}

fn details(release: Release) -> Vec<String> {
    let verdict = judge(&release.facts());
    let unknown = verdict.reasons.iter().filter_map(|reason| reason.text.strip_prefix("Not known: "));
    unknown.map(ToOwned::to_owned).collect()
}

#[test]
fn what_cannot_be_compared_is_said_once_and_for_one_reason() {
    let rewritten = Release::good().with(|deployment| {
        deployment.line.reaches_start = false;
        deployment.start = Some(StartingPoint::Baseline { commit: sha("gone") });
    });
    assert_eq!(codes(rewritten), ["history-rewritten"]);
    assert_eq!(codes(Release::good().target("a1")), ["commit-off-branch"]);
    assert_eq!(codes(inside_a_rebase().target("r1")), ["commit-off-branch"]);
    assert_eq!(codes(back_to_m1()), ["rollback-unknown"]);
    // Nothing read is nothing held against it.
    let unread = Release::good().with(|deployment| {
        deployment.line = Line::default();
        deployment.history_unavailable = Some("gone".to_owned());
    });
    assert_eq!(codes(unread.clone()), ["history-unavailable"]);
    assert!(judge(&unread.facts()).changes.is_empty(), "what lies between is unknown, so nothing is judged");
    let nowhere = Release::good().with(|deployment| {
        deployment.line = Line { reaches_start: true, ..Line::default() };
        deployment.start = None;
        deployment.changes.clear();
    });
    assert_eq!(codes(nowhere.clone()), ["baseline-missing"]);
    // With a starting point an empty line is one that the target is not on, and so is another commit's.
    let empty = nowhere.clone().with(|deployment| {
        deployment.start = Some(StartingPoint::Baseline { commit: sha("base") });
    });
    assert_eq!(codes(empty), ["commit-off-branch"]);
    let other = nowhere.with(|deployment| deployment.line.commits = vec![sha("x1"), sha("base")]);
    assert_eq!(codes(other), ["baseline-missing", "commit-off-branch"]);
}

#[test]
fn whoever_asks_for_the_inside_of_a_change_may_go_to_the_end_of_the_one_before() {
    let three = Release::of(&[
        Landed::Merge("m1", good_pull(1, "a1")),
        Landed::Merge("r1", good_pull(2, "a2")),
        Landed::Merge("r2", good_pull(3, "a3")),
    ]);
    // The second and the third are one rebase.
    let inside = three.target("r1").with(|deployment| {
        deployment.line.landings.retain(|landing| landing.after != sha("r1"));
        let rebase = deployment.line.landings.iter_mut().find(|landing| landing.after == sha("r2"));
        let rebase = rebase.unwrap();
        rebase.before = sha("m1");
        deployment.changes.pop();
        deployment.changes[1].landing = Some(rebase.clone());
    });
    let up_to = |release: Release| judge(&release.facts()).up_to;
    assert_eq!(codes(inside.clone()), ["commit-off-branch"]);
    assert_eq!(up_to(inside.clone()), Some(sha("m1")));
    let unread = inside.clone().with(|deployment| deployment.missing.push("something".to_owned()));
    assert_eq!(up_to(unread), None, "something about the release is not known");
    let uncovered = inside.clone().with(|deployment| deployment.changes[0].commits = vec![sha("m0")]);
    assert_eq!(up_to(uncovered), None, "a commit between belongs to no change");
    let unanchored = inside.clone().with(|deployment| deployment.line.reaches_start = false);
    assert_eq!(up_to(unanchored), None, "what runs now is not on the line");
    let owed = inside.clone().with(|deployment| deployment.overdue.push("x-1".to_owned()));
    assert_eq!(up_to(owed), None, "nothing goes out before a review that is owed");
    let off = inside.target("x1");
    assert_eq!(up_to(off), None, "what is not on the line has nothing before it");
}

#[test]
fn the_inside_of_a_change_behind_what_runs_is_no_place_to_go_back_to() {
    let back = |ends: bool| {
        Release::good().target("r1").with(move |deployment| {
            deployment.changes.clear();
            deployment.start = Some(StartingPoint::Baseline { commit: sha("r2") });
            deployment.line.commits = vec![sha("r2")];
            deployment.line.behind = vec![sha("r2"), sha("r1"), sha("base")];
            let (before, after) = if ends { ("base", "r1") } else { ("base", "r2") };
            deployment.line.landings = vec![Landing {
                before: sha(before),
                after: sha(after),
                kind: LandingKind::PullRequestMerge,
                by: Some(user("cat")),
                at: None,
            }];
        })
    };
    assert_eq!(codes(back(false)), ["commit-off-branch", "rollback-unknown"]);
    assert_eq!(codes(back(true)), ["rollback-unknown"]);
    let allowed = back(false).with(|deployment| deployment.allowed_before = Some("d1".to_owned()));
    assert_eq!(codes(allowed), Vec::<String>::new());
}

#[test]
fn a_commit_inside_a_push_is_a_change_of_its_own_and_one_inside_a_merge_is_not() {
    let pushed = Release::of(&[Landed::Push("b0", user("ann")), Landed::Push("b1", user("ann"))]).with(|deployment| {
        let landing =
            Landing { before: sha("base"), after: sha("b1"), kind: LandingKind::Push, by: Some(user("ann")), at: None };
        deployment.line.landings = vec![landing.clone()];
        deployment.changes.truncate(1);
        deployment.changes[0].landing = Some(landing);
    });
    assert_eq!(codes(pushed.target("b0")), ["pull-request-missing", "review-missing"]);
    // What a merge put there before or after the target says nothing of it.
    let three = Release::of(&[
        Landed::Merge("m1", good_pull(1, "a1")),
        Landed::Merge("m2", good_pull(2, "a2")),
        Landed::Merge("m3", good_pull(3, "a3")),
    ]);
    let second = three.clone().target("m2").with(|deployment| drop(deployment.changes.pop()));
    assert_eq!(codes(second), Vec::<String>::new());
    let group = three.target("m2").with(|deployment| {
        deployment.changes.pop();
        for landing in &mut deployment.line.landings {
            landing.kind = LandingKind::MergeQueueMerge;
        }
        deployment.line.landings[2].before = sha("m1");
    });
    assert_eq!(codes(group), ["commit-off-branch"]);
}

#[test]
fn what_the_changes_leave_out_hold_twice_or_turn_round_is_noticed() {
    assert_eq!(details(two().with(|it| drop(it.changes.remove(0)))), ["which change m1 belongs to"]);
    assert_eq!(details(two().with(|it| drop(it.changes.remove(1)))), ["which change m2 belongs to"]);
    let between = "which changes lie between what runs now and the target";
    assert_eq!(details(two().with(|it| it.changes.swap(0, 1))), [between]);
    assert_eq!(details(two().with(|it| it.changes.push(it.changes[0].clone()))), [between]);
    // Behind what runs now there is nothing to cover.
    let earlier = two().with(|it| it.line.commits.push(sha("before-base")));
    assert_eq!(details(earlier), Vec::<String>::new());
    // What lies past the target is another deployment's.
    let later = two().target("m1").with(|it| drop(it.changes.pop()));
    assert_eq!(details(later), Vec::<String>::new());
}

#[test]
fn only_the_baseline_itself_counts_as_allowed_without_a_decision() {
    let deployed = |id: &str| StartingPoint::Deployed { commit: sha(id), decision: "d1".to_owned() };
    let again = |start: StartingPoint, before: Option<&str>| {
        let release = Release::good().target("base").with(|it| {
            it.start = Some(start);
            it.allowed_before = before.map(ToOwned::to_owned);
            it.changes.clear();
        });
        judge(&release.facts()).outcome
    };
    assert_eq!(again(StartingPoint::Baseline { commit: sha("base") }, None), Outcome::Allow);
    assert_eq!(again(deployed("base"), None), Outcome::Deny);
    assert_eq!(again(deployed("base"), Some("d1")), Outcome::Allow);
    let behind_a_baseline = back_to_m1().with(|it| it.start = Some(StartingPoint::Baseline { commit: sha("m2") }));
    assert_eq!(codes(behind_a_baseline), ["rollback-unknown"]);
}

#[test]
fn whatever_speaks_against_the_whole_denies_though_an_approval_is_to_come() {
    let release = Release::good().by_push().approvals(&[]).with(|it| it.overdue = vec!["e1".to_owned()]);
    let verdict = judge(&release.facts());
    assert_eq!(verdict.outcome, Outcome::Deny);
    let to_come: Vec<_> = verdict.reasons.iter().map(|reason| (reason.code.as_str(), reason.to_come)).collect();
    assert_eq!(to_come, [("deployer-unknown", true), ("exception-overdue", false)]);
}

#[test]
fn one_deployer_who_breaks_a_rule_takes_the_others_no_further() {
    for (starts, approves) in [("ann", "dee"), ("dee", "ann")] {
        let verdict = judge(&Release::good().by(&user(starts)).approvals(&[&user(approves)]).facts());
        assert_eq!((verdict.outcome, verdict.up_to), (Outcome::Deny, None), "{starts}");
    }
}

/// A pull request with a merge of these parents on top.
fn merge(parents: &[&str], how: Option<MergeProof>) -> Pull {
    let mut merge = commit("u1", parents, &user("cat"));
    merge.committed_by_github = true;
    merge.merge = how;
    Pull::opened(1, &user("ann"), "a1")
        .push(&user("ann"), "a2", &user("ann"))
        .approved(&user("ben"))
        .push_commit(&user("cat"), merge)
}

#[test]
fn a_merge_of_the_base_is_of_the_branch_and_of_what_is_no_commit_of_it() {
    let places = |parents: &[&str]| merges_of_base(&merge(parents, None).0);
    assert_eq!(places(&["a2", "main-2"]), [2]);
    assert_eq!(places(&["a2", "a1"]), Vec::<usize>::new());
    assert_eq!(places(&["main-2", "main-3"]), Vec::<usize>::new());
    assert_eq!(places(&["main-2", "a2"]), Vec::<usize>::new());
    assert_eq!(places(&["a2", "main-2", "main-3"]), Vec::<usize>::new());
    let by_hand = merge(&["a2", "main-2"], None).with(|pr| pr.commits[2].committed_by_github = false);
    assert_eq!(merges_of_base(&by_hand.0), Vec::<usize>::new());
}

#[test]
fn an_approval_stays_fresh_through_several_clean_merges_and_no_further() {
    let outcome = |proofs: [Option<MergeProof>; 2]| {
        let [first, second] = proofs;
        let mut again = commit("u2", &["u1", "main-3"], &user("cat"));
        again.committed_by_github = true;
        again.merge = second;
        let verdict = judge(&merge(&["a2", "main-2"], first).push_commit(&user("cat"), again).facts());
        (verdict.outcome, verdict.changes[0].reviews[0].reasons.first().map(|reason| reason.text.clone()))
    };
    let (clean, unproved) =
        (|| Some(MergeProof::Mechanical), || Some(MergeProof::Unproved { why: "git cannot be started".to_owned() }));
    assert_eq!(outcome([clean(), clean()]), (Outcome::Allow, None));
    let why = " (a merge of the base that could not be proved clean: git cannot be started)";
    let stale = |why: &str| (Outcome::Pending, Some(format!("@ben approved a2, and the head of #1 is now u2{why}")));
    // The one that stands in the way is named, and only where it does.
    assert_eq!(outcome([unproved(), clean()]), stale(why));
    assert_eq!(outcome([clean(), unproved()]), stale(why));
    assert_eq!(outcome([clean(), Some(MergeProof::Differs)]), stale(""));
    assert_eq!(outcome([unproved(), Some(MergeProof::Differs)]), stale(""));
    assert_eq!(outcome([None, clean()]), stale(""));
}

#[test]
fn a_push_of_a_clean_merge_and_of_something_else_is_work() {
    let contributors = |before: &str| {
        let pull = merge(&["a2", "main-2"], Some(MergeProof::Mechanical)).with(|pr| {
            let mut other = pr.pushes[2].clone();
            (other.before, other.by) = (sha(before), Some(user("dee")));
            pr.pushes[2] = other;
            // The chain is whole all the same.
            let mut own = pr.pushes[1].clone();
            (own.after, own.by) = (sha("u1"), Some(user("cat")));
            own.before = sha("a2");
            pr.pushes.push(own);
        });
        let verdict = judge(&pull.facts());
        verdict.changes[0].contributors.iter().map(|it| it.account.login.clone()).collect::<Vec<_>>()
    };
    assert_eq!(contributors("a2"), ["ann"]);
    assert_eq!(contributors("a1"), ["ann", "dee"]);
}
