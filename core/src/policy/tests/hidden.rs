//! The law of hidden facts: whatever GitHub does not show (null, cut short, lost), the outcome never moves towards allow.
//!
//! Hidden here is what can be noticed to be hidden, each way as GitHub hides it. What nobody could notice (a whole event
//! that is not in the timeline) gathering must notice: a list that is not whole is named under `missing`, a way of its own.

use super::histories::{of_pull, of_release, pulls, releases, so_many};
use super::packs::{TESTED, TICKETED, tested, ticketed};
use super::world::{Pull, judge, under};
use crate::domain::{Deployment, Facts, Outcome, PullRequest, Review, Subject, TimelineEvent, Verdict};
use proptest::prelude::*;

/// A way of hiding something, with its name; it may find nothing to hide.
type Way<T> = (&'static str, fn(&mut T, usize));

fn nth<T>(list: &mut [T], pick: usize) -> Option<&mut T> {
    let at = pick.checked_rem(list.len())?;
    list.get_mut(at)
}

fn without<T>(list: &mut Vec<T>, pick: usize) {
    if let Some(at) = pick.checked_rem(list.len()) {
        list.remove(at);
    }
}

fn review(pr: &mut PullRequest, pick: usize) -> Option<&mut Review> {
    let mut reviews: Vec<&mut Review> = pr
        .timeline
        .iter_mut()
        .filter_map(|event| match event {
            TimelineEvent::Reviewed(review) => Some(review),
            _ => None,
        })
        .collect();
    let at = pick.checked_rem(reviews.len())?;
    Some(reviews.swap_remove(at))
}

/// Of a pull request.
const OF_A_PULL_REQUEST: &[Way<PullRequest>] = &[
    ("who opened it", |pr, _| pr.opener = None),
    ("a push", |pr, pick| without(&mut pr.pushes, pick)),
    ("all pushes", |pr, _| pr.pushes.clear()),
    ("who pushed", |pr, pick| nth(&mut pr.pushes, pick).unwrap().by = None),
    ("a commit", |pr, pick| without(&mut pr.commits, pick)),
    ("whose commit it is", |pr, pick| nth(&mut pr.commits, pick).unwrap().author.account = None),
    ("who committed it", |pr, pick| nth(&mut pr.commits, pick).unwrap().committer.account = None),
    ("a commit's parents", |pr, pick| nth(&mut pr.commits, pick).unwrap().parents.clear()),
    ("whether a merge is mechanical", |pr, pick| nth(&mut pr.commits, pick).unwrap().merge = None),
    ("that GitHub committed it", |pr, pick| nth(&mut pr.commits, pick).unwrap().committed_by_github = false),
    ("where it left the base", |pr, _| pr.merge_base = None),
    ("what is on the base", |pr, _| pr.on_base.clear()),
    ("something that is said to be", |pr, _| pr.missing.push("something".to_owned())),
    ("whose repository the head is in", |pr, _| pr.head_repository = None),
    ("the runs in progress", |pr, _| pr.runs.clear()),
    ("who gave a review", |pr, pick| {
        if let Some(review) = review(pr, pick) {
            review.by = None;
        }
    }),
    ("whether a reviewer could write", |pr, pick| {
        if let Some(review) = review(pr, pick) {
            review.could_write = None;
        }
    }),
    ("what was reviewed", |pr, pick| {
        if let Some(review) = review(pr, pick) {
            (review.commit, review.tree) = (None, None);
        }
    }),
    ("the commit that was reviewed", |pr, pick| {
        if let Some(review) = review(pr, pick) {
            review.commit = None;
        }
    }),
    ("the content that was reviewed", |pr, pick| {
        if let Some(review) = review(pr, pick) {
            (review.tree, review.merge_base) = (None, None);
        }
    }),
    ("the merges that a force-push dropped", |pr, _| pr.dropped_merges.clear()),
    ("all dismissals", |pr, _| pr.timeline.retain(|event| !matches!(event, TimelineEvent::Dismissed { .. }))),
    ("which reviews were dismissed", |pr, _| {
        for event in &mut pr.timeline {
            if let TimelineEvent::Dismissed { review, .. } = event {
                *review = None;
            }
        }
    }),
    ("who dismissed", |pr, _| {
        for event in &mut pr.timeline {
            if let TimelineEvent::Dismissed { by, .. } = event {
                *by = None;
            }
        }
    }),
    ("who was assigned", |pr, _| {
        for event in &mut pr.timeline {
            if let TimelineEvent::Assigned { who, .. } = event {
                *who = None;
            }
        }
    }),
    ("who assigned", |pr, _| {
        for event in &mut pr.timeline {
            if let TimelineEvent::Assigned { by, .. } = event {
                *by = None;
            }
        }
    }),
    ("who changed the base", |pr, _| {
        for event in &mut pr.timeline {
            if let TimelineEvent::Retargeted { by, .. } = event {
                *by = None;
            }
        }
    }),
    ("when it was merged", |pr, _| pr.timeline.retain(|event| !matches!(event, TimelineEvent::Merged { .. }))),
    ("who merged it", |pr, _| {
        for event in &mut pr.timeline {
            if let TimelineEvent::Merged { by, .. } = event {
                *by = None;
            }
        }
    }),
];

/// Of a deployment.
const OF_A_DEPLOYMENT: &[Way<Deployment>] = &[
    ("the changes from one on", |it, pick| it.changes.truncate(pick % it.changes.len())),
    ("a change", |it, pick| without(&mut it.changes, pick)),
    ("a pull request", |it, pick| nth(&mut it.changes, pick).unwrap().pull_request = None),
    ("the commits of a change", |it, pick| nth(&mut it.changes, pick).unwrap().commits.clear()),
    ("who wrote what came without a pull request", |it, pick| {
        nth(&mut it.changes, pick).unwrap().bare_commits.clear();
    }),
    ("something of a change that is said to be", |it, pick| {
        nth(&mut it.changes, pick).unwrap().missing.push("something".to_owned());
    }),
    ("how a change landed, beside the line", |it, pick| nth(&mut it.changes, pick).unwrap().landing = None),
    ("how a change landed", |it, pick| {
        nth(&mut it.changes, pick).unwrap().landing = None;
        it.line.landings.clear();
    }),
    ("who landed a change", |it, _| {
        for landing in it.line.landings.iter_mut().chain(it.changes.iter_mut().filter_map(|it| it.landing.as_mut())) {
            landing.by = None;
        }
    }),
    ("a commit of the line", |it, pick| without(&mut it.line.commits, pick)),
    ("the line", |it, _| it.line.commits.clear()),
    ("whether the line reaches the start", |it, _| it.line.reaches_start = false),
    ("the history", |it, _| it.history_unavailable = Some("gone".to_owned())),
    ("where it starts from", |it, _| it.start = None),
    ("whether an approval is asked", |it, _| it.approval.asked = None),
    ("who approved the environment", |it, _| it.approval.given_by.iter_mut().for_each(|by| *by = None)),
    ("the run", |it, _| it.run = None),
    ("the deployment's record", |it, _| it.record = None),
    ("who started the first attempt", |it, _| it.run.as_mut().unwrap().first.actor = None),
    ("who triggered the first attempt", |it, _| it.run.as_mut().unwrap().first.triggering_actor = None),
    ("who started this attempt", |it, _| it.run.as_mut().unwrap().this.actor = None),
    ("who triggered this attempt", |it, _| it.run.as_mut().unwrap().this.triggering_actor = None),
    ("which repository the run is of", |it, _| it.run.as_mut().unwrap().head_repository = None),
    ("which branch the run is of", |it, _| it.run.as_mut().unwrap().head_branch = None),
    ("something that is said to be", |it, _| it.missing.push("something".to_owned())),
    ("who may write", |it, _| it.writers = None),
];

fn never_better(what: &str, before: &Verdict, after: &Verdict) -> Result<(), TestCaseError> {
    // Whether it is denied or cannot be told, it is blocked.
    let blocked = before.outcome.min(Outcome::Undetermined);
    prop_assert!(after.outcome >= blocked, "{what} hidden: {} became {}", before.outcome, after.outcome);
    Ok(())
}

proptest! {
    #![proptest_config(so_many())]

    #[test]
    fn what_is_hidden_of_a_pull_request_never_becomes_permission(pull in pulls(), pick in 0..8_usize) {
        let before = of_pull(pull.0.clone());
        for (what, hide) in OF_A_PULL_REQUEST {
            let mut hidden = pull.0.clone();
            hide(&mut hidden, pick);
            never_better(what, &before, &of_pull(hidden))?;
        }
    }

    #[test]
    fn what_is_hidden_of_a_release_never_becomes_permission(release in releases(), pushed: bool, pick in 0..8_usize) {
        let release = if pushed && release.changes.last().is_some_and(|it| it.pull_request.is_some()) {
            super::world::Release(release).by_push().0
        } else {
            release
        };
        let before = of_release(release.clone());
        for (what, hide) in OF_A_DEPLOYMENT {
            let mut hidden = release.clone();
            hide(&mut hidden, pick);
            let after = of_release(hidden);
            never_better(what, &before, &after)?;
        }
        for (what, hide) in OF_A_PULL_REQUEST {
            let mut hidden = release.clone();
            let mut pulls: Vec<_> = hidden.changes.iter_mut().filter_map(|it| it.pull_request.as_mut()).collect();
            let Some(pr) = nth(&mut pulls, pick) else { continue };
            hide(pr, pick);
            never_better(what, &before, &of_release(hidden))?;
        }
    }

    #[test]
    fn what_is_hidden_of_checks_and_tickets_never_becomes_permission(pull in pulls(), succeeded: bool) {
        let hidden = |mut facts: Facts, hide: fn(&mut PullRequest)| {
            if let Subject::PullRequest(pr) = &mut facts.subject {
                hide(pr);
            }
            judge(&facts)
        };
        let checked = tested(Pull(pull.0.clone()), &[("ci/test", succeeded)]);
        never_better("results", &judge(&checked), &hidden(checked.clone(), |pr| pr.checks = None))?;
        never_better("results", &judge(&checked), &hidden(checked.clone(), |pr| pr.checks = Some(Vec::new())))?;
        let named = ticketed(pull, if succeeded { &["SHOP-7"] } else { &[] });
        never_better("tickets", &judge(&named), &hidden(named.clone(), |pr| pr.tickets = None))?;
        // What a pack adds never makes it better either.
        for pack in [TESTED, TICKETED] {
            let alone = judge(&under(&["three-person"], checked.clone()));
            never_better("nothing", &alone, &judge(&under(pack, checked.clone())))?;
        }
    }
}
