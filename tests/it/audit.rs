//! The retrospective: what would have been said of a period that nobody watched, from GitHub alone.

use crate::cli::{Said, run};
use crate::scene::{SERVICE, Scene};
use github_twin::auth::mint;
use github_twin::model::{World, rfc3339};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::process::Command;

/// Where GitHub is, as whom the audit asks, and from when on.
pub struct Afar {
    pub environment: Vec<(&'static str, String)>,
    pub since: String,
}

impl Afar {
    /// The period begins after what ran before.
    pub fn of(world: &World) -> Self {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        // Reading is all that the token may do.
        let reading =
            world.installation.permissions.keys().map(|name| (name.clone(), github_twin::model::PermissionLevel::Read));
        let token = mint(&world.installation, reading.collect(), now).0;
        let environment = vec![
            ("COUNTERSIGN_GITHUB_API_URL", world.url.clone()),
            ("COUNTERSIGN_GITHUB_GRAPHQL_URL", format!("{}/graphql", world.url)),
            ("GITHUB_TOKEN", token),
        ];
        Self { environment, since: rfc3339(world.clock + 1) }
    }

    pub async fn run(&self, arguments: &[&str]) -> Said {
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        run(arguments, &environment).await
    }

    pub async fn audit(&self, state: &str, more: &[&str]) -> Said {
        let fixed =
            ["audit", "--repo", "acme/shop", "--environment", "production", "--since", &self.since, "--state", state];
        self.run(&[&fixed, more].concat()).await
    }
}

/// A quarter without the rule: one release by three people, one that breaks rules twice, one that failed, one by its only
/// reviewer, one that nobody can tell of, and a way back.
pub async fn a_quarter() -> (Scene, Afar) {
    let accounts = json!({"ann": "admin", "ben": "write", "cat": "maintain", "dee": "write", "eve": "write"});
    let settings = json!({"server": {"sweep_minutes": 0}});
    let mut scene = Scene::set(json!({"accounts": accounts, "settings": settings})).await;
    let afar = Afar::of(&scene.stage.world().lock());
    scene.play(json!({"protection": {"by": "ann", "environment_rule": "removed"}})).await;
    for step in [
        json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}, {"id": "a2", "by": "ann"}]}}),
        json!({"review": {"pr": 1, "by": "ben", "state": "approved"}}),
        json!({"merge": {"pr": 1, "by": "cat", "method": "squash", "id": "first"}}),
        json!({"deploy": {"by": "dee"}}),
        json!({"finish": {"state": "success"}}),
        json!({"open": {"pr": 2, "by": "ben", "commits": [{"id": "b1", "by": "ben"}]}}),
        json!({"merge": {"pr": 2, "by": "ann", "bypass": true}}),
        json!({"open": {"pr": 3, "by": "ann", "commits": [{"id": "c1", "by": "ann"}]}}),
        json!({"review": {"pr": 3, "by": "ben", "state": "approved"}}),
        json!({"merge": {"pr": 3, "by": "cat"}}),
        json!({"deploy": {"by": "ann"}}),
        json!({"finish": {"state": "success"}}),
        json!({"open": {"pr": 4, "by": "dee", "commits": [{"id": "d1", "by": "dee"}]}}),
        json!({"review": {"pr": 4, "by": "ben", "state": "approved"}}),
        json!({"merge": {"pr": 4, "by": "cat"}}),
        json!({"deploy": {"by": "ben"}}),
        json!({"finish": {"state": "failure"}}),
        json!({"deploy": {"by": "ben"}}),
        json!({"finish": {"state": "success"}}),
        json!({"open": {"pr": 5, "by": "eve", "fork": true, "commits": [{"id": "e1", "by": "eve"}]}}),
        json!({"review": {"pr": 5, "by": "ben", "state": "approved"}}),
        json!({"merge": {"pr": 5, "by": "cat"}}),
        json!({"deploy": {"by": "dee"}}),
        json!({"finish": {"state": "success"}}),
        json!({"deploy": {"by": "cat", "ref": "first"}}),
        json!({"finish": {"state": "success"}}),
    ] {
        scene.play(step).await;
    }
    scene.rest().await;
    (scene, afar)
}

