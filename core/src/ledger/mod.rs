//! The ledger: how entries are kept so that nobody can alter, remove or reorder one unseen.
//!
//! Invariant: nothing here reads a database, a file, a clock or chance. Hashes come in, proofs and notes go out, and
//! every check answers with an error that says what does not fit. Start with [`tree`] (RFC 6962), then [`proof`] and
//! [`tile`] (which stored hashes a proof needs), then [`checkpoint`] in its signed [`note`]. What is hashed is made by
//! [`canonical`]; [`envelope`] signs for readers who know DSSE. How one key follows another is in [`rotation`], and what
//! others say who watch the ledger in [`cosignature`].

pub mod canonical;
pub mod checkpoint;
pub mod cosignature;
pub mod envelope;
pub mod note;
pub mod proof;
pub mod rotation;
pub mod tile;
pub mod tree;

pub use checkpoint::Checkpoint;
pub use cosignature::WitnessKey;
pub use note::{Note, SigningKey, VerifyingKey};
pub use proof::{ConsistencyProof, InclusionProof};
pub use rotation::{Keyring, Rotation};
pub use tree::{Frontier, Hash, Node};

/// Why something of the ledger could not be made or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A value has no canonical form that every reader agrees on.
    #[error("not canonical at `{path}`: {what}; carry it as text")]
    NotCanonical {
        /// Where in the value, as a JSON pointer.
        path: String,
        /// What stands there.
        what: String,
    },
    /// Positions or sizes that cannot be in one tree.
    #[error("out of range: {0}")]
    OutOfRange(String),
    /// A stored hash that a proof needs is not there.
    #[error("the hash of node {index} at level {level} is missing")]
    HashMissing {
        /// Height above the leaves.
        level: u8,
        /// Position among the nodes of that height.
        index: u64,
    },
    /// A proof, or hashes that come with it, do not lead to the root.
    #[error("{0}")]
    NotProved(String),
    /// A note, checkpoint or key that does not have the form it must have.
    #[error("malformed {what}: {why}")]
    Malformed {
        /// What should have been there.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// No signature on the note is by a key that is known.
    #[error("not signed by {0}")]
    NotSigned(String),
    /// The signature is by a key that had been replaced by then.
    #[error("signed by `{key}`, which signs no more since the ledger had {size} entries")]
    Retired {
        /// The key, as `name+hash`.
        key: String,
        /// How many entries the ledger had when another took over.
        size: u64,
    },
    /// A signature in the name of a known key does not verify.
    #[error("the signature by `{0}` does not verify")]
    BadSignature(String),
}

impl LedgerError {
    fn malformed(what: &'static str, why: impl Into<String>) -> Self {
        Self::Malformed { what, why: why.into() }
    }
}
