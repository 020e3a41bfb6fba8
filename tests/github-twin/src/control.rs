//! The control API of a standalone twin: steps in, calls and writes out.
//!
//! `POST /_twin/steps` (one step as JSON), `GET /_twin/calls`, `GET /_twin/writes`, `POST /_twin/faults`.

use crate::model::{Call, Shared, Write};
use crate::steps::StepError;
use crate::story::{Fault, Step};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

/// The control API over one world.
pub fn router(world: Shared) -> Router {
    Router::new()
        .route("/_twin/steps", post(step))
        .route("/_twin/calls", get(calls))
        .route("/_twin/writes", get(writes))
        .route("/_twin/faults", post(fault))
        .with_state(world)
}

async fn step(State(world): State<Shared>, Json(step): Json<Value>) -> (StatusCode, Json<Value>) {
    let step: Step = match serde_json::from_value(step) {
        Ok(step) => step,
        Err(error) => return (StatusCode::BAD_REQUEST, Json(json!({"message": error.to_string()}))),
    };
    match play(&world, &step) {
        Ok(()) => (StatusCode::OK, Json(json!({"played": step.word()}))),
        Err(error @ StepError::Refused(_)) => (StatusCode::CONFLICT, Json(json!({"message": error.to_string()}))),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"message": error.to_string()}))),
    }
}

/// Plays one step, with what was planned for its deliveries.
pub(crate) fn play(world: &Shared, step: &Step) -> Result<(), StepError> {
    let mut world = world.lock();
    world.end_webhook_plan();
    if !matches!(step, Step::Webhooks(_)) {
        world.begin_webhook_plan();
    }
    world.play(step)
}

async fn calls(State(world): State<Shared>) -> Json<Vec<Call>> {
    Json(world.lock().calls.clone())
}

async fn writes(State(world): State<Shared>) -> Json<Vec<Write>> {
    Json(world.lock().writes.clone())
}

async fn fault(State(world): State<Shared>, Json(fault): Json<Fault>) -> StatusCode {
    world.lock().faults.add(&fault);
    StatusCode::NO_CONTENT
}
