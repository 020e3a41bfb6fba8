//! The ledger as a reader sees it who knows the standards and nothing of us: `tests/evidence/ledger.py`.

use crate::cli::run;
use crate::scene::Scene;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the script says; the error where something does not hold.
fn reader(arguments: &[&Path]) -> Result<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let said = Command::new("python3")
        .arg(root.join("tests/evidence/ledger.py"))
        .args(arguments)
        .env("PYTHONPATH", root.join("tests/action/tools"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if said.status.success() { Ok(text(&said.stdout)) } else { Err(text(&said.stderr)) }
}

/// A ledger that grew, with a checkpoint from before.
async fn grown() -> (Scene, PathBuf, String) {
    let mut scene = Scene::set(json!({"accounts": {"ann": "write", "ben": "write"}})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.rest().await;
    let older = scene.stage.directory().join("older.txt");
    fs::write(&older, scene.text("/api/v1/ledger/checkpoint").await).unwrap();
    for step in [
        json!({"review": {"pr": 1, "by": "ben", "state": "approved"}}),
        json!({"push": {"pr": 1, "by": "ann", "commits": [{"id": "a2", "by": "ann"}]}}),
        json!({"review": {"pr": 1, "by": "ben", "state": "approved"}}),
    ] {
        scene.play(step).await;
        scene.rest().await;
    }
    let key = scene.text("/api/v1/ledger/key").await.trim().to_owned();
    (scene, older, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_holds_by_the_standards_alone_and_a_changed_one_does_not() {
    let (scene, _, key) = grown().await;
    let (config, bundle) = (scene.stage.directory().join("countersign.toml"), scene.stage.directory().join("bundle"));
    let export = ["evidence", "export", "--config", config.to_str().unwrap(), "--out", bundle.to_str().unwrap()];
    assert_eq!(run(&export, &[]).await.code, 0);
    let check = || reader(&[Path::new("bundle"), &bundle, Path::new(&key)]);
    assert!(check().unwrap().ends_with(" hold\n"));
    for name in ["entries.jsonl", "frontiers.json", "checkpoint.txt", "manifest.json", "manifest.note", "changes.csv"] {
        let good = fs::read(bundle.join(name)).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(bundle.join(name), bad).unwrap();
        assert!(check().is_err(), "{name}");
        fs::write(bundle.join(name), good).unwrap();
    }
    check().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_hold_by_the_standards_alone_and_changed_ones_do_not() {
    let (scene, older, key) = grown().await;
    let place = |name: &str| scene.stage.directory().join(name);
    let note = scene.text("/api/v1/ledger/checkpoint").await;
    let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
    let old_size: u64 = fs::read_to_string(&older).unwrap().lines().nth(1).unwrap().parse().unwrap();
    assert!(old_size > 1 && size > old_size);
    fs::write(place("newer.txt"), &note).unwrap();
    let path = format!("/api/v1/ledger/proof/consistency?from={old_size}&to={size}");
    fs::write(place("grown.json"), scene.text(&path).await).unwrap();
    for index in 0..size {
        let entry = scene.text(&format!("/api/v1/ledger/entries?from={index}&limit=1")).await;
        fs::write(place("entry.json"), entry).unwrap();
        let path = format!("/api/v1/ledger/proof/inclusion?index={index}&size={size}");
        fs::write(place("included.json"), scene.text(&path).await).unwrap();
        let files = ["newer.txt", "", "entry.json", "included.json", "older.txt", "grown.json"].map(place);
        let check = || {
            let [newer, _, entry, included, older, grown] = &files;
            reader(&[Path::new("proofs"), newer, Path::new(&key), entry, included, older, grown])
        };
        check().unwrap();
        for file in ["entry.json", "included.json", "grown.json", "older.txt", "newer.txt"] {
            let good = fs::read(place(file)).unwrap();
            let mut bad = good.clone();
            // Within the hashes, where the file has any.
            let at = good.windows(9).position(|part| part == b"\"hashes\":").map_or(good.len() / 2, |at| at + 15);
            bad[at] = if bad[at] == b'0' { b'1' } else { b'0' };
            fs::write(place(file), bad).unwrap();
            assert!(check().is_err(), "{file} of {index}");
            fs::write(place(file), good).unwrap();
        }
    }
}
