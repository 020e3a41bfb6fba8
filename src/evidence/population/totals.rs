//! What the rows of the population come to.
//!
//! Invariant: every row is counted once, and memory grows with kinds, persons and deviations, not with changes.

use super::rows::{BACKFILLED, ChangeRow, Row};
use super::{Cell, DeploymentRow, GapRow};
use std::collections::{BTreeMap, BTreeSet};

/// How many deviations are kept by name; all are counted.
const NAMED: usize = 10_000;

/// Counts over the population.
#[derive(Debug, Default)]
pub struct Totals {
    /// Changes that reached production.
    pub changes: u64,
    /// Their commits.
    pub commits: u64,
    /// Changes by what was decided of their deployment.
    pub changes_by_outcome: BTreeMap<String, u64>,
    /// Changes in which one of the three tests did not hold.
    pub tests_failed: [u64; 3],
    /// Attempts to deploy, by what was decided last.
    pub deployments_by_outcome: BTreeMap<String, u64>,
    /// Attempts that put something into production, by what was decided.
    pub reached_by_outcome: BTreeMap<String, u64>,
    /// Attempts, by each code that was wrong with them.
    pub reasons: BTreeMap<String, u64>,
    /// Exceptions, by what their review says.
    pub exceptions: BTreeMap<String, u64>,
    /// What is missing, by kind: how many rows.
    pub gaps: BTreeMap<String, u64>,
    /// What is missing, by name; the first ten thousand.
    pub missing: Vec<GapRow>,
    /// When something was not there, those that began first first; the first ten thousand.
    pub windows: Vec<GapRow>,
    /// Attempts by month: let through, and not.
    pub months: BTreeMap<String, [u64; 2]>,
    /// Changes by whose approvals counted.
    pub reviewers: BTreeMap<String, u64>,
    /// Changes by who deployed.
    pub deployers: BTreeMap<String, u64>,
    /// Repositories and environments, with how many changes went there.
    pub places: BTreeMap<(String, String), u64>,
    /// The policies in force.
    pub policies: BTreeSet<String>,
    /// Changes for which not everything held, in order; the first ten thousand.
    pub deviations: Vec<ChangeRow>,
    /// How many there are of these.
    pub deviations_count: u64,
    /// Deployments that an exception put into production and that brought no change, in order; the first ten thousand.
    pub alone: Vec<DeploymentRow>,
    /// How many there are of these.
    pub alone_count: u64,
    /// Exceptions that somebody reviewed who had a part in them.
    pub own_reviews: u64,
    /// Exceptions that were not reviewed by the time that was due.
    pub late_reviews: u64,
}

impl Totals {
    /// Counts a row.
    pub fn add(&mut self, row: &Row) {
        match row {
            Row::Change(row) => self.add_change(row),
            Row::Commit(_) => self.commits += 1,
            Row::Deployment(row) => self.add_deployment(row),
            Row::Exception(row) => {
                count(&mut self.exceptions, row.review);
                self.own_reviews += u64::from(row.reviewer_had_no_part == Some(false));
                self.late_reviews += u64::from(row.in_time == Some(false));
            }
            Row::Gap(row) => self.add_gap(row),
        }
    }

    fn add_change(&mut self, row: &ChangeRow) {
        self.changes += 1;
        count(&mut self.changes_by_outcome, &row.outcome);
        *self.places.entry((row.repository.clone(), row.environment.clone())).or_default() += 1;
        let tests = [row.author_is_not_reviewer, row.author_is_not_deployer, row.reviewer_is_not_deployer];
        for (failed, held) in self.tests_failed.iter_mut().zip(tests) {
            *failed += u64::from(!held);
        }
        for reviewer in names(&row.reviewers, " at ") {
            count(&mut self.reviewers, reviewer);
        }
        for deployer in names(&row.deployers, " (") {
            count(&mut self.deployers, deployer);
        }
        if !row.holds() {
            self.deviations_count += 1;
            if self.deviations.len() < NAMED {
                self.deviations.push(row.clone());
            }
        }
    }

    fn add_gap(&mut self, row: &GapRow) {
        count(&mut self.gaps, row.kind);
        let named = if row.is_window() { &mut self.windows } else { &mut self.missing };
        if named.len() < NAMED {
            named.push(row.clone());
        }
    }

    fn add_deployment(&mut self, row: &DeploymentRow) {
        count(&mut self.deployments_by_outcome, &row.outcome);
        if row.conclusion == "success" {
            count(&mut self.reached_by_outcome, &row.outcome);
        }
        for code in row.reasons.split("; ").filter(|code| !code.is_empty()) {
            count(&mut self.reasons, code);
        }
        if !row.policy.is_empty() {
            self.policies.insert(row.policy.clone());
        }
        if row.is_alone() {
            self.alone_count += 1;
            if self.alone.len() < NAMED {
                self.alone.push(row.clone());
            }
        }
        if row.basis == BACKFILLED {
            // Nobody let it through and nobody held it back.
            return;
        }
        let time = [&row.decided_at, &row.ended_at].into_iter().find_map(|cell| match cell {
            Cell::Time(time) => time.get(..7),
            _ => None,
        });
        let [through, held] = self.months.entry(time.unwrap_or("unknown").to_owned()).or_default();
        *(if row.let_through() { through } else { held }) += 1;
    }
}

impl ChangeRow {
    /// Whether the deployment was allowed and all three tests hold.
    pub fn holds(&self) -> bool {
        self.outcome == "allow"
            && self.author_is_not_reviewer
            && self.author_is_not_deployer
            && self.reviewer_is_not_deployer
    }
}

impl Totals {
    /// Everything that is told as a deviation.
    pub fn all_deviations(&self) -> u64 {
        self.deviations_count + self.alone_count
    }

    /// How many exceptions a review calls this, or nobody has reviewed (`open`).
    pub fn exceptions_that_are(&self, review: &str) -> u64 {
        self.exceptions.get(review).copied().unwrap_or(0)
    }
}

impl DeploymentRow {
    /// Whether an exception put it into production, and it brought no change that would be told as a deviation.
    pub fn is_alone(&self) -> bool {
        self.outcome == "exception" && self.conclusion == "success" && self.changes == 0
    }

    /// Whether it was allowed, or excepted.
    pub fn let_through(&self) -> bool {
        matches!(self.outcome.as_str(), "allow" | "exception")
    }
}

/// The names of a list, each once, without what follows them.
pub(in crate::evidence) fn names<'r>(list: &'r str, end: &'r str) -> impl Iterator<Item = &'r str> {
    let names: BTreeSet<&str> = list.split("; ").filter_map(|item| item.split(end).next()).collect();
    names.into_iter().filter(|name| !name.is_empty())
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}
