//! Runs that deploy: how they come about, run again, and end.
//!
//! Invariant: a run starts from a branch or a tag, never from a commit. Next: `jobs.rs`, what a run's job waits for.

use super::{Result, StepError, refused};
use crate::model::{
    AccountId, Activity, Deployment, Event, GITHUB_ACTIONS, OWNER, Permission, Release, Run, RunStatus, Sha, UPSTREAM,
    WorkflowAction, World,
};
use crate::story::{Chain, Deploy, Finish, OutsideDeployment, Rerun, RerunJobs, Status, Via};

/// A run to be started.
pub(super) struct NewRun {
    pub workflow: &'static str,
    pub event: &'static str,
    pub branch: String,
    pub reference: String,
    pub sha: Sha,
}

impl Via {
    /// The event that such a run shows.
    fn event(self) -> &'static str {
        match self {
            Self::Dispatch => "workflow_dispatch",
            Self::Push => "push",
            Self::Release => "release",
            Self::Api => "deployment",
            Self::Schedule => "schedule",
            Self::Run => "workflow_run",
            Self::PullRequestTarget => "pull_request_target",
        }
    }
}

impl World {
    pub(super) fn deploy(&mut self, it: &Deploy) -> Result<()> {
        let environment = it.environment.clone().unwrap_or_else(|| "production".to_owned());
        self.environment(&environment);
        let job_sha = it.job_sha.as_ref().map(|name| self.resolve(name)).transpose()?;
        let by = self.starter(it)?;
        let name = it.reference.clone().unwrap_or_else(|| "main".to_owned());
        let mut reference = self.reference(&name, by)?;
        if it.via == Via::Release {
            reference = self.release(&reference, by.unwrap_or(OWNER))?;
        }
        let Some(sha) = self.upstream().and_then(|upstream| upstream.resolve(&reference)).cloned() else {
            return Err(StepError::Story(format!("there is no `{name}`")));
        };
        if it.via == Via::Run {
            self.first_of_chain(it.chain.as_ref(), &reference, &sha)?;
        }
        let actor = match (by, it.via) {
            (Some(by), _) => by,
            (None, Via::Push) => self.last_pusher(&reference),
            (None, Via::PullRequestTarget | Via::Schedule | Via::Run) => OWNER,
            (None, _) => return Err(StepError::Story("`deploy` needs `by`".to_owned())),
        };
        let run = self.insert_run(&NewRun {
            workflow: "deploy",
            event: it.via.event(),
            branch: short(&reference).to_owned(),
            reference,
            sha: sha.clone(),
        });
        self.begin_attempt(run, actor, &environment, &job_sha.unwrap_or(sha), true, true)
    }

    fn starter(&self, it: &Deploy) -> Result<Option<AccountId>> {
        let Some(login) = &it.by else { return Ok(None) };
        match it.via {
            Via::Dispatch | Via::Release | Via::Api => Ok(Some(self.allowed(login, Permission::Write)?)),
            Via::Push | Via::Schedule | Via::Run | Via::PullRequestTarget => Ok(Some(self.actor(login)?)),
        }
    }

    /// The full ref that a run starts from; a commit is tagged first.
    pub(super) fn reference(&mut self, name: &str, by: Option<AccountId>) -> Result<String> {
        let upstream = self.upstream();
        if name.starts_with("refs/") && upstream.is_some_and(|upstream| upstream.resolve(name).is_some()) {
            return Ok(name.to_owned());
        }
        if upstream.is_some_and(|upstream| upstream.branches.contains_key(name)) {
            return Ok(format!("refs/heads/{name}"));
        }
        if upstream.is_some_and(|upstream| upstream.tags.contains_key(name)) {
            return Ok(format!("refs/tags/{name}"));
        }
        let sha = self.resolve(name)?;
        let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let tag = format!("deploy-{plain}");
        let known = self.upstream().and_then(|upstream| upstream.tags.get(&tag));
        if known != Some(&sha) {
            self.move_tag(&tag, &sha, by.unwrap_or(OWNER))?;
        }
        Ok(format!("refs/tags/{tag}"))
    }

