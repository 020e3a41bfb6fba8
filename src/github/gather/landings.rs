//! How the production branch moved over its line: the merges that GitHub did, and pushes past them.
//!
//! Invariant: a merge on record is used only where merges on record explain every commit of the line; anything else is
//! read from GitHub's activity list as it is now. A push is never on record: it may turn out to be a merge that the list
//! had not shown yet. Next: `release.rs`.

use super::Look;
use super::line::Asked;
use super::pushes::{Activity, activity_path};
use crate::github::client::GitHubError;
use countersign_core::domain::{Account, CommitSha, Landing, LandingKind, Line};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The movements of one branch.
pub(super) struct Movements<'a> {
    look: &'a Look<'a>,
    branch: &'a str,
    /// As the activity list shows them now, newest first, and how far down it was read; `None` while it was not.
    shown: Option<(CommitSha, Vec<Landing>)>,
}

impl<'a> Movements<'a> {
    pub(super) fn new(look: &'a Look<'a>, branch: &'a str) -> Self {
        Self { look, branch, shown: None }
    }

    /// What the movements left the branch at, as far as they were read.
    pub(super) fn ends(&self) -> Vec<CommitSha> {
        self.shown.iter().flat_map(|(_, shown)| shown).map(|landing| landing.after.clone()).collect()
    }

    /// Reads the activity list until one movement left the branch at `end`, or to its own end.
    pub(super) async fn read_down_to(&mut self, end: &CommitSha) -> Result<(), GitHubError> {
        let (mut shown, mut reached) = (Vec::new(), false);
        self.look
            .client
            .get_pages::<Vec<Activity>>(&activity_path(self.look, self.branch), |page| {
                for activity in page {
                    let landing = activity.landing();
                    reached |= landing.after == *end;
                    shown.push(landing);
                }
                !reached
            })
            .await?;
        self.shown = Some((end.clone(), shown));
        Ok(())
    }

    /// The movements over a line, newest first.
    pub(super) async fn over(mut self, line: &Line, asked: &Asked<'_>) -> Result<Vec<Landing>, GitHubError> {
        let repository = self.look.repository.id;
        let store = self.look.store;
        let on_record = store.landings(repository, self.branch, &line.commits).await?;
        if self.shown.is_none() && explain(&on_record, line, asked) {
            return Ok(in_order(on_record, line));
        }
        let oldest = line.behind.last().or(line.commits.last()).cloned().unwrap_or_else(|| CommitSha::new(""));
        if self.shown.as_ref().is_none_or(|(end, _)| *end != oldest) {
            self.read_down_to(&oldest).await?;
        }
        let on_line: HashSet<&CommitSha> = line.commits.iter().chain(&line.behind).collect();
        let shown: Vec<Landing> = self
            .shown
            .into_iter()
            .flat_map(|(_, shown)| shown)
            .filter(|landing| on_line.contains(&landing.after))
            .collect();
        let merges: Vec<Landing> = shown.iter().filter(|landing| is_merge(landing)).cloned().collect();
        store.keep_landings(repository, self.branch, &merges).await?;
        Ok(shown)
    }
}

fn is_merge(landing: &Landing) -> bool {
    landing.kind != LandingKind::Push
}

/// Whether merges on record explain every commit of the line, down to what runs now, and the run itself.
fn explain(on_record: &BTreeMap<CommitSha, Landing>, line: &Line, asked: &Asked<'_>) -> bool {
    if !line.reaches_start || !line.behind.is_empty() {
        return false;
    }
    // Of a repeat, who landed what it ends with is asked.
    if asked.target == asked.start && !on_record.contains_key(asked.target) {
        return false;
    }
    // A run that a push started is its pusher's; which movement that was must be known for certain.
    let is_theirs = |pusher: &Account| {
        on_record.get(asked.target).is_some_and(|landing| {
            let queue = pusher.is_merge_queue() && landing.kind == LandingKind::MergeQueueMerge;
            queue || landing.by.as_ref().is_some_and(|by| by.id == pusher.id)
        })
    };
    if !asked.pushed_by.is_none_or(is_theirs) {
        return false;
    }
    let places: HashMap<&CommitSha, usize> = line.commits.iter().enumerate().map(|(at, sha)| (sha, at)).collect();
    let mut at = 0;
    while let Some(commit) = line.commits.get(at).filter(|commit| *commit != asked.start) {
        let before = on_record.get(commit).and_then(|landing| places.get(&landing.before));
        match before {
            Some(before) if *before > at => at = *before,
            _ => return false,
        }
    }
    true
}

fn in_order(mut on_record: BTreeMap<CommitSha, Landing>, line: &Line) -> Vec<Landing> {
    line.commits.iter().filter_map(|commit| on_record.remove(commit)).collect()
}
