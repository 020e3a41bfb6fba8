//! What one deployment would put into production: the production branch's line cut into changes, and each tied to the
//! pull request that landed it.
//!
//! Invariant: a commit that no movement of the branch explains is a change of its own, and nothing ties it to a pull
//! request but GitHub's word that this very commit is what the merge left.

use super::demands::Demands;
use super::{Look, line, merges, pull_request};
use crate::github::client::GitHubError;
use crate::github::node::{AssociatedPullRequest, CommitNode};
use crate::github::query;
use countersign_core::domain::{ChangeInRelease, Commit, CommitSha, Landing, LandingKind, Line, PullRequestNumber};
use countersign_core::policy;
use serde_json::json;
use std::collections::BTreeMap;

/// How many commits one query asks about.
const TOGETHER: usize = 50;

/// Cuts the line between the starting point and the target into changes, and reads everyone behind each.
pub(super) async fn changes(
    look: &Look<'_>,
    production_branch: &str,
    line: &Line,
    target: &CommitSha,
) -> Result<Vec<ChangeInRelease>, GitHubError> {
    let Some(from) = line.commits.iter().position(|commit| commit == target) else { return Ok(Vec::new()) };
    let ahead: Vec<&CommitSha> = line.commits.iter().skip(from).collect();
    let (start, ahead) = match ahead.split_last() {
        Some((start, rest)) if line.reaches_start => (Some(*start), rest),
        _ => (None, ahead.as_slice()),
    };
    let merged_here = |number: &AssociatedPullRequest| {
        number.state == "MERGED"
            && number.base_repository.as_ref().and_then(|r| r.database_id) == Some(look.repository.id.0)
            && number.base_ref_name == production_branch
    };
    let changes = cut(ahead, &line.landings, start);
    let asked: Vec<CommitSha> = changes.iter().flat_map(worth_asking).cloned().collect();
    let tied = commits(look, &asked).await?;
    let ends_a_pull_request = |commit: &CommitSha| {
        let associated = tied.get(commit).and_then(|(node, _)| node.associated_pull_requests.as_ref());
        let merged_as = |pr: &AssociatedPullRequest| pr.merge_commit.as_ref().is_some_and(|c| c.oid == commit.as_str());
        associated.is_some_and(|page| page.nodes.iter().any(|pr| merged_here(pr) && merged_as(pr)))
    };
    let mut changes: Vec<ChangeInRelease> =
        changes.into_iter().flat_map(|change| split(change, ends_a_pull_request)).collect();
    let ends: Vec<CommitSha> = changes.iter().filter_map(|change| change.commits.last().cloned()).collect();
    let mut numbers = BTreeMap::new();
    for (change, end) in changes.iter_mut().zip(&ends) {
        let Some((node, gaps)) = tied.get(end) else {
            change.missing.push(format!("commit {}", end.short()));
            continue;
        };
        let associated = node.associated_pull_requests.iter().flat_map(|page| &page.nodes);
        let merge = change.landing.as_ref().is_some_and(|landing| landing.kind != LandingKind::Push);
        let here: Vec<&AssociatedPullRequest> = associated
            .filter(|pr| merged_here(pr) && (!merge || pr.merge_commit.as_ref().is_some_and(|c| c.oid == end.as_str())))
            .collect();
        let mut here = merged_itself(node, here);
        here.sort_unstable();
        match (merge, here.as_slice()) {
            (true, [number]) => {
                numbers.insert(end.clone(), PullRequestNumber(*number));
            }
            (true, []) => change.missing.push(format!("the pull request that landed {}", end.short())),
            (true, _) => change.missing.push(format!("which pull request landed {}", end.short())),
            (false, _) => {
                change.shown_as_merged = here.into_iter().map(PullRequestNumber).collect();
                change.missing.extend(gaps.iter().cloned());
            }
        }
    }
    let wanted: Vec<PullRequestNumber> = numbers.values().copied().collect();
    let mut read =
        if wanted.is_empty() { Vec::new() } else { pull_request::gather(look, &wanted).await?.pull_requests };
    for change in &mut changes {
        let Some(end) = change.commits.last() else { continue };
        if let Some(number) = numbers.get(end) {
            change.pull_request = read.iter().position(|pr| pr.number == *number).map(|place| read.swap_remove(place));
        } else if let Some((node, _)) = tied.get(end)
            && change.landing.as_ref().is_none_or(|landing| landing.kind == LandingKind::Push)
        {
            let mut commit = node.commit().0;
            if !change.shown_as_merged.is_empty() {
                commit.merge = merges::prove(look, &commit).await?;
            }
            let beside = beside(look, &commit).await?;
            let texts = beside.iter().chain([node]).filter_map(|node| node.message.as_deref());
            change.tickets = Demands::of(look).tickets(texts);
            for node in &beside {
                let (commit, gaps) = node.commit();
                change.bare_commits.push(commit);
                change.missing.extend(gaps);
            }
            change.bare_commits.push(commit);
        }
    }
    Ok(changes)
}

