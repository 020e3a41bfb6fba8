//! Writing a bundle: a stretch of the ledger with all that is needed to check it without us.
//!
//! Invariant: the same ledger, range and key give the same bytes, and memory does not grow with the range. The manifest
//! and its note come last, so that a bundle that was cut short does not verify. Next: [`super::verify()`].

use super::EvidenceError;
use super::attestations::Seals;
use super::bundle::{
    BUNDLE_VERSION, CHECKPOINT, CONSISTENCY, ENTRIES, FRONTIERS, Frontiers, LeftOut, POLICIES, PolicySource, ROTATIONS,
    SCHEMA, SETTINGS,
};
use super::catalogue::Catalogue;
use super::derived::{Source, derive};
use super::directory::Directory;
use super::edges::Glance;
use super::population::Period;
use super::progress::{Stage, Watched};
use crate::store::Store;
use countersign_core::domain::RepositoryId;
use countersign_core::ledger::canonical;
use countersign_core::ledger::{Checkpoint, Hash, SigningKey};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

/// What to export.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The positions of the entries; `None` for all there are.
    pub range: Option<Range<u64>>,
    /// The time that the population is told for; `None` for all that the entries tell of.
    pub period: Option<Period>,
    /// The repositories whose entries are wanted, others appear as leaf hashes; `None` for all.
    pub repositories: Option<BTreeSet<RepositoryId>>,
    /// The size of an older checkpoint that the bundle shall be comparable with.
    pub older: Option<u64>,
    /// How many entries the ledger shall have: an earlier head than the present one; `None` for the present one.
    pub size: Option<u64>,
    /// The address under which Countersign shows changes, for tables to link to.
    pub pages: Option<String>,
    /// The ledger's key, whose name is the ledger's origin.
    pub key: &'a SigningKey,
    /// Whoever watches.
    pub progress: Watched<'a>,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The position of the first entry.
    pub from: u64,
    /// The position after the last entry.
    pub to: u64,
    /// How many of them were left out.
    pub left_out: u64,
    /// How many entries the ledger had.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// How many files the manifest lists.
    pub files: usize,
}

/// Writes a bundle into a directory that does not exist yet or is empty; into an archive, where the name ends in `.zip`.
pub async fn export(store: &Store, request: &Request<'_>, out: &Path) -> Result<Exported, EvidenceError> {
    let head = match request.size {
        Some(size) => store.ledger_head_at(size).await?.ok_or(EvidenceError::NoRange { from: 0, to: size, size })?,
        None => store.ledger_head().await?,
    };
    let range = request.range.clone().unwrap_or(0..head.size);
    let older = request.older.unwrap_or(0);
    if range.start > range.end || range.end > head.size || older > head.size {
        return Err(EvidenceError::NoRange { from: range.start, to: range.end.max(older), size: head.size });
    }
    let archive = out.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("zip"));
    let mut directory = if archive { Directory::archive(out)? } else { Directory::create(out)? };

    request.progress.begin(Stage::Entries, range.end - range.start);
    let written = write_entries(store, request, &range, &mut directory).await?;
    let (left, right) = store.hashes_around(&range, head.size).await?;
    let frontiers =
        Frontiers { version: BUNDLE_VERSION, from: range.start, to: range.end, size: head.size, left, right };
    directory.write(FRONTIERS, &canonical::to_bytes(&frontiers)?)?;
    let checkpoint = Checkpoint { origin: request.key.name().to_owned(), size: head.size, root: head.root };
    let cosignatures = store.cosignatures(head.size).await?.concat();
    let checkpoint = checkpoint.sign(request.key)? + &cosignatures;
    directory.write(CHECKPOINT, checkpoint.as_bytes())?;
    let rotations = store.rotations(head.size).await?;
    if !rotations.is_empty() {
        directory.write(ROTATIONS, &canonical::to_bytes(&rotations)?)?;
    }
    if let Some(older) = request.older {
        let proof = store.consistency(older, head.size).await?;
        directory.write(CONSISTENCY, &canonical::to_bytes(&proof)?)?;
    }
    let mut catalogue = Catalogue::default();
    write_policies(store, &written.named, &mut catalogue, &mut directory).await?;
    write_settings(store, &written.named, &mut catalogue, &mut directory).await?;

    let entries = directory.again(ENTRIES)?;
    let source = Source {
        entries,
        from: range.start,
        to: range.end,
        size: head.size,
        period: request.period.clone(),
        repositories: request.repositories.clone(),
        pages: request.pages.clone(),
        checkpoint,
        catalogue,
    };
    derive(&source, Seals::With(request.key), &mut directory, request.progress)?;

    request.progress.begin(Stage::Packing, 0);
    let (period, repositories) = (request.period.clone(), request.repositories.clone());
    let files = directory.finish(period, repositories, request.pages.clone(), request.key)?;
    Ok(Exported {
        from: range.start,
        to: range.end,
        left_out: written.left_out,
        size: head.size,
        root: head.root,
        files,
    })
}

