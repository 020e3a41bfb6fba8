//! `countersign gate`: what the Action runs before a deployment, in the job that deploys.
//!
//! Invariant: it ends with 0 only where the service (or, standalone, the policy) allowed this very repository, environment,
//! commit, run and attempt, or where the mode is `report`. Every error, time-out and unknown answer is no allow.
//!
//! [`told`] reads the service's answer, `standalone` judges without one, `runner` is where the job's context comes from
//! and what the runner is told.

mod runner;
mod standalone;
pub mod told;

use super::Exit;
use crate::github::client::millis;
use crate::github::web::{Web, is_safe};
use crate::settings::SettingsError;
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use runner::{Context, Say};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
use told::{Expected, Told};

/// How long one request waits at the service.
const ONE_WAIT: Duration = Duration::from_secs(45);
/// How long a connection may be quiet: longer than a request waits.
const PATIENCE: Duration = Duration::from_secs(90);
/// The rest before the service is asked again after it did not answer.
const REST: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(super) struct Gate {
    /// The service.
    #[arg(long, value_name = "URL", env = "GATE_SERVER")]
    server: Option<String>,
    /// The service's key, as `GET /api/v1/ledger/key` gives it; without it the connection alone vouches for the answer.
    #[arg(long, value_name = "VKEY", env = "GATE_SERVER_KEY")]
    server_key: Option<String>,
    /// The environment that this job deploys to.
    #[arg(long, value_name = "NAME", env = "GATE_ENVIRONMENT")]
    environment: String,
    /// The commit that is about to be deployed; default: what is checked out here, else the run's.
    #[arg(long, value_name = "COMMIT", env = "GATE_SHA")]
    sha: Option<String>,
    /// The artifact that is about to be deployed: the decision holds for it alone.
    #[arg(long, value_name = "sha256:HEX", env = "GATE_DIGEST")]
    digest: Option<String>,
    /// A decision this job was given before, to be used up now.
    #[arg(long, value_name = "ID", env = "GATE_DECISION")]
    decision: Option<String>,
    /// `report` says what it would have said and never blocks.
    #[arg(long, value_enum, default_value = "enforce", env = "GATE_MODE")]
    mode: Mode,
    /// Judge here, with `GITHUB_TOKEN` and no service, and leave the evidence as files.
    #[arg(long, env = "GATE_STANDALONE")]
    standalone: bool,
    /// The settings of a standalone gate: scope, baseline, people.
    #[arg(long, value_name = "FILE", env = "GATE_CONFIG")]
    config: Option<String>,
    /// Where a standalone gate leaves its evidence.
    #[arg(long, value_name = "DIR", default_value = "countersign-evidence", env = "GATE_EVIDENCE")]
    evidence: PathBuf,
    /// The ticket of an exception.
    #[arg(long, value_name = "TICKET", env = "GATE_TICKET")]
    ticket: Option<String>,
    /// Ask for an exception, for this reason.
    #[arg(long, value_name = "TEXT", env = "GATE_BREAK_GLASS_REASON")]
    break_glass_reason: Option<String>,
    /// How long to wait for what is still to come.
    #[arg(long, value_name = "MINUTES", default_value_t = 0, env = "GATE_WAIT_MINUTES")]
    wait_minutes: u64,
    /// For whom the run's token is made, as `[oidc] audience` of the service says; default: the service's address.
    #[arg(long, value_name = "AUDIENCE", env = "GATE_AUDIENCE")]
    audience: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Enforce,
    Report,
}

/// An input that was left empty was not given.
fn given(value: Option<&String>) -> Option<String> {
    value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

impl Gate {
    /// What was given and means nothing without a service: whoever relies on it is told.
    fn unheard(&self) -> Option<&'static str> {
        let inputs = [
            ("server-key", self.server_key.as_ref()),
            ("audience", self.audience.as_ref()),
            ("digest", self.digest.as_ref()),
            ("decision", self.decision.as_ref()),
            ("ticket", self.ticket.as_ref()),
            ("break-glass-reason", self.break_glass_reason.as_ref()),
        ];
        let unheard = inputs.into_iter().find(|(_, value)| given(*value).is_some()).map(|(name, _)| name);
        unheard.or((self.wait_minutes > 0).then_some("wait-minutes"))
    }
}

pub(super) fn gate(gate: &Gate) -> anyhow::Result<Exit> {
    let outcome = super::runtime()?.block_on(judge(gate));
    let said = match &outcome {
        Ok(told) => Say::of(told),
        Err(error) => Say::error(&format!("{error:#}")),
    };
    runner::tell(&said, gate.mode == Mode::Report);
    Ok(match gate.mode {
        Mode::Report => Exit::Done,
        Mode::Enforce => match &outcome {
            Err(error) if error.is::<SettingsError>() => Exit::Invalid,
            _ => said.exit(),
        },
    })
}

