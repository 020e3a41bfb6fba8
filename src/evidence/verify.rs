//! Checking a bundle: the manifest against its signed note, the files against the manifest, the entries against the
//! signed root, other heads against it ([`super::heads`]), and every verdict by replay.
//!
//! Invariant: it answers with the first thing that is wrong, or with what was checked; without a key it says that the
//! signer is unproved. It reads the bundle alone, in constant memory.

use super::EvidenceError;
use super::bundle::{BUNDLE_VERSION, CHECKPOINT, ENTRIES, FRONTIERS, Frontiers, LEFT_OUT_PREFIX, LeftOut};
use super::contents::{Contents, may_sign, signed_checkpoint};
use super::derived::{check_derived, of_entry};
use super::edges::{Edges, Glance, Numbers};
use super::files::Again;
use super::heads::{KeysNamed, Walk, check_older, check_witnesses, older};
use super::lines::in_order;
use super::population::Period;
use super::progress::{Stage, Watched};
use super::replay::{self, Replay, Seen};
use countersign_core::domain::RepositoryId;
use countersign_core::ledger::tree::{MAX_SIZE, cover, leaf_hash};
use countersign_core::ledger::{Checkpoint, Hash, VerifyingKey, WitnessKey};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// What the reader believes before the check.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trust<'a> {
    /// The ledger's keys; none: nobody's signature is checked.
    pub keys: &'a [VerifyingKey],
    /// A checkpoint kept from earlier, as a signed note.
    pub older: Option<&'a str>,
    /// Heads seen elsewhere: in a check run that was published, say.
    pub seen: &'a [Head],
    /// Witnesses that must have cosigned the bundle's head.
    pub witnesses: &'a [WitnessKey],
    /// Whoever watches.
    pub progress: Watched<'a>,
}

/// Size and root of the ledger at some moment, as seen somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many entries it had.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// That a witness saw the head of the bundle, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Witnessed {
    /// The witness's name.
    pub name: String,
    /// Seconds since 1970, by its own clock.
    pub time: u64,
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
    /// The time that it tells of; `None` for all that its entries tell of.
    pub period: Option<Period>,
    /// When the first entry was recorded that it has with its bytes, by the service's clock.
    pub first: Option<String>,
    /// The same of the last one.
    pub last: Option<String>,
    /// The repositories that were chosen; `None` for all.
    pub repositories: Option<BTreeSet<RepositoryId>>,
    /// How many of the entries were left out and appear as hashes only. Between two entries of a repository that are there
    /// none of it is missing, by their numbers; that none comes after the last is the operator's word: a hash names none.
    pub left_out: u64,
    /// How many decisions were made again with the same verdict.
    pub decisions: u64,
    /// How many entries the ledger had.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The size of the older checkpoint that this ledger continues, where one was given.
    pub older: Option<u64>,
    /// The sizes of heads seen elsewhere that it continues.
    pub seen: Vec<u64>,
    /// What witnesses said of the head.
    pub witnessed: Vec<Witnessed>,
    /// The keys that followed one another, as `name+hash`, with the entry at which each took over.
    pub rotations: Vec<(u64, String)>,
}

/// Checks a bundle. An error for which [`EvidenceError::is_finding`] holds speaks against the bundle.
pub fn verify(bundle: &Path, trust: &Trust<'_>) -> Result<Verified, EvidenceError> {
    let contents = Contents::open(bundle, trust.keys, trust.progress)?;
    let older = older(&contents, trust)?;
    let checkpoint = read_checkpoint(&contents)?;
    let frontiers = check_frontiers(contents.json(FRONTIERS)?, &checkpoint)?;
    let replay = Replay::load(&contents)?;

    let mut walk = Walk::new(&older, &contents.rotations);
    let read = |line: &[u8]| replay.entry(line);
    let mut counts = lead_to_root(&contents, &frontiers, &checkpoint, &mut walk, read, trust.progress)?;
    if let Some(path) = replay.not_named() {
        return Err(EvidenceError::wrong(path, "no entry names it"));
    }
    std::mem::take(&mut counts.keys).check(&contents, &walk, &(frontiers.from..frontiers.to), &checkpoint)?;
    let Edges { first, last } = counts.edges;
    check_older(&contents, &checkpoint, &walk, &older)?;
    let witnessed = check_witnesses(&contents, trust)?;
    check_derived(&contents, &frontiers, trust.progress)?;
    Ok(Verified {
        origin: contents.origin,
        signer: contents.signer,
        from: frontiers.from,
        to: frontiers.to,
        period: contents.period,
        first,
        last,
        repositories: contents.repositories,
        left_out: counts.left_out,
        decisions: counts.decisions,
        size: frontiers.size,
        root: checkpoint.root,
        older: trust.older.and_then(|_| older.first()).map(|older| older.size),
        seen: trust.seen.iter().map(|seen| seen.size).collect(),
        witnessed,
        rotations: contents.rotations.iter().map(|rotation| (rotation.size, rotation.to.keyid())).collect(),
    })
}

