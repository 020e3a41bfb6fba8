//! What one deployment would put into production: the production branch's line cut into changes, and each tied to the
//! pull request that landed it.
//!
//! Invariant: a commit that no movement of the branch explains is a change of its own, and nothing ties it to a pull
//! request but GitHub's word that this very commit is what the merge left.

use super::demands::Demands;
use super::{Look, authors, line, merges, pull_request};
use crate::github::client::GitHubError;
use crate::github::node::{AssociatedPullRequest, CommitNode};
use crate::github::query;
use crate::store::kept::LineCommit;
use countersign_core::domain::{
    ChangeInRelease, Commit, CommitSha, Landing, LandingKind, Line, Observation, PullRequestNumber, Push, PushSource,
};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

/// How many commits one query asks about.
const TOGETHER: usize = 100;

/// Cuts the line between the starting point and the target into changes, and reads everyone behind each.
pub(super) async fn changes(
    look: &Look<'_>,
    production_branch: &str,
    gathered: line::Gathered,
    target: &CommitSha,
) -> Result<(Line, Vec<ChangeInRelease>), GitHubError> {
    let line::Gathered { line, landed, commits: mut tied } = gathered;
    let changes = cut(&line, target);
    let merged =
        |change: &ChangeInRelease| change.landing.as_ref().is_some_and(|landing| landing.kind != LandingKind::Push);
    // What the queue landed may be several pull requests: GitHub is asked for them each time.
    let on_record = |change: &ChangeInRelease| {
        let one = change.landing.as_ref().is_some_and(|landing| landing.kind == LandingKind::PullRequestMerge);
        change.commits.last().filter(|_| one).and_then(|end| landed.get(end)).copied()
    };
    let untold = changes.iter().filter(|change| on_record(change).is_none()).flat_map(worth_asking);
    let untold: Vec<CommitSha> = untold.filter(|commit| !tied.contains_key(*commit)).cloned().collect();
    tied.extend(commits(look, &untold).await?);
    let ends_a_pull_request = |commit: &CommitSha| {
        tied.get(commit).is_some_and(|(node, _)| !tie(look, production_branch, node, true).is_empty())
    };
    let mut changes: Vec<ChangeInRelease> =
        changes.into_iter().flat_map(|change| split(change, ends_a_pull_request)).collect();
    let ends: Vec<CommitSha> = changes.iter().filter_map(|change| change.commits.last().cloned()).collect();
    let (mut numbers, mut settled) = (BTreeMap::new(), Vec::new());
    let mut alternatives: BTreeMap<CommitSha, Vec<PullRequestNumber>> = BTreeMap::new();
    for (change, end) in changes.iter_mut().zip(&ends) {
        let merge = merged(change);
        if let Some(number) = on_record(change) {
            numbers.insert(end.clone(), number);
            continue;
        }
        let Some((node, gaps)) = tied.get(end) else {
            change.missing.push(format!("commit {}", end.short()));
            continue;
        };
        let here = tie(look, production_branch, node, merge);
        match (merge, here.as_slice()) {
            (true, [one]) => {
                numbers.insert(end.clone(), PullRequestNumber(one.number));
                let shows = |commit: &CommitSha| {
                    let here = tied.get(commit).map(|(node, _)| tie(look, production_branch, node, false));
                    here.is_some_and(|here| here.iter().any(|shown| shown.number == one.number))
                };
                // Each commit that the queue landed shows its own: another one may be shown later that landed with it.
                if !is_certain(node, one) || by_queue(change) && !change.commits.iter().all(shows) {
                    change.missing.push(format!("which pull request landed {}", end.short()));
                } else if !by_queue(change) && gaps.is_empty() {
                    let number = Some(PullRequestNumber(one.number));
                    settled.push(LineCommit { commit: end.clone(), parent: node.first_parent(), number });
                }
            }
            (true, []) => change.missing.push(format!("the pull request that landed {}", end.short())),
            (true, [one, others @ ..]) if is_whole(node) && of_one_head(node, &here) => {
                numbers.insert(end.clone(), PullRequestNumber(one.number));
                alternatives.insert(end.clone(), others.iter().map(|other| PullRequestNumber(other.number)).collect());
            }
            (true, _) => change.missing.push(format!("which pull request landed {}", end.short())),
            (false, _) => {
                change.shown_as_merged = here.into_iter().map(|one| PullRequestNumber(one.number)).collect();
                change.missing.extend(gaps.iter().cloned());
            }
        }
    }
    if line.reaches_start {
        look.store.keep_line(look.repository.id, settled).await?;
    }
    let wanted: Vec<PullRequestNumber> = numbers.values().chain(alternatives.values().flatten()).copied().collect();
    let mut read = pull_request::of_release(look, &wanted, production_branch).await?;
    for change in &mut changes {
        let Some(end) = change.commits.last() else { continue };
        if let Some(number) = numbers.get(end) {
            change.pull_request = read.remove(number);
            for other in alternatives.get(end).into_iter().flatten() {
                match read.remove(other) {
                    Some(other) => change.alternatives.push(other),
                    None => {
                        change.missing.push(format!("pull request #{other}, which may have landed {}", end.short()));
                    }
                }
            }
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
    pushed_elsewhere(look, &mut changes).await?;
    Ok((line, changes))
}

/// Adds to commits without a pull request who was seen to push them, wherever that was.
async fn pushed_elsewhere(look: &Look<'_>, changes: &mut [ChangeInRelease]) -> Result<(), GitHubError> {
    let bare = changes.iter().flat_map(|change| &change.bare_commits);
    let topics: Vec<String> = bare.map(|commit| format!("commit:{}", commit.oid)).collect();
    if topics.is_empty() {
        return Ok(());
    }
    let observed = look.store.observed(look.repository.id, &topics).await?;
    for change in changes {
        let own = |oid: &CommitSha| change.bare_commits.iter().any(|commit| commit.oid == *oid);
        let pushed = observed.iter().filter_map(|seen| match seen {
            Observation::CommitListed { by: Some(by), .. } if by.is_merge_queue() => None,
            Observation::CommitListed { commit, by, .. } if own(commit) => Some(Push {
                before: commit.clone(),
                after: commit.clone(),
                by: by.clone(),
                source: PushSource::CommitListed,
            }),
            _ => None,
        });
        change.bare_pushes = pushed.collect();
        change.bare_pushes.sort();
        change.bare_pushes.dedup();
    }
    Ok(())
}

/// The pull requests that this commit shows as merged into the branch, by number.
fn tie<'n>(
    look: &Look<'_>,
    production_branch: &str,
    node: &'n CommitNode,
    merge: bool,
) -> Vec<&'n AssociatedPullRequest> {
    let merged_here = |one: &&AssociatedPullRequest| {
        one.state == "MERGED"
            && one.base_repository.as_ref().and_then(|r| r.database_id) == Some(look.repository.id.0)
            && one.base_ref_name == production_branch
            && (!merge || one.merge_commit.as_ref().is_some_and(|c| c.oid == node.oid))
    };
    let associated = node.associated_pull_requests.iter().flat_map(|page| &page.nodes);
    let mut here = merged_itself(node, associated.filter(merged_here).collect());
    here.sort_by_key(|one| one.number);
    here
}

