//! Checking a bundle: the manifest against its signed note, the files against the manifest, the entries against the
//! signed root, an older checkpoint against the newer one, and every verdict by replay.
//!
//! Invariant: it answers with the first thing that is wrong, or with what was checked; without a key it says that the
//! signer is unproved. It reads the bundle alone, in constant memory.

use super::EvidenceError;
use super::bundle::{BUNDLE_VERSION, CHECKPOINT, CONSISTENCY, ENTRIES, FRONTIERS, Frontiers, LEFT_OUT_PREFIX, LeftOut};
use super::contents::{Contents, signed_checkpoint};
use super::derived::check_derived;
use super::replay::Replay;
use countersign_core::ledger::tree::{MAX_SIZE, cover, leaf_hash};
use countersign_core::ledger::{Checkpoint, ConsistencyProof, Frontier, Hash, VerifyingKey};
use serde::Serialize;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// The longest line of entries that is read.
const LONGEST_LINE: u64 = 64 << 20;

/// What the reader believes before the check.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trust<'a> {
    /// The ledger's keys; none: nobody's signature is checked.
    pub keys: &'a [VerifyingKey],
    /// A checkpoint kept from earlier, as a signed note.
    pub older: Option<&'a str>,
}

/// Who signed a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "signer", rename_all = "snake_case")]
pub enum Signer {
    /// The holder of a key that was given.
    Proved {
        /// The key's name.
        name: String,
    },
    /// No key was given: anybody may have made the bundle.
    Unproved,
}

/// What was checked, all of it holding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The name of the ledger.
    pub origin: String,
    /// Who signed.
    #[serde(flatten)]
    pub signer: Signer,
    /// The position of the first entry.
    pub from: u64,
    /// The position after the last entry.
    pub to: u64,
    /// How many of them were left out and appear as hashes only.
    pub left_out: u64,
    /// How many decisions were made again with the same verdict.
    pub decisions: u64,
    /// How many entries the ledger had.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The size of the older checkpoint that this ledger continues, where one was given.
    pub older: Option<u64>,
}

/// Checks a bundle. An error for which [`EvidenceError::is_finding`] holds speaks against the bundle.
pub fn verify(bundle: &Path, trust: &Trust<'_>) -> Result<Verified, EvidenceError> {
    let older = trust.older.map(|note| signed_checkpoint(note, trust.keys, "").map_err(EvidenceError::Older));
    let older = older.transpose()?.map(|signed| signed.checkpoint);
    let contents = Contents::open(bundle, trust.keys)?;
    let checkpoint = read_checkpoint(&contents, trust.keys)?;
    let frontiers = check_frontiers(contents.json(FRONTIERS)?, &checkpoint)?;
    let mut replay = Replay::load(&contents)?;

    let mut walk = Walk::new(older);
    for (node, hash) in cover(0, frontiers.from).into_iter().zip(&frontiers.left) {
        walk.add(node.level, *hash, FRONTIERS)?;
    }
    let counts = read_entries(&contents, &frontiers, &mut walk, &mut replay)?;
    for (node, hash) in cover(frontiers.to, frontiers.size).into_iter().zip(&frontiers.right) {
        walk.add(node.level, *hash, FRONTIERS)?;
    }
    let root = walk.frontier.root();
    if root != checkpoint.root {
        let what = format!("with {FRONTIERS} it leads to the root {root}, and {CHECKPOINT} says {}", checkpoint.root);
        return Err(EvidenceError::wrong(ENTRIES, what));
    }
    if let Some(path) = replay.not_named() {
        return Err(EvidenceError::wrong(path, "no entry names it"));
    }
    let older = check_older(&contents, &checkpoint, walk)?;
    check_derived(&contents, frontiers.from)?;
    Ok(Verified {
        origin: contents.origin,
        signer: contents.signer,
        from: frontiers.from,
        to: frontiers.to,
        left_out: counts.left_out,
        decisions: counts.decisions,
        size: frontiers.size,
        root,
        older,
    })
}

fn read_checkpoint(contents: &Contents, keys: &[VerifyingKey]) -> Result<Checkpoint, EvidenceError> {
    let wrong = |what: String| EvidenceError::wrong(CHECKPOINT, what);
    let note = contents.text(CHECKPOINT)?;
    let signed = signed_checkpoint(&note, keys, "").map_err(|error| wrong(error.to_string()))?;
    if signed.checkpoint.origin == contents.origin {
        Ok(signed.checkpoint)
    } else {
        let (named, manifest) = (&signed.checkpoint.origin, &contents.origin);
        Err(wrong(format!("it is of the ledger `{named}`, and the manifest of `{manifest}`")))
    }
}

fn check_frontiers(frontiers: Frontiers, checkpoint: &Checkpoint) -> Result<Frontiers, EvidenceError> {
    let wrong = |what: String| Err(EvidenceError::wrong(FRONTIERS, what));
    let Frontiers { version, from, to, size, left, right } = &frontiers;
    if *version != BUNDLE_VERSION {
        return wrong(format!("version {version}: this build reads {BUNDLE_VERSION}"));
    }
    if *size != checkpoint.size {
        return wrong(format!("it is for a ledger of {size} entries, and {CHECKPOINT} for {}", checkpoint.size));
    }
    if from > to || to > size || *size > MAX_SIZE {
        return wrong(format!("no range from {from} to {to} is in a ledger of {size} entries"));
    }
    let expected = (cover(0, *from).len(), cover(*to, *size).len());
    if (left.len(), right.len()) != expected {
        return wrong(format!(
            "{} hashes on the left and {} on the right must be {} and {}",
            left.len(),
            right.len(),
            expected.0,
            expected.1
        ));
    }
    Ok(frontiers)
}

