//! The files of a bundle, checked against the signed manifest before anything in them is believed.
//!
//! Invariant: after [`Contents::open`] the directory, or the archive, holds exactly the files that the manifest lists, each with the size
//! and SHA-256 listed. What the files say is judged by [`super::verify`].

use super::EvidenceError;
use super::bundle::{
    ATTESTATIONS, BUNDLE_VERSION, CHECKPOINT, CONSISTENCY, DERIVED, ENTRIES, FRONTIERS, ListedFile, MANIFEST,
    MANIFEST_NOTE, Manifest, POLICIES, ROTATIONS, SETTINGS, address_of_pages, is_plain, manifest_text,
};
use super::files::{Files, Pieces};
use super::population::Period;
use super::progress::{Stage, Watched};
use super::verify::Signer;
use crate::store::record::respelled;
use countersign_core::domain::RepositoryId;
use countersign_core::ledger::{Checkpoint, Hash, Keyring, LedgerError, Note, Rotation, VerifyingKey};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

/// The files of a bundle, as the manifest lists them.
pub(super) struct Contents {
    files: Files,
    paths: BTreeSet<String>,
    listed: Vec<ListedFile>,
    /// The time that the population is told for.
    pub(super) period: Option<Period>,
    /// The repositories that were chosen; `None` for all.
    pub(super) repositories: Option<BTreeSet<RepositoryId>>,
    /// The address that tables link changes to.
    pub(super) pages: Option<String>,
    /// The program that wrote the bundle, as it says.
    pub(super) tool: String,
    /// The origin of the ledger, as the note over the manifest names it.
    pub(super) origin: String,
    /// Who signed the manifest.
    pub(super) signer: Signer,
    /// The keys that were given, and those that rotations lead to.
    pub(super) keyring: Keyring,
    /// How one key followed another, in order.
    pub(super) rotations: Vec<Rotation>,
    /// Those of the keys that signed the manifest.
    signers: Vec<VerifyingKey>,
}

impl Contents {
    /// Checks the note, the manifest, which files there are and every one of them, in this order.
    pub(super) fn open(bundle: &Path, held: &[VerifyingKey], progress: Watched<'_>) -> Result<Self, EvidenceError> {
        let files = Files::open(bundle)?;
        let note = files.text(MANIFEST_NOTE)?;
        // Signed by the keys themselves, so they may be read before the manifest is believed.
        let rotations = if files.paths()?.contains(ROTATIONS) { read_rotations(&files)? } else { Vec::new() };
        let keyring = Keyring::new(held, &rotations);
        let signed = signed_checkpoint(&note, &keyring, "/bundle").map_err(|error| wrong(MANIFEST_NOTE, error))?;
        let bytes = files.whole(MANIFEST)?;
        let origin = signed.checkpoint.origin.strip_suffix("/bundle").unwrap_or_default();
        if manifest_text(origin, &bytes) != signed.checkpoint {
            return Err(wrong(MANIFEST, format!("it is not the manifest that {MANIFEST_NOTE} is signed over")));
        }
        let manifest: Manifest = parse(MANIFEST, &bytes)?;
        check_manifest(&manifest)?;
        let paths: BTreeSet<String> = manifest.files.iter().map(|file| file.path.clone()).collect();
        check_paths(&files, &paths)?;
        let mut buffer = vec![0; 1 << 16];
        progress.begin(Stage::Files, manifest.files.iter().map(|file| file.size).sum());
        for file in &manifest.files {
            check_file(&files, file, &mut buffer)?;
            progress.add(file.size);
        }
        files.check_rest()?;
        Ok(Self {
            files,
            paths,
            listed: manifest.files,
            period: manifest.period,
            repositories: manifest.repositories,
            pages: manifest.pages,
            tool: manifest.tool,
            origin: origin.to_owned(),
            signer: signed.signer,
            keyring,
            rotations,
            signers: signed.signers,
        })
    }

    /// Whether one of those who signed the manifest may have signed a head of this size.
    pub(super) fn check_signers(&self, size: u64) -> Result<(), EvidenceError> {
        may_sign(&self.keyring, &self.signers, size).map_err(|error| wrong(MANIFEST_NOTE, error))
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
        self.files.text(path)
    }

    /// A file as JSON of one shape.
    pub(super) fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, EvidenceError> {
        parse(path, &self.files.whole(path)?)
    }

    /// What the manifest says of a file.
    pub(super) fn listed(&self, path: &str) -> Option<&ListedFile> {
        self.listed.iter().find(|file| file.path == path)
    }

    /// A file to be read piece by piece.
    pub(super) fn reader(&self, path: &str) -> Result<Pieces, EvidenceError> {
        self.files.read(path)
    }

    /// What it means that a file cannot be read.
    pub(super) fn failed(&self, path: &str, source: std::io::Error) -> EvidenceError {
        self.files.failed(path, source)
    }
}

/// A checkpoint, or what is spelled like one, with who signed it.
pub(super) struct Signed {
    pub(super) checkpoint: Checkpoint,
    pub(super) signer: Signer,
    pub(super) signers: Vec<VerifyingKey>,
}