/// The pull request that landed a commit by GitHub's own merge; `None` where that is not told for certain.
pub async fn landed_by(
    look: &Look<'_>,
    production_branch: &str,
    commit: &CommitSha,
) -> Result<Option<PullRequestNumber>, GitHubError> {
    let read = commits(look, std::slice::from_ref(commit)).await?;
    let Some((node, gaps)) = read.get(commit) else { return Ok(None) };
    Ok(match tie(look, production_branch, node, true).as_slice() {
        [one] if gaps.is_empty() && is_certain(node, one) => Some(PullRequestNumber(one.number)),
        _ => None,
    })
}

/// Whether a branch stood at this commit when it left the base, which contains it: no pull request carried it there, a merge
/// ended there, or it is what was merged from that very branch.
pub(super) async fn stood_at(look: &Look<'_>, commit: &CommitSha, branch: &str) -> Result<bool, GitHubError> {
    let read = commits(look, std::slice::from_ref(commit)).await?;
    let Some((node, _)) = read.get(commit).filter(|(_, gaps)| gaps.is_empty()) else { return Ok(false) };
    let associated = node.associated_pull_requests.iter().flat_map(|page| &page.nodes);
    let merged: Vec<_> = associated.filter(|one| one.state == "MERGED").collect();
    let ended_there = |one: &&AssociatedPullRequest| {
        one.merge_commit.as_ref().is_some_and(|merge| merge.oid == node.oid)
            || one.head_ref_oid == node.oid && one.head_ref_name == branch
    };
    Ok(merged.is_empty() || merged.iter().any(ended_there))
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
    let (_, found) = changes(look, production_branch, alone.into(), target).await?;
    Ok(found)
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
fn merged_itself<'n>(node: &CommitNode, candidates: Vec<&'n AssociatedPullRequest>) -> Vec<&'n AssociatedPullRequest> {
    let second = node.second_parent();
    let of_merge: Vec<_> = candidates.iter().copied().filter(|one| Some(one.head_ref_oid.as_str()) == second).collect();
    if candidates.len() > 1 && of_merge.len() == 1 { of_merge } else { candidates }
}

