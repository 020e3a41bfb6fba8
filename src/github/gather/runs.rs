//! Who drove `github-actions[bot]`: every run that was in progress when it opened a pull request or pushed to it.
//!
//! Invariant: any writer makes that account act, and nothing says which run did; so all of them answer, and where the
//! list of runs or the moment is not known whole, the facts say so. Next: `contributors.rs` in the core.
//!
//! Beside `chain.rs` this compares times: GitHub keeps no other order of runs and pushes. All of them are GitHub's
//! own clock, none is a commit's, and a wider reading only adds people.

use super::pushes::{Activity, activity_path};
use super::run::{self, RunPayload};
use super::{Look, recalled};
use crate::github::client::GitHubError;
use crate::github::event::AccountPayload;
use crate::store::observations::Seen;
use countersign_core::domain::{
    Account, Commit, CommitSha, DrivingRun, Observation, PullRequest, PullRequestState, Push, PushSource, RunAttempt,
    RunId,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// A run ends after this at the latest, waiting included (<https://docs.github.com/en/actions/reference/limits>).
pub(super) const LONGEST: Duration = Duration::days(35);

/// GitHub shows no more runs than this for one question.
const SHOWN: u64 = 1_000;

/// The act of opening, among acts that are else named by the commit pushed.
const OPENED: &str = "opened";

#[derive(Deserialize)]
struct RunsPayload {
    total_count: u64,
    workflow_runs: Vec<RunPayload>,
}

impl RunPayload {
    /// Whether it may have been in progress then.
    fn may_cover(&self, moment: OffsetDateTime) -> bool {
        let over = self.status.as_deref() == Some("completed") && self.updated_at < moment;
        self.run_started_at.unwrap_or(self.created_at) <= moment && !over
    }

    fn driving(self) -> DrivingRun {
        DrivingRun {
            run: RunId(self.id),
            attempt: Some(RunAttempt(self.run_attempt)),
            actor: self.actor.map(AccountPayload::account),
            triggering_actor: self.triggering_actor.map(AccountPayload::account),
        }
    }
}

/// Completes who stands behind what `github-actions[bot]` did to a pull request. `opened_at` is when it was opened.
pub(super) async fn complete(
    look: &Look<'_>,
    pull_request: &mut PullRequest,
    opened_at: Option<&str>,
    observed: &[&Observation],
) -> Result<(), GitHubError> {
    let mut acts = acts(pull_request);
    let merged = pull_request.state == PullRequestState::Merged;
    for seen in observed {
        if let Observation::RunInProgress { number, act, run } = seen
            && *number == pull_request.number
        {
            pull_request.runs.push(run.clone());
            // A list that lags may have shown some of them only: while it is open, all of them are asked for again.
            acts.retain(|asked, _| !merged || asked != act);
        }
    }
    if !acts.is_empty() {
        moments(look, pull_request, opened_at, &mut acts).await?;
        elsewhere(look, observed, &mut acts).await?;
        let undated = acts.iter().filter(|(_, moments)| moments.is_empty()).map(|(act, _)| when(act));
        pull_request.missing.extend(undated.collect::<Vec<_>>());
        acts.retain(|_, moments| !moments.is_empty());
        let learned = in_progress(look, pull_request, &acts).await?;
        pull_request.runs.extend(learned.iter().map(|(_, run)| run.clone()));
        let seen = learned.into_iter().map(|(act, run)| Seen {
            repository: look.repository.id,
            observation: Observation::RunInProgress { number: pull_request.number, act, run },
        });
        look.store.observe(seen.collect(), look.now).await?;
    }
    recalled::driving(&mut pull_request.runs);
    pull_request.runs.sort();
    pull_request.runs.dedup();
    Ok(())
}

/// What `github-actions[bot]` did to it, and when; a branch may be pushed away and back to the same commit.
type Acts = BTreeMap<String, Vec<OffsetDateTime>>;

/// What is no push to a branch that is seen here.
const ALONE: [PushSource; 2] = [PushSource::OpenedFromFork, PushSource::CommitListed];

/// The commits of a pull request that are reached from where a push left the branch and not from where it began.
fn new_by<'p>(pull_request: &'p PullRequest, push: &Push) -> BTreeSet<&'p CommitSha> {
    let parents: BTreeMap<&CommitSha, &Commit> =
        pull_request.commits.iter().map(|commit| (&commit.oid, commit)).collect();
    let reached = |from: &CommitSha| {
        let (mut found, mut ahead) = (BTreeSet::new(), vec![from]);
        while let Some(commit) = ahead.pop().and_then(|oid| parents.get(oid)) {
            if found.insert(&commit.oid) {
                ahead.extend(&commit.parents);
            }
        }
        found
    };
    let before = reached(&push.before);
    reached(&push.after).into_iter().filter(|oid| !before.contains(oid)).collect()
}

fn acts(pull_request: &PullRequest) -> Acts {
    let opened = pull_request.opener.iter().filter(|opener| opener.is_actions()).map(|_| OPENED.to_owned());
    let by_actions = |push: &&Push| push.by.as_ref().is_some_and(Account::is_actions);
    let pushes = || pull_request.pushes.iter().filter(by_actions);
    let of_branch: Vec<&Push> = pushes().filter(|push| !ALONE.contains(&push.source)).collect();
    // A push to the branch brought all that is new by it: each of these commits is listed too, and needs no moment of its own.
    let brought: BTreeSet<&CommitSha> = of_branch.iter().flat_map(|push| new_by(pull_request, push)).collect();
    let elsewhere = pushes().filter(|push| push.source == PushSource::CommitListed && !brought.contains(&push.after));
    let pushed = of_branch.iter().copied().chain(elsewhere);
    opened.chain(pushed.map(|push| push.after.to_string())).map(|act| (act, Vec::new())).collect()
}

