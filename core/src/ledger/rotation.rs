//! How a ledger passes from one key to the next, so that whoever holds either key can follow.
//!
//! Invariant: a rotation is a note that both keys signed; it names the ledger's size and root at that moment, and its first
//! line is no ledger's and no manifest's, so that it can stand in for neither. A key that was replaced signs no head larger
//! than that. Who is believed to begin with is for the reader to say: [`Keyring::new`].

use super::note::{Note, SigningKey, VerifyingKey};
use super::{Checkpoint, Hash, LedgerError};
use std::fmt;

/// What stands behind the ledger's name in the first line.
const SUFFIX: &str = "/rotation";

/// One key follows another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The name of the ledger, and of both keys.
    pub origin: String,
    /// How many entries the ledger had; the rotation itself is the next one.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The key until then.
    pub from: VerifyingKey,
    /// The key from then on.
    pub to: VerifyingKey,
}

impl Rotation {
    /// The note: the text, and both keys' signatures.
    pub fn sign(head: &Checkpoint, old: &SigningKey, new: &SigningKey) -> Result<String, LedgerError> {
        let Checkpoint { origin, size, root } = head.clone();
        let text = Self { origin, size, root, from: old.verifying_key(), to: new.verifying_key() }.to_string();
        Self::read(&text)?;
        Ok(old.sign(&text)? + &new.signature_line(&text))
    }

    /// Reads a note that both of the keys which it names have signed.
    pub fn parse(note: &str) -> Result<Self, LedgerError> {
        let note = Note::parse(note)?;
        let rotation = Self::read(note.unproved_text())?;
        note.verify(std::slice::from_ref(&rotation.from))?;
        note.verify(std::slice::from_ref(&rotation.to))?;
        Ok(rotation)
    }

    fn read(text: &str) -> Result<Self, LedgerError> {
        let malformed = |why: &str| LedgerError::malformed("rotation", why);
        let mut lines = text.split('\n');
        let (Some(name), Some(size), Some(root), Some(from), Some(to), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("it must be five lines: name, size, root and two keys"));
        };
        let head = Checkpoint::parse(&format!("{name}\n{size}\n{root}\n"))?;
        let origin = name.strip_suffix(SUFFIX).ok_or_else(|| malformed("its first line ends in no /rotation"))?;
        let (from, to) = (VerifyingKey::parse(from)?, VerifyingKey::parse(to)?);
        if from.name() != origin || to.name() != origin {
            return Err(malformed("a key is not of this ledger"));
        }
        if from == to {
            return Err(malformed("no other key follows"));
        }
        Ok(Self { origin: origin.to_owned(), size: head.size, root: head.root, from, to })
    }
}

impl fmt::Display for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = Checkpoint { origin: format!("{}{SUFFIX}", self.origin), size: self.size, root: self.root };
        writeln!(f, "{head}{}\n{}", self.from, self.to)
    }
}

/// The keys of a ledger that a reader believes, each with the largest head that it may have signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyring {
    keys: Vec<VerifyingKey>,
    rotations: Vec<Rotation>,
}

impl Keyring {
    /// The keys that the reader already holds, and those that rotations lead to from there, forwards and backwards.
    pub fn new(held: &[VerifyingKey], rotations: &[Rotation]) -> Self {
        let mut ring = Self { keys: held.to_vec(), rotations: Vec::new() };
        loop {
            let follows = |rotation: &&Rotation| {
                let known = |key: &VerifyingKey| ring.keys.contains(key);
                (known(&rotation.from) || known(&rotation.to)) && !ring.rotations.contains(rotation)
            };
            let Some(rotation) = rotations.iter().find(follows).cloned() else { return ring };
            for key in [&rotation.from, &rotation.to] {
                if !ring.keys.contains(key) {
                    ring.keys.push(key.clone());
                }
            }
            ring.rotations.push(rotation);
        }
    }

    /// Whether the reader believes nobody.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys of this name.
    pub fn of(&self, name: &str) -> Vec<VerifyingKey> {
        self.keys.iter().filter(|key| key.name() == name).cloned().collect()
    }

    /// Whether a key may have signed a head of this size.
    pub fn check(&self, key: &VerifyingKey, size: u64) -> Result<(), LedgerError> {
        let retired =
            self.rotations.iter().filter(|rotation| rotation.from == *key).map(|rotation| rotation.size).min();
        match retired {
            Some(last) if size > last => Err(LedgerError::Retired { key: key.keyid(), size: last }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::ledger::tree::leaf_hash;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed("example.com/ledger", [seed; 32]).unwrap()
    }

    fn head(size: u64) -> Checkpoint {
        Checkpoint { origin: "example.com/ledger".to_owned(), size, root: leaf_hash(b"x") }
    }

    fn rotation(size: u64, old: u8, new: u8) -> Rotation {
        Rotation::parse(&Rotation::sign(&head(size), &key(old), &key(new)).unwrap()).unwrap()
    }

    #[test]
    fn whoever_holds_one_key_follows_to_all_others() {
        let rotations = [rotation(10, 1, 2), rotation(20, 2, 3)];
        for held in [1, 2, 3] {
            let ring = Keyring::new(&[key(held).verifying_key()], &rotations);
            assert_eq!(ring.of("example.com/ledger").len(), 3, "from {held}");
            assert!(ring.check(&key(1).verifying_key(), 10).is_ok());
            assert!(ring.check(&key(2).verifying_key(), 20).is_ok());
            assert!(ring.check(&key(3).verifying_key(), 99).is_ok());
            let late = ring.check(&key(1).verifying_key(), 11).unwrap_err();
            assert!(late.to_string().ends_with("which signs no more since the ledger had 10 entries"), "{late}");
        }
        assert_eq!(Keyring::new(&[key(9).verifying_key()], &rotations).of("example.com/ledger").len(), 1);
        assert!(Keyring::new(&[], &rotations).is_empty());
    }

    #[test]
    fn a_rotation_needs_both_signatures_and_one_spelling() {
        let good = Rotation::sign(&head(10), &key(1), &key(2)).unwrap();
        let lines: Vec<&str> = good.lines().collect();
        for left_out in [lines.len() - 2, lines.len() - 1] {
            let mut lines = lines.clone();
            lines.remove(left_out);
            assert!(Rotation::parse(&(lines.join("\n") + "\n")).is_err(), "without line {left_out}");
        }
        for (from, to) in [("/rotation\n10\n", "/rotation\n11\n"), ("/rotation", "/bundle"), ("/rotation", "")] {
            assert!(Rotation::parse(&good.replacen(from, to, 1)).is_err(), "{to}");
        }
        assert!(Rotation::sign(&head(10), &key(1), &key(1)).is_err());
        let stranger = SigningKey::from_seed("example.org/other", [2; 32]).unwrap();
        assert!(Rotation::sign(&head(10), &key(1), &stranger).is_err());
        for at in 0..good.len() {
            let mut bad = good.clone().into_bytes();
            bad[at] ^= 1;
            let Ok(bad) = String::from_utf8(bad) else { continue };
            assert!(Rotation::parse(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_rotation_is_no_checkpoint_and_a_checkpoint_no_rotation() {
        let rotation = Rotation::sign(&head(10), &key(1), &key(2)).unwrap();
        assert!(Checkpoint::verified(&rotation, &[key(1).verifying_key()]).is_err());
        assert!(Rotation::parse(&head(10).sign(&key(1)).unwrap()).is_err());
    }
}