    /// Publishes a release; a branch is tagged first.
    fn release(&mut self, reference: &str, by: AccountId) -> Result<String> {
        let tag = if let Some(tag) = reference.strip_prefix("refs/tags/") {
            tag.to_owned()
        } else {
            let tag = format!("v{}", self.releases.len() + 1);
            let sha = self.resolve(short(reference))?;
            self.move_tag(&tag, &sha, by)?;
            tag
        };
        let (id, at) = (self.next_id(), self.tick());
        self.releases.push(Release { id, tag: tag.clone(), author: by, at });
        self.emit(&Event::Release { release: id, sender: by });
        Ok(format!("refs/tags/{tag}"))
    }

    /// Who moved a branch or tag last.
    fn last_pusher(&self, reference: &str) -> AccountId {
        let moved = |activity: &&Activity| activity.reference == reference;
        let branch = self.activity.iter().rev().find(moved).map(|activity| activity.actor);
        let tag = self.pushes.iter().rev().find(|push| push.reference == reference);
        branch.or(tag.map(|push| push.pusher)).unwrap_or(OWNER)
    }

    /// The run that a `workflow_run` follows: it has ended before.
    fn first_of_chain(&mut self, chain: Option<&Chain>, reference: &str, sha: &str) -> Result<()> {
        let by = chain.and_then(|chain| chain.by.as_deref());
        let event = chain.map_or("push", |chain| if chain.via == Via::Push { "push" } else { chain.via.event() });
        let actor = match by {
            Some(by) => self.actor(by)?,
            None if event == "push" => self.last_pusher(reference),
            None => return Err(StepError::Story("the first run needs `by`".to_owned())),
        };
        let run = self.insert_run(&NewRun {
            workflow: "ci",
            event,
            branch: short(reference).to_owned(),
            reference: reference.to_owned(),
            sha: sha.to_owned(),
        });
        self.begin_plain_attempt(run, actor)?;
        self.end_job(run, "success");
        Ok(())
    }

