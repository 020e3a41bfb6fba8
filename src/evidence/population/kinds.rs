//! The kinds of gaps: what is missing, or was not there for a while, each under a stable code.
//!
//! Invariant: every code that a row of `gaps.csv` bears is in [`GAP_KINDS`] with the sentence that explains it.

/// One kind of gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapKind {
    /// Its code.
    pub code: &'static str,
    /// What it means, in a sentence.
    pub means: &'static str,
    /// Whether it is a stretch of time rather than one thing that is missing.
    pub window: bool,
}

const fn missing(code: &'static str, means: &'static str) -> GapKind {
    GapKind { code, means, window: false }
}

const fn window(code: &'static str, means: &'static str) -> GapKind {
    GapKind { code, means, window: true }
}

/// Every kind there is.
pub const GAP_KINDS: &[GapKind] = &[
    missing(BYPASSED, "A deployment proceeded without an allow or exception of its own."),
    missing(DECISION_MISSING, "A deploying job ended for which no decision is on record."),
    missing(UNDECIDED, "GitHub lists a deployment of which nothing was decided."),
    missing(UNLISTED, "A deployment is on record that GitHub's list does not show."),
    missing(END_UNKNOWN, "A deployment was let through, and how it ended is not on record."),
    missing(RANGE_BROKEN, "A deployment began where none on record had ended."),
    missing(UNCOVERED, "Commits of the production branch went out that belong to no change of the decision."),
    missing(UNTOLD, "A decision does not tell of every change among its facts."),
    missing(STARTED, "The service started, and since when it was away is not on record."),
    missing(ALERT, "Something else was found afterwards."),
    window(BEFORE_RECORD, "The period begins before the ledger does: nothing is on record of that time."),
    window(AFTER_RECORD, "The period goes on after the ledger's last entry: nothing is on record of that time."),
    window(CLOCK, "The service's clock was set back: times of entries before and after it overlap."),
    window(DOWN, "The service did not run."),
    window(STOOD_STILL, "The service ran and did nothing: its machine slept, or had no time for it."),
    window(DATABASE, "The service ran and its database could not be written."),
    window(SUSPENDED, "The App was suspended: GitHub told and asked it nothing."),
    window(UNINSTALLED, "The App was not installed."),
    window(OUT_OF_REACH, "The App was not installed on the repository."),
    window(MISSED, "Deliveries of GitHub did not arrive when they were sent."),
];

pub(super) const BYPASSED: &str = "gate-bypassed";
pub(super) const DECISION_MISSING: &str = "decision-missing";
pub(super) const UNDECIDED: &str = "deployment-undecided";
pub(super) const UNLISTED: &str = "deployment-unlisted";
pub(super) const END_UNKNOWN: &str = "end-unknown";
pub(super) const RANGE_BROKEN: &str = "range-broken";
pub(super) const UNCOVERED: &str = "commits-uncovered";
pub(super) const UNTOLD: &str = "changes-untold";
pub(super) const STARTED: &str = "service-started";
pub(super) const ALERT: &str = "alert";
pub(super) const BEFORE_RECORD: &str = "before-record";
pub(super) const AFTER_RECORD: &str = "after-record";
pub(super) const CLOCK: &str = "clock-set-back";
pub(super) const DOWN: &str = "service-down";
pub(super) const STOOD_STILL: &str = "service-stood-still";
pub(super) const DATABASE: &str = "database-unavailable";
pub(super) const SUSPENDED: &str = "app-suspended";
pub(super) const UNINSTALLED: &str = "app-uninstalled";
pub(super) const OUT_OF_REACH: &str = "repository-out-of-reach";
pub(super) const MISSED: &str = "deliveries-missed";

/// The kind of a code.
pub fn kind(code: &str) -> Option<&'static GapKind> {
    GAP_KINDS.iter().find(|kind| kind.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_once_with_a_sentence() {
        let codes: std::collections::BTreeSet<_> = GAP_KINDS.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), GAP_KINDS.len());
        assert!(GAP_KINDS.iter().all(|kind| kind.means.ends_with('.')));
        assert!(kind(MISSED).is_some_and(|kind| kind.window) && kind("none").is_none());
    }
}