/// The change that ends at a commit which lies at or behind what runs now: for who landed it, and not to be judged again.
pub(super) async fn ending_at(
    look: &Look<'_>,
    production_branch: &str,
    line: &Line,
    target: &CommitSha,
) -> Result<Vec<ChangeInRelease>, GitHubError> {
    let commits = vec![target.clone()];
    let alone = Line { commits, reaches_start: false, behind: Vec::new(), landings: line.landings.clone() };
    changes(look, production_branch, &alone, target).await
}

/// What a pushed merge brought along: the commits that it reaches and its first parent does not.
async fn beside(look: &Look<'_>, commit: &Commit) -> Result<Vec<CommitNode>, GitHubError> {
    let [first, _, ..] = commit.parents.as_slice() else { return Ok(Vec::new()) };
    let mut oids = line::reached(look, first, &commit.oid).await?;
    oids.retain(|oid| *oid != commit.oid);
    let mut read = commits(look, &oids).await?;
    let mut node = |oid: &CommitSha| {
        let found = read.remove(oid).map(|(node, _)| node);
        found.ok_or_else(|| GitHubError::Unavailable(format!("commit {} is not shown", oid.short())))
    };
    oids.iter().map(&mut node).collect()
}

/// Where one merge shows several pull requests as merged, because one contained the others, the merge is of the one whose
/// head is the merge commit's second parent.
fn merged_itself(node: &CommitNode, candidates: Vec<&AssociatedPullRequest>) -> Vec<u64> {
    let second = node.second_parent();
    let of_merge: Vec<u64> =
        candidates.iter().filter(|pr| Some(pr.head_ref_oid.as_str()) == second).map(|pr| pr.number).collect();
    if candidates.len() > 1 && of_merge.len() == 1 {
        return of_merge;
    }
    candidates.into_iter().map(|pr| pr.number).collect()
}

/// The runs of commits that one merge put there; every other commit is a change of its own. Oldest first.
fn cut(newest_first: &[&CommitSha], landings: &[Landing], start: Option<&CommitSha>) -> Vec<ChangeInRelease> {
    let mut changes = Vec::new();
    let mut rest = newest_first;
    while let Some((end, _)) = rest.split_first() {
        let landing = policy::landing_at(landings, end).cloned();
        let mut missing = Vec::new();
        let length = match &landing {
            Some(landing) if landing.kind != LandingKind::Push => {
                let before = rest.iter().position(|commit| **commit == landing.before);
                if before.is_none() && start != Some(&landing.before) {
                    // What runs now lies inside this merge, or older changes would be taken for a part of it.
                    missing.push(format!("where the merge that ends at {} began", end.short()));
                }
                before.unwrap_or(rest.len())
            }
            _ => 1,
        };
        let (run, older) = rest.split_at(length.clamp(1, rest.len()));
        // A push of several commits shows its pusher only at the last; the others were put there by it as well.
        let landing = landing.or_else(|| covering(run, newest_first, landings));
        changes.push(ChangeInRelease {
            commits: run.iter().rev().map(|commit| (*commit).clone()).collect(),
            landing,
            pull_request: None,
            bare_commits: Vec::new(),
            shown_as_merged: Vec::new(),
            tickets: None,
            missing,
        });
        rest = older;
    }
    changes.reverse();
    changes
}

