//! Each deployment on record, compared with the branch's line, and all of them with GitHub's list.
//!
//! Invariant: a commit of the line between what a release starts from and what it puts there belongs to exactly one of its
//! changes, in the order of the line; and what went out without a decision is counted by the commits that nothing covers.

use super::line::Line;
use super::list::Listed;
use super::{
    COMMIT_DIFFERS, Compared, DEPLOYED_OFF_LINE, Difference, OFF_LINE, OUT_OF_ORDER, OUT_OF_RANGE, RANGE_BROKEN,
    UNCOVERED, UNDECIDED, UNLISTED,
};
use crate::evidence::population::survey::Ended;
use crate::evidence::population::{Period, Survey, within};
use countersign_core::domain::{
    CommitSha, Decision, Deployment, Entry, EntryBody, RepositoryId, StartingPoint, Subject,
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The comparison while entries are read.
pub(super) struct Comparison<'a> {
    repository: RepositoryId,
    line: &'a Line,
    survey: &'a Survey,
    period: Option<&'a Period>,
    environments: BTreeMap<String, Environment>,
    /// Deployments that something was decided of: what went out, and whether it reached production.
    decided: HashMap<u64, Decided>,
    /// Deployments that went out, or are listed, without.
    undecided: BTreeMap<u64, Undecided>,
    found: Vec<Difference>,
}

/// What is known of one environment.
#[derive(Default)]
struct Environment {
    compared: Compared,
    /// Which commits of the line some release covers.
    covered: Vec<bool>,
    /// Every commit that a release put there.
    ended: HashSet<String>,
    /// The place that the first release starts from.
    first: Option<usize>,
}

impl Environment {
    /// How many commits up to a place no release covers; they are told of once.
    fn hole(&mut self, upto: Option<usize>) -> usize {
        let (Some(first), Some(upto)) = (self.first, upto) else { return 0 };
        let commits = self.covered.iter_mut().skip(first + 1).take(upto.saturating_sub(first));
        let hole = commits.map(|covered| !std::mem::replace(covered, true));
        hole.filter(|uncovered| *uncovered).count()
    }
}

struct Decided {
    environment: String,
    commit: String,
    reached: bool,
    entry: u64,
}

struct Undecided {
    environment: String,
    commit: String,
    what: String,
    entry: Option<u64>,
}

/// One release, and what is said of it.
struct Release<'r> {
    environment: &'r str,
    deployment: u64,
    entry: u64,
}

impl Release<'_> {
    fn differs(&self, kind: &'static str, commit: Option<&str>, count: u64, what: String) -> Difference {
        Difference {
            kind,
            environment: self.environment.to_owned(),
            deployment: Some(self.deployment),
            commit: commit.map(str::to_owned),
            count,
            what,
            entry: Some(self.entry),
        }
    }
}

fn folded(environment: &str) -> String {
    environment.trim().to_lowercase()
}

impl<'a> Comparison<'a> {
    pub(super) fn new(
        repository: RepositoryId,
        line: &'a Line,
        survey: &'a Survey,
        period: Option<&'a Period>,
    ) -> Self {
        Self {
            repository,
            line,
            survey,
            period,
            environments: BTreeMap::new(),
            decided: HashMap::new(),
            undecided: BTreeMap::new(),
            found: Vec::new(),
        }
    }

    /// Compares what an entry tells.
    pub(super) fn entry(&mut self, position: u64, entry: &Entry) {
        match &entry.body {
            EntryBody::Decision(decision) => self.decision(position, decision),
            EntryBody::DeploymentFinished(finished) if finished.decision.is_none() => {
                let what = format!("its job ended ({}), and nothing was decided of it", finished.conclusion);
                self.without(position, finished.deployment.0, &finished.environment, &finished.commit, what);
            }
            EntryBody::Alert(alert) => {
                let what = format!("found afterwards: {}", alert.text);
                self.without(position, alert.deployment.0, &alert.environment, &alert.commit, what);
            }
            EntryBody::DeploymentsListed(list) => {
                for one in &list.deployments {
                    let inside = within(self.period, &one.created_at);
                    if inside && self.survey.is_undecided(self.repository, one.id) {
                        let what = "GitHub lists it, and nothing was decided of it".to_owned();
                        self.without(position, one.id.0, &one.environment, &one.commit, what);
                    }
                }
            }
            _ => {}
        }
    }

    fn without(&mut self, position: u64, deployment: u64, environment: &str, commit: &CommitSha, what: String) {
        let (environment, commit) = (folded(environment), commit.as_str().to_owned());
        let entry = Some(position);
        self.undecided.entry(deployment).or_insert(Undecided { environment, commit, what, entry });
    }

    fn decision(&mut self, position: u64, decision: &Decision) {
        let Subject::Deployment(deployment) = &decision.facts.subject else { return };
        let environment = folded(&deployment.environment);
        let end = self.survey.end_of(&decision.id);
        let reached = end.is_some_and(Ended::reached_production);
        let record = deployment.record.as_ref().map(|record| record.id.0);
        let Some(id) = end.map(|end| end.deployment).or(record) else { return };
        let commit = deployment.target.as_str().to_owned();
        let known = Decided { environment: environment.clone(), commit, reached, entry: position };
        // Of several decisions on one deployment, the one that let it through counts.
        if reached || !self.decided.contains_key(&id) {
            self.decided.insert(id, known);
        }
        if reached {
            self.release(&Release { environment: &environment, deployment: id, entry: position }, deployment);
        }
    }

