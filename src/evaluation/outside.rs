//! Deployments that nobody showed us with a run: made by a program outside Actions, or by a job whose delivery was lost.
//!
//! Invariant: a job's deployment is looked at as that job's. Any other was made past the gate, which asks jobs alone: where
//! anything is said of it but that it waits, `gate-bypassed` is raised, once. Nothing that is said of it makes it a starting
//! point. Beside `bypass.rs`.

use super::{Evaluation, EvaluationError, Next, entry};
use crate::github::GitHubError;
use crate::github::gather::listed::{self, Claims, DeploymentPayload};
use crate::github::gather::{deployment, line};
use crate::settings::same_environment;
use crate::store::observations::Seen;
use countersign_core::domain::{
    Account, Alert, CommitSha, DeploymentId, EntryBody, Observation, RunId, StartingPoint, Subject,
};

impl Evaluation<'_> {
    /// Looks at a deployment that came without a run.
    pub(super) async fn deployment_alone(&self, id: DeploymentId) -> Result<Next, EvaluationError> {
        let store = &self.evaluator.store;
        let repository = self.look.repository.id;
        if let Some((run, ..)) = store.made_by(repository, id).await? {
            return self.run_later(run).await;
        }
        let Some(scope) = self.look.settings.scope_of(&self.look.repository.full_name) else { return Ok(Next::Done) };
        let one = match listed::deployment(&self.look, id).await {
            Ok(one) => one,
            // Deleted since: what is on record of it stays, and that it is on no list any more is told there.
            Err(GitHubError::NotFound(_)) => return Ok(Next::Done),
            Err(error) => return Err(error.into()),
        };
        let Some(environment) = scope.environments.iter().find(|environment| one.is_in(environment)) else {
            return Ok(Next::Done);
        };
        let claims = listed::claims(&self.look, id).await?;
        if let Some((run, attempt)) = listed::made_by(&self.look, &one, &claims).await? {
            let environment = one.environment.clone();
            let created = Observation::DeploymentCreated {
                deployment: id,
                run,
                attempt,
                environment,
                node: None,
                run_node: None,
                commit: None,
            };
            store.observe(vec![Seen { repository, observation: created }], self.look.now).await?;
            return self.run_later(run).await;
        }
        if !claims.ran.is_empty() && !self.answered_by_a_run(environment, &CommitSha::new(one.sha.clone())).await? {
            self.raise_outside(environment, &one, &claims).await?;
        }
        Ok(Next::Done)
    }

    /// Looks at the run instead. Boxed, since looking at a run never leads back here.
    async fn run_later(&self, run: RunId) -> Result<Next, EvaluationError> {
        Box::pin(self.run(run)).await
    }

    /// Whether a run that a deployment started was let through with this very commit: then the deployment is what it
    /// answered, and its job has a deployment of its own.
    async fn answered_by_a_run(&self, environment: &str, commit: &CommitSha) -> Result<bool, EvaluationError> {
        let store = &self.evaluator.store;
        for id in store.let_through(self.look.repository.id, commit).await? {
            let Some((_, found)) = store.decision(&id).await? else { continue };
            let EntryBody::Decision(decision) = found.body else { continue };
            if let Subject::Deployment(deployment) = &decision.facts.subject
                && same_environment(&deployment.environment, environment)
                && deployment.run.as_ref().is_some_and(|run| run.event == "deployment")
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn raise_outside(
        &self,
        environment: &str,
        one: &DeploymentPayload,
        claims: &Claims,
    ) -> Result<(), EvaluationError> {
        let commit = CommitSha::new(one.sha.clone());
        let commits = self.commits_to(environment, &commit).await?;
        let states: Vec<&str> = claims.ran.iter().map(String::as_str).collect();
        let creator = one.creator();
        let text = format!(
            "Commit {} went to {environment} by deployment {}, which {} created outside Actions and which is said to be \
             {} by {}: no job is tied to it, and nobody asked whether it may",
            commit.short(),
            one.id,
            name(creator.as_ref()),
            states.join(", "),
            names(&claims.by),
        );
        let alert = Alert {
            code: "gate-bypassed".to_owned(),
            text,
            repository: self.look.repository.clone(),
            environment: environment.to_owned(),
            run: None,
            attempt: None,
            deployment: DeploymentId(one.id),
            commit,
            by: creator.into_iter().collect(),
            commits,
        };
        if self.evaluator.store.raise(entry(EntryBody::Alert(alert))).await? {
            tracing::warn!(deployment = one.id, environment, "a deployment was made past the gate");
        }
        Ok(())
    }

    /// The first-parent commits that a deployment past the gate put into an environment, newest first; none where the
    /// branch's line does not lead from what runs there to its commit.
    pub(super) async fn commits_to(
        &self,
        environment: &str,
        commit: &CommitSha,
    ) -> Result<Vec<CommitSha>, EvaluationError> {
        let start = deployment::starting_point(&self.look, environment).await?;
        let Some(start) = start.as_ref().map(StartingPoint::commit) else { return Ok(Vec::new()) };
        let branch = self.at(environment).terms().await?.production_branch;
        let line = match line::of_branch(&self.look, &branch, start, commit).await {
            Ok(line) => line,
            Err(error) if error.passes() => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, %commit, "the line to a deployment past the gate cannot be read");
                return Ok(Vec::new());
            }
        };
        if !line.reaches_start {
            return Ok(Vec::new());
        }
        let ahead = line.commits.into_iter().skip_while(|one| one != commit);
        Ok(ahead.take_while(|one| one != start).collect())
    }
}

fn name(account: Option<&Account>) -> String {
    account.map_or_else(|| "nobody known".to_owned(), |account| format!("@{}", account.login))
}

fn names(accounts: &[Account]) -> String {
    let names: Vec<String> = accounts.iter().map(|account| name(Some(account))).collect();
    if names.is_empty() { name(None) } else { names.join(" and ") }
}
