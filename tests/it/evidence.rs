//! The bundle: what it holds, and that nothing in it can be changed unseen, whoever signs.

use countersign::evidence::bundle::{
    CHECKPOINT, CONSISTENCY, DERIVED, ENTRIES, FRONTIERS, ListedFile, MANIFEST, MANIFEST_NOTE, Manifest, OSCAL, REPORT,
    WORKBOOK, manifest_text,
};
use countersign::evidence::progress::Watched;
use countersign::evidence::{EvidenceError, Request, Signer, Trust, Verified, export, verify};
use countersign::store::{Recording, Store};
use countersign_core::domain::entry::ENTRY_VERSION;
use countersign_core::domain::facts::FACTS_VERSION;
use countersign_core::domain::{
    Account, AccountId, AccountKind, Automation, ChangeInRelease, Commit, CommitIdentity, CommitSha, Decision, Entry,
    EntryBody, Facts, Outcome, PullRequest, PullRequestNumber, PullRequestState, Push, PushSource, Repository,
    RepositoryId, RepositoryRules, Review, ReviewId, ReviewState, Subject, Terms, TimelineEvent,
};
use countersign_core::ledger::{Checkpoint, Hash, SigningKey, canonical};
use countersign_core::policy::{Policies, decide};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SETTINGS_TEXT: &str = "{\"scope\":[]}";

pub fn key() -> SigningKey {
    SigningKey::from_seed("example.com/ledger", [1; 32]).unwrap()
}

fn person(id: u64) -> Account {
    Account { id: AccountId(id), login: format!("person-{id}"), kind: AccountKind::User }
}

fn sha(number: u64) -> CommitSha {
    CommitSha::new(format!("{number:040x}"))
}

fn commit(number: u64, by: &Account) -> Commit {
    let identity = CommitIdentity { account: Some(by.clone()), email: None };
    Commit {
        oid: sha(number),
        tree: sha(number + 1),
        parents: vec![sha(1)],
        author: identity.clone(),
        committer: identity,
        committed_by_github: false,
        coauthors: Vec::new(),
        merge: None,
    }
}

/// A pull request by person 1; `reviewer` approved it, or nobody did.
fn pull_request(number: u64, reviewer: Option<u64>) -> Subject {
    let author = person(1);
    let head = commit(number * 100, &author);
    let review = |by| Review {
        id: ReviewId(number),
        by: Some(person(by)),
        state: ReviewState::Approved,
        commit: Some(head.oid.clone()),
        tree: Some(head.tree.clone()),
        merge_base: Some(sha(1)),
        could_write: Some(true),
        write_given_by: Vec::new(),
    };
    Subject::PullRequest(Box::new(PullRequest {
        number: PullRequestNumber(number),
        state: PullRequestState::Open,
        merged_at: None,
        opener: Some(author.clone()),
        base_branch: "main".to_owned(),
        head_branch: "topic".to_owned(),
        head_repository: Some(RepositoryId(7)),
        head: head.oid.clone(),
        head_tree: head.tree.clone(),
        merge_base: Some(sha(1)),
        dropped_merges: Vec::new(),
        pushes: vec![Push {
            before: sha(0),
            after: head.oid.clone(),
            by: Some(author),
            source: PushSource::PushDelivery,
        }],
        on_base: vec![sha(1)],
        timeline: reviewer.map(review).into_iter().map(TimelineEvent::Reviewed).collect(),
        checks: None,
        tickets: None,
        runs: Vec::new(),
        missing: Vec::new(),
        commits: vec![head],
    }))
}

/// A change that somebody pushed to the production branch.
fn pushed(number: u64) -> Subject {
    Subject::Landed(Box::new(ChangeInRelease {
        commits: vec![sha(number)],
        landing: None,
        pull_request: None,
        asked_as: None,
        bare_commits: vec![commit(number, &person(3))],
        bare_pushes: Vec::new(),
        alternatives: Vec::new(),
        shown_as_merged: Vec::new(),
        tickets: None,
        missing: Vec::new(),
    }))
}