    fn release(&mut self, release: &Release<'_>, deployment: &Deployment) {
        let line = self.line;
        let here = self.environments.entry(release.environment.to_owned()).or_default();
        here.covered.resize(line.len(), false);
        here.compared.deployments += 1;
        here.compared.changes += deployment.changes.len() as u64;
        let target = deployment.target.as_str();
        let start = deployment.start.as_ref().map(StartingPoint::commit).map_or("", CommitSha::as_str);
        let found = &mut self.found;

        let at = |commit: &str, role: &str, found: &mut Vec<Difference>| {
            let place = line.place(commit);
            if place.is_none() {
                let what = format!("{commit}, which {role}, is not on the branch's line");
                found.push(release.differs(DEPLOYED_OFF_LINE, Some(commit), 1, what));
            }
            place
        };
        let from = at(start, "the release starts from", found);
        let to = at(target, "it deployed", found);
        if !here.ended.is_empty() && !here.ended.contains(start) {
            let mut what = format!("the release starts from {start}, where none on record had ended");
            let hole = here.hole(from);
            if hole > 0 {
                what = format!("{what}; {hole} commits of the line up to it belong to no release");
            }
            found.push(release.differs(RANGE_BROKEN, Some(start), 1, what));
        }
        here.ended.insert(target.to_owned());
        here.first = here.first.or(from);

        let mut places = Vec::new();
        for commit in deployment.changes.iter().flat_map(|change| &change.commits) {
            if let Some(place) = line.place(commit.as_str()) {
                places.push((place, commit));
            } else {
                let what = format!("a change names {commit}, which is not on the branch's line");
                found.push(release.differs(OFF_LINE, Some(commit.as_str()), 1, what));
            }
        }
        if let Some((_, (_, later))) = places.iter().zip(places.iter().skip(1)).find(|((a, _), (b, _))| a >= b) {
            let what = format!("{later} stands before another on the line, and after it in the release");
            found.push(release.differs(OUT_OF_ORDER, Some(later.as_str()), 1, what));
        }
        let (Some(from), Some(to)) = (from, to) else { return };
        let inside = |place: usize| from < place && place <= to;
        let outside: Vec<&CommitSha> =
            places.iter().filter(|(place, _)| !inside(*place)).map(|(_, commit)| *commit).collect();
        if let Some(newest) = outside.last() {
            let what = format!("its changes name {} commits that it did not put there", outside.len());
            found.push(release.differs(OUT_OF_RANGE, Some(newest.as_str()), outside.len() as u64, what));
        }
        let own: HashSet<usize> = places.iter().map(|(place, _)| *place).filter(|place| inside(*place)).collect();
        here.compared.commits += own.len() as u64;
        let missing = to.saturating_sub(from).saturating_sub(own.len());
        if missing > 0 && to > from {
            let what = format!("{missing} commits of the line from {start} to {target} belong to no change of it");
            found.push(release.differs(UNCOVERED, Some(target), missing as u64, what));
        }
        // What its own range misses is told above, and not once more by what went out later.
        for covered in here.covered.iter_mut().skip(from + 1).take(to.saturating_sub(from)) {
            *covered = true;
        }
    }

    /// Compares GitHub's list.
    pub(super) fn list(&mut self, list: &[Listed]) {
        let listed: HashSet<u64> = list.iter().map(|one| one.id).collect();
        let within_period = |one: &&Listed| one.created_at.as_deref().is_none_or(|time| within(self.period, time));
        for one in list.iter().filter(within_period) {
            let environment = folded(&one.environment);
            match self.decided.get(&one.id) {
                Some(known) if known.commit != one.commit.to_ascii_lowercase() => {
                    let what = format!("GitHub's list names {}, and the record {}", one.commit, known.commit);
                    let release = Release { environment: &known.environment, deployment: one.id, entry: known.entry };
                    self.found.push(release.differs(COMMIT_DIFFERS, Some(&known.commit), 1, what));
                }
                Some(_) => {}
                // Deployments to environments of which nothing is on record are no business of the bundle.
                None if !self.environments.contains_key(&environment) => {}
                None => {
                    let what = "the list shows it, and nothing was decided of it".to_owned();
                    let commit = one.commit.to_ascii_lowercase();
                    self.undecided.entry(one.id).or_insert(Undecided { environment, commit, what, entry: None });
                }
            }
        }
        let mut gone: Vec<_> =
            self.decided.iter().filter(|(id, known)| known.reached && !listed.contains(id)).collect();
        gone.sort_by_key(|(id, _)| **id);
        for (id, known) in gone {
            let release = Release { environment: &known.environment, deployment: *id, entry: known.entry };
            let what = "it is on record, and the list does not show it".to_owned();
            self.found.push(release.differs(UNLISTED, Some(&known.commit), 1, what));
        }
    }

    /// What was compared, and what differs, in the order of the entries.
    pub(super) fn finish(mut self) -> (BTreeMap<String, Compared>, Vec<Difference>) {
        for (id, one) in std::mem::take(&mut self.undecided) {
            if self.decided.contains_key(&id) {
                continue;
            }
            let mut what = one.what;
            let here = self.environments.get_mut(&one.environment);
            if let (Some(here), Some(place)) = (here, self.line.place(&one.commit)) {
                let alone = here.hole(Some(place));
                if alone > 0 {
                    what = format!("{what}; {alone} commits of the line went out by it alone");
                }
            }
            self.found.push(Difference {
                kind: UNDECIDED,
                environment: one.environment,
                deployment: Some(id),
                commit: Some(one.commit),
                count: 1,
                what,
                entry: one.entry,
            });
        }
        self.found.sort_by_key(|one| (one.entry.is_none(), one.entry));
        let compared = self.environments.into_iter().map(|(name, here)| (name, here.compared));
        (compared.collect(), self.found)
    }
}
