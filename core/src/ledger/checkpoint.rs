//! Checkpoints: the head of the ledger in three lines (C2SP tlog-checkpoint), the text that gets signed.
//!
//! Invariant: one checkpoint has one spelling; what is read back is spelled the same again. It is signed and checked
//! as a [`super::note`].

use super::tree::MAX_SIZE;
use super::{Frontier, Hash, LedgerError, Note, SigningKey, VerifyingKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fmt;

/// The size and root of a log at one moment, and which log it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log: a host name with a path, without a scheme.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The checkpoint of a tree as it stands, for the log of this name.
    pub fn of(origin: &str, frontier: &Frontier) -> Self {
        Self { origin: origin.to_owned(), size: frontier.size(), root: frontier.root() }
    }

    /// The checkpoint as a signed note.
    pub fn sign(&self, key: &SigningKey) -> Result<String, LedgerError> {
        key.sign(&self.to_string())
    }

    /// Reads a signed note that one of the keys signed.
    pub fn verified(note: &str, keys: &[VerifyingKey]) -> Result<Self, LedgerError> {
        Self::parse(Note::parse(note)?.verify(keys)?)
    }

    /// Reads the text of a checkpoint; an error for anything else, extension lines included.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let malformed = |why: &str| LedgerError::malformed("checkpoint", why);
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("it must be three lines: origin, size, root"));
        };
        if origin.is_empty() {
            return Err(malformed("the origin is empty"));
        }
        let root = STANDARD.decode(root).ok().and_then(|bytes| Hash::from_slice(&bytes));
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| malformed("the size is no number"))?,
            root: root.ok_or_else(|| malformed("the root is not 32 bytes in base64"))?,
        };
        if checkpoint.size > MAX_SIZE || checkpoint.to_string() != text {
            return Err(malformed("the size is not spelled as it must be"));
        }
        Ok(checkpoint)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn a_checkpoint_reads_back_as_it_was_written() {
        let checkpoint = Checkpoint::parse(TEXT).unwrap();
        assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
        assert_eq!(checkpoint.size, 20_852_163);
        assert_eq!(checkpoint.to_string(), TEXT);
    }

    #[test]
    fn a_signed_checkpoint_is_read_with_its_key_alone() {
        let key = SigningKey::from_seed("example.com/behind-the-sofa", [3; 32]).unwrap();
        let checkpoint = Checkpoint::of(key.name(), &Frontier::default());
        let note = checkpoint.sign(&key).unwrap();
        assert_eq!(Checkpoint::verified(&note, &[key.verifying_key()]).unwrap(), checkpoint);
        let other = SigningKey::from_seed("example.com/behind-the-sofa", [4; 32]).unwrap();
        assert!(Checkpoint::verified(&note, &[other.verifying_key()]).is_err());
    }

    #[test]
    fn other_spellings_are_refused() {
        for (from, to) in [
            ("20852163", "020852163"),
            ("20852163", "+20852163"),
            ("20852163", "-1"),
            ("20852163", "18446744073709551615"),
            ("2I=\n", "2I=\nmore\n"),
            ("2I=\n", "2I="),
            ("2I=\n", "2J=\n"),
            ("2I=\n", "I=\n"),
            ("example.com/behind-the-sofa", ""),
            ("\n20852163", "\r\n20852163\r"),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
        }
    }
}