/// Reads a note whose origin is the name of the ledger and a suffix. With keys, one of that very name must have signed it.
pub(super) fn signed_checkpoint(note: &str, keyring: &Keyring, suffix: &str) -> Result<Signed, LedgerError> {
    let note = Note::parse(note)?;
    let checkpoint = Checkpoint::parse(note.unproved_text())?;
    let malformed = |why: String| LedgerError::Malformed { what: "note", why };
    let Some(name) = checkpoint.origin.strip_suffix(suffix) else {
        let origin = &checkpoint.origin;
        return Err(malformed(format!("its origin `{origin}` does not end in `{suffix}`")));
    };
    if keyring.is_empty() {
        let signer = Signer::Unproved;
        return Ok(Signed { checkpoint, signer, signers: Vec::new() });
    }
    let of_name = keyring.of(name);
    if of_name.is_empty() {
        return Err(malformed(format!("it is of the ledger `{name}`, and no key of that name was given")));
    }
    note.verify(&of_name)?;
    let signers: Vec<VerifyingKey> = note.signers(&of_name)?.into_iter().cloned().collect();
    let signer = Signer::Proved { name: name.to_owned() };
    Ok(Signed { checkpoint, signer, signers })
}

/// Whether one of the keys may have signed a head of this size; nobody is asked where nobody is believed.
pub(super) fn may_sign(keyring: &Keyring, signers: &[VerifyingKey], size: u64) -> Result<(), LedgerError> {
    let mut last = Ok(());
    for signer in signers {
        last = keyring.check(signer, size);
        if last.is_ok() {
            break;
        }
    }
    last
}

fn read_rotations(files: &Files) -> Result<Vec<Rotation>, EvidenceError> {
    let notes: Vec<String> = parse(ROTATIONS, &files.whole(ROTATIONS)?)?;
    let mut rotations: Vec<Rotation> = Vec::new();
    for (number, note) in (1..).zip(&notes) {
        let rotation = Rotation::parse(note).map_err(|error| wrong(ROTATIONS, format!("note {number}: {error}")))?;
        if let Some(before) = rotations.last()
            && (before.origin != rotation.origin || before.to != rotation.from || before.size >= rotation.size)
        {
            return Err(wrong(ROTATIONS, format!("note {number} does not follow the one before it")));
        }
        rotations.push(rotation);
    }
    Ok(rotations)
}

fn check_manifest(manifest: &Manifest) -> Result<(), EvidenceError> {
    if manifest.version != BUNDLE_VERSION {
        let what = format!("a bundle of version {}: this build reads {BUNDLE_VERSION}", manifest.version);
        return Err(wrong(MANIFEST, what));
    }
    if let Some(Period { from, to }) = &manifest.period {
        // Times are compared by their bytes, so they must be spelled as entries spell theirs.
        let is_spelled = |time: &String| respelled(time).as_ref() == Some(time);
        if !is_spelled(from) || !is_spelled(to) || from >= to {
            return Err(wrong(MANIFEST, format!("from `{from}` to `{to}` is no period")));
        }
    }
    if manifest.repositories.as_ref().is_some_and(BTreeSet::is_empty) {
        return Err(wrong(MANIFEST, "it is of chosen repositories, and names none"));
    }
    if let Some(pages) = manifest.pages.as_ref().filter(|pages| address_of_pages(pages).is_none()) {
        return Err(wrong(MANIFEST, format!("it links changes to `{pages}`, which is no address of pages")));
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
    [CHECKPOINT, CONSISTENCY, ENTRIES, FRONTIERS, ROTATIONS].contains(&path)
        || DERIVED.contains(&path)
        || under(ATTESTATIONS)
        || under(POLICIES)
        || under(SETTINGS)
}

/// Every file that is listed is there; every file that is there is listed, and is a plain file.
fn check_paths(files: &Files, listed: &BTreeSet<String>) -> Result<(), EvidenceError> {
    let found = files.paths()?;
    if let Some(path) = listed.iter().find(|path| !found.contains(*path)) {
        return Err(wrong(path, "it is missing"));
    }
    let expected = |path: &str| listed.contains(path) || path == MANIFEST || path == MANIFEST_NOTE;
    match found.iter().find(|path| !expected(path)) {
        Some(path) => Err(wrong(path, "it is not in the manifest")),
        None => Ok(()),
    }
}

fn check_file(files: &Files, listed: &ListedFile, buffer: &mut [u8]) -> Result<(), EvidenceError> {
    let ListedFile { path, sha256, size } = listed;
    let found = files.size(path)?;
    if found != *size {
        return Err(wrong(path, format!("it has {found} bytes, and the manifest says {size}")));
    }
    let mut file = files.read(path)?;
    let mut hash = Sha256::new();
    loop {
        let read = file.read(buffer).map_err(|error| files.failed(path, error))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
    }
    if Hash::new(hash.finalize().into()) == *sha256 {
        Ok(())
    } else {
        Err(wrong(path, "its SHA-256 is not the one in the manifest"))
    }
}

fn parse<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T, EvidenceError> {
    serde_json::from_slice(bytes).map_err(|error| wrong(path, error.to_string()))
}

fn wrong(path: &str, what: impl std::fmt::Display) -> EvidenceError {
    EvidenceError::wrong(path, what.to_string())
}
