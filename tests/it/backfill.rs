//! A time before the service was there, on its ledger: marked, replayed, and never an allow.

use crate::audit::{Afar, a_quarter};
use crate::cli::{Said, run};
use crate::scene::Scene;
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;

/// The service is installed only now: nothing is on record of what came before, and what runs now is its baseline.
async fn installed_afterwards() -> (Scene, Afar) {
    let (mut scene, afar) = a_quarter().await;
    scene.play(json!({"service": "stop"})).await;
    for file in ["countersign.sqlite", "countersign.sqlite-wal", "countersign.sqlite-shm"] {
        let _ = std::fs::remove_file(scene.stage.directory().join(file));
    }
    let (base, tip) = {
        let world = scene.stage.world().lock();
        (world.names["base"].clone(), world.upstream().unwrap().branches["main"].clone())
    };
    let config = scene.stage.directory().join("countersign.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains(&base));
    std::fs::write(&config, text.replace(&base, &tip)).unwrap();
    scene.play(json!({"service": "start"})).await;
    (scene, afar)
}

async fn backfill(scene: &Scene, since: &str) -> Said {
    let config = scene.stage.directory().join("countersign.toml");
    run(&["backfill", "--config", config.to_str().unwrap(), "--repo", "acme/shop", "--since", since], &[]).await
}

fn table(bundle: &Path, name: &str) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(bundle.join(name)).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

fn column<'t>(table: &'t [HashMap<String, String>], name: &str) -> Vec<&'t str> {
    table.iter().map(|row| row[name].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_population_from_before_is_marked_and_replayed() {
    let (scene, afar) = installed_afterwards().await;
    let said = backfill(&scene, &afar.since).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert_eq!(said.out, "5 deployments recorded as judged afterwards, 0 were on record already\n");
    let again = backfill(&scene, &afar.since).await;
    assert_eq!(again.out, "0 deployments recorded as judged afterwards, 5 were on record already\n");
    assert_eq!(scene.number("SELECT COUNT(*) FROM decisions").await, 0);
    assert_eq!(scene.number("SELECT COUNT(*) FROM finished_deployments").await, 0);
    assert_eq!(scene.number("SELECT COUNT(*) FROM changes").await, 0);
    assert_eq!(scene.number("SELECT COUNT(*) FROM entries WHERE kind = 'backfilled'").await, 5);

    // The period is that of the deployments, not of their being recorded.
    let config = scene.stage.directory().join("countersign.toml");
    let bundle = scene.stage.directory().join("bundle");
    let ended = scene.stage.world().lock().clock + 1;
    let to = github_twin::model::rfc3339(ended);
    let fixed = ["evidence", "export", "--config", config.to_str().unwrap(), "--out", bundle.to_str().unwrap()];
    let said = run(&[&fixed[..], &["--from", &afar.since, "--to", &to]].concat(), &[]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let key = scene.text("/api/v1/ledger/key").await;
    let said = run(&["evidence", "verify", bundle.to_str().unwrap(), "--key", key.trim()], &[]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains(", 5 decisions made again with the same verdict"), "{}", said.out);

    let changes = table(&bundle, "changes.csv");
    assert_eq!(column(&changes, "change"), ["#1", "#2", "#3", "#4", "#5"]);
    assert_eq!(
        column(&changes, "outcome"),
        ["would-allow", "would-deny", "would-deny", "would-deny", "would-undetermined"]
    );
    assert!(column(&changes, "basis").iter().all(|basis| *basis == "backfilled"));
    let deployments = table(&bundle, "deployments.csv");
    assert!(column(&deployments, "basis").iter().all(|basis| *basis == "backfilled"));
    assert_eq!(column(&deployments, "conclusion"), ["success"; 5]);
    assert!(column(&table(&bundle, "gaps.csv"), "kind").iter().all(|kind| *kind != "range-broken"));

    // A sampled change says on its ticket that nobody decided it then.
    let out = scene.stage.directory().join("tickets");
    let draw = ["evidence", "sample", bundle.to_str().unwrap(), "--key", key.trim(), "--seed", "1", "--size", "1"];
    let said = run(&[&draw[..], &["--out", out.to_str().unwrap()]].concat(), &[]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let ticket = std::fs::read_to_string(out.join("ticket-001.html")).unwrap();
    assert!(ticket.contains("Judged afterwards, since nobody watched then") && !ticket.contains("Countersign decided"));

    // A verdict that was changed is found like that of a decision.
    let entries = std::fs::read_to_string(bundle.join("entries.jsonl")).unwrap();
    assert!(entries.contains("\"kind\":\"backfilled\""));
    std::fs::write(bundle.join("entries.jsonl"), entries.replace("\"outcome\":\"deny\"", "\"outcome\":\"allow\""))
        .unwrap();
    let said = run(&["evidence", "verify", bundle.to_str().unwrap(), "--key", key.trim()], &[]).await;
    assert_eq!(said.code, 2, "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_judged_afterwards_never_counts_as_an_allow() {
    let (mut scene, afar) = installed_afterwards().await;
    let said = backfill(&scene, &afar.since).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    // The first release would have been allowed: going back to it was not, and it is not what runs now.
    scene.play(json!({"protection": {"by": "ann", "environment_rule": "restored"}})).await;
    scene.play(json!({"deploy": {"by": "dee", "ref": "first"}})).await;
    scene.play(json!({"expect": {"gate": {"is": "deny", "because": ["rollback-unknown"]}}})).await;
    let decisions = scene.json("/api/v1/deployments").await.to_string();
    assert!(!decisions.contains("backfilled"), "{decisions}");
    scene.play(json!({"expect": {"decisions": 1, "alerts": [], "ledger": "valid"}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_judged_afterwards_lets_no_attempt_through() {
    let (mut scene, afar) = installed_afterwards().await;
    let said = backfill(&scene, &afar.since).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    // The last deployment would have been allowed. That it was made is heard of only now: nobody had let it through.
    {
        let mut world = scene.stage.world().lock();
        let made = world.deliveries.iter().rev().find(|delivery| delivery.event == "deployment").unwrap().id;
        assert!(world.redeliver(made));
    }
    scene.play(json!({"status": {"by": "ben", "state": "success"}})).await;
    scene.play(json!({"expect": {"alerts": ["gate-bypassed"], "decisions": 0}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_of_the_time_since_the_service_started() {
    let (scene, _) = installed_afterwards().await;
    let said = backfill(&scene, "2100-01-01").await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("after the service first started"), "{}", said.err);
    assert_eq!(scene.number("SELECT COUNT(*) FROM entries WHERE kind = 'backfilled'").await, 0);
}
