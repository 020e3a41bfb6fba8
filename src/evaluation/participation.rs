//! Who had a part in what was let through.
//!
//! Invariant: it only ever adds people; where it cannot be read, nobody is told to have had none.

use super::{EvaluationError, Evaluator};
use crate::github::gather::participants::Participants;
use crate::github::gather::{Look, participants};
use crate::settings::same_environment;
use countersign_core::domain::{Account, Decision, Observation, StartingPoint, Subject};

impl Evaluator {
    /// Everyone who contributed to what a decision let through, or deployed it: as it was judged, whoever approved the
    /// environment since, and whoever is known by now to have brought what went out. An exception may have been needed just
    /// because that was not known.
    pub(super) async fn took_part(
        &self,
        look: &Look<'_>,
        decision: &Decision,
    ) -> Result<Participants, EvaluationError> {
        let verdict = &decision.verdict;
        let contributors = verdict.changes.iter().flat_map(|change| &change.contributors);
        let mut people: Vec<Account> = contributors.map(|contributor| contributor.account.clone()).collect();
        people.extend(verdict.deployers.iter().map(|deployer| deployer.account.clone()));
        let Subject::Deployment(deployment) = &decision.facts.subject else {
            return Ok(Participants { people, others: false });
        };
        if let Some(run) = &deployment.run {
            let observed = self.store.observed(look.repository.id, &[format!("run:{}", run.id)]).await?;
            people.extend(observed.into_iter().filter_map(|seen| match seen {
                Observation::EnvironmentApproved { environment, by, .. }
                    if same_environment(&environment, &deployment.environment) =>
                {
                    Some(by)
                }
                _ => None,
            }));
            people.extend(participants::approvers(look, run.id, &deployment.environment).await?);
        }
        let start = deployment.start.as_ref().map(StartingPoint::commit);
        let by_now = participants::of_commits(look, start, &deployment.target).await?;
        people.extend(by_now.people);
        Ok(Participants { people, others: by_now.others })
    }
}
