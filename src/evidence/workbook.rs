//! The workbook: the population as an auditor's workpaper.
//!
//! Invariant: the same rows give the same bytes; nothing that came from outside becomes a formula; memory does not grow
//! with the rows. Counts on the first sheet are formulas over the others, so that whoever filters or corrects sees them
//! follow.

use super::EvidenceError;
use super::population::kinds::{self, GAP_KINDS};
use super::population::rows::Column;
use super::population::{Cell, ChangeRow, CommitRow, DeploymentRow, ExceptionRow, GapRow, Period, Row, Totals};
use rust_xlsxwriter::{
    ConditionalFormatText, ConditionalFormatTextRule, DocProperties, ExcelDateTime, Format, Formula, Note, Workbook,
    Worksheet, XlsxError,
};
use std::ops::Range;
use std::path::Path;

/// How many rows of the population a sheet has at most: Excel ends at 1,048,576.
const ROWS: u32 = 1_000_000;
/// Columns for whoever tests a sample, left blank.
const TICKS: [(&str, &str); 3] = [
    ("tick: approval", "For the tester: the approval was seen on GitHub"),
    ("tick: deployer", "For the tester: the deployer was seen on GitHub"),
    ("remarks", "For the tester"),
];

/// The workbook while rows are added.
pub struct Book {
    workbook: Workbook,
    looks: Looks,
    changes: Sheets,
    deployments: Sheets,
    commits: Sheets,
    exceptions: Sheets,
    continuity: Sheets,
    completeness: Sheets,
}

/// How cells look; colour only where it means something.
struct Looks {
    head: Format,
    title: Format,
    time: Format,
    link: Format,
    text: Format,
    bad: Format,
    unsure: Format,
}

/// A table that goes on from sheet to sheet.
struct Sheets {
    title: &'static str,
    columns: &'static [Column],
    ticks: bool,
    /// The index of each sheet, with how many rows it has.
    pages: Vec<(usize, u32)>,
}

impl Book {
    /// An empty workbook.
    pub fn begin() -> Result<Self, EvidenceError> {
        let mut workbook = Workbook::new();
        let birth = ExcelDateTime::from_ymd(2000, 1, 1).map_err(failed)?;
        workbook
            .set_properties(&DocProperties::new().set_title("Countersign: population").set_creation_datetime(&birth));
        workbook.add_worksheet().set_name("Summary").map_err(failed)?;
        let head = Format::new().set_bold().set_background_color(0x00E8_E8E8).set_text_wrap();
        let looks = Looks {
            head,
            title: Format::new().set_bold().set_font_size(14),
            time: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            link: Format::new().set_font_color(0x0005_63C1).set_underline(rust_xlsxwriter::FormatUnderline::Single),
            text: Format::new().set_quote_prefix(),
            bad: Format::new().set_background_color(0x00F8_CBAD),
            unsure: Format::new().set_background_color(0x00FF_E699),
        };
        let sheets = |title, columns| Sheets { title, columns, ticks: false, pages: Vec::new() };
        let mut book = Self {
            workbook,
            looks,
            changes: Sheets { ticks: true, ..sheets("Changes", ChangeRow::COLUMNS) },
            deployments: sheets("Deployments", DeploymentRow::COLUMNS),
            commits: sheets("Commits", CommitRow::COLUMNS),
            exceptions: sheets("Exceptions", ExceptionRow::COLUMNS),
            continuity: sheets("Continuity", GapRow::COLUMNS),
            completeness: sheets("Completeness", GapRow::COLUMNS),
        };
        for sheets in [
            &mut book.changes,
            &mut book.deployments,
            &mut book.commits,
            &mut book.exceptions,
            &mut book.continuity,
            &mut book.completeness,
        ] {
            sheets.turn(&mut book.workbook, &book.looks).map_err(failed)?;
        }
        Ok(book)
    }

    /// Adds a row to the table that it belongs to.
    pub fn add(&mut self, row: &Row) -> Result<(), EvidenceError> {
        let (sheets, cells) = match row {
            Row::Change(row) => (&mut self.changes, row.cells()),
            Row::Deployment(row) => (&mut self.deployments, row.cells()),
            Row::Commit(row) => (&mut self.commits, row.cells()),
            Row::Exception(row) => (&mut self.exceptions, row.cells()),
            Row::Gap(row) if row.is_window() => (&mut self.continuity, row.cells()),
            Row::Gap(row) => (&mut self.completeness, row.cells()),
        };
        sheets.add(&mut self.workbook, &self.looks, &cells).map_err(failed)
    }

