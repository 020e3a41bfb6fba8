//! A sample of the population, drawn so that anybody draws the same again.
//!
//! Invariant: what is drawn follows from the seed and the entries alone: each change has a lot, the SHA-256 of the seed and
//! of its decision and name, and the lowest lots are drawn. Nothing is drawn from a bundle that does not verify; the caller
//! sees to that. Each item becomes a change ticket ([`super::ticket`]).

use super::EvidenceError;
use super::bundle::{CHECKPOINT, ENTRIES, FRONTIERS};
use super::catalogue::Catalogue;
use super::contents::Contents;
use super::derived::{Source, entry_with_leaf, of_entry};
use super::files::Again;
use super::population::{Cell, Reading, Row, Survey, glance};
use super::progress::Watched;
use super::ticket::{self, Attempt, Look, Story};
use countersign_core::domain::{
    ChangeName, CommitSha, Decision, Entry, EntryBody, PullRequestNumber, Repository, RepositoryId, Subject,
};
use countersign_core::ledger::tree::leaf_hash;
use countersign_core::ledger::{Checkpoint, Note, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What to draw.
#[derive(Debug, Clone)]
pub struct Draw {
    /// The seed, as it is written down in the workpaper.
    pub seed: String,
    /// How many changes.
    pub size: usize,
    /// Whether every repository, environment and outcome is drawn from, as far as the size allows.
    pub stratify: bool,
}

/// What was drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drawn {
    /// The seed.
    pub seed: String,
    /// How many changes there are.
    pub population: u64,
    /// The items, by their lots.
    pub items: Vec<Item>,
}

/// One change that was drawn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Item {
    /// Its lot, hexadecimal.
    pub lot: String,
    /// The repository.
    pub repository: String,
    /// The environment.
    pub environment: String,
    /// The change.
    pub change: String,
    /// The decision that it is part of.
    pub decision: String,
    /// The position of that decision in the ledger.
    pub entry: u64,
    /// What was decided.
    pub outcome: String,
    /// The file of its ticket.
    pub ticket: String,
    /// The repository's id.
    #[serde(skip)]
    of: RepositoryId,
    /// The change itself.
    #[serde(skip)]
    name: ChangeName,
}

/// How many decisions one ticket tells of.
const LOOKS: usize = 200;

/// Draws from a bundle and writes the tickets into a directory that does not exist yet or is empty.
pub fn sample(bundle: &Path, keys: &[VerifyingKey], draw: &Draw, out: &Path) -> Result<Drawn, EvidenceError> {
    let contents = Contents::open(bundle, keys, Watched::default())?;
    let frontiers: super::bundle::Frontiers = contents.json(FRONTIERS)?;
    let source = Source {
        entries: Again::Of(&contents, ENTRIES),
        from: frontiers.from,
        to: frontiers.to,
        size: frontiers.size,
        period: contents.period.clone(),
        repositories: contents.repositories.clone(),
        pages: None,
        checkpoint: contents.text(CHECKPOINT)?,
        catalogue: Catalogue::default(),
    };
    let head = Checkpoint::parse(Note::parse(&source.checkpoint)?.unproved_text())?;
    let mut survey = Survey::of(source.period.as_ref());
    source
        .looked_at(glance, |position, glance| survey.note(position, glance).map_err(|what| of_entry(position, what)))?;

    let mut population = 0;
    let mut strata: BTreeMap<String, BTreeSet<Item>> = BTreeMap::new();
    let mut reading = Reading::new(&survey, source.period.as_ref());
    source.looked_at(entry_with_leaf, |position, (entry, leaf)| {
        for row in reading.rows(position, leaf, &entry) {
            let (Row::Change(row), Some(decision)) = (row, decision_of(&entry.body)) else { continue };
            population += 1;
            let change = row.change.plain();
            let lot = Sha256::digest(format!("{}\n{}\n{change}", draw.seed, row.decision));
            let stratum = [row.repository.as_str(), &row.environment, &row.outcome].join("\n");
            let stratum = strata.entry(if draw.stratify { stratum } else { String::new() }).or_default();
            stratum.insert(Item {
                lot: hex::encode(lot),
                ticket: String::new(),
                of: decision.facts.repository.id,
                name: named(&change),
                repository: row.repository,
                environment: row.environment,
                change,
                decision: row.decision,
                entry: position,
                outcome: row.outcome,
            });
            // Of each stratum no more can ever be drawn.
            if stratum.len() > draw.size {
                stratum.pop_last();
            }
        }
        Ok(())
    })?;
    let mut items = lowest(strata, draw.size);
    std::fs::create_dir_all(out).map_err(EvidenceError::unwritable(out))?;
    if std::fs::read_dir(out).map_err(EvidenceError::unreadable(out))?.next().is_some() {
        return Err(EvidenceError::NotEmpty(out.to_owned()));
    }
    for (number, item) in (1..).zip(&mut items) {
        item.ticket = format!("ticket-{number:03}.html");
    }
    for (number, (item, story)) in (1..).zip(items.iter().zip(stories(&source, &survey, &items)?)) {
        let place = out.join(&item.ticket);
        let drawn = ticket::Drawn { seed: &draw.seed, number: (number, items.len()), population, head: &head };
        std::fs::write(&place, ticket::file(&story, drawn)).map_err(EvidenceError::unwritable(&place))?;
    }
    let drawn = Drawn { seed: draw.seed.clone(), population, items };
    write_list(&drawn, out)?;
    Ok(drawn)
}

