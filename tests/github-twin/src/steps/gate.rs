//! A run whose own job asks the service: it names the environment, and its rule and reviewers have let it pass.
//!
//! Invariant: no delivery tells of such a run; only its token does. Next: `crate::runner`, which asks with it.

use super::deploy::NewRun;
use super::{Result, StepError};
use crate::auth::oidc::Job;
use crate::model::{Approval, Permission, World};
use crate::story::Gate;

impl World {
    /// A job in this account's fork that is the latest run's in everything but where it runs.
    pub fn job_of_a_fork(&mut self, owner: &str) -> Result<Job> {
        let owner = self.actor(owner)?;
        let fork = self.fork_of(owner)?;
        let latest = self.runs.values().next_back().cloned();
        let mut run = latest.ok_or_else(|| StepError::Story("nothing runs".to_owned()))?;
        (run.id, run.head_repository) = (self.next_id(), fork);
        let job = Job { run: run.id, attempt: run.attempts.len() as u64, environment: Some("production".to_owned()) };
        self.runs_of_forks.insert(run.id, run);
        Ok(job)
    }

    /// The job that asks: of a new run, or of another attempt of the run that asked before.
    pub fn asking_job(&mut self, it: &Gate, before: Option<u64>) -> Result<Job> {
        let by = self.allowed(&it.by, Permission::Write)?;
        let environment = it.environment.clone().unwrap_or_else(|| "production".to_owned());
        let reviewer = self.environment(&environment).reviewers.first().copied();
        let name = it.reference.clone().unwrap_or_else(|| "main".to_owned());
        let reference = self.reference(&name, Some(by))?;
        let wanted = it.attempt.unwrap_or(1);
        let attempts = |world: &Self, run: u64| world.runs.get(&run).map_or(0, |run| run.attempts.len() as u64);
        let known = before.filter(|run| it.attempt.is_some() && attempts(self, *run) + 1 >= wanted);
        let sha = match known.and_then(|run| self.runs.get(&run)) {
            Some(run) => Some(run.head_sha.clone()),
            None => self.upstream().and_then(|upstream| upstream.resolve(&reference)).cloned(),
        };
        let sha = sha.ok_or_else(|| StepError::Story(format!("there is no `{name}`")))?;
        let events = std::mem::take(&mut self.installation.events);
        let run = known.unwrap_or_else(|| {
            let branch = reference.rsplit_once('/').map_or(reference.as_str(), |(_, short)| short).to_owned();
            let (workflow, event) = ("deploy", "workflow_dispatch");
            self.insert_run(&NewRun { workflow, event, branch, reference: reference.clone(), sha: sha.clone() })
        });
        let mut begun = Ok(());
        while begun.is_ok() && attempts(self, run) < wanted {
            if attempts(self, run) > 0 {
                self.end_job(run, "failure");
            }
            begun = self.begin_attempt(run, by, &environment, &sha, false, false);
            let (at, attempt) = (self.clock, attempts(self, run));
            if let (Some(reviewer), Some(known)) = (reviewer, self.runs.get_mut(&run)) {
                let (environment, comment) = (environment.clone(), String::new());
                known.approvals.push(Approval { attempt, environment, by: reviewer, approved: true, comment, at });
            }
        }
        self.installation.events = events;
        begun?;
        Ok(Job { run, attempt: wanted, environment: Some(environment) })
    }
}