async fn judge(gate: &Gate) -> anyhow::Result<Told> {
    let context = Context::read(given(gate.sha.as_ref()))?;
    if gate.standalone {
        if let Some(unheard) = gate.unheard() {
            bail!("a standalone gate has no service that could answer to `{unheard}`");
        }
        let config = given(gate.config.as_ref()).map(PathBuf::from);
        return standalone::judge(&context, &gate.environment, config.as_deref(), &gate.evidence).await;
    }
    let Some(server) = given(gate.server.as_ref()) else { bail!("no service: give `server`, or `standalone`") };
    if !is_safe(&server) {
        bail!("`{server}` is no https address: whoever listens on the way could ask in this run's name");
    }
    let service = Service {
        web: Web::new(PATIENCE)?,
        audience: given(gate.audience.as_ref()).unwrap_or_else(|| server.trim_end_matches('/').to_owned()),
        address: format!("{}/api/v1/gate", server.trim_end_matches('/')),
        context,
    };
    let longest = Duration::from_mins(gate.wait_minutes.saturating_add(3));
    tokio::time::timeout(longest, service.ask_until_told(gate)).await.context("the service did not answer in time")?
}

/// The service, as this job reaches it.
struct Service {
    web: Web,
    address: String,
    audience: String,
    context: Context,
}

/// What came of one request.
enum Asked {
    Told(Told),
    /// It may be answered later.
    NotNow(String),
}

impl Service {
    async fn ask_until_told(&self, gate: &Gate) -> anyhow::Result<Told> {
        let until = Instant::now() + Duration::from_mins(gate.wait_minutes);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let asked = self.ask(gate, left.min(ONE_WAIT)).await?;
            let over = Instant::now() >= until;
            match asked {
                Asked::Told(told) if over || !told.may_change() => return Ok(told),
                Asked::NotNow(why) if over => bail!("{why}"),
                // What is told after the wait was pending all along.
                Asked::Told(_) | Asked::NotNow(_) => tokio::time::sleep(REST.min(left)).await,
            }
        }
    }

    async fn ask(&self, gate: &Gate, wait: Duration) -> anyhow::Result<Asked> {
        let token = match self.token().await {
            Ok(token) => token,
            Err(error) => return Ok(Asked::NotNow(format!("{error:#}"))),
        };
        let nonce = hex::encode(rand::random::<[u8; 16]>());
        let digest = given(gate.digest.as_ref());
        let mut body = json!({
            "environment": gate.environment, "sha": self.context.commit, "nonce": nonce, "wait_seconds": wait.as_secs(),
        });
        if let Some(fields) = body.as_object_mut() {
            let optional = [("digest", digest.clone()), ("decision", given(gate.decision.as_ref()))];
            fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
            if let Some(reason) = given(gate.break_glass_reason.as_ref()) {
                fields.insert("exception".to_owned(), json!({"reason": reason, "ticket": given(gate.ticket.as_ref())}));
            }
        }
        let (status, answer) = match self.web.ask("POST", &self.address, Some(&token), Some(&body)).await {
            Ok(answered) => answered,
            Err(error) => return Ok(Asked::NotNow(format!("the service does not answer: {error}"))),
        };
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let detail = answer.get("detail").and_then(Value::as_str).filter(|detail| !detail.is_empty());
        match status {
            200 => {}
            429 | 500..=599 => return Ok(Asked::NotNow(format!("the service cannot answer now ({status})"))),
            401 => bail!(
                "the service does not accept this run's token: compare its `[oidc]` settings with `{}`",
                self.audience
            ),
            403 => bail!(
                "the service has nothing to say to this run: the environment is in none of its scopes, or the run is over"
            ),
            _ => bail!("the service refused ({status}): {}", detail.unwrap_or("no reason given")),
        }
        let expected = Expected {
            repository: &self.context.repository_id,
            run: &self.context.run,
            attempt: &self.context.attempt,
            environment: &gate.environment,
            commit: &self.context.commit,
            digest: digest.as_deref(),
            nonce: &nonce,
            now: millis(SystemTime::now()) / 1_000,
        };
        Ok(Asked::Told(Told::read(&answer, given(gate.server_key.as_ref()).as_deref(), &expected)?))
    }

    /// A token of this run, made for the service; each is good for one request.
    async fn token(&self) -> anyhow::Result<String> {
        let (url, secret) = self.context.token_request()?;
        let joint = if url.contains('?') { '&' } else { '?' };
        let audience: String = self.audience.bytes().map(runner::percent).collect();
        let address = format!("{url}{joint}audience={audience}");
        let (status, body) =
            self.web.ask("GET", &address, Some(secret), None).await.context("no token for this run")?;
        if status != 200 {
            bail!("github gives no token for this run ({status})");
        }
        let answer: Value = serde_json::from_slice(&body).context("github's token cannot be read")?;
        answer.get("value").and_then(Value::as_str).map(str::to_owned).context("github's answer holds no token")
    }
}