/// The digests that decisions among the entries name, with the position of the first that does.
#[derive(Default)]
struct Named {
    policies: BTreeMap<String, u64>,
    settings: BTreeMap<String, u64>,
    /// Settings that other entries name: they come along where they are kept.
    settings_in_passing: BTreeSet<String>,
}

#[derive(Default)]
struct Written {
    named: Named,
    left_out: u64,
}

async fn write_entries(
    store: &Store,
    request: &Request<'_>,
    range: &Range<u64>,
    directory: &mut Directory,
) -> Result<Written, EvidenceError> {
    let mut written = Written::default();
    let mut file = directory.begin(ENTRIES)?;
    let mut at = range.start;
    while at < range.end {
        let page = store.ledger_page(at..range.end).await?;
        if page.is_empty() {
            return Err(record(at, "it is missing from the ledger's table"));
        }
        let count = page.len() as u64;
        for entry in page {
            if entry.position != at {
                return Err(record(at, "it is missing from the ledger's table"));
            }
            // Its own bytes say whose it is: a column beside them proves nothing.
            let glance = Glance::of(&entry.body).map_err(|what| record(at, what))?;
            if glance.is_among(request.repositories.as_ref()) {
                written.named.note(at, glance);
                file.bytes(&entry.body)?;
            } else {
                let line = canonical::to_bytes(&LeftOut { left_out: entry.leaf })?;
                file.bytes(&line)?;
                written.left_out += 1;
            }
            file.bytes(b"\n")?;
            at += 1;
        }
        request.progress.add(count);
    }
    directory.keep(file)?;
    Ok(written)
}

impl Named {
    fn note(&mut self, position: u64, glance: Glance) {
        match (glance.policy_digest, glance.settings_digest) {
            (Some(policy), Some(settings)) => {
                self.policies.entry(policy).or_insert(position);
                self.settings.entry(settings).or_insert(position);
            }
            (_, Some(settings)) => {
                self.settings_in_passing.insert(settings);
            }
            (_, None) => {}
        }
    }
}

async fn write_policies(
    store: &Store,
    named: &Named,
    catalogue: &mut Catalogue,
    directory: &mut Directory,
) -> Result<(), EvidenceError> {
    for (digest, position) in &named.policies {
        let text = store.policy_text(digest).await?;
        let text = text.ok_or_else(|| record(*position, format!("no policy is kept under its digest {digest}")))?;
        let source: PolicySource = serde_json::from_str(&text)
            .map_err(|error| record(*position, format!("the policy {digest} cannot be read: {error}")))?;
        catalogue.policies(digest, &source.schema, &source.files)?;
        directory.write(&format!("{POLICIES}/{digest}/{SCHEMA}"), source.schema.as_bytes())?;
        for (name, rule) in &source.files {
            directory.write(&format!("{POLICIES}/{digest}/{name}"), rule.as_bytes())?;
        }
    }
    Ok(())
}

async fn write_settings(
    store: &Store,
    named: &Named,
    catalogue: &mut Catalogue,
    directory: &mut Directory,
) -> Result<(), EvidenceError> {
    for (digest, position) in &named.settings {
        let text = store.settings_text(digest).await?;
        let text = text.ok_or_else(|| record(*position, format!("no settings are kept under its digest {digest}")))?;
        catalogue.settings(digest, &text);
        directory.write(&format!("{SETTINGS}/{digest}.json"), text.as_bytes())?;
    }
    let in_passing = named.settings_in_passing.iter();
    for digest in in_passing.filter(|digest| !named.settings.contains_key(*digest)) {
        if let Some(text) = store.settings_text(digest).await? {
            catalogue.settings(digest, &text);
            directory.write(&format!("{SETTINGS}/{digest}.json"), text.as_bytes())?;
        }
    }
    Ok(())
}

fn record(position: u64, what: impl Into<String>) -> EvidenceError {
    EvidenceError::Record { position, what: what.into() }
}
