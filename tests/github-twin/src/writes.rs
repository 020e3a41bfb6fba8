//! What an App may write through the API: check runs, commit statuses, answers to its deployment protection rule.
//!
//! Invariant: the REST handlers parse and check permissions, then call these; nothing else changes the state on their
//! behalf. A refusal is [`StepError::Refused`], which REST answers with 422. Next: `steps`.

use crate::model::{
    APP_COUNTERSIGN, AccountId, CheckRun, CheckRunAction, CommitStatus, Event, Issue, RuleState, Sha, UPSTREAM, World,
    Write,
};
use crate::steps::StepError;
use serde_json::Value;

/// How many notes a rule may leave on one job.
const NOTES: usize = 10;
/// The number of the first issue.
const FIRST_ISSUE: u64 = 9_001;
/// How long a note may be.
const NOTE_LENGTH: usize = 1_024;

/// What a request says of a check run; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct CheckRunFields {
    pub name: Option<String>,
    pub status: Option<String>,
    pub conclusion: Option<String>,
    pub external_id: Option<String>,
    pub details_url: Option<String>,
    pub title: Option<String>,
    pub summary: Option<String>,
    pub text: Option<String>,
    pub actions: Option<Value>,
}

impl World {
    /// Our App creates a check run on a commit.
    pub fn create_check_run(&mut self, head_sha: &str, fields: CheckRunFields) -> Result<u64, StepError> {
        self.create_check_run_of(APP_COUNTERSIGN, self.installation.bot, head_sha, fields)
    }

