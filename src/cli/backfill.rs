//! `countersign backfill`: the population of a period from before the service was there, on the service's own ledger.
//!
//! Invariant: what is recorded is marked as judged afterwards, from what GitHub shows now; it allows nothing, starts no
//! release and answers for no attempt. Nothing that ended after the service first started is recorded so.

use super::Exit;
use super::afar::{Afar, As, Asked, walk};
use super::audit::{moment, planned};
use super::evidence::Format;
use crate::evaluation::{Afterwards, backfilled, entry};
use crate::github::{App, Client};
use crate::retrospective::{Inquiry, Journal, Retrospective};
use crate::store::{Recording, Store};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Debug, Args)]
pub(super) struct Backfill {
    /// The settings of the service whose ledger it is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The repository.
    #[arg(long, value_name = "OWNER/NAME")]
    repo: String,
    /// The environment.
    #[arg(long, value_name = "NAME", default_value = "production")]
    environment: String,
    /// From when on: a day (its beginning, UTC) or a moment, RFC 3339.
    #[arg(long, value_name = "DATE")]
    since: String,
    /// Before when; without it, until the service first started.
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// A token to read with; without it, the App's own.
    #[arg(long, value_name = "TOKEN", env = "GITHUB_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// How long to wait for GitHub's rate limit; beyond that, stop and say when to go on.
    #[arg(long, value_name = "MINUTES", default_value_t = 65)]
    max_wait: u64,
    /// How to say what was done.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Serialize, Default)]
struct Done {
    recorded: u64,
    known: u64,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

pub(super) fn backfill(backfill: &Backfill) -> anyhow::Result<Exit> {
    super::runtime()?.block_on(record(backfill))
}

async fn record(backfill: &Backfill) -> anyhow::Result<Exit> {
    let settings = super::settings(backfill.config.as_deref())?;
    let store = Store::attach(&settings.storage.url).await.context("the database cannot be opened")?;
    let started = store.first_started().await?;
    let Some(started) = started else {
        bail!("the service has not started yet: start it once, so that it is known what came before");
    };
    let started = OffsetDateTime::parse(&started, &Rfc3339).context("the first start has no time")?;
    let since = moment(&backfill.since)?;
    let until = backfill.until.as_deref().map(moment).transpose()?.unwrap_or(started).min(started);
    ensure!(since < until, "the period begins after the service first started: what happened since is on record");
    let client = if let Some(token) = &backfill.token {
        Client::with_token(&settings.github, token.clone())?
    } else {
        let client = Client::new(&settings.github, Arc::new(App::load(&settings.github)?))?;
        let path = format!("/repos/{}/installation", backfill.repo);
        let installation: Installation =
            client.for_app().get(&path).await.context("the App does not see the repository")?;
        // Before the App was there only the check suites of GitHub Actions tell who pushed.
        client.for_installation(installation.id).by_suites_of_actions()
    };
    let asked = Asked {
        repository: &backfill.repo,
        environment: &backfill.environment,
        as_whom: As::Client { client, pins: &store },
        config: backfill.config.as_deref(),
    };
    let afar = Afar::open(asked).await?;
    let look = afar.look();
    let terms = afar.terms(&look)?;
    let inquiry = Inquiry {
        repository: afar.repository.full_name.clone(),
        environment: backfill.environment.clone(),
        since,
        until,
    };
    let journal = Journal::open(&afar.scratch_file("backfill.jsonl"), "backfill")?;
    let mut work = Retrospective::begin(&look, terms, &inquiry, journal).await?;
    eprintln!("{}", planned(work.plan(), None));
    let mut done = Done::default();
    let patience = Duration::from_mins(backfill.max_wait);
    let under = afar.settings.digest();
    let later = walk(&mut work, &afar.client, patience, async |judgement| {
        let of = Afterwards {
            deployment: judgement.judged.deployment,
            conclusion: judgement.judged.conclusion.as_deref(),
            ended_at: judgement.judged.at,
            facts: &judgement.facts,
            verdict: &judgement.judged.verdict,
            policies: &judgement.policies,
        };
        let (body, policy) = backfilled(&of, &under.0);
        let recording = Recording { entry: entry(body), policy, settings: under.clone() };
        let fresh = store.backfill(recording).await?;
        *(if fresh { &mut done.recorded } else { &mut done.known }) += 1;
        Ok(())
    })
    .await?;
    match backfill.format {
        Format::Json => say!("{}", serde_json::to_string(&done)?),
        Format::Human => {
            say!("{} deployments recorded as judged afterwards, {} were on record already", done.recorded, done.known);
        }
    }
    if let Some(until) = later {
        eprintln!("GitHub allows no more calls before {until}: run the same again then; what is on record stays");
        return Ok(Exit::Pending);
    }
    Ok(Exit::Done)
}
