//! History rewritten by somebody who has the database and the key: possible, said so, and caught by any head that somebody
//! else saw. And the other way round: a key that is rotated as it should be, and can be followed.

use crate::cli::run;
use crate::scene::Scene;
use countersign_core::domain::{
    Account, AccountId, AccountKind, Entry, EntryBody, Outcome, Review, ReviewId, ReviewState, Subject, TimelineEvent,
};
use countersign_core::ledger::tree::leaf_hash;
use countersign_core::ledger::{Frontier, SigningKey, canonical};
use countersign_core::policy::{Policies, decide};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A pull request that nobody reviewed yet is judged; the ledger's head is published with it.
async fn unreviewed() -> Scene {
    let mut scene = Scene::set(json!({"accounts": {"ann": "write", "ben": "write"}})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.rest().await;
    scene
}

fn config(scene: &Scene) -> PathBuf {
    scene.stage.directory().join("countersign.toml")
}

/// Lays lines into a table of the settings.
fn settle(scene: &Scene, table: &str, lines: &str) {
    let text = fs::read_to_string(config(scene)).unwrap();
    fs::write(config(scene), text.replacen(&format!("[{table}]\n"), &format!("[{table}]\n{lines}\n"), 1)).unwrap();
}

async fn export(scene: &Scene, name: &str) -> PathBuf {
    let bundle = scene.stage.directory().join(name);
    let config = config(scene);
    let said =
        run(&["evidence", "export", "--config", config.to_str().unwrap(), "--out", bundle.to_str().unwrap()], &[])
            .await;
    assert_eq!(said.code, 0, "{}", said.err);
    bundle
}

/// What `evidence verify` says.
async fn verify(bundle: &Path, more: &[&str]) -> (i32, String) {
    let said = run(&[&["evidence", "verify", bundle.to_str().unwrap()], more].concat(), &[]).await;
    (said.code, said.out + &said.err)
}

/// Rewrites the only open decision as one that was approved: its facts, its verdict, its bytes, and the whole tree above it.
async fn rewrite(scene: &Scene) {
    let file = scene.stage.directory().join("countersign.sqlite");
    let mut database = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap();
    let triggers = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'trigger'");
    for row in triggers.fetch_all(&mut database).await.unwrap() {
        let drop = format!("DROP TRIGGER {}", row.get::<String, _>(0));
        sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut database).await.unwrap();
    }
    let rows = sqlx::query("SELECT position, kind, body FROM entries ORDER BY position")
        .fetch_all(&mut database)
        .await
        .unwrap();
    assert!(rows.len() < 256, "no tile is full");
    let mut tree = Frontier::default();
    let mut rewritten = 0;
    for row in rows {
        let mut body: Vec<u8> = row.get(2);
        if row.get::<String, _>(1) == "decision" {
            body = approved(&body);
            rewritten += 1;
        }
        let leaf = leaf_hash(&body);
        tree.push(leaf).unwrap();
        sqlx::query("UPDATE entries SET body = $2, leaf = $3 WHERE position = $1")
            .bind(row.get::<i64, _>(0))
            .bind(body)
            .bind(leaf.as_bytes().to_vec())
            .execute(&mut database)
            .await
            .unwrap();
    }
    assert_eq!(rewritten, 1);
    let peaks: Vec<u8> = tree.peaks().iter().flat_map(|hash| *hash.as_bytes()).collect();
    sqlx::query("UPDATE ledger_head SET peaks = $1").bind(peaks).execute(&mut database).await.unwrap();
    sqlx::query("DELETE FROM checkpoints").execute(&mut database).await.unwrap();
}

/// The same decision, had ben approved.
pub fn approved(body: &[u8]) -> Vec<u8> {
    let mut entry: Entry = serde_json::from_slice(body).unwrap();
    let EntryBody::Decision(decision) = &mut entry.body else { panic!("no decision") };
    let Subject::PullRequest(pull) = &mut decision.facts.subject else { panic!("no pull request") };
    pull.timeline.push(TimelineEvent::Reviewed(Review {
        id: ReviewId(1),
        by: Some(Account { id: AccountId(4_711), login: "ben".to_owned(), kind: AccountKind::User }),
        state: ReviewState::Approved,
        commit: Some(pull.head.clone()),
        tree: Some(pull.head_tree.clone()),
        merge_base: pull.merge_base.clone(),
        could_write: Some(true),
        write_given_by: Vec::new(),
    }));
    let policies = Policies::builtin(&decision.facts.terms.packs).unwrap();
    decision.verdict = decide(&decision.facts, &policies);
    assert_eq!(decision.verdict.outcome, Outcome::Allow, "{:?}", decision.verdict.reasons);
    // With the number that it has in its repository: whoever rewrites knows that one is asked for.
    let old: serde_json::Value = serde_json::from_slice(body).unwrap();
    let mut entry = serde_json::to_value(&entry).unwrap();
    entry["of_repository"] = old["of_repository"].clone();
    canonical::to_bytes(&entry).unwrap()
}