    /// Any App creates a check run on a commit.
    pub(crate) fn create_check_run_of(
        &mut self,
        app: u64,
        sender: AccountId,
        head_sha: &str,
        fields: CheckRunFields,
    ) -> Result<u64, StepError> {
        if !self.git.has_commit(head_sha) {
            return Err(StepError::Refused(format!("No commit found for SHA: {head_sha}")));
        }
        let at = self.tick();
        let suites = self.check_suites.iter();
        let suite = suites.rev().find(|suite| suite.app == app && suite.head_sha == head_sha);
        let suite = match suite {
            Some(suite) => suite.id,
            None => self.new_suite(app, head_sha, None, None),
        };
        let id = self.next_id();
        self.check_runs.push(CheckRun {
            id,
            app,
            suite,
            name: fields.name.clone().unwrap_or_default(),
            head_sha: head_sha.to_owned(),
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
        self.change_check_run(id, fields, sender, CheckRunAction::Created)?;
        Ok(id)
    }

    /// Our App changes a check run of its own.
    pub fn update_check_run(&mut self, id: u64, fields: CheckRunFields) -> Result<(), StepError> {
        let known = self.check_runs.iter().find(|run| run.id == id);
        if known.is_none_or(|run| run.app != APP_COUNTERSIGN) {
            return Err(StepError::Refused(format!("check run {id} belongs to another App")));
        }
        self.change_check_run(id, fields, self.installation.bot, CheckRunAction::Completed)
    }

    fn change_check_run(
        &mut self,
        id: u64,
        fields: CheckRunFields,
        sender: AccountId,
        action: CheckRunAction,
    ) -> Result<(), StepError> {
        let at = self.tick();
        let Some(run) = self.check_runs.iter_mut().find(|run| run.id == id) else {
            return Err(StepError::Refused(format!("there is no check run {id}")));
        };
        let was_completed = run.status == "completed";
        if let Some(status) = fields.status {
            run.status = status;
        }
        if let Some(conclusion) = fields.conclusion {
            run.conclusion = Some(conclusion);
            "completed".clone_into(&mut run.status);
        }
        if run.status == "completed" {
            run.completed_at = Some(at);
        } else {
            run.conclusion = None;
            run.completed_at = None;
        }
        run.name = fields.name.unwrap_or_else(|| run.name.clone());
        run.external_id = fields.external_id.or_else(|| run.external_id.take());
        run.details_url = fields.details_url.or_else(|| run.details_url.take());
        run.title = fields.title.or_else(|| run.title.take());
        run.summary = fields.summary.or_else(|| run.summary.take());
        run.text = fields.text.or_else(|| run.text.take());
        if let Some(actions) = fields.actions {
            run.actions = actions;
        }
        let completes = run.status == "completed" && !was_completed;
        if run.app == APP_COUNTERSIGN {
            self.writes.push(Write::CheckRun {
                id,
                name: run.name.clone(),
                head_sha: run.head_sha.clone(),
                status: run.status.clone(),
                conclusion: run.conclusion.clone(),
                title: run.title.clone(),
            });
        }
        if action == CheckRunAction::Created {
            self.emit(&Event::CheckRun { check_run: id, action, sender });
        }
        if completes {
            self.emit(&Event::CheckRun { check_run: id, action: CheckRunAction::Completed, sender });
        }
        self.settle()
    }

    /// Somebody posts a commit status; as our App where `creator` is its bot.
    pub fn post_status(
        &mut self,
        sha: &str,
        context: &str,
        state: &str,
        description: Option<String>,
        target_url: Option<String>,
        creator: AccountId,
    ) -> Result<u64, StepError> {
        if !self.git.has_commit(sha) {
            return Err(StepError::Refused(format!("No commit found for SHA: {sha}")));
        }
        let (id, at) = (self.next_id(), self.tick());
        self.statuses.push(CommitStatus {
            id,
            sha: sha.to_owned(),
            state: state.to_owned(),
            context: context.to_owned(),
            description,
            target_url,
            creator,
            at,
        });
        if creator == self.installation.bot {
            self.writes.push(Write::Status {
                sha: sha.to_owned(),
                context: context.to_owned(),
                state: state.to_owned(),
            });
        }
        self.emit(&Event::Status { status: id, sender: creator });
        self.settle()?;
        Ok(id)
    }

    /// Our App opens an issue; says its number.
    pub fn open_issue(&mut self, title: String, body: Option<String>) -> u64 {
        let number = self.issues.keys().next_back().map_or(FIRST_ISSUE, |last| last + 1);
        let (id, at, by) = (self.next_id(), self.tick(), self.installation.bot);
        let issue = Issue { id, number, title, body, by, open: true, created_at: at, updated_at: at };
        self.issues.insert(number, issue);
        number
    }

    /// Changes what is given of an issue.
    pub(crate) fn change_issue(
        &mut self,
        number: u64,
        title: Option<String>,
        body: Option<String>,
        open: Option<bool>,
    ) -> Option<&Issue> {
        let at = self.tick();
        let issue = self.issues.get_mut(&number)?;
        issue.title = title.unwrap_or_else(|| issue.title.clone());
        issue.body = body.or_else(|| issue.body.clone());
        issue.open = open.unwrap_or(issue.open);
        issue.updated_at = at;
        Some(issue)
    }

    /// Our App answers its deployment protection rule for a run, or only leaves a note (`state` of `None`).
    pub fn answer_rule(
        &mut self,
        run: u64,
        environment: &str,
        state: Option<RuleState>,
        comment: &str,
    ) -> Result<(), StepError> {
        if comment.chars().count() > NOTE_LENGTH {
            return Err(StepError::Refused(format!("a note has at most {NOTE_LENGTH} characters")));
        }
        let mut requests = self.rule_requests.iter_mut().rev();
        let asked = requests
            .find(|request| request.run == run && request.environment.trim().eq_ignore_ascii_case(environment.trim()));
        let Some(request) = asked else {
            return Err(StepError::Refused(format!("no rule was asked for run {run} and `{environment}`")));
        };
        if request.state.is_some() {
            return Err(StepError::Refused("the rule has been answered already".to_owned()));
        }
        if state.is_none() && request.notes.len() >= NOTES {
            return Err(StepError::Refused(format!("a rule leaves at most {NOTES} notes")));
        }
        request.notes.push(comment.to_owned());
        request.state = state;
        let attempt = request.attempt;
        self.writes.push(Write::Rule { run, environment: environment.to_owned(), state, comment: comment.to_owned() });
        if let Some(state) = state {
            self.rule_answered(run, attempt, state);
        }
        Ok(())
    }

    /// The tip of a branch of the upstream repository.
    pub(crate) fn tip(&self, branch: &str) -> Option<Sha> {
        self.repositories.get(&UPSTREAM)?.branches.get(branch).cloned()
    }
}
