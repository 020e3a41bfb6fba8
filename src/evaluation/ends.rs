//! Ends of deployments that nobody heard of: before a release is judged, those that may have gone out are asked after.
//!
//! Invariant: where an attempt that was let through has an end that GitHub knows, what runs now takes it into account.

use super::gates::with_others;
use super::{Evaluation, EvaluationError};
use crate::github::GitHubError;
use crate::github::gather::{deployment, run};
use crate::store::deployments::OpenEnd;
use countersign_core::domain::Run;

/// So many attempts are asked after: one environment is rarely deployed to by two runs at a time.
const ASKED_AFTER: usize = 5;

impl Evaluation<'_> {
    /// Puts on record how attempts ended that were let through here, but for the one that is asked about.
    pub(super) async fn note_open_ends(&self, asking: &Run, environment: &str) -> Result<(), EvaluationError> {
        let open = self.evaluator.store.open_ends(self.look.repository.id, environment, ASKED_AFTER + 1).await?;
        let asking = (asking.id, asking.this.number);
        for open in open.into_iter().filter(|open| (open.run, open.attempt) != asking).take(ASKED_AFTER) {
            match self.note_open_end(open).await {
                // The run is deleted: nothing tells of it any more.
                Ok(()) | Err(EvaluationError::GitHub(GitHubError::NotFound(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn note_open_end(&self, open: OpenEnd) -> Result<(), EvaluationError> {
        let observed = self.evaluator.store.observed(self.look.repository.id, &[format!("run:{}", open.run)]).await?;
        let asked =
            deployment::Asked { environment: open.environment, deployment: None, beside: Vec::new(), request: None };
        let asked = with_others(asked, &observed, open.attempt);
        if asked.deployment.is_none() {
            return Ok(());
        }
        let gathered = run::gather(&self.look, open.run).await?;
        self.ended(&gathered, open.attempt, &asked, open.decision).await
    }
}
