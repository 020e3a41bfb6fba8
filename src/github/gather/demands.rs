//! What only some packs ask for: the results of named checks, and references to tickets.
//!
//! Invariant: a result or a reference that could not be read whole is no result: the facts name it as missing. Nothing of a
//! title, a description or a message is kept but the references found in it.

use super::Look;
use crate::github::node::{PullRequestNode, RollupCommit, account};
use crate::settings::ticket_pattern;
use countersign_core::domain::{
    AccountKind, CheckResult, CommitSha, Observation, PullRequest, PullRequestState, TimelineEvent,
};
use regex::Regex;

/// So many references say what a change is about.
const MOST: usize = 20;

/// What the packs in force ask for in a repository.
pub(super) struct Demands {
    /// The names of checks.
    pub(super) checks: Vec<String>,
    ticket: Option<Regex>,
}

impl Demands {
    pub(super) fn of(look: &Look<'_>) -> Self {
        let scope = look.scope();
        Self {
            checks: scope.map(|scope| scope.checks_asked().to_vec()).unwrap_or_default(),
            ticket: scope.and_then(|scope| scope.ticket_asked()).and_then(|pattern| ticket_pattern(pattern).ok()),
        }
    }

    pub(super) fn ticketed(&self) -> bool {
        self.ticket.is_some()
    }

    pub(super) fn tested(&self) -> bool {
        !self.checks.is_empty()
    }

    /// What is asked for, in one line that changes when it does.
    pub(super) fn in_words(&self) -> String {
        serde_json::json!([self.checks, self.ticket.as_ref().map(Regex::as_str)]).to_string()
    }

    /// Whether a pull request has all of it.
    pub(super) fn are_met(&self, pull_request: &PullRequest) -> bool {
        let results = pull_request.checks.as_deref().unwrap_or_default();
        let succeeded = |name: &String| {
            let mut of_it = results.iter().filter(|result| result.name == *name).peekable();
            of_it.peek().is_some() && of_it.all(|result| result.succeeded)
        };
        let named = pull_request.tickets.as_ref().is_some_and(|tickets| !tickets.is_empty());
        self.checks.iter().all(succeeded) && (self.ticket.is_none() || named)
    }

    /// The tickets that texts name, each once; `None` where none is asked for.
    pub(super) fn tickets<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Option<Vec<String>> {
        let pattern = self.ticket.as_ref()?;
        let mut found: Vec<String> =
            texts.flat_map(|text| pattern.find_iter(text).map(|found| found.as_str().to_owned())).collect();
        found.sort();
        found.dedup();
        found.retain(|reference| !reference.is_empty());
        found.truncate(MOST);
        Some(found)
    }

    /// What became of the checks on the head and, of what the queue merged, on the merge group.
    pub(super) fn results(
        &self,
        node: &PullRequestNode,
        timeline: &[TimelineEvent],
        missing: &mut Vec<String>,
    ) -> Option<Vec<CheckResult>> {
        if !self.tested() {
            return None;
        }
        let head = node.last.iter().flat_map(|last| &last.nodes).map(|last| &last.commit);
        // Only what the queue itself merged landed as its group: of any other merge this commit's checks came too late.
        let by_queue = timeline.iter().any(|event| match event {
            TimelineEvent::Merged { by: Some(by), .. } => by.is_merge_queue(),
            _ => false,
        });
        let group = node.merge_commit.iter().filter(|_| by_queue);
        let mut results = Vec::new();
        for commit in head.chain(group) {
            self.results_on(commit, &mut results, missing);
        }
        results.sort();
        results.dedup();
        Some(results)
    }

    /// Of a merged pull request those results hold that were seen first; what ends after the merge comes too late. `whole`: all
    /// of them are shown.
    pub(super) fn at_merge(
        &self,
        pull_request: &mut PullRequest,
        observed: &[&Observation],
        learned: &mut Vec<Observation>,
        whole: bool,
    ) {
        let Some(now) = pull_request.checks.clone().filter(|_| pull_request.state == PullRequestState::Merged) else {
            return;
        };
        let first = observed.iter().find_map(|seen| match seen {
            Observation::ChecksAtMerge { number, asked, results }
                if *number == pull_request.number && *asked == self.checks =>
            {
                Some(results)
            }
            _ => None,
        });
        match first {
            Some(first) => pull_request.checks = Some(first.clone()),
            None if whole => learned.push(Observation::ChecksAtMerge {
                number: pull_request.number,
                asked: self.checks.clone(),
                results: now,
            }),
            None => {}
        }
    }

    fn results_on(&self, commit: &RollupCommit, results: &mut Vec<CheckResult>, missing: &mut Vec<String>) {
        let Some(rollup) = &commit.status_check_rollup else { return };
        if rollup.contexts.info.has_next_page {
            missing.push(format!("all checks on {}", commit.oid.get(..7).unwrap_or(&commit.oid)));
        }
        for context in &rollup.contexts.nodes {
            let name = context.name.as_deref().or(context.context.as_deref()).unwrap_or_default();
            if !self.checks.iter().any(|asked| asked == name) {
                continue;
            }
            let succeeded = match context.kind.as_str() {
                "CheckRun" => {
                    context.status.as_deref() == Some("COMPLETED") && context.conclusion.as_deref() == Some("SUCCESS")
                }
                // Anyone with write access can post a status by hand, or have Actions post it: only another App's counts.
                "StatusContext" => {
                    let creator = account(context.creator.as_ref());
                    let by_app = creator.is_some_and(|by| by.kind == AccountKind::Bot && !by.is_actions());
                    context.state.as_deref() == Some("SUCCESS") && by_app
                }
                _ => false,
            };
            results.push(CheckResult { name: name.to_owned(), commit: CommitSha::new(commit.oid.clone()), succeeded });
        }
    }
}
