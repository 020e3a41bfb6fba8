//! Exports as a job of the service: asked for, watched, taken away once; and a synthetic year through all of it.

use crate::evidence::{check, key, request, store};
use crate::scene::Scene;
use countersign::evidence::{Trust, export, verify};
use countersign_bench::year::{self, Plan};
use countersign_core::ledger::VerifyingKey;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A service with something on record.
async fn recorded() -> Scene {
    let mut scene = Scene::set(json!({"accounts": {"ann": "write", "ben": "write"}})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.play(json!({"review": {"pr": 1, "by": "ben", "state": "approved"}})).await;
    scene.rest().await;
    scene
}

async fn ask(scene: &Scene, wish: &Value) -> (u16, Value) {
    let answer = scene.http.post(scene.address("/api/v1/exports")).json(wish).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Waits until an export is no longer being made.
async fn made(scene: &Scene, id: &str) -> Value {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let shown = scene.json(&format!("/api/v1/exports/{id}")).await;
        if shown["state"] != "running" {
            return shown;
        }
        assert!(Instant::now() < deadline, "{shown}");
        tokio::task::yield_now().await;
    }
}

fn folder(scene: &Scene) -> Vec<String> {
    let folder = scene.stage.directory().join("countersign-exports");
    fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn is_zip(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|kind| kind == "zip")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_made_and_taken_away_once() {
    let scene = recorded().await;
    let (status, asked) = ask(&scene, &json!({"repositories": ["acme/shop"]})).await;
    assert_eq!((status, &asked["state"]), (202, &json!("running")));
    let id = asked["id"].as_str().unwrap();
    let shown = made(&scene, id).await;
    assert_eq!(shown["state"], "ready", "{shown}");
    let place = shown["bundle"].as_str().unwrap();

    let taken = scene.get(place).await;
    assert_eq!(taken.headers()["content-type"], "application/zip");
    let bundle = scene.stage.directory().join("taken.zip");
    fs::write(&bundle, taken.bytes().await.unwrap()).unwrap();
    assert_eq!(fs::metadata(&bundle).unwrap().len(), shown["bytes"].as_u64().unwrap());
    let key = VerifyingKey::parse(scene.text("/api/v1/ledger/key").await.trim()).unwrap();
    let verified = verify(&bundle, &Trust { keys: &[key], ..Trust::default() }).unwrap();
    assert!(verified.decisions > 0);

    assert_eq!(scene.get(place).await.status(), 410);
    assert_eq!(made(&scene, id).await["state"], "taken");
    assert!(folder(&scene).iter().all(|name| !is_zip(name)), "{:?}", folder(&scene));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_exported_is_said_at_once() {
    let scene = recorded().await;
    for (wish, status) in [
        (json!({"from": "2026-01-01T00:00:00Z"}), 400),
        (json!({"from": "yesterday", "to": "today"}), 400),
        (json!({"path": "/etc"}), 400),
        (json!({"from": "1999-01-01T00:00:00Z", "to": "1999-02-01T00:00:00Z"}), 422),
        (json!({"from": "2026-02-01", "to": "2026-01-01"}), 422),
        (json!({"repositories": ["acme/unknown"]}), 422),
    ] {
        let (said, problem) = ask(&scene, &wish).await;
        assert_eq!((said, &problem["status"]), (status, &json!(status)), "{wish}: {problem}");
    }
    let form = scene.http.post(scene.address("/api/v1/exports")).body("{}").send().await.unwrap();
    assert_eq!(form.status(), 400, "a form of another page");
    for path in ["/api/v1/exports/00", "/api/v1/exports/00/bundle.zip", "/api/v1/exports/..%2f..%2fledger/bundle.zip"] {
        assert_eq!(scene.get(path).await.status(), 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_stand_about_and_a_restart_keeps_what_is_ready() {
    let mut scene = recorded().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        let (status, asked) = ask(&scene, &json!({})).await;
        assert_eq!(status, 202, "{asked}");
        ids.push(asked["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ask(&scene, &json!({})).await.0, 429);
    for id in &ids {
        assert_eq!(made(&scene, id).await["state"], "ready");
    }
    assert_eq!(ask(&scene, &json!({})).await.0, 429);
    scene.play(json!({"service": "kill"})).await;
    // One was half done when the process died, by what it had kept; and there is what it had begun to write.
    let half = scene.stage.directory().join(format!("countersign-exports/{}.json", ids[0]));
    let kept: Value = serde_json::from_slice(&fs::read(&half).unwrap()).unwrap();
    let running = json!({"wanted": kept["wanted"], "since": kept["since"], "state": "running"});
    fs::write(&half, running.to_string()).unwrap();
    fs::write(scene.stage.directory().join("countersign-exports/.countersign-export-x"), "half").unwrap();
    scene.play(json!({"service": "start"})).await;

    let failed = made(&scene, &ids[0]).await;
    assert_eq!(failed["state"], "failed");
    assert!(failed["why"].as_str().unwrap().contains("started anew"), "{failed}");
    assert_eq!(scene.get(&format!("/api/v1/exports/{}/bundle.zip", ids[0])).await.status(), 409);
    let first = scene.get(&format!("/api/v1/exports/{}/bundle.zip", ids[1])).await;
    assert_eq!(first.status(), 200);
    let mut left = folder(&scene);
    left.sort();
    let zips = left.iter().filter(|name| is_zip(name)).count();
    assert!(zips == 2 && left.iter().all(|name| !name.starts_with('.')), "{left:?}");
    assert_eq!(ask(&scene, &json!({})).await.0, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_readers_may_ask() {
    let scene = Scene::set(json!({
        "accounts": {"ann": "write"},
        "settings": {"server": {"open_reading": false, "reader_tokens": []}},
    }))
    .await;
    for path in ["/api/v1/exports/00", "/api/v1/exports/00/bundle.zip"] {
        assert_eq!(scene.get(path).await.status(), 401, "{path}");
    }
    assert_eq!(ask(&scene, &json!({})).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synthetic_year_is_exported_and_verified_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let written = year::write(&store, Plan { changes: 120, entries: 700, repositories: 4, seed: 7 }).await.unwrap();
    assert!(written.changes >= 110 && written.entries >= 700, "{written:?}");
    let (bundle, key) = (directory.path().join("year.zip"), key());
    let exported = export(&store, &request(&key, None), &bundle).await.unwrap();
    assert_eq!(exported.size, written.entries);
    let verified = check(&bundle).unwrap();
    assert_eq!((verified.size, verified.left_out), (written.entries, 0));
    assert!(verified.decisions > written.entries / 2, "{verified:?}");
}
