//! The policies of a decision: the packs that the settings name, and the repository's own rules beside them.
//!
//! Invariant: rules that could not be read are a fault in the facts, so that nothing is judged as if there were none.

use super::{Evaluation, EvaluationError, Evaluator};
use crate::github::gather::own_rules;
use countersign_core::domain::{Deployment, RepositoryRules, StartingPoint};
use countersign_core::policy::{OwnFile, Policies};
use std::sync::{Arc, PoisonError};

/// So many sets of rules are kept parsed.
const KEPT: usize = 64;

/// Packs, and files beside them.
pub(super) type Named = (Vec<String>, Vec<OwnFile>);

/// Policies, and what is to be said of a repository's own.
pub(super) type InForce = (Arc<Policies>, RepositoryRules);

impl Evaluator {
    pub(super) fn policies(&self, packs: &[String], own: &[OwnFile]) -> Result<InForce, EvaluationError> {
        let known = || self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        let named: Named = (packs.to_vec(), own.to_vec());
        if let Some(in_force) = known().get(&named) {
            return Ok(in_force.clone());
        }
        // Nobody else waits for what one repository brought.
        let with_own = Policies::with_own(packs, own);
        let (policies, rules) = with_own.map_err(|error| EvaluationError::Policy(error.to_string()))?;
        let in_force = (Arc::new(policies), rules);
        let mut known = known();
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(named, in_force.clone());
        Ok(in_force)
    }
}

impl Evaluation<'_> {
    /// The repository's own rules for a deployment: those of what runs now, and those of what would.
    pub(super) async fn own_rules_of(&self, deployment: &Deployment) -> Result<Vec<OwnFile>, EvaluationError> {
        let target = &deployment.target;
        let now = deployment.start.as_ref().map_or(target, StartingPoint::commit);
        self.own_rules([now.as_str(), target.as_str()]).await
    }

    pub(super) async fn own_rules(&self, revisions: [&str; 2]) -> Result<Vec<OwnFile>, EvaluationError> {
        match own_rules::gather(&self.look, revisions).await {
            Ok(files) => Ok(files),
            Err(error) if error.passes() => Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "the repository's own rules cannot be read");
                Ok(vec![own_rules::unreadable("its folder", "this cannot be read")])
            }
        }
    }
}
