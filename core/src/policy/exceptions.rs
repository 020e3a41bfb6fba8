//! Whether an exception lets a deployment through although the rules do not.
//!
//! Invariant: it covers what is denied or cannot be told, never what is still to come, and never the rules that say which
//! deployment it is at all: those must hold for certain. Every broken rule stays in the verdict.

use super::explain::POLICY_ERROR;
use crate::domain::{Deployment, Reason};

/// The rules that no exception covers.
const NEVER: &[&str] = &["commit-mismatch", "event-untrusted", "decision-spent"];

/// Whether an exception may cover a deployment of which the packs say this.
pub(crate) fn covers(deployment: &Deployment, reasons: &[Reason]) -> bool {
    let never = |reason: &Reason| {
        // A rule that could not be asked may be one of these.
        NEVER.contains(&reason.code.as_str()) || reason.code == POLICY_ERROR
    };
    // Without it nobody can tell whether the commit is this repository's.
    let own = deployment.run.as_ref().is_none_or(|run| run.head_repository.is_some());
    // Nor whether it names another commit than its run.
    let named = deployment.record.is_some() || deployment.request.is_some();
    deployment.exception.is_some() && own && named && !reasons.iter().any(never)
}
