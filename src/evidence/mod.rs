//! Evidence: what an auditor takes away, and the check that needs to trust nobody.
//!
//! Invariant: [`verify`](verify::verify) reads a bundle and nothing else, neither network nor database, and believes
//! nothing that a signed note does not lead to. What a bundle is made of is in [`bundle`]; [`export()`] writes one.

pub mod attestation;
pub mod bundle;
pub mod export;
pub mod jobs;
pub mod population;
pub mod progress;
pub mod reconcile;
pub mod sample;
pub mod ticket;
pub mod verify;
pub mod wanted;
pub mod workbook;

mod archive;
mod attestations;
mod catalogue;
mod contents;
mod criteria;
mod derived;
mod directory;
mod edges;
mod files;
mod heads;
mod lines;
mod oscal;
mod replay;
mod report;
mod seen;

pub use export::{Exported, Request, export};
pub use reconcile::{Reconciled, reconcile};
pub use report::{report_of, words};
pub use sample::{Draw, sample};
pub use verify::{Head, Signer, Trust, Verified, Witnessed, verify};
pub use wanted::Wanted;

use crate::store::StoreError;
use countersign_core::ledger::LedgerError;
use std::path::{Path, PathBuf};

/// What can go wrong when evidence is written or checked.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Something is wrong with the bundle: the first thing that is.
    #[error("{place}: {what}")]
    Wrong {
        /// Which file, and which line and entry of it.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// The older checkpoint cannot be compared from this bundle.
    #[error(
        "the older checkpoint of size {size} cannot be compared from this bundle: export it again with that checkpoint"
    )]
    NotComparable {
        /// Its size.
        size: u64,
    },
    /// The older checkpoint itself is not what it must be.
    #[error("the older checkpoint: {0}")]
    Older(LedgerError),
    /// A file cannot be read.
    #[error("`{path}` cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("`{path}` cannot be written: {source}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What a bundle should be written to is there already.
    #[error("`{0}` is there already and not empty: name a directory or an archive that does not exist yet")]
    NotEmpty(PathBuf),
    /// The range asked for is not in the ledger.
    #[error("the ledger has {size} entries: there is no range from {from} to {to}")]
    NoRange {
        /// Its first position.
        from: u64,
        /// The position after its last.
        to: u64,
        /// How many entries there are.
        size: u64,
    },
    /// Nothing is on record for a period.
    #[error("no entry between {from} and {to}")]
    NothingBetween {
        /// Its beginning.
        from: String,
        /// What comes after its end.
        to: String,
    },
    /// A period that ends before it begins.
    #[error("the period would end at {to}, and it begins at {from}: `from` comes before `to`")]
    NoPeriod {
        /// Its beginning.
        from: String,
        /// What comes after its end.
        to: String,
    },
    /// Nothing is on record of a repository.
    #[error("no repository on record bears the name `{0}`: write owner/name, or an id")]
    NoRepository(String),
    /// A record that the bundle needs is not there or cannot be read.
    #[error("entry {position}: {what}")]
    Record {
        /// Its position.
        position: u64,
        /// What is the matter.
        what: String,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something could not be signed or spelled.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl EvidenceError {
    /// Whether this speaks against the bundle, rather than of trouble while reading it.
    pub fn is_finding(&self) -> bool {
        matches!(self, Self::Wrong { .. })
    }

    fn wrong(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Wrong { place: place.into(), what: what.into() }
    }

    fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Unreadable { path: path.to_owned(), source }
    }

    fn unwritable(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Unwritable { path: path.to_owned(), source }
    }
}
