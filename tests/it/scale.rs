//! What large releases cost: calls to GitHub, and memory.

use crate::scene::Scene;
use countersign_bench::steps::{merged, method};
use github_twin::model::{Call, RuleState};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

/// Nothing is swept: what was never told of stays so, and no call but those of the look that is counted is made.
fn accounts() -> Value {
    json!({"settings": {"server": {"sweep_minutes": 0}, "github": {"writers_ms": 30_000}}, "accounts": {"ann": "write", "ben": "write", "cat": "admin", "dee": "write", "eve": "write"}})
}

/// A world in which much happened while the service was away, and of which it was never told.
async fn unseen(steps: impl IntoIterator<Item = Value>) -> Scene {
    let mut scene = Scene::set(accounts()).await;
    scene.play(json!({"service": "stop"})).await;
    let begun = Instant::now();
    {
        let mut world = scene.stage.world().lock();
        for step in steps {
            let drop = serde_json::from_value(json!({"drop": 2})).unwrap();
            world.plan_webhooks(&drop);
            world.begin_webhook_plan();
            let played = world.play(&serde_json::from_value(step.clone()).unwrap());
            played.unwrap_or_else(|error| panic!("{step}: {error}"));
        }
        let none = serde_json::from_value(json!({"drop": 0})).unwrap();
        world.plan_webhooks(&none);
    }
    println!("the world was built in {:?}", begun.elapsed());
    scene.play(json!({"service": "start"})).await;
    scene
}

/// Calls by what they ask.
fn by_kind(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for call in calls {
        let path = call.path.split('?').next().unwrap_or_default();
        let kind = call.operation.clone().unwrap_or_else(|| format!("{} {path}", call.method));
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

/// The calls of the look that let a deployment by dee through, the answer included. A look before it, when GitHub told that
/// the deployment was created, asks only whether it went past the gate.
async fn let_through(scene: &mut Scene) -> Vec<Call> {
    scene.rest().await;
    let before = scene.calls().len();
    scene.play(json!({"deploy": {"by": "dee"}})).await;
    scene.play(json!({"expect": {"gate": {"is": "allow"}}})).await;
    let calls = scene.calls().split_off(before);
    let answered = calls.iter().position(|call| call.path.ends_with("/deployment_protection_rule"));
    let answered = answered.unwrap_or_else(|| panic!("no answer\n{}", scene.log()));
    let state = scene.stage.world().lock().rule_requests.last().and_then(|asked| asked.state);
    assert_eq!(state, Some(RuleState::Approved), "{}", scene.log());
    let is_run =
        |call: &Call| call.method == "GET" && call.path.contains("/actions/runs/") && !call.path.contains("/jobs");
    let begun = calls[..answered].iter().rposition(is_run).unwrap();
    calls[begun..=answered].to_vec()
}

/// Pull requests in the release whose calls are counted; `RELEASE_PULLS` says another number.
fn many() -> u64 {
    std::env::var("RELEASE_PULLS").ok().and_then(|count| count.parse().ok()).unwrap_or(400)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pull_requests_that_were_never_told_of_cost_few_calls() {
    let pulls = many();
    let steps = (1..=pulls).flat_map(|number| merged(number, 2 + number % 2, method(number)));
    let mut scene = unseen(steps).await;
    let begun = Instant::now();
    let cold = let_through(&mut scene).await;
    // What was let through and runs yet would be asked after; the release is the same one again.
    scene.play(json!({"finish": {"state": "failure"}})).await;
    println!("judged cold in {:?}: {:#?}", begun.elapsed(), by_kind(&cold));
    // Of 400 that is 32: 16 for the pull requests, 4 for the activity list, 4 for what landed, and 8 for the rest.
    let least = |together: u64| usize::try_from(pulls.div_ceil(together)).unwrap();
    let (by_25, by_100) = (least(25), least(100));
    assert!(cold.len() <= by_25 + 2 * by_100 + 8, "{}: {:#?}", cold.len(), by_kind(&cold));
    // No query asks for the lists of more than 25 pull requests: GitHub cuts heavier ones short.
    assert_eq!(by_kind(&cold).get("PullRequests"), Some(&by_25));
    let begun = Instant::now();
    let warm = let_through(&mut scene).await;
    println!("judged warm in {:?}: {:#?}", begun.elapsed(), by_kind(&warm));
    assert!(warm.len() <= 5, "{}: {:#?}", warm.len(), by_kind(&warm));
    scene.play(json!({"expect": {"gate": {"is": "allow", "can_deploy": ["cat", "dee", "eve"]}}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_changes_seen_as_they_landed_cost_three_calls_at_either_gate() {
    let mut scene = Scene::set(accounts()).await;
    for number in 1..=20 {
        for step in merged(number, 2, method(number)) {
            scene.play(step).await;
        }
    }
    scene.play(json!({"gate": {"by": "dee"}})).await;
    let by_rule = let_through(&mut scene).await;
    assert!(by_rule.len() <= 3, "{:#?}", by_kind(&by_rule));
    scene.play(json!({"finish": {"state": "failure"}})).await;
    scene.rest().await;
    let before = scene.calls().len();
    scene.play(json!({"gate": {"by": "eve"}})).await;
    let by_itself = scene.calls().split_off(before);
    scene.play(json!({"expect": {"gate": {"is": "allow"}}})).await;
    assert!(by_itself.len() <= 3, "{:#?}", by_kind(&by_itself));
}

/// The most memory that the service has held so far, in bytes.
fn most_memory(scene: &Scene) -> u64 {
    let process = scene.stage.service_process().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

/// Commits in the release whose memory is measured; `RELEASE_COMMITS` says another number.
fn large() -> u64 {
    std::env::var("RELEASE_COMMITS").ok().and_then(|count| count.parse().ok()).unwrap_or(500)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_release_fits_into_memory() {
    let pulls = large().div_ceil(100);
    let mut scene = unseen((1..=pulls).flat_map(|number| merged(number, 99, "merge"))).await;
    let idle = most_memory(&scene);
    let begun = Instant::now();
    let calls = let_through(&mut scene).await;
    let most = most_memory(&scene);
    println!("{} MB, {} MB at rest, {:?}: {:#?}", most >> 20, idle >> 20, begun.elapsed(), by_kind(&calls));
    assert!(most <= 256 << 20, "{} MB", most >> 20);
}
