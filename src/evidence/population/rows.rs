//! The rows of the population, and the columns that every table of them has.
//!
//! Invariant: a row has exactly the cells that its columns name, in their order; each column says what it holds. Where the
//! rows come from: [`super::reading`].

use super::{Cell, CommitRow, DeploymentRow, ExceptionRow, GapRow};
use countersign_core::ledger::Hash;

/// A column: its name in files, its title for people, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name in files.
    pub name: &'static str,
    /// What it holds, in a sentence.
    pub note: &'static str,
}

pub(super) const fn column(name: &'static str, note: &'static str) -> Column {
    Column { name, note }
}

/// One row of the population.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A change that a deployment put into production.
    Change(Box<ChangeRow>),
    /// A commit of such a change.
    Commit(Box<CommitRow>),
    /// An attempt to deploy, with its last decision and how it ended.
    Deployment(Box<DeploymentRow>),
    /// An exception, and what became of it.
    Exception(Box<ExceptionRow>),
    /// Something that is missing, or that happened outside the control.
    Gap(Box<GapRow>),
}

impl Row {
    /// Says that it was judged afterwards: what would have been said is no decision, and no count takes it for one.
    pub(super) fn mark_backfilled(&mut self) {
        let (outcome, basis) = match self {
            Self::Change(row) => (&mut row.outcome, &mut row.basis),
            Self::Deployment(row) => (&mut row.outcome, &mut row.basis),
            Self::Commit(_) | Self::Exception(_) | Self::Gap(_) => return,
        };
        *outcome = format!("would-{outcome}");
        *basis = BACKFILLED;
    }
}

/// The basis of what was judged afterwards.
pub(super) const BACKFILLED: &str = "backfilled";

/// Where a row stands in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The position of the entry.
    pub position: u64,
    /// Its hash as a leaf.
    pub leaf: Hash,
}

/// A change that a deployment put into production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// `owner/name`.
    pub repository: String,
    /// Where it went.
    pub environment: String,
    /// `#12`, or the commit of a change without a pull request.
    pub change: Cell,
    /// Its change ticket: the page that Countersign shows of it, where it has an address.
    pub page: Cell,
    /// The last of its commits on the production branch.
    pub commit: Cell,
    /// `pull request` or `no pull request`.
    pub change_type: &'static str,
    /// The tickets it names.
    pub tickets: String,
    /// GitHub's id of the deployment.
    pub deployment: String,
    /// The run and its attempt.
    pub run: Cell,
    /// When it landed on the production branch, by GitHub's clock, where that is known.
    pub merged_at: Cell,
    /// When the deployment's job ended.
    pub deployed_at: String,
    /// When that job ended by GitHub's clock, where that is known.
    pub job_ended_at: Cell,
    /// The minutes from the landing to that end, where both are known by GitHub's clock.
    pub lead_minutes: Option<u64>,
    /// What ran there before the deployment.
    pub range_base: Cell,
    /// What the deployment put there.
    pub range_target: Cell,
    /// Everyone whose work is in it.
    pub contributors: String,
    /// The ids of their accounts.
    pub contributor_ids: String,
    /// Whose approvals count, with the commit they reviewed.
    pub reviewers: String,
    /// The ids of their accounts.
    pub reviewer_ids: String,
    /// Who deployed it.
    pub deployers: String,
    /// The ids of their accounts.
    pub deployer_ids: String,
    /// Who merged it, as GitHub shows it.
    pub merged_by: String,
    /// What became of the checks that the settings ask for.
    pub checks: String,
    /// Somebody reviewed it who did not contribute.
    pub author_is_not_reviewer: bool,
    /// Nobody deployed it who contributed.
    pub author_is_not_deployer: bool,
    /// Somebody reviewed it who did not deploy.
    pub reviewer_is_not_deployer: bool,
    /// The outcome of the change itself.
    pub change_outcome: String,
    /// The outcome of the deployment.
    pub outcome: String,
    /// The codes of what is wrong with the change or with who deployed it.
    pub reasons: String,
    /// The exception that let it through.
    pub exception: String,
    /// How that was closed: `justified`, `unjustified`, or `open`.
    pub exception_review: &'static str,
    /// The digest of the policies.
    pub policy: String,
    /// The decision.
    pub decision: String,
    /// `decision`, or `backfilled`: judged afterwards.
    pub basis: &'static str,
    /// Where the decision stands in the record.
    pub place: Place,
}

impl ChangeRow {
    /// Links it to its page, below this address.
    pub fn link_to(&mut self, pages: &str) {
        let change = self.change.plain();
        let change = change.trim_start_matches('#').trim_start_matches("git:");
        let url = format!("{}/changes/{}/{change}", pages.trim_end_matches('/'), self.repository);
        self.page = Cell::Link { text: url.clone(), url };
    }

