//! The files of a bundle, checked against the signed manifest before anything in them is believed.
//!
//! Invariant: after [`Contents::open`] the directory holds exactly the files that the manifest lists, each with the size
//! and SHA-256 listed. What the files say is judged by [`super::verify`].

use super::EvidenceError;
use super::bundle::{
    BUNDLE_VERSION, CHECKPOINT, CONSISTENCY, DERIVED, ENTRIES, FRONTIERS, ListedFile, MANIFEST, MANIFEST_NOTE,
    Manifest, POLICIES, SETTINGS, is_plain, manifest_text,
};
use super::population::Period;
use super::verify::Signer;
use countersign_core::ledger::{Checkpoint, Hash, LedgerError, Note, VerifyingKey};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// The largest file that is read whole; entries are read line by line.
const LARGEST: u64 = 64 << 20;

/// The files of a bundle, as the manifest lists them.
pub(super) struct Contents {
    root: PathBuf,
    paths: BTreeSet<String>,
    listed: Vec<ListedFile>,
    /// The time that the population is told for.
    pub(super) period: Option<Period>,
    /// The origin of the ledger, as the note over the manifest names it.
    pub(super) origin: String,
    /// Who signed the manifest.
    pub(super) signer: Signer,
}

impl Contents {
    /// Checks the note, the manifest, the directory and every file, in this order.
    pub(super) fn open(root: &Path, keys: &[VerifyingKey]) -> Result<Self, EvidenceError> {
        fs::read_dir(root).map_err(EvidenceError::unreadable(root))?;
        let note = read_text(root, MANIFEST_NOTE)?;
        let signed = signed_checkpoint(&note, keys, "/bundle").map_err(|error| wrong(MANIFEST_NOTE, error))?;
        let bytes = read_whole(root, MANIFEST)?;
        let origin = signed.checkpoint.origin.strip_suffix("/bundle").unwrap_or_default();
        if manifest_text(origin, &bytes) != signed.checkpoint {
            return Err(wrong(MANIFEST, format!("it is not the manifest that {MANIFEST_NOTE} is signed over")));
        }
        let manifest: Manifest = parse(MANIFEST, &bytes)?;
        check_manifest(&manifest)?;
        let paths: BTreeSet<String> = manifest.files.iter().map(|file| file.path.clone()).collect();
        check_directory(root, &paths)?;
        let mut buffer = vec![0; 1 << 16];
        for file in &manifest.files {
            check_file(root, file, &mut buffer)?;
        }
        Ok(Self {
            root: root.to_owned(),
            paths,
            listed: manifest.files,
            period: manifest.period,
            origin: origin.to_owned(),
            signer: signed.signer,
        })
    }

    /// Whether the bundle has this file.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// The files under a directory of the bundle: the rest of their path, and the path.
    pub(super) fn under<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.paths.iter().filter_map(move |path| {
            let rest = path.strip_prefix(directory)?.strip_prefix('/')?;
            Some((rest, path.as_str()))
        })
    }

    /// A file as text.
    pub(super) fn text(&self, path: &str) -> Result<String, EvidenceError> {
        read_text(&self.root, path)
    }

    /// A file as JSON of one shape.
    pub(super) fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, EvidenceError> {
        parse(path, &read_whole(&self.root, path)?)
    }

    /// Where a file lies.
    pub(super) fn place(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// What the manifest says of a file.
    pub(super) fn listed(&self, path: &str) -> Option<&ListedFile> {
        self.listed.iter().find(|file| file.path == path)
    }

    /// A file to be read piece by piece.
    pub(super) fn reader(&self, path: &str) -> Result<File, EvidenceError> {
        open(&self.root, path)
    }
}

/// A checkpoint, or what is spelled like one, with who signed it.
pub(super) struct Signed {
    pub(super) checkpoint: Checkpoint,
    pub(super) signer: Signer,
}

/// Reads a note whose origin is the name of the ledger and a suffix. With keys, one of that very name must have signed it.
pub(super) fn signed_checkpoint(note: &str, keys: &[VerifyingKey], suffix: &str) -> Result<Signed, LedgerError> {
    let note = Note::parse(note)?;
    let checkpoint = Checkpoint::parse(note.unproved_text())?;
    let malformed = |why: String| LedgerError::Malformed { what: "note", why };
    let Some(name) = checkpoint.origin.strip_suffix(suffix) else {
        let origin = &checkpoint.origin;
        return Err(malformed(format!("its origin `{origin}` does not end in `{suffix}`")));
    };
    if keys.is_empty() {
        let signer = Signer::Unproved;
        return Ok(Signed { checkpoint, signer });
    }
    let of_name: Vec<VerifyingKey> = keys.iter().filter(|key| key.name() == name).cloned().collect();
    if of_name.is_empty() {
        return Err(malformed(format!("it is of the ledger `{name}`, and no key of that name was given")));
    }
    note.verify(&of_name)?;
    let signer = Signer::Proved { name: name.to_owned() };
    Ok(Signed { checkpoint, signer })
}