/// Whether GitHub shows all pull requests that it ties to a commit.
fn is_whole(node: &CommitNode) -> bool {
    node.associated_pull_requests.as_ref().is_some_and(|page| !page.info.has_next_page)
}

/// Whether a commit is this pull request's and no other's: of a merge the second parent says so. One that holds this one may be
/// shown later than it.
fn is_certain(node: &CommitNode, one: &AssociatedPullRequest) -> bool {
    is_whole(node) && node.second_parent().is_none_or(|second| second == one.head_ref_oid)
}

/// Whether a merge is of each of these: they share the head that is its second parent.
fn of_one_head(node: &CommitNode, candidates: &[&AssociatedPullRequest]) -> bool {
    node.second_parent().is_some_and(|second| candidates.iter().all(|one| one.head_ref_oid == second))
}

/// The line between the starting point and the target, oldest first: the runs of commits that one merge put there; every
/// other commit is a change of its own.
fn cut(line: &Line, target: &CommitSha) -> Vec<ChangeInRelease> {
    let Some(from) = line.commits.iter().position(|commit| commit == target) else { return Vec::new() };
    let ahead = line.commits.get(from..).unwrap_or_default();
    let (start, ahead) = match ahead.split_last() {
        Some((start, rest)) if line.reaches_start => (Some(start), rest),
        _ => (None, ahead),
    };
    let places: HashMap<&CommitSha, usize> = ahead.iter().enumerate().map(|(place, sha)| (sha, place)).collect();
    let landings = by_end(&line.landings);
    let mut changes = Vec::new();
    // What put the commits above the target there may have put the target there as well.
    let above = line.commits.get(..from).unwrap_or_default();
    let mut newer: Option<&Landing> = above.iter().rev().find_map(|commit| landings.get(commit)).copied();
    let mut at = 0;
    while let Some(end) = ahead.get(at) {
        let landing = landings.get(end).copied();
        let mut missing = Vec::new();
        let mut next = at + 1;
        if let Some(merge) = landing.filter(|landing| landing.kind != LandingKind::Push) {
            let before = places.get(&merge.before).filter(|before| **before > at);
            // By first parents a merge leads down to what it began at: where that is not above what runs now, this lies inside
            // the merge, and all that is left is a part of it. Without a start, older changes would be taken for one.
            if before.is_none() && start.is_none() {
                missing.push(format!("where the merge that ends at {} began", end.short()));
            }
            next = before.copied().unwrap_or(ahead.len());
        }
        // A push of several commits shows its pusher only at the last; the others were put there by it as well.
        let covering = newer.filter(|landing| landing.kind == LandingKind::Push);
        let run = ahead.get(at..next).unwrap_or_default();
        newer = run.iter().rev().find_map(|commit| landings.get(commit)).copied().or(newer);
        changes.push(ChangeInRelease {
            commits: run.iter().rev().cloned().collect(),
            landing: landing.or(covering).cloned(),
            pull_request: None,
            asked_as: None,
            bare_commits: Vec::new(),
            bare_pushes: Vec::new(),
            alternatives: Vec::new(),
            shown_as_merged: Vec::new(),
            tickets: None,
            missing,
        });
        at = next;
    }
    changes.reverse();
    changes
}

