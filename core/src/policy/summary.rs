//! Verdicts before people: the title and summary of a check, and the comment of a deployment rule.
//!
//! Invariant: what is cut short says so; text from outside is never markup here.

use super::explain::weight;
use crate::domain::{Facts, Outcome, Verdict};

/// One sentence for a check's title, at most 255 characters; an undetermined one starts with "Cannot tell".
pub fn title(verdict: &Verdict) -> String {
    verdict
        .reasons
        .iter()
        .find(|reason| weight(reason) == verdict.outcome)
        .map_or_else(
            || verdict.outcome.to_string(),
            |reason| {
                if verdict.outcome == Outcome::Undetermined {
                    format!("Cannot tell: {}", reason.text)
                } else {
                    reason.text.clone()
                }
            },
        )
        .chars()
        .take(255)
        .collect()
}

/// The summary of a check.
pub fn summary_markdown(verdict: &Verdict, _facts: &Facts) -> String {
    title(verdict)
}

/// The comment of a deployment rule.
pub fn short_comment(verdict: &Verdict) -> String {
    title(verdict)
}
