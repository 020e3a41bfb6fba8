//! Reconciliation: the count of a bundle's population repeated on a clone, without GitHub and without us.
//!
//! Invariant: what two sources say of the same thing must agree, and every difference is named with its kind, place and
//! count. What the clone or the list cannot show is said to be unknown, never taken to agree. Memory grows with the commits
//! of one branch and the deployments, not with what the entries hold.
//!
//! [`line`] is the branch as the clone has it, [`releases`] compares each deployment with it, [`list`] reads GitHub's list.

mod line;
mod list;
mod releases;

use super::EvidenceError;
use super::bundle::ENTRIES;
use super::catalogue::Catalogue;
use super::derived::{Source, entry_with_leaf, of_entry};
use super::edges;
use super::files::Again;
use super::population::{Survey, glance};
use super::verify::check_entries;
use crate::git::history::{History, HistoryError};
use countersign_core::domain::RepositoryId;
use countersign_core::ledger::VerifyingKey;
use line::Line;
use releases::Comparison;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The kinds of differences, each with the sentence that explains it.
pub const KINDS: &[(&str, &str)] = &[
    (UNCOVERED, "Commits of the branch went out that belong to no change of the decision."),
    (OFF_LINE, "A change names a commit that is not on the branch's line."),
    (OUT_OF_RANGE, "A change names a commit of the line that its deployment did not put there."),
    (OUT_OF_ORDER, "Changes do not follow each other as their commits do on the line."),
    (DEPLOYED_OFF_LINE, "A deployed commit, or the one that a release starts from, is not on the branch's line."),
    (RANGE_BROKEN, "A release starts where none on record had ended."),
    (UNDECIDED, "A deployment went out, or is listed by GitHub, and nothing was decided of it."),
    (UNLISTED, "A deployment is on record that GitHub's list does not show."),
    (COMMIT_DIFFERS, "GitHub's list names another commit for a deployment than the record."),
];

pub(super) const UNCOVERED: &str = "commits-uncovered";
pub(super) const OFF_LINE: &str = "change-off-line";
pub(super) const OUT_OF_RANGE: &str = "change-out-of-range";
pub(super) const OUT_OF_ORDER: &str = "order-differs";
pub(super) const DEPLOYED_OFF_LINE: &str = "deployed-off-line";
pub(super) const RANGE_BROKEN: &str = "range-broken";
pub(super) const UNDECIDED: &str = "deployment-undecided";
pub(super) const UNLISTED: &str = "deployment-unlisted";
pub(super) const COMMIT_DIFFERS: &str = "commit-differs";
/// The clone does not have a commit that it would have to be asked about.
pub(super) const ABSENT: &str = "commit-absent";

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The bundle's directory.
    pub bundle: &'a Path,
    /// The ledger's keys; none: nobody's signature is checked.
    pub keys: &'a [VerifyingKey],
    /// The clone.
    pub clone: &'a Path,
    /// The branch; `None` for the one that the decisions name.
    pub branch: Option<&'a str>,
    /// The repository, by `owner/name` or id; `None` for the only one in the bundle.
    pub repository: Option<&'a str>,
    /// GitHub's own list of deployments, as JSON.
    pub deployments: Option<&'a Path>,
}

/// What was compared, and what differs.
#[derive(Debug, Serialize)]
pub struct Reconciled {
    /// The repository, as the record names it.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// Where it points in the clone.
    pub tip: String,
    /// How many commits its own line has there.
    pub line: u64,
    /// What was compared, by environment.
    pub environments: BTreeMap<String, Compared>,
    /// How many deployments GitHub's list has, where one was given.
    pub listed: Option<u64>,
    /// What differs, by kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// What differs.
    pub gaps: Vec<Difference>,
    /// What cannot be told from this clone.
    pub unknown: Vec<Difference>,
}

/// How much was compared in one environment.
#[derive(Debug, Default, Serialize)]
pub struct Compared {
    /// Deployments that reached it by a decision.
    pub deployments: u64,
    /// Their changes.
    pub changes: u64,
    /// Commits of the line in these.
    pub commits: u64,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its kind.
    pub kind: &'static str,
    /// The environment.
    pub environment: String,
    /// GitHub's id of the deployment, where it is about one.
    pub deployment: Option<u64>,
    /// The commit, or the newest of several.
    pub commit: Option<String>,
    /// How many commits or deployments it is about.
    pub count: u64,
    /// In words.
    pub what: String,
    /// The position of the entry that it was found by.
    pub entry: Option<u64>,
}

/// What can go wrong while comparing.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The bundle.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The clone.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The bundle is about several repositories, or about another.
    #[error("the bundle tells of {0}: name one with --repository")]
    WhichRepository(String),
    /// The bundle tells of no deployment.
    #[error("the bundle tells of no deployment: there is nothing to compare")]
    NothingToCompare,
    /// The list cannot be read.
    #[error("`{path}` is no list of deployments: {why}")]
    NoList {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        why: String,
    },
}

