//! Attempts and their jobs, one after the other: what each waits for, when it runs, how it ends.
//!
//! Invariant: a job runs once our rule (where enabled) and the required reviewers (where asked) have let it pass; when a
//! re-run does not ask them again, it runs at once.

use super::{Result, refused};
use crate::model::{
    APP_GITHUB_ACTIONS, AccountId, Approval, Attempt, CheckRun, Deployment, DeploymentReviewAction, DeploymentStatus,
    Event, GITHUB_ACTIONS, Job, RuleRequest, RuleState, Run, RunStatus, Sha, WorkflowAction, World,
};
use crate::story::{ApproveEnvironment, NextJob};
use serde_json::Value;

/// Where a job deploys: the environment, its deployment, and whether our rule and required reviewers are asked.
type Place<'a> = (&'a str, u64, bool, bool);

impl World {
    /// Starts the next attempt of a deploying run. `ask_rule` and `ask_approval` say what this attempt would ask anew.
    pub(super) fn begin_attempt(
        &mut self,
        run: u64,
        by: AccountId,
        environment: &str,
        sha: &Sha,
        ask_rule: bool,
        ask_approval: bool,
    ) -> Result<()> {
        let settings = self.environment(environment).clone();
        let rule = ask_rule && settings.rule_enabled;
        let approval = ask_approval && !settings.reviewers.is_empty();
        let deployment = self.next_id();
        let place = Some((environment, deployment, rule, approval));
        let job = self.insert_attempt(run, by, place)?;
        self.run_event(run, WorkflowAction::Requested, by);
        self.deploying(run, by, sha, job, (environment, deployment, rule, approval));
        Ok(())
    }

    /// Another job of the latest deploying run, after the one before it: it asks the environment again.
    pub(super) fn next_job(&mut self, it: &NextJob) -> Result<()> {
        let Some(run) = self.runs.values().rev().find(|run| run.path.ends_with("/deploy.yml")) else {
            return Err(refused("there is no run"));
        };
        let Some(latest) = run.latest().filter(|latest| latest.conclusion.as_deref() == Some("success")) else {
            return Err(refused("the job before has not succeeded"));
        };
        let (run, by, sha) = (run.id, latest.triggering_actor, run.head_sha.clone());
        let environment = latest.jobs.last().and_then(|job| job.environment.clone()).unwrap_or_default();
        let sha = it.job_sha.as_ref().map_or(Ok(sha), |name| self.resolve(name))?;
        let settings = self.environment(&environment).clone();
        let (rule, approval) = (settings.rule_enabled, !settings.reviewers.is_empty());
        let deployment = self.next_id();
        let place = (environment.as_str(), deployment, rule, approval);
        let job = self.insert_job(run, Some(place))?;
        self.deploying(run, by, &sha, job, place);
        Ok(())
    }

    /// A job begins to deploy: it waits for what it must ask, or runs.
    fn deploying(&mut self, run: u64, by: AccountId, sha: &Sha, job: u64, place: Place<'_>) {
        let (environment, deployment, rule, approval) = place;
        self.job_event(run, WorkflowAction::Queued, by);
        let (attempt, reference) = self
            .runs
            .get(&run)
            .map(|run| (run.attempts.len() as u64, run.head_branch.clone().unwrap_or_default()))
            .unwrap_or_default();
        self.deployments.insert(
            deployment,
            Deployment {
                id: deployment,
                sha: sha.clone(),
                reference,
                environment: environment.to_owned(),
                creator: by,
                run: Some(run),
                attempt,
                job: Some(job),
                statuses: Vec::new(),
                created_at: self.clock,
            },
        );
        self.emit(&Event::Deployment { deployment, sender: by });
        if !rule && !approval {
            self.start_job(run);
            return;
        }
        self.actions_status(deployment, "waiting");
        self.job_event(run, WorkflowAction::Waiting, by);
        if approval {
            self.review_event(run, attempt, environment, DeploymentReviewAction::Requested, by);
        }
        if rule {
            self.rule_requests.push(RuleRequest {
                run,
                attempt,
                environment: environment.to_owned(),
                deployment,
                state: None,
                notes: Vec::new(),
            });
            self.emit(&Event::RuleRequested { deployment, run, environment: environment.to_owned(), sender: by });
        }
    }

