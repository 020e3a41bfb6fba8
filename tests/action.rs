//! The Action in real workflows, run by `act` on this machine, against the real service and the twin.
//!
//! Invariant: whatever the gate does not allow, the step behind it does not run. `act` comes from `.ci/install`; without it
//! these tests fail and say so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, dead_code)]

#[path = "it/scene.rs"]
mod scene;

use github_twin::auth::oidc::{Job, request_token};
use scene::{SERVICE, Scene};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

fn act() -> PathBuf {
    let act = Path::new(HERE).join("tests/action/tools/bin/act");
    assert!(act.exists(), "`{}` is missing: run `make install`", act.display());
    act
}

/// One job to run.
struct Workflow {
    folder: tempfile::TempDir,
    with: Vec<(&'static str, String)>,
    env: Vec<(&'static str, String)>,
    /// The Action's `release.sums`; with it, the program is not on the PATH.
    sums: Option<String>,
}

/// What came of it.
struct Ran {
    passed: bool,
    deployed: bool,
    /// What the step after the gate saw, whatever came of the gate.
    outcome: String,
    decision: String,
    log: String,
    folder: tempfile::TempDir,
}

impl Workflow {
    /// The latest run's job, as the runner would describe it.
    fn of(scene: &Scene) -> Self {
        let world = scene.stage.world().lock();
        let run = world.runs.values().next_back().unwrap();
        let attempt = run.attempts.len() as u64;
        let job = Job { run: run.id, attempt, environment: Some("production".to_owned()) };
        let env = vec![
            ("GITHUB_REPOSITORY", "acme/shop".to_owned()),
            // How `act` is told what the run is for.
            ("SHA_REF", run.head_sha.clone()),
            ("GITHUB_REPOSITORY_ID", world.upstream().unwrap().id.to_string()),
            ("GITHUB_RUN_ID", run.id.to_string()),
            ("GITHUB_RUN_ATTEMPT", attempt.to_string()),
            ("GITHUB_API_URL", world.url.clone()),
            ("GITHUB_GRAPHQL_URL", format!("{}/graphql", world.url)),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/_oidc/token", world.url)),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", request_token(&job)),
        ];
        let with = vec![
            ("server", scene.address("")),
            ("audience", "http://countersign.test".to_owned()),
            ("environment", "production".to_owned()),
            ("sha", run.head_sha.clone()),
        ];
        Self { folder: tempfile::tempdir().unwrap(), with, env, sums: None }
    }

    /// Without the program on the PATH: the Action has these sums, and fetches from there.
    fn fetching(mut self, sums: &str, from: &str) -> Self {
        self.sums = Some(sums.to_owned());
        self.with("releases", from)
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.with.retain(|(known, _)| *known != name);
        self.with.push((name, value.to_owned()));
        self
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.retain(|(known, _)| *known != name);
        self.env.push((name, value.to_owned()));
        self
    }

    /// Settings for a standalone gate.
    fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        self.with("config", path.to_str().unwrap())
    }

    async fn run(self) -> Ran {
        let place = self.folder.path().to_owned();
        let mut with = String::new();
        for (name, value) in &self.with {
            writeln!(with, "          {name}: {}", json!(value)).unwrap();
        }
        let workflow = format!(
            "on: workflow_dispatch\npermissions: {{}}\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    \
             permissions: {{id-token: write, contents: read}}\n    environment: production\n    steps:\n      \
             - id: gate\n        uses: countersign/countersign@v0\n        with:\n{with}      \
             - run: touch \"$PLACE/deployed\"\n      \
             - if: always()\n        run: printf '%s %s' \"$OUTCOME\" \"$DECISION\" >\"$PLACE/told\" && \
             cp \"$ATTESTATION\" \"$PLACE/attestation\" || true\n        env:\n          \
             OUTCOME: ${{{{ steps.gate.outputs.outcome }}}}\n          DECISION: ${{{{ steps.gate.outputs.decision-id }}}}\n          \
             ATTESTATION: ${{{{ steps.gate.outputs.attestation }}}}\n"
        );
        std::fs::create_dir_all(place.join(".github/workflows")).unwrap();
        std::fs::write(place.join(".github/workflows/deploy.yml"), workflow).unwrap();
        // A checkout, as far as `act` needs one.
        for git in
            [&["init", "-q"][..], &["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x", "--allow-empty"]]
        {
            assert!(Command::new("git").current_dir(&place).args(git).status().await.unwrap().success());
        }
        let mut act = runner(&place, "workflow_dispatch");
        let action = the_action(self.sums.as_deref());
        act.args(["--local-repository", &format!("countersign/countersign@v0={}", action.path().display())]);
        for (name, value) in &self.env {
            act.arg("--env").arg(format!("{name}={value}"));
        }
        if self.sums.is_none() {
            act.env("PATH", path_with_the_program());
        }
        let output = act.output().await.unwrap();
        let log = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let told = std::fs::read_to_string(place.join("told")).unwrap_or_default();
        let (outcome, decision) = told.split_once(' ').unwrap_or_default();
        Ran {
            passed: output.status.success(),
            deployed: place.join("deployed").exists(),
            outcome: outcome.to_owned(),
            decision: decision.to_owned(),
            log,
            folder: self.folder,
        }
    }
}

