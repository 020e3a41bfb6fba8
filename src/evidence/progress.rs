//! How far long work has come, for whoever watches: a terminal, or a program that asks.
//!
//! Invariant: it is told and never asked; no work depends on it.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The pieces of long work, in words.
const STAGES: [&str; 7] =
    ["waiting", "checking files", "entries", "reading for tables", "making tables", "saving the workbook", "packing"];

/// A piece of long work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Files are held against the manifest, in bytes.
    Files = 1,
    /// Entries are written, or decided again.
    Entries = 2,
    /// Entries are read for what became of them.
    Survey = 3,
    /// Entries become rows.
    Tables = 4,
    /// The workbook is put together.
    Workbook = 5,
    /// What is left.
    Packing = 6,
}

/// How far it has come.
#[derive(Debug, Default)]
pub struct Progress {
    stage: AtomicUsize,
    done: AtomicU64,
    of: AtomicU64,
}

/// What is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The piece of work that goes on.
    pub stage: &'static str,
    /// How much of this piece is done.
    pub done: u64,
    /// How much of it there is; 0 where that is not known.
    pub of: u64,
}

impl Progress {
    /// How far it has come.
    pub fn told(&self) -> Told {
        let stage = STAGES.get(self.stage.load(Ordering::Relaxed)).copied().unwrap_or_default();
        Told { stage, done: self.done.load(Ordering::Relaxed), of: self.of.load(Ordering::Relaxed) }
    }
}

/// Whoever watches, or nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watched<'a>(pub Option<&'a Progress>);

impl Watched<'_> {
    /// A piece of work begins.
    pub(super) fn begin(self, stage: Stage, of: u64) {
        if let Some(progress) = self.0 {
            progress.done.store(0, Ordering::Relaxed);
            progress.of.store(of, Ordering::Relaxed);
            progress.stage.store(stage as usize, Ordering::Relaxed);
        }
    }

    /// It has come further.
    pub(super) fn add(self, more: u64) {
        if let Some(progress) = self.0 {
            progress.done.fetch_add(more, Ordering::Relaxed);
        }
    }
}
