//! The way down the production branch, first parent by first parent: from the tip's history and from the record, then from
//! GitHub, many landings at a time.
//!
//! Invariant: each step goes from a commit to the parent that GitHub showed for that very commit; nothing is skipped.

use super::line::Tip;
use super::{Look, release};
use crate::github::client::GitHubError;
use crate::github::node::{CommitNode, Nodes, Oid};
use crate::github::query;
use crate::store::kept::LineCommit;
use countersign_core::domain::{CommitSha, PullRequestNumber};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How many histories of a hundred commits one query asks for.
const TOGETHER: usize = 25;

#[derive(Deserialize)]
struct Ancestor {
    oid: String,
    parents: Nodes<Oid>,
}

/// Takes in a page of GraphQL's history: commits with their first parents.
pub(super) fn learn(
    first_parents: &mut HashMap<CommitSha, Option<CommitSha>>,
    history: Value,
) -> Result<(), GitHubError> {
    let page: Nodes<Ancestor> =
        serde_json::from_value(history).map_err(|error| GitHubError::Unreadable(error.to_string()))?;
    for Ancestor { oid, parents } in page.nodes {
        let parent = parents.nodes.into_iter().next().map(|parent| CommitSha::new(parent.oid));
        first_parents.insert(CommitSha::new(oid), parent);
    }
    Ok(())
}

/// Where a way ends.
enum End {
    /// At what runs now.
    Start,
    /// At a root.
    Root,
    /// At a commit whose parent is not known.
    Unknown(CommitSha),
}

/// The way from the tip.
pub(super) struct Walk<'a> {
    look: &'a Look<'a>,
    start: &'a CommitSha,
    /// Where it begins.
    pub(super) tip: CommitSha,
    first_parents: HashMap<CommitSha, Option<CommitSha>>,
    /// What is on record already.
    on_record: HashSet<CommitSha>,
    /// Pull requests that are on record as landed.
    pub(super) landed: HashMap<CommitSha, PullRequestNumber>,
    /// Commits read whole.
    pub(super) commits: BTreeMap<CommitSha, (CommitNode, Vec<String>)>,
}

impl<'a> Walk<'a> {
    /// Begins at the tip, with its history and what is on record.
    pub(super) async fn new(look: &'a Look<'a>, tip: Tip, start: &'a CommitSha) -> Result<Self, GitHubError> {
        let mut walk = Self {
            look,
            start,
            tip: tip.commit,
            first_parents: tip.first_parents,
            on_record: HashSet::new(),
            landed: HashMap::new(),
            commits: BTreeMap::new(),
        };
        walk.recall(&walk.tip.clone()).await?;
        walk.recall_on().await?;
        Ok(walk)
    }

    /// The whole way, where it leads to what runs now: the tip first.
    pub(super) fn to_start(&self) -> Option<Vec<CommitSha>> {
        match self.path() {
            (path, End::Start) => Some(path),
            _ => None,
        }
    }

    /// The whole way, where it leads to a root without meeting what runs now: the tip first.
    pub(super) fn to_root(&self) -> Option<Vec<CommitSha>> {
        match self.path() {
            (path, End::Root) => Some(path),
            _ => None,
        }
    }

    /// Whether there is more to read.
    pub(super) fn may_go_on(&self) -> bool {
        matches!(self.path().1, End::Unknown(_))
    }

    /// Reads what some landings left, a hundred at a time, and the few commits before each: a merge or a squash is one
    /// commit, a rebase a few.
    pub(super) async fn by_landings(&mut self, ends: &[CommitSha]) -> Result<Option<Vec<CommitSha>>, GitHubError> {
        let unknown: BTreeSet<CommitSha> =
            ends.iter().filter(|end| !end.is_zero() && !self.first_parents.contains_key(*end)).cloned().collect();
        let unknown: Vec<CommitSha> = unknown.into_iter().collect();
        for (end, found) in release::commits(self.look, &unknown).await? {
            self.first_parents.insert(end.clone(), found.0.first_parent());
            if let Some(history) = &found.0.history {
                learn(&mut self.first_parents, history.clone())?;
            }
            self.commits.insert(end, found);
        }
        self.recall_on().await?;
        Ok(self.to_start())
    }

