//! Whether a change is compliant.

use super::world::{Landed, Pull, Release, bot, commit, good_pull, judge, logins, sha, unlinked, user};
use super::{Case, allowed, carries, check};
use crate::domain::{
    Facts, Landing, LandingKind, MergeProof, Outcome, PullRequestNumber, PullRequestState, ReviewState, TimelineEvent,
};
use Outcome::{Allow, Deny, Pending, Undetermined};

fn open() -> Pull {
    Pull::opened(1, &user("ann"), "a1")
}

fn by_codegen() -> Pull {
    Pull::opened(1, &bot("codegen"), "c1")
}

/// Somebody pushed a merge by which GitHub shows #1 as merged.
fn pushed_merge(proof: &MergeProof) -> Facts {
    Release::of(&[Landed::Push("b0", user("ann"))])
        .with(|deployment| {
            deployment.changes[0].shown_as_merged.push(PullRequestNumber(1));
            deployment.changes[0].bare_commits[0].merge = Some(proof.clone());
        })
        .facts()
}

/// An approved pull request that somebody brought up to date with GitHub's button, `how` proved.
fn updated(how: Option<MergeProof>) -> Pull {
    let mut merge = commit("u1", &["a1", "main-2"], &user("cat"));
    merge.committed_by_github = true;
    merge.merge = how;
    open().approved(&user("ben")).push_commit(&user("cat"), merge)
}

pub(super) const CASES: &[Case] = &[
    carries("review-missing", Pending, "a review of an open pull request is still to come", || open().facts()),
    carries("review-missing", Deny, "a merged one without a review breaks the rule", || {
        open().merged(&user("cat")).facts()
    }),
    carries("review-missing", Pending, "a comment is no approval", || {
        open().review(&user("ben"), ReviewState::Commented).facts()
    }),
    carries("review-missing", Pending, "a closed pull request is judged like an open one", || {
        open().with(|pr| pr.state = PullRequestState::Closed).facts()
    }),
    allowed("review-missing", "one approval that counts is enough", || open().approved(&user("ben")).facts()),
    carries("changes-requested", Deny, "an objection stands beside an approval", || {
        open().approved(&user("cat")).objected(&user("ben")).facts()
    }),
    carries("changes-requested", Deny, "a contributor cannot dismiss the objection to their own work", || {
        open().objected(&user("ben")).approved(&user("cat")).dismissed(&user("ben"), Some(&user("ann"))).facts()
    }),
    carries("changes-requested", Deny, "automation cannot dismiss an objection", || {
        open().objected(&user("ben")).approved(&user("cat")).dismissed(&user("ben"), Some(&bot("codegen"))).facts()
    }),
    carries("changes-requested", Deny, "an objection of a contributor stands too", || {
        open().push(&user("ben"), "b1", &user("ben")).objected(&user("ben")).approved(&user("cat")).facts()
    }),
    allowed("changes-requested", "the objector may dismiss their own objection", || {
        open().objected(&user("ben")).approved(&user("cat")).dismissed(&user("ben"), Some(&user("ben"))).facts()
    }),
    allowed("changes-requested", "somebody who contributed nothing may dismiss an objection", || {
        open().objected(&user("ben")).approved(&user("cat")).dismissed(&user("ben"), Some(&user("dee"))).facts()
    }),
    allowed("changes-requested", "an objection without write access stops nobody", || {
        open()
            .objected(&user("rae"))
            .with_review(|review| review.could_write = Some(false))
            .approved(&user("cat"))
            .facts()
    }),
    carries("author-unattributed", Deny, "a commit that belongs to nobody could be anybody's", || {
        let mut unknown = commit("x1", &["a1"], &user("ann"));
        unknown.author = unlinked("nobody@example.org");
        open().push_commit(&user("ann"), unknown).approved(&user("ben")).facts()
    }),
    allowed("author-unattributed", "a committer of GitHub's own and an unknown co-author harm nothing", || {
        let mut squashed = commit("x1", &["a1"], &user("ann"));
        squashed.committer = unlinked("noreply@github.com");
        squashed.committed_by_github = true;
        squashed.coauthors = vec![unlinked("nobody@example.org")];
        open().push_commit(&user("ann"), squashed).approved(&user("ben")).facts()
    }),
    carries("sponsor-unknown", Deny, "automation that nobody answers for", || {
        by_codegen().approved(&user("ben")).facts()
    }),
    carries("sponsor-unknown", Deny, "github-actions is never trusted", || {
        Pull::opened(1, &bot("github-actions"), "c1").approved(&user("ben")).facts()
    }),
    allowed("sponsor-unknown", "who was assigned answers for it", || {
        by_codegen().assigned(&user("ann"), &user("ann")).approved(&user("ben")).facts()
    }),
    allowed("sponsor-unknown", "a trusted updater needs nobody", || {
        Pull::opened(1, &bot("dependabot"), "c1").approved(&user("ben")).facts()
    }),
    carries("pull-request-missing", Deny, "a commit pushed straight to production is found", || {
        Release::of(&[Landed::Push("b0", user("ann"))]).facts()
    }),
    carries("pull-request-missing", Deny, "a pull request into another branch is none", || {
        let elsewhere = good_pull(1, "a1").with(|pr| pr.base_branch = "develop".to_owned());
        Release::of(&[Landed::Merge("m1", elsewhere)]).facts()
    }),
    allowed("pull-request-missing", "a merged pull request into production is one", || Release::good().facts()),
    carries("landed-outside-process", Deny, "a push that marks a pull request as merged did not merge it", || {
        Release::of(&[Landed::Push("b0", user("ann"))])
            .with(|deployment| deployment.changes[0].shown_as_merged.push(PullRequestNumber(1)))
            .facts()
    }),
    allowed("landed-outside-process", "GitHub's own merge is the process", || Release::good().facts()),
    allowed("approval-stale", "a clean merge of the base leaves an approval fresh", || {
        updated(Some(MergeProof::Mechanical)).facts()
    }),
    carries("approval-stale", Pending, "a merge of the base that changes something of its own is new work", || {
        updated(Some(MergeProof::Differs)).facts()
    }),
    carries("approval-stale", Pending, "a merge that nobody recomputed is taken for new work", || {
        updated(None).facts()
    }),
    carries("approval-stale", Pending, "a mechanical merge that GitHub did not make itself is somebody's push", || {
        updated(Some(MergeProof::Mechanical)).with(|pr| pr.commits[1].committed_by_github = false).facts()
    }),
    carries("approval-stale", Pending, "a clean merge after unapproved work clears nothing", || {
        let mut merge = commit("u1", &["b1", "main-2"], &user("cat"));
        merge.committed_by_github = true;
        merge.merge = Some(MergeProof::Mechanical);
        open().approved(&user("ben")).push(&user("ann"), "b1", &user("ann")).push_commit(&user("cat"), merge).facts()
    }),
    carries(
        "content-diverged",
        Deny,
        "a pushed merge that changes something of its own is more than was approved",
        || pushed_merge(&MergeProof::Differs),
    ),
    carries("facts-incomplete", Deny, "a pushed merge that cannot be recomputed may be more than was approved", || {
        pushed_merge(&MergeProof::Unproved { why: "git cannot be started".to_owned() })
    }),
    allowed("content-diverged", "GitHub's own merge of what was approved holds by itself", || Release::good().facts()),
    carries("facts-incomplete", Undetermined, "a commit that nobody is known to have pushed is a gap", || {
        open().approved(&user("ben")).with(|pr| pr.pushes.clear()).facts()
    }),
    allowed("facts-incomplete", "a whole chain of pushes is none", || open().approved(&user("ben")).facts()),
];

