//! Rows of what did not go the usual way: exceptions, and gaps.
//!
//! Invariant: as in [`super::rows`]: a row has exactly the cells that its columns name.

use super::rows::{Column, column};
use super::{Cell, kinds};
use countersign_core::domain::{AccountId, Repository};

/// An exception, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionRow {
    /// Its id.
    pub id: String,
    /// `owner/name`.
    pub repository: String,
    /// The environment.
    pub environment: String,
    /// The one commit that it was for, if only one.
    pub commit: Cell,
    /// Who opened it.
    pub opened_by: String,
    /// Their account.
    pub opened_by_id: AccountId,
    /// When.
    pub opened_at: String,
    /// Until when it covered anything.
    pub ends: String,
    /// Why.
    pub reason: String,
    /// The ticket.
    pub ticket: String,
    /// How many deployments it let through.
    pub let_through: u64,
    /// Until when its review was due.
    pub due: String,
    /// Who reviewed it.
    pub reviewed_by: String,
    /// Their account.
    pub reviewed_by_id: Option<AccountId>,
    /// When.
    pub reviewed_at: Cell,
    /// `justified`, `unjustified`, or `open`.
    pub review: &'static str,
    /// It was reported that nobody had reviewed it in time.
    pub overdue: bool,
    /// Whether it was reviewed by the time that its review was due; `None` where that time has not come.
    pub in_time: Option<bool>,
    /// Whether the reviewer had no part in it; `None` without a review.
    pub reviewer_had_no_part: Option<bool>,
    /// The position of the entry that opened it.
    pub position: u64,
}

impl ExceptionRow {
    /// The columns.
    pub const COLUMNS: &[Column] = &[
        column("exception", "The exception's id"),
        column("repository", "The repository"),
        column("environment", "The environment"),
        column("commit", "The one commit that it was for; empty: any"),
        column("opened_by", "Who opened it"),
        column("opened_by_id", "The id of that account, which no renaming changes"),
        column("opened_at", "When it was opened, UTC"),
        column("ends", "Until when it covered what was asked for, UTC"),
        column("reason", "Why, in the words of whoever opened it"),
        column("ticket", "The ticket of the emergency"),
        column("let_through", "How many deployments it let through"),
        column("due", "Until when somebody else must have reviewed it, UTC"),
        column("reviewed_by", "Who reviewed it"),
        column("reviewed_by_id", "The id of that account, which no renaming changes"),
        column("reviewed_at", "When it was reviewed, UTC"),
        column("review", "What the review says; open: nobody has reviewed it"),
        column(
            "in_time",
            "Test: it was reviewed by the time that was due; empty: that time has not come, and nobody has",
        ),
        column(
            "reviewer_had_no_part",
            "Test: whoever reviewed it neither opened it, nor contributed to, nor deployed what it let through",
        ),
        column("entry", "The position in the ledger of the entry that opened it"),
    ];

    /// The cells, in the order of the columns.
    pub fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.id),
            Cell::text(&self.repository),
            Cell::text(&self.environment),
            self.commit.clone(),
            Cell::text(&self.opened_by),
            Cell::text(self.opened_by_id.to_string()),
            Cell::Time(self.opened_at.clone()),
            Cell::Time(self.ends.clone()),
            Cell::text(&self.reason),
            Cell::text(&self.ticket),
            Cell::Number(self.let_through),
            Cell::Time(self.due.clone()),
            Cell::text(&self.reviewed_by),
            self.reviewed_by_id.map_or(Cell::Empty, |id| Cell::text(id.to_string())),
            self.reviewed_at.clone(),
            Cell::text(self.review),
            self.in_time.map_or(Cell::Empty, Cell::Holds),
            self.reviewer_had_no_part.map_or(Cell::Empty, Cell::Holds),
            Cell::Number(self.position),
        ]
    }
}

/// Something that is missing, or that happened outside the control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapRow {
    /// What kind, as a stable word.
    pub kind: &'static str,
    /// `owner/name`; empty where it concerns all.
    pub repository: String,
    /// The environment; empty where it concerns all.
    pub environment: String,
    /// When it began, or the moment itself.
    pub from: Cell,
    /// When it was over; empty for a moment.
    pub to: Cell,
    /// How many things are missing: deployments, commits, deliveries.
    pub count: u64,
    /// Of a window: how many changes landed in it.
    pub landed: Option<u64>,
    /// Of a window: the first of these changes by name.
    pub landed_changes: String,
    /// In words, for the reader.
    pub what: String,
    /// The position of the entry that shows it.
    pub position: u64,
}

impl GapRow {
    /// One thing that is missing at a moment, wherever it is.
    pub(super) fn at(kind: &'static str, time: &str, what: String, position: u64) -> Self {
        Self {
            kind,
            repository: String::new(),
            environment: String::new(),
            from: Cell::Time(time.to_owned()),
            to: Cell::Empty,
            count: 1,
            landed: None,
            landed_changes: String::new(),
            what,
            position,
        }
    }

    /// The same, in this place.
    pub(super) fn of(self, repository: &Repository, environment: &str) -> Self {
        Self { repository: repository.full_name.clone(), environment: environment.to_owned(), ..self }
    }

    /// Whether it is a stretch of time rather than one thing that is missing.
    pub fn is_window(&self) -> bool {
        kinds::kind(self.kind).is_some_and(|kind| kind.window)
    }
}

impl GapRow {
    /// The columns.
    pub const COLUMNS: &[Column] = &[
        column("kind", "What is missing, as a stable word; the report says what each means"),
        column("repository", "The repository; empty: all"),
        column("environment", "The environment; empty: all"),
        column("from", "When it began, UTC"),
        column("to", "When it was over, UTC; empty for a moment, and for what nothing on record ends"),
        column("count", "How many are missing: deployments, commits, deliveries; 1 for a window"),
        column(
            "landed",
            "Of a window: how many changes landed on production branches in it, as far as they are on record",
        ),
        column("landed_changes", "Of a window: the first twenty of these"),
        column("what", "What it is, in words"),
        column("entry", "The position in the ledger of the entry that shows it"),
    ];

    /// The cells, in the order of the columns.
    pub fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.kind),
            Cell::text(&self.repository),
            Cell::text(&self.environment),
            self.from.clone(),
            self.to.clone(),
            Cell::Number(self.count),
            self.landed.map_or(Cell::Empty, Cell::Number),
            Cell::text(&self.landed_changes),
            Cell::text(&self.what),
            Cell::Number(self.position),
        ]
    }
}
