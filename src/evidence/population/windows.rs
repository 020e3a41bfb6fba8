//! Windows: stretches of time in which something was not there, with the changes that landed meanwhile.
//!
//! Invariant: a window is told because an entry says so, and one that is still open has no end. That a change landed in
//! it is told by GitHub's clock, and counted once. The first pass finds the windows, the second counts in them.

use super::kinds;
use super::{Cell, GapRow, Period};
use countersign_core::domain::{
    Away, ChangeInRelease, CommitSha, Decision, DeliveriesMissed, DeliveriesSettled, Entry, EntryBody,
    InstallationChange, InstallationChanged, Outage, OutageKind, PullRequest, Repository, RepositoryId, Subject,
};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

/// How many changes are named in a window; all are counted.
const NAMED: usize = 20;

/// What a window concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    All,
    /// Repositories of this organisation or user.
    Owner(String),
    Repository(Repository),
}

/// One window.
#[derive(Debug, Clone)]
struct Window {
    kind: &'static str,
    reach: Reach,
    from: String,
    to: Option<String>,
    what: String,
    /// Of deliveries: how many did not arrive, which look found them, how many arrived since, and how many never will.
    deliveries: Option<(u64, String, u64, u64)>,
    position: u64,
    /// When it was put on record: it may be found only when the period that it lies in is over.
    told: String,
}

/// The windows that the entries tell of, in their order.
#[derive(Debug, Default)]
pub(super) struct Windows {
    all: Vec<Window>,
    /// When the entry was recorded that is taken note of.
    now: String,
}

impl Windows {
    /// Takes note of an entry, where it opens or ends a window.
    pub(super) fn note(&mut self, position: u64, entry: Entry) {
        let time = entry.time;
        self.now.clone_from(&time);
        match entry.body {
            EntryBody::ServiceStopped {} => {
                let what = "the service was stopped in order".to_owned();
                self.all.push(Window {
                    kind: kinds::DOWN,
                    reach: Reach::All,
                    from: time,
                    to: None,
                    what,
                    deliveries: None,
                    position,
                    told: self.now.clone(),
                });
            }
            EntryBody::ServiceStarted { away: None, .. } => self.end(kinds::DOWN, &Reach::All, &time),
            EntryBody::ServiceStarted { away: Some(Away { since, clean }), .. } => {
                // The start tells of the whole stretch, its stop included.
                self.all.retain(|window| !window.is_stop());
                let how = if clean { "it had been stopped in order" } else { "it had not been stopped in order" };
                self.closed(kinds::DOWN, since, time, format!("the service did not run: {how}"), position);
            }
            EntryBody::Outage(Outage { what, from, to }) => {
                let (kind, words) = match what {
                    OutageKind::DatabaseUnavailable => (kinds::DATABASE, "the database could not be written"),
                    OutageKind::StoodStill => (kinds::STOOD_STILL, "the service stood still"),
                };
                self.closed(kind, from, to, words.to_owned(), position);
            }
            EntryBody::InstallationChanged(changed) => self.changed(position, &time, &changed),
            EntryBody::DeliveriesMissed(DeliveriesMissed { look, first, last, count, events }) => {
                let events: Vec<String> = events.iter().map(|(event, count)| format!("{event}: {count}")).collect();
                self.closed(kinds::MISSED, first, last, events.join(", "), position);
                if let Some(window) = self.all.last_mut() {
                    window.deliveries = Some((count, look, 0, 0));
                }
            }
            EntryBody::DeliveriesSettled(DeliveriesSettled { look, arrived, lost }) => {
                let of = self.all.iter_mut().filter_map(|window| window.deliveries.as_mut());
                for (_, _, came, gone) in of.filter(|(_, of, ..)| *of == look) {
                    *came += arrived;
                    *gone += lost;
                }
            }
            _ => {}
        }
    }

    /// That an entry was recorded earlier, by the service's clock, than the one before it.
    pub(super) fn set_back(&mut self, position: u64, before: &str, time: &str) {
        let what = format!("the service's clock said {before} at the entry before, and {time} at this one");
        self.closed(kinds::CLOCK, time.to_owned(), before.to_owned(), what, position);
    }

