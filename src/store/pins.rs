//! Names pinned to accounts, and answers of GitHub that may be used again.
//!
//! Invariant: a pin is never moved. When a name later belongs to another account, the pin holds.

use super::{Store, StoreError};
use countersign_core::domain::Account;
use sqlx::Row;
use std::collections::BTreeMap;

/// An answer of GitHub that may be used again.
#[derive(Debug, Clone)]
pub struct KeptAnswer {
    /// The tag to ask GitHub with whether it still holds.
    pub etag: String,
    /// The body.
    pub body: String,
    /// When it was last known to hold, in milliseconds since 1970.
    pub fetched_at: i64,
}

impl Store {
    /// All pins: the lower-case name to the account, or `None` where no account bore it.
    pub async fn pins(&self) -> Result<BTreeMap<String, Option<Account>>, StoreError> {
        let rows = sqlx::query("SELECT name, account FROM pins").fetch_all(&self.readers).await?;
        rows.into_iter()
            .map(|row| {
                let account: String = row.try_get(1)?;
                let account =
                    serde_json::from_str(&account).map_err(|error| StoreError::Unreadable(error.to_string()))?;
                Ok((row.try_get(0)?, account))
            })
            .collect()
    }

    /// Pins a name; an earlier pin to an account stays.
    pub async fn pin(&self, name: String, account: Option<Account>) -> Result<(), StoreError> {
        let body = serde_json::to_string(&account).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO pins (name, account) VALUES ($1, $2) \
                         ON CONFLICT (name) DO UPDATE SET account = $2 WHERE pins.account = 'null'",
                    )
                    .bind(name)
                    .bind(body)
                    .execute(&mut *connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// An answer kept under `key`.
    pub async fn kept_answer(&self, key: &str) -> Result<Option<KeptAnswer>, StoreError> {
        let row = sqlx::query("SELECT etag, body, fetched_at FROM answers WHERE key = $1")
            .bind(key)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok(KeptAnswer { etag: row.try_get(0)?, body: row.try_get(1)?, fetched_at: row.try_get(2)? }))
            .transpose()
    }

    /// Trusts no longer what is kept under keys that name this path: the next reader asks again.
    pub async fn doubt_answers(&self, path: &str) -> Result<(), StoreError> {
        let keys = format!("%:{path}%");
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let update = sqlx::query("UPDATE answers SET fetched_at = 0 WHERE key LIKE $1");
                    update.bind(keys).execute(&mut *connection).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Keeps an answer under `key`, in place of an older one.
    pub async fn keep_answer(&self, key: String, answer: KeptAnswer) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO answers (key, etag, body, fetched_at) VALUES ($1, $2, $3, $4) \
                         ON CONFLICT (key) DO UPDATE SET etag = $2, body = $3, fetched_at = $4",
                    )
                    .bind(key)
                    .bind(answer.etag)
                    .bind(answer.body)
                    .bind(answer.fetched_at)
                    .execute(&mut *connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}
