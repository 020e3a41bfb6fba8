//! Runs that follow other runs: who is behind them, and what the first of them came from.

use super::world::{self, Release, sha, user};
use super::{Case, allowed, carries, check};
use crate::domain::{Outcome, RepositoryId, RunAttempt};
use Outcome::{Deny, Undetermined};

/// A release whose run followed another one.
fn after(release: Release, event: &str, by: &str) -> Release {
    release.with_run(|run| {
        run.event = "workflow_run".to_owned();
        let branch = run.head_branch.clone().unwrap();
        run.followed = Some(Box::new(world::run(&run.head_commit, event, &branch, &user(by))));
    })
}

pub(super) const CASES: &[Case] = &[
    carries("deployer-is-author", Deny, "the author set off the run that this one followed", || {
        after(Release::good(), "workflow_dispatch", "ann").facts()
    }),
    carries("deployer-is-author", Deny, "the author ran again the run that this one followed", || {
        after(Release::good(), "workflow_dispatch", "dee")
            .with_run(|run| {
                let first = run.followed.as_mut().unwrap();
                first.this.number = RunAttempt(2);
                first.this.triggering_actor = Some(user("ann"));
            })
            .facts()
    }),
    carries("deployer-is-author", Deny, "the author pushed what the run that this one followed is not for", || {
        let release = after(Release::good(), "push", "ann");
        release.with_run(|run| run.followed.as_mut().unwrap().head_commit = sha("base")).facts()
    }),
    allowed("deployer-is-author", "a run that followed another is that one's, whoever it shows", || {
        after(Release::good().by(&user("ann")), "workflow_dispatch", "dee").facts()
    }),
    allowed("deployer-is-author", "a chain that a merge set off is deployed by whoever merged", || {
        after(Release::good().by(&user("ann")), "push", "cat").facts()
    }),
    carries("deployer-unknown", Deny, "a chain that a clock set off is deployed by nobody", || {
        after(Release::good(), "schedule", "dee").facts()
    }),
    carries("event-untrusted", Deny, "the first run of a chain came from a pull request", || {
        after(Release::good(), "pull_request_target", "dee").facts()
    }),
    carries("event-untrusted", Deny, "the first run of a chain is for a commit of a fork", || {
        let release = after(Release::good(), "push", "dee");
        release.with_run(|run| run.followed.as_mut().unwrap().head_repository = Some(RepositoryId(8))).facts()
    }),
    carries("facts-incomplete", Undetermined, "the first run of a chain is for a commit of nowhere", || {
        let release = after(Release::good(), "workflow_dispatch", "dee");
        release.with_run(|run| run.followed.as_mut().unwrap().head_repository = None).facts()
    }),
    allowed("event-untrusted", "a chain that somebody set off by hand", || {
        after(Release::good(), "workflow_dispatch", "dee").facts()
    }),
];

#[test]
fn a_run_that_followed_another_came_about_as_that_one_did() {
    check(CASES);
}
