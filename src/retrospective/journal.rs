//! What a retrospective has done so far, in a file beside it: one line of JSON for each piece.
//!
//! Invariant: a line counts once it ends; the piece of a line that a crash cut off is done again. A journal of another
//! question, of other settings or of another version of this program is not gone on with.

use super::{Found, Judged, Plan, RetrospectiveError};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Begun { of: String, plan: Box<Plan> },
    Found { found: Box<Found> },
    Judged { judged: Box<Judged> },
}

/// The journal.
pub struct Journal {
    path: PathBuf,
    /// What question it belongs to: the arguments, the settings, the program.
    of: String,
    plan: Option<Plan>,
    found: Vec<Found>,
    judged: Vec<Judged>,
    file: Option<File>,
}

impl Journal {
    /// Opens the journal of a question, which is begun anew where what is there belongs to another.
    pub fn open(path: &Path, of: &str) -> Result<Self, RetrospectiveError> {
        let mut journal = Self {
            path: path.to_owned(),
            of: of.to_owned(),
            plan: None,
            found: Vec::new(),
            judged: Vec::new(),
            file: None,
        };
        let whole = match File::open(path) {
            Ok(file) => journal.read(file).map_err(|source| journal.fault(source))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(journal.fault(error)),
        };
        if journal.plan.is_some() {
            let file = OpenOptions::new().append(true).open(path).map_err(|source| journal.fault(source))?;
            // What a crash cut off would run into the next line.
            file.set_len(whole).map_err(|source| journal.fault(source))?;
            journal.file = Some(file);
        }
        Ok(journal)
    }

    /// Reads what is there; says how many bytes of it are whole lines.
    fn read(&mut self, file: File) -> std::io::Result<u64> {
        let mut reader = BufReader::new(file);
        let (mut whole, mut text) = (0, Vec::new());
        loop {
            text.clear();
            let length = reader.read_until(b'\n', &mut text)?;
            if length == 0 || !text.ends_with(b"\n") {
                return Ok(whole);
            }
            match (serde_json::from_slice::<Line>(&text), &self.plan) {
                (Ok(Line::Begun { of, plan }), None) if of == self.of => self.plan = Some(*plan),
                (Ok(Line::Found { found }), Some(_)) => self.found.push(*found),
                (Ok(Line::Judged { judged }), Some(_)) => self.judged.push(*judged),
                // Another question, another shape, or a line spoilt: nothing after it is believed.
                _ => return Ok(whole),
            }
            whole += length as u64;
        }
    }

    /// The plan that it goes on with.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn done(&self) -> (Vec<Found>, Vec<Judged>) {
        (self.found.clone(), self.judged.clone())
    }

    pub(super) fn begin(&mut self, plan: &Plan) -> Result<(), RetrospectiveError> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| self.fault(source))?;
        }
        self.file = Some(File::create(&self.path).map_err(|source| self.fault(source))?);
        self.plan = Some(plan.clone());
        self.write(&Line::Begun { of: self.of.clone(), plan: Box::new(plan.clone()) })
    }

    pub(super) fn found(&mut self, found: &Found) -> Result<(), RetrospectiveError> {
        self.write(&Line::Found { found: Box::new(found.clone()) })
    }

    pub(super) fn judged(&mut self, judged: &Judged) -> Result<(), RetrospectiveError> {
        self.write(&Line::Judged { judged: Box::new(judged.clone()) })
    }

    /// All is done: the next one begins anew.
    pub(super) fn end(self) -> Result<(), RetrospectiveError> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.fault(error)),
            _ => Ok(()),
        }
    }

    fn write(&mut self, line: &Line) -> Result<(), RetrospectiveError> {
        let written = match (serde_json::to_vec(line), &mut self.file) {
            (Ok(mut text), Some(file)) => {
                text.push(b'\n');
                file.write_all(&text)
            }
            (Err(error), _) => Err(error.into()),
            (_, None) => Err(std::io::Error::other("it was not begun")),
        };
        written.map_err(|source| self.fault(source))
    }

    fn fault(&self, source: std::io::Error) -> RetrospectiveError {
        RetrospectiveError::Journal { path: self.path.display().to_string(), source }
    }
}
