//! Which approvals count.

use super::world::{Landed, Pull, Release, bot, facts, judge, sha, user};
use super::{Case, allowed, carries, check};
use crate::domain::{Facts, Outcome, Person, Push, PushSource, Subject};
use Outcome::{Deny, Pending, Undetermined};

fn open() -> Pull {
    Pull::opened(1, &user("ann"), "a1")
}

fn with_two_accounts(mut facts: Facts) -> Facts {
    facts.terms.persons.push(Person {
        name: "Ann".to_owned(),
        accounts: vec![user("ann").id, user("ann-work").id],
        emails: vec!["ann@example.com".to_owned()],
    });
    facts
}

#[test]
fn whoever_was_lent_the_access_to_dismiss_an_objection_clears_nothing() {
    let dismissed = |by: &str, giver: &str| {
        let pull = open().approved(&user("cat")).objected(&user("ben")).dismissed(&user("ben"), Some(&user(by)));
        let given = pull.with(|pr| {
            for event in &mut pr.timeline {
                if let crate::domain::TimelineEvent::Dismissed { write_given_by, .. } = event {
                    write_given_by.push(user(giver));
                }
            }
        });
        judge(&with_two_accounts(given.facts())).outcome
    };
    assert_eq!(dismissed("rae", "ann"), Deny, "the author lent it");
    assert_eq!(dismissed("rae", "ann-work"), Deny, "by their other account");
    assert_eq!(dismissed("rae", "dee"), Outcome::Allow, "somebody uninvolved gave it");
    assert_eq!(dismissed("ben", "ann"), Outcome::Allow, "who objected may take it back");
}

#[test]
fn an_objection_by_the_account_without_access_is_that_of_the_person_who_has_it() {
    let objected = |by: &str| {
        let pull = open().approved(&user("cat")).approved(&user("ann-work")).objected(&user(by));
        let pull = pull.with_review(|review| review.could_write = Some(false));
        let mut facts = with_two_accounts(pull.facts());
        // The two accounts are of somebody who is not the author.
        facts.terms.persons[0].accounts = vec![user("ben").id, user("ann-work").id];
        judge(&facts)
    };
    assert_eq!(objected("ben").outcome, Deny, "the other account may write");
    assert_eq!(objected("rae").outcome, Outcome::Allow, "nobody of theirs may");
}

