//! What an exception lets through, and what it never does.

use super::deploy::asking;
use super::world::*;
use crate::domain::{Deployment, Exception, Outcome, Presented, Repository, RepositoryId};
use crate::policy::title;

pub(super) fn covered(deployment: &mut Deployment) {
    deployment.exception = Some(Exception {
        id: "e1".to_owned(),
        repository: Repository { id: RepositoryId(7), full_name: "acme/shop".to_owned() },
        environment: "production".to_owned(),
        commit: None,
        reason: "checkout is down".to_owned(),
        ticket: "INC-7".to_owned(),
        opened_by: user("ann"),
        ends: "2026-01-01T04:00:00Z".to_owned(),
        due: "2026-01-03T00:00:00Z".to_owned(),
    });
}

#[test]
fn what_is_denied_goes_through_and_keeps_what_it_broke() {
    let facts = Release::good().by(&user("ann")).with(covered).facts();
    let verdict = judge(&facts);
    assert_eq!(verdict.outcome, Outcome::Exception);
    assert_eq!(verdict.reasons.iter().map(|reason| reason.code.as_str()).collect::<Vec<_>>(), ["deployer-is-author"]);
    assert!(verdict.changes.iter().all(|change| change.three.is_none()));
    insta::assert_snapshot!(title(&verdict), @"Let through by an exception, although: @ann contributed to #1 and so cannot deploy it");
}

#[test]
fn what_cannot_be_told_goes_through() {
    let unknown = |deployment: &mut Deployment| deployment.missing.push("something".to_owned());
    assert_eq!(judge(&Release::good().with(unknown).with(covered).facts()).outcome, Outcome::Exception);
    let unread = |deployment: &mut Deployment| deployment.history_unavailable = Some("gone".to_owned());
    assert_eq!(judge(&Release::good().with(unread).with(covered).facts()).outcome, Outcome::Exception);
}

#[test]
fn what_holds_or_is_still_to_come_needs_none() {
    assert_eq!(judge(&Release::good().with(covered).facts()).outcome, Outcome::Allow);
    let waits = |deployment: &mut Deployment| {
        deployment.approval.asked = Some(true);
        if let Some(run) = &mut deployment.run {
            "schedule".clone_into(&mut run.event);
        }
    };
    let facts = Release::good().with(waits).facts();
    assert_eq!(judge(&facts).outcome, Outcome::Pending);
    assert_eq!(judge(&Release::good().with(waits).with(covered).facts()).outcome, Outcome::Pending);
}

#[test]
fn which_deployment_it_is_must_hold_for_certain() {
    let refused = [
        Release::good().with(|deployment| deployment.record.as_mut().unwrap().commit = sha("base")),
        Release::good().with_run(|run| run.event = "pull_request_target".to_owned()),
        Release::good().with_run(|run| run.head_repository = Some(RepositoryId(8))),
        Release::good().with_run(|run| run.head_repository = None),
        asking(|request| request.presented = Some(Presented { decision: "d1".to_owned(), holds: false })),
        Release::good().with(unnamed),
        Release::good().with(unnamed).with(|deployment| deployment.run = None),
    ];
    for release in refused {
        let outcome = judge(&release.clone().with(covered).facts()).outcome;
        assert_eq!(outcome, judge(&release.facts()).outcome);
        assert!([Outcome::Deny, Outcome::Undetermined].contains(&outcome), "{outcome}");
    }
}

/// GitHub does not show the deployment: nobody knows which commit it names.
fn unnamed(deployment: &mut Deployment) {
    deployment.record = None;
    deployment.missing.push("the deployment itself".to_owned());
}

#[test]
fn a_job_that_asks_by_itself_names_its_commit_without_a_deployment() {
    let asked = asking(|_| {}).by(&user("ann")).with(|deployment| deployment.record = None);
    assert_eq!(judge(&asked.with(covered).facts()).outcome, Outcome::Exception);
}

#[test]
fn a_fault_in_the_repositorys_own_rules_does_not_stop_an_emergency() {
    let mut facts = Release::good().with(covered).facts();
    facts.terms.repository_rules.faults.push("own.cedar cannot be read".to_owned());
    assert_eq!(judge(&facts).outcome, Outcome::Exception);
    let mut facts = Release::good().by(&user("ann")).with(covered).facts();
    facts.terms.repository_rules.faults.push("own.cedar cannot be read".to_owned());
    assert_eq!(judge(&facts).outcome, Outcome::Exception);
}
