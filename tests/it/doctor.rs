//! The doctor: what is not in place is found, each by its name, and all is well only where all is.

use crate::cli::{Said, run};
use crate::scene::Scene;
use github_twin::auth::mint;
use github_twin::model::{PermissionLevel, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const GATED: &str = "
on: {push: {branches: [main]}, workflow_dispatch: {}}
jobs:
  deploy:
    runs-on: ubuntu-latest
    permissions: {id-token: write, contents: read}
    environment: production
    steps:
      - uses: actions/checkout@0123456789012345678901234567890123456789
      - uses: countersign/countersign@0123456789012345678901234567890123456789
        with: {server: https://countersign.example.com, environment: production}
      - run: ./deploy
";

async fn scene(workflow: &str) -> Scene {
    let files = json!({".github/workflows/deploy.yml": workflow});
    Scene::set(json!({"accounts": {"ann": "admin", "ben": "write"}, "files": files})).await
}

fn change(scene: &Scene, how: impl FnOnce(&mut World)) {
    how(&mut scene.stage.world().lock());
}

/// An administrator's token: GitHub shows bypass lists to those who may write the ruleset.
fn of_administrator(scene: &Scene) -> String {
    let mut world = scene.stage.world().lock();
    world.installation.permissions.insert("administration".to_owned(), PermissionLevel::Write);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let permissions = world.installation.permissions.clone();
    mint(&world.installation, permissions, i64::try_from(now).unwrap()).0
}

async fn doctor(scene: &Scene, more: &[&str]) -> Said {
    let config = scene.stage.directory().join("countersign.toml");
    run(&[&["doctor", "--config", config.to_str().unwrap()], more].concat(), &[]).await
}

async fn codes(scene: &Scene, state: &str, more: &[&str]) -> (i32, BTreeSet<String>) {
    let said = doctor(scene, &[&["--format", "json"], more].concat()).await;
    let whole: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}{}", said.out, said.err));
    let found = whole["findings"].as_array().unwrap().iter().filter(|one| one["state"] == state);
    (said.code, found.map(|one| one["code"].as_str().unwrap().to_owned()).collect())
}

/// Something that is taken away from a world.
type Change = Box<dyn Fn(&mut World)>;

/// Everything as it should be, and somebody has done something.
async fn in_force() -> (Scene, String) {
    let mut scene = scene(GATED).await;
    change(&scene, |world| {
        let production = world.environments.get_mut("production").unwrap();
        (production.admins_bypass, production.named_branches_only) = (false, true);
        world.rulesets[0].admins_bypass = false;
    });
    let token = of_administrator(&scene);
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.rest().await;
    (scene, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_in_place_the_control_is_in_force() {
    let (scene, token) = in_force().await;
    let said = doctor(&scene, &["--token", &token]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("The control is in force: "), "{}", said.out);
    assert!(!said.out.contains(&token) && !said.err.contains(&token));
    // Without somebody who may see bypass lists, it cannot be told.
    change(&scene, |world| {
        world.installation.permissions.insert("administration".to_owned(), PermissionLevel::Read);
    });
    let (code, unknown) = codes(&scene, "unknown", &[]).await;
    assert_eq!((code, unknown), (4, BTreeSet::from(["bypass-unseen".to_owned()])));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_is_not_in_place_is_named() {
    let (mut scene, token) = in_force().await;
    let token = token.as_str();
    let with = ["--token", token];
    let whole = scene.stage.world().lock().installation.clone();
    let cases: [(&str, Change); 6] = [
        ("permission-missing", Box::new(|world| world.installation.permissions.retain(|name, _| name != "statuses"))),
        (
            "event-missing",
            Box::new(|world| world.installation.events.retain(|event| event != "deployment_protection_rule")),
        ),
        ("clock", Box::new(|world| world.clock_ahead = 90)),
        ("check-not-required", Box::new(|world| world.rulesets[0].required_checks.clear())),
        ("check-unbound", Box::new(|world| world.rulesets[0].required_checks = vec![("Countersign".to_owned(), None)])),
        (
            "administrators-bypass",
            Box::new(|world| {
                let production = world.environments.get_mut("production").unwrap();
                production.admins_bypass = true;
            }),
        ),
    ];
    let rulesets = scene.stage.world().lock().rulesets.clone();
    for (code, spoil) in cases {
        change(&scene, |world| spoil(world));
        let state = if code == "administrators-bypass" { "weak" } else { "broken" };
        let (exit, found) = codes(&scene, state, &with).await;
        assert!(found.contains(code), "{code} is not among {found:?}");
        assert_eq!(exit, if state == "broken" { 2 } else { 0 }, "{code}");
        change(&scene, |world| {
            world.installation = whole.clone();
            (world.clock_ahead, world.rulesets) = (0, rulesets.clone());
        });
    }
    // The rule is taken off the environment: what asks through the Action still asks.
    scene.play(json!({"protection": {"by": "ann", "change": "removed", "environment_rule": "removed"}})).await;
    scene.rest().await;
    assert_eq!(codes(&scene, "broken", &with).await, (2, BTreeSet::from(["check-not-required".to_owned()])));
    assert!(codes(&scene, "weak", &with).await.1.contains("rule-not-enabled"));
    // Deliveries that do not arrive, and a webhook that goes elsewhere.
    change(&scene, |world| world.installation.webhook_url = Some("http://127.0.0.1:9/webhooks/github".to_owned()));
    scene.play(json!({"open": {"pr": 2, "by": "ben", "commits": [{"id": "b1", "by": "ben"}]}})).await;
    scene.until("the deliveries are lost", World::all_delivered).await;
    let (_, broken) = codes(&scene, "broken", &with).await;
    assert!(broken.contains("deliveries"), "{broken:?}");
    // A repository that is in no scope, and one that the App does not see.
    assert!(codes(&scene, "broken", &["--repo", "other/shop"]).await.1.contains("outside-of-every-scope"));
    assert!(codes(&scene, "broken", &["--repo", "acme/other"]).await.1.contains("repository-uncovered"));
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_that_deploy_without_asking_are_found() {
    let ungated = GATED.replace("      - uses: countersign/countersign", "      - uses: other/action");
    let scene = scene(&ungated).await;
    // By the rule alone a re-run of failed jobs goes out, and administrators go past it.
    let (code, broken) = codes(&scene, "broken", &[]).await;
    assert_eq!((code, broken), (2, BTreeSet::from(["administrators-bypass".to_owned()])));
    assert!(codes(&scene, "weak", &[]).await.1.contains("gate-missing"));
    change(&scene, |world| world.environments.get_mut("production").unwrap().rule_enabled = false);
    let (code, broken) = codes(&scene, "broken", &[]).await;
    assert_eq!((code, broken), (2, BTreeSet::from(["gate-missing".to_owned(), "rule-not-enabled".to_owned()])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_wired_wrongly_is_found() {
    let wrong = GATED
        .replace("on: {push: {branches: [main]}, workflow_dispatch: {}}", "on: pull_request_target")
        .replace("id-token: write, ", "")
        .replace("environment: production}", "environment: staging, mode: report}");
    let scene = scene(&wrong).await;
    let (code, broken) = codes(&scene, "broken", &[]).await;
    assert_eq!(code, 2);
    for code in ["event-untrusted", "id-token-missing", "environment-differs", "report-only", "administrators-bypass"] {
        assert!(broken.contains(code), "{code} is not among {broken:?}");
    }
    let said = doctor(&scene, &[]).await;
    assert!(
        said.out.contains("NOT IN FORCE  job `deploy` of `.github/workflows/deploy.yml` asks in report mode"),
        "{}",
        said.out
    );
    assert!(said.out.contains("Set `mode: enforce`"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_app_or_settings_it_says_so() {
    let said = run(&["doctor", "--format", "json"], &[]).await;
    let whole: Value = serde_json::from_str(&said.out).unwrap();
    let found: Vec<&str> =
        whole["findings"].as_array().unwrap().iter().filter_map(|one| one["code"].as_str()).collect();
    assert_eq!(said.code, 2);
    assert!(found.contains(&"app-missing") && found.contains(&"scope-missing"), "{found:?}");
}