    pub(super) fn rerun(&mut self, it: &Rerun) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Write)?;
        let Some(run) = self.latest_deploying() else {
            return Err(refused("there is no run"));
        };
        let Some(latest) = run.latest().filter(|attempt| attempt.status == RunStatus::Completed) else {
            return Err(refused("the run has not completed"));
        };
        if it.jobs == RerunJobs::Failed && latest.conclusion.as_deref() == Some("success") {
            return Err(refused("the run has no failed jobs"));
        }
        let Some(job) = latest.jobs.last() else {
            return Err(refused("the run has no job"));
        };
        let all = it.jobs == RerunJobs::All;
        let (ask_rule, ask_approval) = (all || job.waits_for_rule, all || job.waits_for_approval);
        let deployment = job.deployment.and_then(|id| self.deployments.get(&id));
        let Some(deployment) = deployment else {
            return Err(refused("the run deploys nothing"));
        };
        let (run, environment, sha) = (run.id, deployment.environment.clone(), deployment.sha.clone());
        self.begin_attempt(run, by, &environment, &sha, ask_rule, ask_approval)
    }

    /// The latest run that deploys; others may have begun since.
    pub(super) fn latest_deploying(&self) -> Option<&Run> {
        self.runs.values().rev().find(|run| run.path.ends_with("/deploy.yml"))
    }

    pub(super) fn finish(&mut self, it: &Finish) -> Result<()> {
        let Some(deployment) = self.deployments.values().next_back() else {
            return Err(refused("there is no deployment"));
        };
        let Some(run) = deployment.run else {
            return Err(refused("the deployment has no job"));
        };
        let latest = self.runs.get(&run).and_then(Run::latest);
        match latest.map(|attempt| attempt.status) {
            Some(RunStatus::InProgress) => {
                self.end_job(run, it.state.name());
                Ok(())
            }
            Some(RunStatus::Completed) => Err(refused("the job has ended already: it may not run")),
            _ => Err(refused("the job waits: it may not run yet")),
        }
    }

    pub(super) fn status(&mut self, it: &Status) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Write)?;
        let Some(deployment) = self.deployments.keys().next_back().copied() else {
            return Err(refused("there is no deployment"));
        };
        self.add_deployment_status(deployment, &it.state, by);
        Ok(())
    }

    /// A program that is no run creates a deployment by the API, and says how it goes.
    pub(super) fn outside_deployment(&mut self, it: &OutsideDeployment) -> Result<()> {
        let by = self.allowed(&it.by, Permission::Write)?;
        let name = it.reference.clone().unwrap_or_else(|| "main".to_owned());
        let sha = self.tip(&name).map_or_else(|| self.resolve(&name), Ok)?;
        let (deployment, at) = (self.next_id(), self.tick());
        self.deployments.insert(
            deployment,
            Deployment {
                id: deployment,
                sha,
                reference: name,
                environment: it.environment.clone().unwrap_or_else(|| "production".to_owned()),
                creator: by,
                run: None,
                attempt: 0,
                job: None,
                statuses: Vec::new(),
                created_at: at,
            },
        );
        self.emit(&Event::Deployment { deployment, sender: by });
        for state in &it.states {
            self.add_deployment_status(deployment, state, by);
        }
        Ok(())
    }

    /// Starts a run that deploys nothing.
    pub(super) fn begin_plain_run(
        &mut self,
        workflow: &'static str,
        event: &'static str,
        actor: AccountId,
    ) -> Result<u64> {
        let Some(sha) = self.tip("main") else {
            return Err(refused("there is no branch `main`"));
        };
        let run = self.insert_run(&NewRun {
            workflow,
            event,
            branch: "main".to_owned(),
            reference: "refs/heads/main".to_owned(),
            sha,
        });
        self.begin_plain_attempt(run, actor)?;
        Ok(run)
    }

    pub(super) fn insert_run(&mut self, new: &NewRun) -> u64 {
        let (id, at) = (self.next_id(), self.tick());
        let suite = self.new_suite(crate::model::APP_GITHUB_ACTIONS, &new.sha, Some(&new.branch), None);
        let path = format!(".github/workflows/{}.yml", new.workflow);
        let number = self.runs.values().filter(|run| run.path == path).count() as u64 + 1;
        self.runs.insert(
            id,
            Run {
                id,
                number,
                workflow: match new.workflow {
                    "deploy" => 5_001,
                    "ci" => 5_002,
                    _ => 5_003,
                },
                name: new.workflow.to_owned(),
                path,
                event: new.event.to_owned(),
                head_branch: Some(new.branch.clone()),
                reference: new.reference.clone(),
                head_sha: new.sha.clone(),
                head_repository: UPSTREAM,
                check_suite: suite,
                attempts: Vec::new(),
                approvals: Vec::new(),
                created_at: at,
            },
        );
        id
    }

    pub(super) fn run_event(&mut self, run: u64, action: WorkflowAction, sender: AccountId) {
        let attempt = self.runs.get(&run).map_or(0, |run| run.attempts.len() as u64);
        self.emit(&Event::WorkflowRun { run, attempt, action, sender });
    }

    /// The first commit was deployed before the story began.
    pub(crate) fn first_deployment(&mut self) {
        let Some(sha) = self.tip("main") else { return };
        let events = std::mem::take(&mut self.installation.events);
        let run = self.insert_run(&NewRun {
            workflow: "deploy",
            event: "workflow_dispatch",
            branch: "main".to_owned(),
            reference: "refs/heads/main".to_owned(),
            sha: sha.clone(),
        });
        let begun = self.begin_attempt(run, OWNER, "production", &sha, false, false);
        if begun.is_ok() {
            self.end_job(run, "success");
        }
        self.installation.events = events;
    }

    pub(super) fn actions_status(&mut self, deployment: u64, state: &str) {
        self.add_deployment_status(deployment, state, GITHUB_ACTIONS);
    }
}

fn short(reference: &str) -> &str {
    let plain = reference.strip_prefix("refs/heads/");
    plain.or_else(|| reference.strip_prefix("refs/tags/")).unwrap_or(reference)
}