fn facts(repository: u64, subject: Subject) -> Facts {
    let sponsors = BTreeMap::from([(AccountId(90), vec![AccountId(1)])]);
    Facts {
        version: FACTS_VERSION,
        repository: Repository { id: RepositoryId(repository), full_name: "acme/shop".to_owned() },
        terms: Terms {
            production_branch: "main".to_owned(),
            packs: vec!["three-person".to_owned()],
            checks: Vec::new(),
            repository_rules: RepositoryRules::default(),
            persons: Vec::new(),
            automation: Automation { sponsors, ..Automation::default() },
            web_url: "https://github.example".to_owned(),
        },
        subject,
    }
}

fn entry(body: EntryBody) -> Entry {
    Entry {
        version: ENTRY_VERSION,
        time: "2026-01-02T03:04:05.678Z".to_owned(),
        tool: "countersign 0.1.0".to_owned(),
        body,
    }
}

/// A decision as the service would record it, but for what `change` makes of its verdict.
fn decision(id: u64, repository: u64, subject: Subject, change: impl FnOnce(&mut Decision)) -> Recording {
    let policies = Policies::builtin(&["three-person".to_owned()]).unwrap();
    let facts = facts(repository, subject);
    let mut decision = Decision {
        id: format!("d-{id}"),
        subject: format!("repository:{repository}/thing:{id}"),
        verdict: decide(&facts, &policies),
        facts,
        policy_digest: policies.digest().to_owned(),
        settings_digest: hex::encode(Sha256::digest(SETTINGS_TEXT)),
    };
    change(&mut decision);
    let sources = policies.sources();
    let text = serde_json::json!({"schema": sources.schema, "files": sources.files}).to_string();
    Recording {
        settings: (decision.settings_digest.clone(), SETTINGS_TEXT.to_owned()),
        policy: (decision.policy_digest.clone(), text),
        entry: entry(EntryBody::Decision(Box::new(decision))),
    }
}

pub async fn store(directory: &Path) -> Store {
    Store::open(&format!("sqlite://{}", directory.join("store.db").display())).await.unwrap()
}

/// Eight entries: a start, then decisions about two repositories.
pub async fn fill(store: &Store) {
    let start = EntryBody::ServiceStarted { settings_digest: "not kept".to_owned(), ledger_key: None, away: None };
    store.note(entry(start)).await.unwrap();
    let subjects = [
        (7, pull_request(1, Some(2))),
        (7, pull_request(2, None)),
        (8, pull_request(3, Some(1))),
        (7, pushed(50)),
        (7, pull_request(4, Some(2))),
        (8, pull_request(5, Some(4))),
        (7, pull_request(6, Some(5))),
    ];
    for (id, (repository, subject)) in (0..).zip(subjects) {
        store.record(decision(id, repository, subject, |_| ())).await.unwrap();
    }
}

pub fn request(key: &SigningKey, range: Option<Range<u64>>) -> Request<'_> {
    Request {
        range,
        period: None,
        repositories: None,
        older: None,
        size: None,
        pages: None,
        key,
        progress: Watched::default(),
    }
}

/// Makes the manifest and its note anew, of the files that are still there.
pub fn sign_again(bundle: &Path, key: &SigningKey) {
    let old: Manifest = serde_json::from_slice(&fs::read(bundle.join(MANIFEST)).unwrap()).unwrap();
    let there = old.files.into_iter().filter(|file| bundle.join(&file.path).exists());
    let listed = there.map(|ListedFile { path, .. }| {
        let bytes = fs::read(bundle.join(&path)).unwrap();
        ListedFile { path, sha256: Hash::new(Sha256::digest(&bytes).into()), size: bytes.len() as u64 }
    });
    write_manifest(bundle, &Manifest { files: listed.collect(), ..old }, key);
}

/// Writes a manifest with its note.
fn write_manifest(bundle: &Path, manifest: &Manifest, key: &SigningKey) {
    let bytes = canonical::to_bytes(manifest).unwrap();
    fs::write(bundle.join(MANIFEST_NOTE), manifest_text(key.name(), &bytes).sign(key).unwrap()).unwrap();
    fs::write(bundle.join(MANIFEST), bytes).unwrap();
}

pub struct Bundle {
    pub _directory: TempDir,
    pub path: PathBuf,
}

pub async fn bundle_of(range: Option<Range<u64>>) -> Bundle {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    fill(&store).await;
    let path = directory.path().join("bundle");
    export(&store, &request(&key(), range), &path).await.unwrap();
    Bundle { _directory: directory, path }
}

pub fn check(bundle: &Path) -> Result<Verified, EvidenceError> {
    verify(bundle, &Trust { keys: &[key().verifying_key()], ..Trust::default() })
}

