//! The files of a bundle that follow from its entries: tables, workbook, report, OSCAL results, attestations.
//!
//! Invariant: the same entries, policies, settings, checkpoint and period give the same bytes, so that [`super::verify()`]
//! makes them again and compares. Nothing else is read. What the rows mean is in [`super::population`].

use super::EvidenceError;
use super::attestations::{Attestations, Seals};
use super::bundle::{
    CHANGES, CHECKPOINT, COMMITS, DEPLOYMENTS, DERIVED, ENTRIES, EXCEPTIONS, Frontiers, GAPS, LEFT_OUT_PREFIX, OSCAL,
    REPORT, WORKBOOK,
};
use super::catalogue::Catalogue;
use super::contents::Contents;
use super::directory::{Directory, Growing};
use super::files::Again;
use super::lines::in_order;
use super::oscal::{self, Results};
use super::population::rows::Column;
use super::population::{
    Cell, ChangeRow, CommitRow, DeploymentRow, ExceptionRow, GapRow, Period, Reading, Row, Survey, Totals, glance,
};
use super::progress::{Stage, Watched};
use super::report::{self, Told};
use super::seen::Seen;
use super::workbook::{About, Book};
use countersign_core::domain::{Entry, EntryBody, RepositoryId};
use countersign_core::ledger::tree::leaf_hash;
use countersign_core::ledger::{Checkpoint, Hash, Note};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// What the files are derived from: a bundle's entries with what holds them.
pub(super) struct Source<'a> {
    /// The file of entries.
    pub(super) entries: Again<'a>,
    /// The position of the first.
    pub(super) from: u64,
    /// The position after the last.
    pub(super) to: u64,
    /// How many entries the ledger had.
    pub(super) size: u64,
    /// The time that is told of.
    pub(super) period: Option<Period>,
    /// The repositories that were chosen; `None` for all.
    pub(super) repositories: Option<BTreeSet<RepositoryId>>,
    /// The signed head of the ledger, as the bundle has it.
    pub(super) checkpoint: String,
    /// The policies and settings that the entries name.
    pub(super) catalogue: Catalogue,
    /// The address that tables link changes to.
    pub(super) pages: Option<String>,
}

/// Writes every derived file; attestations as the seals say.
pub(super) fn derive(
    source: &Source<'_>,
    seals: Seals<'_>,
    directory: &mut Directory,
    progress: Watched<'_>,
) -> Result<(), EvidenceError> {
    let mut survey = Survey::of(source.period.as_ref());
    progress.begin(Stage::Survey, source.to - source.from);
    let left_out = source.looked_at(glance, |position, glance| {
        progress.add(1);
        survey.note(position, glance).map_err(|what| of_entry(position, what))
    })?;
    survey.end(&(source.from..source.to), source.size);
    progress.begin(Stage::Tables, source.to - source.from);
    let mut tables = Tables::begin(source, directory)?;
    let mut attestations = Attestations::begin(seals);
    let mut reading = Reading::new(&survey, source.period.as_ref());
    source.looked_at(entry_with_leaf, |position, (entry, leaf)| {
        progress.add(1);
        tables.seen.entry(&entry);
        for mut row in reading.rows(position, leaf, &entry) {
            if let (Row::Change(row), Some(pages)) = (&mut row, &source.pages) {
                row.link_to(pages);
            }
            if let (Row::Deployment(_), EntryBody::Decision(decision)) = (&row, &entry.body) {
                attestations.add(&entry, decision, directory)?;
            }
            tables.add(&row)?;
        }
        Ok(())
    })?;
    for row in reading.finish() {
        tables.add(&row)?;
    }
    attestations.finish(directory)?;
    progress.begin(Stage::Workbook, 0);
    tables.finish(source, left_out, directory)
}

/// An entry, with its hash as a leaf of the ledger's tree.
pub(super) fn entry_with_leaf(line: &[u8]) -> Result<(Entry, Hash), String> {
    let entry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    Ok((entry, leaf_hash(line)))
}

/// Something is wrong with an entry.
pub(super) fn of_entry(position: u64, what: String) -> EvidenceError {
    EvidenceError::wrong(format!("{ENTRIES} (entry {position})"), what)
}