fn check_manifest(manifest: &Manifest) -> Result<(), EvidenceError> {
    if manifest.version != BUNDLE_VERSION {
        let what = format!("a bundle of version {}: this build reads {BUNDLE_VERSION}", manifest.version);
        return Err(wrong(MANIFEST, what));
    }
    let mut last = "";
    for file in &manifest.files {
        if !is_plain(&file.path) || !is_known(&file.path) {
            return Err(wrong(MANIFEST, format!("it lists `{}`, which is no file of a bundle", file.path)));
        }
        if file.path.as_str() <= last {
            return Err(wrong(MANIFEST, format!("it lists `{}` out of order or twice", file.path)));
        }
        last = &file.path;
    }
    for needed in [CHECKPOINT, ENTRIES, FRONTIERS].iter().chain(DERIVED) {
        if !manifest.files.iter().any(|file| file.path == *needed) {
            return Err(wrong(MANIFEST, format!("it does not list `{needed}`")));
        }
    }
    Ok(())
}

fn is_known(path: &str) -> bool {
    let under = |directory: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
    [CHECKPOINT, CONSISTENCY, ENTRIES, FRONTIERS].contains(&path)
        || DERIVED.contains(&path)
        || under(POLICIES)
        || under(SETTINGS)
}

/// Every file that is listed is there; every file that is there is listed, and is a plain file.
fn check_directory(root: &Path, listed: &BTreeSet<String>) -> Result<(), EvidenceError> {
    let mut found = BTreeSet::new();
    walk(root, "", &mut found)?;
    if let Some(path) = listed.iter().find(|path| !found.contains(*path)) {
        return Err(wrong(path, "it is missing"));
    }
    let expected = |path: &str| listed.contains(path) || path == MANIFEST || path == MANIFEST_NOTE;
    match found.iter().find(|path| !expected(path)) {
        Some(path) => Err(wrong(path, "it is not in the manifest")),
        None => Ok(()),
    }
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
            return Err(wrong(&path, "it is no plain file of a bundle"));
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

fn check_file(root: &Path, listed: &ListedFile, buffer: &mut [u8]) -> Result<(), EvidenceError> {
    let ListedFile { path, sha256, size } = listed;
    let mut file = open(root, path)?;
    let unreadable = |source| EvidenceError::unreadable(&root.join(path))(source);
    let found = file.metadata().map_err(unreadable)?.len();
    if found != *size {
        return Err(wrong(path, format!("it has {found} bytes, and the manifest says {size}")));
    }
    let mut hash = Sha256::new();
    loop {
        let read = file.read(buffer).map_err(unreadable)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
    }
    if Hash::new(hash.finalize().into()) == *sha256 {
        Ok(())
    } else {
        Err(wrong(path, "its SHA-256 is not the one in the manifest"))
    }
}

fn open(root: &Path, path: &str) -> Result<File, EvidenceError> {
    let place = root.join(path);
    File::open(&place).map_err(|source| match source.kind() {
        ErrorKind::NotFound => wrong(path, "it is missing"),
        _ => EvidenceError::Unreadable { path: place, source },
    })
}

fn read_whole(root: &Path, path: &str) -> Result<Vec<u8>, EvidenceError> {
    let mut bytes = Vec::new();
    let file = open(root, path)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(EvidenceError::unreadable(&root.join(path)))?;
    if bytes.len() as u64 > LARGEST {
        return Err(wrong(path, format!("it has more than {LARGEST} bytes")));
    }
    Ok(bytes)
}

fn read_text(root: &Path, path: &str) -> Result<String, EvidenceError> {
    String::from_utf8(read_whole(root, path)?).map_err(|_| wrong(path, "it is not UTF-8"))
}

fn parse<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, EvidenceError> {
    serde_json::from_slice(bytes).map_err(|error| wrong(path, error.to_string()))
}

fn wrong(path: &str, what: impl std::fmt::Display) -> EvidenceError {
    EvidenceError::wrong(path, what.to_string())
}