#[test]
fn changes_are_compliant_by_the_rules() {
    check(CASES);
}

#[test]
fn what_is_missing_makes_it_undetermined_and_a_broken_rule_still_denies() {
    let pull = open().approved(&user("ben")).with(|pr| pr.missing.push("the reviews after the hundredth".to_owned()));
    assert_eq!(judge(&pull.clone().facts()).outcome, Undetermined);
    assert_eq!(judge(&pull.objected(&user("cat")).facts()).outcome, Deny);
}

#[test]
fn the_objection_of_an_account_that_is_gone_cannot_be_judged() {
    let pull = open().approved(&user("ben"));
    let review = pull.review_of_head(None, ReviewState::ChangesRequested);
    assert_eq!(judge(&pull.event(TimelineEvent::Reviewed(review)).facts()).outcome, Undetermined);
}

#[test]
fn an_objection_whose_dismissal_shows_nobody_may_stand() {
    let pull = open().objected(&user("ben")).approved(&user("cat"));
    assert_eq!(judge(&pull.clone().dismissed(&user("ben"), None).facts()).outcome, Undetermined);
    let unseen = pull.with(|pr| {
        if let TimelineEvent::Reviewed(review) = &mut pr.timeline[0] {
            review.state = ReviewState::Dismissed;
        }
    });
    assert_eq!(judge(&unseen.facts()).outcome, Undetermined);
}

#[test]
fn the_dismissal_of_a_review_that_was_not_read_may_hide_an_objection() {
    let pull = open().approved(&user("ben")).event(TimelineEvent::Dismissed {
        review: None,
        was: ReviewState::ChangesRequested,
        by: Some(user("ann")),
        write_given_by: Vec::new(),
    });
    assert_eq!(judge(&pull.facts()).outcome, Undetermined);
}

#[test]
fn sponsors_contribute_and_cannot_review() {
    let verdict = judge(&by_codegen().assigned(&user("ann"), &user("ben")).approved(&user("ben")).facts());
    assert_eq!(verdict.outcome, Pending);
    let contributors: Vec<_> = verdict.changes[0].contributors.iter().map(|it| it.account.clone()).collect();
    assert_eq!(logins(&contributors), ["ann", "ben", "codegen"]);
}

