//! Proofs of merges: whether GitHub's "Update branch" merged mechanically, and whether a pushed merge did.
//!
//! Invariant: only what was proved is kept, since only that can never change; what could not be proved is tried again at
//! the next look, and until then the strict reading holds.

use super::Look;
use crate::git::{Proof, Remote};
use crate::github::client::GitHubError;
use crate::store::pins::KeptAnswer;
use countersign_core::domain::{Commit, MergeProof, PullRequest};
use countersign_core::policy;

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
