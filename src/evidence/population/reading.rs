//! The second pass over the entries: each gives the rows that it proves.
//!
//! Invariant: a change is in the population because a deployment's own job succeeded on record, whatever was decided of it;
//! and what happened without a decision is a gap, never nothing.

use super::changes::Of;
use super::incidents::{ExceptionRow, GapRow};
use super::rows::{Place, Row};
use super::windows::Counting;
use super::words::{base_cell, codes, commit_link, deployer_ids, deployers, excepting, run_cell};
use super::{Cell, DeploymentRow, Period, Survey, kinds, missing, within};
use countersign_core::domain::{
    Decision, Deployment, DeploymentFinished, Entry, EntryBody, Exception, Facts, Outcome, StartingPoint, Subject,
};
use countersign_core::ledger::Hash;
use std::collections::{HashMap, HashSet};

/// Makes rows of entries, in their order.
pub struct Reading<'a> {
    survey: &'a Survey,
    period: Option<&'a Period>,
    /// Every commit that went to production, by repository and environment.
    deployed: HashMap<(u64, String), HashSet<String>>,
    /// The same, of what went there before anybody watched.
    deployed_before: HashMap<(u64, String), HashSet<String>>,
    /// The time of the entry before.
    last_time: Option<String>,
    /// What landed while something was not there.
    windows: Counting<'a>,
}

impl<'a> Reading<'a> {
    /// Begins at the first entry.
    pub fn new(survey: &'a Survey, period: Option<&'a Period>) -> Self {
        Self {
            survey,
            period,
            deployed: HashMap::new(),
            deployed_before: HashMap::new(),
            last_time: None,
            windows: survey.windows.counting(),
        }
    }

    /// The rows that an entry gives.
    pub fn rows(&mut self, position: u64, leaf: Hash, entry: &Entry) -> Vec<Row> {
        let place = Place { position, leaf };
        let mut rows = Vec::new();
        if self.survey.is_later(entry.body.kind(), &entry.time) {
            return rows;
        }
        match &entry.body {
            EntryBody::Decision(decision) => {
                self.windows.note(decision);
                self.of_decision(&place, &entry.time, decision, &mut rows);
            }
            EntryBody::Backfilled(backfilled) => {
                self.of_backfilled(&place, &entry.time, &backfilled.decision, &mut rows);
            }
            EntryBody::DeploymentFinished(finished) if finished.decision.is_none() => {
                self.of_end_alone(&place, &entry.time, finished, &mut rows);
            }
            EntryBody::ExceptionOpened(exception) if self.survey.tells_of(exception, &entry.time) => {
                rows.push(Row::Exception(Box::new(self.of_exception(position, &entry.time, exception))));
            }
            EntryBody::Alert(alert) if within(self.period, &entry.time) => {
                missing::of_alert(&place, &entry.time, alert, self.survey, &mut rows);
            }
            EntryBody::DeploymentsListed(list) => {
                missing::of_list(&place, &entry.time, list, self.survey, self.period, &mut rows);
            }
            EntryBody::ServiceStarted { away: None, .. } if within(self.period, &entry.time) => {
                rows.push(missing::of_start(position, self.last_time.as_deref(), &entry.time));
            }
            _ => {}
        }
        self.last_time = Some(entry.time.clone());
        rows
    }

    /// What can be told only when all entries are read.
    pub fn finish(self) -> Vec<Row> {
        let windows = self.windows.rows(self.period);
        windows.into_iter().map(|row| Row::Gap(Box::new(row))).collect()
    }

    fn of_decision(&mut self, place: &Place, time: &str, decision: &Decision, rows: &mut Vec<Row>) {
        let Subject::Deployment(deployment) = &decision.facts.subject else { return };
        let end = self.survey.end_of(&decision.id);
        if end.is_none() && !self.survey.is_last(&decision.subject, place.position) {
            return;
        }
        let reached = end.filter(|end| end.reached_production());
        if within(self.period, end.map_or(time, |end| end.time.as_str())) {
            rows.push(Row::Deployment(Box::new(deployment_row(place, time, decision, deployment, self.survey))));
            if let Some(end) = reached {
                missing::of_reached(&decision.facts.repository, end, self.survey, deployment, place.position, rows);
            }
            let (told, all) = (decision.verdict.changes.len(), deployment.changes.len());
            if reached.is_some() && told != all {
                let what = format!("{all} changes are among the facts, and {told} are told of");
                rows.push(gap(kinds::UNTOLD, &decision.facts, deployment, time, what, place.position));
            }
            for (change, verdict) in deployment.changes.iter().zip(&decision.verdict.changes) {
                let Some(end) = reached else { break };
                let of = Of { place, decision, deployment, change, verdict, survey: self.survey };
                rows.push(Row::Change(Box::new(of.change_row(end))));
                of.commit_rows(end.deployment, rows);
            }
            if end.is_none() && matches!(decision.verdict.outcome, Outcome::Allow | Outcome::Exception) {
                let what = format!("decision {} let it through, and no end of it is on record", decision.id);
                rows.push(gap(kinds::END_UNKNOWN, &decision.facts, deployment, time, what, place.position));
            }
        }
        if let Some(end) = reached {
            self.follow(place, &end.time, decision, deployment, rows);
        }
    }

    /// What was judged afterwards: rows like those of a decision, marked, and with outcomes that no count takes for one.
    fn of_backfilled(&mut self, place: &Place, time: &str, judged: &Decision, rows: &mut Vec<Row>) {
        // It is recorded after what came later: each is followed by itself.
        std::mem::swap(&mut self.deployed, &mut self.deployed_before);
        self.of_decision(place, time, judged, rows);
        std::mem::swap(&mut self.deployed, &mut self.deployed_before);
        rows.iter_mut().for_each(Row::mark_backfilled);
    }

