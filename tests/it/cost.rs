//! What one more delivery costs of GitHub's patience: at most one read and one write, and no write where nothing changed.

use crate::scene::Scene;
use github_twin::model::Call;
use serde_json::{Map, Value, json};

/// A pull request of 100 commits and 100 reviews by as many people, looked at and answered.
async fn warm() -> Scene {
    let mut accounts: Map<String, Value> = (0..99).map(|n| (format!("reader-{n}"), json!("read"))).collect();
    accounts.extend([("ann".to_owned(), json!("write")), ("ben".to_owned(), json!("write"))]);
    accounts.extend([("crowd".to_owned(), json!("read"))]);
    let mut scene = Scene::set(json!({"accounts": accounts})).await;
    let commits = json!([{"repeat": 99, "by": "ann"}, {"id": "a100", "by": "ann"}]);
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": commits}})).await;
    for n in 0..49 {
        scene.play(json!({"review": {"pr": 1, "by": format!("reader-{n}"), "state": "approved"}})).await;
    }
    scene.play(json!({"noise": {"pr": 1, "reviews": 50}})).await;
    scene.play(json!({"expect": {"check": {"pr": 1, "is": "pending"}}})).await;
    scene
}

/// The calls that a step leads to.
async fn cost(scene: &mut Scene, step: Value) -> Vec<Call> {
    let before = scene.calls().len();
    scene.play(step).await;
    scene.rest().await;
    scene.calls().split_off(before)
}

fn is_read(call: &Call) -> bool {
    call.path == "/graphql" || call.method == "GET"
}

#[tokio::test]
async fn a_delivery_that_changes_the_outcome_costs_one_read_and_one_write() {
    let mut scene = warm().await;
    let approved = cost(&mut scene, json!({"review": {"pr": 1, "by": "ben", "state": "approved"}})).await;
    assert!(approved.len() <= 2, "{approved:#?}");
    assert_eq!(approved.iter().filter(|call| is_read(call)).count(), 1, "{approved:#?}");
    scene.play(json!({"expect": {"check": {"pr": 1, "is": "success"}}})).await;
    let world = scene.stage.world().lock();
    let pull = &world.pulls[&1];
    let commits = world.git.reachable(&pull.head.sha, &[&world.names["base"]]).unwrap();
    assert_eq!((pull.reviews.len(), commits.len()), (100, 100));
}

#[tokio::test]
async fn a_delivery_that_changes_nothing_costs_one_read_at_most() {
    let mut scene = warm().await;
    let comment = cost(&mut scene, json!({"review": {"pr": 1, "by": "reader-0", "state": "commented"}})).await;
    assert!(comment.len() <= 1 && comment.iter().all(is_read), "{comment:#?}");
    let label = cost(&mut scene, json!({"label": {"pr": 1, "by": "ann", "text": "later"}})).await;
    assert!(label.len() <= 1 && label.iter().all(is_read), "{label:#?}");
    let talk = cost(&mut scene, json!({"comment": {"pr": 1, "by": "ann", "text": "ready?"}})).await;
    assert!(talk.is_empty(), "{talk:#?}");
    let before = scene.calls().len();
    {
        let mut world = scene.stage.world().lock();
        let all: Vec<u64> = world.deliveries.iter().map(|delivery| delivery.id).collect();
        assert!(all.into_iter().all(|id| world.redeliver(id)));
    }
    scene.rest().await;
    assert_eq!(scene.calls().len(), before);
}

#[tokio::test]
async fn many_commits_with_many_co_authors_are_asked_about_so_often_and_no_more() {
    let names: Vec<String> = (0..60).map(|n| format!("pair-{n}")).collect();
    let mut accounts: Map<String, Value> = names.iter().map(|name| (name.clone(), json!("read"))).collect();
    accounts.extend([("ann".to_owned(), json!("write")), ("ben".to_owned(), json!("write"))]);
    let mut scene = Scene::set(json!({"accounts": accounts})).await;
    let commit = |n: usize| json!({"id": format!("a{n}"), "author": "ann", "coauthors": names});
    let commits: Vec<Value> = (0..30).map(commit).collect();
    let calls = cost(&mut scene, json!({"open": {"pr": 1, "by": "ann", "commits": commits}})).await;
    let of = |name: &str| calls.iter().filter(|call| call.operation.as_deref() == Some(name)).count();
    // What cannot be told is looked at a few times.
    assert!(of("PullRequests") > 0);
    assert_eq!(of("MoreAuthors"), 20 * of("PullRequests"));
    let incomplete = json!({"check": {"pr": 1, "is": "failure", "because": ["facts-incomplete"]}});
    scene.play(json!({"expect": incomplete})).await;
}