    /// Starts the first attempt of a run that deploys nothing; its job runs at once.
    pub(super) fn begin_plain_attempt(&mut self, run: u64, by: AccountId) -> Result<()> {
        self.insert_attempt(run, by, None)?;
        self.run_event(run, WorkflowAction::Requested, by);
        self.job_event(run, WorkflowAction::Queued, by);
        self.start_job(run);
        Ok(())
    }

    fn starter_of(&self, run: u64) -> AccountId {
        let latest = self.runs.get(&run).and_then(Run::latest);
        latest.map_or(GITHUB_ACTIONS, |attempt| attempt.triggering_actor)
    }

    fn insert_attempt(&mut self, run: u64, by: AccountId, place: Option<Place<'_>>) -> Result<u64> {
        let at = self.tick();
        let Some(known) = self.runs.get_mut(&run) else {
            return Err(refused(format!("no run {run}")));
        };
        let actor = known.attempts.first().map_or(by, |first| first.actor);
        known.attempts.push(Attempt {
            number: known.attempts.len() as u64 + 1,
            actor,
            triggering_actor: by,
            status: RunStatus::Queued,
            conclusion: None,
            jobs: Vec::new(),
            started_at: at,
            updated_at: at,
        });
        self.insert_job(run, place)
    }

    /// Adds a job to the latest attempt of a run.
    fn insert_job(&mut self, run: u64, place: Option<Place<'_>>) -> Result<u64> {
        let (id, at) = (self.next_id(), self.clock);
        let Some(known) = self.runs.get_mut(&run) else {
            return Err(refused(format!("no run {run}")));
        };
        let waits = place.is_some_and(|(_, _, rule, approval)| rule || approval);
        let status = if waits { RunStatus::Waiting } else { RunStatus::Queued };
        let job = Job {
            id,
            name: if place.is_some() { "deploy" } else { "work" }.to_owned(),
            status,
            conclusion: None,
            environment: place.map(|(environment, ..)| environment.to_owned()),
            deployment: place.map(|(_, deployment, ..)| deployment),
            waits_for_rule: place.is_some_and(|(_, _, rule, _)| rule),
            waits_for_approval: place.is_some_and(|(_, _, _, approval)| approval),
            created_at: at,
            started_at: None,
            completed_at: None,
        };
        self.check_runs.push(CheckRun {
            id,
            app: APP_GITHUB_ACTIONS,
            suite: known.check_suite,
            name: job.name.clone(),
            head_sha: known.head_sha.clone(),
            status: "queued".to_owned(),
            conclusion: None,
            external_id: None,
            details_url: None,
            title: None,
            summary: None,
            text: None,
            actions: Value::Array(Vec::new()),
            started_at: at,
            completed_at: None,
        });
        if let Some(attempt) = known.attempts.last_mut() {
            attempt.jobs.push(job);
            attempt.status = status;
            attempt.conclusion = None;
            attempt.updated_at = at;
        }
        Ok(id)
    }

    /// Changes the latest attempt and its job alike.
    fn change_attempt(&mut self, run: u64, change: impl Fn(&mut Attempt, &mut Job)) -> Option<Job> {
        let at = self.tick();
        let attempt = self.runs.get_mut(&run)?.attempts.last_mut()?;
        attempt.updated_at = at;
        let mut job = attempt.jobs.pop()?;
        change(attempt, &mut job);
        attempt.status = job.status;
        attempt.conclusion.clone_from(&job.conclusion);
        attempt.jobs.push(job.clone());
        if let Some(check) = self.check_runs.iter_mut().find(|check| check.id == job.id) {
            job.status.name().clone_into(&mut check.status);
            check.conclusion.clone_from(&job.conclusion);
            check.completed_at = job.completed_at;
        }
        Some(job)
    }

    fn start_job(&mut self, run: u64) {
        let at = self.clock;
        let job = self.change_attempt(run, |_, job| {
            job.status = RunStatus::InProgress;
            job.started_at = Some(at);
        });
        let by = self.starter_of(run);
        self.job_event(run, WorkflowAction::InProgress, by);
        self.run_event(run, WorkflowAction::InProgress, by);
        if let Some(deployment) = job.and_then(|job| job.deployment) {
            self.actions_status(deployment, "in_progress");
        }
    }

    /// Ends the job of a run's latest attempt, and the attempt with it.
    pub(super) fn end_job(&mut self, run: u64, conclusion: &str) {
        let at = self.tick();
        let job = self.change_attempt(run, |_, job| {
            job.status = RunStatus::Completed;
            job.conclusion = Some(conclusion.to_owned());
            job.started_at = job.started_at.or(Some(at));
            job.completed_at = Some(at);
        });
        let by = self.starter_of(run);
        self.job_event(run, WorkflowAction::Completed, by);
        if let Some(deployment) = job.and_then(|job| job.deployment) {
            self.actions_status(deployment, conclusion);
            if conclusion == "success" {
                self.retire_others(deployment);
            }
        }
        self.run_event(run, WorkflowAction::Completed, by);
    }

