//! The door for webhooks, from outside: what is let in, what is turned away, and that nothing sent there does harm.

use crate::scene::{Knock, Scene};
use countersign::http::webhook::LARGEST;
use github_twin::delivery::sign;
use github_twin::model::World;
use serde_json::{Value, json};

const OLD: &str = "the old secret";
const NEW: &str = "the new secret";

/// A service that knows two secrets.
async fn two_secrets() -> Scene {
    let settings = json!({"github": {"webhook_secrets": [OLD, NEW]}, "server": {"retry_base_ms": 1}});
    Scene::set(json!({"accounts": {"ann": "write", "ben": "write"}, "settings": settings})).await
}

fn ping(delivery: &str, secret: &str) -> Knock {
    Knock::new("ping", delivery, r#"{"zen":"Design for failure."}"#, secret)
}

#[tokio::test]
async fn what_is_not_github_is_turned_away_and_leaves_no_trace_but_a_counter() {
    let scene = two_secrets().await;
    // The names in the settings are looked up as it starts.
    let at_start = scene.calls().len();
    let unsigned = Knock { signature: None, ..ping("1", OLD) };
    let sha1 = Knock {
        headers: vec![("x-hub-signature", "sha1=3da541559918a808c2402bba5012f6c60b27661c".to_owned())],
        signature: None,
        ..ping("2", OLD)
    };
    let of_another_body = |secret: &str| Knock { signature: Some(sign(secret, b"{}")), ..ping("3", secret) };
    let good = sign(OLD, &ping("4", OLD).body);
    let signed = |signature: String| Knock { signature: Some(signature), ..ping("5", OLD) };
    let signature = [
        ("no signature", unsigned),
        ("a signature by SHA-1 alone", sha1),
        ("the old secret over another body", of_another_body(OLD)),
        ("the new secret over another body", of_another_body(NEW)),
        ("an unknown secret", ping("6", "another secret")),
        ("the empty secret", ping("7", "")),
        ("half a signature", signed(good[..40].to_owned())),
        ("a signature and more", signed(format!("{good}00"))),
        ("a signature that is no number", signed("sha256=none".to_owned())),
        ("a signature under another name", signed(good.replace("sha256", "sha512"))),
        ("a bare signature", signed(good.replace("sha256=", ""))),
        ("an empty body", Knock { body: Vec::new(), ..ping("8", OLD) }),
    ];
    let headers = [
        ("no event", Knock { event: Vec::new(), ..ping("9", OLD) }),
        ("no delivery", Knock { delivery: Vec::new(), ..ping("10", OLD) }),
        ("a long delivery", ping(&"1".repeat(201), OLD)),
        ("a very long delivery", ping(&"1".repeat(100_000), OLD)),
        ("a long event", Knock { event: vec![b'e'; 101], ..ping("11", OLD) }),
        ("a delivery beyond ASCII", Knock { delivery: vec![b'1', 0xff], ..ping("12", OLD) }),
        ("an event beyond ASCII", Knock { event: "pìng".into(), ..ping("13", OLD) }),
    ];
    let body = |text: &str| Knock::new("push", "14", text, NEW);
    let json = [
        ("no JSON", body("{")),
        ("more than JSON", body("{} {}")),
        ("a list", body("[]")),
        ("a text", body("\"push\"")),
        ("null", body("null")),
        ("a number", body("7")),
        ("nothing", body("")),
        ("a form", body("payload=%7B%7D")),
        ("not UTF-8", Knock::new("push", "15", b"{\"a\":\"\xff\xfe\"}".to_vec(), NEW)),
    ];
    let too_large = Knock::new("push", "16", vec![b' '; LARGEST + 1], NEW);
    for (reason, status, knocks) in [
        ("signature", 401, Vec::from(signature)),
        ("headers", 400, Vec::from(headers)),
        ("json", 400, Vec::from(json)),
        ("body", 413, vec![("more than GitHub sends", too_large)]),
    ] {
        let turned_away = knocks.len();
        for (what, knock) in knocks {
            assert_eq!(scene.knock(knock).await, status, "{what}");
        }
        let metrics = scene.text("/metrics").await;
        let line = format!("countersign_deliveries_refused_total{{reason=\"{reason}\"}} {turned_away}");
        assert!(metrics.contains(&line), "`{line}` is not in\n{metrics}");
    }
    assert_eq!(scene.get("/webhooks/github").await.status(), 405);
    assert!(scene.counted("countersign_deliveries_accepted_total").await == 0.0);
    assert_eq!(scene.number("SELECT COUNT(*) FROM inbox").await, 0);
    assert_eq!(scene.number("SELECT COUNT(*) FROM observations").await, 0);
    assert_eq!(scene.calls().len(), at_start, "nothing that was turned away made us ask GitHub");
    scene.is_unharmed();
}

#[tokio::test]
async fn each_of_several_secrets_opens_the_door() {
    let mut scene = two_secrets().await;
    for (delivery, secret) in [("1", OLD), ("2", NEW)] {
        assert_eq!(scene.knock(ping(delivery, secret)).await, 202);
    }
    // Both signatures of one body open it too, and as GitHub's largest.
    let mut largest = b"{\"zen\":\"".to_vec();
    largest.resize(LARGEST - 2, b'.');
    largest.extend(b"\"}");
    assert_eq!(scene.knock(Knock::new("ping", "3", largest, NEW)).await, 202);
    scene.rest().await;
    assert_eq!(scene.number("SELECT COUNT(*) FROM inbox WHERE state = 3").await, 3);
}

#[tokio::test]
async fn a_finished_delivery_that_comes_again_changes_nothing() {
    let mut scene = Scene::set(json!({"accounts": {"ann": "write", "ben": "write"}})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.rest().await;
    let before = scene.trace().await;
    assert!(before.iter().all(|count| *count > 0), "{before:?}");
    let (deliveries, secret) = {
        let world = scene.stage.world().lock();
        (world.deliveries.clone(), world.installation.webhook_secret.clone())
    };
    let opened = deliveries.iter().find(|delivery| delivery.event == "pull_request").unwrap();
    // The same once more, twice; then another body under the same name, which is nothing GitHub does.
    let mut bodies = vec![opened.payload.clone(), opened.payload.clone()];
    bodies.push(json!({"action": "closed", "number": 2, "repository": opened.payload["repository"],
        "installation": opened.payload["installation"], "sender": opened.payload["sender"]}));
    for body in bodies {
        let again = Knock::new("pull_request", &opened.guid, body.to_string(), &secret);
        assert_eq!(scene.knock(again).await, 202);
        scene.rest().await;
        assert_eq!(scene.trace().await, before);
    }
}

#[tokio::test]
async fn an_unfinished_delivery_that_comes_again_is_looked_at_at_once() {
    // After a failure the service would wait for ten minutes, which is longer than this test may.
    let settings = json!({"server": {"retry_base_ms": 600_000}});
    let mut scene = Scene::set(json!({"accounts": {"ann": "write"}, "settings": settings})).await;
    scene.play(json!({"fault": {"status": 502, "times": 1}})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.until("a refused call", |world| world.calls.iter().any(|call| call.status == 502)).await;
    scene.until("all deliveries", World::all_delivered).await;
    let unfinished = "SELECT COUNT(*) FROM inbox WHERE state = 1 AND attempts = 1";
    while scene.number(unfinished).await == 0 {
        tokio::task::yield_now().await;
    }
    {
        let mut world = scene.stage.world().lock();
        let opened = world.deliveries.iter().find(|delivery| delivery.event == "pull_request").unwrap().id;
        assert!(world.redeliver(opened));
    }
    scene.rest().await;
    scene.play(json!({"expect": {"check": {"pr": 1, "is": "pending"}, "decisions": 1}})).await;
}

/// JSON that is signed as it should be and says nothing that anyone could act on.
#[tokio::test]
async fn signed_nonsense_is_kept_and_does_no_harm() {
    let mut scene = two_secrets().await;
    let (id, installation) = {
        let world = scene.stage.world().lock();
        (world.upstream().unwrap().id, world.installation.id)
    };
    let named = |full_name: &str| json!({"id": id, "full_name": full_name, "default_branch": "main"});
    let about = |more: Value| {
        let mut body = json!({"action": "opened", "repository": named("acme/shop"), "installation": {"id": installation},
            "sender": {"id": 1, "login": "x", "type": "User"}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    let pull_request = json!({"number": 1, "head": {"sha": "no commit"}});
    let mut bodies = vec![
        "{}".to_owned(),
        format!("{{\"a\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000)),
        r#"{"repository":null,"pull_request":[],"installation":-1,"sender":7}"#.to_owned(),
        r#"{"action":"\ud800","number":1e400,"repository":{"id":1,"full_name":"acme/shop"}}"#.to_owned(),
        about(json!({"number": u64::MAX, "installation": {"id": u64::MAX}})),
        about(json!({"number": u64::MAX, "workflow_run": {"id": u64::MAX, "run_attempt": u64::MAX}})),
        about(json!({"number": 0, "workflow_run": {"id": 0}, "workflow_job": {"run_id": 0}})),
        about(json!({"pull_request": pull_request, "review": {"id": u64::MAX, "user": null, "commit_id": ""}})),
        about(json!({"ref": "refs/heads/main", "before": "x", "after": "y"})),
        about(json!({"ref": "refs/heads/main", "before": "0".repeat(40), "after": "0".repeat(40)})),
        about(json!({"ref": "refs/heads/", "before": "", "after": ""})),
        about(json!({"ref": "refs/heads/main", "before": "../../..", "after": "a/b?c#d e\u{0}"})),
        about(json!({"environment": "production", "deployment": {"id": 1},
            "deployment_callback_url": format!("https://x/actions/runs/{}/y", u64::MAX)})),
        about(json!({"check_run": {"pull_requests": [{"number": 99}]}})),
    ];
    for name in ["", "/", "acme/", "acme/sh op", "acme/shöp", "acme/shop/../..", "acme/shop?x=1#y", "acme/\u{0}\n"] {
        bodies.push(about(json!({"pull_request": pull_request, "repository": named(name)})));
    }
    let events = [
        "pull_request",
        "pull_request_review",
        "push",
        "check_run",
        "deployment",
        "deployment_review",
        "deployment_protection_rule",
        "deployment_status",
        "workflow_run",
        "workflow_job",
        "'; DROP TABLE inbox; --",
    ];
    for (place, body) in bodies.iter().enumerate() {
        for event in events {
            let status = scene.knock(Knock::new(event, &format!("{place} {event}"), body.as_str(), NEW)).await;
            assert!(status == 202 || status == 400, "{status} to {event} {body}");
        }
    }
    scene.rest().await;
    // Of a run that GitHub does not show nobody can tell; of anything else there is nothing to say.
    assert_eq!(scene.number("SELECT COUNT(*) FROM decisions WHERE outcome <> 'undetermined' OR run IS NULL").await, 0);
    assert!(scene.stage.world().lock().writes.is_empty());
    scene.is_unharmed();
}
