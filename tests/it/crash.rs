//! `kill -9` with accepted work in the inbox, at a different moment each round: afterwards all of it is answered, each
//! decision is on record once and told once, and the ledger verifies.
//!
//! `ROUNDS=100` makes it a long run.

use crate::scene::Scene;
use github_twin::model::{APP_COUNTERSIGN, World, Write};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Pull requests in each round; every second one is approved.
const PULLS: u64 = 10;
const ROUNDS: u64 = 5;

fn rounds() -> u64 {
    std::env::var("ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("ROUNDS is a number"))
}

async fn scene() -> Scene {
    let accounts = json!({"ann": "write", "ben": "write", "cat": "maintain", "dee": "write"});
    let mut scene = Scene::set(json!({"accounts": accounts, "settings": {"server": {"evaluations": 2}}})).await;
    // GitHub is slow, so that there is always something half done.
    scene.play(json!({"fault": {"latency_ms": 20, "times": u32::MAX}})).await;
    scene
}

/// Kills the service once GitHub was called that often more, and says how much was left to do.
async fn kill_after(scene: &mut Scene, calls: usize, since: usize) -> i64 {
    scene.until("calls to GitHub", |world| world.calls.len() >= since + calls).await;
    scene.play(json!({"service": "kill"})).await;
    let left = scene.number("SELECT COUNT(*) FROM inbox WHERE state < 3").await;
    scene.play(json!({"service": "start"})).await;
    left
}

#[tokio::test]
async fn pull_requests_accepted_before_a_kill_are_answered_once_after_it() {
    let mut scene = scene().await;
    let mut left = 0;
    for round in 0..rounds() {
        // All happens before anything is delivered, so that one decision answers each pull request.
        scene.play(json!({"webhooks": {"hold": PULLS * 3, "release": "shuffled"}})).await;
        let numbers = (round * PULLS + 1)..=((round + 1) * PULLS);
        for pr in numbers.clone() {
            let commit = json!({"id": format!("c{pr}"), "by": "ann"});
            scene.play(json!({"open": {"pr": pr, "by": "ann", "commits": [commit]}})).await;
            if pr % 2 == 0 {
                scene.play(json!({"review": {"pr": pr, "by": "ben", "state": "approved"}})).await;
            }
        }
        let since = scene.calls().len();
        scene.stage.world().lock().release_webhooks();
        scene.until("all deliveries", World::all_delivered).await;
        // Each pull request takes a read and a write; the token is asked for again after each start.
        let moment = usize::try_from(round * 7 % PULLS).unwrap();
        left += kill_after(&mut scene, moment, since).await;
        left += kill_after(&mut scene, moment + 5, since).await;
        scene.rest().await;
        for pr in numbers {
            let is = if pr % 2 == 0 { "success" } else { "pending" };
            scene.play(json!({"expect": {"check": {"pr": pr, "is": is}}})).await;
        }
        let decisions = (round + 1) * PULLS;
        scene.play(json!({"expect": {"decisions": decisions, "ledger": "valid"}})).await;
        all_is_told_once(&scene, decisions);
        nothing_accepted_is_lost(&scene).await;
    }
    assert!(left > 0, "no kill met work in the inbox: this proved nothing");
    scene.is_unharmed();
}

#[tokio::test]
async fn a_deployment_accepted_before_a_kill_is_answered_once_after_it() {
    let mut scene = scene().await;
    let mut left = 0;
    for round in 0..rounds() {
        let pr = round + 1;
        let commit = json!({"id": format!("c{pr}"), "by": "ann"});
        scene.play(json!({"open": {"pr": pr, "by": "ann", "commits": [commit]}})).await;
        scene.play(json!({"review": {"pr": pr, "by": "ben", "state": "approved"}})).await;
        scene.play(json!({"merge": {"pr": pr, "by": "cat", "method": "squash"}})).await;
        scene.rest().await;
        let since = scene.calls().len();
        scene.play(json!({"deploy": {"by": "dee"}})).await;
        left += kill_after(&mut scene, usize::try_from(round % 5).unwrap(), since).await;
        scene.play(json!({"expect": {"gate": {"is": "allow"}, "ledger": "valid"}})).await;
        scene.play(json!({"finish": {"state": "success"}})).await;
        scene.rest().await;
    }
    let mut answers: BTreeMap<u64, usize> = BTreeMap::new();
    for write in &scene.stage.world().lock().writes {
        if let Write::Rule { run, state: Some(_), .. } = write {
            *answers.entry(*run).or_default() += 1;
        }
    }
    assert_eq!(answers.len() as u64, rounds());
    assert!(answers.values().all(|count| *count == 1), "{answers:?}");
    let allowed = "SELECT COUNT(*) FROM decisions WHERE kind = 'deployment' AND outcome = 'allow'";
    assert_eq!(scene.number(allowed).await.unsigned_abs(), rounds());
    let ended = "SELECT COUNT(*) FROM entries WHERE kind = 'deployment_finished'";
    assert_eq!(scene.number(ended).await.unsigned_abs(), rounds());
    nothing_accepted_is_lost(&scene).await;
    assert!(left > 0, "no kill met work in the inbox: this proved nothing");
    scene.is_unharmed();
}

/// One check run for each head, which names one decision.
fn all_is_told_once(scene: &Scene, decisions: u64) {
    let world = scene.stage.world().lock();
    let ours: Vec<_> = world.check_runs.iter().filter(|run| run.app == APP_COUNTERSIGN).collect();
    let heads: BTreeSet<&String> = ours.iter().map(|run| &run.head_sha).collect();
    let named: BTreeSet<&String> = ours.iter().filter_map(|run| run.external_id.as_ref()).collect();
    assert_eq!((ours.len() as u64, heads.len() as u64, named.len() as u64), (decisions, decisions, decisions));
}

/// What was answered with 202 is in the inbox, and finished.
async fn nothing_accepted_is_lost(scene: &Scene) {
    let accepted: BTreeSet<String> = {
        let world = scene.stage.world().lock();
        let taken = |delivery: &&github_twin::model::Delivery| {
            delivery.outcome == github_twin::model::DeliveryOutcome::Answered(202)
        };
        world.deliveries.iter().filter(taken).map(|delivery| delivery.guid.clone()).collect()
    };
    let rows: Vec<(String,)> = sqlx::query_as("SELECT delivery FROM inbox WHERE state = 3")
        .fetch_all(&mut scene.database().await)
        .await
        .unwrap();
    let finished: BTreeSet<String> = rows.into_iter().map(|(delivery,)| delivery).collect();
    let lost: Vec<&String> = accepted.difference(&finished).collect();
    assert!(lost.is_empty(), "accepted and lost: {lost:?}");
}