    /// Writes the summary and saves.
    pub fn finish(mut self, totals: &Totals, about: &About<'_>, path: &Path) -> Result<(), EvidenceError> {
        for sheets in
            [&self.changes, &self.deployments, &self.commits, &self.exceptions, &self.continuity, &self.completeness]
        {
            sheets.end(&mut self.workbook, &self.looks).map_err(failed)?;
        }
        self.summary(totals).map_err(failed)?;
        self.parameters(totals, about).map_err(failed)?;
        self.workbook.save(path).map_err(failed)
    }

    fn summary(&mut self, totals: &Totals) -> Result<(), XlsxError> {
        let count = |sheets: &Sheets, column: &str, value: &str| sheets.count(column, value);
        // Those that begin with "would" were judged afterwards and allowed nothing.
        let outcomes = [
            "allow",
            "exception",
            "deny",
            "undetermined",
            "pending",
            "none",
            "would-allow",
            "would-deny",
            "would-undetermined",
            "would-pending",
        ];
        let mut lines: Vec<(String, String, u64)> =
            vec![("Changes that reached production".to_owned(), self.changes.rows_formula(), totals.changes)];
        // Of what never happened there is no line.
        for outcome in outcomes {
            let number = totals.changes_by_outcome.get(outcome).copied().unwrap_or(0);
            if number == 0 {
                continue;
            }
            lines.push((format!("  of these: {outcome}"), count(&self.changes, "outcome", outcome), number));
        }
        let tests = ["author_is_not_reviewer", "author_is_not_deployer", "reviewer_is_not_deployer"];
        for (test, failed) in tests.iter().zip(totals.tests_failed) {
            lines.push((format!("Changes for which {test} does not hold"), count(&self.changes, test, "no"), failed));
        }
        let attempts: u64 = totals.deployments_by_outcome.values().sum();
        lines.push(("Attempts to deploy".to_owned(), self.deployments.rows_formula(), attempts));
        for outcome in outcomes {
            let number = totals.deployments_by_outcome.get(outcome).copied().unwrap_or(0);
            if number == 0 {
                continue;
            }
            lines.push((format!("  of these: {outcome}"), count(&self.deployments, "outcome", outcome), number));
        }
        lines.push(("Commits".to_owned(), self.commits.rows_formula(), totals.commits));
        let exceptions: u64 = totals.exceptions.values().sum();
        lines.push(("Exceptions".to_owned(), self.exceptions.rows_formula(), exceptions));
        for review in ["justified", "unjustified", "open"] {
            let number = totals.exceptions.get(review).copied().unwrap_or(0);
            if number == 0 {
                continue;
            }
            lines.push((format!("  of these: {review}"), count(&self.exceptions, "review", review), number));
        }
        for (test, failed) in [("in_time", totals.late_reviews), ("reviewer_had_no_part", totals.own_reviews)] {
            let name = format!("Exceptions for which {test} does not hold");
            lines.push((name, count(&self.exceptions, test, "no"), failed));
        }
        for (title, sheets, window) in
            [("Times without control", &self.continuity, true), ("Missing", &self.completeness, false)]
        {
            let here = |code: &str| kinds::kind(code).is_some_and(|kind| kind.window) == window;
            let of = totals.gaps.iter().filter(|(code, _)| here(code));
            lines.push((title.to_owned(), sheets.rows_formula(), of.clone().map(|(_, number)| number).sum()));
            for (kind, number) in of {
                lines.push((format!("  of these: {kind}"), count(sheets, "kind", kind), *number));
            }
        }

        let sheet = self.workbook.worksheet_from_index(0)?;
        sheet.set_landscape().set_print_fit_to_pages(1, 0);
        sheet.set_column_width(0, 56)?.set_column_width(1, 24)?;
        sheet.write_string_with_format(0, 0, "Separation of duties: population", &self.looks.title)?;
        let mut row = 2;
        sheet.write_string_with_format(row, 0, "Count", &self.looks.head)?;
        sheet.write_string_with_format(row, 1, "A formula over the sheets", &self.looks.head)?;
        for (name, formula, number) in lines {
            row += 1;
            sheet.write_string(row, 0, name)?;
            sheet.write_formula(row, 1, Formula::new(formula).set_result(number.to_string()))?;
        }
        sheet.write_string(row + 2, 0, "Verify this file with: countersign evidence verify BUNDLE --key VKEY")?;
        Ok(())
    }

