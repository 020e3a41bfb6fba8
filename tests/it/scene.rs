//! A scene: a world of GitHub, the real service beside it, and somebody who knocks at its doors.
//!
//! Invariant: nothing here waits for a time to pass; it waits for the service to come to rest, or for something to be
//! seen, and gives up at a deadline. Steps are written as stories write them (`tests/github-twin/src/story/step.rs`).

use github_twin::delivery::sign;
use github_twin::model::{Call, World};
use github_twin::runner::{AppKey, Stage};
use github_twin::story::WorldSpec;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The service's binary.
pub const SERVICE: &str = env!("CARGO_BIN_EXE_countersign");

/// How long something may take to be seen.
const DEADLINE: Duration = Duration::from_secs(20);

pub struct Scene {
    pub stage: Stage,
    pub http: reqwest::Client,
}

/// A request to the webhooks' door, as GitHub makes it until something is changed.
pub struct Knock {
    pub event: Vec<u8>,
    pub delivery: Vec<u8>,
    pub signature: Option<String>,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Knock {
    pub fn new(event: &str, delivery: &str, body: impl Into<Vec<u8>>, secret: &str) -> Self {
        let body = body.into();
        let signature = Some(sign(secret, &body));
        Self { event: event.into(), delivery: delivery.into(), signature, headers: Vec::new(), body }
    }
}

impl Scene {
    /// Sets the stage for a world as stories describe it.
    pub async fn set(world: Value) -> Self {
        static KEY: OnceLock<AppKey> = OnceLock::new();
        let key = KEY.get_or_init(|| AppKey::generate().unwrap());
        let spec: WorldSpec = serde_json::from_value(world).unwrap();
        let stage = Stage::set(&spec, Path::new(SERVICE), key).await.unwrap();
        Self { stage, http: reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().unwrap() }
    }

    /// Plays a step of a story.
    pub async fn play(&mut self, step: Value) {
        let played = self.stage.step(&serde_json::from_value(step.clone()).unwrap()).await;
        if let Err(why) = played {
            panic!("{step}: {why}\n{}", self.log());
        }
    }

    /// Waits until nothing is left to do.
    pub async fn rest(&mut self) {
        if let Err(why) = self.stage.rest().await {
            panic!("{why}\n{}", self.log());
        }
    }

    /// Waits until something is seen in the world.
    pub async fn until(&self, what: &str, seen: impl Fn(&World) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !seen(&self.stage.world().lock()) {
            assert!(Instant::now() < deadline, "not seen: {what}\n{}", self.log());
            tokio::task::yield_now().await;
        }
    }

    /// The end of the service's log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.stage.directory().join("service.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Fails where the service has panicked anywhere.
    pub fn is_unharmed(&self) {
        let text = std::fs::read_to_string(self.stage.directory().join("service.log")).unwrap();
        let harm: Vec<&str> = text.lines().filter(|line| line.contains("panicked")).collect();
        assert!(harm.is_empty(), "{}", harm.join("\n"));
    }

    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.stage.service_url().unwrap())
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.address(path)).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    pub async fn text(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.text().await.unwrap()
    }

    /// Knocks, and says the status.
    pub async fn knock(&self, knock: Knock) -> u16 {
        let value = |bytes: &[u8]| reqwest::header::HeaderValue::from_bytes(bytes).unwrap();
        let mut request = self.http.post(self.address("/webhooks/github")).header("content-type", "application/json");
        if !knock.event.is_empty() {
            request = request.header("x-github-event", value(&knock.event));
        }
        if !knock.delivery.is_empty() {
            request = request.header("x-github-delivery", value(&knock.delivery));
        }
        if let Some(signature) = knock.signature {
            request = request.header("x-hub-signature-256", signature);
        }
        for (name, value) in knock.headers {
            request = request.header(name, value);
        }
        request.body(knock.body).send().await.unwrap().status().as_u16()
    }

    /// One of the service's counters, all its labels together.
    pub async fn counted(&self, name: &str) -> f64 {
        let text = self.text("/metrics").await;
        let of = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            (series.split('{').next() == Some(name) && !line.starts_with('#')).then(|| value.parse::<f64>().unwrap())
        };
        text.lines().filter_map(of).sum()
    }

    /// The service's database, to read.
    pub async fn database(&self) -> SqliteConnection {
        let file = self.stage.directory().join("countersign.sqlite");
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// A number that a query of the service's database gives.
    pub async fn number(&self, query: &'static str) -> i64 {
        sqlx::query(query).fetch_one(&mut self.database().await).await.unwrap().get(0)
    }

    /// The calls to GitHub so far.
    pub fn calls(&self) -> Vec<Call> {
        self.stage.world().lock().calls.clone()
    }

    /// What must not change where nothing happens: entries, decisions, evaluations, rows, calls, writes.
    pub async fn trace(&self) -> [i64; 6] {
        #[allow(clippy::cast_possible_truncation)]
        let evaluations = self.counted("countersign_evaluations_total").await as i64;
        let (calls, writes) = {
            let world = self.stage.world().lock();
            (i64::try_from(world.calls.len()).unwrap(), i64::try_from(world.writes.len()).unwrap())
        };
        [
            self.number("SELECT COUNT(*) FROM entries").await,
            self.number("SELECT COUNT(*) FROM decisions").await,
            evaluations,
            self.number("SELECT COUNT(*) FROM inbox").await,
            calls,
            writes,
        ]
    }
}
