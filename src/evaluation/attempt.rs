//! One attempt of a run at a gate: decided once for certain, answered, and followed to its end.
//!
//! Invariant: a certain decision of this very attempt is never made again; it is told again, in case nobody heard it.

use super::gates::{attempt_of, gates, with_others};
use super::{Evaluation, EvaluationError, Next, bypass, entry};
use crate::github::GitHubError;
use crate::github::gather::gate::Ahead;
use crate::github::gather::{self, Look, deployment, outcome, run};
use crate::github::publish::{self, Gate, Shown};
use crate::store::Recorded;
use crate::store::deployments::AttemptDecision;
use countersign_core::domain::{
    Decision, Deployment, DeploymentFinished, EntryBody, Observation, Outcome, RunAttempt, RunId, Subject, Terms,
};
use countersign_core::policy::OwnFile;

/// What a decision about an attempt to deploy is about.
pub(super) fn subject_of(look: &Look<'_>, run: RunId, attempt: RunAttempt, environment: &str) -> String {
    format!("repository:{}/run:{run}/attempt:{attempt}/environment:{environment}", look.repository.id)
}

/// What is judged at a gate, under which terms, and the repository's own rules beside the packs.
pub(super) struct AtGate {
    pub(super) facts: Deployment,
    pub(super) terms: Terms,
    pub(super) own: Vec<OwnFile>,
    /// Why it could not be read, where it could not.
    pub(super) failed: Option<GitHubError>,
}