/// Checks that a bundle's entries are those that were signed, as [`verify`] does; no verdict is made again.
pub(super) fn check_entries(bundle: &Path, keys: &[VerifyingKey]) -> Result<(Contents, Frontiers), EvidenceError> {
    let progress = Watched::default();
    let contents = Contents::open(bundle, keys, progress)?;
    let checkpoint = read_checkpoint(&contents)?;
    let frontiers = check_frontiers(contents.json(FRONTIERS)?, &checkpoint)?;
    let mut walk = Walk::new(&[], &contents.rotations);
    let mut counts = lead_to_root(&contents, &frontiers, &checkpoint, &mut walk, replay::seen, progress)?;
    std::mem::take(&mut counts.keys).check(&contents, &walk, &(frontiers.from..frontiers.to), &checkpoint)?;
    Ok((contents, frontiers))
}

/// Goes over what stands left of the entries, the entries, and what stands right of them: to the signed root.
fn lead_to_root(
    contents: &Contents,
    frontiers: &Frontiers,
    checkpoint: &Checkpoint,
    walk: &mut Walk,
    read: impl Fn(&[u8]) -> Result<Seen, String> + Sync,
    progress: Watched<'_>,
) -> Result<Counts, EvidenceError> {
    for (node, hash) in cover(0, frontiers.from).into_iter().zip(&frontiers.left) {
        walk.add(node.level, *hash, FRONTIERS)?;
    }
    progress.begin(Stage::Entries, frontiers.to - frontiers.from);
    let mut counts = read_entries(contents, frontiers, walk, read, progress)?;
    for (node, hash) in cover(frontiers.to, frontiers.size).into_iter().zip(&frontiers.right) {
        walk.add(node.level, *hash, FRONTIERS)?;
    }
    let root = walk.root();
    if root != checkpoint.root {
        let what = format!("with {FRONTIERS} it leads to the root {root}, and {CHECKPOINT} says {}", checkpoint.root);
        return Err(EvidenceError::wrong(ENTRIES, what));
    }
    if let Some((position, what)) = counts.missing.take() {
        return Err(of_entry(position, what));
    }
    counts.edges.check(contents.period.as_ref(), frontiers)?;
    Ok(counts)
}

fn read_checkpoint(contents: &Contents) -> Result<Checkpoint, EvidenceError> {
    let wrong = |what: String| EvidenceError::wrong(CHECKPOINT, what);
    let note = contents.text(CHECKPOINT)?;
    let signed = signed_checkpoint(&note, &contents.keyring, "").map_err(|error| wrong(error.to_string()))?;
    let size = signed.checkpoint.size;
    may_sign(&contents.keyring, &signed.signers, size).map_err(|error| wrong(error.to_string()))?;
    contents.check_signers(size)?;
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
    keys: KeysNamed,
    edges: Edges,
    /// The first entry that one of its repository is missing before. The root speaks first.
    missing: Option<(u64, String)>,
}

fn read_entries(
    contents: &Contents,
    frontiers: &Frontiers,
    walk: &mut Walk,
    read_one: impl Fn(&[u8]) -> Result<Seen, String> + Sync,
    progress: Watched<'_>,
) -> Result<Counts, EvidenceError> {
    let mut counts = Counts::default();
    let look = |line: &[u8]| {
        if line.starts_with(LEFT_OUT_PREFIX) {
            let left_out: LeftOut = serde_json::from_slice(line).map_err(|error| error.to_string())?;
            if contents.repositories.is_none() {
                return Err("it is left out, and the manifest says of no repositories that they were chosen".to_owned());
            }
            return Ok((left_out.left_out, None));
        }
        Ok((leaf_hash(line), Some((read_one(line)?, Glance::of(line)?))))
    };
    let range = frontiers.from..frontiers.to;
    let mut numbers = Numbers::from(frontiers.from);
    in_order(&Again::Of(contents, ENTRIES), &range, look, |position, (leaf, seen)| {
        let seen = match seen {
            Some((seen, glance)) => {
                if let Err(what) = numbers.note(&glance) {
                    counts.missing.get_or_insert((position, what));
                }
                counts.edges.note(glance.time);
                Some(seen)
            }
            None => None,
        };
        match seen {
            None => counts.left_out += 1,
            Some(Seen::Decision) => counts.decisions += 1,
            Some(Seen::Key(key)) => counts.keys.started(position, key),
            Some(Seen::Rotation(note)) => counts.keys.rotated(position, note),
            Some(Seen::Other) => {}
        }
        progress.add(1);
        walk.add(0, leaf, ENTRIES)
    })?;
    Ok(counts)
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
