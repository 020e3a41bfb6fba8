//! The decision: facts and policies in, a verdict out.
//!
//! Invariant: pure and total. The same facts and policies give the same verdict, byte for byte; nothing is read besides
//! them, nothing panics, and what is not known never allows. Next: `change.rs`, then `release.rs`.

use super::change::{self, Judged};
use super::entities::Judge;
use super::exceptions::covers;
use super::explain::{About, FACTS_INCOMPLETE, POLICY_ERROR, outcome, reason};
use super::pack::Policies;
use super::people::People;
use super::release;
use crate::domain::facts::FACTS_VERSION;
use crate::domain::{Facts, MergeGroup, Outcome, Reason, Subject, Verdict};

/// Says what the policies say of the facts.
pub fn decide(facts: &Facts, policies: &Policies) -> Verdict {
    if facts.version != FACTS_VERSION {
        let detail = format!("what facts of version {} mean: this build reads {FACTS_VERSION}", facts.version);
        return verdict_of(vec![reason(policies, FACTS_INCOMPLETE, About::default().put("detail", detail))]);
    }
    let people = People::new(&facts.terms);
    let judge = Judge::new(policies, &people);
    let mut verdict = match &facts.subject {
        Subject::PullRequest(pr) => alone(change::of_pull_request(&judge, &facts.terms, pr)),
        Subject::Landed(landed) => alone(change::of_landed(&judge, &facts.terms, landed, landed.landing.as_ref())),
        Subject::MergeGroup(group) => together(&judge, facts, group),
        Subject::Deployment(deployment) => release::of_deployment(&judge, facts, deployment),
    };
    let covered = match &facts.subject {
        Subject::Deployment(deployment) => covers(deployment, &verdict.reasons),
        _ => false,
    };
    let faults = &facts.terms.repository_rules.faults;
    if !faults.is_empty() {
        // What the repository's own rules would have said, nobody can tell.
        let wrong =
            faults.iter().map(|fault| About::default().put("detail", format!("the repository's own rules: {fault}")));
        let wrong: Vec<Reason> = wrong.map(|about| reason(policies, POLICY_ERROR, about)).collect();
        for change in &mut verdict.changes {
            change.reasons.extend(wrong.iter().cloned());
            change.outcome = outcome(&change.reasons);
            change.three = None;
        }
        verdict.reasons.extend(wrong);
        verdict.outcome = outcome(&verdict.reasons);
        verdict.can_deploy.clear();
        verdict.up_to = None;
    }
    if covered && matches!(verdict.outcome, Outcome::Deny | Outcome::Undetermined) {
        verdict.outcome = Outcome::Exception;
    }
    verdict
}

/// The verdict on one change by itself.
fn alone(judged: Judged) -> Verdict {
    let mut verdict = verdict_of(judged.verdict.reasons.clone());
    verdict.changes = vec![judged.verdict];
    verdict
}

/// The verdict on pull requests that would land together: each must hold, and all must be known.
fn together(judge: &Judge<'_>, facts: &Facts, group: &MergeGroup) -> Verdict {
    let judged = group.pull_requests.iter().map(|pr| change::of_pull_request(judge, &facts.terms, pr).verdict);
    let changes: Vec<_> = judged.collect();
    let empty = changes.is_empty().then(|| format!("which pull requests are in merge group {}", group.head.short()));
    let missing = group.missing.iter().cloned().chain(empty);
    let unknown =
        missing.map(|detail| reason(judge.policies, FACTS_INCOMPLETE, About::default().put("detail", detail)));
    let mut verdict = verdict_of(changes.iter().flat_map(|change| change.reasons.clone()).chain(unknown).collect());
    verdict.changes = changes;
    verdict
}

/// A verdict for these reasons and nothing else.
pub(crate) fn verdict_of(reasons: Vec<Reason>) -> Verdict {
    Verdict {
        outcome: outcome(&reasons),
        reasons,
        changes: Vec::new(),
        deployers: Vec::new(),
        can_deploy: Vec::new(),
        up_to: None,
    }
}
