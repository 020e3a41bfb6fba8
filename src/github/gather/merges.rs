//! Proofs of merges: whether GitHub's "Update branch" merged mechanically, and whether a pushed merge did.
//!
//! Invariant: only what was proved is kept, since only that can never change; what could not be proved is tried again at
//! the next look, and until then the strict reading holds.

use super::{Look, pushes, release};
use crate::git::{Proof, Remote};
use crate::github::client::GitHubError;
use crate::store::pins::KeptAnswer;
use countersign_core::domain::{Commit, CommitSha, MergeProof, PullRequest, Push, PushSource};
use countersign_core::policy;
use std::collections::BTreeSet;

/// Proves the merges of the base that the judgement of a pull request may hang on.
pub(super) async fn complete(look: &Look<'_>, pull_request: &mut PullRequest) -> Result<(), GitHubError> {
    for place in policy::merges_of_base(pull_request) {
        let Some(commit) = pull_request.commits.get(place) else { continue };
        let proof = prove(look, commit).await?;
        if let Some(commit) = pull_request.commits.get_mut(place) {
            commit.merge = proof;
        }
    }
    Ok(())
}

/// So many movements of a branch that was force-pushed are looked at.
const DROPPED: usize = 8;

/// A pull request, and where its base branch is.
pub(super) struct OnBase {
    pub(super) pull_request: PullRequest,
    pub(super) base: CommitSha,
}

/// Finds, among what force-pushes dropped, the merges of the base that GitHub made and that were mechanical: whoever clicked
/// brought nothing. What cannot be told stays a push like any other. All that is not on record is asked for together.
pub(super) async fn dropped(look: &Look<'_>, read: &mut [OnBase]) -> Result<(), GitHubError> {
    let mut unknown: Vec<(usize, Push)> = Vec::new();
    for (place, OnBase { pull_request, .. }) in read.iter_mut().enumerate() {
        for push in gone(pull_request) {
            let key = dropped_key(look, &pull_request.base_branch, &push.after);
            let kept = look.store.kept_answer(&key).await?;
            match kept.and_then(|kept| serde_json::from_str::<Option<Commit>>(&kept.body).ok()) {
                Some(known) => pull_request.dropped_merges.extend(known),
                None => unknown.push((place, push)),
            }
        }
    }
    let asked: BTreeSet<CommitSha> = unknown.iter().map(|(_, push)| push.after.clone()).collect();
    let asked: Vec<CommitSha> = asked.into_iter().collect();
    let shown = release::commits(look, &asked).await?;
    for (place, push) in unknown {
        // GitHub forgets in time what no branch holds.
        let (Some(on_base), Some((node, _))) = (read.get_mut(place), shown.get(&push.after)) else { continue };
        let Some(found) = mechanical(look, node.commit().0, &push.before, &on_base.base).await? else { continue };
        let body = serde_json::to_string(&found).map_err(|error| GitHubError::Unreadable(error.to_string()))?;
        let key = dropped_key(look, &on_base.pull_request.base_branch, &push.after);
        look.store.keep_answer(key, KeptAnswer { etag: String::new(), body, fetched_at: look.now }).await?;
        on_base.pull_request.dropped_merges.extend(found);
    }
    for OnBase { pull_request, .. } in read {
        pull_request.dropped_merges.sort_by(|one, other| one.oid.cmp(&other.oid));
        pull_request.dropped_merges.dedup_by(|one, other| one.oid == other.oid);
    }
    Ok(())
}

/// The movements of a pull request's branch that left it where it is no more.
fn gone(pull_request: &PullRequest) -> Vec<Push> {
    let own: BTreeSet<&CommitSha> = pull_request.commits.iter().map(|commit| &commit.oid).collect();
    let of_branch = |push: &&Push| push.source != PushSource::CommitListed && !push.before.is_zero();
    let gone = |push: &&Push| !push.after.is_zero() && !own.contains(&push.after);
    pull_request.pushes.iter().filter(of_branch).filter(gone).take(DROPPED).cloned().collect()
}

/// A commit as a proved merge of the base into what was there before it; `Some(None)` where it is none for certain.
async fn mechanical(
    look: &Look<'_>,
    mut commit: Commit,
    before: &CommitSha,
    base: &CommitSha,
) -> Result<Option<Option<Commit>>, GitHubError> {
    let second = match commit.parents.as_slice() {
        [first, second] if commit.committed_by_github && first == before => second,
        _ => return Ok(Some(None)),
    };
    if !pushes::is_on(look, base, second).await? {
        return Ok(Some(None));
    }
    commit.merge = prove(look, &commit).await?;
    Ok(match &commit.merge {
        Some(MergeProof::Mechanical) => Some(Some(commit)),
        Some(MergeProof::Unproved { .. }) => None,
        Some(MergeProof::Differs) | None => Some(None),
    })
}

fn dropped_key(look: &Look<'_>, base: &str, commit: &CommitSha) -> String {
    format!("dropped_merge:{}:{commit}:{base}", look.repository.id)
}

/// What is proved of one merge; `None` of a commit that is no merge of two.
pub(super) async fn prove(look: &Look<'_>, commit: &Commit) -> Result<Option<MergeProof>, GitHubError> {
    let [first, second] = commit.parents.as_slice() else { return Ok(None) };
    let key = format!("merge:{}:{}", look.repository.id, commit.oid);
    let kept = look.store.kept_answer(&key).await?;
    if let Some(proof) = kept.and_then(|kept| serde_json::from_str(&kept.body).ok()) {
        return Ok(Some(proof));
    }
    let web = look.settings.github.web_url.trim_end_matches('/');
    let remote = Remote {
        id: look.repository.id.0,
        url: format!("{web}/{}.git", look.repository.full_name),
        token: look.client.token().await?,
    };
    let proof = match look.objects.prove(&remote, commit.oid.as_str(), [first.as_str(), second.as_str()]).await {
        Proof::Mechanical => MergeProof::Mechanical,
        Proof::Differs => MergeProof::Differs,
        Proof::Unproved(why) => {
            tracing::warn!(commit = %commit.oid, why, "a merge could not be recomputed");
            return Ok(Some(MergeProof::Unproved { why }));
        }
    };
    let body = serde_json::to_string(&proof).map_err(|error| GitHubError::Unreadable(error.to_string()))?;
    look.store.keep_answer(key, KeptAnswer { etag: String::new(), body, fetched_at: look.now }).await?;
    Ok(Some(proof))
}
