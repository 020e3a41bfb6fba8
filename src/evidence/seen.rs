//! What the report is told, gathered while rows and entries go by.
//!
//! Invariant: memory grows with days, places, rules and people who review each other, never with changes: of what is listed
//! one by one the first few hundred are kept, and all are counted.

use crate::evidence::population::incidents::{ExceptionRow, GapRow};
use crate::evidence::population::rows::{ChangeRow, Row};
use crate::evidence::population::totals::names;
use crate::evidence::population::{Cell, DeploymentRow, Period};
use countersign_core::domain::{Deployment, Entry, EntryBody, Facts, Outcome, Subject};
use std::collections::{BTreeMap, BTreeSet};

/// How many items of a kind are listed one by one; the tables have all of them.
pub(super) const LISTED: usize = 200;
/// How many pairs of people are told apart.
const PAIRS: usize = 50_000;

/// How long a change took from landing to production: up to so many minutes, in words.
pub(super) const LEADS: [(u64, &str); 7] = [
    (60, "≤ 1 h"),
    (240, "≤ 4 h"),
    (1_440, "≤ 1 day"),
    (4_320, "≤ 3 days"),
    (10_080, "≤ 1 week"),
    (40_320, "≤ 4 weeks"),
    (u64::MAX, "longer"),
];

/// What became of the attempts of one day.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) allowed: u64,
    pub(super) excepted: u64,
    pub(super) denied: u64,
    /// Undetermined, still waiting, or never asked about.
    pub(super) other: u64,
}

/// What became of one rule.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Upheld {
    /// Attempts that it stopped.
    pub(super) stopped: u64,
    /// Attempts that an exception let through although it was broken.
    pub(super) excepted: u64,
    /// Attempts that reached production although it was broken, without an exception.
    pub(super) reached: u64,
}

/// One environment of one repository, as it was seen last.
#[derive(Debug, Default, Clone)]
pub(super) struct Place {
    pub(super) branch: String,
    pub(super) packs: BTreeSet<String>,
    pub(super) attempts: u64,
    /// How many accounts could push, as read last; `None` where that could not be read.
    pub(super) writers: Option<usize>,
    /// Attempts for which the environment asked an approval, asked none, or could not be read.
    pub(super) asked: [u64; 3],
    /// Whether the last range began where one had ended, or at a baseline.
    pub(super) baseline: bool,
}

/// Everything the report is told.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) entries: u64,
    pub(super) decisions: u64,
    pub(super) on_changes: u64,
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
    /// The programs that wrote entries.
    pub(super) tools: BTreeMap<String, u64>,
    pub(super) web: BTreeSet<String>,
    pub(super) days: BTreeMap<String, Day>,
    pub(super) rules: BTreeMap<String, Upheld>,
    pub(super) places: BTreeMap<(String, String), Place>,
    /// Changes by who contributed and who reviewed.
    pub(super) pairs: BTreeMap<(String, String), u64>,
    /// Pairs that are not told apart any more.
    pub(super) more_pairs: u64,
    pub(super) authors: BTreeMap<String, u64>,
    pub(super) pushed_without: u64,
    /// Changes by how long they took from landing to production, as [`LEADS`] has them; the last: not known.
    pub(super) leads: [u64; LEADS.len() + 1],
    pub(super) exceptions: Vec<ExceptionRow>,
    pub(super) gaps: Vec<GapRow>,
    /// Attempts that the control held back.
    pub(super) held: u64,
}

impl Seen {
    /// Takes an entry.
    pub(super) fn entry(&mut self, entry: &Entry) {
        self.entries += 1;
        if self.first.is_none() {
            self.first = Some(entry.time.clone());
        }
        self.last = Some(entry.time.clone());
        *self.tools.entry(entry.tool.clone()).or_default() += 1;
        let decision = match &entry.body {
            EntryBody::Decision(decision) => decision.as_ref(),
            EntryBody::Backfilled(backfilled) => &backfilled.decision,
            _ => return,
        };
        self.decisions += 1;
        match &decision.facts.subject {
            Subject::Deployment(deployment) => self.deployment(&decision.facts, deployment),
            _ => self.on_changes += 1,
        }
    }

