//! The issue that asks for the review of an exception: one for each, whatever fails in between, and never in the way.

use crate::scene::Scene;
use github_twin::model::PermissionLevel;
use serde_json::{Value, json};

async fn broken_glass(issues: bool) -> Scene {
    let mut scene = Scene::set(json!({
        "accounts": {"ann": "write", "ben": "write", "cat": "maintain", "dee": "write"},
        "settings": {"exceptions": {"issues": issues}},
    }))
    .await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.play(json!({"review": {"pr": 1, "by": "ben", "state": "approved"}})).await;
    scene.play(json!({"merge": {"pr": 1, "by": "cat", "method": "squash"}})).await;
    scene
}

fn may_write_issues(scene: &Scene, level: PermissionLevel) {
    scene.stage.world().lock().installation.permissions.insert("issues".to_owned(), level);
}

fn open() -> Value {
    json!({"exception": {"by": "ann", "reason": "checkout is down, @dee\n# now", "ticket": "INC-7"}})
}

/// Title, body and whether it is open, of every issue.
fn issues(scene: &Scene) -> Vec<(String, String, bool)> {
    let world = scene.stage.world().lock();
    let shown =
        |issue: &github_twin::model::Issue| (issue.title.clone(), issue.body.clone().unwrap_or_default(), issue.open);
    world.issues.values().map(shown).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_asks_for_its_review_in_one_issue_until_it_is_reviewed() {
    let mut scene = broken_glass(true).await;
    scene.play(open()).await;
    let shown = issues(&scene);
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].0, "Review needed: @ann broke the glass for production");
    // What the opener wrote is quoted: it mentions nobody and makes no headline.
    assert!(
        shown[0].1.contains("    reason       checkout is down, @dee # now\n    ticket       INC-7"),
        "{}",
        shown[0].1
    );
    assert!(shown[0].1.contains("Let through: nothing yet."), "{}", shown[0].1);
    // What it let through is told by the next sweep, and nothing is written where nothing is new.
    scene.play(json!({"deploy": {"by": "ann"}})).await;
    scene.play(json!({"expect": {"gate": {"is": "exception"}}})).await;
    for _ in 0..2 {
        scene.play(json!({"sweep": {}})).await;
    }
    assert!(
        issues(&scene)[0].1.contains("Let through:\n- http://countersign.test/decisions/"),
        "{}",
        issues(&scene)[0].1
    );
    let written = |scene: &Scene| {
        let of_issues = |call: &github_twin::model::Call| call.method != "GET" && call.path.contains("/issues");
        scene.calls().iter().filter(|call| of_issues(call)).count()
    };
    assert_eq!(written(&scene), 2);
    scene.play(json!({"review_exception": {"by": "ben", "verdict": "justified"}})).await;
    let shown = issues(&scene);
    assert_eq!(
        (shown.len(), shown[0].0.as_str(), shown[0].2),
        (1, "Reviewed as justified: @ann broke the glass for production", false)
    );
    scene.play(json!({"sweep": {}})).await;
    assert_eq!(written(&scene), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_cannot_be_opened_holds_nothing_up_and_comes_later() {
    let mut scene = broken_glass(true).await;
    restarted(&mut scene, PermissionLevel::Read).await;
    scene.play(open()).await;
    scene.play(json!({"deploy": {"by": "ann"}})).await;
    scene.play(json!({"expect": {"gate": {"is": "exception"}, "ledger": "valid"}})).await;
    assert!(issues(&scene).is_empty());
    restarted(&mut scene, PermissionLevel::Write).await;
    scene.play(json!({"sweep": {}})).await;
    assert_eq!(issues(&scene).len(), 1);
}

/// Another token, with this permission: one that was given before is not used again.
async fn restarted(scene: &mut Scene, level: PermissionLevel) {
    may_write_issues(scene, level);
    scene.play(json!({"service": "kill"})).await;
    scene.play(json!({"service": "start"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_nobody_lived_to_note_is_found_and_no_second_one_is_opened() {
    let mut scene = broken_glass(true).await;
    restarted(&mut scene, PermissionLevel::Read).await;
    scene.play(open()).await;
    let listed = scene.json("/api/v1/exceptions").await;
    let mark = format!("<!-- countersign exception {} -->", listed["items"][0]["id"].as_str().unwrap());
    // What GitHub holds after the service was killed before it had the answer.
    scene.stage.world().lock().open_issue("Review needed".to_owned(), Some(mark));
    restarted(&mut scene, PermissionLevel::Write).await;
    scene.play(json!({"sweep": {}})).await;
    assert_eq!(issues(&scene).len(), 1);
    assert!(issues(&scene)[0].1.contains("INC-7"), "it is written as a whole");
    scene.play(json!({"review_exception": {"by": "ben", "verdict": "unjustified"}})).await;
    let shown = issues(&scene);
    assert_eq!((shown.len(), shown[0].2), (1, false), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_opened_where_the_settings_do_not_ask() {
    let mut scene = broken_glass(false).await;
    scene.play(open()).await;
    scene.play(json!({"sweep": {}})).await;
    assert!(issues(&scene).is_empty());
    assert!(!scene.calls().iter().any(|call| call.path.contains("/issues")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_another_one_took_the_name_of_admits_nobody() {
    let mut scene = Scene::set(json!({
        "accounts": {"ann": "write", "ben": "write"},
        "teams": {"oncall": ["ann"]},
        "settings": {"exceptions": {"openers": ["Acme/OnCall"]}},
    }))
    .await;
    scene.play(open()).await;
    scene.play(json!({"exception": {"by": "ben", "reason": "x", "ticket": "y", "refused": true}})).await;
    scene.stage.world().lock().teams.get_mut("oncall").unwrap().id += 1;
    scene.play(json!({"exception": {"by": "ann", "reason": "x", "ticket": "y", "refused": true}})).await;
    scene.stage.world().lock().teams.clear();
    scene.play(json!({"exception": {"by": "ann", "reason": "x", "ticket": "y", "refused": true}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_shows_what_is_owed_until_it_is_reviewed() {
    let mut scene = broken_glass(false).await;
    scene.play(open()).await;
    let page = scene.text("/").await;
    assert!(page.contains("review owed") && page.contains("INC-7") && !page.contains("# now</h"), "{page}");
    scene.play(json!({"review_exception": {"by": "ben", "verdict": "justified"}})).await;
    assert!(!scene.text("/").await.contains("review owed"));
}