    /// What can be told when all entries are known: of a period that the record does not reach over, and of a stop that
    /// nothing followed. `span` is the time of the first entry, and the latest.
    pub(super) fn end_of_record(
        &mut self,
        span: Option<(&str, &str)>,
        range: &Range<u64>,
        size: u64,
        period: Option<&Period>,
    ) {
        let last = range.end.saturating_sub(1);
        let (Some(Period { from, to }), Some((first, latest))) = (period, span) else {
            // Without a period the time told of ends with the last entry.
            self.all.retain(|window| !window.is_stop() || window.position != last);
            return;
        };
        if range.start == 0 && first > from.as_str() {
            let what = "the ledger's first entry is later than the period's beginning".to_owned();
            self.closed(kinds::BEFORE_RECORD, from.clone(), first.to_owned(), what, 0);
        }
        let stopped = self.all.iter().any(Window::is_stop);
        if range.end == size && latest < to.as_str() && !stopped {
            let what = format!("this is told as of the ledger's head, whose last entry is of {latest}");
            self.closed(kinds::AFTER_RECORD, latest.to_owned(), to.clone(), what, last);
        }
    }

    fn closed(&mut self, kind: &'static str, from: String, to: String, what: String, position: u64) {
        let told = self.now.clone();
        self.all.push(Window { kind, reach: Reach::All, from, to: Some(to), what, deliveries: None, position, told });
    }

    fn changed(&mut self, position: u64, time: &str, changed: &InstallationChanged) {
        let at = changed.at.as_deref().unwrap_or(time);
        let owner = Reach::Owner(changed.on.clone());
        let by =
            changed.by.as_ref().map_or_else(|| "found by asking GitHub".to_owned(), |by| format!("by {}", by.login));
        let mut open = |kind, reach, words: &str| {
            let what = format!("{words}, {by}");
            let already = self.all.iter().any(|known| known.kind == kind && known.reach == reach && known.to.is_none());
            if !already {
                let (from, told) = (at.to_owned(), self.now.clone());
                self.all.push(Window { kind, reach, from, to: None, what, deliveries: None, position, told });
            }
        };
        match changed.change {
            InstallationChange::Suspended => open(kinds::SUSPENDED, owner, "the App was suspended"),
            InstallationChange::Deleted => {
                open(kinds::UNINSTALLED, owner.clone(), "the App was uninstalled");
                self.end(kinds::SUSPENDED, &owner, at);
            }
            InstallationChange::RepositoriesRemoved => {
                for repository in &changed.repositories {
                    open(
                        kinds::OUT_OF_REACH,
                        Reach::Repository(repository.clone()),
                        "the repository was taken from the App",
                    );
                }
            }
            InstallationChange::Unsuspended => self.end(kinds::SUSPENDED, &owner, at),
            InstallationChange::Created => self.end(kinds::UNINSTALLED, &owner, at),
            InstallationChange::RepositoriesAdded | InstallationChange::PermissionsChanged => {}
        }
        if matches!(changed.change, InstallationChange::Created | InstallationChange::RepositoriesAdded) {
            for repository in &changed.repositories {
                self.end(kinds::OUT_OF_REACH, &Reach::Repository(repository.clone()), at);
            }
        }
    }

    fn end(&mut self, kind: &str, reach: &Reach, at: &str) {
        let open = |window: &&mut Window| window.kind == kind && window.to.is_none() && window.reach.is(reach);
        for window in self.all.iter_mut().filter(open) {
            window.to = Some(at.to_owned());
        }
    }

    /// Ready to count what landed in them.
    pub(super) fn counting(&self) -> Counting<'_> {
        let counts = self.all.iter().map(|window| (window, Landed::default())).collect();
        Counting(counts)
    }
}

impl Window {
    /// A stop in order that no start has followed yet.
    fn is_stop(&self) -> bool {
        self.kind == kinds::DOWN && self.to.is_none()
    }
}

impl Reach {
    /// The same place; a repository may have been renamed meanwhile.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) => true,
            (Self::Owner(one), Self::Owner(other)) => one.eq_ignore_ascii_case(other),
            (Self::Repository(one), Self::Repository(other)) => one.id == other.id,
            _ => false,
        }
    }

    fn holds(&self, repository: &Repository) -> bool {
        match self {
            Self::All => true,
            Self::Owner(owner) => {
                let named = repository.full_name.split_once('/').map(|(named, _)| named);
                named.is_some_and(|named| named.eq_ignore_ascii_case(owner))
            }
            Self::Repository(one) => one.id == repository.id,
        }
    }
}

