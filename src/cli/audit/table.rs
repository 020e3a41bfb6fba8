//! A retrospective as a table: one row per change and deployment; a deployment that brought no change has a row of its own.
//!
//! Invariant: no cell begins a formula in a spreadsheet, and no id is taken for a number there.

use crate::evidence::population::Cell;
use crate::retrospective::{Inquiry, Judged};
use countersign_core::domain::{ChangeName, ChangeVerdict, StartingPoint};
use std::collections::BTreeSet;
use std::io::Write;
use time::format_description::well_known::Rfc3339;

const COLUMNS: [&str; 17] = [
    "repository",
    "environment",
    "deployment",
    "run",
    "attempt",
    "event",
    "went_out_at",
    "commit",
    "range_base",
    "change",
    "change_commit",
    "contributors",
    "reviewers",
    "deployers",
    "change_outcome",
    "outcome",
    "reasons",
];

pub(super) fn write(inquiry: &Inquiry, judged: &[Judged], to: impl Write) -> anyhow::Result<()> {
    let mut table = csv::Writer::from_writer(to);
    table.write_record(COLUMNS)?;
    for one in judged {
        if one.verdict.changes.is_empty() {
            table.write_record(row(inquiry, one, None)?.iter().map(Cell::plain))?;
        }
        for change in &one.verdict.changes {
            table.write_record(row(inquiry, one, Some(change))?.iter().map(Cell::plain))?;
        }
    }
    table.flush()?;
    Ok(())
}

fn row(inquiry: &Inquiry, one: &Judged, change: Option<&ChangeVerdict>) -> anyhow::Result<[Cell; 17]> {
    let run = one.run.as_ref();
    let list = |items: Vec<&str>| Cell::text(items.join("; "));
    let concerns =
        |of: &Option<ChangeName>| change.is_none() || of.is_none() || of.as_ref() == change.map(|c| &c.change);
    let reasons = one.verdict.reasons.iter().filter(|reason| concerns(&reason.change));
    let codes: BTreeSet<&str> = reasons.map(|reason| reason.code.as_str()).collect();
    let logins =
        |change: &ChangeVerdict| list(change.contributors.iter().map(|one| one.account.login.as_str()).collect());
    let reviewers = |change: &ChangeVerdict| list(change.reviewers.iter().map(|one| one.login.as_str()).collect());
    Ok([
        Cell::text(&inquiry.repository),
        Cell::text(&one.environment),
        Cell::text(one.deployment.to_string()),
        run.map_or(Cell::Empty, |run| Cell::text(run.id.to_string())),
        run.map_or(Cell::Empty, |run| Cell::Number(run.this.number.0)),
        run.map_or(Cell::Empty, |run| Cell::text(&run.event)),
        Cell::Time(one.at.format(&Rfc3339)?),
        Cell::commit(&one.commit),
        one.start.as_ref().map_or(Cell::Empty, |start: &StartingPoint| Cell::commit(start.commit())),
        change.map_or(Cell::Empty, |change| match &change.change {
            ChangeName::PullRequest(number) => Cell::text(format!("#{number}")),
            ChangeName::Commit(commit) => Cell::commit(commit),
        }),
        change.map_or(Cell::Empty, |change| Cell::commit(&change.commit)),
        change.map_or(Cell::Empty, logins),
        change.map_or(Cell::Empty, reviewers),
        list(one.verdict.deployers.iter().map(|one| one.account.login.as_str()).collect()),
        change.map_or(Cell::Empty, |change| Cell::text(change.outcome.to_string())),
        Cell::text(one.verdict.outcome.to_string()),
        list(codes.into_iter().collect()),
    ])
}
