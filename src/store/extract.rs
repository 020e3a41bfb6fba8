//! What an export reads: a stretch of the ledger page by page, the hashes on both sides of it, and the texts it names.
//!
//! Invariant: reading changes nothing and waits for no writer; a page is bounded in bytes, so that an export of any
//! length stays small. The next room is `evidence::export`.

use super::observations::signed;
use super::{Store, StoreError, entries};
use countersign_core::ledger::tree::cover;
use countersign_core::ledger::{ConsistencyProof, Hash};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::ops::Range;

/// How many entries a page has at most.
const PAGE_ENTRIES: u32 = 512;
/// How many bytes the bodies of a page have at most, unless a single one has more.
const PAGE_BYTES: u64 = 4 << 20;

impl Store {
    /// The next entries of a range, in order; at least one, unless the range is empty.
    pub async fn ledger_page(&self, range: Range<u64>) -> Result<Vec<entries::StoredEntry>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let most = u32::try_from(range.end.saturating_sub(range.start)).unwrap_or(u32::MAX).min(PAGE_ENTRIES);
        let count = entries::count_within(&mut connection, range.start, most, PAGE_BYTES).await?;
        Ok(entries::read_range(&mut connection, range.start, count).await?)
    }

    /// The hashes left and right of a range in the ledger of `size` entries, as `countersign_core::ledger::tree::cover`
    /// places them.
    pub async fn hashes_around(&self, range: &Range<u64>, size: u64) -> Result<(Vec<Hash>, Vec<Hash>), StoreError> {
        let mut connection = self.readers.acquire().await?;
        let left = entries::node_hashes(&mut connection, &cover(0, range.start), size).await?;
        let right = entries::node_hashes(&mut connection, &cover(range.end, size), size).await?;
        Ok((left, right))
    }

    /// The proof that the ledger of `from` entries is the beginning of the ledger of `to` entries.
    pub async fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, StoreError> {
        let mut connection = self.readers.acquire().await?;
        Ok(entries::consistency_proof(&mut connection, from, to).await?)
    }

    /// The smallest range of positions that holds every entry with `from <= time < to` (RFC 3339, UTC).
    pub async fn positions_between(&self, from: &str, to: &str) -> Result<Option<Range<u64>>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        Ok(entries::positions_between(&mut connection, from, to).await?)
    }

    /// A range widened to the left, so that it holds the decisions which the ends of deployments in it name.
    pub async fn with_their_decisions(&self, range: Range<u64>) -> Result<Range<u64>, StoreError> {
        let row = sqlx::query(
            "SELECT MIN(decisions.position) FROM finished_deployments JOIN decisions \
             ON decisions.id = finished_deployments.decision \
             WHERE finished_deployments.position >= $1 AND finished_deployments.position < $2",
        )
        .bind(signed(range.start))
        .bind(signed(range.end))
        .fetch_one(&self.readers)
        .await?;
        widened(range, &row)
    }

    /// A range widened to the left, so that it holds the opening of each exception that was used or reviewed in it, or
    /// whose review was due with `from <= due < to`.
    pub async fn with_their_exceptions(
        &self,
        range: Range<u64>,
        from: &str,
        to: &str,
    ) -> Result<Range<u64>, StoreError> {
        let row = sqlx::query(
            "SELECT MIN(opened.position) FROM exceptions AS opened WHERE \
             (json_extract(opened.body, '$.due') >= $1 AND json_extract(opened.body, '$.due') < $2) \
             OR EXISTS (SELECT 1 FROM exception_uses JOIN decisions ON decisions.id = exception_uses.decision \
             WHERE exception_uses.exception = opened.id AND decisions.position >= $3 AND decisions.position < $4) \
             OR EXISTS (SELECT 1 FROM entries WHERE entries.subject = 'repository:' || opened.repository_id || \
             '/exception:' || opened.id AND entries.position >= $3 AND entries.position < $4)",
        )
        .bind(from)
        .bind(to)
        .bind(signed(range.start))
        .bind(signed(range.end))
        .fetch_one(&self.readers)
        .await?;
        widened(range, &row)
    }

    /// The policies kept under a digest, as one JSON document.
    pub async fn policy_text(&self, digest: &str) -> Result<Option<String>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        Ok(entries::policy_text(&mut connection, digest).await?)
    }

    /// The settings kept under a digest.
    pub async fn settings_text(&self, digest: &str) -> Result<Option<String>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        Ok(entries::settings_text(&mut connection, digest).await?)
    }
}

/// A range that begins no later than at the position which a row holds.
fn widened(range: Range<u64>, row: &SqliteRow) -> Result<Range<u64>, StoreError> {
    let earliest: Option<i64> = row.try_get(0)?;
    let earliest = earliest.and_then(|position| u64::try_from(position).ok());
    Ok(earliest.map_or(range.start, |position| position.min(range.start))..range.end)
}