    /// The columns.
    pub const COLUMNS: &[Column] = &[
        column("repository", "The repository when it was judged"),
        column("environment", "Where the change went"),
        column("change", "The pull request, or the commit of a change that came without one"),
        column(
            "change_ticket",
            "The page of Countersign that tells the change's whole story; empty: it has no public address",
        ),
        column("commit", "The last of its commits on the production branch"),
        column("change_type", "Whether it came by a pull request"),
        column("tickets", "The tickets it names, where the settings ask for them"),
        column("deployment", "GitHub's id of the deployment"),
        column("run", "The workflow run and its attempt"),
        column("merged_at", "When it landed on the production branch, UTC, by GitHub's clock; empty: not known"),
        column("deployed_at", "When the deploying job had ended, UTC, as seen by the service"),
        column("job_ended_at", "When the deploying job ended, UTC, by GitHub's clock; empty: not known"),
        column("lead_minutes", "Whole minutes from merged_at to job_ended_at, both by GitHub's clock"),
        column("range_base", "The commit that ran there before"),
        column("range_target", "The commit that the deployment put there"),
        column(
            "contributors",
            "Everyone whose work is in it: opened, wrote, committed, co-authored, pushed, or answers for automation",
        ),
        column("contributor_ids", "The ids of these accounts, which no renaming changes"),
        column("reviewers", "Whose approvals count, and the commit they reviewed"),
        column("reviewer_ids", "The ids of these accounts"),
        column("deployers", "Who took part in deploying it, and how"),
        column("deployer_ids", "The ids of these accounts"),
        column("merged_by", "Who merged it, as GitHub shows it"),
        column("checks", "What became of the checks that the settings ask for"),
        column("author_is_not_reviewer", "Test: somebody who did not contribute reviewed it"),
        column("author_is_not_deployer", "Test: somebody deployed it, and nobody who did contributed"),
        column("reviewer_is_not_deployer", "Test: somebody reviewed it who did not deploy it"),
        column("change_outcome", "What the policy says of the change itself"),
        column("outcome", "What was decided of the deployment"),
        column("reasons", "Codes of what is wrong with the change, or with who deployed it"),
        column("exception", "The exception that let it through, where one did"),
        column("exception_review", "How that exception was closed; open: nobody has reviewed it"),
        column("policy", "SHA-256 of the policies that decided"),
        column("decision", "The decision's id"),
        column(
            "basis",
            "decision: made when it was asked for; backfilled: judged afterwards, of a time before the service was there, which allowed nothing; none: neither",
        ),
        column("entry", "The position of the decision in the ledger, from 0"),
        column("entry_hash", "The hash of that entry as a leaf of the ledger's tree"),
    ];

    /// The cells, in the order of the columns.
    pub fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.repository),
            Cell::text(&self.environment),
            self.change.clone(),
            self.page.clone(),
            self.commit.clone(),
            Cell::text(self.change_type),
            Cell::text(&self.tickets),
            Cell::text(&self.deployment),
            self.run.clone(),
            self.merged_at.clone(),
            Cell::Time(self.deployed_at.clone()),
            self.job_ended_at.clone(),
            self.lead_minutes.map_or(Cell::Empty, Cell::Number),
            self.range_base.clone(),
            self.range_target.clone(),
            Cell::text(&self.contributors),
            Cell::text(&self.contributor_ids),
            Cell::text(&self.reviewers),
            Cell::text(&self.reviewer_ids),
            Cell::text(&self.deployers),
            Cell::text(&self.deployer_ids),
            Cell::text(&self.merged_by),
            Cell::text(&self.checks),
            Cell::Holds(self.author_is_not_reviewer),
            Cell::Holds(self.author_is_not_deployer),
            Cell::Holds(self.reviewer_is_not_deployer),
            Cell::text(&self.change_outcome),
            Cell::text(&self.outcome),
            Cell::text(&self.reasons),
            Cell::text(&self.exception),
            Cell::text(self.exception_review),
            Cell::text(&self.policy),
            Cell::text(&self.decision),
            Cell::text(self.basis),
            Cell::Number(self.place.position),
            Cell::text(self.place.leaf.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_name_of_its_own_and_a_sentence() {
        for columns in
            [ChangeRow::COLUMNS, CommitRow::COLUMNS, DeploymentRow::COLUMNS, ExceptionRow::COLUMNS, GapRow::COLUMNS]
        {
            let names: std::collections::BTreeSet<_> = columns.iter().map(|column| column.name).collect();
            assert_eq!(names.len(), columns.len());
            assert!(columns.iter().all(|column| column.note.len() > 8));
        }
    }
}