pub(super) const CASES: &[Case] = &[
    carries("approver-is-author", Pending, "who pushed a commit that names somebody else contributed", || {
        open().push(&user("ben"), "b1", &user("ann")).approved(&user("ben")).facts()
    }),
    carries("approver-is-author", Pending, "who pushed a commit to another branch first contributed", || {
        let listed = Push {
            before: sha("elsewhere"),
            after: sha("a1"),
            by: Some(user("ben")),
            source: PushSource::CommitListed,
        };
        open().approved(&user("ben")).with(|pr| pr.pushes.push(listed)).facts()
    }),
    carries("approver-is-author", Pending, "a second account of the author is the author", || {
        with_two_accounts(open().approved(&user("ann-work")).facts())
    }),
    allowed("approver-is-author", "somebody who contributed nothing may approve", || {
        with_two_accounts(open().approved(&user("ben")).facts())
    }),
    carries("approver-is-automation", Pending, "a bot does not review", || open().approved(&bot("codegen")).facts()),
    carries("approver-is-automation", Pending, "a machine user does not review", || {
        let mut facts = open().approved(&user("ben")).facts();
        facts.terms.automation.machine_users.push(user("ben").id);
        facts
    }),
    allowed("approver-is-automation", "a person does", || open().approved(&user("ben")).facts()),
    carries("approver-lacks-write", Pending, "an approval without write access does not count", || {
        open().approved(&user("rae")).with_review(|review| review.could_write = Some(false)).facts()
    }),
    carries(
        "approver-lacks-write",
        Pending,
        "write access that the author gave for the occasion does not count",
        || open().approved(&user("rae")).with_review(|review| review.write_given_by = vec![user("ann")]).facts(),
    ),
    allowed("approver-lacks-write", "write access that somebody uninvolved gave does", || {
        open().approved(&user("rae")).with_review(|review| review.write_given_by = vec![user("cat")]).facts()
    }),
    allowed("approver-lacks-write", "one with write access does", || open().approved(&user("rae")).facts()),
    carries("approval-stale", Pending, "what was pushed after the approval was not approved", || {
        open().approved(&user("ben")).push(&user("ann"), "a2", &user("ann")).facts()
    }),
    carries("approval-stale", Pending, "the approved tree on another base is something else", || {
        open()
            .approved(&user("ben"))
            .push(&user("ann"), "a2", &user("ann"))
            .with(|pr| {
                pr.head_tree = sha("tree-a1");
                pr.merge_base = Some(sha("newer"));
                pr.commits[1].parents.push(sha("newer"));
            })
            .facts()
    }),
    allowed("approval-stale", "the same tree on the same base is what was approved", || {
        open()
            .approved(&user("ben"))
            .push(&user("ann"), "a2", &user("ann"))
            .with(|pr| pr.head_tree = sha("tree-a1"))
            .facts()
    }),
    carries("approval-withdrawn", Deny, "who approves and then objects has not approved", || {
        open().approved(&user("ben")).objected(&user("ben")).facts()
    }),
    carries("approval-withdrawn", Pending, "an older approval does not outlive the dismissal of the latest", || {
        open().approved(&user("ben")).approved(&user("ben")).dismissed(&user("ben"), Some(&user("cat"))).facts()
    }),
    carries("approval-withdrawn", Pending, "an approval of something older does not revive a dismissed one", || {
        let older = |review: &mut crate::domain::Review| (review.commit, review.tree) = (Some(sha("old")), None);
        let pull = open().approved(&user("ben")).dismissed(&user("ben"), Some(&user("cat")));
        pull.approved(&user("ben")).with_review(older).facts()
    }),
    allowed("approval-withdrawn", "who objects and then approves has approved", || {
        open().objected(&user("ben")).approved(&user("ben")).facts()
    }),
    carries("approval-elsewhere", Pending, "an approval belongs to the base it was given for", || {
        open().approved(&user("ben")).retargeted(&user("ann")).facts()
    }),
    allowed("approval-elsewhere", "an approval after the base was settled counts", || {
        open().retargeted(&user("ann")).approved(&user("ben")).facts()
    }),
    carries("approval-late", Deny, "an approval after the merge cures nothing", || {
        open().merged(&user("cat")).approved(&user("ben")).facts()
    }),
    allowed("approval-late", "one before the merge counts", || {
        open().approved(&user("ben")).merged(&user("cat")).facts()
    }),
];

#[test]
fn approvals_count_by_the_rules() {
    check(CASES);
}

#[test]
fn a_delivery_that_lists_a_commit_closes_no_gap() {
    let pull = open().approved(&user("ben")).with(|pr| pr.pushes[0].source = PushSource::CommitListed);
    assert_eq!(judge(&pull.facts()).outcome, Undetermined);
}

#[test]
fn an_approval_that_may_count_leaves_it_undetermined_and_one_that_counts_settles_it() {
    let doubtful: [fn(Pull) -> Pull; 3] = [
        |pull| pull.with_review(|review| review.could_write = None),
        |pull| pull.with_review(|review| (review.commit, review.tree) = (None, None)),
        |pull| pull.with_review(|review| review.by = None),
    ];
    for doubt in doubtful {
        let pull = doubt(open().approved(&user("ben")));
        assert_eq!(judge(&pull.clone().facts()).outcome, Undetermined);
        assert_eq!(judge(&pull.clone().merged(&user("cat")).facts()).outcome, Undetermined);
        assert_eq!(judge(&pull.approved(&user("cat")).facts()).outcome, Outcome::Allow);
    }
}

#[test]
fn a_doubtful_approval_that_is_stale_anyway_counts_for_certain_not() {
    let pull = open().approved(&user("ben")).with_review(|review| review.could_write = None);
    let verdict = judge(&pull.push(&user("ann"), "a2", &user("ann")).facts());
    assert_eq!(verdict.outcome, Pending);
}

#[test]
fn an_equal_tree_with_an_unknown_merge_base_may_be_fresh() {
    let pull = open().approved(&user("ben")).push(&user("ann"), "a2", &user("ann"));
    let pull = pull.with(|pr| {
        pr.head_tree = sha("tree-a1");
        pr.merge_base = None;
    });
    assert_eq!(judge(&pull.facts()).outcome, Undetermined);
}

