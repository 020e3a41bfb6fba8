//! What a retrospective comes to: counts, reasons, and who stood on which side of whom.
//!
//! Invariant: each change is counted once, with the first deployment that put it out; people are the accounts that the
//! verdicts name.

use super::Judged;
use countersign_core::domain::{ChangeName, ChangeVerdict, Outcome};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Counts over a retrospective.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    /// Deployments, by what would have been said.
    pub deployments: BTreeMap<String, usize>,
    /// Deployments of the period that did not succeed, and are not judged.
    pub not_succeeded: usize,
    /// Changes, by what would have been said of the deployment that put them out first.
    pub changes: BTreeMap<String, usize>,
    /// How many deployments each code would have stopped or left undetermined.
    pub reasons: BTreeMap<String, usize>,
    /// Changes, by whose work they hold and whose approval counted.
    pub reviewed: BTreeMap<String, usize>,
    /// Changes that a contributor deployed, by account.
    pub deployed_own: BTreeMap<String, usize>,
}

impl Tally {
    pub(super) fn of(judged: &[Judged], not_succeeded: usize) -> Self {
        let mut tally = Self { not_succeeded, ..Self::default() };
        let mut seen: BTreeSet<&ChangeName> = BTreeSet::new();
        for one in judged {
            let outcome = one.verdict.outcome;
            *tally.deployments.entry(outcome.to_string()).or_default() += 1;
            let codes: BTreeSet<&str> = one.verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
            for code in codes {
                *tally.reasons.entry(code.to_owned()).or_default() += 1;
            }
            for change in &one.verdict.changes {
                if !seen.insert(&change.change) {
                    continue;
                }
                *tally.changes.entry(of_change(outcome, change).to_string()).or_default() += 1;
                tally.people(one, change);
            }
        }
        tally
    }

    fn people(&mut self, one: &Judged, change: &ChangeVerdict) {
        let authors: Vec<&str> = change
            .contributors
            .iter()
            .filter(|contributor| !contributor.automation)
            .map(|contributor| contributor.account.login.as_str())
            .collect();
        let pairs = change.reviewers.iter().flat_map(|reviewer| {
            authors.iter().map(move |author| format!("@{author}, reviewed by @{}", reviewer.login))
        });
        for pair in pairs {
            *self.reviewed.entry(pair).or_default() += 1;
        }
        let contributed = |login: &str| authors.contains(&login);
        for deployer in one.verdict.deployers.iter().filter(|deployer| contributed(&deployer.account.login)) {
            *self.deployed_own.entry(format!("@{}", deployer.account.login)).or_default() += 1;
        }
    }
}

/// What would have been said of a change: a broken rule of its own, or what became of the deployment for other reasons.
fn of_change(outcome: Outcome, change: &ChangeVerdict) -> Outcome {
    outcome.max(change.outcome)
}