/// Size and root as the check run on a pull request names them: a copy that only GitHub can change.
fn published(scene: &Scene) -> String {
    let world = scene.stage.world().lock();
    let mut told = world.check_runs.iter().filter_map(|run| run.summary.as_ref());
    let told = told.rfind(|summary| summary.contains("Ledger at this moment")).unwrap();
    let rest = told.split("Ledger at this moment: ").nth(1).unwrap();
    let (size, rest) = rest.split_once(" entries, root `").unwrap();
    format!("{size}:{}", rest.split('`').next().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn rewritten_history_verifies_by_itself_and_is_caught_by_any_head_that_somebody_saw() {
    let mut scene = unreviewed().await;
    let older = scene.stage.directory().join("older.txt");
    fs::write(&older, scene.text("/api/v1/ledger/checkpoint").await).unwrap();
    let key = scene.text("/api/v1/ledger/key").await.trim().to_owned();
    let seen = published(&scene);
    scene.play(json!({"service": "stop"})).await;

    let honest = export(&scene, "honest").await;
    let kept = older.to_str().unwrap();
    let (code, said) = verify(&honest, &["--key", &key, "--against", kept, "--seen", &seen]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("continues the older checkpoint") && said.contains("seen elsewhere"), "{said}");

    rewrite(&scene).await;
    let rewritten = export(&scene, "rewritten").await;
    let text = fs::read_to_string(rewritten.join("entries.jsonl")).unwrap();
    assert!(text.contains("\"outcome\":\"allow\"") && !text.contains("\"outcome\":\"pending\""));
    // Whoever has the database and the key can do that, and nothing within the bundle tells. SECURITY.md says so.
    let (code, said) = verify(&rewritten, &["--key", &key]).await;
    assert_eq!(code, 0, "{said}");
    // A checkpoint that somebody kept, or the root in a check run on GitHub, does.
    let (code, said) = verify(&rewritten, &["--key", &key, "--against", kept]).await;
    assert!(code == 2 && said.contains("checkpoint.txt: it does not continue the older checkpoint of size"), "{said}");
    let (code, said) = verify(&rewritten, &["--key", &key, "--seen", &seen]).await;
    assert!(
        code == 2 && said.contains("checkpoint.txt: it does not continue the head seen elsewhere of size"),
        "{said}"
    );
}

/// A witness in a process of its own.
struct Witness {
    child: Child,
    url: String,
    key: String,
}

impl Witness {
    fn begin(logkeys: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new("python3")
            .arg(root.join("tests/evidence/witness.py"))
            .args(["witness.test/w1", &"17".repeat(32)])
            .arg(logkeys)
            .env("PYTHONPATH", root.join("tests/action/tools"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        let (url, key) = (line(), line());
        Self { child, url, key }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_cosigns_what_grows_and_refuses_what_was_rewritten() {
    let mut scene = unreviewed().await;
    let key = scene.text("/api/v1/ledger/key").await.trim().to_owned();
    let logkeys = scene.stage.directory().join("logkeys");
    fs::write(&logkeys, format!("{key}\n")).unwrap();
    let witness = Witness::begin(&logkeys);
    scene.play(json!({"service": "stop"})).await;
    settle(&scene, "ledger", &format!("witness = [{{url = \"{}\", key = \"{}\"}}]", witness.url, witness.key));

    let first = export(&scene, "first").await;
    let trusted = ["--key", key.as_str(), "--witness", witness.key.as_str()];
    let (code, said) = verify(&first, &trusted).await;
    assert!(code == 0 && said.contains("seen by witness.test/w1 at 20"), "{said}");
    // A witness whom the ledger never asked said nothing.
    let other = Witness::begin(&logkeys).key.replace("witness.test/w1", "witness.test/w2");
    assert_eq!(verify(&first, &["--witness", &other]).await.0, 1, "a key whose hash is another's");
    // The ledger grows, and the witness follows.
    scene.play(json!({"service": "start"})).await;
    scene.play(json!({"push": {"pr": 1, "by": "ann", "commits": [{"id": "a2", "by": "ann"}]}})).await;
    scene.rest().await;
    scene.play(json!({"service": "stop"})).await;
    let second = export(&scene, "second").await;
    let (code, said) = verify(&second, &trusted).await;
    assert!(code == 0 && said.contains("seen by witness.test/w1"), "{said}");
    let note = fs::read_to_string(second.join("checkpoint.txt")).unwrap();
    let cosigned = scene.stage.directory().join("cosigned.txt");
    fs::write(&cosigned, &note).unwrap();

    // Any byte of what the witness said, changed: its signature is no longer one.
    let line = note.lines().last().unwrap();
    for at in (line.find("w1 ").unwrap() + 9..line.len() - 2).step_by(7) {
        let mut bad = line.as_bytes().to_vec();
        bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
        let bad = note.replace(line, std::str::from_utf8(&bad).unwrap());
        let note = countersign_core::ledger::Note::parse(&bad);
        let held = countersign_core::ledger::WitnessKey::parse(&witness.key).unwrap();
        assert!(note.and_then(|note| held.cosigned(&note)).is_err(), "byte {at}");
    }

    rewrite_first(&scene).await;
    let bundle = scene.stage.directory().join("third");
    let config = config(&scene);
    let said =
        run(&["evidence", "export", "--config", config.to_str().unwrap(), "--out", bundle.to_str().unwrap()], &[])
            .await;
    assert_eq!(said.code, 0, "{}", said.err);
    let (code, said) = verify(&bundle, &["--key", &key]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = verify(&bundle, &["--key", &key, "--against", cosigned.to_str().unwrap()]).await;
    assert!(code == 2 && said.contains("does not continue the older checkpoint"), "{said}");
    // The service starts anew over it: another head, which the witness does not cosign.
    scene.play(json!({"service": "start"})).await;
    scene.play(json!({"service": "stop"})).await;
    let bundle = scene.stage.directory().join("fourth");
    let said =
        run(&["evidence", "export", "--config", config.to_str().unwrap(), "--out", bundle.to_str().unwrap()], &[])
            .await;
    assert!(said.code == 0 && said.err.contains("it saw another ledger under this name"), "{}", said.err);
    let (code, said) = verify(&bundle, &trusted).await;
    assert!(code == 2 && said.contains("checkpoint.txt: not signed by the witness `witness.test/w1`"), "{said}");
}

/// Rewrites the first decision only; those after it stay as they are.
async fn rewrite_first(scene: &Scene) {
    let file = scene.stage.directory().join("countersign.sqlite");
    let mut database = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap();
    for trigger in ["entries_keep_update", "checkpoints_keep_delete"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("DROP TRIGGER {trigger}"))).execute(&mut database).await.unwrap();
    }
    let rows = sqlx::query("SELECT position, kind, body FROM entries ORDER BY position")
        .fetch_all(&mut database)
        .await
        .unwrap();
    let first = rows.iter().position(|row| row.get::<String, _>(1) == "decision").unwrap();
    let mut tree = Frontier::default();
    for (at, row) in rows.iter().enumerate() {
        let body: Vec<u8> = row.get(2);
        let body = if at == first { approved(&body) } else { body };
        let leaf = leaf_hash(&body);
        tree.push(leaf).unwrap();
        sqlx::query("UPDATE entries SET body = $2, leaf = $3 WHERE position = $1")
            .bind(row.get::<i64, _>(0))
            .bind(body)
            .bind(leaf.as_bytes().to_vec())
            .execute(&mut database)
            .await
            .unwrap();
    }
    let peaks: Vec<u8> = tree.peaks().iter().flat_map(|hash| *hash.as_bytes()).collect();
    sqlx::query("UPDATE ledger_head SET peaks = $1").bind(peaks).execute(&mut database).await.unwrap();
    sqlx::query("DELETE FROM checkpoints").execute(&mut database).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_by_both_keys_and_whoever_holds_either_can_follow() {
    let mut scene = unreviewed().await;
    let older = scene.stage.directory().join("older.txt");
    fs::write(&older, scene.text("/api/v1/ledger/checkpoint").await).unwrap();
    let old_key = scene.text("/api/v1/ledger/key").await.trim().to_owned();
    scene.play(json!({"service": "stop"})).await;

    let place = |name: &str| scene.stage.directory().join(name);
    let name = old_key.split('+').next().unwrap();
    let new = SigningKey::from_seed(name, [77; 32]).unwrap();
    let old_file = place("ledger.key");
    let old = SigningKey::parse(fs::read_to_string(&old_file).unwrap().trim()).unwrap();
    fs::copy(&old_file, place("old.key")).unwrap();
    fs::File::create(&old_file).unwrap().write_all(new.to_secret_text().as_bytes()).unwrap();

    // Without the key before it, nothing starts under another one.
    let config = config(&scene);
    let refused = run(&["serve", "--config", config.to_str().unwrap()], &[]).await;
    assert!(refused.code == 1 && refused.err.contains("previous_key_file"), "{}", refused.err);
    settle(&scene, "ledger", &format!("previous_key_file = {:?}", place("old.key").to_str().unwrap()));
    scene.play(json!({"service": "start"})).await;
    scene.play(json!({"push": {"pr": 1, "by": "ann", "commits": [{"id": "a2", "by": "ann"}]}})).await;
    scene.rest().await;
    let new_key = scene.text("/api/v1/ledger/key").await.trim().to_owned();
    assert_eq!(new_key, new.verifying_key().to_string());
    scene.play(json!({"service": "stop"})).await;

    let bundle = export(&scene, "bundle").await;
    let kept = older.to_str().unwrap();
    // Either key alone leads to the other, forwards and backwards, and the head signed by the old one still holds.
    for key in [&old_key, &new_key] {
        let (code, said) = verify(&bundle, &["--key", key, "--against", kept]).await;
        assert!(code == 0 && said.contains("took over at entry"), "{said}");
    }
    let stranger = SigningKey::from_seed(name, [78; 32]).unwrap().verifying_key().to_string();
    let (code, said) = verify(&bundle, &["--key", &stranger]).await;
    assert!(code == 2 && said.contains("manifest.note: not signed by"), "{said}");

    // Every byte of the rotation counts.
    let rotations = bundle.join("rotations.json");
    let good = fs::read(&rotations).unwrap();
    let held = [countersign_core::ledger::VerifyingKey::parse(&new_key).unwrap()];
    for (at, byte) in good.iter().enumerate() {
        let mut bad = good.clone();
        bad[at] = byte ^ 1;
        fs::write(&rotations, bad).unwrap();
        let trust = countersign::evidence::Trust { keys: &held, ..Default::default() };
        let found = countersign::evidence::verify(&bundle, &trust).unwrap_err().to_string();
        assert!(found.starts_with("rotations.json: "), "byte {at}: {found}");
    }
    fs::write(&rotations, good).unwrap();

    // Whoever took the old key signs nothing that holds: neither with the rotation told, nor without.
    forge(&bundle, &old);
    let (code, said) = verify(&bundle, &["--key", &old_key]).await;
    assert!(code == 2 && said.contains("which signs no more since the ledger had"), "{said}");
    fs::remove_file(bundle.join("rotations.json")).unwrap();
    forge(&bundle, &old);
    let (code, said) = verify(&bundle, &["--key", &old_key]).await;
    assert!(code == 2 && said.contains("a key was rotated here, and rotations.json does not say so"), "{said}");
}

/// Signs a bundle's head and manifest anew, whoever may.
fn forge(bundle: &Path, key: &SigningKey) {
    use countersign::evidence::bundle::{CHECKPOINT, MANIFEST, MANIFEST_NOTE, Manifest, manifest_text};
    use countersign_core::ledger::{Checkpoint, Hash, Note};
    use sha2::Digest as _;
    let note = fs::read_to_string(bundle.join(CHECKPOINT)).unwrap();
    let head = Checkpoint::parse(Note::parse(&note).unwrap().unproved_text()).unwrap();
    fs::write(bundle.join(CHECKPOINT), head.sign(key).unwrap()).unwrap();
    let mut manifest: Manifest = serde_json::from_slice(&fs::read(bundle.join(MANIFEST)).unwrap()).unwrap();
    manifest.files.retain(|file| bundle.join(&file.path).exists());
    for file in &mut manifest.files {
        let bytes = fs::read(bundle.join(&file.path)).unwrap();
        file.size = bytes.len() as u64;
        file.sha256 = Hash::new(sha2::Sha256::digest(&bytes).into());
    }
    let bytes = canonical::to_bytes(&manifest).unwrap();
    fs::write(bundle.join(MANIFEST_NOTE), manifest_text(key.name(), &bytes).sign(key).unwrap()).unwrap();
    fs::write(bundle.join(MANIFEST), bytes).unwrap();
}
