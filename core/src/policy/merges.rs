//! Merges of the base into a pull request's branch: which of them changed nothing of their own.
//!
//! Invariant: only GitHub's own merge, of the branch with a commit of its base, whose tree was proved mechanical, adds
//! nobody and leaves approvals fresh. Anything less is work like any other. Next: `approvals.rs`.

use crate::domain::{Commit, CommitSha, MergeProof, PullRequest, Push, PushSource};
use std::collections::HashSet;

/// The places, among its commits, of GitHub's own merges of the base: those that a proof could clear.
pub fn merges_of_base(pr: &PullRequest) -> Vec<usize> {
    let own: HashSet<&CommitSha> = pr.commits.iter().map(|commit| &commit.oid).collect();
    let of_base = |commit: &Commit| {
        let [branch, base] = commit.parents.as_slice() else { return false };
        commit.committed_by_github && own.contains(branch) && !own.contains(base)
    };
    pr.commits.iter().enumerate().filter(|(_, commit)| of_base(commit)).map(|(place, _)| place).collect()
}

/// The merges of a pull request that are proved clean.
#[derive(Debug)]
pub(crate) struct CleanMerges<'a> {
    merges: Vec<&'a Commit>,
    /// Those that the branch does not hold any more.
    dropped: &'a [Commit],
    /// What an approval may have been given on and be fresh: the head, and what it reaches through clean merges alone.
    fresh: Vec<&'a CommitSha>,
    /// Why a merge on that way could not be proved.
    unproved: Option<&'a str>,
}

impl<'a> CleanMerges<'a> {
    pub(crate) fn of(pr: &'a PullRequest) -> Self {
        let candidates: Vec<&Commit> =
            merges_of_base(pr).into_iter().filter_map(|place| pr.commits.get(place)).collect();
        let merges: Vec<&Commit> =
            candidates.iter().copied().filter(|commit| commit.merge == Some(MergeProof::Mechanical)).collect();
        let mut fresh = vec![&pr.head];
        let mut at = &pr.head;
        while let Some(merge) = merges.iter().find(|merge| merge.oid == *at)
            && let Some(before) = merge.parents.first()
            && !fresh.contains(&before)
        {
            fresh.push(before);
            at = before;
        }
        let stopped_at = candidates.iter().find(|commit| commit.oid == *at);
        let unproved = stopped_at.and_then(|commit| match &commit.merge {
            Some(MergeProof::Unproved { why }) => Some(why.as_str()),
            _ => None,
        });
        Self { merges, dropped: &pr.dropped_merges, fresh, unproved }
    }

    /// Whether this commit is a clean merge.
    pub(crate) fn holds(&self, commit: &CommitSha) -> bool {
        self.merges.iter().any(|merge| merge.oid == *commit)
    }

    /// Whether this push brought a clean merge and nothing else.
    pub(crate) fn only_pushed(&self, push: &Push) -> bool {
        let proved = |merge: &&Commit| merge.merge == Some(MergeProof::Mechanical);
        let dropped = self.dropped.iter().filter(proved);
        self.merges.iter().copied().chain(dropped).any(|merge| {
            let one = push.source == PushSource::CommitListed || merge.parents.first() == Some(&push.before);
            merge.oid == push.after && one
        })
    }

    /// Whether an approval of this commit is an approval of the head.
    pub(crate) fn leave_fresh(&self, commit: &CommitSha) -> bool {
        self.fresh.contains(&commit)
    }

    /// Why the head is not known to be a clean merge, where it may be one.
    pub(crate) fn unproved(&self) -> Option<&str> {
        self.unproved
    }
}
