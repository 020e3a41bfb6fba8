//! The ledger's other heads: those that the reader kept or saw elsewhere, those at which one key followed another, and what
//! witnesses say of the head of a bundle.
//!
//! Invariant: a head that cannot be compared is never taken as one that agrees.

use super::EvidenceError;
use super::bundle::{CHECKPOINT, CONSISTENCY, ENTRIES, ROTATIONS};
use super::contents::{Contents, may_sign, signed_checkpoint};
use super::verify::{Trust, Witnessed};
use countersign_core::ledger::{Checkpoint, ConsistencyProof, Frontier, Hash, Note, Rotation, VerifyingKey};
use std::collections::BTreeMap;
use std::ops::Range;

/// A head that the ledger must continue.
pub(super) struct Older {
    /// What it is, in words.
    what: &'static str,
    /// The ledger that it names, where it names one.
    origin: Option<String>,
    pub(super) size: u64,
    root: Hash,
}

/// The heads that the reader brings: a checkpoint, and roots seen elsewhere.
pub(super) fn older(contents: &Contents, trust: &Trust<'_>) -> Result<Vec<Older>, EvidenceError> {
    let mut heads: Vec<Older> = trust
        .seen
        .iter()
        .map(|seen| Older { what: "head seen elsewhere", origin: None, size: seen.size, root: seen.root })
        .collect();
    if let Some(note) = trust.older {
        let signed = signed_checkpoint(note, &contents.keyring, "").map_err(EvidenceError::Older)?;
        let Checkpoint { origin, size, root } = signed.checkpoint;
        may_sign(&contents.keyring, &signed.signers, size).map_err(EvidenceError::Older)?;
        heads.insert(0, Older { what: "older checkpoint", origin: Some(origin), size, root });
    }
    Ok(heads)
}

/// The tree as it grows from left to right, watched for the sizes of other heads.
pub(super) struct Walk {
    frontier: Frontier,
    /// Its root at these sizes, once it was that large.
    watched: BTreeMap<u64, Option<Hash>>,
}

impl Walk {
    pub(super) fn new(older: &[Older], rotations: &[Rotation]) -> Self {
        let sizes = older.iter().map(|older| older.size).chain(rotations.iter().map(|rotation| rotation.size));
        let mut walk = Self { frontier: Frontier::default(), watched: sizes.map(|size| (size, None)).collect() };
        walk.watch();
        walk
    }

    pub(super) fn add(&mut self, level: u8, hash: Hash, place: &str) -> Result<(), EvidenceError> {
        let pushed = self.frontier.push_node(level, hash);
        pushed.map_err(|error| EvidenceError::wrong(place, error.to_string()))?;
        self.watch();
        Ok(())
    }

    pub(super) fn root(&self) -> Hash {
        self.frontier.root()
    }

    fn watch(&mut self) {
        if let Some(root) = self.watched.get_mut(&self.frontier.size()) {
            *root = Some(self.frontier.root());
        }
    }

    fn root_at(&self, size: u64) -> Option<Hash> {
        self.watched.get(&size).copied().flatten()
    }
}

/// Whether the ledger continues each head: by the root it had at that size, else by the bundle's proof.
pub(super) fn check_older(
    contents: &Contents,
    newer: &Checkpoint,
    walk: &Walk,
    heads: &[Older],
) -> Result<(), EvidenceError> {
    let proof: Option<ConsistencyProof> =
        if contents.has(CONSISTENCY) { Some(contents.json(CONSISTENCY)?) } else { None };
    if let Some(proof) = proof.as_ref().filter(|proof| proof.to != newer.size || proof.from > proof.to) {
        let what = format!("it is a proof from {} to {}, and the ledger has {}", proof.from, proof.to, newer.size);
        return Err(EvidenceError::wrong(CONSISTENCY, what));
    }
    for Older { what, origin, size, root } in heads {
        let wrong = |said: String| Err(EvidenceError::wrong(CHECKPOINT, said));
        if let Some(origin) = origin.as_ref().filter(|origin| **origin != newer.origin) {
            return wrong(format!("it is of the ledger `{}`, and the {what} of `{origin}`", newer.origin));
        }
        if *size > newer.size {
            return wrong(format!("it has {} entries, and the {what} has {size}", newer.size));
        }
        let continues = match (walk.root_at(*size), &proof) {
            (Some(then), _) => then == *root,
            (None, Some(proof)) if proof.from == *size => proof.verify(root, &newer.root).is_ok(),
            (None, _) => return Err(EvidenceError::NotComparable { size: *size }),
        };
        if !continues {
            return wrong(format!("it does not continue the {what} of size {size}"));
        }
    }
    Ok(())
}

