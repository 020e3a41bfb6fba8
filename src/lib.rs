//! Countersign: nothing reaches production unless three different people stood behind it.
//!
//! A reading tour, always downward, each called once:
//!
//! 1. [`http::webhook`]: is it GitHub? Keep it, answer 202.
//! 2. [`store::inbox`]: accepted means kept; the row is the work.
//! 3. [`worker`]: claims a subject, tries again where that helps.
//! 4. [`github::event`]: what a delivery says to look at again.
//! 5. [`evaluation`]: gather, decide, record, publish. Then, inside it:
//! 6. [`github::gather`]: GitHub's state and our observations as facts.
//! 7. [`countersign_core::policy::decide()`]: the judgement, pure, with Cedar.
//! 8. [`store::record`]: into the ledger, in one transaction.
//! 9. [`github::publish`]: the check run, the answer of the rule.
//!
//! [`git`] proves on real objects that a merge changed nothing of its own, for 6;
//! [`sweep`] puts into the inbox what webhooks did not bring, [`witness`] shows the ledger's head to those who watch it,
//! [`retrospective`] looks at what was deployed before anybody watched, [`doctor`] says what is not in place,
//! [`heartbeat`] keeps since when we are alive,
//! [`evidence`] is what an auditor takes away, [`cli`] what a person types.

pub mod cli;
pub mod doctor;
pub mod evaluation;
pub mod evidence;
pub mod git;
pub mod github;
pub mod heartbeat;
pub mod http;
pub mod metrics;
pub mod retrospective;
pub mod settings;
pub mod store;
pub mod sweep;
pub mod witness;
pub mod worker;

/// The name and version of this program, as entries and bundles carry it.
pub const TOOL: &str = concat!("countersign ", env!("CARGO_PKG_VERSION"));
