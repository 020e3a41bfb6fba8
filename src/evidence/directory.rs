//! A bundle's directory, or archive, while it is written: each file is hashed on its way to the disk.
//!
//! Invariant: nothing that is there already is written over, and the manifest lists every file with the hash of the bytes
//! that were written. An archive holds the same files, in the order in which they were ended. Used by [`super::export()`], and by [`super::verify()`] to make the derived files again.

use super::EvidenceError;
use super::archive::writing::{Packed, Packing};
use super::bundle::{BUNDLE_VERSION, ListedFile, MANIFEST, MANIFEST_NOTE, Manifest, is_plain, manifest_text};
use super::files::Again;
use super::population::Period;
use countersign_core::domain::RepositoryId;
use countersign_core::ledger::canonical;
use countersign_core::ledger::{Hash, SigningKey};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// The directory being written, with what has been written so far.
pub(super) struct Directory {
    out: Out,
    files: Vec<ListedFile>,
}

enum Out {
    Directory(PathBuf),
    Archive(Box<Packing>),
}

enum Bytes {
    Plain(BufWriter<File>),
    Packed(Box<Packed>),
}

/// One file being written and hashed on the way.
pub(super) struct Growing {
    path: String,
    place: PathBuf,
    bytes: Bytes,
    hash: Sha256,
    size: u64,
}

impl Directory {
    /// A directory that does not exist yet, or is empty.
    pub(super) fn create(out: &Path) -> Result<Self, EvidenceError> {
        fs::create_dir_all(out).map_err(EvidenceError::unwritable(out))?;
        let mut there = fs::read_dir(out).map_err(EvidenceError::unreadable(out))?;
        if there.next().is_some() {
            return Err(EvidenceError::NotEmpty(out.to_owned()));
        }
        Ok(Self { out: Out::Directory(out.to_owned()), files: Vec::new() })
    }

    /// An archive that does not exist yet.
    pub(super) fn archive(out: &Path) -> Result<Self, EvidenceError> {
        Ok(Self { out: Out::Archive(Box::new(Packing::create(out)?)), files: Vec::new() })
    }

    /// Begins a file; [`keep`](Self::keep) ends it.
    pub(super) fn begin(&self, path: &str) -> Result<Growing, EvidenceError> {
        let place = self.place(path);
        if !is_plain(path) {
            let source = std::io::Error::from(std::io::ErrorKind::InvalidInput);
            return Err(EvidenceError::Unwritable { path: place, source });
        }
        let bytes = match &self.out {
            Out::Directory(_) => {
                if let Some(parent) = place.parent() {
                    fs::create_dir_all(parent).map_err(EvidenceError::unwritable(parent))?;
                }
                let file = File::create_new(&place).map_err(EvidenceError::unwritable(&place))?;
                Bytes::Plain(BufWriter::with_capacity(1 << 16, file))
            }
            Out::Archive(packing) => Bytes::Packed(Box::new(packing.begin(path)?)),
        };
        Ok(Growing { path: path.to_owned(), place, bytes, hash: Sha256::new(), size: 0 })
    }

    /// Writes a whole file.
    pub(super) fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), EvidenceError> {
        let mut file = self.begin(path)?;
        file.bytes(bytes)?;
        self.keep(file)
    }

    /// Ends a file and lists it.
    pub(super) fn keep(&mut self, file: Growing) -> Result<(), EvidenceError> {
        let Growing { path, place, bytes, hash, size } = file;
        match (bytes, &mut self.out) {
            (Bytes::Packed(packed), Out::Archive(packing)) => packing.keep(&path, size, *packed)?,
            (Bytes::Plain(file), _) => {
                let flushed = file.into_inner().map_err(std::io::IntoInnerError::into_error);
                flushed.map_err(EvidenceError::unwritable(&place))?;
            }
            // A file of an archive grows in no directory.
            (Bytes::Packed(_), Out::Directory(_)) => {
                let source = std::io::Error::from(std::io::ErrorKind::InvalidInput);
                return Err(EvidenceError::Unwritable { path: place, source });
            }
        }
        self.files.push(ListedFile { path, sha256: Hash::new(hash.finalize().into()), size });
        Ok(())
    }

    /// Where a file goes that another hand writes; [`adopt`](Self::adopt) lists it.
    pub(super) fn place(&self, path: &str) -> PathBuf {
        match &self.out {
            Out::Directory(out) => out.join(path),
            Out::Archive(packing) => packing.place(&format!("by-hand/{path}")),
        }
    }

    /// Lists a file that another hand wrote.
    pub(super) fn adopt(&mut self, path: &str) -> Result<(), EvidenceError> {
        let place = self.place(path);
        let mut file = File::open(&place).map_err(EvidenceError::unreadable(&place))?;
        if let Out::Archive(_) = self.out {
            let mut growing = self.begin(path)?;
            std::io::copy(&mut file, &mut growing).map_err(EvidenceError::unreadable(&place))?;
            self.keep(growing)?;
            return fs::remove_file(&place).map_err(EvidenceError::unwritable(&place));
        }
        let mut hash = Sha256::new();
        let size = std::io::copy(&mut file, &mut hash).map_err(EvidenceError::unreadable(&place))?;
        let sha256 = Hash::new(hash.finalize().into());
        self.files.push(ListedFile { path: path.to_owned(), sha256, size });
        Ok(())
    }

    /// A file that has ended, to be read while others grow.
    pub(super) fn again(&self, path: &str) -> Result<Again<'static>, EvidenceError> {
        match &self.out {
            Out::Directory(out) => Ok(Again::File(out.join(path))),
            Out::Archive(packing) => {
                let member = packing.ended(path).map(|(archive, member)| Again::Member(archive, member));
                member.ok_or_else(|| EvidenceError::wrong(path, "it has not ended"))
            }
        }
    }

    /// What has been written so far.
    pub(super) fn files(&self) -> &[ListedFile] {
        &self.files
    }

    /// Writes the manifest and its note; answers how many files it lists.
    pub(super) fn finish(
        mut self,
        period: Option<Period>,
        repositories: Option<BTreeSet<RepositoryId>>,
        pages: Option<String>,
        key: &SigningKey,
    ) -> Result<usize, EvidenceError> {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest = Manifest {
            version: BUNDLE_VERSION,
            tool: crate::TOOL.to_owned(),
            period,
            repositories,
            pages,
            files: std::mem::take(&mut self.files),
        };
        let bytes = canonical::to_bytes(&manifest)?;
        self.write(MANIFEST, &bytes)?;
        let note = manifest_text(key.name(), &bytes).sign(key)?;
        self.write(MANIFEST_NOTE, note.as_bytes())?;
        if let Out::Archive(packing) = self.out {
            packing.finish()?;
        }
        Ok(manifest.files.len())
    }
}

impl Growing {
    /// Writes on.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), EvidenceError> {
        self.write_all(bytes).map_err(EvidenceError::unwritable(&self.place))
    }
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = match &mut self.bytes {
            Bytes::Plain(file) => file.write(bytes)?,
            Bytes::Packed(packed) => packed.write(bytes)?,
        };
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.bytes {
            Bytes::Plain(file) => file.flush(),
            Bytes::Packed(packed) => packed.flush(),
        }
    }
}