/// `act` in a folder, with nothing of this machine's.
fn runner(place: &Path, event: &str) -> Command {
    let mut act = Command::new(act());
    act.current_dir(place).args([event, "--bind", "-P", "ubuntu-latest=-self-hosted"]);
    act.args(["--cache-server-port", "0", "--no-cache-server", "-s", "GITHUB_TOKEN=unused"]);
    let evidence = place.join("countersign-evidence").display().to_string();
    for (name, value) in [("PLACE", &place.display().to_string()), ("GATE_EVIDENCE", &evidence)] {
        act.arg("--env").arg(format!("{name}={value}"));
    }
    act.env("HOME", place.join("home")).env("XDG_CACHE_HOME", place.join("cache")).env("DO_NOT_TRACK", "1");
    std::fs::create_dir_all(place.join("home")).unwrap();
    act.stdin(Stdio::null());
    act
}

fn path_with_the_program() -> String {
    format!("{}:{}", Path::new(SERVICE).parent().unwrap().display(), std::env::var("PATH").unwrap())
}

/// The Action alone: `act` copies all that lies beside it.
fn the_action(sums: Option<&str>) -> tempfile::TempDir {
    let action = tempfile::tempdir().unwrap();
    std::fs::create_dir(action.path().join("action")).unwrap();
    for file in ["action.yml", "action/program.sh"] {
        std::fs::copy(Path::new(HERE).join(file), action.path().join(file)).unwrap();
    }
    if let Some(sums) = sums {
        std::fs::write(action.path().join("action/release.sums"), sums).unwrap();
    }
    action
}

impl Ran {
    /// The step behind the gate did not run, and the job failed with this outcome.
    fn is_blocked(&self, outcome: &str) {
        assert!(!self.deployed && !self.passed, "{}", self.log);
        assert_eq!(self.outcome, outcome, "{}", self.log);
    }

    fn is_let_through(&self, outcome: &str) {
        assert!(self.deployed && self.passed, "{}", self.log);
        assert_eq!(self.outcome, outcome, "{}", self.log);
    }
}

fn world() -> Value {
    json!({"accounts": {"ann": "write", "ben": "write", "cat": "maintain", "dee": "write"}})
}

/// A change by ann, reviewed by ben, merged by cat; and a run by `deployer` whose job has begun.
async fn begun(deployer: &str) -> Scene {
    let mut scene = Scene::set(world()).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.play(json!({"review": {"pr": 1, "by": "ben", "state": "approved"}})).await;
    scene.play(json!({"merge": {"pr": 1, "by": "cat", "method": "squash"}})).await;
    run_by(&mut scene, deployer, 1).await;
    scene
}