/// Makes the derived files again, beside the bundle, and compares them with those in it.
pub(super) fn check_derived(
    contents: &Contents,
    frontiers: &Frontiers,
    progress: Watched<'_>,
) -> Result<(), EvidenceError> {
    let place = std::env::temp_dir();
    let again = tempfile::tempdir().map_err(EvidenceError::unwritable(&place))?;
    let mut directory = Directory::create(again.path())?;
    let source = Source {
        entries: Again::Of(contents, ENTRIES),
        from: frontiers.from,
        to: frontiers.to,
        size: frontiers.size,
        period: contents.period.clone(),
        repositories: contents.repositories.clone(),
        checkpoint: contents.text(CHECKPOINT)?,
        catalogue: Catalogue::of(contents)?,
        pages: contents.pages.clone(),
    };
    derive(&source, Seals::Of(contents), &mut directory, progress)?;
    for path in DERIVED {
        let made = directory.files().iter().find(|file| file.path == *path);
        if made != contents.listed(path) {
            let what = difference(path, contents, &again.path().join(path));
            let written_by = written_by_another(contents);
            return Err(EvidenceError::wrong(*path, format!("it is not what the entries give: {what}{written_by}")));
        }
    }
    Ok(())
}

/// What to do where another build wrote the bundle. It stays wrong: whoever forges may name another build as well.
fn written_by_another(contents: &Contents) -> String {
    if contents.tool == crate::TOOL {
        return String::new();
    }
    let named: String = contents.tool.chars().filter(|letter| !letter.is_control()).take(64).collect();
    format!("; the bundle says that {named} wrote it and this is {}: verify it with that version", crate::TOOL)
}

/// Where two files part.
fn difference(path: &str, contents: &Contents, again: &Path) -> String {
    if path == WORKBOOK {
        return "its bytes differ".to_owned();
    }
    let (Ok(there), Ok(again)) = (contents.reader(path), File::open(again)) else {
        return "they cannot be compared".to_owned();
    };
    let mut again = BufReader::new(again).split(b'\n');
    for (number, line) in (1_u64..).zip(BufReader::new(there).split(b'\n')) {
        match again.next() {
            None => return format!("line {number} is one too many"),
            Some(made) if made.as_ref().ok() != line.as_ref().ok() => return format!("line {number} differs"),
            Some(_) => {}
        }
    }
    "lines are missing at its end".to_owned()
}

impl Source<'_> {
    /// Hands every entry that was not left out to `look`, side by side, and what that finds to `tell`, in order; answers how
    /// many were left out.
    pub(super) fn looked_at<T: Send>(
        &self,
        look: impl Fn(&[u8]) -> Result<T, String> + Sync,
        mut tell: impl FnMut(u64, T) -> Result<(), EvidenceError>,
    ) -> Result<u64, EvidenceError> {
        let mut left_out = 0;
        let look = |line: &[u8]| if line.starts_with(LEFT_OUT_PREFIX) { Ok(None) } else { look(line).map(Some) };
        in_order(&self.entries, &(self.from..self.to), look, |position, found| {
            if let Some(found) = found {
                return tell(position, found);
            }
            left_out += 1;
            Ok(())
        })?;
        Ok(left_out)
    }

    /// Hands every entry that was not left out to a reader, with its position; answers how many were left out.
    pub(super) fn each(
        &self,
        mut read: impl FnMut(u64, &[u8]) -> Result<(), EvidenceError>,
    ) -> Result<u64, EvidenceError> {
        let mut reader = BufReader::with_capacity(1 << 18, self.entries.read()?);
        let mut line = Vec::new();
        let (mut position, mut left_out) = (self.from, 0);
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).map_err(|error| self.entries.failed(error))? == 0 {
                return Ok(left_out);
            }
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            if line.starts_with(LEFT_OUT_PREFIX) {
                left_out += 1;
            } else {
                read(position, line)?;
            }
            position += 1;
        }
    }
}