/// Writes what was drawn as a table beside the tickets.
fn write_list(drawn: &Drawn, out: &Path) -> Result<(), EvidenceError> {
    let place = out.join("sample.csv");
    let failed = |error: csv::Error| EvidenceError::unwritable(&place)(error.into());
    let mut table = csv::Writer::from_path(&place).map_err(failed)?;
    let columns =
        ["item", "ticket", "repository", "environment", "change", "outcome", "decision", "entry", "lot", "seed"];
    table.write_record(columns).map_err(failed)?;
    for (number, item) in (1_u64..).zip(&drawn.items) {
        let cells = [
            Cell::Number(number),
            Cell::text(&item.ticket),
            Cell::text(&item.repository),
            Cell::text(&item.environment),
            Cell::text(&item.change),
            Cell::text(&item.outcome),
            Cell::text(&item.decision),
            Cell::Number(item.entry),
            Cell::text(&item.lot),
            Cell::text(&drawn.seed),
        ];
        table.write_record(cells.iter().map(Cell::plain)).map_err(failed)?;
    }
    table.flush().map_err(EvidenceError::unwritable(&place))
}

/// What is read of an entry to see whether it belongs to a story.
#[derive(Deserialize)]
struct Glance {
    kind: String,
    verdict: Option<GlanceVerdict>,
    facts: Option<GlanceFacts>,
}

#[derive(Deserialize)]
struct GlanceVerdict {
    changes: Vec<GlanceChange>,
}

#[derive(Deserialize)]
struct GlanceChange {
    change: ChangeName,
}

#[derive(Deserialize)]
struct GlanceFacts {
    repository: Repository,
}

/// The stories of what was drawn: every decision of the bundle on each change, and every attempt to deploy it.
fn stories(source: &Source<'_>, survey: &Survey, items: &[Item]) -> Result<Vec<Story>, EvidenceError> {
    let mut stories: Vec<Story> = Vec::new();
    for item in items {
        let (change, about) = (item.name.clone(), Some(item.entry));
        stories.push(Story { change, looks: Vec::new(), attempts: Vec::new(), about, left_out: 0 });
    }
    source.each(|position, line| {
        let wrong = |error: serde_json::Error| of_entry(position, error.to_string());
        let glance: Glance = serde_json::from_slice(line).map_err(wrong)?;
        let (Some(facts), Some(verdict)) = (glance.facts, glance.verdict) else { return Ok(()) };
        let afterwards = glance.kind == "backfilled";
        if glance.kind != "decision" && !afterwards {
            return Ok(());
        }
        for (item, story) in items.iter().zip(&mut stories) {
            let speaks_of_it =
                facts.repository.id == item.of && verdict.changes.iter().any(|one| one.change == item.name);
            if !speaks_of_it {
                continue;
            }
            if story.looks.len() + story.attempts.len() >= LOOKS && position != item.entry {
                story.left_out += 1;
                continue;
            }
            let entry: Entry = serde_json::from_slice(line).map_err(wrong)?;
            let Some(decision) = decision_of(&entry.body).cloned() else { continue };
            let ended = survey.end_of(&decision.id).cloned();
            let look = Look { position, time: entry.time, leaf: leaf_hash(line), decision, afterwards };
            if let Subject::Deployment(_) = &look.decision.facts.subject {
                let closure = survey.review_that_closes(&look.decision);
                story.attempts.push(Attempt { look, ended, closure });
            } else {
                story.looks.push(look);
            }
        }
        Ok(())
    })?;
    Ok(stories)
}

/// The decision of an entry, made then or afterwards.
fn decision_of(body: &EntryBody) -> Option<&Decision> {
    match body {
        EntryBody::Decision(decision) => Some(decision),
        EntryBody::Backfilled(backfilled) => Some(&backfilled.decision),
        _ => None,
    }
}

/// A change by the name that it bears in the tables.
fn named(change: &str) -> ChangeName {
    let number = change.strip_prefix('#').and_then(|number| number.parse().ok());
    number.map_or_else(
        || ChangeName::Commit(CommitSha::new(change.strip_prefix("git:").unwrap_or(change))),
        |number| ChangeName::PullRequest(PullRequestNumber(number)),
    )
}

/// The lowest lots: one of each stratum in turn, until there are enough.
fn lowest(mut strata: BTreeMap<String, BTreeSet<Item>>, size: usize) -> Vec<Item> {
    let mut drawn = Vec::new();
    while drawn.len() < size && strata.values().any(|stratum| !stratum.is_empty()) {
        let mut round: Vec<Item> = strata.values_mut().filter_map(BTreeSet::pop_first).collect();
        round.sort();
        round.truncate(size.saturating_sub(drawn.len()));
        drawn.extend(round);
    }
    drawn.sort();
    drawn
}
