//! Reading the ledger: its bytes, and proofs about them.

use super::{Store, StoreError, entries};
use serde::Serialize;
use sqlx::Connection as _;

/// That an entry is in the tree of a size.
#[derive(Debug, Serialize)]
pub struct Inclusion {
    /// The entry's place, from 0.
    pub index: u64,
    /// The tree's size.
    pub size: u64,
    /// The entry's leaf hash, hexadecimal.
    pub leaf: String,
    /// The audit path, from the leaf up, hexadecimal.
    pub hashes: Vec<String>,
}

/// That one tree extends another.
#[derive(Debug, Serialize)]
pub struct Consistency {
    /// The smaller size.
    pub from: u64,
    /// The larger size.
    pub to: u64,
    /// The proof, hexadecimal.
    pub hashes: Vec<String>,
}

impl Store {
    /// Entries from a place on, as they were hashed.
    pub async fn ledger_entries(&self, from: u64, limit: u32) -> Result<Vec<entries::StoredEntry>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        Ok(entries::read_range(&mut connection, from, limit).await?)
    }

    /// The inclusion proof of an entry in the tree of `size` (default: the present one); `None` where there is no such
    /// entry or tree.
    pub async fn prove_inclusion(&self, index: u64, size: Option<u64>) -> Result<Option<Inclusion>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let mut snapshot = connection.begin().await?;
        let present = entries::head(&mut snapshot).await?.size;
        let size = size.unwrap_or(present);
        if index >= size || size > present {
            return Ok(None);
        }
        let Some(entry) = entries::read_range(&mut snapshot, index, 1).await?.into_iter().next() else {
            return Ok(None);
        };
        let proof = entries::inclusion_proof(&mut snapshot, index, size).await?;
        let hashes = proof.hashes.iter().map(hex::encode).collect();
        Ok(Some(Inclusion { index, size, leaf: hex::encode(entry.leaf), hashes }))
    }

    /// The proof that the tree of `to` (default: the present one) extends the tree of `from`.
    pub async fn prove_consistency(&self, from: u64, to: Option<u64>) -> Result<Option<Consistency>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let mut snapshot = connection.begin().await?;
        let present = entries::head(&mut snapshot).await?.size;
        let to = to.unwrap_or(present);
        if from > to || to > present {
            return Ok(None);
        }
        let proof = entries::consistency_proof(&mut snapshot, from, to).await?;
        Ok(Some(Consistency { from, to, hashes: proof.hashes.iter().map(hex::encode).collect() }))
    }
}