/// The gate that an attempt's deployment waits at.
fn gate_of<'a>(gathered: &run::GatheredRun, asked: &'a deployment::Asked) -> Gate<'a> {
    Gate {
        run: gathered.run.id,
        attempt: gathered.run.this.number,
        environment: &asked.environment,
        deployment: asked.deployment,
        last_try: false,
    }
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
        let (gathered, mut ahead) = tokio::join!(run::gather(&self.look, run), self.ahead(run, &asked, &observed));
        let gathered = match gathered {
            Ok(gathered) => gathered,
            Err(error) if self.last_try && !matches!(error, GitHubError::RateLimited { .. }) => {
                return self.unshown(run, &asked, &observed, error).await;
            }
            Err(error) => return Err(error.into()),
        };
        let attempt = gathered.run.this.number;
        let mut next = Next::Done;
        let by_rule: Vec<_> = asked.iter().filter_map(|asked| asked.deployment).collect();
        for asked in asked {
            if attempt_of(&observed, asked.deployment).is_some_and(|of| of != attempt) {
                // This attempt passed the gate without a question: nothing to answer here.
                continue;
            }
            let asked = with_others(asked, &observed, attempt);
            let known = store.decision_for(repository, run, attempt, &asked.environment).await?;
            let settled = publish::is_answered(store, self.look.repository, &gate_of(&gathered, &asked)).await?
                || self.is_certain(known.as_ref(), &asked).await?;
            if !settled {
                if self.gate(&gathered, &asked, &observed, ahead.take()).await? == Next::LookAgain {
                    next = Next::LookAgain;
                }
            } else if let Some(known) = known {
                self.answer_again(&known.id, &gathered, &asked).await?;
                self.ended(&gathered, attempt, &asked, known.id).await?;
            }
        }
        self.bypasses(&gathered, &observed, &created, &by_rule).await?;
        Ok(next)
    }

    /// Says of every gate of a run that GitHub does not show that nobody can tell: whoever waits is told so, and where time
    /// does not heal it, is not left waiting for a month.
    async fn unshown(
        &self,
        run: RunId,
        gates: &[deployment::Asked],
        observed: &[Observation],
        error: GitHubError,
    ) -> Result<Next, EvaluationError> {
        let store = &self.evaluator.store;
        for asked in gates {
            let attempt = attempt_of(observed, asked.deployment).unwrap_or(RunAttempt(1));
            let (environment, deployment) = (asked.environment.as_str(), asked.deployment);
            let gate = Gate { run, attempt, environment, deployment, last_try: !error.passes() };
            let known = store.decision_for(self.look.repository.id, run, attempt, environment).await?;
            if publish::is_answered(store, self.look.repository, &gate).await?
                || self.is_certain(known.as_ref(), asked).await?
            {
                continue;
            }
            let facts = deployment::without_run(&self.look, asked, &error).await?;
            let (terms, own) = (self.at(environment).terms().await?, self.own_rules_of(&facts).await?);
            let subject = subject_of(&self.look, run, attempt, environment);
            let (decision, recorded) = self.decide(subject, terms, &own, Subject::Deployment(Box::new(facts))).await?;
            self.answer(&decision, &recorded, &gate).await?;
        }
        if error.passes() { Err(error.into()) } else { Ok(Next::Done) }
    }

    /// What is asked at the one gate of a run, asked already while the run itself is being read: nothing is known of this attempt
    /// yet, and somebody waits.
    async fn ahead(&self, run: RunId, gates: &[deployment::Asked], observed: &[Observation]) -> Option<Ahead> {
        let [asked] = gates else { return None };
        let attempt = attempt_of(observed, asked.deployment)?;
        let repository = self.look.repository.id;
        let known = self.evaluator.store.decision_for(repository, run, attempt, &asked.environment).await;
        if known.is_ok_and(|known| known.is_none()) {
            deployment::ahead(&self.at(&asked.environment).look, run, asked, observed).await
        } else {
            None
        }
    }

    /// Whether a decision is for certain and saw this deployment. A job that begins later asks the same environment
    /// again, and its deployment may name another commit.
    async fn is_certain(
        &self,
        known: Option<&AttemptDecision>,
        asked: &deployment::Asked,
    ) -> Result<bool, EvaluationError> {
        let Some(known) = known.filter(|known| ["allow", "exception", "deny"].contains(&known.outcome.as_str())) else {
            return Ok(false);
        };
        let Some((decision, _)) = self.recorded(&known.id).await? else { return Ok(false) };
        let Subject::Deployment(saw) = decision.facts.subject else { return Ok(false) };
        Ok(asked.deployment.is_none() || saw.record.map(|record| record.id) == asked.deployment)
    }

    /// What is judged at a gate.
    pub(super) async fn at_gate(
        &self,
        gathered: &run::GatheredRun,
        asked: &deployment::Asked,
        observed: &[Observation],
        ahead: Option<Ahead>,
    ) -> Result<AtGate, EvaluationError> {
        let here = self.at(&asked.environment);
        match Box::pin(deployment::gather(&here.look, gathered, asked, observed, ahead)).await {
            Ok(found) => {
                let terms = gather::terms(&here.look, self.pins, &found.default_branch)?;
                Ok(AtGate { facts: found.deployment, terms, own: found.own_rules, failed: None })
            }
            // Whoever waits is told so. Where time does not heal it, they are not left waiting for a month either.
            Err(error) if self.last_try && !matches!(error, GitHubError::RateLimited { .. }) => {
                let terms = here.terms().await?;
                let facts = deployment::unread(&here.look, gathered, asked, &error).await?;
                let own = self.own_rules_of(&facts).await?;
                Ok(AtGate { facts, terms, own, failed: Some(error) })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn gate(
        &self,
        gathered: &run::GatheredRun,
        asked: &deployment::Asked,
        observed: &[Observation],
        ahead: Option<Ahead>,
    ) -> Result<Next, EvaluationError> {
        self.note_open_ends(&gathered.run, &asked.environment).await?;
        let AtGate { mut facts, terms, own, failed } = self.at_gate(gathered, asked, observed, ahead).await?;
        let passes = failed.filter(GitHubError::passes);
        let (run, attempt) = (gathered.run.id, gathered.run.this.number);
        let store = &self.evaluator.store;
        let asked_at = store.asked_at(self.look.repository.id, run, &asked.environment, asked.deployment).await?;
        self.with_exceptions(&mut facts, asked_at).await?;
        let subject = subject_of(&self.look, run, attempt, &asked.environment);
        let (decision, recorded) = self.decide(subject, terms, &own, Subject::Deployment(Box::new(facts))).await?;
        let last_try = self.last_try && passes.is_none();
        self.answer(&decision, &recorded, &Gate { last_try, ..gate_of(gathered, asked) }).await?;
        if let Some(error) = passes {
            return Err(error.into());
        }
        Ok(match decision.verdict.outcome {
            Outcome::Undetermined => Next::LookAgain,
            _ => Next::Done,
        })
    }

    /// Told already, unless the service died between the record and the answer.
    async fn answer_again(
        &self,
        decision: &str,
        gathered: &run::GatheredRun,
        asked: &deployment::Asked,
    ) -> Result<(), EvaluationError> {
        let Some((decision, recorded)) = self.recorded(decision).await? else { return Ok(()) };
        let gate = Gate { last_try: self.last_try, ..gate_of(gathered, asked) };
        self.answer(&decision, &recorded, &gate).await
    }

    async fn answer(&self, decision: &Decision, recorded: &Recorded, gate: &Gate<'_>) -> Result<(), EvaluationError> {
        let shown = Shown { page: self.page(&decision.id), decision, recorded };
        publish::answer(self.look.client, &self.evaluator.store, self.look.repository, gate, &shown).await?;
        Ok(())
    }

    /// Notes the end of an attempt's deployments here once all of them have ended; it is a success where all are.
    pub(super) async fn ended(
        &self,
        gathered: &run::GatheredRun,
        attempt: RunAttempt,
        asked: &deployment::Asked,
        decision: String,
    ) -> Result<(), EvaluationError> {
        let run = gathered.run.id;
        let Some(deployment) = asked.deployment else { return Ok(()) };
        if self.evaluator.store.is_finished(self.look.repository.id, run, attempt, &asked.environment).await? {
            return Ok(());
        }
        let all: Vec<_> = [deployment].into_iter().chain(asked.beside.iter().copied()).collect();
        let jobs = outcome::gather(&self.look, gathered, attempt, &all).await?;
        let ends: Option<Vec<&str>> = jobs.iter().map(|job| job.as_ref()?.conclusion()).collect();
        let Some(ends) = ends else { return Ok(()) };
        let failed = ends.iter().copied().find(|conclusion| *conclusion != "success");
        let conclusion = failed.unwrap_or("success");
        let finished = DeploymentFinished {
            repository: self.look.repository.clone(),
            environment: asked.environment.clone(),
            deployment,
            run,
            attempt,
            commit: gathered.run.head_commit.clone(),
            conclusion: conclusion.to_owned(),
            decision: Some(decision),
            ended_at: jobs.iter().flatten().filter_map(outcome::DeployingJob::ended_at).max(),
            beside: asked.beside.clone(),
        };
        self.evaluator.store.note(entry(EntryBody::DeploymentFinished(finished))).await?;
        Ok(())
    }
}
