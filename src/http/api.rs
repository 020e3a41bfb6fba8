//! What programs read: decisions, changes, deployments, and the ledger with its proofs. All JSON but the checkpoint.

use super::Doors;
use super::paging::{LONGEST, Page, Paging, Query, paged, within};
use super::problem::Problem;
use crate::evidence::attestation::attest;
use crate::store::alerts::{Raised, RaisedAlert};
use crate::store::reading::{ChangePlace, ChangeRow, DecisionRow};
use crate::store::{StoreError, ledger};
use crate::sweep::Swept;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use countersign_core::domain::{Decision, EntryBody, RunId};
use countersign_core::ledger::envelope::Envelope;
use countersign_core::ledger::{Checkpoint, Note};
use serde::Deserialize;
use serde_json::{Value, json};

/// `GET /api/v1/decisions`: newest first; `?before=` the position of the last one seen.
pub async fn decisions(State(doors): State<Doors>, Query(paging): Query<Paging>) -> Result<Json<Page>, Problem> {
    let items = doors.store.decisions(paging.before, paging.limit()).await?;
    let mut page = paged(&items, paging.limit(), |row| json!(row), |last| json!(last.position));
    page.insert("total".to_owned(), json!(doors.store.decisions_count().await?));
    Ok(Json(page))
}

/// `GET /api/v1/decisions/{id}`: the verdict, the facts it saw and its place in the ledger.
pub async fn decision(State(doors): State<Doors>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let found = find(&doors, &id).await?.ok_or_else(Problem::not_found)?;
    let mut body =
        serde_json::to_value(&found.decision.verdict).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    let decision = found.decision;
    if let Some(body) = body.as_object_mut() {
        body.insert("id".into(), json!(decision.id));
        body.insert("subject".into(), json!(decision.subject));
        body.insert("repository".into(), json!(decision.facts.repository));
        body.insert("decided_at".into(), json!(found.time));
        body.insert("position".into(), json!(found.position));
        body.insert("policy_digest".into(), json!(decision.policy_digest));
        body.insert("settings_digest".into(), json!(decision.settings_digest));
        body.insert("facts".into(), json!(decision.facts));
    }
    Ok(Json(body))
}

/// `GET /api/v1/decisions/{id}/attestation`: an allowed deployment as an in-toto statement in a DSSE envelope.
pub async fn attestation(State(doors): State<Doors>, Path(id): Path<String>) -> Result<Json<Envelope>, Problem> {
    let found = find(&doors, &id).await?.ok_or_else(Problem::not_found)?;
    let attested = attest(&found.decision, (&found.time, &found.tool), doors.signer.key());
    attested.map(Json).ok_or_else(Problem::not_found)
}

/// A decision as found in the ledger.
pub(super) struct Found {
    pub(super) position: u64,
    pub(super) time: String,
    pub(super) tool: String,
    pub(super) decision: Decision,
}

pub(super) async fn find(doors: &Doors, id: &str) -> Result<Option<Found>, StoreError> {
    Ok(match doors.store.decision(id).await? {
        Some((position, entry)) => match entry.body {
            EntryBody::Decision(decision) => {
                Some(Found { position, time: entry.time, tool: entry.tool, decision: *decision })
            }
            _ => None,
        },
        None => None,
    })
}

/// `GET /api/v1/changes`: the changes judged last, newest first.
pub async fn changes(State(doors): State<Doors>, Query(paging): Query<Paging<String>>) -> Result<Json<Page>, Problem> {
    let before = paging.before.as_deref().map(str::parse).transpose();
    let before = before.map_err(|()| Problem::bad_request("`before` is no place in this list"))?;
    let items = doors.store.changes(before, paging.limit()).await?;
    let place = |(place, _): &(ChangePlace, ChangeRow)| json!(place.to_string());
    Ok(Json(paged(&items, paging.limit(), |(_, row)| json!(row), place)))
}

/// `GET /api/v1/changes/{owner}/{name}/{change}`: by pull request number or full commit id.
pub async fn change(
    State(doors): State<Doors>,
    Path((owner, name, change)): Path<(String, String, String)>,
) -> Result<Json<ChangeRow>, Problem> {
    let found = doors.store.change(&format!("{owner}/{name}"), &change).await?;
    found.map(Json).ok_or_else(Problem::not_found)
}

/// Which run's decisions, or where the list of all goes on.
#[derive(Deserialize)]
pub struct OfRun {
    run: Option<u64>,
    before: Option<i64>,
    limit: Option<u32>,
}

