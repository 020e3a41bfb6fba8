//! Laws that hold of every verdict: more contributors, fewer approvals or hidden facts never make it better; names
//! change nothing; whatever is allowed has three people behind each change.

use super::world::{Landed, Pull, Release, bot, commit, facts, judge, user};
use crate::domain::{
    Account, AccountKind, CommitIdentity, Deployment, Facts, Outcome, PullRequest, ReviewState, Subject, TimelineEvent,
    Verdict,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// What may happen to a pull request. Numbers pick accounts.
#[derive(Debug, Clone, Copy)]
enum Step {
    Push { by: usize, author: usize },
    Review { by: usize, state: ReviewState },
    Dismiss { of: usize, by: usize },
    Retarget { by: usize },
    Assign { who: usize, by: usize },
}

fn who(pick: usize) -> Account {
    match pick % 6 {
        0 => user("ann"),
        1 => user("ben"),
        2 => user("cat"),
        3 => user("dee"),
        4 => bot("codegen"),
        _ => bot("dependabot"),
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pick = 0..6_usize;
    let person = 0..4_usize;
    let state = prop_oneof![3 => Just(ReviewState::Approved), 1 => Just(ReviewState::ChangesRequested)];
    let step = prop_oneof![
        2 => (pick.clone(), pick.clone()).prop_map(|(by, author)| Step::Push { by, author }),
        5 => (pick.clone(), state).prop_map(|(by, state)| Step::Review { by, state }),
        1 => (pick.clone(), pick.clone()).prop_map(|(of, by)| Step::Dismiss { of, by }),
        1 => person.clone().prop_map(|by| Step::Retarget { by }),
        1 => (person.clone(), person).prop_map(|(who, by)| Step::Assign { who, by }),
    ];
    vec(step, 0..7)
}

fn play(number: u64, opener: usize, steps: &[Step]) -> Pull {
    let mut pull = Pull::opened(number, &who(opener), &format!("c{number}"));
    for (index, step) in steps.iter().enumerate() {
        pull = match *step {
            Step::Push { by, author } => pull.push(&who(by), &format!("c{number}{index}"), &who(author)),
            Step::Review { by, state } => pull.review(&who(by), state),
            Step::Dismiss { of, by } => {
                let has = pull.0.timeline.iter().any(|event| {
                    matches!(event, TimelineEvent::Reviewed(review)
                        if review.by == Some(who(of)) && review.state != ReviewState::Dismissed)
                });
                let latest_stands = pull.0.timeline.iter().rev().find_map(|event| match event {
                    TimelineEvent::Reviewed(review) if review.by == Some(who(of)) => Some(review.state),
                    _ => None,
                }) != Some(ReviewState::Dismissed);
                if has && latest_stands { pull.dismissed(&who(of), Some(&who(by))) } else { pull }
            }
            Step::Retarget { by } => pull.retargeted(&who(by)),
            Step::Assign { who: assigned, by } => pull.assigned(&who(assigned), &who(by)),
        };
    }
    pull
}

fn pulls() -> impl Strategy<Value = Pull> {
    (0..6_usize, steps(), any::<bool>()).prop_map(|(opener, steps, merged)| {
        let pull = play(1, opener, &steps);
        if merged { pull.merged(&user("cat")) } else { pull }
    })
}

/// A release of one to three changes, deployed by one of the accounts and perhaps approved by another.
fn releases() -> impl Strategy<Value = Deployment> {
    // Mostly quiet changes by ann or ben that cat reviews and dee deploys, or little would ever be allowed.
    let opener = prop_oneof![4 => 0..2_usize, 1 => 0..6_usize];
    let steps = prop_oneof![2 => Just(Vec::new()), 1 => steps()];
    let deployer = prop_oneof![3 => Just(3_usize), 1 => 0..6_usize];
    let approver = proptest::option::weighted(0.2, prop_oneof![2 => Just(3_usize), 1 => 0..4_usize]);
    (vec((opener, steps, 0..16_u8), 1..4), deployer, approver).prop_map(|(changes, by, approver)| {
        let ids = ["m1", "m2", "m3"];
        let landed: Vec<Landed> = changes
            .iter()
            .zip(ids)
            .enumerate()
            .map(|(index, ((opener, steps, kind), id))| {
                if *kind == 0 {
                    return Landed::Push(id, who(*opener));
                }
                let pull = play(index as u64 + 1, *opener, steps);
                let pull = if *kind > 2 { pull.approved(&user("cat")) } else { pull };
                Landed::Merge(id, pull.merged(&user("cat")))
            })
            .collect();
        let release = Release::of(&landed).by(&who(by));
        match approver {
            Some(approver) => release.approvals(&[&who(approver)]).0,
            None => release.0,
        }
    })
}

fn of_pull(pr: PullRequest) -> Verdict {
    judge(&facts(Subject::PullRequest(Box::new(pr))))
}

fn of_release(deployment: Deployment) -> Verdict {
    judge(&facts(Subject::Deployment(Box::new(deployment))))
}

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

/// Every way of hiding one fact of a pull request, as GitHub hides them.
fn with_one_hidden(pr: &PullRequest, pick: usize) -> Vec<PullRequest> {
    let mut ways = Vec::new();
    let mut hide = |change: &dyn Fn(&mut PullRequest)| {
        let mut hidden = pr.clone();
        change(&mut hidden);
        ways.push(hidden);
    };
    hide(&|pr| pr.opener = None);
    hide(&|pr| {
        let at = pick % pr.pushes.len();
        pr.pushes.remove(at);
    });
    hide(&|pr| {
        let at = pick % pr.pushes.len();
        pr.pushes[at].by = None;
    });
    hide(&|pr| {
        let at = pick % pr.commits.len();
        pr.commits[at].author.account = None;
    });
    hide(&|pr| {
        let at = pick % pr.commits.len();
        pr.commits.remove(at);
    });
    hide(&|pr| pr.missing.push("something".to_owned()));
    hide(&|pr| pr.merge_base = None);
    let reviews = pr.timeline.iter().filter(|event| matches!(event, TimelineEvent::Reviewed(_))).count();
    if reviews > 0 {
        let nth = pick % reviews;
        let mut each = |change: &dyn Fn(&mut crate::domain::Review)| {
            hide(&|pr| {
                let mut reviews = pr.timeline.iter_mut().filter_map(|event| match event {
                    TimelineEvent::Reviewed(review) => Some(review),
                    _ => None,
                });
                change(reviews.nth(nth).expect("that review"));
            });
        };
        each(&|review| review.by = None);
        each(&|review| review.could_write = None);
        each(&|review| (review.commit, review.tree) = (None, None));
    }
    let dismissals = |event: &TimelineEvent| matches!(event, TimelineEvent::Dismissed { .. });
    if pr.timeline.iter().any(dismissals) {
        hide(&|pr| pr.timeline.retain(|event| !dismissals(event)));
        hide(&|pr| {
            for event in &mut pr.timeline {
                if let TimelineEvent::Dismissed { by, .. } = event {
                    *by = None;
                }
            }
        });
    }
    if pr.timeline.iter().any(|event| matches!(event, TimelineEvent::Merged { .. })) {
        hide(&|pr| {
            pr.timeline.retain(|event| !matches!(event, TimelineEvent::Merged { .. }));
        });
    }
    ways
}

fn renamed(facts: &Facts) -> Facts {
    let text = serde_json::to_string(facts).expect("facts as JSON");
    let mut text = text;
    for (login, other) in [("ann", "zoe"), ("ben", "Ann"), ("cat", "ben"), ("dee", "CAT")] {
        text = text.replace(&format!("\"login\":\"{login}\""), &format!("\"login\":\"renamed-{other}\""));
    }
    serde_json::from_str(&text).expect("facts again")
}

fn codes(verdict: &Verdict) -> Vec<(String, Option<u64>)> {
    let codes = verdict.reasons.iter();
    codes.map(|reason| (reason.code.clone(), reason.account.as_ref().map(|account| account.id.0))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_more_contributor_never_makes_a_verdict_better(pull in pulls(), pick in 0..4_usize) {
        let before = of_pull(pull.0.clone());
        for more in with_one_more(&pull.0, pick) {
            let after = of_pull(more);
            prop_assert!(after.outcome >= before.outcome, "{} became {}", before.outcome, after.outcome);
        }
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
    fn what_is_hidden_never_becomes_permission(pull in pulls(), pick in 0..8_usize) {
        let before = of_pull(pull.0.clone());
        for hidden in with_one_hidden(&pull.0, pick) {
            let after = of_pull(hidden.clone());
            let worst_kept = after.outcome >= before.outcome.min(Outcome::Undetermined);
            prop_assert!(worst_kept, "{} became {}\n{hidden:#?}", before.outcome, after.outcome);
        }
    }

    #[test]
    fn what_is_hidden_in_a_release_never_becomes_permission(release in releases(), pick in 0..8_usize) {
        let before = of_release(release.clone());
        let mut ways = Vec::new();
        let mut hide = |change: &dyn Fn(&mut Deployment)| {
            let mut hidden = release.clone();
            change(&mut hidden);
            ways.push(hidden);
        };
        let nth = pick % release.changes.len();
        hide(&|it| it.changes.truncate(nth));
        hide(&|it| drop(it.changes.remove(nth)));
        hide(&|it| it.approval.asked = None);
        hide(&|it| it.run.as_mut().unwrap().first.actor = None);
        hide(&|it| it.run.as_mut().unwrap().head_repository = None);
        hide(&|it| it.history_unavailable = Some("gone".to_owned()));
        hide(&|it| it.start = None);
        hide(&|it| it.changes[nth].pull_request = None);
        hide(&|it| {
            it.changes[nth].landing = None;
            it.line.landings.clear();
        });
        for hidden in ways {
            let after = of_release(hidden);
            let worst_kept = after.outcome >= before.outcome.min(Outcome::Undetermined);
            prop_assert!(worst_kept, "{} became {}", before.outcome, after.outcome);
        }
    }

    #[test]
    fn a_new_login_changes_nothing_but_labels(release in releases()) {
        let facts = facts(Subject::Deployment(Box::new(release)));
        let (before, after) = (judge(&facts), judge(&renamed(&facts)));
        prop_assert_eq!(before.outcome, after.outcome);
        prop_assert_eq!(codes(&before), codes(&after));
        prop_assert_eq!(before.up_to, after.up_to);
        let ids = |accounts: &[Account]| accounts.iter().map(|account| account.id).collect::<Vec<_>>();
        prop_assert_eq!(ids(&before.can_deploy), ids(&after.can_deploy));
    }

    #[test]
    fn whatever_is_allowed_has_three_people_behind_each_change(release in releases()) {
        let verdict = of_release(release);
        for change in &verdict.changes {
            let allowed = verdict.outcome == Outcome::Allow;
            prop_assert_eq!(change.three.is_some(), allowed);
            if let Some(three) = &change.three {
                let ids = [three.author.id, three.reviewer.id, three.deployer.id];
                prop_assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
                let contributes = |id| change.contributors.iter().any(|it| it.account.id == id);
                prop_assert!(contributes(ids[0]) && !contributes(ids[1]) && !contributes(ids[2]));
                prop_assert_eq!(three.reviewer.kind, AccountKind::User);
            }
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
