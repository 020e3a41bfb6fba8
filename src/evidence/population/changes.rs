//! The rows of one change that a deployment brought, and of its commits.
//!
//! Invariant: as in [`super::reading`]: everything in a row is in the entry of its decision, or in the entries that tell what
//! became of that.

use super::rows::{ChangeRow, Place, Row};
use super::survey::Ended;
use super::windows::landed_at;
use super::words::{
    Persons, Who, account_id, base_cell, change_link, codes, commit_link, committer, deployer_ids, deployers,
    excepting, ids, list, login, merged_by, minutes, pushed_by, run_cell,
};
use super::{Cell, CommitRow, Survey};
use countersign_core::domain::{ChangeInRelease, ChangeVerdict, Commit, CommitSha, Decision, Deployment, Reason};
use std::collections::{BTreeSet, HashMap, HashSet};

/// One change of a deployment, with all that is said of it.
pub(super) struct Of<'a> {
    pub(super) place: &'a Place,
    pub(super) decision: &'a Decision,
    pub(super) deployment: &'a Deployment,
    pub(super) change: &'a ChangeInRelease,
    pub(super) verdict: &'a ChangeVerdict,
    pub(super) survey: &'a Survey,
}

impl Of<'_> {
    /// Its row, where the deployment ended like this.
    pub(super) fn change_row(&self, end: &Ended) -> ChangeRow {
        let facts = &self.decision.facts;
        let landed = landed_at(self.change);
        let exception = excepting(self.decision, self.deployment);
        let who = Persons::of(&facts.terms);
        let contributors: BTreeSet<Who<'_>> =
            self.verdict.contributors.iter().map(|contributor| who.is(contributor.account.id)).collect();
        let reviewers: BTreeSet<Who<'_>> = self.verdict.reviewers.iter().map(|account| who.is(account.id)).collect();
        let deployers_of_it: BTreeSet<Who<'_>> =
            self.decision.verdict.deployers.iter().map(|deployer| who.is(deployer.account.id)).collect();
        let names = |reason: &&Reason| reason.change.as_ref().is_none_or(|change| *change == self.verdict.change);
        let wrong = self.decision.verdict.reasons.iter().filter(names).chain(&self.verdict.reasons);
        ChangeRow {
            repository: facts.repository.full_name.clone(),
            environment: self.deployment.environment.clone(),
            change: change_link(facts, &self.verdict.change),
            page: Cell::Empty,
            commit: commit_link(facts, &Cell::commit(&self.verdict.commit), self.verdict.commit.as_str()),
            change_type: if self.change.pull_request.is_some() { "pull request" } else { "no pull request" },
            tickets: self.tickets(),
            deployment: end.deployment.to_string(),
            run: run_cell(facts, self.deployment),
            merged_at: landed.map_or(Cell::Empty, |at| Cell::Time(at.to_owned())),
            deployed_at: end.time.clone(),
            job_ended_at: end.ended_at.clone().map_or(Cell::Empty, Cell::Time),
            lead_minutes: landed.zip(end.ended_at.as_deref()).and_then(|(from, to)| minutes(from, to)),
            range_base: base_cell(self.deployment),
            range_target: Cell::commit(&self.deployment.target),
            contributors: list(self.verdict.contributors.iter().map(|one| one.account.login.clone())),
            contributor_ids: ids(self.verdict.contributors.iter().map(|one| one.account.id)),
            reviewers: self.reviewers(),
            reviewer_ids: ids(self.verdict.reviewers.iter().map(|account| account.id)),
            deployers: deployers(&self.decision.verdict.deployers),
            deployer_ids: deployer_ids(&self.decision.verdict.deployers),
            merged_by: self.change.pull_request.as_ref().map(merged_by).unwrap_or_default(),
            checks: self.checks(),
            author_is_not_reviewer: reviewers.difference(&contributors).next().is_some(),
            author_is_not_deployer: !deployers_of_it.is_empty() && deployers_of_it.is_disjoint(&contributors),
            reviewer_is_not_deployer: reviewers.difference(&deployers_of_it).next().is_some(),
            change_outcome: self.verdict.outcome.to_string(),
            outcome: self.decision.verdict.outcome.to_string(),
            reasons: codes(wrong),
            exception: exception.cloned().unwrap_or_default(),
            exception_review: exception.map_or("", |id| self.survey.review_of(id)),
            policy: self.decision.policy_digest.clone(),
            decision: self.decision.id.clone(),
            basis: "decision",
            place: self.place.clone(),
        }
    }

    fn reviewers(&self) -> String {
        let counting = self.verdict.reviews.iter().filter(|review| review.approves && review.counts);
        list(counting.filter_map(|review| {
            let commit = review.commit.as_ref().map(|commit| format!(" at git:{commit}")).unwrap_or_default();
            review.by.as_ref().map(|by| format!("{}{commit}", by.login))
        }))
    }

    fn tickets(&self) -> String {
        let of_request = self.change.pull_request.as_ref().and_then(|request| request.tickets.as_ref());
        let tickets = of_request.or(self.change.tickets.as_ref());
        list(tickets.into_iter().flatten().cloned())
    }

    fn checks(&self) -> String {
        let checks = self.change.pull_request.as_ref().and_then(|request| request.checks.as_ref());
        list(
            checks
                .into_iter()
                .flatten()
                .map(|check| format!("{}: {}", check.name, if check.succeeded { "success" } else { "no success" })),
        )
    }

    /// The rows of its commits.
    pub(super) fn commit_rows(&self, deployment: u64, rows: &mut Vec<Row>) {
        let commits = match &self.change.pull_request {
            Some(request) => request.commits.as_slice(),
            None => self.change.bare_commits.as_slice(),
        };
        let pushes = self.change.pull_request.as_ref().map(|request| request.pushes.as_slice()).unwrap_or_default();
        let known: HashMap<&str, &Commit> = commits.iter().map(|commit| (commit.oid.as_str(), commit)).collect();
        let landed: HashSet<&str> = self.change.commits.iter().map(CommitSha::as_str).collect();
        let of_request = commits.iter().map(|commit| &commit.oid).filter(|oid| !landed.contains(oid.as_str()));
        for oid in of_request.chain(&self.change.commits) {
            let commit = known.get(oid.as_str()).copied();
            let facts = &self.decision.facts;
            rows.push(Row::Commit(Box::new(CommitRow {
                repository: facts.repository.full_name.clone(),
                environment: self.deployment.environment.clone(),
                change: change_link(facts, &self.verdict.change),
                commit: commit_link(facts, &Cell::commit(oid), oid.as_str()),
                on_production_line: landed.contains(oid.as_str()),
                author: commit.map(|commit| login(&commit.author)).unwrap_or_default(),
                author_id: commit.and_then(|commit| account_id(&commit.author)).unwrap_or_default(),
                committer: commit.map(committer).unwrap_or_default(),
                committer_id: commit.and_then(|commit| account_id(&commit.committer)).unwrap_or_default(),
                coauthors: list(commit.iter().flat_map(|commit| &commit.coauthors).map(login)),
                pushed_by: pushed_by(pushes, oid.as_str()),
                deployment: deployment.to_string(),
                position: self.place.position,
            })));
        }
    }
}