/// A run whose job asks; what its own first request is told is not looked at.
async fn run_by(scene: &mut Scene, deployer: &str, attempt: u64) {
    scene.play(json!({"gate": {"by": deployer, "attempt": attempt}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_person_is_let_through_by_a_signed_answer() {
    let scene = begun("dee").await;
    let key = scene.text("/api/v1/ledger/key").await;
    let ran = Workflow::of(&scene).with("server-key", key.trim()).run().await;
    ran.is_let_through("allow");
    // The next job presents what this one was given, once.
    let again = Workflow::of(&scene).with("decision", &ran.decision).run().await;
    again.is_let_through("allow");
    Workflow::of(&scene).with("decision", &ran.decision).run().await.is_blocked("deny");
    // An answer that another key signed is none.
    let other = countersign_core::ledger::note::SigningKey::from_seed("countersign.local/ledger", [1; 32]).unwrap();
    let ran = Workflow::of(&scene).with("server-key", &other.verifying_key().to_string()).run().await;
    ran.is_blocked("error");
    assert!(ran.log.contains("not signed by"), "{}", ran.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_another_repository_is_told_nothing_though_its_token_is_real() {
    let scene = begun("dee").await;
    let (job, place) = {
        let mut world = scene.stage.world().lock();
        let job = world.job_of_a_fork("ann").unwrap();
        let fork = world.repositories.get(&world.runs_of_forks[&job.run].head_repository).unwrap().clone();
        (job, fork)
    };
    let of_fork = |repository: &str, id: u64| {
        Workflow::of(&scene)
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &request_token(&job))
            .env("GITHUB_RUN_ID", &job.run.to_string())
            .env("GITHUB_REPOSITORY", repository)
            .env("GITHUB_REPOSITORY_ID", &id.to_string())
    };
    let upstream = scene.stage.world().lock().upstream().unwrap().id;
    for asking in [of_fork(&place.full_name(), place.id), of_fork("acme/shop", upstream)] {
        let ran = asking.run().await;
        ran.is_blocked("error");
        assert!(ran.log.contains("the service has nothing to say to this run"), "{}", ran.log);
        assert!(ran.decision.is_empty() && !ran.log.contains("@ben"), "{}", ran.log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_author_is_blocked_and_told_why() {
    let scene = begun("ann").await;
    let ran = Workflow::of(&scene).run().await;
    ran.is_blocked("deny");
    assert!(ran.log.contains("deployer-is-author"), "{}", ran.log);
    let ran = Workflow::of(&scene).with("mode", "report").run().await;
    ran.is_let_through("deny");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_author_breaks_the_glass_and_says_so() {
    let scene = begun("ann").await;
    let break_glass = Workflow::of(&scene).with("break-glass-reason", "checkout is down").with("ticket", "INC-7");
    let ran = break_glass.run().await;
    ran.is_let_through("exception");
    assert!(ran.log.contains("Let through by an exception, although: @ann contributed to #1"), "{}", ran.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_re_run_by_the_author_is_blocked_with_the_decision_of_the_first_attempt() {
    let mut scene = begun("dee").await;
    let first = Workflow::of(&scene).run().await;
    first.is_let_through("allow");
    run_by(&mut scene, "ann", 2).await;
    Workflow::of(&scene).run().await.is_blocked("deny");
    Workflow::of(&scene).with("decision", &first.decision).run().await.is_blocked("deny");
    // Nor does it help to say that it is the first attempt still.
    let lied = Workflow::of(&scene).env("GITHUB_RUN_ATTEMPT", "1").run().await;
    lied.is_blocked("error");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_blocks() {
    let mut scene = begun("dee").await;
    let ran = Workflow::of(&scene).env("GITHUB_REPOSITORY_ID", "424242").run().await;
    ran.is_blocked("error");
    let ran = Workflow::of(&scene).with("environment", "staging").run().await;
    ran.is_blocked("error");
    let ran = Workflow::of(&scene).with("sha", &"4f".repeat(20)).run().await;
    ran.is_blocked("deny");
    let ran = Workflow::of(&scene).with("break-glass-reason", "checkout is down").run().await;
    ran.is_blocked("error");
    assert!(ran.log.contains("an exception needs a reason and a ticket"), "{}", ran.log);
    let ran = Workflow::of(&scene).env("ACTIONS_ID_TOKEN_REQUEST_URL", "").run().await;
    ran.is_blocked("error");
    assert!(ran.log.contains("id-token: write"), "{}", ran.log);
    let ran = Workflow::of(&scene)
        .with("environment", "$(touch deployed)`touch deployed`\n\"; touch deployed; \"")
        .run()
        .await;
    ran.is_blocked("error");
    let down = Workflow::of(&scene);
    scene.play(json!({"service": "stop"})).await;
    down.run().await.is_blocked("error");
    scene.play(json!({"service": "start"})).await;
    let reported = Workflow::of(&scene).with("mode", "report").with("server", "http://127.0.0.1:9").run().await;
    reported.is_let_through("error");
}

/// Files below one address, as releases are published.
async fn published(files: &[(&'static str, Vec<u8>)]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut releases = axum::Router::new();
    for (path, bytes) in files {
        let bytes = bytes.clone();
        releases = releases.route(path, axum::routing::get(move || async move { bytes }));
    }
    tokio::spawn(async move { axum::serve(listener, releases).await.unwrap() });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_is_fetched_where_it_is_missing_and_only_as_the_sums_name_it() {
    let scene = begun("dee").await;
    let program = std::fs::read(SERVICE).unwrap();
    let sum = hex::encode(Sha256::digest(&program));
    let arch = if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" };
    let sums = format!("{sum}  countersign-v1.2.3-Linux-{arch}\n{}  countersign-v1.2.3-macOS-ARM64\n", "00".repeat(32));
    let mut other = program.clone();
    other.push(0);
    let path: &'static str = Box::leak(format!("/v1.2.3/countersign-v1.2.3-Linux-{arch}").into_boxed_str());
    let good = published(&[(path, program)]).await;
    let ran = Workflow::of(&scene).fetching(&sums, &good).run().await;
    ran.is_let_through("allow");
    for (sums, from, why) in [
        (sums.as_str(), published(&[(path, other)]).await, "its SHA-256 differs"),
        (sums.as_str(), published(&[]).await, "the release v1.2.3 could not be fetched"),
        (sums.as_str(), "http://192.0.2.1".to_owned(), "releases are fetched over https only"),
        ("", good, "there is no release for Linux on"),
    ] {
        let ran = Workflow::of(&scene).fetching(sums, &from).run().await;
        ran.is_blocked("error");
        assert!(ran.log.contains(why), "{why}: {}", ran.log);
    }
}

/// The examples that users paste, as they are but for the address of the service, whose settings name it otherwise.
struct Example {
    folder: tempfile::TempDir,
    /// Where the job's folder is, a clone of the repository.
    place: PathBuf,
}

impl Example {
    async fn of(scene: &Scene, names: &[&str]) -> Self {
        let (commit, from) = {
            let world = scene.stage.world().lock();
            let token =
                github_twin::auth::mint(&world.installation, world.installation.permissions.clone(), i64::MAX / 2).0;
            let from = world.url.replacen("http://", &format!("http://x-access-token:{token}@"), 1);
            (world.runs.values().next_back().unwrap().head_sha.clone(), format!("{from}/acme/shop.git"))
        };
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("shop");
        for git in [
            vec!["clone", "-q", "--no-checkout", &from, place.to_str().unwrap()],
            vec!["-C", place.to_str().unwrap(), "checkout", "-q", "--detach", &commit],
        ] {
            assert!(Command::new("git").args(git).status().await.unwrap().success());
        }
        std::fs::create_dir_all(place.join(".github/workflows")).unwrap();
        for name in names {
            let text = std::fs::read_to_string(Path::new(HERE).join("examples/workflows").join(name)).unwrap();
            let server = format!("server: {}\n          audience: http://countersign.test", scene.address(""));
            let text = text.replace("server: https://countersign.example.com", &server);
            std::fs::write(place.join(".github/workflows").join(name), text).unwrap();
        }
        let this = Self { folder, place };
        this.script("deploy.sh", "touch \"$PLACE/deployed\"")
            .script("build.sh", "printf 'the artifact of %s' \"$(git rev-parse HEAD)\" >\"$1\"")
            .script("prepare.sh", "true")
    }

    fn script(self, name: &str, line: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.place.join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{line}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    async fn play(&self, scene: &Scene, name: &str, event: &str) -> (bool, bool, String) {
        let action = the_action(None);
        let mut act = runner(&self.place, event);
        act.args(["--no-skip-checkout", "-W", &format!(".github/workflows/{name}")]);
        let ours = format!("countersign/countersign@{}={}", "0".repeat(40), action.path().display());
        act.args(["--local-repository", &ours, "--var"]);
        act.arg(format!("COUNTERSIGN_KEY={}", scene.text("/api/v1/ledger/key").await.trim()));
        // What fetches the clone and carries artifacts from job to job is not reached from here: others do the same by copying.
        let workflows = std::fs::read_dir(self.place.join(".github/workflows")).unwrap();
        let text: String = workflows.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        for (action, does) in [
            ("actions/checkout@", "cp -a \"$PLACE/.git\" \"$PLACE\"/*.sh ."),
            ("actions/upload-artifact@", "cp shop.tar \"$PLACE/kept\""),
            ("actions/download-artifact@", "cp \"$PLACE/kept\" shop.tar"),
        ] {
            let Some(commit) = text.split(action).nth(1).map(|rest| &rest[..40]) else { continue };
            let stand_in = self.folder.path().join(action.replace('/', "-"));
            std::fs::create_dir_all(&stand_in).unwrap();
            let does = json!({"runs": {"using": "composite", "steps": [{"run": does, "shell": "sh"}]}});
            std::fs::write(stand_in.join("action.yml"), does.to_string()).unwrap();
            act.args(["--local-repository", &format!("{action}{commit}={}", stand_in.display())]);
        }
        for (name, value) in Workflow::of(scene).env {
            act.arg("--env").arg(format!("{name}={value}"));
        }
        act.env("PATH", path_with_the_program());
        let output = act.output().await.unwrap();
        let log = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), self.place.join("deployed").exists(), log)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_deploy_what_may_go_and_nothing_else() {
    let (good, bad) = (begun("dee").await, begun("ann").await);
    for (names, event) in [
        (&["gate.yml"][..], "workflow_dispatch"),
        (&["both.yml"], "push"),
        (&["second-look.yml"], "release"),
        (&["calls-reusable.yml", "reusable-deploy.yml"], "workflow_dispatch"),
    ] {
        let (passed, deployed, log) = Example::of(&good, names).await.play(&good, names[0], event).await;
        assert!(passed && deployed, "{}: {log}", names[0]);
        let (passed, deployed, log) = Example::of(&bad, names).await.play(&bad, names[0], event).await;
        assert!(!passed && !deployed && log.contains("deployer-is-author"), "{}: {log}", names[0]);
    }
    // Where the rule alone is the control, the job holds nothing back: GitHub never starts it.
    let (passed, deployed, log) = Example::of(&good, &["protection-rule.yml"])
        .await
        .play(&good, "protection-rule.yml", "workflow_dispatch")
        .await;
    assert!(passed && deployed, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_between_the_first_look_and_the_second_is_not_deployed() {
    let scene = begun("dee").await;
    for (swap, why) in [
        ("printf 'something else' >shop.tar", "decision-spent"),
        ("git -c user.name=x -c user.email=x commit -q --allow-empty -m 'something else'", "commit-mismatch"),
    ] {
        let example = Example::of(&scene, &["second-look.yml"]).await.script("prepare.sh", swap);
        let (passed, deployed, log) = example.play(&scene, "second-look.yml", "release").await;
        assert!(!passed && !deployed && log.contains(why), "{swap}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_an_approval_and_goes() {
    let mut world = world();
    world["environment"] = json!({"reviewers": ["dee"]});
    let mut scene = Scene::set(world).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.play(json!({"review": {"pr": 1, "by": "ben", "state": "approved"}})).await;
    scene.play(json!({"merge": {"pr": 1, "by": "cat", "method": "squash"}})).await;
    scene.play(json!({"deploy": {"via": "schedule", "by": "cat"}})).await;
    Workflow::of(&scene).run().await.is_blocked("pending");
    let waiting = tokio::spawn(Workflow::of(&scene).with("wait-minutes", "1").run());
    // The service is asked once more by the job that waits; only then is there an approval.
    scene
        .until("the job asks", |world| {
            world.calls.iter().filter(|call| call.path.contains("/_oidc/token")).count() >= 2
        })
        .await;
    scene.play(json!({"approve_environment": {"by": "dee"}})).await;
    waiting.await.unwrap().is_let_through("allow");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_service_the_policy_judges_here_and_leaves_its_evidence() {
    let scene = begun("dee").await;
    let (token, base) = {
        let world = scene.stage.world().lock();
        let permissions = world.installation.permissions.clone();
        (github_twin::auth::mint(&world.installation, permissions, i64::MAX / 2).0, world.resolve("base").unwrap())
    };
    let settings = format!(
        "[[scope]]\nrepositories = [\"acme/*\"]\n\n[[baseline]]\nrepository = \"acme/shop\"\nenvironment = \"production\"\n\
         commit = \"{base}\"\n"
    );
    let alone =
        |scene: &Scene| Workflow::of(scene).with("audience", "").with("standalone", "true").with("token", &token);
    let ran = alone(&scene).file("countersign.toml", &settings).run().await;
    ran.is_let_through("allow");
    for file in ["facts.json", "verdict.json", "policies.json"] {
        let text = std::fs::read_to_string(ran.folder.path().join("countersign-evidence").join(file)).unwrap();
        assert!(serde_json::from_str::<Value>(&text).unwrap().is_object(), "{file}");
    }
    let ran = alone(&scene).run().await;
    ran.is_blocked("deny");
    assert!(ran.log.contains("baseline-missing"), "{}", ran.log);
    // Whoever relies on what only a service can answer to is told, and not let through without it.
    let ran = alone(&scene).file("countersign.toml", &settings).with("decision", "0123").run().await;
    ran.is_blocked("error");
    assert!(ran.log.contains("no service that could answer to `decision`"), "{}", ran.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_deployment_is_attested_for_readers_who_know_nothing_of_us() {
    let scene = begun("dee").await;
    let digest = format!("sha256:{}", "ab".repeat(32));
    let ran = Workflow::of(&scene).with("digest", &digest).run().await;
    ran.is_let_through("allow");
    let key = scene.text("/api/v1/ledger/key").await;
    for envelope in [
        std::fs::read_to_string(ran.folder.path().join("attestation")).expect(&ran.log),
        scene.text(&format!("/api/v1/decisions/{}/attestation", ran.decision)).await,
    ] {
        let statement = checked(key.trim(), &envelope).await.unwrap();
        assert_eq!(statement["predicate"]["verificationResult"], "PASSED");
        assert_eq!(statement["predicate"]["verifiedLevels"], json!(["SOD_AUTHOR_REVIEWER_DEPLOYER_DISTINCT"]));
        // The commit and the artifact, which is on record with the decision.
        assert_eq!(statement["subject"].as_array().unwrap().len(), 2);
        let mut forged: Value = serde_json::from_str(&envelope).unwrap();
        forged["payload"] = json!("e30=");
        assert!(checked(key.trim(), &forged.to_string()).await.is_none(), "a broken envelope must be refused");
    }
    let denied = begun("ann").await;
    let run = Workflow::of(&denied).run().await;
    run.is_blocked("deny");
    let none = denied.get(&format!("/api/v1/decisions/{}/attestation", run.decision)).await;
    assert_eq!(none.status().as_u16(), 404);
}

/// The statement in an envelope, as securesystemslib checks it with the ledger's key.
async fn checked(key: &str, envelope: &str) -> Option<Value> {
    let script = "import base64, json, sys\n\
        from securesystemslib.dsse import Envelope\n\
        from securesystemslib.signer import SSlibKey\n\
        name, hash_, key = sys.argv[1].split('+', 2)\n\
        public = base64.b64decode(key)[1:].hex()\n\
        key = SSlibKey(f'{name}+{hash_}', 'ed25519', 'ed25519', {'public': public})\n\
        envelope = Envelope.from_dict(json.loads(sys.argv[2]))\n\
        envelope.verify([key], 1)\n\
        sys.stdout.write(envelope.payload.decode())\n";
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", Path::new(HERE).join("tests/action/tools")).args(["-c", script, key, envelope]);
    let output = python.output().await.unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}
