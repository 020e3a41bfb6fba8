//! What is read: decisions as JSON and as pages, and a ledger whose proofs hold against its signed checkpoints.

use crate::scene::Scene;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign_core::ledger::proof::{ConsistencyProof, InclusionProof};
use countersign_core::ledger::tree::leaf_hash;
use countersign_core::ledger::{Checkpoint, Hash, VerifyingKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const TOKEN: &str = "a reader's token";

/// Everything that only readers may read.
const READING: [&str; 13] = [
    "/",
    "/decisions/x",
    "/changes/acme/shop/1",
    "/api/v1/decisions",
    "/api/v1/decisions/x",
    "/api/v1/changes",
    "/api/v1/changes/acme/shop/1",
    "/api/v1/deployments",
    "/api/v1/ledger/key",
    "/api/v1/ledger/checkpoint",
    "/api/v1/ledger/entries",
    "/api/v1/ledger/proof/inclusion?index=0",
    "/api/v1/ledger/proof/consistency?from=0",
];

/// A pull request by Ann, looked at.
async fn opened(accounts: Value, settings: Value) -> Scene {
    let mut scene = Scene::set(json!({"accounts": accounts, "settings": settings})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.rest().await;
    scene
}

async fn checkpoint(scene: &Scene) -> (String, Checkpoint) {
    let key = VerifyingKey::parse(scene.text("/api/v1/ledger/key").await.trim()).unwrap();
    let note = scene.text("/api/v1/ledger/checkpoint").await;
    let checkpoint = Checkpoint::verified(&note, &[key]).unwrap();
    (note, checkpoint)
}

fn hash(hexadecimal: &Value) -> Hash {
    Hash::from_slice(&hex::decode(hexadecimal.as_str().unwrap()).unwrap()).unwrap()
}

fn hashes(proof: &Value) -> Vec<Hash> {
    proof["hashes"].as_array().unwrap().iter().map(hash).collect()
}

#[tokio::test]
async fn a_decision_is_proved_to_be_in_the_ledger_and_the_ledger_to_have_grown_only() {
    let mut scene = opened(json!({"ann": "write", "ben": "write"}), json!({})).await;
    let (note, older) = checkpoint(&scene).await;
    assert_eq!(scene.text("/api/v1/ledger/checkpoint").await, note);
    scene.play(json!({"review": {"pr": 1, "by": "ben", "state": "approved"}})).await;
    scene.rest().await;
    let (_, newer) = checkpoint(&scene).await;
    assert!(newer.size > older.size && newer.root != older.root);
    let stranger = countersign_core::ledger::SigningKey::from_seed(&older.origin, [7; 32]).unwrap().verifying_key();
    assert!(Checkpoint::verified(&note, &[stranger]).is_err());

    let decisions = scene.json("/api/v1/decisions").await;
    assert_eq!(decisions["items"].as_array().unwrap().len(), 2);
    for row in decisions["items"].as_array().unwrap() {
        let decision = scene.json(&format!("/api/v1/decisions/{}", row["id"].as_str().unwrap())).await;
        let position = decision["position"].as_u64().unwrap();
        let bytes = scene.text(&format!("/api/v1/ledger/entries?from={position}&limit=1")).await;
        let bytes = bytes.strip_suffix('\n').unwrap();
        assert!(bytes.contains(row["id"].as_str().unwrap()));
        let address = format!("/api/v1/ledger/proof/inclusion?index={position}&size={}", newer.size);
        let shown = scene.json(&address).await;
        let leaf = leaf_hash(bytes.as_bytes());
        assert_eq!(hash(&shown["leaf"]), leaf);
        let proof = InclusionProof { index: position, size: newer.size, hashes: hashes(&shown) };
        proof.verify(&leaf, &newer.root).unwrap();
        assert!(proof.verify(&leaf, &older.root).is_err());
        assert!(proof.verify(&leaf_hash(bytes.replace("ann", "eve").as_bytes()), &newer.root).is_err());
    }

    let address = format!("/api/v1/ledger/proof/consistency?from={}&to={}", older.size, newer.size);
    let proof = ConsistencyProof { from: older.size, to: newer.size, hashes: hashes(&scene.json(&address).await) };
    proof.verify(&older.root, &newer.root).unwrap();
    assert!(proof.verify(&newer.root, &older.root).is_err());
    assert!(proof.verify(&Hash::new([1; 32]), &newer.root).is_err());
}

#[tokio::test]
async fn a_decision_is_shown_with_its_title_and_hostile_text_is_escaped() {
    let hostile = "<script>alert(1)</script>";
    let person = json!([{"name": "\"><img src=x onerror=alert(2)>", "accounts": ["ann"]}]);
    let accounts = json!({"ann": "write", hostile: "write"});
    let mut scene = opened(accounts, json!({"person": person})).await;
    scene.play(json!({"review": {"pr": 1, "by": hostile, "state": "changes_requested"}})).await;
    scene.play(json!({"expect": {"check": {"pr": 1, "is": "failure"}}})).await;
    let title = {
        let world = scene.stage.world().lock();
        world.check_runs.iter().rev().find_map(|run| run.title.clone()).unwrap()
    };
    let decisions = scene.json("/api/v1/decisions?limit=1").await;
    let id = decisions["items"][0]["id"].as_str().unwrap();
    let page = scene.text(&format!("/decisions/{id}")).await;
    let escaped = title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    assert!(page.contains(&escaped), "`{escaped}` is not in\n{page}");
    for address in ["/".to_owned(), format!("/decisions/{id}"), "/changes/acme/shop/1".to_owned()] {
        let page = scene.text(&address).await;
        assert!(page.contains("&lt;script&gt;alert(1)"), "{address} does not name the account\n{page}");
        assert!(!page.contains("<script") && !page.contains("<img"), "{address}\n{page}");
    }
    // Programs get it as it is: escaping is the business of who shows it.
    let decision = scene.json(&format!("/api/v1/decisions/{id}")).await;
    assert!(decision["facts"].to_string().contains(hostile));
    assert_eq!(decision["outcome"], "deny");
    let kind = scene.get(&format!("/api/v1/decisions/{id}")).await.headers()["content-type"].clone();
    assert_eq!(kind, "application/json");
}

#[tokio::test]
async fn readers_show_a_token_and_everyone_else_is_turned_away() {
    let digest = hex::encode(Sha256::digest(TOKEN));
    let server = json!({"open_reading": false, "reader_tokens": [digest]});
    let scene = Scene::set(json!({"accounts": {"ann": "write"}, "settings": {"server": server}})).await;
    let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
    let wrong = [
        None,
        Some(String::new()),
        Some(TOKEN.to_owned()),
        Some("Bearer ".to_owned()),
        Some("Bearer another token".to_owned()),
        Some(format!("Bearer {digest}")),
        Some(format!("Bearer {TOKEN}x")),
        Some(format!("Digest {TOKEN}")),
        Some(basic("ann:another token")),
        Some(basic(&format!("{TOKEN}:"))),
        Some(basic(TOKEN)),
        Some("Basic not base64".to_owned()),
    ];
    for path in READING {
        let ask = |authorization: Option<String>| {
            let mut request = scene.http.get(scene.address(path));
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            async move { request.send().await.unwrap() }
        };
        for authorization in &wrong {
            let answer = ask(authorization.clone()).await;
            assert_eq!(answer.status(), 401, "{path} with {authorization:?}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            assert!(answer.headers().contains_key("www-authenticate"));
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body, json!({"type": "about:blank", "title": "Unauthorized", "status": 401, "detail": ""}));
        }
        for authorization in [format!("Bearer {TOKEN}"), basic(&format!("ann:{TOKEN}")), basic(&format!(":{TOKEN}"))] {
            let status = ask(Some(authorization.clone())).await.status();
            assert!(status == 200 || status == 404, "{status} from {path} with {authorization}");
        }
    }
    for open in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(scene.get(open).await.status(), 200, "{open}");
    }
}

#[tokio::test]
async fn without_a_token_in_the_settings_nobody_reads() {
    let server = json!({"open_reading": false});
    let scene = Scene::set(json!({"accounts": {"ann": "write"}, "settings": {"server": server}})).await;
    for path in READING {
        assert_eq!(scene.get(path).await.status(), 401, "{path}");
        let empty = scene.http.get(scene.address(path)).header("authorization", "Bearer ").send().await.unwrap();
        assert_eq!(empty.status(), 401, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_asked_for_well_is_a_problem() {
    let scene = opened(json!({"ann": "write", "ben": "write"}), json!({})).await;
    let most = u64::MAX;
    for (status, path) in [
        (404, "/api/v1/decisions/none".to_owned()),
        (404, "/api/v1/decisions/%27%20OR%201=1%20--".to_owned()),
        (404, "/decisions/none".to_owned()),
        (404, "/api/v1/changes/acme/shop/999".to_owned()),
        (404, "/changes/acme/shop/999".to_owned()),
        (404, "/changes/acme/other/1".to_owned()),
        (404, "/api/v1/ledger/proof/inclusion?index=999".to_owned()),
        (404, "/api/v1/ledger/proof/inclusion?index=0&size=999".to_owned()),
        (404, "/api/v1/ledger/proof/inclusion?index=1&size=1".to_owned()),
        (404, format!("/api/v1/ledger/proof/inclusion?index={most}")),
        (404, format!("/api/v1/ledger/proof/inclusion?index=0&size={most}")),
        (404, "/api/v1/ledger/proof/consistency?from=2&to=1".to_owned()),
        (404, format!("/api/v1/ledger/proof/consistency?from=0&to={most}")),
        (404, "/nowhere".to_owned()),
        (404, "/api/v1/nowhere".to_owned()),
        (400, "/api/v1/ledger/proof/inclusion".to_owned()),
        (400, "/api/v1/ledger/proof/inclusion?index=-1".to_owned()),
        (400, "/api/v1/ledger/entries?from=first".to_owned()),
        (400, "/api/v1/decisions?limit=all".to_owned()),
        (400, "/api/v1/deployments?run=latest".to_owned()),
    ] {
        let answer = scene.get(&path).await;
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["status"], status, "{path}");
    }
    for path in [
        format!("/api/v1/ledger/entries?from={most}"),
        format!("/api/v1/deployments?run={most}"),
        format!("/api/v1/decisions?limit={}", u32::MAX),
        format!("/api/v1/decisions?before={}", i64::MIN),
    ] {
        assert_eq!(scene.get(&path).await.status(), 200, "{path}");
    }
    scene.is_unharmed();
}
