//! What is settled about a merged pull request: whether reading it again could ever show anything that matters.
//!
//! Invariant: where anything in it is unknown, could still be cured, or could still gain a contributor, it is not settled.
//! A merged pull request is judged by what had happened when it was merged, so what came later is not looked at here.

use super::merges::merges_of_base;
use super::pushes::{commits_are_whole, pushes};
use super::timeline::{is_merged, until_merge};
use crate::domain::{
    Account, AccountId, AccountKind, Commit, CommitSha, MergeProof, PullRequest, Push, PushSource, Review, ReviewState,
    TimelineEvent,
};
use std::collections::BTreeSet;

/// Whether these facts of a merged pull request will stay what they are.
///
/// Whom a commit belongs to is read when it is judged: a name that no account is linked to may be linked later, so a pull
/// request with one is never settled. Nor is one that `github-actions[bot]` opened or pushed to: the runs that drove it may
/// not all have been shown yet.
pub fn is_settled(pr: &PullRequest) -> bool {
    let timeline = until_merge(pr, is_merged(pr));
    let pushes = pushes(pr);
    let driven =
        pr.opener.iter().chain(pushes.known.iter().filter_map(|push| push.by.as_ref())).any(Account::is_actions);
    let by_somebody = |push: &&Push| push.source == PushSource::OpenedFromFork || is_known(push.by.as_ref());
    is_merged(pr)
        && !timeline.merge_unseen
        && pr.missing.is_empty()
        && pushes.gap.is_none()
        && commits_are_whole(pr)
        && is_known(pr.opener.as_ref())
        && !driven
        && pushes.known.iter().all(by_somebody)
        && pr.commits.iter().all(is_attributed)
        && merges_of_base(pr).into_iter().all(|place| pr.commits.get(place).is_some_and(is_proved))
        && pr.timeline.iter().any(is_whole_merge)
        && timeline.events.iter().all(|event| is_whole(pr, event))
}

/// Whether what was observed since leaves kept facts as they are. `joined` is `kept` with all that is observed by now.
pub fn adds_nothing(kept: &PullRequest, joined: &PullRequest) -> bool {
    let told = |pr: &PullRequest| {
        let pushes = pushes(pr);
        let of_branch = |source| ![PushSource::CommitListed, PushSource::OpenedFromFork].contains(&source);
        let known: BTreeSet<(CommitSha, CommitSha, Option<AccountId>, bool)> = pushes
            .known
            .into_iter()
            .map(|push| {
                let by = push.by.as_ref().map(|by| by.id);
                (push.before.clone(), push.after.clone(), by, of_branch(push.source))
            })
            .collect();
        (known, pushes.gap)
    };
    let beside = |pr: &PullRequest| PullRequest { pushes: Vec::new(), on_base: Vec::new(), ..pr.clone() };
    // Movements of the branch that led to nothing that was merged (its deletion, above all) are told here, and do not matter.
    told(kept) == told(joined) && beside(kept) == beside(joined)
}

fn is_whole_merge(event: &TimelineEvent) -> bool {
    matches!(event, TimelineEvent::Merged { by, commit: Some(_) } if is_known(by.as_ref()))
}

fn is_known(account: Option<&Account>) -> bool {
    account.is_some_and(|account| {
        matches!(account.kind, AccountKind::User | AccountKind::Bot) && !account.login.eq_ignore_ascii_case("ghost")
    })
}

/// Every name in it is an account's. GitHub's own committer needs none.
fn is_attributed(commit: &Commit) -> bool {
    is_known(commit.author.account.as_ref())
        && (commit.committed_by_github || is_known(commit.committer.account.as_ref()))
        && commit.coauthors.iter().all(|coauthor| is_known(coauthor.account.as_ref()))
}

fn is_proved(commit: &Commit) -> bool {
    matches!(commit.merge, Some(MergeProof::Mechanical | MergeProof::Differs))
}

/// Nobody and nothing that the event is about is unknown.
fn is_whole(pr: &PullRequest, event: &TimelineEvent) -> bool {
    match event {
        TimelineEvent::Reviewed(review) => is_review_whole(pr, review),
        TimelineEvent::Dismissed { review, was, by, .. } => {
            review.is_some() && *was != ReviewState::Dismissed && is_known(by.as_ref())
        }
        TimelineEvent::ForcePushed { before, after, by } => {
            before.is_some() && after.is_some() && is_known(by.as_ref())
        }
        TimelineEvent::Assigned { who, by } => is_known(who.as_ref()) && is_known(by.as_ref()),
        TimelineEvent::AutoMergeEnabled { by } | TimelineEvent::Queued { by } => is_known(by.as_ref()),
        TimelineEvent::Retargeted { .. }
        | TimelineEvent::Merged { .. }
        | TimelineEvent::Closed { .. }
        | TimelineEvent::Reopened { .. }
        | TimelineEvent::AutoMergeDisabled
        | TimelineEvent::Dequeued => true,
    }
}

fn is_review_whole(pr: &PullRequest, review: &Review) -> bool {
    if matches!(review.state, ReviewState::Commented) {
        return true;
    }
    let told =
        |event: &TimelineEvent| matches!(event, TimelineEvent::Dismissed { review: Some(id), .. } if *id == review.id);
    let dismissed = review.state == ReviewState::Dismissed;
    review.state != ReviewState::Pending
        && is_known(review.by.as_ref())
        && review.commit.is_some()
        && review.could_write.is_some()
        && (!dismissed || pr.timeline.iter().any(told))
}
