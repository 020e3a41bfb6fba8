//! A deployment of the past as an entry: what would have been said, marked as said afterwards.
//!
//! Invariant: it carries all that a decision carries, so that it is replayed like one, and it is none.

use super::{export, new_id};
use crate::store::record::spelled;
use countersign_core::domain::{Backfilled, Decision, DeploymentId, EntryBody, Facts, Verdict};
use countersign_core::policy::Policies;
use time::OffsetDateTime;

/// What was judged afterwards.
pub struct Afterwards<'a> {
    /// The deployment.
    pub deployment: DeploymentId,
    /// How its job ended.
    pub conclusion: Option<&'a str>,
    /// When.
    pub ended_at: OffsetDateTime,
    /// All that was seen.
    pub facts: &'a Facts,
    /// What would have been said.
    pub verdict: &'a Verdict,
    /// By which rules.
    pub policies: &'a Policies,
}

/// The body of its entry, and the policies by digest and text.
pub fn backfilled(of: &Afterwards<'_>, settings_digest: &str) -> (EntryBody, (String, String)) {
    let digest = of.policies.digest().to_owned();
    let decision = Decision {
        id: new_id(),
        subject: format!("repository:{}/deployment:{}/backfilled", of.facts.repository.id, of.deployment),
        facts: of.facts.clone(),
        verdict: of.verdict.clone(),
        policy_digest: digest.clone(),
        settings_digest: settings_digest.to_owned(),
    };
    let backfilled = Backfilled {
        decision,
        deployment: of.deployment,
        conclusion: of.conclusion.unwrap_or("unknown").to_owned(),
        ended_at: spelled(of.ended_at),
    };
    (EntryBody::Backfilled(Box::new(backfilled)), (digest, export(of.policies)))
}
