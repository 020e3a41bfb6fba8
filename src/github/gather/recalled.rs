//! Accounts that are gone: what an earlier decision on the same thing knew of them.
//!
//! Invariant: only what GitHub showed while the account lived and what is on record since; nothing that GitHub still shows
//! is replaced. An account that was never seen stays unknown.

use super::Look;
use crate::github::client::GitHubError;
use countersign_core::domain::{
    Account, Attempt, CommitIdentity, DrivingRun, EntryBody, Facts, PullRequest, Run, Subject, TimelineEvent,
};

/// So many earlier decisions are asked: each had recalled what the ones before it knew.
const ASKED: u32 = 3;

/// Fills in who is gone from a pull request.
pub(super) async fn pull_request(look: &Look<'_>, pull_request: &mut PullRequest) -> Result<(), GitHubError> {
    if !places(pull_request).into_iter().any(is_gone) {
        return Ok(());
    }
    let subject = format!("repository:{}/pull_request:{}", look.repository.id, pull_request.number);
    for facts in facts_on(look, &subject).await? {
        match facts.subject {
            Subject::PullRequest(earlier) => recall(pull_request, *earlier),
            Subject::Landed(landed) => {
                if let Some(earlier) = landed.pull_request {
                    recall(pull_request, earlier);
                }
            }
            Subject::MergeGroup(_) | Subject::Deployment(_) => {}
        }
    }
    Ok(())
}

/// Fills in who started a run and is gone.
pub(super) async fn run(look: &Look<'_>, run: &mut Run) -> Result<(), GitHubError> {
    let gone = |attempt: &Attempt| is_gone(attempt.actor.as_ref()) || is_gone(attempt.triggering_actor.as_ref());
    if !gone(&run.first) && !gone(&run.this) {
        return Ok(());
    }
    let earlier = look.store.deployments_of(look.repository.id, run.id, ASKED).await?;
    for facts in earlier.into_iter().filter_map(facts_of) {
        let Subject::Deployment(deployment) = facts.subject else { continue };
        let Some(known) = deployment.run else { continue };
        for attempt in [known.first, known.this] {
            for mine in [&mut run.first, &mut run.this].into_iter().filter(|mine| mine.number == attempt.number) {
                take(&mut mine.actor, attempt.actor.clone());
                take(&mut mine.triggering_actor, attempt.triggering_actor.clone());
            }
        }
    }
    // Whose event it was stays the same however often it is run again.
    take(&mut run.this.actor, run.first.actor.clone());
    Ok(())
}

/// Fills in who stood behind an attempt of a run and is gone, from what was seen of that attempt before.
pub(super) fn driving(runs: &mut [DrivingRun]) {
    let known = runs.to_vec();
    for run in runs.iter_mut().filter(|run| run.attempt.is_some()) {
        for same in known.iter().filter(|it| (it.run, it.attempt) == (run.run, run.attempt)) {
            take(&mut run.actor, same.actor.clone());
            take(&mut run.triggering_actor, same.triggering_actor.clone());
        }
    }
}

async fn facts_on(look: &Look<'_>, subject: &str) -> Result<Vec<Facts>, GitHubError> {
    Ok(look.store.decided_on(subject, ASKED).await?.into_iter().filter_map(facts_of).collect())
}

fn facts_of(body: EntryBody) -> Option<Facts> {
    match body {
        EntryBody::Decision(decision) => Some(decision.facts),
        _ => None,
    }
}

fn is_gone(account: Option<&Account>) -> bool {
    account.is_none_or(|account| account.login.eq_ignore_ascii_case("ghost"))
}

fn take(place: &mut Option<Account>, known: Option<Account>) {
    if is_gone(place.as_ref()) && !is_gone(known.as_ref()) {
        *place = known;
    }
}

/// Everywhere an account stands in a pull request.
fn places(pull_request: &PullRequest) -> Vec<Option<&Account>> {
    let of_commits = pull_request.commits.iter().flat_map(|commit| {
        let named = [&commit.author, &commit.committer].into_iter().chain(&commit.coauthors);
        named.map(|identity| identity.account.as_ref())
    });
    let of_pushes = pull_request.pushes.iter().map(|push| push.by.as_ref());
    let of_timeline = pull_request.timeline.iter().flat_map(|event| match event {
        TimelineEvent::Reviewed(review) => vec![review.by.as_ref()],
        TimelineEvent::Assigned { who, by } => vec![who.as_ref(), by.as_ref()],
        TimelineEvent::Dismissed { by, .. }
        | TimelineEvent::Retargeted { by, .. }
        | TimelineEvent::ForcePushed { by, .. }
        | TimelineEvent::Merged { by, .. }
        | TimelineEvent::Closed { by }
        | TimelineEvent::Reopened { by }
        | TimelineEvent::AutoMergeEnabled { by }
        | TimelineEvent::Queued { by } => vec![by.as_ref()],
        TimelineEvent::AutoMergeDisabled | TimelineEvent::Dequeued => Vec::new(),
    });
    [pull_request.opener.as_ref()].into_iter().chain(of_commits).chain(of_pushes).chain(of_timeline).collect()
}

fn recall(pull_request: &mut PullRequest, earlier: PullRequest) {
    take(&mut pull_request.opener, earlier.opener);
    for known in earlier.commits {
        let Some(commit) = pull_request.commits.iter_mut().find(|commit| commit.oid == known.oid) else { continue };
        name(&mut commit.author, known.author);
        name(&mut commit.committer, known.committer);
        if commit.coauthors.len() == known.coauthors.len() {
            commit.coauthors.iter_mut().zip(known.coauthors).for_each(|(mine, known)| name(mine, known));
        }
    }
    for known in earlier.pushes {
        let same = pull_request
            .pushes
            .iter_mut()
            .filter(|push| (&push.before, &push.after, push.source) == (&known.before, &known.after, known.source));
        same.for_each(|push| take(&mut push.by, known.by.clone()));
    }
    // GitHub adds to a timeline and takes nothing away: what stands at the same place is the same.
    for (mine, known) in pull_request.timeline.iter_mut().zip(earlier.timeline) {
        if !happened_again(mine, known) {
            break;
        }
    }
}

fn name(mine: &mut CommitIdentity, known: CommitIdentity) {
    take(&mut mine.account, known.account);
}

/// Fills in who did it, where both are the same event.
fn happened_again(mine: &mut TimelineEvent, known: TimelineEvent) -> bool {
    use TimelineEvent::{
        Assigned, AutoMergeDisabled, AutoMergeEnabled, Closed, Dequeued, Dismissed, ForcePushed, Merged, Queued,
        Reopened, Retargeted, Reviewed,
    };
    match (mine, known) {
        (Reviewed(mine), Reviewed(known)) if mine.id == known.id => take(&mut mine.by, known.by),
        (Assigned { who, by }, Assigned { who: known_who, by: known_by }) => {
            take(who, known_who);
            take(by, known_by);
        }
        (Dismissed { by, .. }, Dismissed { by: known, .. })
        | (Retargeted { by, .. }, Retargeted { by: known, .. })
        | (ForcePushed { by, .. }, ForcePushed { by: known, .. })
        | (Merged { by, .. }, Merged { by: known, .. })
        | (Closed { by }, Closed { by: known })
        | (Reopened { by }, Reopened { by: known })
        | (AutoMergeEnabled { by }, AutoMergeEnabled { by: known })
        | (Queued { by }, Queued { by: known }) => take(by, known),
        (AutoMergeDisabled, AutoMergeDisabled) | (Dequeued, Dequeued) => {}
        _ => return false,
    }
    true
}
