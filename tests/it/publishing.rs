//! What GitHub is told, it is told once: also where the service dies after it told and before it noted so.

use crate::scene::Scene;
use github_twin::model::APP_COUNTERSIGN;
use serde_json::json;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

/// Leaves the database as a death between telling and noting does.
async fn forget_what_was_told(scene: &Scene) {
    let file = scene.stage.directory().join("countersign.sqlite");
    let mut database = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap();
    let forgotten = sqlx::query("DELETE FROM publications").execute(&mut database).await.unwrap();
    assert!(forgotten.rows_affected() > 0);
    database.close().await.unwrap();
}

/// Our check runs: each one's id, decision and conclusion.
fn told(scene: &Scene) -> Vec<(u64, Option<String>, Option<String>)> {
    let world = scene.stage.world().lock();
    let ours = world.check_runs.iter().filter(|run| run.app == APP_COUNTERSIGN);
    ours.map(|run| (run.id, run.external_id.clone(), run.conclusion.clone())).collect()
}

#[tokio::test]
async fn a_check_that_was_told_and_not_noted_is_found_again() {
    let mut scene = Scene::set(json!({"accounts": {"ann": "write", "ben": "write"}})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.rest().await;
    for step in [
        json!({"review": {"pr": 1, "by": "ben", "state": "commented"}}),
        json!({"review": {"pr": 1, "by": "ben", "state": "approved"}}),
    ] {
        let before = told(&scene);
        scene.play(json!({"service": "kill"})).await;
        forget_what_was_told(&scene).await;
        scene.play(json!({"service": "start"})).await;
        // A comment, whoever gives it, leads to the decision that is on record already.
        scene.play(json!({"review": {"pr": 1, "by": "ben", "state": "commented"}})).await;
        scene.rest().await;
        assert_eq!(told(&scene), before);
        scene.play(step).await;
        scene.rest().await;
    }
    let after = told(&scene);
    assert_eq!((after.len(), after[0].2.as_deref()), (1, Some("success")), "{after:?}");
}

#[tokio::test]
async fn an_answer_of_the_rule_that_was_told_and_not_noted_is_not_given_twice() {
    let accounts = json!({"ann": "write", "ben": "write", "cat": "maintain", "dee": "write"});
    let mut scene = Scene::set(json!({"accounts": accounts})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.play(json!({"review": {"pr": 1, "by": "ben", "state": "approved"}})).await;
    scene.play(json!({"merge": {"pr": 1, "by": "cat", "method": "squash"}})).await;
    scene.play(json!({"deploy": {"by": "dee"}})).await;
    scene.play(json!({"expect": {"gate": {"is": "allow"}}})).await;
    let before = scene.stage.world().lock().writes.len();
    scene.play(json!({"service": "kill"})).await;
    forget_what_was_told(&scene).await;
    scene.play(json!({"service": "start"})).await;
    scene.play(json!({"finish": {"state": "success"}})).await;
    scene.play(json!({"expect": {"gate": {"is": "allow"}, "ledger": "valid"}})).await;
    assert_eq!(scene.stage.world().lock().writes.len(), before);
}

#[tokio::test]
async fn whoever_waits_while_github_cannot_be_read_is_told_so_and_let_through_afterwards() {
    let accounts = json!({"ann": "write", "ben": "write", "cat": "maintain", "dee": "write"});
    let mut scene = Scene::set(json!({"accounts": accounts})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.play(json!({"review": {"pr": 1, "by": "ben", "state": "approved"}})).await;
    scene.play(json!({"merge": {"pr": 1, "by": "cat", "method": "squash"}})).await;
    scene.rest().await;
    // More often than a look is taken before somebody is told.
    scene.play(json!({"fault": {"status": 502, "times": 8, "on": "Gate"}})).await;
    scene.play(json!({"deploy": {"by": "dee"}})).await;
    scene.play(json!({"expect": {"gate": {"is": "allow"}, "ledger": "valid"}})).await;
    let world = scene.stage.world().lock();
    let notes = &world.rule_requests.last().unwrap().notes;
    assert!(notes.first().is_some_and(|note| note.contains("Cannot tell")), "{notes:?}");
    assert_eq!(notes.len(), 2, "{notes:?}");
}
