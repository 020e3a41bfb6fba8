//! Break-glass at its edges: what a review was held against, what a job may open by itself, and lists that lose nothing.

use crate::scene::Scene;
use countersign::store::exceptions::Reviewing;
use countersign::store::{Recording, Store, StoreError};
use countersign_core::domain::entry::ENTRY_VERSION;
use countersign_core::domain::{Entry, EntryBody, ExceptionReview};
use github_twin::auth::oidc::{self, Job};
use serde_json::{Value, json};

/// A change that ann wrote, ben reviewed and cat merged.
async fn ready(settings: Value) -> Scene {
    let accounts = json!({"ann": "write", "ben": "write", "cat": "maintain", "dee": "write"});
    let mut scene = Scene::set(json!({"accounts": accounts, "settings": settings})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.play(json!({"review": {"pr": 1, "by": "ben", "state": "approved"}})).await;
    scene.play(json!({"merge": {"pr": 1, "by": "cat", "method": "squash"}})).await;
    scene
}

async fn open(scene: &Scene, by: &str, wish: Value) -> (u16, Value) {
    let mut body = json!({
        "repository": "acme/shop", "environment": "production", "reason": "checkout is down", "ticket": "INC-7", "minutes": 0,
    });
    body.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
    let address = scene.address("/api/v1/exceptions");
    // Schemes are spelled in any case.
    let bearer = format!("bearer exceptions-of-{by}");
    let answer = scene.http.post(address).header("authorization", bearer).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Asks the gate as the job of the last run, for an exception too.
async fn ask(scene: &Scene) -> (u16, Value) {
    let (job, sha) = {
        let world = scene.stage.world().lock();
        let run = world.runs.values().next_back().unwrap();
        let attempt = run.attempts.len() as u64;
        (Job { run: run.id, attempt, environment: Some("production".to_owned()) }, run.head_sha.clone())
    };
    let token = oidc::sign(&scene.stage.claims(&job).unwrap()).unwrap();
    let wish = json!({"reason": "checkout is down", "ticket": "INC-7"});
    scene.stage.ask_gate(&token, &json!({"environment": "production", "sha": sha, "exception": wish})).await.unwrap()
}

async fn exceptions(scene: &Scene) -> Vec<Value> {
    scene.json("/api/v1/exceptions").await["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_holds_for_what_its_reviewer_was_held_against_and_nothing_is_let_through_behind_it() {
    let mut scene = ready(json!({})).await;
    scene.play(json!({"exception": {"by": "ann", "reason": "checkout is down", "ticket": "INC-7"}})).await;
    scene.play(json!({"deploy": {"by": "ann"}})).await;
    scene.play(json!({"expect": {"gate": {"is": "exception"}}})).await;
    let listed = exceptions(&scene).await;
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    let used = listed[0]["let_through"][0].as_str().unwrap().to_owned();
    scene.play(json!({"service": "stop"})).await;

    let url = format!("sqlite://{}", scene.stage.directory().join("countersign.sqlite").display());
    let store = Store::attach(&url).await.unwrap();
    let row = store.exception(&id).await.unwrap().unwrap();
    let review = |entry: &Entry| {
        let by = row.exception.opened_by.clone();
        let (repository, environment) = (row.exception.repository.clone(), row.exception.environment.clone());
        let review = ExceptionReview { exception: id.clone(), repository, environment, by, justified: true };
        Entry { version: ENTRY_VERSION, body: EntryBody::ExceptionReviewed(review), ..entry.clone() }
    };
    let (_, recorded) = store.decision(&used).await.unwrap().unwrap();
    let head = store.ledger_head().await.unwrap();
    // The reviewer was held against nothing, since it was read before the deployment was let through.
    let seen = store.review_exception(review(&recorded), Vec::new()).await.unwrap();
    assert_eq!(seen, Reviewing::LetThroughMore);
    assert_eq!(store.ledger_head().await.unwrap(), head, "what does not hold leaves no trace");
    assert_eq!(store.review_exception(review(&recorded), vec![used]).await.unwrap(), Reviewing::Recorded);
    assert_eq!(store.review_exception(review(&recorded), Vec::new()).await.unwrap(), Reviewing::ReviewedBefore);

    // What was judged while it was open comes too late to be let through by it.
    let EntryBody::Decision(mut late) = recorded.body.clone() else { panic!("no decision") };
    (late.id, late.subject) = ("late".to_owned(), format!("{}/again", late.subject));
    let policy = (late.policy_digest.clone(), "{}".to_owned());
    let settings = (late.settings_digest.clone(), "{}".to_owned());
    let entry = Entry { body: EntryBody::Decision(late), ..recorded };
    let head = store.ledger_head().await.unwrap();
    let late = store.record(Recording { entry, policy, settings }).await;
    assert!(matches!(late, Err(StoreError::ReviewedMeanwhile)), "{late:?}");
    assert_eq!(store.ledger_head().await.unwrap(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_given_one_exception_and_only_where_somebody_dispatched_its_run() {
    let mut scene = ready(json!({})).await;
    scene.play(json!({"gate": {"by": "ann"}})).await;
    for event in ["push", "release", "schedule"] {
        scene.stage.world().lock().runs.values_mut().next_back().unwrap().event = event.to_owned();
        let (status, answer) = ask(&scene).await;
        let refused = status == 422 && answer["detail"].as_str().unwrap().contains("dispatched");
        // By a push cat deploys, who merged: nothing is denied, and nothing needed.
        assert!(refused || answer["outcome"] != "exception", "{event}: {answer}");
        assert!(event != "release" || refused, "{answer}");
        assert!(exceptions(&scene).await.is_empty(), "{event}");
    }
    scene.stage.world().lock().runs.values_mut().next_back().unwrap().event = "workflow_dispatch".to_owned();
    for _ in 0..3 {
        let (status, answer) = ask(&scene).await;
        assert_eq!((status, &answer["outcome"]), (200, &json!("exception")), "{answer}");
    }
    let listed = exceptions(&scene).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["opened_by"]["login"], "ann");
    assert!(listed[0]["commit"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_is_found_behind_whatever_is_newer_and_nobody_owes_without_end() {
    let mut scene = ready(json!({})).await;
    for _ in 0..10 {
        assert_eq!(open(&scene, "ann", json!({})).await.0, 201);
    }
    let (status, refused) = open(&scene, "ann", json!({})).await;
    assert_eq!(status, 422, "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("nobody reviewed yet"), "{refused}");
    for _ in 0..2 {
        assert_eq!(open(&scene, "ben", json!({})).await.0, 201);
        scene.play(json!({"review_exception": {"by": "dee", "verdict": "justified"}})).await;
    }

    // Page by page all of it is there, each once.
    for (query, all) in [("", 12), ("&state=open", 10)] {
        let (mut seen, mut before) = (Vec::new(), String::new());
        loop {
            let page = scene.json(&format!("/api/v1/exceptions?limit=5{query}{before}")).await;
            assert_eq!(page["owed"], 10);
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["next_before"].as_i64() else { break };
            before = format!("&before={next}");
        }
        assert_eq!(seen.len(), all, "{query}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), all, "{query}");
    }
    let page = scene.text("/").await;
    assert_eq!(page.matches("review owed").count(), 10, "{page}");
    // One that is reviewed makes room for another.
    let oldest = scene.json("/api/v1/exceptions?state=open").await["items"][9]["id"].as_str().unwrap().to_owned();
    let address = scene.address(&format!("/api/v1/exceptions/{oldest}/review"));
    let review = scene.http.post(address).bearer_auth("exceptions-of-dee").json(&json!({"verdict": "justified"}));
    assert_eq!(review.send().await.unwrap().status(), 204);
    assert_eq!(open(&scene, "ann", json!({})).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_is_kept_as_github_and_the_settings_spell_it_and_a_repository_that_is_not_there_is_said_so() {
    let scene = ready(json!({})).await;
    let (status, opened) =
        open(&scene, "ann", json!({"environment": " Production ", "reason": " checkout\nis  down "})).await;
    assert_eq!(status, 201, "{opened}");
    assert_eq!((&opened["environment"], &opened["reason"]), (&json!("production"), &json!("checkout is down")));
    let (status, missing) = open(&scene, "ann", json!({"repository": "acme/nothing"})).await;
    assert_eq!(status, 422, "{missing}");
    assert!(missing["detail"].as_str().unwrap().contains("no such repository"), "{missing}");
    assert_eq!(open(&scene, "ann", json!({"environment": "staging"})).await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_deployments_and_alerts_are_read_page_by_page() {
    let mut scene = ready(json!({})).await;
    for pr in 2..5 {
        let commit = json!([{"id": format!("a{pr}"), "by": "ann"}]);
        scene.play(json!({"open": {"pr": pr, "by": "ann", "commits": commit}})).await;
    }
    for by in ["dee", "ann"] {
        scene.play(json!({"deploy": {"by": by}})).await;
    }
    scene.rest().await;
    for (path, key) in [("changes", "change"), ("deployments", "decision_id")] {
        let named = |page: &Value| -> Vec<String> {
            page["items"].as_array().unwrap().iter().map(|item| item[key].to_string()).collect()
        };
        let whole = named(&scene.json(&format!("/api/v1/{path}")).await);
        assert!(whole.len() > 1, "{path}: {whole:?}");
        let (mut seen, mut before) = (Vec::new(), String::new());
        loop {
            let page = scene.json(&format!("/api/v1/{path}?limit=1{before}")).await;
            seen.extend(named(&page));
            before = match &page["next_before"] {
                Value::Null => break,
                Value::String(place) => format!("&before={place}"),
                place => format!("&before={place}"),
            };
        }
        assert_eq!(seen, whole, "{path}");
    }
    assert_eq!(scene.json("/api/v1/alerts?limit=1").await, json!({"items": [], "next_before": null}));
    assert_eq!(scene.get("/api/v1/changes?before=yesterday").await.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_says_what_an_exception_let_through_and_what_became_of_it() {
    let mut scene = ready(json!({})).await;
    scene.play(json!({"exception": {"by": "ann", "reason": "checkout is down", "ticket": "INC-7"}})).await;
    scene.play(json!({"deploy": {"by": "ann"}})).await;
    scene.play(json!({"expect": {"gate": {"is": "exception"}}})).await;
    scene.play(json!({"finish": {"state": "success"}})).await;
    scene.rest().await;
    let page = scene.text("/").await;
    assert!(page.contains("1 let through by an exception") && !page.contains("still open"), "{page}");
    assert!(page.contains("what was let through by an exception") && !page.contains("why that was allowed"), "{page}");
    scene.play(json!({"review_exception": {"by": "dee", "verdict": "unjustified"}})).await;
    let page = scene.text("/").await;
    assert!(page.contains("what was let through, and found unjustified"), "{page}");
    let shown = scene.get("/").await;
    for (name, says) in [
        ("content-security-policy", "default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        assert!(shown.headers()[name].to_str().unwrap().starts_with(says), "{name}");
    }
}
