//! A sample of the population, drawn so that anybody draws the same again.
//!
//! Invariant: what is drawn follows from the seed and the entries alone: each change has a lot, the SHA-256 of the seed and
//! of its decision and name, and the lowest lots are drawn. Nothing is drawn from a bundle that does not verify; the caller
//! sees to that. Each item becomes a change ticket ([`super::ticket`]).

use super::EvidenceError;
use super::bundle::{ENTRIES, FRONTIERS};
use super::contents::Contents;
use super::derived::Source;
use super::files::Again;
use super::population::{Reading, Row, Survey};
use super::progress::Watched;
use super::ticket::ticket;
use countersign_core::domain::{Entry, EntryBody};
use countersign_core::ledger::VerifyingKey;
use countersign_core::ledger::tree::leaf_hash;
use serde::Serialize;
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
}

/// Draws from a bundle and writes the tickets into a directory that does not exist yet or is empty.
pub fn sample(bundle: &Path, keys: &[VerifyingKey], draw: &Draw, out: &Path) -> Result<Drawn, EvidenceError> {
    let contents = Contents::open(bundle, keys, Watched::default())?;
    let frontiers: super::bundle::Frontiers = contents.json(FRONTIERS)?;
    let source = Source {
        entries: Again::Of(&contents, ENTRIES),
        from: frontiers.from,
        to: frontiers.to,
        period: contents.period.clone(),
    };
    let mut survey = Survey::default();
    source.each(|position, line| survey.note(position, line))?;

    let mut population = 0;
    let mut strata: BTreeMap<String, BTreeSet<Item>> = BTreeMap::new();
    let mut reading = Reading::new(&survey, source.period.as_ref());
    source.each(|position, line| {
        let entry: Entry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        for row in reading.rows(position, leaf_hash(line), &entry) {
            let Row::Change(row) = row else { continue };
            population += 1;
            let change = row.change.plain();
            let lot = Sha256::digest(format!("{}\n{}\n{change}", draw.seed, row.decision));
            let stratum = [row.repository.as_str(), &row.environment, &row.outcome].join("\n");
            let stratum = strata.entry(if draw.stratify { stratum } else { String::new() }).or_default();
            stratum.insert(Item {
                lot: hex::encode(lot),
                ticket: String::new(),
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
    let mut failed = None;
    source
        .each(|position, line| {
            for item in items.iter().filter(|item| item.entry == position) {
                let entry: Entry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
                let decision = match &entry.body {
                    EntryBody::Decision(decision) => decision,
                    EntryBody::Backfilled(backfilled) => &backfilled.decision,
                    _ => continue,
                };
                let end = survey.end_of(&decision.id);
                let page =
                    ticket(&entry.time, decision, (&item.change, &item.outcome), end, position, &leaf_hash(line));
                let place = out.join(&item.ticket);
                if let Err(error) = std::fs::write(&place, page) {
                    failed.get_or_insert(EvidenceError::unwritable(&place)(error));
                    return Err("its ticket cannot be written".to_owned());
                }
            }
            Ok(())
        })
        .map_err(|error| failed.unwrap_or(error))?;
    Ok(Drawn { seed: draw.seed.clone(), population, items })
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