/// What the entries themselves say of keys.
#[derive(Default)]
pub(super) struct KeysNamed {
    /// The key that signs, and the position of the last entry that says so.
    last: Option<(u64, String)>,
    rotations: Vec<(u64, String)>,
}

impl KeysNamed {
    /// The service started with this key.
    pub(super) fn started(&mut self, position: u64, key: String) {
        self.last = Some((position, key));
    }

    /// Another key took over by this note.
    pub(super) fn rotated(&mut self, position: u64, note: String) {
        self.rotations.push((position, note));
    }

    /// Whether the entries, the list of rotations and the signature on the head agree.
    pub(super) fn check(
        mut self,
        contents: &Contents,
        walk: &Walk,
        range: &Range<u64>,
        head: &Checkpoint,
    ) -> Result<(), EvidenceError> {
        let wrong = |what: String| EvidenceError::wrong(ROTATIONS, what);
        for rotation in &contents.rotations {
            let Rotation { origin, size, root, .. } = rotation;
            if *origin != head.origin || *size >= head.size {
                return Err(wrong(format!("the rotation at entry {size} is in no ledger like that of {CHECKPOINT}")));
            }
            if walk.root_at(*size).is_some_and(|then| then != *root) {
                return Err(wrong(format!("the rotation at entry {size} names another root than the ledger had")));
            }
            let told = self.rotations.iter().find(|(position, _)| position == size);
            let told = told.and_then(|(_, note)| Rotation::parse(note).ok());
            if range.contains(size) && told.as_ref() != Some(rotation) {
                let place = format!("{ENTRIES} (entry {size})");
                return Err(EvidenceError::wrong(place, format!("{ROTATIONS} says that a key was rotated here")));
            }
        }
        for (position, _) in &self.rotations {
            if !contents.rotations.iter().any(|rotation| rotation.size == *position) {
                let place = format!("{ENTRIES} (entry {position})");
                return Err(EvidenceError::wrong(
                    place,
                    format!("a key was rotated here, and {ROTATIONS} does not say so"),
                ));
            }
        }
        let last = self.last.as_ref().map(|(position, _)| *position);
        if let Some(rotation) = contents.rotations.iter().rfind(|rotation| last.is_none_or(|last| rotation.size > last))
        {
            self.last = Some((rotation.size, rotation.to.to_string()));
        }
        let Some((position, key)) = self.last else { return Ok(()) };
        let unknown = |error: &dyn std::fmt::Display| {
            EvidenceError::wrong(format!("{ENTRIES} (entry {position})"), format!("it names no key: {error}"))
        };
        let keyid = VerifyingKey::parse(&key).map_err(|error| unknown(&error))?.keyid();
        let note = Note::parse(&contents.text(CHECKPOINT)?);
        if note.is_ok_and(|note| note.names(&keyid)) {
            Ok(())
        } else {
            let what =
                format!("entry {position} says that {keyid} signs the ledger's heads, and it did not sign this one");
            Err(EvidenceError::wrong(CHECKPOINT, what))
        }
    }
}

/// What the witnesses say whom the reader names: each of them must have cosigned the head.
pub(super) fn check_witnesses(contents: &Contents, trust: &Trust<'_>) -> Result<Vec<Witnessed>, EvidenceError> {
    let wrong = |error: countersign_core::ledger::LedgerError| EvidenceError::wrong(CHECKPOINT, error.to_string());
    let note = Note::parse(&contents.text(CHECKPOINT)?).map_err(wrong)?;
    let said = |witness: &countersign_core::ledger::WitnessKey| {
        let time = witness.cosigned(&note).map_err(wrong)?;
        Ok(Witnessed { name: witness.name().to_owned(), time })
    };
    trust.witnesses.iter().map(said).collect()
}
