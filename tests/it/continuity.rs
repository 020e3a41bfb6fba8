//! Whether the control was there all the time: what was missed is found, named and told with what landed meanwhile.

use crate::population::{Table, column, export, table};
use crate::scene::Scene;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

const ACCOUNTS: [(&str, &str); 4] = [("ann", "write"), ("ben", "write"), ("cat", "admin"), ("dee", "write")];

async fn scene() -> Scene {
    let accounts: HashMap<_, _> = ACCOUNTS.into_iter().collect();
    Scene::set(json!({"accounts": accounts})).await
}

async fn play(scene: &mut Scene, steps: impl IntoIterator<Item = Value>) {
    for step in steps {
        scene.play(step).await;
    }
    scene.rest().await;
}

/// A change that ann wrote, ben reviewed and cat merged.
fn change(number: u64) -> [Value; 3] {
    [
        json!({"open": {"pr": number, "by": "ann", "commits": [{"id": format!("a{number}"), "by": "ann"}]}}),
        json!({"review": {"pr": number, "by": "ben", "state": "approved"}}),
        json!({"merge": {"pr": number, "by": "cat", "bypass": true}}),
    ]
}

async fn gaps(scene: &Scene, name: &str) -> Table {
    let bundle = export(scene, name, &[]).await;
    let key = scene.text("/api/v1/ledger/key").await;
    let said = crate::cli::run(&["evidence", "verify", bundle.to_str().unwrap(), "--key", key.trim()], &[]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    table(&bundle, "gaps.csv")
}

fn of_kind<'t>(gaps: &'t Table, kind: &str) -> Vec<&'t HashMap<String, String>> {
    gaps.iter().filter(|row| row["kind"] == kind).collect()
}