    /// What the workbook was made of, and what its words mean.
    fn parameters(&mut self, totals: &Totals, about: &About<'_>) -> Result<(), XlsxError> {
        let sheet = self.workbook.add_worksheet();
        sheet.set_name("Parameters")?.set_column_width(0, 28)?.set_column_width(1, 90)?;
        sheet.set_landscape().set_print_fit_to_pages(1, 0);
        let parameters = [
            ("Period from", about.period.map_or("the first entry", |period| &period.from)),
            ("Period to (exclusive)", about.period.map_or("the last entry", |period| &period.to)),
            ("Repositories (ids)", &about.repositories),
            ("Ledger", &about.ledger),
            ("Ledger size", &about.size),
            ("Root", &about.root),
            ("First entry", &about.entries.start.to_string()),
            ("Last entry", &about.entries.end.saturating_sub(1).to_string()),
            ("Entries written by", &about.tools),
            ("Policies in force", &totals.policies.iter().cloned().collect::<Vec<_>>().join(" ")),
            ("Settings", &about.settings),
        ];
        sheet.write_string_with_format(0, 0, "Parameters", &self.looks.title)?;
        let mut row = 1;
        for (name, value) in parameters {
            row += 1;
            sheet.write_string(row, 0, name)?.write_string(row, 1, value)?;
        }
        row += 2;
        sheet.write_string_with_format(row, 0, "Kind of gap", &self.looks.head)?;
        sheet.write_string_with_format(row, 1, "What it means", &self.looks.head)?;
        for kind in GAP_KINDS {
            row += 1;
            sheet.write_string(row, 0, kind.code)?.write_string(row, 1, kind.means)?;
        }
        Ok(())
    }
}

/// What the workbook says of the whole.
#[derive(Debug, Default)]
pub struct About<'a> {
    /// The time told of.
    pub period: Option<&'a Period>,
    /// The positions of the entries.
    pub entries: Range<u64>,
    /// The ids of the repositories that were chosen, or that all are there.
    pub repositories: String,
    /// The name of the ledger.
    pub ledger: String,
    /// How many entries it had.
    pub size: String,
    /// The root over them.
    pub root: String,
    /// The programs that wrote the entries.
    pub tools: String,
    /// The digests of the settings that entries name.
    pub settings: String,
}

impl Sheets {
    /// Begins the next sheet.
    fn turn(&mut self, workbook: &mut Workbook, looks: &Looks) -> Result<(), XlsxError> {
        let number = self.pages.len() + 1;
        let name = if number == 1 { self.title.to_owned() } else { format!("{} {number}", self.title) };
        let index = workbook.worksheets().len();
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(name)?.set_freeze_panes(1, 0)?.set_landscape().set_repeat_rows(0, 0)?;
        sheet.set_print_fit_to_pages(1, 0);
        let own = self.columns.iter().map(|column| (column.name, column.note));
        let ticks = TICKS.into_iter().take(if self.ticks { TICKS.len() } else { 0 });
        for (at, (name, note)) in (0_u16..).zip(own.chain(ticks)) {
            sheet.write_string_with_format(0, at, name, &looks.head)?;
            sheet.insert_note(0, at, &Note::new(note).add_author_prefix(false))?;
            sheet.set_column_width(at, width(name))?;
        }
        self.pages.push((index, 0));
        Ok(())
    }

    fn add(&mut self, workbook: &mut Workbook, looks: &Looks, cells: &[Cell]) -> Result<(), XlsxError> {
        if self.pages.last().is_none_or(|(_, rows)| *rows >= ROWS) {
            self.turn(workbook, looks)?;
        }
        let Some((index, rows)) = self.pages.last_mut() else { return Ok(()) };
        *rows += 1;
        let sheet = workbook.worksheet_from_index(*index)?;
        for (at, cell) in (0_u16..).zip(cells) {
            write(sheet, *rows, at, cell, looks)?;
        }
        Ok(())
    }

