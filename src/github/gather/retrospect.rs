//! A deployment of the past as facts: what a look from afar can know of it.
//!
//! Invariant: what only somebody who was there could know is unknown here, never assumed. Whether an environment asked for
//! an approval, and for which attempt it was given, is known only where GitHub's record leaves no other reading; that an
//! account cannot write today says nothing of the day it approved.

use super::deployed::{Deployed, Listed};
use super::run::GatheredRun;
use super::{Look, chain, line, release};
use crate::github::client::GitHubError;
use crate::github::event::AccountPayload;
use crate::settings::same_environment;
use countersign_core::domain::{
    Account, ChangeInRelease, CommitSha, Deployment, DeploymentRecord, EnvironmentApproval, LandingKind, Line,
    StartingPoint, TimelineEvent,
};
use serde::Deserialize;

/// What is known of the time before a deployment.
pub struct Before<'a> {
    /// What ran there when it was created.
    pub start: Option<StartingPoint>,
    /// What had allowed this very commit there.
    pub allowed: Option<String>,
    /// The production branch from its tip down, read once for many deployments.
    pub line: Option<&'a Line>,
    /// Whether the environment asks for an approval today; `None` where it is not there any more.
    pub asks: Option<bool>,
}

#[derive(Deserialize)]
struct ApprovalPayload {
    state: String,
    user: Option<AccountPayload>,
    environments: Vec<NamedPayload>,
}

#[derive(Deserialize)]
struct NamedPayload {
    name: String,
}

/// Reads everything that can be seen now of one deployment of the past.
pub async fn gather(
    look: &Look<'_>,
    production_branch: &str,
    listed: &Listed,
    deployed: Option<&Deployed>,
    before: Before<'_>,
) -> Result<Deployment, GitHubError> {
    let mut missing = Vec::new();
    let (run, approval) = if let Some(deployed) = deployed {
        let approval = approval(look, listed, deployed, before.asks, &mut missing).await?;
        let (run, created_at) = (deployed.run.clone(), deployed.created_at);
        // No gate is asked about it: its node is not needed.
        let gathered = GatheredRun { run, check_suite: None, created_at, node: String::new() };
        (Some(chain::complete(look, &gathered, &[], &mut missing).await?), approval)
    } else {
        missing.push("which job of which run deployed: GitHub ties none to the deployment".to_owned());
        (None, EnvironmentApproval { asked: None, given_by: Vec::new() })
    };
    let target = deployed.map_or(&listed.commit, |deployed| &deployed.run.head_commit).clone();
    let mut deployment = Deployment {
        environment: listed.environment.clone(),
        record: Some(DeploymentRecord {
            id: listed.id,
            commit: listed.commit.clone(),
            creator: listed.creator.clone(),
        }),
        run,
        request: None,
        approval,
        line: Line::default(),
        allowed_before: before.allowed,
        changes: Vec::new(),
        exception: None,
        overdue: Vec::new(),
        // Who else could have deployed it then, nobody can say now.
        writers: None,
        missing,
        history_unavailable: None,
        start: before.start,
        target,
    };
    let Some(start) = deployment.start.as_ref().map(|start| start.commit().clone()) else { return Ok(deployment) };
    let cut = before.line.and_then(|whole| cut(whole, &start, &deployment.target));
    let line = match cut {
        Some(line) => line,
        None => match line::of_branch(look, production_branch, &start, &deployment.target).await {
            Ok(line) => line,
            Err(GitHubError::NotFound(what)) => {
                deployment.history_unavailable = Some(format!("GitHub has no {what}"));
                return Ok(deployment);
            }
            Err(error) => return Err(error),
        },
    };
    let mut changes;
    (deployment.line, changes) = release::changes(look, production_branch, line.into(), &deployment.target).await?;
    changes.iter_mut().for_each(forget_lost_access);
    deployment.changes = changes;
    Ok(deployment)
}