/// `GET /api/v1/deployments`: decisions about deployments, newest first; `?run=` all those of one run.
pub async fn deployments(State(doors): State<Doors>, Query(of): Query<OfRun>) -> Result<Json<Page>, Problem> {
    let limit = within(of.limit);
    let shown = |row: &DecisionRow| {
        json!({
            "decision_id": row.id, "run": row.run, "attempt": row.attempt, "environment": row.environment,
            "commit": row.commit, "outcome": row.outcome, "decided_at": row.decided_at,
        })
    };
    if let Some(run) = of.run {
        let items = doors.store.decisions_of_run(RunId(run)).await?.iter().map(shown).collect();
        return Ok(Json(Page::from_iter([("items".to_owned(), Value::Array(items))])));
    }
    let rows = doors.store.deployments(of.before, limit).await?;
    Ok(Json(paged(&rows, limit, shown, |last| json!(last.position))))
}

/// `GET /api/v1/alerts`: what was found afterwards, newest first.
pub async fn alerts(State(doors): State<Doors>, Query(paging): Query<Paging>) -> Result<Json<Page>, Problem> {
    let items = doors.store.alerts(paging.before, paging.limit()).await?;
    let shown = |RaisedAlert { position, time, alert }: &RaisedAlert| match alert {
        Raised::Deployment(alert) => json!({
            "code": alert.code, "text": alert.text, "repository": alert.repository, "environment": alert.environment,
            "run": alert.run, "attempt": alert.attempt, "deployment": alert.deployment, "commit": alert.commit,
            "by": alert.by, "position": position, "time": time,
        }),
        Raised::Name(found) => json!({
            "code": found.code, "text": found.text, "name": found.name, "pinned": found.pinned, "now": found.now,
            "position": position, "time": time,
        }),
    };
    Ok(Json(paged(&items, paging.limit(), shown, |last| json!(last.position))))
}

/// `POST /api/v1/sweep`: looks now for what webhooks did not bring. Answers once all it found is in the inbox.
pub async fn sweep(State(doors): State<Doors>) -> Result<Json<Swept>, Problem> {
    Ok(Json(doors.sweep.run().await?))
}

/// `GET /api/v1/ledger/key`: the key that checkpoints are checked with, as a C2SP verifier key.
pub async fn ledger_key(State(doors): State<Doors>) -> String {
    doors.signer.verifying_key() + "\n"
}

/// `GET /api/v1/ledger/checkpoint`: the present head, signed (C2SP `tlog-checkpoint`), with what witnesses said of it.
pub async fn ledger_checkpoint(State(doors): State<Doors>) -> Result<impl IntoResponse, Problem> {
    let mut note = doors.store.checkpoint(doors.signer.clone()).await?;
    let head = Note::parse(&note).and_then(|note| Checkpoint::parse(note.unproved_text()));
    let head = head.map_err(|error| StoreError::Unreadable(error.to_string()))?;
    note.extend(doors.store.cosignatures(head.size).await?);
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note))
}

/// A run of entries.
#[derive(Deserialize)]
pub struct Range {
    #[serde(default)]
    from: u64,
    limit: Option<u32>,
}

/// `GET /api/v1/ledger/entries?from=&limit=`: the exact bytes that were hashed, one entry a line.
pub async fn ledger_entries(
    State(doors): State<Doors>,
    Query(range): Query<Range>,
) -> Result<impl IntoResponse, Problem> {
    let limit = range.limit.unwrap_or(LONGEST).clamp(1, 1_000);
    let mut lines = Vec::new();
    for entry in doors.store.ledger_entries(range.from, limit).await? {
        lines.extend(entry.body);
        lines.push(b'\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], lines))
}

/// Which entry, in a tree of which size.
#[derive(Deserialize)]
pub struct Inclusion {
    index: u64,
    size: Option<u64>,
}

/// `GET /api/v1/ledger/proof/inclusion?index=&size=`: that an entry is in the tree (RFC 6962).
pub async fn inclusion_proof(
    State(doors): State<Doors>,
    Query(of): Query<Inclusion>,
) -> Result<Json<ledger::Inclusion>, Problem> {
    let proof = doors.store.prove_inclusion(of.index, of.size).await?;
    proof.map(Json).ok_or_else(Problem::not_found)
}

/// From which size to which.
#[derive(Deserialize)]
pub struct Growth {
    from: u64,
    to: Option<u64>,
}

/// `GET /api/v1/ledger/proof/consistency?from=&to=`: that the larger tree extends the smaller (RFC 6962).
pub async fn consistency_proof(
    State(doors): State<Doors>,
    Query(growth): Query<Growth>,
) -> Result<Json<ledger::Consistency>, Problem> {
    let proof = doors.store.prove_consistency(growth.from, growth.to).await?;
    proof.map(Json).ok_or_else(Problem::not_found)
}