#[test]
fn a_dismissal_after_the_merge_withdraws_nothing() {
    let pull = open().approved(&user("ben")).merged(&user("cat"));
    let verdict = judge(&pull.dismissed(&user("ben"), Some(&user("ann"))).facts());
    assert_eq!(verdict.outcome, Outcome::Allow, "{:?}", verdict.reasons);
}

#[test]
fn a_merged_pull_request_that_does_not_say_when_cannot_be_told() {
    let pull = open().approved(&user("ben")).merged(&user("cat"));
    let pull = pull.with(|pr| {
        pr.timeline.pop();
    });
    assert_eq!(judge(&pull.facts()).outcome, Undetermined);
}

#[test]
fn a_reviewer_without_a_role_in_the_change_is_listed_once_for_each_account() {
    let verdict = judge(&open().approved(&user("ben")).approved(&user("ben")).facts());
    assert_eq!(verdict.changes[0].reviewers, [user("ben")]);
    assert!(verdict.changes[0].reviews.iter().all(|review| review.counts));
}

#[test]
fn a_late_approval_is_kept_as_retrospective_in_a_release() {
    let pull = open().merged(&user("cat")).approved(&user("ben"));
    let release = Release::of(&[Landed::Merge("m1", pull)]).0;
    let verdict = judge(&facts(Subject::Deployment(Box::new(release))));
    assert_eq!(verdict.outcome, Deny);
    assert!(verdict.changes[0].reviews[0].retrospective);
    assert_eq!(verdict.changes[0].reviews[0].reasons[0].code, "approval-late");
}

/// The details of what is not known, of the whole and of the first change's reviews.
fn doubts(verdict: &crate::domain::Verdict) -> (Vec<&str>, Vec<&str>) {
    let detail = |reason: &crate::domain::Reason| reason.code == "facts-incomplete";
    let of_reviews = verdict.changes[0].reviews.iter().flat_map(|review| &review.reasons);
    (
        verdict.reasons.iter().filter(|reason| detail(reason)).map(|reason| reason.text.as_str()).collect(),
        of_reviews.filter(|reason| detail(reason)).map(|reason| reason.text.as_str()).collect(),
    )
}

#[test]
fn a_review_says_what_is_not_known_of_it_only_where_that_decides_whether_it_counts() {
    let doubtful = || open().approved(&user("ben")).with_review(|review| review.could_write = None);
    let what = "Not known: whether @ben had write access when approving #1";
    let verdict = judge(&doubtful().facts());
    assert_eq!(doubts(&verdict), (vec![what], vec![what]));
    // Stale is stale, whatever else is not known of it.
    let verdict = judge(&doubtful().push(&user("ann"), "a2", &user("ann")).facts());
    assert_eq!(doubts(&verdict), (vec![], vec![]));
    // One that counts has nothing to say.
    let verdict = judge(&open().approved(&user("ben")).facts());
    assert_eq!(verdict.changes[0].reviews[0].reasons, []);
}

#[test]
fn an_approval_of_an_unknown_commit_is_fresh_or_stale_by_its_content_where_that_tells() {
    let unknown = |tree: &str, merge_base: &str| {
        let pull = open().approved(&user("ben")).with_review(|review| {
            review.commit = None;
            review.tree = Some(sha(tree));
            review.merge_base = Some(sha(merge_base));
        });
        judge(&pull.facts()).outcome
    };
    assert_eq!(unknown("tree-a1", "base"), Outcome::Allow);
    // The base moved on, and the commit may be the head all the same.
    assert_eq!(unknown("tree-a1", "newer"), Undetermined);
    // Other content is another commit, whatever it was based on.
    assert_eq!(unknown("tree-a0", "base"), Pending);
    assert_eq!(unknown("tree-a0", "newer"), Pending);
}

#[test]
fn write_access_from_a_contributor_is_none_whichever_account_gave_it() {
    let given_by = |by: crate::domain::Account| {
        let pull = open().approved(&user("rae")).with_review(|review| review.write_given_by = vec![by.clone()]);
        pull.facts()
    };
    // The author by another account of theirs; an account that stands for no person.
    let verdict = judge(&with_two_accounts(given_by(user("ann-work"))));
    assert_eq!(verdict.changes[0].reviews[0].reasons[0].code, "approver-lacks-write");
    let pushed = open().push(&bot("dependabot"), "d1", &bot("dependabot")).approved(&user("rae"));
    let pushed = pushed.with_review(|review| review.write_given_by = vec![bot("dependabot")]);
    assert_eq!(judge(&pushed.facts()).changes[0].reviews[0].reasons[0].code, "approver-lacks-write");
}

