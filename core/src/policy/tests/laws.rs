//! Laws that hold of every verdict: more contributors or fewer approvals never make it better; names change nothing; who
//! could deploy may, and how far. `hidden.rs` holds those about what is not shown, `three.rs` the promise itself.

use super::histories::{of_pull, of_release, pulls, releases, so_many, who};
use super::world::{Release, commit, facts, judge, user};
use crate::domain::{CommitIdentity, Facts, Outcome, PullRequest, ReviewState, Subject, TimelineEvent};
use proptest::prelude::*;

/// Every way of adding one contributor to a pull request.
fn with_one_more(pr: &PullRequest, pick: usize) -> Vec<PullRequest> {
    let mut named = pr.clone();
    let mut coauthored = pr.clone();
    let identity = CommitIdentity { account: Some(who(pick)), email: None };
    named.commits[0].author = identity.clone();
    named.commits[0].coauthors.push(CommitIdentity { account: pr.commits[0].author.account.clone(), email: None });
    coauthored.commits[0].coauthors.push(identity);
    let mut pushed = pr.clone();
    let mut again = pr.pushes[0].clone();
    again.by = Some(who(pick));
    pushed.pushes.push(again);
    let mut second_parent = pr.clone();
    second_parent.commits.push(commit("side", &["base"], &who(pick)));
    vec![named, coauthored, pushed, second_parent]
}

fn without_an_approval(pr: &PullRequest, pick: usize) -> Option<PullRequest> {
    let approvals: Vec<usize> = (0..pr.timeline.len())
        .filter(
            |at| matches!(&pr.timeline[*at], TimelineEvent::Reviewed(review) if review.state == ReviewState::Approved),
        )
        .collect();
    // Taking away an approval that withdrew an objection, or the one whose dismissal withdrew others, is hiding.
    let at = *approvals.get(pick % approvals.len().max(1))?;
    let mut less = pr.clone();
    less.timeline.remove(at);
    Some(less)
}

/// Everybody has another login, and nobody another id.
fn renamed(facts: &Facts) -> Facts {
    let text = serde_json::to_string(facts).expect("facts as JSON");
    let text = text.replace("\"login\":\"", "\"login\":\"renamed-");
    serde_json::from_str(&text).expect("facts again")
}

proptest! {
    #![proptest_config(so_many())]

    #[test]
    fn one_more_contributor_never_makes_a_verdict_better(pull in pulls(), pick in 0..4_usize) {
        let before = of_pull(pull.0.clone());
        for more in with_one_more(&pull.0, pick) {
            let after = of_pull(more);
            prop_assert!(after.outcome >= before.outcome, "{} became {}", before.outcome, after.outcome);
        }
    }

    #[test]
    fn one_more_contributor_never_makes_a_release_better(release in releases(), nth in 0..3_usize, pick in 0..4_usize) {
        let before = of_release(release.clone());
        let nth = nth % release.changes.len();
        let Some(pr) = &release.changes[nth].pull_request else { return Ok(()) };
        for more in with_one_more(pr, pick) {
            let mut release = release.clone();
            release.changes[nth].pull_request = Some(more);
            let after = of_release(release);
            prop_assert!(after.outcome >= before.outcome, "{} became {}", before.outcome, after.outcome);
            prop_assert!(after.can_deploy.iter().all(|able| before.can_deploy.contains(able)));
        }
    }

    #[test]
    fn one_approval_less_never_makes_a_release_better(release in releases(), nth in 0..3_usize, pick in 0..4_usize) {
        let before = of_release(release.clone());
        let nth = nth % release.changes.len();
        let less = release.changes[nth].pull_request.as_ref().and_then(|pr| without_an_approval(pr, pick));
        let Some(less) = less else { return Ok(()) };
        let mut release = release;
        release.changes[nth].pull_request = Some(less);
        let after = of_release(release);
        prop_assert!(after.outcome >= before.outcome, "{} became {}", before.outcome, after.outcome);
        prop_assert!(after.can_deploy.iter().all(|able| before.can_deploy.contains(able)));
    }

    #[test]
    fn one_approval_less_never_makes_a_verdict_better(pull in pulls(), pick in 0..8_usize) {
        let before = of_pull(pull.0.clone());
        if let Some(less) = without_an_approval(&pull.0, pick) {
            let after = of_pull(less);
            // An approval that was stale or withdrawn may be missed by nobody; it never helps to have had it.
            prop_assert!(after.outcome >= before.outcome, "{} became {}", before.outcome, after.outcome);
        }
    }

    #[test]
    fn a_new_login_changes_nothing_but_labels(release in releases(), pull in pulls()) {
        for subject in [Subject::Deployment(Box::new(release)), Subject::PullRequest(Box::new(pull.0))] {
            let facts = facts(subject);
            let (before, after) = (judge(&facts), judge(&renamed(&facts)));
            // With the labels put back, nothing at all is different.
            let text = serde_json::to_string(&after).unwrap().replace("renamed-", "");
            prop_assert_eq!(serde_json::to_string(&before).unwrap(), text);
        }
    }

    #[test]
    fn whoever_could_deploy_would_be_allowed_to(release in releases()) {
        let verdict = of_release(release.clone());
        for account in ["ann", "ben", "cat", "dee"].map(user) {
            let deployment = Release(release.clone()).by(&account).with(|it| {
                it.approval.asked = Some(false);
                it.approval.given_by.clear();
            });
            let alone = judge(&deployment.facts());
            let named = verdict.can_deploy.iter().any(|able| able.id == account.id);
            prop_assert_eq!(alone.outcome == Outcome::Allow, named, "{}", account.login);
        }
    }

    #[test]
    fn how_far_the_deployers_may_go_they_may_go(release in releases()) {
        let verdict = of_release(release.clone());
        if let Some(up_to) = verdict.up_to {
            let keep = 1 + release.changes.iter().position(|change| change.commits.last() == Some(&up_to)).unwrap();
            let shorter = Release(release).target(up_to.as_str()).with(|it| it.changes.truncate(keep));
            prop_assert_eq!(judge(&shorter.facts()).outcome, Outcome::Allow);
        }
    }

    #[test]
    fn the_same_facts_give_the_same_bytes(release in releases()) {
        let facts = facts(Subject::Deployment(Box::new(release)));
        let bytes = |facts: &Facts| serde_json::to_string(&judge(facts)).unwrap();
        let again: Facts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
        prop_assert_eq!(bytes(&facts), bytes(&again));
    }

    #[test]
    fn the_order_in_which_pushes_are_known_does_not_matter(pull in pulls(), turn in 0..5_usize) {
        let mut turned = pull.0.clone();
        let by = turn % turned.pushes.len();
        turned.pushes.rotate_left(by);
        turned.pushes.push(turned.pushes[0].clone());
        prop_assert_eq!(of_pull(pull.0), of_pull(turned));
    }
}

#[test]
fn the_releases_that_are_tried_are_of_every_outcome() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..300 {
        let release = releases().new_tree(&mut runner).unwrap().current();
        *seen.entry(of_release(release).outcome.to_string()).or_insert(0) += 1;
    }
    println!("{seen:?}");
    assert!(seen.get("allow").is_some_and(|count| *count > 10), "{seen:?}");
    assert!(seen.get("deny").is_some_and(|count| *count > 10), "{seen:?}");
}
