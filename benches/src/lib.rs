//! A synthetic year: changes of many repositories as the service would have recorded them, for benches and tests.
//!
//! Invariant: every entry goes through the store's own way of writing, and every verdict is what `decide` says of its facts,
//! so a bundle of it verifies. [`year`] tells the story, [`cast`] makes the facts; [`steps`] are those of large releases.

pub mod cast;
pub mod steps;
pub mod year;
