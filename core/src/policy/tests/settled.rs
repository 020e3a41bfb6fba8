//! Which merged pull requests need not be read again, and what observed later takes that away.

use super::world::{Pull, bot, commit, sha, unlinked, user, zeros};
use crate::domain::{MergeProof, PullRequestState, Push, PushSource, Review, ReviewState, TimelineEvent};
use crate::policy::{adds_nothing, is_settled};

/// Merged by cat.
fn land(pull: Pull) -> Pull {
    pull.event(TimelineEvent::Merged { by: Some(user("cat")), commit: Some(sha("m1")) })
        .with(|pr| pr.state = PullRequestState::Merged)
}

fn merged() -> Pull {
    land(Pull::opened(1, &user("ann"), "a1").approved(&user("ben")))
}

/// A commit of ann's as `change` makes it, approved and merged.
fn with_commit(change: impl Fn(&mut crate::domain::Commit)) -> Pull {
    let mut odd = commit("x1", &["a1"], &user("ann"));
    change(&mut odd);
    land(Pull::opened(1, &user("ann"), "a1").push_commit(&user("ann"), odd).approved(&user("ben")))
}

/// The same with its review as `change` makes it.
fn with_review(change: impl Fn(&mut Review)) -> Pull {
    land(Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).with_review(change))
}

#[test]
fn a_merged_pull_request_of_which_all_is_known_is_settled() {
    assert!(is_settled(&merged().0));
    assert!(is_settled(&land(Pull::opened(1, &user("ann"), "a1")).0), "a missing review comes no more");
    assert!(
        is_settled(&merged().event(TimelineEvent::Closed { by: None }).0),
        "what came after the merge is no concern"
    );
    assert!(is_settled(&with_commit(|commit| commit.coauthors = vec![commit.author.clone()]).0));
}

#[test]
fn what_could_still_be_cured_or_gain_somebody_is_not_settled() {
    let nobody = || unlinked("nobody@example.org");
    let driven = land(Pull::opened(1, &bot("github-actions"), "a1").approved(&user("ben")));
    let updated = |proof: Option<MergeProof>| {
        let mut merge = commit("u1", &["a1", "main-2"], &user("cat"));
        merge.committed_by_github = true;
        merge.merge = proof;
        land(Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).push_commit(&user("cat"), merge))
    };
    assert!(is_settled(&updated(Some(MergeProof::Mechanical)).0) && is_settled(&updated(Some(MergeProof::Differs)).0));
    let cases = [
        ("it is open", Pull::opened(1, &user("ann"), "a1").approved(&user("ben"))),
        (
            "nothing says when it was merged",
            merged().with(|pr| {
                pr.timeline.pop();
            }),
        ),
        ("something could not be read", merged().with(|pr| pr.missing.push("a page".to_owned()))),
        ("who opened it is not known", merged().with(|pr| pr.opener = None)),
        ("a push is missing", merged().with(|pr| pr.pushes.clear())),
        ("a pusher is not known", merged().with(|pr| pr.pushes[0].by = None)),
        ("a commit is missing", merged().with(|pr| pr.head = sha("a2"))),
        ("an author is not linked yet", with_commit(|commit| commit.author = nobody())),
        ("a committer is not linked yet", with_commit(|commit| commit.committer = nobody())),
        ("a co-author is not linked yet", with_commit(|commit| commit.coauthors = vec![nobody()])),
        ("a merge is not proved", updated(Some(MergeProof::Unproved { why: "too large".to_owned() }))),
        ("a merge was not looked at", updated(None)),
        ("a reviewer is not known", with_review(|review| review.by = None)),
        ("nobody knows what they could do", with_review(|review| review.could_write = None)),
        ("nobody knows what was reviewed", with_review(|review| review.commit = None)),
        ("a dismissal is not shown yet", with_review(|review| review.state = ReviewState::Dismissed)),
        ("runs drove it", driven),
        (
            "who merged it is not known",
            merged().with(|pr| {
                pr.timeline.pop();
                pr.timeline.push(TimelineEvent::Merged { by: None, commit: Some(sha("m1")) });
            }),
        ),
        (
            "what landed is not known",
            merged().with(|pr| {
                pr.timeline.pop();
                pr.timeline.push(TimelineEvent::Merged { by: Some(user("cat")), commit: None });
            }),
        ),
        (
            "who queued it is not known",
            merged().with(|pr| {
                pr.timeline.insert(0, TimelineEvent::Queued { by: None });
            }),
        ),
        (
            "an assignee is not known",
            merged().with(|pr| {
                pr.timeline.insert(0, TimelineEvent::Assigned { who: None, by: Some(user("ann")) });
            }),
        ),
    ];
    let settled: Vec<&str> = cases.iter().filter(|(_, pull)| is_settled(&pull.0)).map(|(why, _)| *why).collect();
    assert!(settled.is_empty(), "{settled:?}");
}

#[test]
fn what_is_observed_later_counts_where_it_may_matter() {
    let kept = merged().0;
    let later = |change: &dyn Fn(&mut crate::domain::PullRequest)| {
        let mut joined = kept.clone();
        change(&mut joined);
        adds_nothing(&kept, &joined)
    };
    let push = |before: &str, after: &str, source| {
        let before = if before.is_empty() { zeros() } else { sha(before) };
        let after = if after.is_empty() { zeros() } else { sha(after) };
        Push { before, after, by: Some(user("mal")), source }
    };
    assert!(later(&|_| {}));
    assert!(later(&|pr| pr.on_base.push(sha("m9"))), "the base went on");
    assert!(later(&|pr| pr.pushes.push(push("a1", "", PushSource::PushDelivery))), "the branch was deleted");
    assert!(later(&|pr| pr.pushes.push(push("a1", "z1", PushSource::PushDelivery))), "the branch went on elsewhere");
    assert!(!later(&|pr| pr.pushes.push(push("a1", "a1", PushSource::CommitListed))), "mal had pushed the commit");
    assert!(!later(&|pr| pr.pushes.push(push("", "a1", PushSource::PushDelivery))), "mal had pushed the head");
    let review = |change: &dyn Fn(&mut Review)| {
        later(&|pr| {
            let TimelineEvent::Reviewed(review) = &mut pr.timeline[0] else { panic!() };
            change(review);
        })
    };
    assert!(!review(&|review| review.write_given_by.push(user("ann"))));
    assert!(!review(&|review| review.could_write = Some(false)));
    assert!(!review(&|review| review.commit = Some(sha("a0"))));
}
