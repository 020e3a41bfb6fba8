//! What went past the gate: deployments in a production environment that proceeded under an attempt we never let through.
//!
//! Invariant: such a deployment is told once, and never becomes the starting point of a release. Only its own job, read
//! from the attempt's jobs, says that it proceeded.

use super::gates::with_others;
use super::{Evaluation, EvaluationError, entry};
use crate::github::gather::{deployment, outcome, run};
use crate::settings::Settings;
use countersign_core::domain::{
    Account, Alert, Attempt, DeploymentFinished, DeploymentId, EntryBody, Observation, RunAttempt,
};

/// A deployment that a run's attempt created in a production environment.
pub(super) struct Created {
    deployment: DeploymentId,
    attempt: RunAttempt,
    environment: String,
}

/// The deployments of a run in environments under control.
pub(super) fn created(observed: &[Observation], settings: &Settings, full_name: &str) -> Vec<Created> {
    let Some(scope) = settings.scope_of(full_name) else { return Vec::new() };
    let created = observed.iter().filter_map(|seen| match seen {
        Observation::DeploymentCreated { deployment, attempt, environment, .. } if scope.covers(environment) => {
            Some(Created { deployment: *deployment, attempt: *attempt, environment: environment.clone() })
        }
        _ => None,
    });
    created.collect()
}

impl Evaluation<'_> {
    /// Raises `gate-bypassed` for every deployment that proceeded without an allow of its own attempt.
    pub(super) async fn bypasses(
        &self,
        gathered: &run::GatheredRun,
        observed: &[Observation],
        created: &[Created],
        by_rule: &[DeploymentId],
    ) -> Result<(), EvaluationError> {
        let store = &self.evaluator.store;
        let (repository, run) = (self.look.repository.id, gathered.run.id);
        for one in created {
            if store.was_let_through(repository, run, one.attempt, &one.environment).await? {
                // Where the job asked by itself and no rule does, nobody else follows it to its end.
                let decision = store.decision_for(repository, run, one.attempt, &one.environment).await?;
                if let Some(decision) = decision
                    && one.attempt == gathered.run.this.number
                    && !by_rule.contains(&one.deployment)
                {
                    let (environment, deployment) = (one.environment.clone(), Some(one.deployment));
                    let asked = deployment::Asked { environment, deployment, beside: Vec::new(), request: None };
                    let asked = with_others(asked, observed, one.attempt);
                    self.ended(gathered, one.attempt, &asked, decision.id).await?;
                }
                continue;
            }
            let jobs = outcome::gather(&self.look, gathered, one.attempt, &[one.deployment]).await?;
            let Some(job) = jobs.into_iter().next().flatten() else { continue };
            let decision = store.decision_for(repository, run, one.attempt, &one.environment).await?;
            // A job that our rule holds back does not run. Another one may be running to ask by itself: its end tells.
            let proceeded = job.succeeded() || job.runs() && by_rule.contains(&one.deployment);
            // One that we were asked about and that failed was turned away, or failed of itself after we saw it run.
            if !proceeded && (decision.is_some() || !job.ran_and_failed()) {
                continue;
            }
            self.raise(gathered, one).await?;
            let Some(conclusion) = job.conclusion() else { continue };
            if !store.is_finished(repository, run, one.attempt, &one.environment).await? {
                let finished = DeploymentFinished {
                    repository: self.look.repository.clone(),
                    environment: one.environment.clone(),
                    deployment: one.deployment,
                    run,
                    attempt: one.attempt,
                    commit: gathered.run.head_commit.clone(),
                    conclusion: conclusion.to_owned(),
                    decision: decision.map(|decision| decision.id),
                    ended_at: job.ended_at(),
                    beside: Vec::new(),
                };
                store.note(entry(EntryBody::DeploymentFinished(finished))).await?;
            }
        }
        Ok(())
    }

    async fn raise(&self, gathered: &run::GatheredRun, one: &Created) -> Result<(), EvaluationError> {
        let attempt = run::attempt(&self.look, gathered, one.attempt).await?;
        let by = starters(&attempt);
        let (run, commit) = (gathered.run.id, &gathered.run.head_commit);
        let text = format!(
            "Commit {} went to {} in run {run}, attempt {}, started by {}, without being allowed for that attempt",
            commit.short(),
            one.environment,
            one.attempt,
            names(&by)
        );
        let alert = Alert {
            code: "gate-bypassed".to_owned(),
            text,
            repository: self.look.repository.clone(),
            environment: one.environment.clone(),
            run: Some(run),
            attempt: Some(one.attempt),
            deployment: one.deployment,
            commit: commit.clone(),
            by,
            commits: Vec::new(),
        };
        if self.evaluator.store.raise(entry(EntryBody::Alert(alert))).await? {
            tracing::warn!(%run, attempt = %one.attempt, environment = one.environment, "the gate was bypassed");
        }
        Ok(())
    }
}

/// Who started an attempt: whoever triggered it, and whose event it was, where that is another account.
fn starters(attempt: &Attempt) -> Vec<Account> {
    let mut starters: Vec<Account> = Vec::new();
    for account in [&attempt.triggering_actor, &attempt.actor].into_iter().flatten() {
        if starters.iter().all(|known| known.id != account.id) {
            starters.push(account.clone());
        }
    }
    starters
}

fn names(accounts: &[Account]) -> String {
    let names: Vec<String> = accounts.iter().map(|account| format!("@{}", account.login)).collect();
    if names.is_empty() { "nobody known".to_owned() } else { names.join(" and ") }
}
