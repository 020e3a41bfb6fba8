//! The mark that the service is alive, so that a start can say since when it was not.
//!
//! Invariant: the mark and the entry that follows from it are written together. Who beats it is `heartbeat.rs`.

use super::{Store, StoreError, entries, record};
use countersign_core::domain::{Away, Entry, EntryBody};
use sqlx::{Row, SqliteConnection};

impl Store {
    /// Puts the start of the service on record, with the settings it names and since when it had been away.
    pub async fn started(&self, mut entry: Entry, settings: (String, String)) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    entries::keep_settings(connection, &settings.0, &settings.1).await?;
                    let mark = sqlx::query("SELECT at, stopped FROM alive WHERE id = 1")
                        .fetch_optional(&mut *connection)
                        .await?;
                    let mark = mark.map(|row| Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get::<i64, _>(1)?)));
                    let mark: Option<(String, i64)> = mark.transpose()?;
                    if let EntryBody::ServiceStarted { away, .. } = &mut entry.body {
                        *away = mark.map(|(since, stopped)| Away { since, clean: stopped != 0 });
                    }
                    record::append(connection, &entry).await?;
                    mark_alive(connection, &entry.time, false).await
                })
            })
            .await
    }

    /// Puts on record that the service was stopped in order.
    pub async fn stopped(&self, entry: Entry) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    record::append(connection, &entry).await?;
                    mark_alive(connection, &entry.time, true).await
                })
            })
            .await
    }

    /// Marks that the service is alive.
    pub async fn beat(&self, at: String) -> Result<(), StoreError> {
        self.writer.write(move |connection| Box::pin(async move { mark_alive(connection, &at, false).await })).await
    }
}

async fn mark_alive(connection: &mut SqliteConnection, at: &str, stopped: bool) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO alive (id, at, stopped) VALUES (1, $1, $2) ON CONFLICT (id) DO UPDATE SET at = $1, stopped = $2",
    )
    .bind(at)
    .bind(i64::from(stopped))
    .execute(connection)
    .await?;
    Ok(())
}
