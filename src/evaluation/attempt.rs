//! One attempt of a run at a gate: decided once for certain, answered, and followed to its end.
//!
//! Invariant: a certain decision of this very attempt is never made again; it is told again, in case nobody heard it.

use super::gates::{attempt_of, gates};
use super::{Evaluation, EvaluationError, Next, bypass, entry};
use crate::github::gather::{Look, deployment, outcome, run};
use crate::github::publish::{self, Gate, Shown};
use crate::store::Recorded;
use countersign_core::domain::{
    Decision, DeploymentFinished, EntryBody, Observation, Outcome, RunAttempt, RunId, Subject,
};

/// What a decision about an attempt to deploy is about.
pub(super) fn subject_of(look: &Look<'_>, run: RunId, attempt: RunAttempt, environment: &str) -> String {
    format!("repository:{}/run:{run}/attempt:{attempt}/environment:{environment}", look.repository.id)
}

impl Evaluation<'_> {
    pub(super) async fn run(&self, run: RunId) -> Result<Next, EvaluationError> {
        let store = &self.evaluator.store;
        let repository = self.look.repository.id;
        // The job itself may be asking too: one after the other.
        let _turn = self.evaluator.turns.at(format!("{repository}/run:{run}")).await;
        let observed = store.observed(repository, &[format!("run:{run}")]).await?;
        let asked = gates(&observed, self.look.settings, &self.look.repository.full_name);
        let created = bypass::created(&observed, self.look.settings, &self.look.repository.full_name);
        if asked.is_empty() && created.is_empty() {
            return Ok(Next::Done);
        }
        let gathered = run::gather(&self.look, run).await?;
        let attempt = gathered.run.this.number;
        let mut next = Next::Done;
        let by_rule: Vec<_> = asked.iter().filter_map(|asked| asked.deployment).collect();
        for asked in asked {
            if attempt_of(&observed, asked.deployment).is_some_and(|of| of != attempt) {
                // This attempt passed the gate without a question: nothing to answer here.
                continue;
            }
            let known = store.decision_for(repository, run, attempt, &asked.environment).await?;
            let certain =
                known.as_ref().is_some_and(|known| ["allow", "exception", "deny"].contains(&known.outcome.as_str()));
            let settled =
                certain || publish::is_answered(store, self.look.repository, run, attempt, &asked.environment).await?;
            if !settled {
                next = self.gate(&gathered, &asked, &observed).await?;
            } else if let Some(known) = known {
                self.answer_again(&known.id, run, attempt, &asked.environment).await?;
                self.ended(&gathered, &asked, known.id).await?;
            }
        }
        self.bypasses(&gathered, &created, &by_rule).await?;
        Ok(next)
    }

    async fn gate(
        &self,
        gathered: &run::GatheredRun,
        asked: &deployment::Asked,
        observed: &[Observation],
    ) -> Result<Next, EvaluationError> {
        let terms = self.terms().await?;
        let mut facts = match deployment::gather(&self.look, &terms.production_branch, gathered, asked, observed).await
        {
            Ok(facts) => facts,
            // Time does not heal this: whoever waits is told so, and not left waiting for a month.
            Err(error) if self.last_try && !error.passes() => {
                deployment::unread(&self.look, gathered, asked, &error).await?
            }
            Err(error) => return Err(error.into()),
        };
        let (run, attempt) = (gathered.run.id, gathered.run.this.number);
        let store = &self.evaluator.store;
        let asked_at = store.asked_at(self.look.repository.id, run, &asked.environment, asked.deployment).await?;
        self.with_exceptions(&mut facts, asked_at).await?;
        let subject = subject_of(&self.look, run, attempt, &asked.environment);
        let own = self.own_rules_of(&facts).await?;
        let (decision, recorded) = self.decide(subject, terms, &own, Subject::Deployment(Box::new(facts))).await?;
        self.answer(&decision, &recorded, run, attempt, &asked.environment).await?;
        Ok(match decision.verdict.outcome {
            Outcome::Undetermined => Next::LookAgain,
            _ => Next::Done,
        })
    }

    /// Told already, unless the service died between the record and the answer.
    async fn answer_again(
        &self,
        decision: &str,
        run: RunId,
        attempt: RunAttempt,
        environment: &str,
    ) -> Result<(), EvaluationError> {
        let Some((decision, recorded)) = self.recorded(decision).await? else { return Ok(()) };
        self.answer(&decision, &recorded, run, attempt, environment).await
    }

    async fn answer(
        &self,
        decision: &Decision,
        recorded: &Recorded,
        run: RunId,
        attempt: RunAttempt,
        environment: &str,
    ) -> Result<(), EvaluationError> {
        let gate = Gate { run, attempt, environment, last_try: self.last_try };
        let shown = Shown { page: self.page(&decision.id), decision, recorded };
        publish::answer(self.look.client, &self.evaluator.store, self.look.repository, &gate, &shown).await?;
        Ok(())
    }

    pub(super) async fn ended(
        &self,
        gathered: &run::GatheredRun,
        asked: &deployment::Asked,
        decision: String,
    ) -> Result<(), EvaluationError> {
        let (run, attempt) = (gathered.run.id, gathered.run.this.number);
        let Some(deployment) = asked.deployment else { return Ok(()) };
        if self.evaluator.store.is_finished(self.look.repository.id, run, attempt, &asked.environment).await? {
            return Ok(());
        }
        let Some(job) = outcome::gather(&self.look, gathered, attempt, deployment).await? else { return Ok(()) };
        let Some(conclusion) = job.conclusion() else { return Ok(()) };
        let finished = DeploymentFinished {
            repository: self.look.repository.clone(),
            environment: asked.environment.clone(),
            deployment,
            run,
            attempt,
            commit: gathered.run.head_commit.clone(),
            conclusion: conclusion.to_owned(),
            decision: Some(decision),
        };
        self.evaluator.store.note(entry(EntryBody::DeploymentFinished(finished))).await?;
        Ok(())
    }
}