    fn deployment(&mut self, facts: &Facts, deployment: &Deployment) {
        self.web.insert(facts.terms.web_url.clone());
        let key = (facts.repository.full_name.clone(), deployment.environment.clone());
        let place = self.places.entry(key).or_default();
        place.branch.clone_from(&facts.terms.production_branch);
        place.packs.extend(facts.terms.packs.iter().cloned());
        place.attempts += 1;
        place.writers = deployment.writers.as_ref().map(Vec::len);
        let [asked, not_asked, unread] = &mut place.asked;
        *match deployment.approval.asked {
            Some(true) => asked,
            Some(false) => not_asked,
            None => unread,
        } += 1;
        place.baseline |= matches!(deployment.start, Some(countersign_core::domain::StartingPoint::Baseline { .. }));
    }

    /// Takes a row.
    pub(super) fn row(&mut self, row: &Row) {
        match row {
            Row::Change(row) => self.change(row),
            Row::Deployment(row) => self.attempt(row),
            Row::Commit(_) => {}
            Row::Exception(row) => keep(&mut self.exceptions, row),
            Row::Gap(row) => keep(&mut self.gaps, row),
        }
    }

    fn change(&mut self, row: &ChangeRow) {
        let lead = row.lead_minutes.and_then(|took| LEADS.iter().position(|(most, _)| took <= *most));
        if let Some(slot) = self.leads.get_mut(lead.unwrap_or(LEADS.len())) {
            *slot += 1;
        }
        self.pushed_without += u64::from(row.change_type != "pull request");
        let reviewers: BTreeSet<&str> = names(&row.reviewers, " at ").collect();
        for author in names(&row.contributors, " (") {
            *self.authors.entry(author.to_owned()).or_default() += 1;
            for reviewer in &reviewers {
                let pair = (author.to_owned(), (*reviewer).to_owned());
                if self.pairs.len() < PAIRS || self.pairs.contains_key(&pair) {
                    *self.pairs.entry(pair).or_default() += 1;
                } else {
                    self.more_pairs += 1;
                }
            }
        }
    }

    fn attempt(&mut self, row: &DeploymentRow) {
        let moment = [&row.decided_at, &row.ended_at].into_iter().find_map(|cell| match cell {
            Cell::Time(time) => time.get(..10),
            _ => None,
        });
        let day = self.days.entry(moment.unwrap_or("unknown").to_owned()).or_default();
        *match row.outcome.as_str() {
            "allow" => &mut day.allowed,
            "exception" => &mut day.excepted,
            "deny" => &mut day.denied,
            _ => &mut day.other,
        } += 1;
        let reached = row.conclusion == "success";
        let excepted = row.outcome == Outcome::Exception.to_string();
        self.held += u64::from(!row.let_through() && !reached && row.outcome != "none");
        for code in row.reasons.split("; ").filter(|code| !code.is_empty()) {
            let upheld = self.rules.entry(code.to_owned()).or_default();
            *match (reached, excepted) {
                (_, true) => &mut upheld.excepted,
                (true, false) => &mut upheld.reached,
                (false, false) => &mut upheld.stopped,
            } += 1;
        }
    }

    /// The time told of: the period, else from the first entry to the last.
    pub(super) fn span<'s>(&'s self, period: Option<&'s Period>) -> (&'s str, &'s str) {
        let first = self.first.as_deref().unwrap_or("no entry");
        let last = self.last.as_deref().unwrap_or("no entry");
        period.map_or((first, last), |period| (period.from.as_str(), period.to.as_str()))
    }
}

fn keep<T: Clone>(kept: &mut Vec<T>, row: &T) {
    if kept.len() < LISTED {
        kept.push(row.clone());
    }
}