/// GitHub's list does not say for which attempt an approval was given, and an administrator may go past the reviewers
/// without one.
async fn approval(
    look: &Look<'_>,
    listed: &Listed,
    deployed: &Deployed,
    asks: Option<bool>,
    missing: &mut Vec<String>,
) -> Result<EnvironmentApproval, GitHubError> {
    let path = look.path(&format!("/actions/runs/{}/approvals", deployed.run.id));
    let mut given_by: Vec<Option<Account>> = Vec::new();
    for approval in look.client.get::<Vec<ApprovalPayload>>(&path).await? {
        let here = approval.environments.iter().any(|named| same_environment(&named.name, &listed.environment));
        if here && approval.state == "approved" {
            given_by.push(approval.user.map(AccountPayload::account));
        }
    }
    let one_attempt = deployed.run.this.number.0 == 1;
    let asked = match (given_by.is_empty(), asks) {
        (false, _) if one_attempt => Some(true),
        (true, Some(false)) => Some(false),
        (false, _) => {
            missing.push("for which attempt of the run the environment was approved".to_owned());
            given_by.clear();
            None
        }
        (true, _) => None,
    };
    Ok(EnvironmentApproval { asked, given_by })
}

/// Whoever cannot write today may have been able to when they reviewed.
fn forget_lost_access(change: &mut ChangeInRelease) {
    let events = change.pull_request.iter_mut().flat_map(|request| &mut request.timeline);
    for event in events {
        if let TimelineEvent::Reviewed(review) = event
            && review.could_write == Some(false)
        {
            review.could_write = None;
        }
    }
}

/// The part of a line that one deployment hangs on: from the end of the change that its target lies in down to where it
/// starts. `None` where one of the two is not on it.
fn cut(whole: &Line, start: &CommitSha, target: &CommitSha) -> Option<Line> {
    let place = |sha: &CommitSha| whole.commits.iter().position(|commit| commit == sha);
    let (to, from) = (place(start)?, place(target)?);
    let newest = from.min(to);
    let around = whole.landings.iter().filter(|landing| landing.kind != LandingKind::Push);
    let top = around
        .filter_map(|landing| {
            let end = place(&landing.after)?;
            let began = place(&landing.before).unwrap_or(whole.commits.len());
            (end <= newest && newest < began).then_some(end)
        })
        .min()
        .unwrap_or(newest);
    let commits: Vec<CommitSha> = whole.commits.get(top..=to)?.to_vec();
    let behind = if from > to { whole.commits.get(to..=from)?.to_vec() } else { Vec::new() };
    let held = |sha: &CommitSha| commits.contains(sha) || behind.contains(sha);
    let landings = whole.landings.iter().filter(|landing| held(&landing.after)).cloned().collect();
    Some(Line { commits, reaches_start: true, behind, landings })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use countersign_core::domain::Landing;

    fn whole() -> Line {
        let landing = |before: &str, after: &str| Landing {
            before: before.into(),
            after: after.into(),
            kind: LandingKind::PullRequestMerge,
            by: None,
            at: None,
        };
        Line {
            commits: ["a6", "a5", "a4", "a3", "a2", "a1"].map(CommitSha::from).to_vec(),
            reaches_start: true,
            behind: Vec::new(),
            landings: vec![landing("a3", "a5"), landing("a2", "a3"), landing("a1", "a2")],
        }
    }

    fn shape(line: &Line) -> (Vec<&str>, Vec<&str>, usize) {
        (
            line.commits.iter().map(CommitSha::as_str).collect(),
            line.behind.iter().map(CommitSha::as_str).collect(),
            line.landings.len(),
        )
    }

    #[test]
    fn a_line_is_cut_to_what_lies_between_with_the_end_of_the_change_around_the_target() {
        let line = cut(&whole(), &"a2".into(), &"a3".into()).unwrap();
        assert_eq!(shape(&line), (vec!["a3", "a2"], vec![], 2));
        // Inside a merge: its end stays, or the target would look like the end of a change.
        let line = cut(&whole(), &"a2".into(), &"a4".into()).unwrap();
        assert_eq!(shape(&line), (vec!["a5", "a4", "a3", "a2"], vec![], 3));
    }

    #[test]
    fn a_target_behind_what_ran_is_behind_it() {
        let line = cut(&whole(), &"a5".into(), &"a2".into()).unwrap();
        assert_eq!(shape(&line), (vec!["a5"], vec!["a5", "a4", "a3", "a2"], 3));
        assert!(cut(&whole(), &"b1".into(), &"a2".into()).is_none());
    }
}