/// What is found wrong: the place and the whole sentence.
pub fn finding(bundle: &Path) -> (String, String) {
    match check(bundle).expect_err("the bundle should not verify") {
        EvidenceError::Wrong { place, what } => (place.clone(), format!("{place}: {what}")),
        other => panic!("no finding: {other}"),
    }
}

impl Bundle {
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.file(ENTRIES)).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    pub fn write_lines(&self, lines: &[String]) {
        fs::write(self.file(ENTRIES), lines.join("\n") + "\n").unwrap();
    }

    pub fn paths(&self) -> Vec<String> {
        let manifest: Manifest = serde_json::from_slice(&fs::read(self.file(MANIFEST)).unwrap()).unwrap();
        manifest.files.into_iter().map(|file| file.path).collect()
    }

    /// Makes the manifest and its note anew with the real key: as whoever holds it could.
    pub fn sign_again(&self) {
        self.sign_again_with(&key());
    }

    /// The same with another key.
    pub fn sign_again_with(&self, key: &SigningKey) {
        sign_again(&self.path, key);
    }

    /// Changes every byte of a file in turn and hands each changed bundle on.
    fn with_each_byte(&self, name: &str, masks: impl Fn(usize) -> Vec<u8>, mut see: impl FnMut(usize, u8)) {
        let good = fs::read(self.file(name)).unwrap();
        // In place: a file system may wait for the disk when a file is cut to nothing and written again.
        let mut file = fs::File::options().write(true).open(self.file(name)).unwrap();
        let mut put = |at: usize, byte: u8| {
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(&[byte]).unwrap();
        };
        for (at, byte) in good.iter().enumerate() {
            for mask in masks(at) {
                put(at, byte ^ mask);
                see(at, mask);
            }
            put(at, *byte);
        }
    }
}

#[tokio::test]
async fn a_bundle_verifies_with_its_key_and_says_so_without() {
    let bundle = bundle_of(Some(1..6)).await;
    let verified = check(&bundle.path).unwrap();
    assert_eq!((verified.from, verified.to, verified.size, verified.decisions), (1, 6, 8, 5));
    assert_eq!(verified.signer, Signer::Proved { name: "example.com/ledger".to_owned() });
    let unproved = verify(&bundle.path, &Trust::default()).unwrap();
    assert_eq!(unproved, Verified { signer: Signer::Unproved, ..verified });
    let whole = bundle_of(None).await;
    assert_eq!(check(&whole.path).unwrap().decisions, 7);
    let nothing = bundle_of(Some(3..3)).await;
    assert_eq!(check(&nothing.path).unwrap().decisions, 0);
}

#[tokio::test]
async fn the_same_ledger_gives_the_same_bytes() {
    let (one, other) = (bundle_of(Some(1..6)).await, bundle_of(Some(1..6)).await);
    assert_eq!(one.paths(), other.paths());
    for name in one.paths().iter().map(String::as_str).chain([MANIFEST, MANIFEST_NOTE]) {
        assert_eq!(fs::read(one.file(name)).unwrap(), fs::read(other.file(name)).unwrap(), "{name}");
    }
}

#[tokio::test]
async fn every_changed_byte_of_every_file_is_found_and_named() {
    let bundle = bundle_of(Some(3..5)).await;
    check(&bundle.path).unwrap();
    let masks = |at: usize| if at.is_multiple_of(97) { vec![0x01, 0x20, 0x80] } else { vec![0x01] };
    for name in bundle.paths().iter().map(String::as_str).chain([MANIFEST, MANIFEST_NOTE]) {
        // These are large, and no byte of them is read before its hash holds.
        let large = [OSCAL, REPORT, WORKBOOK].contains(&name);
        let sparse = |at: usize| if !large || at.is_multiple_of(61) { masks(at) } else { Vec::new() };
        bundle.with_each_byte(name, sparse, |at, mask| {
            let (place, message) = finding(&bundle.path);
            assert_eq!(place, name, "byte {at} ^ {mask:#x}: {message}");
        });
    }
    check(&bundle.path).unwrap();
}