/// The entries on record, as values.
async fn entries(scene: &Scene) -> Vec<Value> {
    let text = scene.text("/api/v1/ledger/entries?limit=1000").await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_says_since_when_the_service_was_away_and_whether_it_was_stopped_in_order() {
    let mut scene = scene().await;
    play(&mut scene, [json!({"service": "stop"}), json!({"service": "start"})]).await;
    play(&mut scene, [json!({"service": "kill"}), json!({"service": "start"})]).await;
    let kinds: Vec<_> = entries(&scene).await.into_iter().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, ["service_started", "service_stopped", "service_started", "service_started"]);
    let gaps = gaps(&scene, "bundle").await;
    assert_eq!(column(&gaps, "kind"), ["service-started", "service-down", "service-down"]);
    let what = column(&gaps, "what");
    assert!(what[1].ends_with("it had been stopped in order") && what[2].ends_with("it had not been stopped in order"));
    for row in &gaps[1..] {
        assert!(!row["from"].is_empty() && row["from"] <= row["to"], "{row:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_is_a_window_with_the_changes_that_landed_in_it() {
    let mut scene = scene().await;
    play(&mut scene, change(1)).await;
    play(&mut scene, [json!({"installation": {"by": "cat", "change": "suspended"}})]).await;
    play(&mut scene, change(2)).await;
    play(&mut scene, change(3)).await;
    play(&mut scene, [json!({"installation": {"by": "cat", "change": "unsuspended"}})]).await;
    play(&mut scene, [json!({"deploy": {"by": "dee"}})]).await;
    let gaps = gaps(&scene, "bundle").await;
    let suspended = of_kind(&gaps, "app-suspended");
    assert_eq!(suspended.len(), 1, "{gaps:?}");
    assert_eq!((suspended[0]["repository"].as_str(), suspended[0]["landed"].as_str()), ("acme/*", "2"));
    assert_eq!(suspended[0]["landed_changes"], "acme/shop #2; acme/shop #3");
    assert_eq!(suspended[0]["what"], "the App was suspended, by cat");
    assert!(!suspended[0]["to"].is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_that_nobody_heard_of_is_found_by_asking() {
    let mut scene = scene().await;
    play(&mut scene, [json!({"sweep": {}}), json!({"service": "stop"})]).await;
    play(&mut scene, [json!({"installation": {"by": "cat", "change": "suspended"}})]).await;
    // The delivery is gone for good: GitHub lists it no longer.
    scene.stage.world().lock().deliveries.clear();
    play(&mut scene, [json!({"service": "start"}), json!({"sweep": {}})]).await;
    let gaps = gaps(&scene, "bundle").await;
    let suspended = of_kind(&gaps, "app-suspended");
    assert_eq!(suspended.len(), 1, "{gaps:?}");
    assert_eq!(suspended[0]["what"], "the App was suspended, found by asking GitHub, and nothing on record ends it");
    assert_eq!(suspended[0]["to"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_uninstalled_or_loses_the_repository_is_a_window_until_it_is_back() {
    let mut scene = scene().await;
    for change in ["removed", "added", "deleted", "created"] {
        play(&mut scene, [json!({"installation": {"by": "cat", "change": change}})]).await;
    }
    let gaps = gaps(&scene, "bundle").await;
    for (kind, repository) in [("repository-out-of-reach", "acme/shop"), ("app-uninstalled", "acme/*")] {
        let found = of_kind(&gaps, kind);
        assert_eq!(found.len(), 1, "{kind}: {gaps:?}");
        assert_eq!(found[0]["repository"], repository);
        assert!(!found[0]["to"].is_empty(), "{kind} is over");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_did_not_arrive_are_told_and_closed_when_they_do() {
    let mut scene = scene().await;
    play(&mut scene, [json!({"webhooks": {"drop": 1}})]).await;
    play(&mut scene, [change(1)[0].clone(), json!({"sweep": {}})]).await;
    let open = gaps(&scene, "open").await;
    let missed = of_kind(&open, "deliveries-missed");
    assert_eq!(missed.len(), 1, "{open:?}\n{}", scene.log());
    assert!(missed[0]["what"].contains("pull_request: 1"), "{}", missed[0]["what"]);
    assert!(
        missed[0]["what"].ends_with("0 arrived when they were asked for again, 0 never will"),
        "{}",
        missed[0]["what"]
    );
    let count: u64 = missed[0]["count"].parse().unwrap();
    assert!(count > 0 && missed[0]["from"] <= missed[0]["to"]);
    // All came when they were asked for again; the next sweep says so, and nothing else.
    play(&mut scene, [json!({"sweep": {}}), json!({"sweep": {}})]).await;
    let closed = gaps(&scene, "closed").await;
    let missed = of_kind(&closed, "deliveries-missed");
    assert_eq!(missed.len(), 1, "{closed:?}");
    let all = format!("{count} arrived when they were asked for again, 0 never will");
    assert!(missed[0]["what"].ends_with(&all), "{}", missed[0]["what"]);
    let settled = entries(&scene).await.into_iter().filter(|entry| entry["kind"] == "deliveries_settled").count();
    assert_eq!(settled, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_lists_and_nobody_decided_is_named_and_what_was_decided_is_not() {
    let mut scene = scene().await;
    play(&mut scene, change(1)).await;
    play(
        &mut scene,
        [
            json!({"deploy": {"by": "dee"}}),
            json!({"finish": {"state": "success"}}),
            json!({"sweep": {}}),
            json!({"outside_deployment": {"by": "dee"}}),
            json!({"outside_deployment": {"by": "dee", "states": ["success"]}}),
            json!({"outside_deployment": {"by": "dee", "environment": "staging", "states": ["success"]}}),
            json!({"sweep": {}}),
        ],
    )
    .await;
    let bundle = export(&scene, "bundle", &[]).await;
    let deployments = table(&bundle, "deployments.csv");
    assert_eq!(column(&deployments, "outcome"), ["allow", "none", "none"], "{deployments:#?}");
    let gaps = gaps(&scene, "again").await;
    let mut kinds = column(&gaps, "kind");
    kinds.sort_unstable();
    assert_eq!(kinds, ["deployment-undecided", "gate-bypassed", "service-started"], "{gaps:?}");
    let listed: Vec<Value> =
        entries(&scene).await.into_iter().filter(|entry| entry["kind"] == "deployments_listed").collect();
    let told: Vec<usize> = listed.iter().map(|entry| entry["deployments"].as_array().unwrap().len()).collect();
    assert_eq!(told, [1, 2], "once each, and none to another environment");

    // GitHub shows the decided one no longer.
    let first = listed[0]["deployments"][0]["id"].as_u64().unwrap();
    assert!(listed[0]["after"].is_null() && listed[1]["after"].as_u64() == Some(first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_is_gone_from_githubs_list_is_named() {
    let mut scene = scene().await;
    play(&mut scene, [json!({"sweep": {}})]).await;
    play(&mut scene, change(1)).await;
    play(&mut scene, [json!({"deploy": {"by": "dee"}}), json!({"finish": {"state": "success"}})]).await;
    {
        let world = scene.stage.world().clone();
        let mut world = world.lock();
        let last = *world.deployments.keys().next_back().unwrap();
        world.deployments.remove(&last);
    }
    play(&mut scene, [json!({"outside_deployment": {"by": "dee"}}), json!({"sweep": {}})]).await;
    let gaps = gaps(&scene, "bundle").await;
    assert_eq!(of_kind(&gaps, "deployment-unlisted").len(), 1, "{gaps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_could_not_be_written_is_on_record_when_it_can() {
    let accounts: HashMap<_, _> = ACCOUNTS.into_iter().collect();
    let mut scene = Scene::set(json!({"accounts": accounts, "settings": {"server": {"heartbeat_ms": 50}}})).await;
    let file = scene.stage.directory().join("countersign.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let log = scene.stage.directory().join("service.log");
    until(&log, "the heartbeat could not be written").await;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    until(&log, "the service could not work for a while").await;
    scene.rest().await;
    let gaps = gaps(&scene, "bundle").await;
    let outages = of_kind(&gaps, "database-unavailable");
    assert_eq!(outages.len(), 1, "{gaps:?}");
    assert!(outages[0]["from"] < outages[0]["to"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_looked_at_while_the_database_could_not_be_written_is_looked_at_again() {
    let mut scene = Scene::set(json!({"accounts": {"ann": "write", "ben": "write"}})).await;
    scene.play(json!({"fault": {"latency_ms": 3_000, "times": 1, "on": "PullRequests"}})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while scene.number("SELECT COUNT(*) FROM inbox WHERE state = 2").await == 0 {
        assert!(std::time::Instant::now() < deadline, "nothing is looked at");
    }
    let file = scene.stage.directory().join("countersign.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    // It can neither record what it decided nor close its rows.
    until(&scene.stage.directory().join("service.log"), "the inbox cannot be written").await;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    scene.play(json!({"expect": {"check": {"pr": 1, "is": "pending"}, "ledger": "valid"}})).await;
    scene.is_unharmed();
}

/// Waits until the service has said something.
async fn until(log: &Path, what: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    // A look every so often, not without rest: others test beside it.
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
    while !std::fs::read_to_string(log).unwrap().contains(what) {
        assert!(std::time::Instant::now() < deadline, "not said: {what}");
        looks.tick().await;
    }
}