    /// Filters and colours, once the rows are known.
    fn end(&self, workbook: &mut Workbook, looks: &Looks) -> Result<(), XlsxError> {
        let width = self.columns.len() + if self.ticks { TICKS.len() } else { 0 };
        let last = u16::try_from(width.saturating_sub(1)).unwrap_or(u16::MAX);
        for (index, rows) in &self.pages {
            let sheet = workbook.worksheet_from_index(*index)?;
            sheet.autofilter(0, 0, *rows, last)?;
            for (at, column) in (0_u16..).zip(self.columns) {
                let bad = match column.name {
                    "outcome" | "change_outcome" => &["deny", "none"][..],
                    "review" | "exception_review" => &["unjustified", "open"][..],
                    "in_time" | "reviewer_had_no_part" => &["no"][..],
                    name if name.contains("_is_not_") => &["no"][..],
                    _ => continue,
                };
                for word in bad {
                    let rule = ConditionalFormatTextRule::BeginsWith((*word).to_owned());
                    let colour = ConditionalFormatText::new().set_rule(rule).set_format(&looks.bad);
                    sheet.add_conditional_format(1, at, (*rows).max(1), at, &colour)?;
                }
                let rule = ConditionalFormatTextRule::BeginsWith("undetermined".to_owned());
                let colour = ConditionalFormatText::new().set_rule(rule).set_format(&looks.unsure);
                sheet.add_conditional_format(1, at, (*rows).max(1), at, &colour)?;
            }
        }
        Ok(())
    }

    /// How many rows there are, as a formula.
    fn rows_formula(&self) -> String {
        let counts = self.ranges(0).map(|range| format!("COUNTA({range})"));
        format!("={}", counts.collect::<Vec<_>>().join("+"))
    }

    /// How many rows say this in a column, as a formula.
    fn count(&self, column: &str, value: &str) -> String {
        let at = self.columns.iter().position(|known| known.name == column).unwrap_or_default();
        let counts = self.ranges(at).map(|range| format!("COUNTIF({range},\"{value}\")"));
        format!("={}", counts.collect::<Vec<_>>().join("+"))
    }

    fn ranges(&self, column: usize) -> impl Iterator<Item = String> + '_ {
        let letters = rust_xlsxwriter::utility::column_number_to_name(u16::try_from(column).unwrap_or_default());
        self.pages.iter().zip(1..).map(move |((_, rows), number)| {
            let name = if number == 1 { self.title.to_owned() } else { format!("{} {number}", self.title) };
            format!("'{name}'!${letters}$2:${letters}${}", (*rows).max(1) + 1)
        })
    }
}

fn write(sheet: &mut Worksheet, row: u32, at: u16, cell: &Cell, looks: &Looks) -> Result<(), XlsxError> {
    match cell {
        Cell::Empty => {}
        #[expect(clippy::cast_precision_loss, reason = "a position is far below what a spreadsheet counts exactly")]
        Cell::Number(number) => {
            sheet.write_number(row, at, *number as f64)?;
        }
        Cell::Time(time) => match ExcelDateTime::parse_from_str(time.trim_end_matches('Z')) {
            Ok(moment) => {
                sheet.write_datetime_with_format(row, at, &moment, &looks.time)?;
            }
            Err(_) => {
                sheet.write_string(row, at, cell.plain())?;
            }
        },
        Cell::Link { text, url } if url.len() < 250 && text.len() < 250 => {
            // A formula, since Excel takes no more than 65,530 links of the other kind in a sheet.
            let quoted = |words: &str| words.replace('"', "\"\"");
            let formula = format!("=HYPERLINK(\"{}\",\"{}\")", quoted(url), quoted(&cell.plain()));
            sheet.write_formula_with_format(row, at, Formula::new(formula).set_result(cell.plain()), &looks.link)?;
        }
        Cell::Text(_) | Cell::Holds(_) | Cell::Link { .. } => {
            let (text, shown) = (cell.plain(), cell.shown());
            if text == shown {
                sheet.write_string(row, at, text)?;
            } else {
                sheet.write_string_with_format(row, at, text, &looks.text)?;
            }
        }
    }
    Ok(())
}

fn width(name: &str) -> f64 {
    match name {
        "contributors" | "reviewers" | "deployers" | "reasons" | "what" | "landed_changes" | "remarks" => 40.0,
        "commit" | "range_base" | "range_target" | "merged_at" | "deployed_at" | "decided_at" | "ended_at" | "from"
        | "to" | "run" | "job_ended_at" | "reviewed_at" | "opened_at" | "due" | "ends" => 20.0,
        "repository"
        | "author_is_not_reviewer"
        | "author_is_not_deployer"
        | "reviewer_is_not_deployer"
        | "reviewer_had_no_part" => 24.0,
        "policy" | "entry_hash" | "decision" => 18.0,
        _ => 14.0,
    }
}

fn failed(error: XlsxError) -> EvidenceError {
    let source = match error {
        XlsxError::IoError(source) => source,
        other => std::io::Error::other(other),
    };
    EvidenceError::Unwritable { path: super::bundle::WORKBOOK.into(), source }
}
