//! The doors: webhooks come in at [`webhook`], runs ask at [`gate`], people and programs read at [`api`] and [`pages`].
//!
//! Invariant: nothing is decided here. Everything that is not open says 401 or 404 and no more; errors map to a status in
//! one place, [`problem`].

pub mod api;
pub mod bodies;
pub mod exceptions;
pub mod exports;
pub mod gate;
pub mod health;
pub mod listening;
pub mod pages;
pub mod paging;
pub mod problem;
pub mod reader;
pub mod webhook;

use crate::evidence::jobs::Jobs;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::store::Store;
use crate::sweep::Sweep;
use crate::witness::Witnesses;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use std::sync::Arc;

/// What every door needs.
#[derive(Clone)]
pub struct Doors {
    /// The database.
    pub store: Store,
    /// The settings in force.
    pub settings: Arc<Settings>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The ledger's signer.
    pub signer: Arc<crate::store::signing::Signer>,
    /// The sweep, for whoever does not want to wait for it.
    pub sweep: Arc<Sweep>,
    /// What runs ask at.
    pub gate: Arc<gate::Gate>,
    /// Exports that somebody asked for.
    pub exports: Arc<Jobs>,
    /// Who watches the ledger.
    pub witnesses: Arc<Witnesses>,
    /// How bodies are read.
    pub bodies: bodies::Bodies,
}

/// The longest body of what programs ask.
const SMALL: usize = 16 * 1024;

/// All routes.
pub fn router(doors: Doors) -> Router {
    let reading = Router::new()
        .route("/", get(pages::overview))
        .route("/decisions/{id}", get(pages::decision))
        .route("/changes/{owner}/{name}/{change}", get(pages::change))
        .route("/api/v1/decisions", get(api::decisions))
        .route("/api/v1/decisions/{id}", get(api::decision))
        .route("/api/v1/decisions/{id}/attestation", get(api::attestation))
        .route("/api/v1/changes", get(api::changes))
        .route("/api/v1/changes/{owner}/{name}/{change}", get(api::change))
        .route("/api/v1/deployments", get(api::deployments))
        .route("/api/v1/alerts", get(api::alerts))
        .route("/api/v1/exceptions", get(exceptions::list))
        .route("/api/v1/exports", post(exports::ask))
        .route("/api/v1/exports/{id}", get(exports::show))
        .route("/api/v1/exports/{id}/bundle.zip", get(exports::take))
        .route("/api/v1/sweep", post(api::sweep))
        .route("/api/v1/ledger/key", get(api::ledger_key))
        .route("/api/v1/ledger/checkpoint", get(api::ledger_checkpoint))
        .route("/api/v1/ledger/entries", get(api::ledger_entries))
        .route("/api/v1/ledger/proof/inclusion", get(api::inclusion_proof))
        .route("/api/v1/ledger/proof/consistency", get(api::consistency_proof))
        .route_layer(axum::middleware::from_fn_with_state(doors.clone(), reader::admit));
    Router::new()
        .route("/webhooks/github", post(webhook::receive))
        .route("/api/v1/gate", post(gate::ask))
        .route("/api/v1/exceptions", post(exceptions::open))
        .route("/api/v1/exceptions/{id}/review", post(exceptions::review))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .merge(reading)
        .fallback(async || problem::Problem::not_found())
        .layer(map_response(guarded))
        .with_state(doors)
}

/// What a browser may do with an answer: show it, by itself, as what it says it is. A page loads nothing and runs nothing.
async fn guarded(mut response: Response) -> Response {
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let guards = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in guards {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