/// The movements of a branch by where they left it, a merge before a push that put it there again.
fn by_end(landings: &[Landing]) -> HashMap<&CommitSha, &Landing> {
    let mut found: HashMap<&CommitSha, &Landing> = HashMap::with_capacity(landings.len());
    for landing in landings {
        let known = found.entry(&landing.after).or_insert(landing);
        if known.kind == LandingKind::Push && landing.kind != LandingKind::Push {
            *known = landing;
        }
    }
    found
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

/// Commits by id, with the pull requests GitHub ties to them.
pub(super) async fn commits(
    look: &Look<'_>,
    oids: &[CommitSha],
) -> Result<BTreeMap<CommitSha, (CommitNode, Vec<String>)>, GitHubError> {
    let mut nodes: BTreeMap<CommitSha, CommitNode> = BTreeMap::new();
    let ticketed = Demands::of(look).ticketed();
    for some in oids.chunks(TOGETHER) {
        let data = look.client.graphql(&query::commits(some), look.variables([("ticketed", json!(ticketed))])).await?;
        for (place, oid) in some.iter().enumerate() {
            let node = data.pointer(&format!("/repository/c{place}")).cloned().unwrap_or_default();
            if node.is_null() {
                continue;
            }
            let node = serde_json::from_value(node).map_err(|error| GitHubError::Unreadable(error.to_string()))?;
            nodes.insert(oid.clone(), node);
        }
    }
    authors::complete(look, nodes.values_mut()).await?;
    let with_gaps = |(oid, node): (CommitSha, CommitNode)| {
        let (_, mut gaps) = node.commit();
        if !is_whole(&node) {
            gaps.push(format!("all pull requests tied to {}", oid.short()));
        }
        (oid, (node, gaps))
    };
    Ok(nodes.into_iter().map(with_gaps).collect())
}

/// What one movement of the production branch brought without a pull request, a change for each commit.
pub async fn landed(
    look: &Look<'_>,
    production_branch: &str,
    before: &CommitSha,
    after: &CommitSha,
) -> Result<Vec<ChangeInRelease>, GitHubError> {
    let asked = line::Asked { branch: production_branch, start: before, target: after, pushed_by: None };
    let tip = line::tip(look, production_branch).await?;
    let gathered = line::gather(look, &asked, tip).await?;
    let landings = &gathered.line.landings;
    if !gathered.line.commits.contains(after) {
        return Ok(Vec::new());
    }
    if landings.iter().any(|landing| landing.after == *after && landing.kind != LandingKind::Push) {
        return Ok(Vec::new());
    }
    if !landings.iter().any(|landing| landing.after == *after) {
        return Err(GitHubError::Unavailable("the activity list does not show the push yet".to_owned()));
    }
    let (_, changes) = changes(look, production_branch, gathered, after).await?;
    Ok(changes.into_iter().filter(|change| change.pull_request.is_none()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::unwrap_used)]
    use super::*;

    fn landing(before: &str, after: &str, kind: LandingKind) -> Landing {
        Landing { before: before.into(), after: after.into(), kind, by: None, at: None }
    }

    fn shape(changes: &[ChangeInRelease]) -> Vec<Vec<&str>> {
        changes.iter().map(|change| change.commits.iter().map(CommitSha::as_str).collect()).collect()
    }

    /// A line with the newest commit first, cut from its tip.
    fn cut_at<const N: usize>(commits: [&str; N], landings: &[Landing], start: Option<&str>) -> Vec<ChangeInRelease> {
        let line = Line {
            commits: commits.into_iter().chain(start).map(CommitSha::from).collect(),
            reaches_start: start.is_some(),
            landings: landings.to_vec(),
            ..Line::default()
        };
        cut(&line, &line.commits[0])
    }

    /// A commit with these parents, tied to pull requests with these heads; whether there are more is said.
    fn tied(parents: &[&str], heads: &[&str], more: bool) -> CommitNode {
        let oids = |oids: &[&str]| oids.iter().map(|oid| json!({"oid": oid})).collect::<Vec<_>>();
        let pull_request = |(number, head): (usize, &&str)| {
            json!({
                "number": number + 1, "state": "MERGED", "baseRefName": "main", "headRefOid": head, "headRefName": "f",
                "mergeCommit": {"oid": "m1"}, "baseRepository": {"databaseId": 1},
            })
        };
        let pull_requests: Vec<_> = heads.iter().enumerate().map(pull_request).collect();
        let info = json!({"hasNextPage": more, "endCursor": null});
        serde_json::from_value(json!({
            "oid": "m1", "tree": {"oid": "t1"}, "parents": {"totalCount": parents.len(), "pageInfo": info, "nodes": oids(parents)},
            "authors": {"totalCount": 0, "pageInfo": info, "nodes": []},
            "associatedPullRequests": {"pageInfo": info, "nodes": pull_requests},
        }))
        .unwrap()
    }

    #[test]
    fn one_that_is_shown_alone_landed_a_merge_only_where_the_second_parent_says_so() {
        let certain = |node: &CommitNode| is_certain(node, &node.associated_pull_requests.as_ref().unwrap().nodes[0]);
        assert!(certain(&tied(&["a0", "h1"], &["h1"], false)));
        assert!(certain(&tied(&["a0"], &["h1"], false)), "a squash says nothing of its head");
        // One that was stacked on it is not shown yet, or not among the first.
        assert!(!certain(&tied(&["a0", "h2"], &["h1"], false)));
        assert!(!certain(&tied(&["a0", "h1"], &["h1"], true)));
    }

    #[test]
    fn a_rebase_lands_several_commits_as_one_change_and_a_push_each_as_its_own() {
        let landings = [
            landing("a3", "a5", LandingKind::Push),
            landing("a1", "a3", LandingKind::PullRequestMerge),
            landing("a0", "a1", LandingKind::PullRequestMerge),
        ];
        let changes = cut_at(["a5", "a4", "a3", "a2", "a1"], &landings, Some("a0"));
        assert_eq!(shape(&changes), [vec!["a1"], vec!["a2", "a3"], vec!["a4"], vec!["a5"]]);
        assert!(changes.iter().all(|change| change.landing.is_some()));
    }

    #[test]
    fn what_is_left_of_a_merge_that_began_before_what_runs_now_is_a_part_of_it() {
        let landings = [landing("a0", "a3", LandingKind::PullRequestMerge)];
        for start in ["a1", "a0"] {
            let changes = cut_at(["a3", "a2"], &landings, Some(start));
            assert_eq!(shape(&changes), [vec!["a2", "a3"]]);
            assert!(changes[0].missing.is_empty());
        }
        let changes = cut_at(["a3", "a2"], &landings, None);
        assert_eq!(changes[0].missing, ["where the merge that ends at a3 began"], "older changes may be a part of it");
    }

    #[test]
    fn what_the_queue_lands_together_is_one_change_for_each_pull_request() {
        let landed = |kind| cut_at(["a3", "a2", "a1"], &[landing("a0", "a3", kind)], Some("a0"));
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
        assert_eq!(shape(&cut_at(["b2", "b1"], &[], None)), [vec!["b1"], vec!["b2"]]);
    }

    #[test]
    fn a_merge_goes_before_the_push_that_brought_it_back() {
        let landings = [
            landing("a2", "a1", LandingKind::Push),
            landing("a0", "a1", LandingKind::PullRequestMerge),
            landing("a1", "a2", LandingKind::Push),
        ];
        let changes = cut_at(["a1"], &landings, Some("a0"));
        assert_eq!(changes[0].landing.as_ref().unwrap().kind, LandingKind::PullRequestMerge);
    }
}