/// What differs from one world to the next becomes words.
fn plain(text: &str) -> String {
    let text = Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d").unwrap().replace_all(text, "YYYY-MM-DD hh:mm").into_owned();
    let text = Regex::new(r"\b[0-9a-f]{7}\b").unwrap().replace_all(&text, "c0ffee1").into_owned();
    Regex::new(r"run \d+").unwrap().replace_all(&text, "run N").into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_engineer_sees_what_would_have_been_blocked() {
    let (scene, afar) = a_quarter().await;
    let state = scene.stage.directory().join("state");
    let state = state.to_str().unwrap();
    let said = afar.audit(state, &[]).await;
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains("7 deployments to look at in production: about "), "{}", said.err);
    insta::assert_snapshot!(plain(&said.out));
    assert!(!said.out.contains(&afar.environment[2].1) && !said.err.contains(&afar.environment[2].1));

    let json = afar.audit(state, &["--format", "json"]).await;
    let whole: Value = serde_json::from_str(&json.out).unwrap();
    let outcomes: Vec<&str> = whole["deployments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["verdict"]["outcome"].as_str().unwrap())
        .collect();
    assert_eq!((json.code, outcomes), (2, vec!["allow", "deny", "deny", "undetermined", "allow"]));
    assert_eq!(whole["summary"]["not_succeeded"], 1);

    let csv = afar.audit(state, &["--format", "csv"]).await;
    let mut reader = csv::Reader::from_reader(csv.out.as_bytes());
    let rows: Vec<HashMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    let told: Vec<[&str; 4]> = rows
        .iter()
        .map(|row| ["change", "contributors", "reviewers", "outcome"].map(|name| row[name].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ["#1", "ann", "ben", "allow"],
            ["#2", "ben", "", "deny"],
            ["#3", "ann", "ben", "deny"],
            ["#4", "dee", "ben", "deny"],
            ["#5", "eve", "ben", "undetermined"],
            ["", "", "", "allow"],
        ]
    );
    assert!(rows.iter().all(|row| row["commit"].starts_with("git:")));
    // Nothing is left behind by an audit that came to its end.
    assert_eq!(std::fs::read_dir(state).unwrap().count(), 0);
}

/// All but the first line, which says until which minute was asked.
fn below(said: &str) -> &str {
    said.split_once('\n').unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_was_killed_goes_on_where_it_stopped() {
    let (mut scene, afar) = a_quarter().await;
    let state = scene.stage.directory().join("state");
    let fixed = ["audit", "--repo", "acme/shop", "--since", &afar.since, "--state", state.to_str().unwrap()];
    // The look at the rules of the third release never ends.
    let slow = json!({"fault": {"on": "OwnRules", "times": 1, "latency_ms": 600_000}});
    let before = scene.calls().len();
    let own_rules = |world: &World, from: usize| {
        world.calls[from..].iter().filter(|call| call.operation.as_deref() == Some("OwnRules")).count()
    };
    let mut killed = Command::new(SERVICE)
        .args(fixed)
        .env_clear()
        .envs(afar.environment.iter().map(|(name, value)| (*name, value)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    scene.until("two releases judged", |world| own_rules(world, before) >= 2).await;
    scene.play(slow).await;
    let kept = || {
        let entry = std::fs::read_dir(&state).ok()?.next()?.ok()?;
        std::fs::read_to_string(entry.path()).ok()
    };
    scene
        .until("two judgements kept", |_| kept().is_some_and(|text| text.matches("{\"kind\":\"judged\"").count() >= 2))
        .await;
    killed.kill().await.unwrap();
    let text = kept().unwrap();
    let judged = text.matches("{\"kind\":\"judged\"").count();
    assert!((2..5).contains(&judged), "{judged}");

    let before = scene.calls().len();
    scene.stage.world().lock().faults = github_twin::faults::Faults::default();
    let said = afar.run(&fixed).await;
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains(&format!("going on where it stopped: 7 found, {judged} judged already")), "{}", said.err);
    let again = scene.calls();
    let asked = |what: &str| again[before..].iter().filter(|call| call.path.contains(what)).count();
    assert_eq!(own_rules(&scene.stage.world().lock(), before), 5 - judged);
    assert_eq!((asked("/deployments?"), asked("/jobs")), (0, 0), "what was found is not asked for again");
    // It says the same as one that was never interrupted.
    assert_eq!(below(&said.out), below(&afar.run(&fixed).await.out));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_stays_inside_the_rate_limit() {
    let (mut scene, afar) = a_quarter().await;
    let state = scene.stage.directory().join("state");
    let state = state.to_str().unwrap();
    // GitHub refuses: what it says is waited for.
    scene.play(json!({"fault": {"on": "/jobs", "rate_limit": true}})).await;
    let said = afar.audit(state, &[]).await;
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains("GitHub allows no more calls now: going on in "), "{}", said.err);
    // Few calls are left: it stops by itself, says when to go on, and goes on then.
    scene.stage.world().lock().hourly = 60;
    let stopped = afar.audit(state, &["--max-wait", "0"]).await;
    assert_eq!((stopped.code, stopped.out.as_str()), (5, ""), "{}", stopped.err);
    assert!(stopped.err.contains("GitHub allows no more calls before 2"), "{}", stopped.err);
    assert!(stopped.err.contains("run the same again then"), "{}", stopped.err);
    scene.stage.world().lock().hourly = 5_000;
    assert_eq!(below(&afar.audit(state, &[]).await.out), below(&said.out));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_known_from_afar_is_undetermined() {
    let (scene, afar) = a_quarter().await;
    let state = scene.stage.directory().join("state");
    let plan = afar.audit(state.to_str().unwrap(), &["--plan"]).await;
    assert_eq!((plan.code, plan.out.as_str()), (0, ""));
    {
        let mut world = scene.stage.world().lock();
        // Whoever reviewed has lost access since, and the runs have been deleted but for the last.
        let ben = world.account_by_login("ben").unwrap().id;
        world.accounts.get_mut(&ben).unwrap().permission = github_twin::model::Permission::None;
        let deploying: Vec<u64> = world.deployments.values().rev().skip(2).filter_map(|one| one.run).collect();
        for run in deploying {
            world.runs.remove(&run);
        }
    }
    let json = afar.audit(state.to_str().unwrap(), &["--format", "json"]).await;
    let whole: Value = serde_json::from_str(&json.out).unwrap();
    let outcomes: Vec<&str> = whole["deployments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["verdict"]["outcome"].as_str().unwrap())
        .collect();
    assert!(!outcomes.contains(&"allow"), "{outcomes:?}");
    let said = whole["deployments"].to_string();
    assert!(said.contains("GitHub ties none to the deployment"), "{said}");
    // Without a repository, a token or a sensible date it is an error.
    let nowhere = afar.run(&["audit", "--repo", "acme/none", "--since", "2026-01-01"]).await;
    assert_eq!(nowhere.code, 1);
    let never = afar.run(&["audit", "--repo", "acme/shop", "--since", "soon"]).await;
    assert!(never.code == 1 && never.err.contains("`soon` is no date"), "{}", never.err);
}

/// What would have been said of each deployment, in order, after these steps without the rule.
async fn outcomes(world: Value, steps: &[Value]) -> Vec<(String, String)> {
    let mut scene = Scene::set(world).await;
    let afar = Afar::of(&scene.stage.world().lock());
    scene.play(json!({"protection": {"by": "cat", "environment_rule": "removed"}})).await;
    for step in steps {
        scene.play(step.clone()).await;
    }
    scene.rest().await;
    let state = scene.stage.directory().join("state");
    let said = afar.audit(state.to_str().unwrap(), &["--format", "json"]).await;
    let whole: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}{}", said.out, said.err));
    let told = |one: &Value| {
        let reasons = one["verdict"]["reasons"].as_array().unwrap().iter();
        let texts: Vec<&str> = reasons.map(|reason| reason["text"].as_str().unwrap()).collect();
        (one["verdict"]["outcome"].as_str().unwrap().to_owned(), texts.join("; "))
    };
    whole["deployments"].as_array().unwrap().iter().map(told).collect()
}

fn one_change() -> Vec<Value> {
    vec![
        json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}}),
        json!({"review": {"pr": 1, "by": "ben", "state": "approved"}}),
        json!({"merge": {"pr": 1, "by": "cat"}}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_was_not_allowed_is_the_same_release_once_more() {
    let accounts = json!({"ann": "write", "ben": "write", "cat": "admin", "dee": "write"});
    let mut steps = one_change();
    for by in ["ann", "dee", "ann"] {
        steps.extend([json!({"deploy": {"by": by}}), json!({"finish": {"state": "success"}})]);
    }
    let said = outcomes(json!({"accounts": accounts}), &steps).await;
    let said: Vec<&str> = said.iter().map(|(outcome, _)| outcome.as_str()).collect();
    // The third is a repeat of what was allowed: any person may do it.
    assert_eq!(said, ["deny", "allow", "allow"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_the_environment_tells_who_deployed_while_there_was_one_attempt() {
    let accounts = json!({"ann": "write", "ben": "write", "cat": "admin", "dee": "write"});
    let world = json!({"accounts": accounts, "environment": {"reviewers": ["dee"]}});
    let mut steps = one_change();
    steps.extend([
        json!({"deploy": {"via": "push"}}),
        json!({"approve_environment": {"by": "dee"}}),
        json!({"finish": {"state": "success"}}),
    ]);
    let said = outcomes(world.clone(), &steps).await;
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, "allow", "{said:?}");
    let (first, last) = (steps.len() - 1, json!({"finish": {"state": "failure"}}));
    steps[first] = last;
    steps.extend([
        json!({"rerun": {"by": "cat", "jobs": "all"}}),
        json!({"approve_environment": {"by": "dee"}}),
        json!({"finish": {"state": "success"}}),
    ]);
    let said = outcomes(world, &steps).await;
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, "undetermined", "{said:?}");
    assert!(said[0].1.contains("for which attempt of the run the environment was approved"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baseline_is_proposed_with_the_evidence_for_it() {
    let (mut scene, afar) = a_quarter().await;
    let first = scene.stage.world().lock().names["first"].clone();
    // A status posted by hand on a deployment that failed proves nothing.
    scene.play(json!({"deploy": {"by": "ben"}})).await;
    scene.play(json!({"finish": {"state": "failure"}})).await;
    scene.play(json!({"status": {"by": "ben", "state": "success"}})).await;
    let baseline = ["baseline", "--repo", "acme/shop", "--environment", "production"];
    let said = afar.run(&baseline).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let settings: toml::Table = said.out.parse().unwrap();
    let proposed = &settings["baseline"].as_array().unwrap()[0];
    assert_eq!(proposed["commit"].as_str(), Some(first.as_str()));
    assert_eq!(proposed["repository"].as_str(), Some("acme/shop"));
    assert!(said.out.starts_with("# The last deployment whose own job succeeded: deployment "), "{}", said.out);
    assert!(said.out.contains("by @cat (workflow_dispatch") && !said.out.contains("CAREFUL"), "{}", said.out);
    let json = afar.run(&[&baseline[..], &["--format", "json"]].concat()).await;
    let proposal: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&proposal["commit"], &proposal["on_production_line"]), (&json!(first), &json!(true)));
    let none = afar.run(&["baseline", "--repo", "acme/shop", "--environment", "staging"]).await;
    assert_eq!((none.code, none.out.as_str()), (4, ""));
}
