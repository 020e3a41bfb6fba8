//! `countersign serve`: the service.
//!
//! Invariant: it says that it listens only when the database is open, the keys are read and the policies are valid.

use super::Exit;
use crate::evaluation::{Evaluator, entry};
use crate::evidence::jobs::Jobs;
use crate::git::{Limits, Objects};
use crate::github::oidc::Oidc;
use crate::github::{App, Client};
use crate::heartbeat::Heartbeat;
use crate::http::bodies::Bodies;
use crate::http::gate::Gate;
use crate::http::listening::{Patience, listen};
use crate::http::{Doors, router};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::signing::Signer;
use crate::sweep::Sweep;
use crate::witness::Witnesses;
use crate::worker::Worker;
use anyhow::Context;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// How long the start waits for GitHub to say whose names the settings hold.
const NAMING: Duration = Duration::from_secs(2);

/// The folder for clones, beside the database; the working folder where the database is elsewhere.
fn beside(storage: &str) -> PathBuf {
    let file = storage.strip_prefix("sqlite://").map(|file| file.split('?').next().unwrap_or(file));
    file.and_then(|file| Path::new(file).parent()).unwrap_or(Path::new("")).join("countersign-git")
}

pub(super) fn serve(config: Option<&Path>) -> anyhow::Result<Exit> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(EnvFilter::try_from_env("COUNTERSIGN_LOG").unwrap_or_else(|_| EnvFilter::new("info")))
        .init();
    let settings = Arc::new(super::settings(config)?);
    super::runtime()?.block_on(run(settings))?;
    Ok(Exit::Done)
}

async fn run(settings: Arc<crate::settings::Settings>) -> anyhow::Result<()> {
    let store = Store::open(&settings.storage.url).await.context("the database cannot be opened")?;
    let signer = Arc::new(Signer::open(&settings.ledger, &store).await?);
    let app = Arc::new(App::load(&settings.github)?);
    let client = Client::new(&settings.github, app)?;
    let metrics = Arc::new(Metrics::default());
    let listener = TcpListener::bind(&settings.server.listen)
        .await
        .with_context(|| format!("`{}` cannot be listened on", settings.server.listen))?;
    let address = format!("http://{}", listener.local_addr()?);
    let public_url = match settings.server.public_url.trim_end_matches('/') {
        "" => address.clone(),
        url => url.to_owned(),
    };
    signer.take_over(&store, entry).await?;
    let heartbeat = Heartbeat::start(&store, &settings, signer.verifying_key()).await?;
    let beating = tokio::spawn(heartbeat.clone().beat());
    let objects = Objects::new(beside(&settings.storage.url), Limits::default());
    let audience = Some(&settings.oidc.audience).filter(|audience| !audience.is_empty()).unwrap_or(&public_url).clone();
    let oidc = Oidc::new(&settings.oidc, audience)?;
    let evaluator = Evaluator::new(store.clone(), client, objects, settings.clone(), public_url);
    let evaluator = Arc::new(evaluator);
    // A name means whoever bears it now. GitHub may be away: then it is settled at the first look.
    match tokio::time::timeout(NAMING, evaluator.pin_names()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the names in the settings cannot be looked up yet"),
        Err(_) => tracing::warn!("the names in the settings cannot be looked up in time"),
    }
    let worker = tokio::spawn(Worker::new(evaluator.clone(), metrics.clone()).run());
    let gate = Arc::new(Gate::new(oidc, evaluator.clone()));
    let sweep = Arc::new(Sweep::new(evaluator));
    let sweeping = tokio::spawn(sweep.clone().now_and_then());
    let witnesses = Arc::new(Witnesses::new(&settings.ledger)?);
    let watched =
        (!witnesses.is_empty()).then(|| tokio::spawn(witnesses.clone().now_and_then(store.clone(), signer.clone())));
    let stopped = stopped();
    // Whoever started us may be gone; the service goes on without an audience.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("listening on {address}\n").as_bytes());
    let exports = Arc::new(Jobs::open(&beside(&settings.storage.url).with_file_name("countersign-exports"))?);
    let patience = Patience {
        head: Duration::from_millis(settings.server.patience_ms),
        end: Duration::from_millis(settings.server.stop_ms),
    };
    let bodies = Bodies::new(patience.head);
    let doors = Doors { store, settings, metrics, signer, sweep, gate, exports, witnesses, bodies };
    listen(listener, router(doors), patience, async {
        stopped.await;
        // From here on nobody is heard: the service is not alive any more.
        beating.abort();
    })
    .await;
    // What was being looked at is looked at again after the next start.
    sweeping.abort();
    watched.inspect(tokio::task::JoinHandle::abort);
    worker.abort();
    heartbeat.stop().await?;
    Ok(())
}

/// Ends when somebody asks us to stop; from now on nobody who asks goes unheard.
fn stopped() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    async move {
        let interrupt = tokio::signal::ctrl_c();
        #[cfg(unix)]
        match terminate {
            Ok(mut terminate) => tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} },
            Err(_) => drop(interrupt.await),
        }
        #[cfg(not(unix))]
        drop(interrupt.await);
    }
}