impl Reconciled {
    /// Whether all sources agree, as far as they can be compared.
    pub fn agrees(&self) -> bool {
        self.gaps.is_empty()
    }
}

/// Compares a bundle with a clone. The bundle's files and entries are checked first; its verdicts are not made again.
pub fn reconcile(asked: &Asked<'_>) -> Result<Reconciled, ReconcileError> {
    let (contents, frontiers) = check_entries(asked.bundle, asked.keys)?;
    let source = Source {
        entries: Again::Of(&contents, ENTRIES),
        from: frontiers.from,
        to: frontiers.to,
        size: frontiers.size,
        period: contents.period.clone(),
        repositories: None,
        pages: None,
        checkpoint: String::new(),
        catalogue: Catalogue::default(),
    };
    let (mut survey, mut places) = (Survey::of(source.period.as_ref()), Places::default());
    source.each(|position, line| {
        let noted = places.note(line).and_then(|()| survey.note(position, glance(line)?));
        noted.map_err(|what| of_entry(position, what))
    })?;
    let (repository, place) = places.chosen(asked.repository)?;
    let history = History::open(asked.clone)?;
    let branch = asked.branch.unwrap_or(&place.branch).to_owned();
    let tip = history.tip(&branch)?;
    let line = Line::read(&history, &tip)?;

    let list = asked.deployments.map(list::read).transpose()?;
    let mut comparison = Comparison::new(repository, &line, &survey, source.period.as_ref());
    let of_it = |line: &[u8]| match edges::Glance::of(line)?.repository() {
        Some(of) if of == repository => Ok(Some(entry_with_leaf(line)?.0)),
        _ => Ok(None),
    };
    source.looked_at(of_it, |position, entry| {
        if let Some(entry) = entry {
            comparison.entry(position, &entry);
        }
        Ok(())
    })?;
    if let Some(list) = &list {
        comparison.list(list);
    }
    let (environments, found) = comparison.finish();
    let (gaps, unknown) = line::told_apart(&history, found)?;
    let mut counts = BTreeMap::new();
    for gap in &gaps {
        *counts.entry(gap.kind).or_insert(0) += gap.count;
    }
    Ok(Reconciled {
        repository: place.full_name.clone(),
        branch,
        tip,
        line: line.len() as u64,
        environments,
        listed: list.map(|list| list.len() as u64),
        counts,
        gaps,
        unknown,
    })
}

/// The repositories that a bundle tells of.
#[derive(Default)]
struct Places(BTreeMap<RepositoryId, Place>);

#[derive(Default)]
struct Place {
    full_name: String,
    branch: String,
}

#[derive(Deserialize)]
struct Glance {
    kind: String,
    facts: Option<GlanceFacts>,
    repository: Option<GlanceRepository>,
}

#[derive(Deserialize)]
struct GlanceFacts {
    repository: GlanceRepository,
    terms: GlanceTerms,
}

#[derive(Deserialize)]
struct GlanceRepository {
    id: u64,
    full_name: String,
}

#[derive(Deserialize)]
struct GlanceTerms {
    production_branch: String,
}

impl Places {
    fn note(&mut self, line: &[u8]) -> Result<(), String> {
        let glance: Glance = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let (named, branch) = match (glance.kind.as_str(), glance.facts, glance.repository) {
            (_, Some(facts), _) => (facts.repository, Some(facts.terms.production_branch)),
            ("deployment_finished" | "deployments_listed" | "alert", _, Some(repository)) => (repository, None),
            _ => return Ok(()),
        };
        let place = self.0.entry(RepositoryId(named.id)).or_default();
        place.full_name = named.full_name;
        if let Some(branch) = branch {
            place.branch = branch;
        }
        Ok(())
    }

    fn chosen(&self, asked: Option<&str>) -> Result<(RepositoryId, &Place), ReconcileError> {
        let named = |(id, place): &(&RepositoryId, &Place)| {
            asked.is_none_or(|asked| place.full_name.eq_ignore_ascii_case(asked) || id.to_string() == asked)
        };
        let chosen: Vec<_> = self.0.iter().filter(named).collect();
        match chosen.as_slice() {
            [(id, place)] => Ok((**id, place)),
            [] if self.0.is_empty() => Err(ReconcileError::NothingToCompare),
            _ => {
                let names: BTreeSet<&str> = self.0.values().map(|place| place.full_name.as_str()).collect();
                Err(ReconcileError::WhichRepository(names.into_iter().collect::<Vec<_>>().join(", ")))
            }
        }
    }
}
