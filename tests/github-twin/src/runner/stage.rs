//! One stage: a fresh world that listens, the real service beside it, and the steps of a story played on both.
//!
//! Invariant: before a step that depends on what the service says, all deliveries are sent and its inbox is empty.

use super::expect;
use super::gate::LastGate;
use super::service::{AppKey, Service, config, log};
use super::settings::settings;
use crate::model::{AccountId, Shared, World};
use crate::server::Serving;
use crate::steps::StepError;
use crate::story::{ServiceAct, Step, WorldSpec};
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the service may take to come to rest.
const REST: Duration = Duration::from_mins(1);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(3);
/// The webhook secret.
const SECRET: &str = "a secret that only stories know";

/// A world and a service that belong together.
#[derive(Debug)]
pub struct Stage {
    pub(super) world: Shared,
    pub(super) client: reqwest::Client,
    pub(super) service: Option<Service>,
    pub(super) binary: PathBuf,
    pub(super) exports: u32,
    pub(super) gate: Option<LastGate>,
    /// What accounts were called when the settings were written: their tokens bear these names.
    pub(super) first_logins: BTreeMap<AccountId, String>,
    directory: TempDir,
    _serving: Serving,
}

impl Stage {
    /// Builds the world, starts the twin and then the service.
    pub async fn set(spec: &WorldSpec, binary: &Path, key: &AppKey) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("countersign-story-").tempdir()?;
        let place = directory.path().to_owned();
        let mut world = World::build(spec, &place).context("the world")?;
        world.installation.public_key = Some(key.public.clone());
        SECRET.clone_into(&mut world.installation.webhook_secret);
        let serving = Serving::start(Shared::new(world), "127.0.0.1:0").await?;
        std::fs::write(place.join("app.pem"), &key.private)?;
        let text = settings(&serving.world.lock(), &spec.settings, &place);
        let first_logins = serving.world.lock().accounts.values().map(|it| (it.id, it.login.clone())).collect();
        std::fs::write(config(&place), text)?;
        let mut stage = Self {
            world: serving.world.clone(),
            client: reqwest::Client::builder().no_proxy().timeout(REST).build()?,
            service: None,
            binary: std::path::absolute(binary)?,
            exports: 0,
            gate: None,
            first_logins,
            directory,
            _serving: serving,
        };
        stage.start().await?;
        Ok(stage)
    }

    /// The world, for whoever shows it.
    pub fn world(&self) -> &Shared {
        &self.world
    }

    /// Where the service listens, while it runs.
    pub fn service_url(&self) -> Option<&str> {
        self.service.as_ref().map(|service| service.url.as_str())
    }

    /// The service's process, while it runs.
    pub fn service_process(&self) -> Option<u32> {
        self.service.as_ref().and_then(Service::process)
    }

    /// Where the settings, the database, the keys and the log lie.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the service answers at a path, where it answers with success.
    pub async fn read(&self, path: &str) -> Result<String, String> {
        let url = format!("{}{path}", self.url()?);
        let answer = self.client.get(url).send().await.map_err(|error| format!("{path}: {error}"))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("{path}: expected an answer, seen {status}"));
        }
        answer.text().await.map_err(|error| format!("{path}: {error}"))
    }

    /// Plays one step; the error says what was expected and what was seen.
    pub async fn step(&mut self, step: &Step) -> Result<(), String> {
        self.world.lock().end_webhook_plan();
        if matches!(step, Step::Expect(_)) {
            self.world.lock().release_webhooks();
        }
        if waits_for_rest(step) {
            self.rest().await?;
        }
        if !matches!(step, Step::Webhooks(_)) {
            self.world.lock().begin_webhook_plan();
        }
        match step {
            Step::Expect(expected) => expect::compare(self, expected).await,
            Step::Service(act) => self.service_step(*act).await,
            Step::Sweep(_) => self.sweep().await,
            Step::Gate(it) => self.gate_step(it).await,
            Step::Exception(it) => self.exception_step(it).await,
            Step::ReviewException(it) => self.review_exception_step(it).await,
            step => {
                let played = { self.world.lock().play(step) };
                match (played, step.refused()) {
                    (Ok(()), false) | (Err(StepError::Refused(_)), true) => Ok(()),
                    (Ok(()), true) => Err("expected a refusal, seen none".to_owned()),
                    (Err(error), _) => Err(error.to_string()),
                }
            }
        }
    }

    /// Waits until all deliveries are sent and the service has nothing left to do.
    pub async fn rest(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + REST;
        let mut last;
        loop {
            let before = self.deliveries(deadline).await?;
            last = self.unfinished().await?;
            let quiet = {
                let world = self.world.lock();
                world.all_delivered() && world.deliveries.len() == before
            };
            if quiet && last == 0.0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the service does not come to rest: {last} rows unfinished"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until all deliveries are sent, and says how many there are.
    async fn deliveries(&self, deadline: Instant) -> Result<usize, String> {
        loop {
            let sent = {
                let world = self.world.lock();
                world.all_delivered().then(|| world.deliveries.len())
            };
            if let Some(count) = sent {
                return Ok(count);
            }
            if Instant::now() > deadline {
                return Err("not all deliveries could be sent".to_owned());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How many rows of the inbox are unfinished; none, while the service is down.
    async fn unfinished(&mut self) -> Result<f64, String> {
        let Some(service) = &mut self.service else {
            return Ok(0.0);
        };
        if let Some(status) = service.ended() {
            return Err(format!("the service ended by itself: {status}"));
        }
        let url = format!("{}/metrics", service.url);
        let text = async { self.client.get(&url).send().await?.error_for_status()?.text().await };
        let text = text.await.map_err(|error| format!("/metrics: {error}"))?;
        let value = text.lines().find_map(|line| {
            let (name, value) = line.split_once(' ')?;
            (name == "countersign_inbox_unfinished").then(|| value.trim().parse().ok())?
        });
        value.ok_or_else(|| "/metrics does not show `countersign_inbox_unfinished`".to_owned())
    }

    async fn start(&mut self) -> anyhow::Result<()> {
        let service = Service::start(&self.binary, self.directory.path()).await?;
        self.world.lock().installation.webhook_url = Some(format!("{}/webhooks/github", service.url));
        self.service = Some(service);
        Ok(())
    }

    async fn service_step(&mut self, act: ServiceAct) -> Result<(), String> {
        self.deliveries(Instant::now() + REST).await?;
        let running = self.service.take();
        let done = match (act, running) {
            (ServiceAct::Start, None) => self.start().await,
            (ServiceAct::Kill, Some(service)) => service.kill().await.map(drop).map_err(Into::into),
            (ServiceAct::Stop, Some(service)) => service.stop().await.map(drop).map_err(Into::into),
            (ServiceAct::Start, running @ Some(_)) => {
                self.service = running;
                return Err("the service runs already".to_owned());
            }
            (ServiceAct::Kill | ServiceAct::Stop, None) => return Err("the service does not run".to_owned()),
        };
        done.map_err(|error| format!("{error:#}"))
    }

    async fn sweep(&mut self) -> Result<(), String> {
        let url = format!("{}/api/v1/sweep", self.url()?);
        let answer = self.client.post(url).send().await.map_err(|error| format!("/api/v1/sweep: {error}"))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("/api/v1/sweep: expected success, seen {status}")),
        }
    }

    pub(super) fn url(&self) -> Result<&str, String> {
        self.service_url().ok_or_else(|| "the service does not run".to_owned())
    }

    /// The calls that the twin refused, for whoever reads why a story failed.
    fn refused_calls(&self) -> String {
        let world = self.world.lock();
        let refused = world.calls.iter().filter(|call| call.status >= 400);
        let line = |call: &crate::model::Call| {
            let operation = call.operation.as_deref().unwrap_or_default();
            format!("\n  {} {} {} {operation}", call.status, call.method, call.path)
        };
        let lines: Vec<String> = refused.map(line).collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().concat()
    }

    /// Keeps the directory beyond the runner's end, and shows the end of the service's log and the refused calls.
    pub(super) fn keep_for_reading(&mut self) -> String {
        self.directory.disable_cleanup(true);
        let place = log(self.directory.path());
        let text = std::fs::read_to_string(&place).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n  ");
        format!("\n  {}\n  {tail}{}", place.display(), self.refused_calls())
    }
}

/// Steps whose outcome depends on what the service has said by then.
fn waits_for_rest(step: &Step) -> bool {
    matches!(
        step,
        Step::Merge(_)
            | Step::Queue(_)
            | Step::Deploy(_)
            | Step::Gate(_)
            | Step::Exception(_)
            | Step::ReviewException(_)
            | Step::Expect(_)
            | Step::Finish(_)
            | Step::NextJob(_)
            | Step::Rerun(_)
            | Step::ApproveEnvironment(_)
            | Step::Sweep(_)
    )
}
