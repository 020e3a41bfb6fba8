//! Rows of what one source has and another has not: GitHub's list of deployments, the production branch's line, and our
//! decisions.
//!
//! Invariant: what is missing is named with its kind, place, time and count; nothing is missing that another entry, earlier
//! or later, holds.

use super::incidents::GapRow;
use super::rows::{Place, Row};
use super::survey::Ended;
use super::{Cell, DeploymentRow, Period, Survey, kinds, within};
use countersign_core::domain::{
    Alert, CommitSha, Deployment, DeploymentFinished, DeploymentId, DeploymentsListed, ListedDeployment, Repository,
    StartingPoint,
};
use std::collections::HashSet;

/// A job that ended, and that nothing was decided of.
pub(super) fn decision(finished: &DeploymentFinished, time: &str, position: u64) -> Row {
    let commit = finished.commit.short();
    let what = format!("commit {commit} was deployed without a decision; its changes are not told apart here");
    let row = GapRow::at(kinds::DECISION_MISSING, time, what, position);
    Row::Gap(Box::new(row.of(&finished.repository, &finished.environment)))
}

/// Something found afterwards.
pub(super) fn of_alert(place: &Place, time: &str, alert: &Alert, survey: &Survey, rows: &mut Vec<Row>) {
    let kind = if alert.code == kinds::BYPASSED { kinds::BYPASSED } else { kinds::ALERT };
    let mut what = alert.text.clone();
    if !alert.commits.is_empty() {
        what = format!("{what}; {} commits of the branch's line went out with it", alert.commits.len());
    }
    if !survey.is_decided(alert.repository.id, alert.deployment) {
        let known = Known { repository: &alert.repository, environment: &alert.environment, commit: &alert.commit };
        rows.push(Row::Deployment(Box::new(row(alert.deployment, &known, place))));
    }
    let gap = GapRow::at(kind, time, what, place.position);
    rows.push(Row::Gap(Box::new(gap.of(&alert.repository, &alert.environment))));
}

/// A start that does not say since when the service had been away.
pub(super) fn of_start(position: u64, before: Option<&str>, time: &str) -> Row {
    let what = match before {
        Some(_) => "the service started: between the entry before and this one it may have been down",
        None => "the service started, and nothing here was recorded before",
    };
    let to = Cell::Time(time.to_owned());
    Row::Gap(Box::new(GapRow { to, ..GapRow::at(kinds::STARTED, before.unwrap_or(time), what.to_owned(), position) }))
}

/// What is missing of a deployment that reached production by a decision.
pub(super) fn of_reached(
    repository: &Repository,
    end: &Ended,
    survey: &Survey,
    deployment: &Deployment,
    position: u64,
    rows: &mut Vec<Row>,
) {
    let mut gap = |kind, count, what| {
        let row = GapRow { count, ..GapRow::at(kind, &end.time, what, position) };
        rows.push(Row::Gap(Box::new(row.of(repository, &deployment.environment))));
    };
    if survey.is_unlisted(repository.id, DeploymentId(end.deployment)) {
        let what = format!("deployment {} is on record, and GitHub's list does not show it", end.deployment);
        gap(kinds::UNLISTED, 1, what);
    }
    let uncovered = uncovered(deployment);
    if let Some(first) = uncovered.first() {
        let what = format!("commits that belong to no change of the decision went out, {} the newest", first.short());
        gap(kinds::UNCOVERED, uncovered.len() as u64, what);
    }
}

/// The commits between the starting point and the target that belong to no change, newest first.
fn uncovered(deployment: &Deployment) -> Vec<&CommitSha> {
    let line = &deployment.line;
    let start = deployment.start.as_ref().map(StartingPoint::commit);
    let changed: HashSet<&CommitSha> = deployment.changes.iter().flat_map(|change| &change.commits).collect();
    let ahead = line.commits.iter().skip_while(|commit| **commit != deployment.target);
    let ahead = ahead.take_while(|commit| Some(*commit) != start);
    ahead.filter(|commit| !changed.contains(commit)).collect()
}

/// Deployments that GitHub lists and that nothing else on record knows.
pub(super) fn of_list(
    place: &Place,
    time: &str,
    list: &DeploymentsListed,
    survey: &Survey,
    period: Option<&Period>,
    rows: &mut Vec<Row>,
) {
    // It is told where it was made, and where it was found: a list may be read only after the period has ended.
    let unknown = |one: &&ListedDeployment| {
        (within(period, &one.created_at) || within(period, time)) && survey.is_undecided(list.repository.id, one.id)
    };
    for one in list.deployments.iter().filter(unknown) {
        let (id, commit) = (one.id, one.commit.short());
        let creator = one.creator.as_ref().map_or("nobody known", |creator| creator.login.as_str());
        let what = format!(
            "GitHub lists deployment {id} of commit {commit}, created by {creator}, and nothing was decided of it"
        );
        let gap = GapRow::at(kinds::UNDECIDED, &one.created_at, what, place.position);
        let known = Known { repository: &list.repository, environment: &one.environment, commit: &one.commit };
        rows.push(Row::Deployment(Box::new(row(id, &known, place))));
        rows.push(Row::Gap(Box::new(gap.of(&list.repository, &one.environment))));
    }
}

/// What is known of a deployment that nothing was decided of.
struct Known<'a> {
    repository: &'a Repository,
    environment: &'a str,
    commit: &'a CommitSha,
}

fn row(deployment: DeploymentId, known: &Known<'_>, place: &Place) -> DeploymentRow {
    DeploymentRow {
        repository: known.repository.full_name.clone(),
        environment: known.environment.to_owned(),
        deployment: deployment.to_string(),
        run: Cell::Empty,
        event: String::new(),
        workflow: String::new(),
        commit: Cell::commit(known.commit),
        range_base: Cell::Empty,
        changes: 0,
        deployers: String::new(),
        deployer_ids: String::new(),
        outcome: "none".to_owned(),
        reasons: String::new(),
        exception: String::new(),
        exception_review: "",
        decided_at: Cell::Empty,
        conclusion: String::new(),
        ended_at: Cell::Empty,
        policy: String::new(),
        decision: String::new(),
        basis: "none",
        place: place.clone(),
    }
}
