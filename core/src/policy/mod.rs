//! Judgement: whether three different people stood behind what goes to production.
//!
//! Invariant: [`decide()`] is pure. It reads no clock, network or file, and missing knowledge never becomes permission.
//!
//! A tour, in the order in which a decision goes:
//!
//! 1. [`packs`] says which rules are carried; [`pack`] reads the rules ([`validate`] refuses what is wrong with them) and gives them a digest.
//! 2. [`decide`](decide()) takes facts and rules. `people` turns accounts into persons, automation or nobody.
//! 3. `contributors` finds everyone whose work is in a change, `pushes` who pushed it, `merges` what is not work at
//!    all, `opinions` what reviewers said.
//! 4. `approvals` asks which approvals count, `change` whether the change is compliant.
//! 5. `deployers` finds who deploys, `line` where the target lies, `release` judges the whole, `candidates` says who
//!    could deploy instead.
//! 6. [`settled`] says which merged pull requests need not be read again.
//! 7. `entities` is where Cedar is asked, by the page of `rulebook` that applies; [`explain`], [`summary`] and `page` put its answers into words.
//!
//! The rules themselves are Cedar, under `policies/`, one per file.

pub mod decide;
pub mod exceptions;
mod explain;
pub mod own;
pub mod pack;
pub mod packs;
pub mod pushes;
pub mod settled;
pub mod summary;
pub mod validate;

mod approvals;
mod candidates;
mod change;
mod contributors;
mod deployers;
mod entities;
mod line;
mod merges;
mod opinions;
mod page;
mod people;
mod release;
mod rulebook;
mod timeline;

pub use decide::decide;
pub use explain::{Code, Origin, codes};
pub use line::landing_at;
pub use merges::merges_of_base;
pub use own::OwnFile;
pub use pack::{Policies, PolicyError, Sources};
pub use packs::{PACKS, Pack};
pub use page::summary_markdown;
pub use pushes::push_gap;
pub use settled::{adds_nothing, is_settled};
pub use summary::{part, short_comment, title};
pub use validate::{Problem, Words};

#[cfg(test)]
mod tests;
