//! Rows of what a change is made of and how it went out: its commits, and attempts to deploy.
//!
//! Invariant: as in [`super::rows`]: a row has exactly the cells that its columns name.

use super::Cell;
use super::rows::{Column, Place, column};

/// A commit of a change that reached production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRow {
    /// `owner/name`.
    pub repository: String,
    /// Where it went.
    pub environment: String,
    /// The change it belongs to.
    pub change: Cell,
    /// The commit.
    pub commit: Cell,
    /// Whether it is on the production branch's own line.
    pub on_production_line: bool,
    /// The account that GitHub links to its author.
    pub author: String,
    /// The id of that account.
    pub author_id: String,
    /// The account that GitHub links to its committer.
    pub committer: String,
    /// The id of that account.
    pub committer_id: String,
    /// The accounts of its co-authors.
    pub coauthors: String,
    /// Who pushed it, where a push ended at it.
    pub pushed_by: String,
    /// GitHub's id of the deployment.
    pub deployment: String,
    /// Where the decision stands in the record.
    pub position: u64,
}

impl CommitRow {
    /// The columns.
    pub const COLUMNS: &[Column] = &[
        column("repository", "The repository when it was judged"),
        column("environment", "Where the commit went"),
        column("change", "The change it belongs to"),
        column("commit", "The commit"),
        column("on_production_line", "Whether it is a first-parent commit of the production branch"),
        column("author", "The account that GitHub links to its author"),
        column("author_id", "The id of that account, which no renaming changes"),
        column("committer", "The account that GitHub links to its committer; github: GitHub itself"),
        column("committer_id", "The id of that account"),
        column("coauthors", "The accounts that its trailers name"),
        column("pushed_by", "Who pushed, where a push to the head branch ended at it"),
        column("deployment", "GitHub's id of the deployment"),
        column("entry", "The position of the decision in the ledger, from 0"),
    ];

    /// The cells, in the order of the columns.
    pub fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.repository),
            Cell::text(&self.environment),
            self.change.clone(),
            self.commit.clone(),
            Cell::Holds(self.on_production_line),
            Cell::text(&self.author),
            Cell::text(&self.author_id),
            Cell::text(&self.committer),
            Cell::text(&self.committer_id),
            Cell::text(&self.coauthors),
            Cell::text(&self.pushed_by),
            Cell::text(&self.deployment),
            Cell::Number(self.position),
        ]
    }
}

/// An attempt to deploy, with its last decision and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRow {
    /// `owner/name`.
    pub repository: String,
    /// The environment.
    pub environment: String,
    /// GitHub's id of the deployment; empty where there was none yet.
    pub deployment: String,
    /// The run and its attempt.
    pub run: Cell,
    /// The event that started the run.
    pub event: String,
    /// The workflow.
    pub workflow: String,
    /// The commit.
    pub commit: Cell,
    /// What ran there before.
    pub range_base: Cell,
    /// How many changes it would put there.
    pub changes: u64,
    /// Who deploys, and how.
    pub deployers: String,
    /// The ids of their accounts.
    pub deployer_ids: String,
    /// The outcome of the last decision.
    pub outcome: String,
    /// The codes of everything that is wrong.
    pub reasons: String,
    /// The exception that let it through.
    pub exception: String,
    /// How that was closed: `justified`, `unjustified`, or `open`.
    pub exception_review: &'static str,
    /// When it was decided.
    pub decided_at: Cell,
    /// How the deploying job ended.
    pub conclusion: String,
    /// When that was seen.
    pub ended_at: Cell,
    /// The digest of the policies.
    pub policy: String,
    /// The decision.
    pub decision: String,
    /// `decision`, `backfilled` (judged afterwards), or `none`.
    pub basis: &'static str,
    /// Where it stands in the record.
    pub place: Place,
}

impl DeploymentRow {
    /// The columns.
    pub const COLUMNS: &[Column] = &[
        column("repository", "The repository when it was judged"),
        column("environment", "The environment"),
        column("deployment", "GitHub's id of the deployment"),
        column("run", "The workflow run and its attempt"),
        column("event", "The event that started the run"),
        column("workflow", "The workflow file"),
        column("commit", "The commit that was to go out"),
        column("range_base", "The commit that ran there before"),
        column("changes", "How many changes lie between the two"),
        column("deployers", "Who took part in deploying, and how"),
        column("deployer_ids", "The ids of these accounts, which no renaming changes"),
        column("outcome", "What was decided last of this attempt; none: nobody asked"),
        column("reasons", "Codes of everything that was wrong"),
        column("exception", "The exception that let it through, where one did"),
        column("exception_review", "How that exception was closed; open: nobody has reviewed it"),
        column("decided_at", "When that was decided, UTC"),
        column("conclusion", "How the deploying job ended, as GitHub says; empty where no end is on record"),
        column("ended_at", "When the end was seen, UTC"),
        column("policy", "SHA-256 of the policies that decided"),
        column("decision", "The decision's id"),
        column(
            "basis",
            "decision: made when it was asked for; backfilled: judged afterwards, of a time before the service was there, which allowed nothing; none: neither",
        ),
        column("entry", "The position in the ledger, from 0: of the decision, or of the end where there was none"),
        column("entry_hash", "The hash of that entry as a leaf of the ledger's tree"),
    ];

    /// The cells, in the order of the columns.
    pub fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.repository),
            Cell::text(&self.environment),
            Cell::text(&self.deployment),
            self.run.clone(),
            Cell::text(&self.event),
            Cell::text(&self.workflow),
            self.commit.clone(),
            self.range_base.clone(),
            Cell::Number(self.changes),
            Cell::text(&self.deployers),
            Cell::text(&self.deployer_ids),
            Cell::text(&self.outcome),
            Cell::text(&self.reasons),
            Cell::text(&self.exception),
            Cell::text(self.exception_review),
            self.decided_at.clone(),
            Cell::text(&self.conclusion),
            self.ended_at.clone(),
            Cell::text(&self.policy),
            Cell::text(&self.decision),
            Cell::text(self.basis),
            Cell::Number(self.place.position),
            Cell::text(self.place.leaf.to_string()),
        ]
    }
}