#[test]
fn a_push_that_landed_a_pull_request_is_outside_the_process() {
    let release = Release::good().with(|deployment| {
        for landing in deployment.changes[0].landing.iter_mut().chain(&mut deployment.line.landings) {
            landing.kind = LandingKind::Push;
        }
    });
    let verdict = judge(&release.facts());
    let codes: Vec<_> = verdict.changes[0].reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["landed-outside-process", "pull-request-missing"]);
    let text = &verdict.changes[0].reasons[0].text;
    assert_eq!(text, "A push by @cat put #1 on main, although GitHub shows it as merged");
}

fn contributors(verdict: &crate::domain::Verdict) -> Vec<String> {
    verdict.changes[0].contributors.iter().map(|it| it.account.login.clone()).collect()
}

#[test]
fn who_brings_a_branch_up_to_date_cleanly_contributes_nothing() {
    assert_eq!(contributors(&judge(&updated(Some(MergeProof::Mechanical)).facts())), ["ann"]);
    assert_eq!(contributors(&judge(&updated(Some(MergeProof::Differs)).facts())), ["ann", "cat"]);
}

#[test]
fn somebody_assigned_whom_github_no_longer_shows_may_be_who_answers() {
    let nobody = TimelineEvent::Assigned { who: None, by: Some(bot("codegen")) };
    assert_eq!(judge(&by_codegen().event(nobody).approved(&user("ben")).facts()).outcome, Undetermined);
    let half = TimelineEvent::Assigned { who: None, by: Some(user("ann")) };
    let verdict = judge(&by_codegen().event(half).approved(&user("ben")).facts());
    assert_eq!((verdict.outcome, contributors(&verdict)), (Undetermined, vec!["ann".to_owned(), "codegen".to_owned()]));
}

#[test]
fn a_merge_whose_pull_request_nobody_could_read_cannot_be_told() {
    let release = Release::good().with(|deployment| {
        deployment.changes[0].pull_request = None;
        deployment.changes[0].bare_commits = vec![commit("m1", &["base"], &user("ann"))];
    });
    let verdict = judge(&release.facts());
    assert_eq!(verdict.outcome, Undetermined);
    // Whoever presses the merge button contributes nothing.
    assert_eq!(contributors(&verdict), ["ann"]);
}

#[test]
fn how_a_pull_request_came_onto_production_must_be_known() {
    let release = Release::good().with(|deployment| {
        deployment.changes[0].landing = None;
        deployment.line.landings.clear();
    });
    assert_eq!(judge(&release.facts()).outcome, Undetermined);
}

#[test]
fn a_commit_that_nothing_shows_to_have_been_pushed_cannot_be_told() {
    let release = Release::of(&[Landed::Push("b0", user("ben"))]).with(|deployment| {
        deployment.changes[0].landing = None;
        deployment.changes[0].shown_as_merged = vec![crate::domain::PullRequestNumber(1)];
        deployment.line.landings.clear();
    });
    assert_eq!(judge(&release.facts()).outcome, Undetermined);
}

#[test]
fn what_a_merge_put_there_is_that_merges_after_a_push_away_and_back() {
    let release = Release::good().with(|deployment| {
        let merge = deployment.changes[0].landing.take().unwrap();
        let back = Landing { before: sha("oops"), kind: LandingKind::Push, by: Some(user("eve")), ..merge };
        deployment.line.landings.insert(0, back);
    });
    assert_eq!(judge(&release.facts()).outcome, Allow);
}

#[test]
fn the_movement_of_the_branch_may_be_told_by_the_line_alone() {
    let release = Release::good().with(|deployment| deployment.changes[0].landing = None);
    assert_eq!(judge(&release.facts()).outcome, Allow);
}

#[test]
fn a_change_that_landed_without_a_pull_request_names_everyone_in_it() {
    let mut change = Release::of(&[Landed::Push("b0", user("ben"))]).0.changes.remove(0);
    change.bare_commits = vec![commit("b0", &["base"], &user("ann"))];
    let by = Some(user("ben"));
    change.landing = Some(Landing { before: sha("base"), after: sha("b0"), kind: LandingKind::Push, by, at: None });
    let verdict = judge(&super::world::facts(crate::domain::Subject::Landed(Box::new(change))));
    assert_eq!(verdict.outcome, Deny);
    let contributors: Vec<_> = verdict.changes[0].contributors.iter().map(|it| it.account.clone()).collect();
    assert_eq!(logins(&contributors), ["ann", "ben"]);
}

#[test]
fn who_objects_twice_is_named_once() {
    let verdict = judge(&open().objected(&user("ben")).objected(&user("ben")).approved(&user("cat")).facts());
    let codes: Vec<_> = verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["changes-requested"]);
}
