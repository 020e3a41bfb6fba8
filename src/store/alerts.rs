//! What was found afterwards: alerts, each deployment's and each name's once, in the ledger like everything else.
//!
//! Invariant: an alert and the note that it was raised are written together, so that it is never raised twice.

use super::observations::signed;
use super::{Store, StoreError, entries, record};
use countersign_core::domain::{Alert, Entry, EntryBody, NameReassigned};
use sqlx::Row;

/// An alert as it stands in the ledger.
#[derive(Debug, Clone)]
pub struct RaisedAlert {
    /// Its place in the ledger, from 0.
    pub position: u64,
    /// When, RFC 3339.
    pub time: String,
    /// The alert.
    pub alert: Raised,
}

/// What an alert is about.
#[derive(Debug, Clone)]
pub enum Raised {
    /// A deployment.
    Deployment(Alert),
    /// A name in the settings.
    Name(NameReassigned),
}

impl Store {
    /// Puts an alert on record, unless it was raised before; says whether it is new.
    pub async fn raise(&self, entry: Entry) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let EntryBody::Alert(alert) = &entry.body else {
                        return Err(StoreError::Unreadable("no alert".to_owned()));
                    };
                    let known =
                        sqlx::query("SELECT 1 FROM alerts WHERE code = $1 AND repository_id = $2 AND deployment = $3")
                            .bind(&alert.code)
                            .bind(signed(alert.repository.id.0))
                            .bind(signed(alert.deployment.0))
                            .fetch_optional(&mut *connection)
                            .await?;
                    if known.is_some() {
                        return Ok(false);
                    }
                    let position = record::append(connection, &entry).await?.0;
                    sqlx::query(
                        "INSERT INTO alerts (code, repository_id, deployment, position) VALUES ($1, $2, $3, $4)",
                    )
                    .bind(&alert.code)
                    .bind(signed(alert.repository.id.0))
                    .bind(signed(alert.deployment.0))
                    .bind(position)
                    .execute(&mut *connection)
                    .await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Puts on record that a name came to belong to another account, unless that is on record; says whether it is new.
    pub async fn reassigned(&self, entry: Entry) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let EntryBody::NameReassigned(found) = &entry.body else {
                        return Err(StoreError::Unreadable("no name".to_owned()));
                    };
                    let known = sqlx::query("SELECT 1 FROM reassigned_names WHERE name = $1 AND account_id = $2")
                        .bind(&found.name)
                        .bind(signed(found.now.id.0))
                        .fetch_optional(&mut *connection)
                        .await?;
                    if known.is_some() {
                        return Ok(false);
                    }
                    let position = record::append(connection, &entry).await?.0;
                    sqlx::query("INSERT INTO reassigned_names (name, account_id, position) VALUES ($1, $2, $3)")
                        .bind(&found.name)
                        .bind(signed(found.now.id.0))
                        .bind(position)
                        .execute(&mut *connection)
                        .await?;
                    Ok(true)
                })
            })
            .await
    }

    /// The newest alerts, newest first.
    pub async fn alerts(&self, before: Option<i64>, limit: u32) -> Result<Vec<RaisedAlert>, StoreError> {
        let sql = "SELECT position FROM (SELECT position FROM alerts UNION ALL SELECT position FROM reassigned_names) \
                   WHERE position < $1 ORDER BY position DESC LIMIT $2";
        let rows =
            sqlx::query(sql).bind(before.unwrap_or(i64::MAX)).bind(i64::from(limit)).fetch_all(&self.readers).await?;
        let mut connection = self.readers.acquire().await?;
        let mut alerts = Vec::with_capacity(rows.len());
        for row in rows {
            let position = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
            for stored in entries::read_range(&mut connection, position, 1).await? {
                let entry: Entry =
                    serde_json::from_slice(&stored.body).map_err(|error| StoreError::Unreadable(error.to_string()))?;
                let alert = match entry.body {
                    EntryBody::Alert(alert) => Raised::Deployment(alert),
                    EntryBody::NameReassigned(found) => Raised::Name(found),
                    _ => continue,
                };
                alerts.push(RaisedAlert { position, time: entry.time, alert });
            }
        }
        Ok(alerts)
    }
}
