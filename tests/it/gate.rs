//! The gate for runs: what a token says, altered one claim at a time, and an answer that is waited for.

use crate::scene::Scene;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::prelude::BASE64_STANDARD;
use countersign_core::ledger::note::{Note, VerifyingKey};
use github_twin::auth::oidc::{self, Job};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn world() -> Value {
    json!({"accounts": {"ann": "write", "ben": "write", "cat": "maintain", "dee": "write"}})
}

/// A change that dee may deploy.
async fn ready(world: Value) -> Scene {
    let mut scene = Scene::set(world).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.play(json!({"review": {"pr": 1, "by": "ben", "state": "approved"}})).await;
    scene.play(json!({"merge": {"pr": 1, "by": "cat", "method": "squash"}})).await;
    scene
}

fn job(scene: &Scene) -> (Job, String) {
    let world = scene.stage.world().lock();
    let run = world.runs.values().next_back().unwrap();
    let attempt = run.attempts.len() as u64;
    (Job { run: run.id, attempt, environment: Some("production".to_owned()) }, run.head_sha.clone())
}

/// The claims that nothing depends on, each with why it may say anything.
const UNREAD: &[(&str, &str)] = &[
    ("sub", "a repository chooses its form; what it is made of is read by itself"),
    ("repository_owner_id", "the repository's own id is compared"),
    ("repository_visibility", "no rule asks for it"),
    ("run_number", "a label of the run, whose id is compared"),
    ("runner_environment", "no rule asks for it"),
    ("actor", "a label of the account, whose id is compared"),
    ("workflow", "a label of the file, whose path is compared"),
    ("workflow_sha", "the commit is compared; a required workflow's file is another repository's"),
    ("job_workflow_ref", "a called workflow may be anywhere; the calling file is compared"),
    ("job_workflow_sha", "as the ref of it"),
    ("ref_protected", "who may push where is told by the line of the branch, not by a flag"),
];

/// The claims that an answer depends on.
const READ: &[&str] = &[
    "iss",
    "aud",
    "jti",
    "nbf",
    "iat",
    "exp",
    "repository",
    "repository_id",
    "repository_owner",
    "run_id",
    "run_attempt",
    "sha",
    "ref",
    "ref_type",
    "head_ref",
    "base_ref",
    "event_name",
    "workflow_ref",
    "actor_id",
    "environment",
];

