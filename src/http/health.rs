//! For orchestrators and Prometheus.

use super::Doors;
use super::problem::Problem;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

/// `GET /healthz`: the process runs.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the database can be written.
pub async fn ready(State(doors): State<Doors>) -> Result<&'static str, Problem> {
    doors.store.ping().await?;
    Ok("ready\n")
}

/// `GET /metrics`: Prometheus' text format.
pub async fn metrics(State(doors): State<Doors>) -> Result<impl IntoResponse, Problem> {
    let unfinished = doors.store.unfinished().await?;
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    Ok((kind, doors.metrics.text(unfinished)))
}
