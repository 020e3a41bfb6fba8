//! Which key signs the ledger's heads, how one followed another, and what witnesses said of them.
//!
//! Invariant: a key follows another only by an entry that both signed, over the ledger as it stood at that very moment.

use super::observations::signed;
use super::{Store, StoreError, entries, record};
use countersign_core::domain::{Entry, EntryBody};
use countersign_core::ledger::tree::cover;
use countersign_core::ledger::{Checkpoint, Frontier, Rotation, SigningKey};
use sqlx::{Row, SqliteConnection};

/// How many entries about keys are looked through for one that names a key.
const LOOKED_AT: i64 = 100;

impl Store {
    /// The key that signs the ledger's heads, as the record names it; `None` where it names none.
    pub async fn ledger_key(&self) -> Result<Option<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT body FROM entries WHERE subject IN ('ledger', 'service') \
             AND kind IN ('service_started', 'key_rotated') ORDER BY position DESC LIMIT $1",
        )
        .bind(LOOKED_AT)
        .fetch_all(&self.readers)
        .await?;
        for row in rows {
            match read(row.try_get(0)?)?.body {
                EntryBody::ServiceStarted { ledger_key: Some(key), .. } => return Ok(Some(key)),
                EntryBody::KeyRotated { note } => {
                    let rotation = Rotation::parse(&note).map_err(|error| StoreError::Unreadable(error.to_string()))?;
                    return Ok(Some(rotation.to.to_string()));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// The notes by which one key followed another in a ledger of `size` entries, in order.
    pub async fn rotations(&self, size: u64) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT body FROM entries WHERE subject = 'ledger' AND kind = 'key_rotated' AND position < $1 \
             ORDER BY position",
        )
        .bind(signed(size))
        .fetch_all(&self.readers)
        .await?;
        let mut notes = Vec::new();
        for row in rows {
            if let EntryBody::KeyRotated { note } = read(row.try_get(0)?)?.body {
                notes.push(note);
            }
        }
        Ok(notes)
    }

    /// Puts on record that a key follows another. `entry` makes an entry of what it records.
    pub async fn rotate(
        &self,
        old: SigningKey,
        new: SigningKey,
        entry: impl FnOnce(EntryBody) -> Entry + Send + 'static,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let unspelled = |error: &dyn std::fmt::Display| StoreError::Unreadable(error.to_string());
                    let head = Checkpoint::of(new.name(), &entries::frontier(connection).await?);
                    let note = Rotation::sign(&head, &old, &new).map_err(|error| unspelled(&error))?;
                    record::append(connection, &entry(EntryBody::KeyRotated { note })).await?;
                    Ok(())
                })
            })
            .await
    }

    /// The ledger's head when it had `size` entries; `None` where it never had as many.
    pub async fn ledger_head_at(&self, size: u64) -> Result<Option<entries::Head>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        head_at(&mut connection, size).await
    }

    /// What witnesses said of the head of this size: their signature lines, by their names.
    pub async fn cosignatures(&self, size: u64) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT line FROM cosignatures WHERE size = $1 ORDER BY witness")
            .bind(signed(size))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The size of the largest head that a witness cosigned; 0 where it never did.
    pub async fn cosigned(&self, witness: &str) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT MAX(size) FROM cosignatures WHERE witness = $1")
            .bind(witness.to_owned())
            .fetch_one(&self.readers)
            .await?;
        let size: Option<i64> = row.try_get(0)?;
        Ok(size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0))
    }

    /// Keeps what a witness said of the head of this size; the first that it said stays.
    pub async fn keep_cosignature(&self, size: u64, witness: String, line: String) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO cosignatures (size, witness, line) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                    )
                    .bind(signed(size))
                    .bind(witness)
                    .bind(line)
                    .execute(&mut *connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}

async fn head_at(connection: &mut SqliteConnection, size: u64) -> Result<Option<entries::Head>, StoreError> {
    let present = entries::head(connection).await?;
    if size >= present.size {
        return Ok((size == present.size).then_some(present));
    }
    let peaks = entries::node_hashes(connection, &cover(0, size), size).await?;
    let frontier = Frontier::from_peaks(size, peaks).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    Ok(Some(entries::Head { size, root: frontier.root() }))
}

fn read(body: &[u8]) -> Result<Entry, StoreError> {
    serde_json::from_slice(body).map_err(|error| StoreError::Unreadable(error.to_string()))
}
