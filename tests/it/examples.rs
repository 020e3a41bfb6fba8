//! GitHub's own example deliveries, every event and action it publishes, through the real door: out of scope, in scope
//! of repositories that are not there, and as if of our own repository.

use crate::scene::{Knock, Scene};
use serde_json::{Value, json};
use std::collections::BTreeSet;

struct Example {
    event: String,
    payload: Value,
}

/// The payloads of `@octokit/webhooks-examples`, pinned beside what else we hold ourselves against.
fn examples() -> Vec<Example> {
    let place = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/contract/node_modules/@octokit/webhooks-examples/api.github.com/index.json"
    );
    let text = std::fs::read_to_string(place)
        .unwrap_or_else(|error| panic!("GitHub's example deliveries are not installed ({error}): run `make install`"));
    let groups: Vec<Value> = serde_json::from_str(&text).unwrap();
    let of_group = |group: &Value| {
        let event = group["name"].as_str().unwrap().to_owned();
        let payloads = group["examples"].as_array().unwrap().clone();
        payloads.into_iter().map(move |payload| Example { event: event.clone(), payload }).collect::<Vec<_>>()
    };
    let examples: Vec<Example> = groups.iter().flat_map(of_group).collect();
    assert!(examples.len() >= 329 && groups.len() >= 58, "{} examples of {} events", examples.len(), groups.len());
    examples
}

/// Delivers them all, in a scope of these repositories.
async fn deliver(examples: &[Example], repositories: &[&str]) -> Scene {
    let settings = json!({"server": {"retry_base_ms": 1}, "scope": [{"repositories": repositories}]});
    let mut scene = Scene::set(json!({"accounts": {"ann": "write"}, "settings": settings})).await;
    let secret = scene.stage.world().lock().installation.webhook_secret.clone();
    for (place, Example { event, payload }) in examples.iter().enumerate() {
        let knock = Knock::new(event, &format!("example-{place}"), payload.to_string(), &secret);
        let status = scene.knock(knock).await;
        assert!(status == 202 || status == 204, "{status} to {event} {payload}");
    }
    scene.rest().await;
    scene.is_unharmed();
    let rows = i64::try_from(examples.len()).unwrap();
    assert_eq!(scene.number("SELECT COUNT(*) FROM inbox WHERE state = 3").await, rows);
    assert!(scene.counted("countersign_deliveries_refused_total").await == 0.0);
    assert_eq!(scene.number("SELECT COUNT(*) FROM decisions").await, 0);
    assert!(scene.stage.world().lock().writes.is_empty());
    scene
}

#[tokio::test]
async fn every_example_is_taken_and_out_of_scope_says_nothing() {
    let scene = deliver(&examples(), &["acme/*"]).await;
    // The names in the settings are looked up as it starts; nothing else is asked.
    let named = |path: &str| path.starts_with("/users/") || path.starts_with("/app/installations");
    assert!(scene.calls().iter().all(|call| named(&call.path)), "{:?}", scene.calls());
    assert_eq!(scene.number("SELECT COUNT(*) FROM observations").await, 0);
}

#[tokio::test]
async fn every_example_is_taken_and_comes_to_rest_although_its_repository_is_not_to_be_had() {
    let examples = examples();
    let owner = |example: &Example| {
        let name = example.payload["repository"]["full_name"].as_str()?;
        Some(format!("{}/*", name.split_once('/')?.0))
    };
    let everyone: BTreeSet<String> = examples.iter().filter_map(owner).collect();
    let scene = deliver(&examples, &everyone.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(scene.number("SELECT COUNT(*) FROM observations").await > 0);
}

#[tokio::test]
async fn every_example_is_taken_and_comes_to_rest_as_if_it_were_of_our_repository() {
    let mut examples = examples();
    let scene = Scene::set(json!({"accounts": {}})).await;
    let (id, installation) = {
        let world = scene.stage.world().lock();
        (world.upstream().unwrap().id, world.installation.id)
    };
    for example in &mut examples {
        example.payload["installation"] = json!({"id": installation});
        if example.payload["repository"].is_object() {
            example.payload["repository"]["id"] = json!(id);
            example.payload["repository"]["full_name"] = json!("acme/shop");
        }
    }
    let scene = deliver(&examples, &["acme/*"]).await;
    assert!(scene.calls().iter().any(|call| call.path == "/graphql"), "nothing of it was looked at");
}