#[tokio::test]
async fn a_changed_byte_is_found_even_where_the_manifest_was_signed_again() {
    let bundle = bundle_of(Some(2..4)).await;
    for name in [ENTRIES, FRONTIERS, CHECKPOINT] {
        let masks = |at: usize| if at.is_multiple_of(11) { vec![0x01] } else { Vec::new() };
        bundle.with_each_byte(name, masks, |at, _| {
            bundle.sign_again();
            let (place, message) = finding(&bundle.path);
            let named = [ENTRIES, FRONTIERS, CHECKPOINT].iter().any(|name| place.starts_with(name));
            assert!(named, "byte {at} of {name}: {message}");
        });
    }
    bundle.sign_again();
    check(&bundle.path).unwrap();
}

#[tokio::test]
async fn a_table_that_says_something_else_than_the_entries_is_found_whoever_signs() {
    let bundle = bundle_of(None).await;
    for name in DERIVED {
        let good = fs::read(bundle.file(name)).unwrap();
        let mut added = good.clone();
        added.extend(b"one,more\n");
        let mut altered = good.clone();
        altered[2] ^= 1;
        for bad in [added, altered, good[..good.len() - 1].to_vec(), Vec::new()] {
            fs::write(bundle.file(name), bad).unwrap();
            bundle.sign_again();
            let (place, message) = finding(&bundle.path);
            assert_eq!(place, *name);
            let told = message.contains(" line") || message.contains(" bytes");
            assert!(message.contains("it is not what the entries give: ") && told, "{message}");
        }
        fs::write(bundle.file(name), good).unwrap();
    }
    bundle.sign_again();
    check(&bundle.path).unwrap();
}

#[tokio::test]
async fn a_bundle_of_another_version_is_told_so_only_where_it_would_be_told_in_other_words() {
    let bundle = bundle_of(None).await;
    let manifest: Manifest = serde_json::from_slice(&fs::read(bundle.file(MANIFEST)).unwrap()).unwrap();
    assert_eq!(manifest.tool, countersign::TOOL);
    let older = Manifest { tool: "countersign 0.0.9".to_owned(), ..manifest };
    write_manifest(&bundle.path, &older, &key());
    check(&bundle.path).unwrap();
    let mut words = fs::read(bundle.file(REPORT)).unwrap();
    words.extend(b"<p>Told in other words.</p>");
    fs::write(bundle.file(REPORT), words).unwrap();
    bundle.sign_again();
    let (place, message) = finding(&bundle.path);
    assert_eq!(place, REPORT);
    let told = format!("the bundle says that countersign 0.0.9 wrote it and this is {}", countersign::TOOL);
    assert!(message.contains(&told), "{message}");
}

#[tokio::test]
async fn entries_removed_doubled_or_swapped_are_found_whoever_signs() {
    let bundle = bundle_of(Some(1..7)).await;
    let good = bundle.lines();
    let mut removed = good.clone();
    removed.remove(2);
    let mut doubled = good.clone();
    doubled.insert(2, good[2].clone());
    let mut replaced = good.clone();
    replaced[2] = good[1].clone();
    let mut swapped = good.clone();
    swapped.swap(1, 2);
    let last_removed = good[..5].to_vec();
    for (lines, place) in [
        (removed, "entries.jsonl line 6 (entry 6): the file ends before it"),
        (doubled, "entries.jsonl: it has more than the 6 entries of frontiers.json"),
        (replaced, "entries.jsonl: with frontiers.json it leads to the root"),
        (swapped, "entries.jsonl: with frontiers.json it leads to the root"),
        (last_removed, "entries.jsonl line 6 (entry 6): the file ends before it"),
    ] {
        bundle.write_lines(&lines);
        assert_eq!(finding(&bundle.path).0, ENTRIES);
        bundle.sign_again();
        let message = finding(&bundle.path).1;
        assert!(message.starts_with(place), "{message}");
    }
}

