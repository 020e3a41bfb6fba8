//! Which part of a timeline a judgement may look at.
//!
//! Invariant: a merged pull request is judged by what had happened when it was merged; what came later neither cures
//! nor harms it. Order is GitHub's; times are never compared. Next: `approvals.rs`.

use crate::domain::{PullRequest, PullRequestState, TimelineEvent};

/// The events that count, and whether the moment of the merge is known where one is needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeline<'a> {
    /// What had happened when the pull request was merged; for an open one, everything.
    pub(crate) events: &'a [TimelineEvent],
    /// The pull request is merged, and nothing in its timeline says when.
    pub(crate) merge_unseen: bool,
}

/// The part of the timeline up to the merge. `merged` says whether the pull request is judged as merged.
pub(crate) fn until_merge(pr: &PullRequest, merged: bool) -> Timeline<'_> {
    let merge =
        merged.then(|| pr.timeline.iter().position(|event| matches!(event, TimelineEvent::Merged { .. }))).flatten();
    Timeline {
        events: merge.and_then(|at| pr.timeline.get(..at)).unwrap_or(&pr.timeline),
        merge_unseen: merged && merge.is_none(),
    }
}

/// Whether GitHub shows the pull request as merged.
pub(crate) fn is_merged(pr: &PullRequest) -> bool {
    pr.state == PullRequestState::Merged
}
