//! The files of a bundle, wherever they lie: in a directory, or in one archive.
//!
//! Invariant: only plain files with plain names are seen, and none is believed: [`super::contents`] holds them against the
//! manifest.

use super::EvidenceError;
use super::archive::Member;
use super::archive::reading::{Archive, Unpacking};
use super::bundle::is_plain;
use super::contents::Contents;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The largest file that is read whole; entries are read line by line.
const LARGEST: u64 = 64 << 20;

/// Where the files lie.
pub(super) enum Files {
    Directory(PathBuf),
    Archive(Box<Archive>),
}

/// The bytes of one file.
pub(super) enum Pieces {
    File(File),
    Unpacking(Unpacking),
}

/// A file that can be read from its beginning again and again, while it is written or checked.
pub(super) enum Again<'a> {
    File(PathBuf),
    Member(PathBuf, Member),
    Of(&'a Contents, &'a str),
}

impl Again<'_> {
    /// Its bytes, from the beginning.
    pub(super) fn read(&self) -> Result<Pieces, EvidenceError> {
        match self {
            Self::File(place) => File::open(place).map(Pieces::File).map_err(EvidenceError::unreadable(place)),
            Self::Member(archive, member) => Unpacking::begin(archive, member).map(Pieces::Unpacking),
            Self::Of(contents, path) => contents.reader(path),
        }
    }

    /// What it means that it cannot be read.
    pub(super) fn failed(&self, source: std::io::Error) -> EvidenceError {
        match self {
            Self::File(place) | Self::Member(place, _) => EvidenceError::Unreadable { path: place.clone(), source },
            Self::Of(contents, path) => contents.failed(path, source),
        }
    }
}

impl Files {
    /// The files of a bundle that is a directory or an archive.
    pub(super) fn open(bundle: &Path) -> Result<Self, EvidenceError> {
        let kind = fs::metadata(bundle).map_err(EvidenceError::unreadable(bundle))?;
        if kind.is_dir() {
            Ok(Self::Directory(bundle.to_owned()))
        } else {
            Ok(Self::Archive(Box::new(Archive::open(bundle)?)))
        }
    }

    /// The paths of all files; in a directory, what is no file of a bundle is a finding.
    pub(super) fn paths(&self) -> Result<BTreeSet<String>, EvidenceError> {
        match self {
            Self::Directory(root) => {
                let mut found = BTreeSet::new();
                walk(root, "", &mut found)?;
                Ok(found)
            }
            Self::Archive(archive) => Ok(archive.paths().cloned().collect()),
        }
    }

    /// How many bytes a file has.
    pub(super) fn size(&self, path: &str) -> Result<u64, EvidenceError> {
        match self {
            Self::Directory(root) => {
                let place = root.join(path);
                let found = fs::metadata(&place).map_err(|error| self.failed(path, error))?;
                Ok(found.len())
            }
            Self::Archive(archive) => archive.size(path).ok_or_else(|| missing(path)),
        }
    }

    /// A file, to be read piece by piece.
    pub(super) fn read(&self, path: &str) -> Result<Pieces, EvidenceError> {
        match self {
            Self::Directory(root) => {
                File::open(root.join(path)).map(Pieces::File).map_err(|error| self.failed(path, error))
            }
            Self::Archive(archive) => archive.read(path).map(Pieces::Unpacking),
        }
    }

    /// A small file, whole.
    pub(super) fn whole(&self, path: &str) -> Result<Vec<u8>, EvidenceError> {
        let mut bytes = Vec::new();
        let pieces = self.read(path)?;
        pieces.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| self.failed(path, error))?;
        if bytes.len() as u64 > LARGEST {
            return Err(EvidenceError::wrong(path, format!("it has more than {LARGEST} bytes")));
        }
        Ok(bytes)
    }

    /// A small file as text.
    pub(super) fn text(&self, path: &str) -> Result<String, EvidenceError> {
        String::from_utf8(self.whole(path)?).map_err(|_| EvidenceError::wrong(path, "it is not UTF-8"))
    }

    /// What is left to check once every file holds.
    pub(super) fn check_rest(&self) -> Result<(), EvidenceError> {
        match self {
            Self::Directory(_) => Ok(()),
            Self::Archive(archive) => archive.check_digest(),
        }
    }

    /// What it means that a file cannot be read.
    pub(super) fn failed(&self, path: &str, source: std::io::Error) -> EvidenceError {
        match (self, source.kind()) {
            (_, ErrorKind::NotFound) => missing(path),
            (Self::Archive(_), ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof) => {
                EvidenceError::wrong(path, format!("it does not unpack: {source}"))
            }
            (Self::Archive(_), _) => EvidenceError::Unreadable { path: path.into(), source },
            (Self::Directory(root), _) => EvidenceError::Unreadable { path: root.join(path), source },
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Unpacking(unpacking) => unpacking.read(buffer),
        }
    }
}

fn missing(path: &str) -> EvidenceError {
    EvidenceError::wrong(path, "it is missing")
}

/// Collects the paths of files; a directory without files and anything that is neither is taken as a file nobody listed.
fn walk(directory: &Path, prefix: &str, found: &mut BTreeSet<String>) -> Result<(), EvidenceError> {
    let unreadable = || EvidenceError::unreadable(directory);
    let mut empty = true;
    for item in fs::read_dir(directory).map_err(unreadable())? {
        let item = item.map_err(unreadable())?;
        empty = false;
        let name = item.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let kind = item.file_type().map_err(unreadable())?;
        if !is_plain(&path) || kind.is_symlink() {
            return Err(EvidenceError::wrong(&path, "it is no plain file of a bundle"));
        }
        if kind.is_dir() {
            walk(&item.path(), &path, found)?;
        } else {
            found.insert(path);
        }
    }
    if empty && !prefix.is_empty() {
        found.insert(prefix.to_owned());
    }
    Ok(())
}
