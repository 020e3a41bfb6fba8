//! What was observed of a pull request when it happened, joined to what GitHub shows now.
//!
//! Invariant: what was observed first wins, and nothing GitHub shows later takes it away. Next: `pushes.rs`.

use countersign_core::domain::{
    Account, AccountId, AccountKind, CommitSha, Observation, PullRequest, PullRequestNumber, Push, PushSource,
    TimelineEvent,
};
use std::collections::BTreeSet;

/// What observations about a pull request itself, and about its branches, are kept under.
pub(super) fn topics(number: PullRequestNumber, head_branch: &str, base_branch: &str) -> [String; 3] {
    [format!("pull_request:{number}"), format!("branch:{head_branch}"), format!("branch:{base_branch}")]
}

/// What observations about its commits and its reviewers are kept under.
pub(super) fn topics_of_others(pull_request: &PullRequest) -> Vec<String> {
    let commits = pull_request.commits.iter().map(|commit| format!("commit:{}", commit.oid));
    commits.chain(judges(pull_request).iter().map(|id| format!("account:{id}"))).collect()
}

/// Those whose say needs write access: reviewers, and whoever dismissed what they said.
pub(super) fn judges(pull_request: &PullRequest) -> BTreeSet<AccountId> {
    let judges = pull_request.timeline.iter().filter_map(|event| match event {
        TimelineEvent::Reviewed(review) => review.by.as_ref().map(|by| by.id),
        TimelineEvent::Dismissed { by, .. } => by.as_ref().map(|by| by.id),
        _ => None,
    });
    judges.collect()
}

/// What was observed when it happened wins; what is seen for the first time is kept.
pub(super) fn of_pull_request(
    pull_request: &mut PullRequest,
    observed: &[&Observation],
    learned: &mut Vec<Observation>,
) {
    let number = pull_request.number;
    for seen in observed {
        match seen {
            Observation::Opened { number: of, by, .. } if *of == number && pull_request.opener.is_none() => {
                pull_request.opener = Some(by.clone());
            }
            Observation::Pushed { branch, push } if *branch == pull_request.head_branch => {
                pull_request.pushes.push(push.clone());
            }
            Observation::Synchronized { number: of, push } if *of == number => pull_request.pushes.push(push.clone()),
            _ => {}
        }
    }
    for event in &mut pull_request.timeline {
        let TimelineEvent::Reviewed(review) = event else { continue };
        let submitted = observed.iter().find_map(|seen| match seen {
            Observation::Reviewed { review: id, commit, by, .. } if *id == review.id => Some((commit, by)),
            _ => None,
        });
        let shown = observed.iter().find_map(|seen| match seen {
            Observation::ReviewSeen { review: id, commit, by, .. } if *id == review.id => Some((commit, by)),
            _ => None,
        });
        match submitted.or(shown) {
            Some((commit, by)) => {
                if review.commit.as_ref() != Some(commit) {
                    // Re-pointed since: what GitHub shows now is another commit's tree.
                    review.commit = Some(commit.clone());
                    review.tree = None;
                }
                match &mut review.by {
                    // REST says what is a bot, where GraphQL may show a user.
                    Some(now) if now.id == by.id && by.kind != AccountKind::User => now.kind = by.kind,
                    Some(_) => {}
                    now @ None => *now = Some(by.clone()),
                }
            }
            None => {
                if let (Some(commit), Some(by)) = (&review.commit, &review.by) {
                    learned.push(Observation::ReviewSeen {
                        number,
                        review: review.id,
                        commit: commit.clone(),
                        by: by.clone(),
                    });
                }
            }
        }
        let first = observed.iter().find_map(|seen| match seen {
            Observation::CouldWrite { review: id, could_write, .. } if *id == review.id => Some(*could_write),
            _ => None,
        });
        match (first, review.could_write) {
            (Some(first), _) => review.could_write = Some(first),
            (None, Some(could_write)) => {
                learned.push(Observation::CouldWrite { number, review: review.id, could_write });
            }
            (None, None) => {}
        }
    }
}

/// What was observed of its commits wherever they were pushed, and of its reviewers. `observed` is all that is known of it;
/// `in_doubt` are deliveries of given access that only seem to have been sent before the opening.
pub(super) fn of_others(pull_request: &mut PullRequest, observed: &[&Observation], in_doubt: &BTreeSet<u64>) {
    let opened = observed.iter().find_map(|seen| match seen {
        Observation::Opened { number, arrival, .. } if *number == pull_request.number => *arrival,
        _ => None,
    });
    // GitHub shows the commit, and the push that it made for whoever merged.
    let merged_as: Vec<Option<CommitSha>> = pull_request
        .timeline
        .iter()
        .filter_map(|event| match event {
            TimelineEvent::Merged { commit, .. } => Some(commit.clone()),
            _ => None,
        })
        .collect();
    let mut given: Vec<(AccountId, &Account)> = Vec::new();
    for seen in observed {
        match seen {
            // The queue pushes what it builds a group of: that brings nothing to a pull request.
            Observation::CommitListed { by: Some(by), .. } if by.is_merge_queue() => {}
            Observation::CommitListed { onto, .. } if onto.is_some() && merged_as.contains(onto) => {}
            Observation::CommitListed { commit, by, .. } => pull_request.pushes.push(Push {
                before: commit.clone(),
                after: commit.clone(),
                by: by.clone(),
                source: PushSource::CommitListed,
            }),
            // Where it is not known which came first, it is taken for the worse.
            Observation::WriteGiven { to, by, arrival }
                if opened.is_none() || arrival.is_none_or(|at| in_doubt.contains(&at)) || *arrival > opened =>
            {
                given.push((*to, by));
            }
            _ => {}
        }
    }
    let givers = |to: Option<&Account>| -> Vec<Account> {
        let theirs = given.iter().filter(|(whom, _)| to.is_some_and(|to| to.id == *whom));
        theirs.map(|(_, by)| (*by).clone()).collect()
    };
    for event in &mut pull_request.timeline {
        match event {
            TimelineEvent::Reviewed(review) => review.write_given_by = givers(review.by.as_ref()),
            TimelineEvent::Dismissed { by, write_given_by, .. } => *write_given_by = givers(by.as_ref()),
            _ => {}
        }
    }
}

/// The push that a fork's pull request starts with, as its `opened` delivery named the head.
pub(super) fn opened(observed: &[&Observation], number: PullRequestNumber) -> Option<Push> {
    observed.iter().find_map(|seen| match seen {
        Observation::Opened { number: of, head, by, .. } if *of == number => Some(Push {
            before: CommitSha::new("0".repeat(40)),
            after: head.clone(),
            by: Some(by.clone()),
            source: PushSource::OpenedFromFork,
        }),
        _ => None,
    })
}
