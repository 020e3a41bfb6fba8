//! Who pushed to the branch of a pull request, and whether that is known without a gap.
//!
//! Invariant: the chain of before/after links is followed from the head back to where the branch left the base. A
//! commit that nobody is known to have pushed is a gap, and a gap is said, never bridged. Next: `contributors.rs`.

use super::timeline::{is_merged, until_merge};
use crate::domain::{Commit, CommitSha, PullRequest, Push, PushSource, TimelineEvent};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The pushes that brought the branch to its head.
#[derive(Debug)]
pub(crate) struct Pushes<'a> {
    /// Those of the chain, and others that pushed a commit which is in the pull request.
    pub(crate) known: Vec<&'a Push>,
    /// A commit that nobody is known to have pushed.
    pub(crate) gap: Option<CommitSha>,
}

/// The first commit of a pull request's branch that nobody is known to have pushed; `None` where the chain of pushes is
/// whole. Gathering asks this to know whether it must read the repository's activity list.
pub fn push_gap(pull_request: &PullRequest) -> Option<CommitSha> {
    pushes(pull_request).gap
}

/// Follows the links back from the head.
pub(crate) fn pushes(pr: &PullRequest) -> Pushes<'_> {
    let own = own(pr);
    let mut on_base = parents_on_base(pr, &own);
    // What a merge put on the base since is still the pull request's own.
    on_base.extend(pr.on_base.iter().filter(|commit| !own.contains(commit)));
    let mut ending_at: HashMap<&CommitSha, Vec<&Push>> = HashMap::new();
    let of_branch = |push: &&Push| push.source != PushSource::CommitListed;
    for push in pr.pushes.iter().filter(of_branch) {
        ending_at.entry(&push.after).or_default().push(push);
    }
    let mut walk = Walk {
        on_base: &on_base,
        ending_at: &ending_at,
        seen: HashSet::new(),
        known: Vec::new(),
        gaps: BTreeSet::new(),
        reached_start: false,
    };
    walk.back_from(&pr.head);
    // Whoever pushed what a force-push dropped contributed all the same.
    for event in until_merge(pr, is_merged(pr)).events {
        if let TimelineEvent::ForcePushed { before: Some(before), .. } = event {
            walk.back_from(before);
        }
    }
    if walk.gaps.is_empty() && !walk.reached_start {
        walk.gaps.insert(&pr.head);
    }
    let mut gaps = std::mem::take(&mut walk.gaps);
    gaps.extend(unseen_force_pushes(pr));
    // Whoever pushed a commit of the pull request by other ways (a branch deleted and restored) counts too; what lies
    // before that is no gap, since the chain above is what must be whole.
    for push in pr.pushes.iter().filter(|push| own.contains(&push.after)) {
        if of_branch(&push) {
            walk.back_from(&push.after);
        } else {
            walk.known.push(push);
        }
    }
    Pushes { known: walk.known, gap: gaps.first().map(|commit| (*commit).clone()) }
}

/// Whether the commits given are all there are, from the head down to the base.
///
/// They must hang together: the head is one of them, each is reached from it, and where the merge base is known it is a
/// parent of one of them. A commit left out breaks one of these.
pub(crate) fn commits_are_whole(pr: &PullRequest) -> bool {
    let own = own(pr);
    let by_oid: HashMap<&CommitSha, &Commit> = pr.commits.iter().map(|commit| (&commit.oid, commit)).collect();
    let mut reached: HashSet<&CommitSha> = HashSet::new();
    let mut ahead = vec![&pr.head];
    while let Some(commit) = ahead.pop().and_then(|oid| by_oid.get(oid)) {
        if reached.insert(&commit.oid) {
            ahead.extend(commit.parents.iter().filter(|parent| own.contains(parent)));
        }
    }
    let base_is_met =
        pr.merge_base.as_ref().is_none_or(|base| own.contains(base) || parents_on_base(pr, &own).contains(base));
    own.contains(&pr.head) && reached.len() == own.len() && base_is_met
}

fn own(pr: &PullRequest) -> HashSet<&CommitSha> {
    pr.commits.iter().map(|commit| &commit.oid).collect()
}

/// The parents that are not commits of the pull request: they are on the base.
fn parents_on_base<'a>(pr: &'a PullRequest, own: &HashSet<&'a CommitSha>) -> HashSet<&'a CommitSha> {
    let parents = pr.commits.iter().flat_map(|commit| &commit.parents);
    parents.filter(|parent| !own.contains(parent)).collect()
}

struct Walk<'a, 'b> {
    on_base: &'b HashSet<&'a CommitSha>,
    ending_at: &'b HashMap<&'a CommitSha, Vec<&'a Push>>,
    seen: HashSet<&'a CommitSha>,
    known: Vec<&'a Push>,
    gaps: BTreeSet<&'a CommitSha>,
    reached_start: bool,
}

impl<'a> Walk<'a, '_> {
    fn back_from(&mut self, commit: &'a CommitSha) {
        let mut ahead = vec![commit];
        while let Some(current) = ahead.pop() {
            if current.is_zero() || self.on_base.contains(current) {
                self.reached_start = true;
                continue;
            }
            if !self.seen.insert(current) {
                continue;
            }
            let Some(links) = self.ending_at.get(current) else {
                self.gaps.insert(current);
                continue;
            };
            for link in links {
                self.known.push(link);
                if link.source == PushSource::OpenedFromFork {
                    self.reached_start = true;
                } else {
                    ahead.push(&link.before);
                }
            }
        }
    }
}

/// The timeline's force-pushes prove nothing of the chain; one that no known push accounts for is a gap.
fn unseen_force_pushes(pr: &PullRequest) -> impl Iterator<Item = &CommitSha> {
    until_merge(pr, is_merged(pr)).events.iter().filter_map(|event| {
        let TimelineEvent::ForcePushed { before, after, .. } = event else {
            return None;
        };
        let matches = |push: &Push| {
            before.as_ref().is_none_or(|before| *before == push.before)
                && after.as_ref().is_none_or(|after| *after == push.after)
        };
        let named = before.is_some() || after.is_some();
        let of_branch = |push: &&Push| push.source != PushSource::CommitListed;
        let accounted_for = named && pr.pushes.iter().filter(of_branch).any(matches);
        (!accounted_for).then(|| after.as_ref().or(before.as_ref()).unwrap_or(&pr.head))
    })
}