    /// Whether a deployment began where an earlier one had ended.
    fn follow(&mut self, place: &Place, time: &str, decision: &Decision, deployment: &Deployment, rows: &mut Vec<Row>) {
        let facts = &decision.facts;
        let key = (facts.repository.id.0, deployment.environment.trim().to_lowercase());
        let before = self.deployed.entry(key).or_default();
        let start = deployment.start.as_ref().map(StartingPoint::commit);
        let broken = !before.is_empty() && start.is_none_or(|start| !before.contains(start.as_str()));
        before.insert(deployment.target.as_str().to_owned());
        if broken && within(self.period, time) {
            let from = start.map_or_else(|| "nowhere".to_owned(), |start| start.short().to_owned());
            let what = format!("the deployment began at {from}, where none on record had ended");
            rows.push(gap(kinds::RANGE_BROKEN, facts, deployment, time, what, place.position));
        }
    }

    fn of_end_alone(&self, place: &Place, time: &str, finished: &DeploymentFinished, rows: &mut Vec<Row>) {
        if !within(self.period, time) {
            return;
        }
        let run = Cell::Text(format!("{} attempt {}", finished.run, finished.attempt));
        rows.push(Row::Deployment(Box::new(DeploymentRow {
            repository: finished.repository.full_name.clone(),
            environment: finished.environment.clone(),
            deployment: finished.deployment.to_string(),
            run,
            event: String::new(),
            workflow: String::new(),
            commit: Cell::commit(&finished.commit),
            range_base: Cell::Empty,
            changes: 0,
            deployers: String::new(),
            deployer_ids: String::new(),
            outcome: "none".to_owned(),
            reasons: String::new(),
            exception: String::new(),
            exception_review: "",
            decided_at: Cell::Empty,
            conclusion: finished.conclusion.clone(),
            ended_at: Cell::Time(time.to_owned()),
            policy: String::new(),
            decision: String::new(),
            basis: "none",
            place: place.clone(),
        })));
        rows.push(missing::decision(finished, time, place.position));
    }

    fn of_exception(&self, position: u64, time: &str, exception: &Exception) -> ExceptionRow {
        let became = self.survey.of_exception(&exception.id);
        let review = self.survey.review_of(&exception.id);
        let reviewer_had_no_part = became.reviewer_had_no_part(exception.opened_by.id);
        let reviewed = became.review.as_ref();
        let in_time = match reviewed {
            Some(reviewed) => Some(reviewed.time <= exception.due),
            None if became.overdue || exception.due.as_str() <= self.survey.as_of() => Some(false),
            None => None,
        };
        ExceptionRow {
            id: exception.id.clone(),
            repository: exception.repository.full_name.clone(),
            environment: exception.environment.clone(),
            commit: exception.commit.as_ref().map_or(Cell::Empty, Cell::commit),
            opened_by: exception.opened_by.login.clone(),
            opened_by_id: exception.opened_by.id,
            opened_at: time.to_owned(),
            ends: exception.ends.clone(),
            reason: exception.reason.clone(),
            ticket: exception.ticket.clone(),
            let_through: became.let_through,
            due: exception.due.clone(),
            reviewed_by: reviewed.map(|reviewed| reviewed.login.clone()).unwrap_or_default(),
            reviewed_by_id: reviewed.map(|reviewed| reviewed.account),
            reviewed_at: reviewed.map_or(Cell::Empty, |reviewed| Cell::Time(reviewed.time.clone())),
            review,
            overdue: became.overdue,
            in_time,
            reviewer_had_no_part,
            position,
        }
    }
}

fn gap(kind: &'static str, facts: &Facts, deployment: &Deployment, time: &str, what: String, position: u64) -> Row {
    let row = GapRow::at(kind, time, what, position).of(&facts.repository, &deployment.environment);
    Row::Gap(Box::new(row))
}

fn deployment_row(
    place: &Place,
    time: &str,
    decision: &Decision,
    deployment: &Deployment,
    survey: &Survey,
) -> DeploymentRow {
    let facts = &decision.facts;
    let end = survey.end_of(&decision.id);
    let exception = excepting(decision, deployment);
    let record = deployment.record.as_ref().map(|record| record.id.to_string());
    DeploymentRow {
        repository: facts.repository.full_name.clone(),
        environment: deployment.environment.clone(),
        deployment: end.map(|end| end.deployment.to_string()).or(record).unwrap_or_default(),
        run: run_cell(facts, deployment),
        event: deployment.run.as_ref().map(|run| run.event.clone()).unwrap_or_default(),
        workflow: deployment.run.as_ref().map(|run| run.path.clone()).unwrap_or_default(),
        commit: commit_link(facts, &Cell::commit(&deployment.target), deployment.target.as_str()),
        range_base: base_cell(deployment),
        changes: deployment.changes.len() as u64,
        deployers: deployers(&decision.verdict.deployers),
        deployer_ids: deployer_ids(&decision.verdict.deployers),
        outcome: decision.verdict.outcome.to_string(),
        reasons: codes(decision.verdict.reasons.iter()),
        exception: exception.cloned().unwrap_or_default(),
        exception_review: exception.map_or("", |id| survey.review_of(id)),
        decided_at: Cell::Time(time.to_owned()),
        conclusion: end.map(|end| end.conclusion.clone()).unwrap_or_default(),
        ended_at: end.map_or(Cell::Empty, |end| Cell::Time(end.time.clone())),
        policy: decision.policy_digest.clone(),
        decision: decision.id.clone(),
        basis: "decision",
        place: place.clone(),
    }
}