/// What the entries came to.
#[derive(Default)]
struct Counts {
    left_out: u64,
    decisions: u64,
}

fn read_entries(
    contents: &Contents,
    frontiers: &Frontiers,
    walk: &mut Walk,
    replay: &mut Replay,
) -> Result<Counts, EvidenceError> {
    let mut reader = BufReader::with_capacity(1 << 18, contents.reader(ENTRIES)?);
    let mut counts = Counts::default();
    let mut line = Vec::new();
    for (number, position) in (1_u64..).zip(frontiers.from..frontiers.to) {
        let place = || format!("{ENTRIES} line {number} (entry {position})");
        line.clear();
        let read = (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line);
        read.map_err(EvidenceError::unreadable(Path::new(ENTRIES)))?;
        if line.is_empty() {
            return Err(EvidenceError::wrong(place(), "the file ends before it"));
        }
        if line.pop() != Some(b'\n') {
            return Err(EvidenceError::wrong(place(), "it is cut short or too long"));
        }
        let leaf = if line.starts_with(LEFT_OUT_PREFIX) {
            let left_out: LeftOut =
                serde_json::from_slice(&line).map_err(|error| EvidenceError::wrong(place(), error.to_string()))?;
            counts.left_out += 1;
            left_out.left_out
        } else {
            let decided = replay.entry(&line).map_err(|what| EvidenceError::wrong(place(), what))?;
            counts.decisions += u64::from(decided);
            leaf_hash(&line)
        };
        walk.add(0, leaf, ENTRIES)?;
    }
    let rest = reader.fill_buf().map_err(EvidenceError::unreadable(Path::new(ENTRIES)))?;
    if rest.is_empty() {
        Ok(counts)
    } else {
        let what = format!("it has more than the {} entries of {FRONTIERS}", frontiers.to - frontiers.from);
        Err(EvidenceError::wrong(ENTRIES, what))
    }
}

/// The tree as it grows from left to right, watched for the size of the older checkpoint.
struct Walk {
    frontier: Frontier,
    older: Option<Checkpoint>,
    /// Its root at that size, once it was that large.
    root_then: Option<Hash>,
}

impl Walk {
    fn new(older: Option<Checkpoint>) -> Self {
        let mut walk = Self { frontier: Frontier::default(), older, root_then: None };
        walk.watch();
        walk
    }

    fn add(&mut self, level: u8, hash: Hash, place: &str) -> Result<(), EvidenceError> {
        let pushed = self.frontier.push_node(level, hash);
        pushed.map_err(|error| EvidenceError::wrong(place, error.to_string()))?;
        self.watch();
        Ok(())
    }

    fn watch(&mut self) {
        if self.older.as_ref().is_some_and(|older| older.size == self.frontier.size()) {
            self.root_then = Some(self.frontier.root());
        }
    }
}

/// Whether the ledger continues the older checkpoint: by the root it had at that size, else by the bundle's proof.
fn check_older(contents: &Contents, newer: &Checkpoint, walk: Walk) -> Result<Option<u64>, EvidenceError> {
    let proof: Option<ConsistencyProof> =
        if contents.has(CONSISTENCY) { Some(contents.json(CONSISTENCY)?) } else { None };
    if let Some(proof) = proof.as_ref().filter(|proof| proof.to != newer.size || proof.from > proof.to) {
        let what = format!("it is a proof from {} to {}, and the ledger has {}", proof.from, proof.to, newer.size);
        return Err(EvidenceError::wrong(CONSISTENCY, what));
    }
    let Some(older) = walk.older else { return Ok(None) };
    if older.origin != newer.origin {
        let what = format!("it is of the ledger `{}`, and the older checkpoint of `{}`", newer.origin, older.origin);
        return Err(EvidenceError::wrong(CHECKPOINT, what));
    }
    if older.size > newer.size {
        let what = format!("it has {} entries, and the older checkpoint has {}", newer.size, older.size);
        return Err(EvidenceError::wrong(CHECKPOINT, what));
    }
    let continues = match (walk.root_then, proof) {
        (Some(root), _) => root == older.root,
        (None, Some(proof)) if proof.from == older.size => proof.verify(&older.root, &newer.root).is_ok(),
        (None, _) => return Err(EvidenceError::NotComparable { size: older.size }),
    };
    if continues {
        Ok(Some(older.size))
    } else {
        let what = format!("it does not continue the older checkpoint of size {}", older.size);
        Err(EvidenceError::wrong(CHECKPOINT, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frontiers_that_cannot_be_are_refused_without_a_fall() {
        for frontiers in [
            Frontiers { version: 1, from: u64::MAX, to: u64::MAX, size: u64::MAX, left: Vec::new(), right: Vec::new() },
            Frontiers { version: 1, from: 5, to: 4, size: 9, left: Vec::new(), right: Vec::new() },
        ] {
            let checkpoint = Checkpoint { origin: "o".to_owned(), size: frontiers.size, root: Hash::new([0; 32]) };
            assert!(check_frontiers(frontiers, &checkpoint).is_err());
        }
    }
}
