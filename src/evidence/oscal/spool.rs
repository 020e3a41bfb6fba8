//! Items of one list on their way to a file that is put together later.
//!
//! Invariant: memory does not grow with the items.

use crate::evidence::EvidenceError;
use crate::evidence::bundle::OSCAL;
use crate::evidence::directory::Growing;
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::path::Path;

/// Items of one list, on their way.
pub(super) struct Spool {
    file: BufWriter<File>,
    pub(super) items: u64,
}

impl Spool {
    pub(super) fn begin() -> Result<Self, EvidenceError> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile().map_err(unwritable)?), items: 0 })
    }

    pub(super) fn add<T: Serialize>(&mut self, item: &T) -> Result<(), EvidenceError> {
        if self.items > 0 {
            self.file.write_all(b",").map_err(unwritable)?;
        }
        self.items += 1;
        self.file.write_all(&spelled(item)?).map_err(unwritable)
    }

    pub(super) fn pour(self, into: &mut Growing) -> Result<(), EvidenceError> {
        let mut file = self.file.into_inner().map_err(|error| unwritable(error.into_error()))?;
        file.rewind().map_err(unwritable)?;
        std::io::copy(&mut file, into).map_err(unwritable)?;
        Ok(())
    }
}

/// An item as it is written.
pub(super) fn spelled<T: Serialize>(value: &T) -> Result<Vec<u8>, EvidenceError> {
    serde_json::to_vec(value).map_err(|error| unwritable(error.into()))
}

fn unwritable(source: std::io::Error) -> EvidenceError {
    EvidenceError::unwritable(Path::new(OSCAL))(source)
}