/// The commits of a change that GitHub is asked about: its last one, and all that the queue landed together.
fn worth_asking(change: &ChangeInRelease) -> impl Iterator<Item = &CommitSha> {
    let all = by_queue(change);
    let last = change.commits.len().saturating_sub(1);
    change.commits.iter().enumerate().filter(move |(place, _)| all || *place == last).map(|(_, commit)| commit)
}

fn by_queue(change: &ChangeInRelease) -> bool {
    change.landing.as_ref().is_some_and(|landing| landing.kind == LandingKind::MergeQueueMerge)
}

/// The queue may land several pull requests in one movement of the branch: each is a change of its own, which ends with the
/// commit that stands for it.
fn split(change: ChangeInRelease, ends_a_pull_request: impl Fn(&CommitSha) -> bool) -> Vec<ChangeInRelease> {
    if !by_queue(&change) {
        return vec![change];
    }
    let mut parts = Vec::new();
    let mut commits = Vec::new();
    let last = change.commits.len().saturating_sub(1);
    for (place, commit) in change.commits.iter().enumerate() {
        commits.push(commit.clone());
        if place == last || ends_a_pull_request(commit) {
            // Where the movement began is a question to its first part alone.
            let missing = if parts.is_empty() { change.missing.clone() } else { Vec::new() };
            parts.push(ChangeInRelease { commits: std::mem::take(&mut commits), missing, ..change.clone() });
        }
    }
    parts
}

/// The push whose range holds a commit that is not its last.
fn covering(run: &[&CommitSha], line: &[&CommitSha], landings: &[Landing]) -> Option<Landing> {
    let place = line.iter().position(|commit| Some(commit) == run.first())?;
    let newer = line.get(..place)?;
    let later = newer.iter().rev().find_map(|commit| policy::landing_at(landings, commit))?;
    (later.kind == LandingKind::Push).then(|| later.clone())
}

/// Commits by id, with the pull requests GitHub ties to them.
async fn commits(
    look: &Look<'_>,
    oids: &[CommitSha],
) -> Result<BTreeMap<CommitSha, (CommitNode, Vec<String>)>, GitHubError> {
    let mut found = BTreeMap::new();
    let ticketed = Demands::of(look).ticketed();
    for some in oids.chunks(TOGETHER) {
        let data = look.client.graphql(&query::commits(some), look.variables([("ticketed", json!(ticketed))])).await?;
        for (place, oid) in some.iter().enumerate() {
            let node = data.pointer(&format!("/repository/c{place}")).cloned().unwrap_or_default();
            if node.is_null() {
                continue;
            }
            let node: CommitNode =
                serde_json::from_value(node).map_err(|error| GitHubError::Unreadable(error.to_string()))?;
            let (_, mut gaps) = node.commit();
            if node.associated_pull_requests.as_ref().is_some_and(|page| page.info.has_next_page) {
                gaps.push(format!("all pull requests tied to {}", oid.short()));
            }
            found.insert(oid.clone(), (node, gaps));
        }
    }
    Ok(found)
}