/// The latest review is shown as dismissed, and nothing tells when, by whom and what it had said.
fn dismissed_unseen(pull: Pull) -> Pull {
    pull.with_review(|review| review.state = crate::domain::ReviewState::Dismissed)
}

#[test]
fn a_dismissal_that_nothing_shows_may_have_come_before_the_merge_or_after_it() {
    let verdict = judge(&dismissed_unseen(open().approved(&user("ben"))).merged(&user("cat")).facts());
    assert_eq!(verdict.outcome, Undetermined);
    let expected = [
        "Not known: what a dismissed review of #1 by @ben had said",
        "Not known: whether a review of #1 by @ben was dismissed before the merge",
        "Not known: whether an objection of @ben to #1 stands",
    ];
    assert_eq!(doubts(&verdict).0, expected);
    // What it may withdraw is what the same person approved before, and nobody else's.
    let twice = dismissed_unseen(open().approved(&user("ben")).approved(&user("ben"))).merged(&user("cat"));
    let verdict = judge(&twice.facts());
    assert_eq!(verdict.outcome, Undetermined);
    assert!(verdict.changes[0].reviews.iter().all(|review| !review.counts), "{verdict:?}");
    let another = dismissed_unseen(open().approved(&user("dee")).approved(&user("ben"))).merged(&user("cat"));
    let verdict = judge(&another.facts());
    assert_eq!(verdict.changes[0].reviewers, [user("dee")]);
    assert!(verdict.changes[0].reviews[0].reasons.is_empty());
}

#[test]
fn while_it_is_open_a_dismissal_that_nothing_shows_withdraws_what_was_approved_before() {
    let verdict = judge(&dismissed_unseen(open().approved(&user("ben")).approved(&user("ben"))).facts());
    let first = &verdict.changes[0].reviews[0];
    assert!(!first.counts);
    assert_eq!(first.reasons.iter().map(|reason| reason.code.as_str()).collect::<Vec<_>>(), ["approval-withdrawn"]);
    assert_eq!(doubts(&verdict).1, Vec::<&str>::new());
}

#[test]
fn a_dismissal_holds_also_where_the_review_is_still_shown_as_an_approval() {
    let pull = open().approved(&user("ben"));
    let review = pull.0.timeline.iter().find_map(|event| match event {
        crate::domain::TimelineEvent::Reviewed(review) => Some(review.id),
        _ => None,
    });
    let pull = pull.event(crate::domain::TimelineEvent::Dismissed {
        review,
        was: crate::domain::ReviewState::Approved,
        by: Some(user("cat")),
        write_given_by: Vec::new(),
    });
    let verdict = judge(&pull.facts());
    assert_eq!(verdict.outcome, Pending);
    assert_eq!(verdict.changes[0].reviews[0].reasons[0].code, "approval-withdrawn");
}

#[test]
fn a_merged_approval_that_is_doubtful_for_one_reason_says_that_one() {
    let pull = open().approved(&user("ben")).with_review(|review| review.could_write = None).merged(&user("cat"));
    let verdict = judge(&pull.facts());
    assert_eq!(doubts(&verdict).1, ["Not known: whether @ben had write access when approving #1"]);
}

#[test]
fn what_comes_after_the_merge_and_the_dismissal_of_an_approval_hide_no_objection() {
    let dismissal = |was| crate::domain::TimelineEvent::Dismissed {
        review: None,
        was,
        by: Some(user("ann")),
        write_given_by: Vec::new(),
    };
    let (yes, no) = (crate::domain::ReviewState::Approved, crate::domain::ReviewState::ChangesRequested);
    let outcome = |pull: Pull| judge(&pull.facts()).outcome;
    let approved = || open().approved(&user("ben"));
    assert_eq!(outcome(approved().event(dismissal(no))), Undetermined);
    assert_eq!(outcome(approved().event(dismissal(yes))), Outcome::Allow);
    assert_eq!(outcome(approved().event(dismissal(no)).merged(&user("cat"))), Undetermined);
    assert_eq!(outcome(approved().merged(&user("cat")).event(dismissal(no))), Outcome::Allow);
    assert_eq!(outcome(approved().merged(&user("cat")).retargeted(&user("ann"))), Outcome::Allow);
}