    /// Reads the histories behind what is unknown, a hundred commits of each, until the way is whole or longer than `most`.
    pub(super) async fn by_history(
        &mut self,
        ends: &[CommitSha],
        most: usize,
    ) -> Result<Option<Vec<CommitSha>>, GitHubError> {
        loop {
            let (path, end) = self.path();
            let next = match end {
                End::Start => return Ok(Some(path)),
                End::Unknown(next) if path.len() <= most => next,
                End::Root | End::Unknown(_) => return Ok(None),
            };
            let others = self.unknown_behind(ends).into_iter().filter(|other| *other != next);
            let wanted: Vec<CommitSha> = [next.clone()].into_iter().chain(others).take(TOGETHER).collect();
            let mut variables = self.look.variables([]);
            if let Some(variables) = variables.as_object_mut() {
                let oids = wanted.iter().enumerate().map(|(place, oid)| (format!("o{place}"), json!(oid)));
                variables.extend(oids.collect::<Map<_, _>>());
            }
            let mut data = self.look.client.graphql(&query::histories(wanted.len()), variables).await?;
            for place in 0..wanted.len() {
                let history = data.pointer_mut(&format!("/repository/h{place}/history")).map(Value::take);
                if let Some(history) = history.filter(|history| !history.is_null()) {
                    learn(&mut self.first_parents, history)?;
                }
            }
            if !self.first_parents.contains_key(&next) {
                return Err(GitHubError::Unavailable(format!("the history of {} came incomplete", next.short())));
            }
            self.recall_on().await?;
        }
    }

    /// Keeps the line.
    pub(super) async fn keep(&self, line: &[CommitSha]) -> Result<(), GitHubError> {
        let new = line.iter().filter(|commit| !self.on_record.contains(*commit) && *commit != self.start);
        let rows = new.filter_map(|commit| {
            let parent = self.first_parents.get(commit)?.clone();
            Some(LineCommit { commit: commit.clone(), parent, number: None })
        });
        Ok(self.look.store.keep_line(self.look.repository.id, rows.collect()).await?)
    }

    /// The first commits behind some others whose parents are not known.
    fn unknown_behind(&self, ends: &[CommitSha]) -> BTreeSet<CommitSha> {
        let (mut unknown, mut seen) = (BTreeSet::new(), HashSet::new());
        for end in ends.iter().filter(|end| !end.is_zero()) {
            let mut next = Some(end);
            while let Some(at) = next.filter(|at| *at != self.start && seen.insert(*at)) {
                let parent = self.first_parents.get(at);
                if parent.is_none() {
                    unknown.insert(at.clone());
                }
                next = parent.and_then(Option::as_ref);
            }
        }
        unknown
    }

    fn path(&self) -> (Vec<CommitSha>, End) {
        let mut path = Vec::new();
        let mut at = &self.tip;
        loop {
            if at == self.start {
                path.push(at.clone());
                return (path, End::Start);
            }
            match self.first_parents.get(at) {
                None => return (path, End::Unknown(at.clone())),
                Some(parent) => {
                    path.push(at.clone());
                    match parent {
                        None => return (path, End::Root),
                        Some(parent) => at = parent,
                    }
                }
            }
        }
    }

    /// Goes on from the record for as long as it has what is unknown.
    async fn recall_on(&mut self) -> Result<(), GitHubError> {
        while let End::Unknown(next) = self.path().1 {
            if !self.recall(&next).await? {
                break;
            }
        }
        Ok(())
    }

    /// Takes in what is on record from a commit down; says whether that commit is.
    async fn recall(&mut self, from: &CommitSha) -> Result<bool, GitHubError> {
        let kept = self.look.store.line(self.look.repository.id, from, self.start).await?;
        let any = !kept.is_empty();
        for LineCommit { commit, parent, number } in kept {
            self.on_record.insert(commit.clone());
            if let Some(number) = number {
                self.landed.insert(commit.clone(), number);
            }
            self.first_parents.insert(commit, parent);
        }
        Ok(any)
    }
}