/// Fills in when each act was, as far as the pull request and its branch tell.
async fn moments(
    look: &Look<'_>,
    pull_request: &PullRequest,
    opened_at: Option<&str>,
    acts: &mut Acts,
) -> Result<(), GitHubError> {
    if let Some(opened) = acts.get_mut(OPENED) {
        opened.extend(opened_at.and_then(moment));
    }
    if acts.keys().any(|act| act != OPENED) && pull_request.head_repository == Some(look.repository.id) {
        for activity in pushed_to(look, &pull_request.head_branch).await? {
            if let Some(pushed) = acts.get_mut(activity.after()) {
                pushed.extend(activity.timestamp().and_then(moment));
            }
        }
    }
    Ok(())
}

/// Dates what nothing dated yet: commits that were pushed to another branch first.
async fn elsewhere(look: &Look<'_>, observed: &[&Observation], acts: &mut Acts) -> Result<(), GitHubError> {
    let mut branches: BTreeMap<&str, BTreeSet<(&CommitSha, &str)>> = BTreeMap::new();
    for seen in observed {
        if let Observation::CommitListed { commit, by: Some(by), onto: Some(onto), branch: Some(branch) } = seen
            && by.is_actions()
            && acts.get(commit.as_str()).is_some_and(Vec::is_empty)
        {
            branches.entry(branch).or_default().insert((onto, commit.as_str()));
        }
    }
    for (branch, pushes) in branches {
        for activity in pushed_to(look, branch).await? {
            let here = pushes.iter().filter(|(onto, _)| onto.as_str() == activity.after());
            for (_, act) in here {
                if let Some(pushed) = acts.get_mut(*act) {
                    pushed.extend(activity.timestamp().and_then(moment));
                }
            }
        }
    }
    Ok(())
}

/// The movements of a branch, but for those that somebody else made.
async fn pushed_to(look: &Look<'_>, branch: &str) -> Result<impl Iterator<Item = Activity>, GitHubError> {
    let all = look.client.get_all::<Activity>(&activity_path(look, branch)).await?;
    Ok(all.into_iter().filter(Activity::is_by_actions))
}

fn when(act: &str) -> String {
    let act = match act {
        OPENED => "opened it".to_owned(),
        pushed => format!("pushed {}", pushed.get(..7).unwrap_or(pushed)),
    };
    format!("which runs were in progress when @github-actions[bot] {act}")
}

fn moment(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// The runs in progress at each act.
async fn in_progress(
    look: &Look<'_>,
    pull_request: &mut PullRequest,
    acts: &Acts,
) -> Result<Vec<(String, DrivingRun)>, GitHubError> {
    let dated: Vec<(&String, OffsetDateTime)> =
        acts.iter().flat_map(|(act, moments)| moments.iter().map(move |at| (act, *at))).collect();
    let (Some(first), Some(last)) = (dated.iter().map(|(_, at)| *at).min(), dated.iter().map(|(_, at)| *at).max())
    else {
        return Ok(Vec::new());
    };
    let Some(runs) = created(look, first - LONGEST, last).await? else {
        pull_request.missing.extend(dated.iter().map(|(act, _)| when(act)));
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for run in runs.into_iter().filter(|run| dated.iter().any(|(_, at)| run.created_at <= *at)) {
        // An earlier attempt may have been the one in progress, and somebody else may have caused it.
        for number in 1..=run.run_attempt {
            let attempt = if number == run.run_attempt { run.clone() } else { run::read(look, run.id, number).await? };
            for (act, _) in dated.iter().filter(|(_, at)| attempt.may_cover(*at)) {
                found.push(((*act).clone(), attempt.clone().driving()));
            }
        }
    }
    Ok(found)
}

/// All runs created in a time; `None` where GitHub does not show all of them.
pub(super) async fn created(
    look: &Look<'_>,
    from: OffsetDateTime,
    to: OffsetDateTime,
) -> Result<Option<Vec<RunPayload>>, GitHubError> {
    let whole = created_within(look, from, to).await?;
    if whole.is_some() {
        return Ok(whole);
    }
    let mut all = Vec::new();
    let mut start = from;
    while start <= to {
        let end = (start + Duration::days(1)).min(to);
        let Some(some) = created_within(look, start, end).await? else { return Ok(None) };
        all.extend(some);
        start = end + Duration::seconds(1);
    }
    Ok(Some(all))
}

async fn created_within(
    look: &Look<'_>,
    from: OffsetDateTime,
    to: OffsetDateTime,
) -> Result<Option<Vec<RunPayload>>, GitHubError> {
    let text = |at: OffsetDateTime| {
        let whole_seconds = at.replace_nanosecond(0).unwrap_or(at).to_offset(time::UtcOffset::UTC);
        whole_seconds.format(&Rfc3339).map_err(|error| GitHubError::Unreadable(error.to_string()))
    };
    let path = look.path(&format!("/actions/runs?created={}..{}&per_page=100", text(from)?, text(to)?));
    let (mut runs, mut too_many) = (BTreeMap::new(), false);
    look.client
        .get_pages::<RunsPayload>(&path, |page| {
            too_many |= page.total_count > SHOWN;
            // A list that moves while it is read may show a run on two pages.
            runs.extend(page.workflow_runs.into_iter().map(|run| (run.id, run)));
            !too_many
        })
        .await?;
    Ok((!too_many).then(|| runs.into_values().collect()))
}