/// What landed in a window.
#[derive(Debug, Default)]
struct Landed {
    seen: HashSet<u64>,
    named: Vec<String>,
}

/// The windows while changes are counted in them.
#[derive(Debug)]
pub(super) struct Counting<'a>(Vec<(&'a Window, Landed)>);

impl Counting<'_> {
    /// Counts the changes of a decision that landed in a window.
    pub(super) fn note(&mut self, decision: &Decision) {
        if self.0.is_empty() {
            return;
        }
        let repository = &decision.facts.repository;
        match &decision.facts.subject {
            Subject::PullRequest(request) => self.landed(repository, &request.number.to_string(), merged(request)),
            Subject::Landed(change) => self.change(repository, change),
            Subject::Deployment(deployment) => {
                for change in &deployment.changes {
                    self.change(repository, change);
                }
            }
            Subject::MergeGroup(_) => {}
        }
    }

    fn change(&mut self, repository: &Repository, change: &ChangeInRelease) {
        let name = match &change.pull_request {
            Some(request) => request.number.to_string(),
            None => change.commits.last().map(CommitSha::to_string).unwrap_or_default(),
        };
        self.landed(repository, &name, landed_at(change));
    }

    fn landed(&mut self, repository: &Repository, name: &str, at: Option<&str>) {
        let Some(at) = at else { return };
        for (window, landed) in &mut self.0 {
            let inside = window.from.as_str() <= at && window.to.as_deref().is_none_or(|to| at < to);
            let new = inside && window.reach.holds(repository) && landed.seen.insert(hash(repository.id, name));
            if new && landed.named.len() < NAMED {
                let short = if name.len() > 20 { format!("git:{name}") } else { format!("#{name}") };
                landed.named.push(format!("{} {short}", repository.full_name));
            }
        }
    }

    /// A row for each window that touches the period, or was put on record in it, those that began first first.
    pub(super) fn rows(self, period: Option<&Period>) -> Vec<GapRow> {
        let touches = |window: &Window| {
            period.is_none_or(|period| {
                let overlaps = window.from < period.to && window.to.as_ref().is_none_or(|to| *to >= period.from);
                overlaps || period.holds(&window.told)
            })
        };
        let mut rows: Vec<(String, GapRow)> = Vec::new();
        for (window, landed) in self.0.into_iter().filter(|(window, _)| touches(window)) {
            rows.push((window.from.clone(), row(window, &landed)));
        }
        rows.sort_by(|(one, left), (other, right)| (one, left.position).cmp(&(other, right.position)));
        rows.into_iter().map(|(_, row)| row).collect()
    }
}

fn row(window: &Window, landed: &Landed) -> GapRow {
    let mut what = window.what.clone();
    if let Some((_, _, arrived, lost)) = &window.deliveries {
        what = format!("{what}; {arrived} arrived when they were asked for again, {lost} never will");
    }
    if window.to.is_none() {
        what.push_str(", and nothing on record ends it");
    }
    GapRow {
        kind: window.kind,
        repository: match &window.reach {
            Reach::All => String::new(),
            Reach::Owner(owner) => format!("{owner}/*"),
            Reach::Repository(repository) => repository.full_name.clone(),
        },
        environment: String::new(),
        from: Cell::Time(window.from.clone()),
        to: window.to.clone().map_or(Cell::Empty, Cell::Time),
        count: window.deliveries.as_ref().map_or(1, |(count, ..)| *count),
        landed: Some(landed.seen.len() as u64),
        landed_changes: landed.named.join("; "),
        what,
        position: window.position,
    }
}

/// When a change landed, by GitHub's clock.
pub(super) fn landed_at(change: &ChangeInRelease) -> Option<&str> {
    let request = change.pull_request.as_ref().and_then(merged);
    request.or_else(|| change.landing.as_ref().and_then(|landing| landing.at.as_deref()))
}

fn merged(request: &PullRequest) -> Option<&str> {
    request.merged_at.as_deref()
}

fn hash(repository: RepositoryId, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (repository.0, name).hash(&mut hasher);
    hasher.finish()
}
