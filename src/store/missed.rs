//! Deliveries that did not arrive, from the look that found them until they arrive or GitHub keeps them no longer.
//!
//! Invariant: each is told once as missing and once as settled, in the transaction that notes it.

use super::{Store, StoreError, record};
use countersign_core::domain::Entry;
use sqlx::Row;
use std::collections::BTreeMap;

/// A delivery that is not settled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedDelivery {
    /// GitHub's GUID.
    pub delivery: String,
    /// When it was found missing, in milliseconds since 1970.
    pub found_at: i64,
    /// It has arrived since.
    pub arrived: bool,
}

impl Store {
    /// Those of some deliveries that were not told as missing before.
    pub async fn not_told(&self, deliveries: &[String]) -> Result<Vec<String>, StoreError> {
        let mut new = Vec::new();
        for delivery in deliveries {
            let known = sqlx::query("SELECT 1 FROM missed_deliveries WHERE delivery = $1")
                .bind(delivery)
                .fetch_optional(&self.readers);
            if known.await?.is_none() {
                new.push(delivery.clone());
            }
        }
        Ok(new)
    }

    /// Puts on record that deliveries are missing.
    pub async fn deliveries_missed(
        &self,
        entry: Entry,
        look: String,
        deliveries: Vec<String>,
        found_at: i64,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    record::append(connection, &entry).await?;
                    for delivery in deliveries {
                        sqlx::query(
                            "INSERT INTO missed_deliveries (delivery, look, found_at) VALUES ($1, $2, $3) \
                             ON CONFLICT DO NOTHING",
                        )
                        .bind(delivery)
                        .bind(&look)
                        .bind(found_at)
                        .execute(&mut *connection)
                        .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Whether a delivery was ever found missing.
    pub async fn was_missed(&self, delivery: &str) -> Result<bool, StoreError> {
        let known = sqlx::query("SELECT 1 FROM missed_deliveries WHERE delivery = $1").bind(delivery);
        Ok(known.fetch_optional(&self.readers).await?.is_some())
    }

    /// The deliveries that are not settled, by the look that found them.
    pub async fn missed_deliveries(&self) -> Result<BTreeMap<String, Vec<MissedDelivery>>, StoreError> {
        let rows = sqlx::query(
            "SELECT look, delivery, found_at, EXISTS (SELECT 1 FROM inbox WHERE inbox.delivery = \
             missed_deliveries.delivery) FROM missed_deliveries WHERE settled = 0 ORDER BY look, delivery",
        )
        .fetch_all(&self.readers)
        .await?;
        let mut looks: BTreeMap<String, Vec<MissedDelivery>> = BTreeMap::new();
        for row in rows {
            let missed = MissedDelivery {
                delivery: row.try_get(1)?,
                found_at: row.try_get(2)?,
                arrived: row.try_get::<i64, _>(3)? != 0,
            };
            looks.entry(row.try_get(0)?).or_default().push(missed);
        }
        Ok(looks)
    }

    /// Puts on record what became of deliveries.
    pub async fn deliveries_settled(&self, entry: Entry, deliveries: Vec<String>) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    record::append(connection, &entry).await?;
                    for delivery in deliveries {
                        sqlx::query("UPDATE missed_deliveries SET settled = 1 WHERE delivery = $1")
                            .bind(delivery)
                            .execute(&mut *connection)
                            .await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}