/// One claim with another value, of another type, or gone.
fn altered(claims: &Value, claim: &str, how: u8, salt: u32) -> Value {
    let mut claims = claims.clone();
    let fields = claims.as_object_mut().unwrap();
    let before = fields[claim].clone();
    let after = match (claim, how % 5) {
        (_, 0) => {
            fields.remove(claim);
            return claims;
        }
        (_, 1) => Value::Null,
        (_, 2) => json!([before]),
        // A token's own id may be any text, so it is altered in kind only.
        ("jti", 3) => json!(""),
        ("jti", _) => json!(salt),
        ("exp", 3) => json!(before.as_u64().unwrap() - 1_000 - u64::from(salt)),
        ("exp", _) => json!(before.as_u64().unwrap() + 100_000 + u64::from(salt)),
        ("nbf" | "iat", 3 | 4) => json!(before.as_u64().unwrap() + 1_000 + u64::from(salt)),
        ("run_attempt", 3) => json!("0"),
        (_, 3) => json!(format!("{}{salt}", before.as_str().unwrap())),
        (_, _) => json!(format!("{salt}")),
    };
    fields.insert(claim.to_owned(), after);
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn every_claim_is_held_by_the_signature_and_is_either_compared_or_argued_away() {
    let mut scene = ready(world()).await;
    scene.play(json!({"gate": {"by": "dee"}})).await;
    let (job, sha) = job(&scene);
    let body = json!({"environment": "production", "sha": sha});
    let claims = scene.stage.claims(&job).unwrap();
    let names: BTreeSet<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    let classed: Vec<&str> = READ.iter().copied().chain(UNREAD.iter().map(|(name, _)| *name)).collect();
    assert_eq!(
        classed.iter().copied().collect::<BTreeSet<_>>(),
        names,
        "a claim of GitHub's tokens is in neither list"
    );
    assert_eq!(classed.len(), names.len(), "a claim is in both lists");
    for name in names {
        for how in 0..5 {
            // The claims are others, the signature is that of the run's own token.
            let claims = scene.stage.claims(&job).unwrap();
            let token = oidc::sign(&claims).unwrap();
            let parts: Vec<&str> = token.split('.').collect();
            let salt = rand::random_range(1..1_000_000);
            let altered = URL_SAFE_NO_PAD.encode(altered(&claims, name, how, salt).to_string());
            let token = format!("{}.{altered}.{}", parts[0], parts[2]);
            let (status, answer) = scene.stage.ask_gate(&token, &body).await.unwrap();
            assert_eq!(status, 401, "{name}: {answer}");
        }
    }
    scene.is_unharmed();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_claim_of_a_token_can_be_altered_and_still_open() {
    let mut scene = ready(world()).await;
    scene.play(json!({"gate": {"by": "dee"}})).await;
    scene.play(json!({"expect": {"gate": {"is": "allow"}}})).await;
    let (job, sha) = job(&scene);
    let body = json!({"environment": "production", "sha": sha});
    let every: Vec<(&str, u8)> = READ.iter().flat_map(|claim| (0..5).map(move |how| (*claim, how))).collect();
    let mut runner = TestRunner::new(Config::with_cases(1));
    let (handle, mut tried) = (tokio::runtime::Handle::current(), 0);
    for (claim, how) in every {
        runner
            .run(&(1_u32..1_000_000), |salt| {
                let claims = altered(&scene.stage.claims(&job).unwrap(), claim, how, salt);
                let token = oidc::sign(&claims).unwrap();
                let (status, answer) =
                    tokio::task::block_in_place(|| handle.block_on(scene.stage.ask_gate(&token, &body))).unwrap();
                prop_assert!(
                    status != 200 || answer["outcome"] != "allow",
                    "{claim} altered to {} opened: {answer}",
                    claims[claim]
                );
                prop_assert!(status != 429 && status < 500, "{claim}: {status}");
                Ok(())
            })
            .unwrap();
        tried += 1;
        if tried % 40 == 0 {
            // What one repository may ask in a minute is not what is tried here.
            scene.play(json!({"service": "stop"})).await;
            scene.play(json!({"service": "start"})).await;
        }
    }
    let token = oidc::sign(&scene.stage.claims(&job).unwrap()).unwrap();
    assert_eq!(scene.stage.ask_gate(&token, &body).await.unwrap().1["outcome"], "allow");
    scene.is_unharmed();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_signed_over_all_that_it_holds_for() {
    let mut scene = ready(world()).await;
    scene.play(json!({"gate": {"by": "dee"}})).await;
    let (job, sha) = job(&scene);
    let digest = format!("sha256:{}", "ab".repeat(32));
    let body = json!({"environment": "production", "sha": sha, "nonce": "n1", "digest": digest});
    let token = oidc::sign(&scene.stage.claims(&job).unwrap()).unwrap();
    let (status, answer) = scene.stage.ask_gate(&token, &body).await.unwrap();
    assert_eq!(status, 200);
    let key = VerifyingKey::parse(scene.text("/api/v1/ledger/key").await.trim()).unwrap();
    let note = Note::parse(answer["note"].as_str().unwrap()).unwrap();
    let text = note.verify(&[key]).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    assert_eq!(first, countersign::http::gate::ANSWER);
    let told: Value = serde_json::from_str(rest).unwrap();
    assert_eq!(told["commit"], json!(sha));
    assert_eq!((&told["nonce"], &told["digest"]), (&json!("n1"), &json!(digest)));
    assert_eq!((&told["run"], &told["attempt"]), (&json!(job.run.to_string()), &json!("1")));

    // The artifact is on record, so that the ledger attests what was answered; and for no other environment.
    let statement = |envelope: &Value| -> Value {
        serde_json::from_slice(&BASE64_STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap()).unwrap()
    };
    let id = answer["decision_id"].as_str().unwrap();
    let later = scene.json(&format!("/api/v1/decisions/{id}/attestation")).await;
    for stated in [statement(&answer["attestation"]), statement(&later)] {
        assert_eq!(stated["subject"][1]["digest"]["sha256"], json!("ab".repeat(32)), "{stated}");
        let resource = stated["predicate"]["resourceUri"].as_str().unwrap();
        assert!(resource.ends_with(&format!("@{sha}#environment=production")), "{resource}");
    }
    let decision = scene.json(&format!("/api/v1/decisions/{id}")).await;
    assert_eq!(decision["facts"]["subject"]["request"]["digest"], json!(digest), "{decision}");
    // Another artifact is another entry.
    let body = json!({"environment": "production", "sha": sha, "digest": format!("sha256:{}", "cd".repeat(32))});
    let token = oidc::sign(&scene.stage.claims(&job).unwrap()).unwrap();
    let (_, other) = scene.stage.ask_gate(&token, &body).await.unwrap();
    assert_ne!(other["decision_id"], answer["decision_id"]);
    // A bundle attests an attempt once, for the artifact that was named last.
    scene.rest().await;
    let (config, bundle) = (scene.stage.directory().join("countersign.toml"), scene.stage.directory().join("bundle"));
    let (config, out) = (config.to_str().unwrap(), bundle.to_str().unwrap());
    let said = crate::cli::run(&["evidence", "export", "--config", config, "--out", out], &[]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let mut artifacts = BTreeSet::new();
    for file in std::fs::read_dir(bundle.join("attestations")).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let stated = statement(&serde_json::from_str(line).unwrap());
            artifacts.extend(stated["subject"][1]["digest"]["sha256"].as_str().map(str::to_owned));
        }
    }
    assert_eq!(artifacts, BTreeSet::from(["cd".repeat(32)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_comes_while_a_job_waits_lets_it_go() {
    let mut world = world();
    world["environment"] = json!({"reviewers": ["dee"]});
    let mut scene = ready(world).await;
    scene.play(json!({"deploy": {"via": "schedule", "by": "cat"}})).await;
    scene.play(json!({"expect": {"gate": {"is": "pending"}}})).await;
    let (job, sha) = job(&scene);
    let token = oidc::sign(&scene.stage.claims(&job).unwrap()).unwrap();
    let ask = |wait: u64, token: String| {
        let body = json!({"environment": "production", "sha": sha, "wait_seconds": wait});
        let address = scene.address("/api/v1/gate");
        let request = scene.http.post(address).bearer_auth(token).json(&body);
        tokio::spawn(async move { request.send().await.unwrap().json::<Value>().await.unwrap() })
    };
    let waiting = ask(20, token);
    let other = ask(0, oidc::sign(&scene.stage.claims(&job).unwrap()).unwrap());
    assert_eq!(other.await.unwrap()["outcome"], "pending");
    scene.play(json!({"approve_environment": {"by": "dee"}})).await;
    assert_eq!(waiting.await.unwrap()["outcome"], "allow");
    scene.play(json!({"expect": {"gate": {"is": "allow"}, "ledger": "valid"}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_repository_cannot_ask_without_end_and_a_stranger_learns_nothing() {
    let scene = ready(world()).await;
    let nobody = scene.http.post(scene.address("/api/v1/gate")).body("{}").send().await.unwrap();
    assert_eq!(nobody.status().as_u16(), 401);
    let job = Job { run: 1, attempt: 1, environment: Some("production".to_owned()) };
    assert!(scene.stage.claims(&job).is_none(), "there is no such run");
    let (job, sha) = self::job(&scene);
    let body = json!({"environment": "staging", "sha": sha});
    let mut seen = Vec::new();
    for _ in 0..61 {
        let token = oidc::sign(&scene.stage.claims(&job).unwrap()).unwrap();
        let (status, answer) = scene.stage.ask_gate(&token, &body).await.unwrap();
        assert_eq!(answer["status"], json!(status));
        seen.push(status);
    }
    assert!(seen[..60].iter().all(|status| *status == 403), "{seen:?}");
    assert_eq!(seen[60], 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_of_the_issuer_is_asked_for_and_an_old_one_opens_no_more() {
    let mut scene = ready(world()).await;
    scene.play(json!({"gate": {"by": "dee"}})).await;
    let (job, sha) = job(&scene);
    let body = json!({"environment": "production", "sha": sha});
    let token = |scene: &Scene, key| oidc::sign_with(key, &scene.stage.claims(&job).unwrap()).unwrap();
    scene.stage.world().lock().issuer_key = 1;
    let asked = |scene: &Scene| scene.calls().iter().filter(|call| call.path.ends_with("/jwks")).count();
    let before = asked(&scene);
    assert_eq!(scene.stage.ask_gate(&token(&scene, 1), &body).await.unwrap().0, 200);
    assert_eq!(scene.stage.ask_gate(&token(&scene, 0), &body).await.unwrap().0, 401);
    assert_eq!(scene.stage.ask_gate(&token(&scene, 1), &body).await.unwrap().0, 200);
    assert_eq!(asked(&scene), before + 1, "one new key is asked for once, and an unknown one not at once again");
}
