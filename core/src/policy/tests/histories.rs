//! Random histories of pull requests and releases, for the laws.

use super::world::{Landed, Pull, Release, bot, facts, judge, user};
use crate::domain::{Account, Deployment, PullRequest, ReviewState, Subject, TimelineEvent, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;

/// How many histories a law is tried over: `PROPTEST_CASES` says otherwise.
pub(super) fn so_many() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// What may happen to a pull request. Numbers pick accounts.
#[derive(Debug, Clone, Copy)]
enum Step {
    Push { by: usize, author: usize },
    Review { by: usize, state: ReviewState },
    Dismiss { of: usize, by: usize },
    Retarget { by: usize },
    Assign { who: usize, by: usize },
}

pub(super) fn who(pick: usize) -> Account {
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

pub(super) fn pulls() -> impl Strategy<Value = Pull> {
    (0..6_usize, steps(), any::<bool>()).prop_map(|(opener, steps, merged)| {
        let pull = play(1, opener, &steps);
        if merged { pull.merged(&user("cat")) } else { pull }
    })
}

/// A release of one to three changes, deployed by one of the accounts and perhaps approved by another.
pub(super) fn releases() -> impl Strategy<Value = Deployment> {
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

pub(super) fn of_pull(pr: PullRequest) -> Verdict {
    judge(&facts(Subject::PullRequest(Box::new(pr))))
}

pub(super) fn of_release(deployment: Deployment) -> Verdict {
    judge(&facts(Subject::Deployment(Box::new(deployment))))
}