impl Source<'_> {
    /// What the workbook says of the whole. Nothing of the program that writes it, so that another one writes the same.
    fn about(&self, seen: &Seen) -> About<'_> {
        let head = Note::parse(&self.checkpoint).ok();
        let head = head.as_ref().and_then(|note| Checkpoint::parse(note.unproved_text()).ok());
        let list = |items: Vec<String>| items.join(" ");
        let chosen = self.repositories.as_ref().map(|ids| list(ids.iter().map(ToString::to_string).collect()));
        About {
            period: self.period.as_ref(),
            entries: self.from..self.to,
            repositories: chosen.unwrap_or_else(|| "all".to_owned()),
            ledger: head.as_ref().map(|head| head.origin.clone()).unwrap_or_default(),
            size: self.size.to_string(),
            root: head.as_ref().map(|head| head.root.to_string()).unwrap_or_default(),
            tools: seen.tools.keys().cloned().collect::<Vec<_>>().join(", "),
            settings: list(self.catalogue.settings.keys().cloned().collect()),
        }
    }
}

/// The files as they grow.
struct Tables {
    changes: Table,
    commits: Table,
    deployments: Table,
    exceptions: Table,
    gaps: Table,
    book: Book,
    totals: Totals,
    seen: Seen,
    results: Results,
}

impl Tables {
    fn begin(source: &Source<'_>, directory: &Directory) -> Result<Self, EvidenceError> {
        Ok(Self {
            changes: Table::begin(directory, CHANGES, ChangeRow::COLUMNS)?,
            commits: Table::begin(directory, COMMITS, CommitRow::COLUMNS)?,
            deployments: Table::begin(directory, DEPLOYMENTS, DeploymentRow::COLUMNS)?,
            exceptions: Table::begin(directory, EXCEPTIONS, ExceptionRow::COLUMNS)?,
            gaps: Table::begin(directory, GAPS, GapRow::COLUMNS)?,
            book: Book::begin()?,
            totals: Totals::default(),
            seen: Seen::default(),
            results: Results::begin(&source.checkpoint)?,
        })
    }

    fn add(&mut self, row: &Row) -> Result<(), EvidenceError> {
        self.totals.add(row);
        self.seen.row(row);
        self.results.row(row)?;
        self.book.add(row)?;
        match row {
            Row::Change(row) => self.changes.add(&row.cells()),
            Row::Commit(row) => self.commits.add(&row.cells()),
            Row::Deployment(row) => self.deployments.add(&row.cells()),
            Row::Exception(row) => self.exceptions.add(&row.cells()),
            Row::Gap(row) => self.gaps.add(&row.cells()),
        }
    }

    fn finish(self, source: &Source<'_>, left_out: u64, directory: &mut Directory) -> Result<(), EvidenceError> {
        for table in [self.changes, self.commits, self.deployments, self.exceptions, self.gaps] {
            table.finish(directory)?;
        }
        let (period, catalogue) = (source.period.as_ref(), &source.catalogue);
        let about = source.about(&self.seen);
        self.book.finish(&self.totals, &about, &directory.place(WORKBOOK))?;
        directory.adopt(WORKBOOK)?;
        let about = oscal::About { period, seen: &self.seen, catalogue };
        let results = self.results.finish(&about, directory.begin(OSCAL)?)?;
        directory.keep(results)?;
        let told = Told {
            seen: &self.seen,
            totals: &self.totals,
            catalogue,
            period,
            range: (source.from, source.to),
            left_out,
            checkpoint: &source.checkpoint,
        };
        directory.write(REPORT, report::page(&told).as_bytes())
    }
}

/// One table in a file of plain text.
struct Table {
    path: &'static str,
    rows: csv::Writer<Growing>,
}

impl Table {
    fn begin(directory: &Directory, path: &'static str, columns: &[Column]) -> Result<Self, EvidenceError> {
        let mut table = Self { path, rows: csv::Writer::from_writer(directory.begin(path)?) };
        table.record(columns.iter().map(|column| column.name.to_owned()))?;
        Ok(table)
    }

    fn add(&mut self, cells: &[Cell]) -> Result<(), EvidenceError> {
        self.record(cells.iter().map(Cell::plain))
    }

    fn record(&mut self, fields: impl Iterator<Item = String>) -> Result<(), EvidenceError> {
        let unwritable = EvidenceError::unwritable(Path::new(self.path));
        self.rows.write_record(fields).map_err(|error| unwritable(error.into()))
    }

    fn finish(self, directory: &mut Directory) -> Result<(), EvidenceError> {
        let unwritable = EvidenceError::unwritable(Path::new(self.path));
        let file = self.rows.into_inner().map_err(|error| unwritable(error.into_error()))?;
        directory.keep(file)
    }
}