#[tokio::test]
async fn files_missing_cut_short_or_added_are_found() {
    let bundle = bundle_of(Some(1..4)).await;
    for name in bundle.paths().iter().map(String::as_str).chain([MANIFEST, MANIFEST_NOTE]) {
        let good = fs::read(bundle.file(name)).unwrap();
        fs::write(bundle.file(name), &good[..good.len() - 1]).unwrap();
        assert_eq!(finding(&bundle.path).0, name);
        fs::write(bundle.file(name), b"").unwrap();
        assert_eq!(finding(&bundle.path).0, name);
        fs::remove_file(bundle.file(name)).unwrap();
        let (place, message) = finding(&bundle.path);
        assert_eq!((place.as_str(), message), (name, format!("{name}: it is missing")));
        fs::write(bundle.file(name), good).unwrap();
    }
    fs::write(bundle.file("notes.txt"), "hello").unwrap();
    assert_eq!(finding(&bundle.path).1, "notes.txt: it is not in the manifest");
    fs::remove_file(bundle.file("notes.txt")).unwrap();
    fs::create_dir(bundle.file("empty")).unwrap();
    assert_eq!(finding(&bundle.path).1, "empty: it is not in the manifest");
    fs::remove_dir(bundle.file("empty")).unwrap();
    check(&bundle.path).unwrap();
    assert!(matches!(check(&bundle.file("nowhere")), Err(EvidenceError::Unreadable { .. })));
}

#[tokio::test]
async fn a_key_that_did_not_sign_is_told_apart() {
    let bundle = bundle_of(None).await;
    let namesake = SigningKey::from_seed("example.com/ledger", [2; 32]).unwrap().verifying_key();
    let stranger = SigningKey::from_seed("example.org/other", [1; 32]).unwrap().verifying_key();
    let with = |keys: &[_]| verify(&bundle.path, &Trust { keys, ..Trust::default() });
    assert_eq!(
        with(std::slice::from_ref(&namesake)).unwrap_err().to_string(),
        "manifest.note: not signed by `example.com/ledger`"
    );
    assert_eq!(
        with(std::slice::from_ref(&stranger)).unwrap_err().to_string(),
        "manifest.note: malformed note: it is of the ledger `example.com/ledger`, and no key of that name was given"
    );
    with(&[namesake, stranger, key().verifying_key()]).unwrap();
}

#[tokio::test]
async fn a_forged_checkpoint_is_found() {
    let bundle = bundle_of(Some(1..4)).await;
    let good =
        Checkpoint::verified(&fs::read_to_string(bundle.file(CHECKPOINT)).unwrap(), &[key().verifying_key()]).unwrap();
    let forger = SigningKey::from_seed("example.com/ledger", [9; 32]).unwrap();
    let other_root = Checkpoint { root: Hash::new([5; 32]), ..good.clone() };
    let other_size = Checkpoint { size: 9, ..good.clone() };
    let other_log = Checkpoint { origin: "example.com/other".to_owned(), ..good.clone() };
    let manifest_note = fs::read_to_string(bundle.file(MANIFEST_NOTE)).unwrap();
    for (note, place, said) in [
        (good.sign(&forger).unwrap(), CHECKPOINT, "not signed by `example.com/ledger`"),
        (good.to_string(), CHECKPOINT, "no empty line"),
        (other_root.sign(&key()).unwrap(), ENTRIES, "leads to the root"),
        (other_size.sign(&key()).unwrap(), FRONTIERS, "it is for a ledger of 8 entries, and checkpoint.txt for 9"),
        (other_log.sign(&key()).unwrap(), CHECKPOINT, "`example.com/other`"),
        (manifest_note, CHECKPOINT, "`example.com/ledger/bundle`"),
    ] {
        fs::write(bundle.file(CHECKPOINT), note).unwrap();
        assert_eq!(finding(&bundle.path).0, CHECKPOINT);
        bundle.sign_again();
        let (found, message) = finding(&bundle.path);
        assert!(found == place && message.contains(said), "{message}");
    }
}

#[tokio::test]
async fn a_verdict_that_replay_does_not_give_is_found_although_all_signatures_hold() {
    let allow: fn(&mut Decision) = |decision| decision.verdict.outcome = Outcome::Allow;
    let hide: fn(&mut Decision) = |decision| decision.verdict.reasons.clear();
    let others: fn(&mut Decision) = |decision| decision.policy_digest = "ab".repeat(32);
    let changes = [
        (allow, "entries.jsonl line 2 (entry 1): the verdict on record is `allow`, and replay says `pending`"),
        (hide, "entries.jsonl line 2 (entry 1): replay gives another verdict than the `pending` on record"),
        (others, "policies/abababababababababababababababababababababababababababababababab: its digest is"),
    ];
    for (change, said) in changes {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path()).await;
        store.record(decision(0, 7, pull_request(1, Some(2)), |_| ())).await.unwrap();
        store.record(decision(1, 7, pull_request(2, None), change)).await.unwrap();
        let bundle = Bundle { path: directory.path().join("bundle"), _directory: directory };
        export(&store, &request(&key(), None), &bundle.path).await.unwrap();
        let message = finding(&bundle.path).1;
        assert!(message.starts_with(said), "{message}");
    }
}