/// What one movement of the production branch brought without a pull request, a change for each commit.
pub async fn landed(
    look: &Look<'_>,
    production_branch: &str,
    before: &CommitSha,
    after: &CommitSha,
) -> Result<Vec<ChangeInRelease>, GitHubError> {
    let mut line = line::gather(look, production_branch, before, after).await?;
    let Some(from) = line.commits.iter().position(|commit| commit == after) else { return Ok(Vec::new()) };
    if line.landings.iter().any(|landing| landing.after == *after && landing.kind != LandingKind::Push) {
        return Ok(Vec::new());
    }
    if !line.landings.iter().any(|landing| landing.after == *after) {
        return Err(GitHubError::Unavailable("the activity list does not show the push yet".to_owned()));
    }
    line.commits.drain(..from);
    let changes = changes(look, production_branch, &line, after).await?;
    Ok(changes.into_iter().filter(|change| change.pull_request.is_none()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    fn landing(before: &str, after: &str, kind: LandingKind) -> Landing {
        Landing { before: before.into(), after: after.into(), kind, by: None, at: None }
    }

    fn shape(changes: &[ChangeInRelease]) -> Vec<Vec<&str>> {
        changes.iter().map(|change| change.commits.iter().map(CommitSha::as_str).collect()).collect()
    }

    #[test]
    fn a_rebase_lands_several_commits_as_one_change_and_a_push_each_as_its_own() {
        let line: Vec<CommitSha> = ["a5", "a4", "a3", "a2", "a1"].map(CommitSha::from).to_vec();
        let line: Vec<&CommitSha> = line.iter().collect();
        let landings = [
            landing("a3", "a5", LandingKind::Push),
            landing("a1", "a3", LandingKind::PullRequestMerge),
            landing("a0", "a1", LandingKind::PullRequestMerge),
        ];
        let changes = cut(&line, &landings, Some(&"a0".into()));
        assert_eq!(shape(&changes), [vec!["a1"], vec!["a2", "a3"], vec!["a4"], vec!["a5"]]);
        assert!(changes.iter().all(|change| change.landing.is_some()));
    }

    #[test]
    fn a_merge_that_began_out_of_sight_is_said_to() {
        let line: Vec<CommitSha> = ["a3", "a2"].map(CommitSha::from).to_vec();
        let line: Vec<&CommitSha> = line.iter().collect();
        let landings = [landing("a0", "a3", LandingKind::PullRequestMerge)];
        let changes = cut(&line, &landings, Some(&"a1".into()));
        assert_eq!(changes[0].missing, ["where the merge that ends at a3 began"]);
        assert!(cut(&line, &landings, Some(&"a0".into()))[0].missing.is_empty());
    }

    #[test]
    fn what_the_queue_lands_together_is_one_change_for_each_pull_request() {
        let line: Vec<CommitSha> = ["a3", "a2", "a1"].map(CommitSha::from).to_vec();
        let line: Vec<&CommitSha> = line.iter().collect();
        let landed = |kind| cut(&line, &[landing("a0", "a3", kind)], Some(&"a0".into()));
        let ends = |commit: &CommitSha| ["a1", "a3"].contains(&commit.as_str());
        let apart = |kind| landed(kind).into_iter().flat_map(|change| split(change, ends)).collect::<Vec<_>>();
        assert_eq!(shape(&apart(LandingKind::MergeQueueMerge)), [vec!["a1"], vec!["a2", "a3"]]);
        assert_eq!(shape(&apart(LandingKind::PullRequestMerge)), [vec!["a1", "a2", "a3"]]);
        let one = landed(LandingKind::MergeQueueMerge).remove(0);
        assert_eq!(worth_asking(&one).count(), 3, "which of them ends a pull request is asked");
        assert_eq!(shape(&split(one, |_| false)), [vec!["a1", "a2", "a3"]]);
    }

    #[test]
    fn a_commit_that_no_movement_explains_is_a_change_of_its_own() {
        let line: Vec<CommitSha> = ["b2", "b1"].map(CommitSha::from).to_vec();
        let line: Vec<&CommitSha> = line.iter().collect();
        assert_eq!(shape(&cut(&line, &[], None)), [vec!["b1"], vec!["b2"]]);
    }
}
