//! The attestations of a bundle: one line for each deployment that was allowed, as in-toto bundles of DSSE envelopes
//! (<https://github.com/in-toto/attestation/blob/main/spec/v1/bundle.md>).
//!
//! Invariant: which lines there are, and what each states, follows from the entries alone; only the signature needs the
//! key. So an export seals what [`super::verify()`] makes again and compares, signatures included. A file holds ten thousand
//! lines: one file for each of some hundred thousand deployments would weigh more in the manifest than in itself.

use super::EvidenceError;
use super::attestation::statement;
use super::bundle::{ATTESTATIONS, attestations_file};
use super::contents::Contents;
use super::directory::{Directory, Growing};
use super::files::Pieces;
use countersign_core::domain::{Decision, Entry};
use countersign_core::ledger::SigningKey;
use countersign_core::ledger::envelope::{Envelope, IN_TOTO};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// How many lines a file has at most.
const LINES: u64 = 10_000;
/// The longest line that is read.
const LONGEST: u64 = 1 << 20;

/// What is done with what the entries attest.
#[derive(Clone, Copy)]
pub(super) enum Seals<'a> {
    /// Written, under the ledger's key.
    With(&'a SigningKey),
    /// Compared with what a bundle has, and checked with the keys that are held, if any.
    Of(&'a Contents),
}

/// The lines as they go by.
pub(super) struct Attestations<'a> {
    seals: Seals<'a>,
    lines: u64,
    growing: Option<Growing>,
    reading: Option<BufReader<Pieces>>,
}

impl<'a> Attestations<'a> {
    pub(super) fn begin(seals: Seals<'a>) -> Self {
        Self { seals, lines: 0, growing: None, reading: None }
    }

    /// Takes a decision that allows a deployment, with the entry that it is.
    pub(super) fn add(
        &mut self,
        entry: &Entry,
        decision: &Decision,
        directory: &mut Directory,
    ) -> Result<(), EvidenceError> {
        let ledger = match self.seals {
            Seals::With(key) => key.name(),
            Seals::Of(contents) => contents.origin.as_str(),
        };
        let Some(states) = statement(decision, (&entry.time, &entry.tool), ledger) else { return Ok(()) };
        match self.seals {
            Seals::With(key) => self.write(key, &states, directory)?,
            Seals::Of(contents) => self.compare(contents, &states)?,
        }
        self.lines += 1;
        Ok(())
    }

    fn write(&mut self, key: &SigningKey, states: &[u8], directory: &mut Directory) -> Result<(), EvidenceError> {
        if self.lines.is_multiple_of(LINES) {
            if let Some(full) = self.growing.take() {
                directory.keep(full)?;
            }
            self.growing = Some(directory.begin(&self.file())?);
        }
        let Some(file) = &mut self.growing else { return Ok(()) };
        file.bytes(spelled(&Envelope::seal(key, IN_TOTO, states)).as_bytes())?;
        file.bytes(b"\n")
    }

    fn compare(&mut self, contents: &Contents, states: &[u8]) -> Result<(), EvidenceError> {
        let path = self.file();
        let line = self.lines % LINES + 1;
        let wrong = |what: &str| EvidenceError::wrong(format!("{path} line {line}"), what);
        if line == 1 {
            self.ends_here()?;
            if !contents.has(&path) {
                return Err(EvidenceError::wrong(&path, "it is missing: a deployment is not attested"));
            }
            self.reading = Some(BufReader::new(contents.reader(&path)?));
        }
        let mut text = String::new();
        if let Some(reading) = &mut self.reading {
            reading.take(LONGEST).read_line(&mut text).map_err(|_| wrong("it cannot be read"))?;
        }
        let text = text.strip_suffix('\n').ok_or_else(|| wrong("it is missing or cut short"))?;
        let envelope: Envelope = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        if envelope.payload_type != IN_TOTO || envelope.unproved_payload().as_deref() != Some(states) {
            return Err(wrong("it does not state what the entry says"));
        }
        if spelled(&envelope) != text {
            return Err(wrong("it holds more than an envelope"));
        }
        let keyring = &contents.keyring;
        if !keyring.is_empty() && !envelope.is_signed_by(&keyring.of(&contents.origin)) {
            return Err(wrong("it is not signed by the ledger's key"));
        }
        Ok(())
    }

    /// Ends the last file; where they are compared, nothing may be left over.
    pub(super) fn finish(mut self, directory: &mut Directory) -> Result<(), EvidenceError> {
        if let Some(last) = self.growing.take() {
            directory.keep(last)?;
        }
        self.ends_here()?;
        if let Seals::Of(contents) = self.seals {
            let files = self.lines.div_ceil(LINES);
            let known = |path: &str| (1..=files).any(|number| attestations_file(number) == path);
            if let Some((_, path)) = contents.under(ATTESTATIONS).find(|(_, path)| !known(path)) {
                return Err(EvidenceError::wrong(path, "no entry gives it"));
            }
        }
        Ok(())
    }

    /// Whether the file being compared has no more lines.
    fn ends_here(&mut self) -> Result<(), EvidenceError> {
        let Some(mut reading) = self.reading.take() else { return Ok(()) };
        let path = attestations_file(self.lines.div_ceil(LINES));
        let rest = reading.fill_buf().map_err(EvidenceError::unreadable(Path::new(&path)))?;
        if rest.is_empty() { Ok(()) } else { Err(EvidenceError::wrong(path, "it attests more than the entries give")) }
    }

    fn file(&self) -> String {
        attestations_file(self.lines / LINES + 1)
    }
}

/// An envelope in one line.
fn spelled(envelope: &Envelope) -> String {
    serde_json::to_string(envelope).unwrap_or_default()
}
