//! Where work left the base: of the head, and of commits that were approved.
//!
//! Invariant: it is asked for only where an approval of another commit with the head's tree makes it matter.

use super::Look;
use crate::github::client::GitHubError;
use countersign_core::domain::{CommitSha, PullRequest, ReviewId, TimelineEvent};
use serde::Deserialize;
use std::collections::BTreeSet;

/// The parents of a reviewed commit, kept beside the facts to find its merge base.
pub(super) struct Reviewed {
    pub(super) review: ReviewId,
    pub(super) parents: Vec<CommitSha>,
}

#[derive(Deserialize)]
struct Comparison {
    merge_base_commit: Sha,
}

#[derive(Deserialize)]
struct Sha {
    sha: String,
}

/// Fills in merge bases, where an approval of another commit with the head's tree makes them matter.
pub(super) async fn complete(
    look: &Look<'_>,
    pull_request: &mut PullRequest,
    reviewed: &[Reviewed],
    base: &str,
) -> Result<(), GitHubError> {
    let own: BTreeSet<&CommitSha> = pull_request.commits.iter().map(|commit| &commit.oid).collect();
    let boundary: BTreeSet<&CommitSha> =
        pull_request.commits.iter().flat_map(|commit| &commit.parents).filter(|parent| !own.contains(parent)).collect();
    // Where all work leaves the base at one commit, that commit is the merge base.
    let only = if boundary.len() == 1 { boundary.first().map(|only| (*only).clone()) } else { None };
    pull_request.merge_base.clone_from(&only);
    let (head, head_tree) = (pull_request.head.clone(), pull_request.head_tree.clone());
    let mut asked = false;
    for event in &mut pull_request.timeline {
        let TimelineEvent::Reviewed(review) = event else { continue };
        let Some(commit) = review.commit.clone() else { continue };
        if commit == head || review.tree.as_ref() != Some(&head_tree) {
            continue;
        }
        let parents = reviewed.iter().find(|one| one.review == review.id).map(|one| one.parents.as_slice());
        review.merge_base = match (&only, parents) {
            (Some(only), Some([parent])) if parent == only => Some(only.clone()),
            _ => Some(merge_base(look, base, &commit).await?),
        };
        asked = true;
    }
    if asked && pull_request.merge_base.is_none() {
        pull_request.merge_base = Some(merge_base(look, base, &head).await?);
    }
    Ok(())
}

pub(super) async fn merge_base(look: &Look<'_>, base: &str, commit: &CommitSha) -> Result<CommitSha, GitHubError> {
    let path = look.path(&format!("/compare/{base}...{commit}?per_page=1"));
    Ok(CommitSha::new(look.client.get::<Comparison>(&path).await?.merge_base_commit.sha))
}