    /// What ran in the environment before is inactive now; no webhook is sent for that.
    fn retire_others(&mut self, deployment: u64) {
        let (at, environment) = (self.clock, self.deployments.get(&deployment).map(|it| it.environment.to_lowercase()));
        let mut id = self.last_id;
        for other in self.deployments.values_mut().filter(|other| other.id != deployment) {
            let active = other.statuses.last().is_some_and(|status| status.state == "success");
            if active && Some(other.environment.to_lowercase()) == environment {
                id += 1;
                other.statuses.push(DeploymentStatus {
                    id,
                    state: "inactive".to_owned(),
                    creator: GITHUB_ACTIONS,
                    description: String::new(),
                    at,
                });
            }
        }
        self.last_id = id;
    }

    pub(super) fn add_deployment_status(&mut self, deployment: u64, state: &str, creator: AccountId) {
        let (id, at) = (self.next_id(), self.tick());
        if let Some(known) = self.deployments.get_mut(&deployment) {
            known.statuses.push(DeploymentStatus {
                id,
                state: state.to_owned(),
                creator,
                description: String::new(),
                at,
            });
        }
        self.emit(&Event::DeploymentStatus { deployment, status: id, sender: creator });
    }

    pub(super) fn approve_environment(&mut self, it: &ApproveEnvironment) -> Result<()> {
        let by = self.actor(&it.by)?;
        let Some(run) = self.latest_deploying() else {
            return Err(refused("there is no run"));
        };
        let (run, attempt) = (run.id, run.attempts.len() as u64);
        let job = self.runs.get(&run).and_then(Run::latest).and_then(|attempt| attempt.jobs.last());
        let waiting = job.filter(|job| job.status == RunStatus::Waiting && job.waits_for_approval);
        let Some(environment) = waiting.and_then(|job| job.environment.clone()) else {
            return Err(refused("no environment waits for an approval"));
        };
        if !self.environment(&environment).reviewers.contains(&by) {
            return Err(refused(format!("`{}` is no required reviewer", it.by)));
        }
        let at = self.clock;
        if let Some(known) = self.runs.get_mut(&run) {
            known.approvals.push(Approval {
                attempt,
                environment: environment.clone(),
                by,
                approved: true,
                comment: String::new(),
                at,
            });
        }
        self.change_attempt(run, |_, job| job.waits_for_approval = false);
        self.review_event(run, attempt, &environment, DeploymentReviewAction::Approved, by);
        self.proceed(run);
        Ok(())
    }

    /// Our rule was answered for an attempt.
    pub(crate) fn rule_answered(&mut self, run: u64, attempt: u64, state: RuleState) {
        let latest = self.runs.get(&run).and_then(Run::latest);
        let waits = latest.is_some_and(|latest| latest.number == attempt && latest.status == RunStatus::Waiting);
        if !waits {
            return;
        }
        match state {
            RuleState::Rejected => self.end_job(run, "failure"),
            RuleState::Approved => {
                self.change_attempt(run, |_, job| job.waits_for_rule = false);
                self.proceed(run);
            }
        }
    }

    /// Runs the job where nothing holds it back any more.
    fn proceed(&mut self, run: u64) {
        let job = self.runs.get(&run).and_then(Run::latest).and_then(|attempt| attempt.jobs.last());
        if job.is_some_and(|job| !job.waits_for_rule && !job.waits_for_approval) {
            self.start_job(run);
        }
    }

    fn job_event(&mut self, run: u64, action: WorkflowAction, sender: AccountId) {
        let Some(latest) = self.runs.get(&run).and_then(Run::latest) else {
            return;
        };
        let Some(job) = latest.jobs.last().map(|job| job.id) else {
            return;
        };
        let event = Event::WorkflowJob { run, attempt: latest.number, job, action, sender };
        self.emit(&event);
    }

    fn review_event(
        &mut self,
        run: u64,
        attempt: u64,
        environment: &str,
        action: DeploymentReviewAction,
        sender: AccountId,
    ) {
        self.emit(&Event::DeploymentReview { run, attempt, environment: environment.to_owned(), action, sender });
    }
}