#[tokio::test]
async fn entries_of_other_repositories_appear_as_hashes() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    fill(&store).await;
    let bundle = Bundle { path: directory.path().join("bundle"), _directory: directory };
    let key = key();
    let request = Request { repositories: Some(BTreeSet::from([RepositoryId(8)])), ..request(&key, None) };
    let exported = export(&store, &request, &bundle.path).await.unwrap();
    assert_eq!(exported.left_out, 5);
    let verified = check(&bundle.path).unwrap();
    assert_eq!((verified.left_out, verified.decisions), (5, 2));
    assert!(!fs::read_to_string(bundle.file(ENTRIES)).unwrap().contains("repository:7"));
}

#[tokio::test]
async fn an_older_checkpoint_is_compared_with_the_newer_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let key = key();
    let mut notes = Vec::new();
    for id in 0..9 {
        let head = store.ledger_head().await.unwrap();
        let checkpoint = Checkpoint { origin: key.name().to_owned(), size: head.size, root: head.root };
        notes.push(checkpoint.sign(&key).unwrap());
        store.record(decision(id, 7, pull_request(id + 1, Some(2)), |_| ())).await.unwrap();
    }
    let keys = [key.verifying_key()];
    let compare =
        |bundle: &Path, note: &str| verify(bundle, &Trust { keys: &keys, older: Some(note), ..Trust::default() });
    let bundle = Bundle { path: directory.path().join("bundle"), _directory: directory };
    export(&store, &request(&key, Some(5..7)), &bundle.path).await.unwrap();
    for (size, note) in (0..).zip(&notes) {
        let compared = compare(&bundle.path, note);
        // 0 and 4 are beginnings of what lies left of entry 5; 5 to 7 lie within, 8 ends a hash on the right.
        if [0, 4, 5, 6, 7, 8].contains(&size) {
            assert_eq!(compared.unwrap().older, Some(size));
        } else {
            assert!(matches!(compared, Err(EvidenceError::NotComparable { .. })), "{size}");
        }
    }
    let proved = bundle.path.with_file_name("proved");
    export(&store, &Request { older: Some(3), ..request(&key, Some(5..7)) }, &proved).await.unwrap();
    assert!(proved.join(CONSISTENCY).exists());
    assert_eq!(compare(&proved, &notes[3]).unwrap().older, Some(3));

    let split = |size| Checkpoint { origin: key.name().to_owned(), size, root: Hash::new([6; 32]) };
    for size in [0, 3, 6, 9] {
        let refused = compare(&proved, &split(size).sign(&key).unwrap()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("checkpoint.txt: it does not continue the older checkpoint of size {size}")
        );
    }
    let longer = compare(&proved, &split(10).sign(&key).unwrap()).unwrap_err();
    assert_eq!(longer.to_string(), "checkpoint.txt: it has 9 entries, and the older checkpoint has 10");
    let forged = SigningKey::from_seed(key.name(), [8; 32]).unwrap();
    assert!(matches!(compare(&proved, &split(3).sign(&forged).unwrap()), Err(EvidenceError::Older(_))));
}

#[tokio::test]
async fn an_export_asks_for_what_there_is_and_overwrites_nothing() {
    let bundle = bundle_of(None).await;
    let store = store(bundle.path.parent().unwrap()).await;
    let key = key();
    assert!(matches!(export(&store, &request(&key, None), &bundle.path).await, Err(EvidenceError::NotEmpty(_))));
    let elsewhere = bundle.path.with_file_name("elsewhere");
    for range in [3..9, Range { start: 4, end: 3 }] {
        assert!(matches!(
            export(&store, &request(&key, Some(range)), &elsewhere).await,
            Err(EvidenceError::NoRange { size: 8, .. })
        ));
    }
}

#[test]
fn an_entry_reads_back_from_its_canonical_bytes() {
    let recording = decision(1, 7, pull_request(1, Some(2)), |_| ());
    let bytes = canonical::to_bytes(&recording.entry).unwrap();
    let read: Entry = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(read, recording.entry);
}
