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
use std::collections::{BTreeMap, BTreeSet};

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

/// Finds, among what a force-push dropped, the merges of the base that GitHub made and that were mechanical: whoever clicked
/// brought nothing. What cannot be told stays a push like any other.
pub(super) async fn dropped(look: &Look<'_>, pull_request: &mut PullRequest, base: &str) -> Result<(), GitHubError> {
    let own: BTreeSet<&CommitSha> = pull_request.commits.iter().map(|commit| &commit.oid).collect();
    let of_branch = |push: &&Push| push.source != PushSource::CommitListed && !push.before.is_zero();
    let gone = |push: &&Push| !push.after.is_zero() && !own.contains(&push.after);
    let mut found = Vec::new();
    let mut unknown = BTreeMap::new();
    for push in pull_request.pushes.iter().filter(of_branch).filter(gone).take(DROPPED) {
        let key = dropped_key(look, &pull_request.base_branch, &push.after);
        match look
            .store
            .kept_answer(&key)
            .await?
            .and_then(|kept| serde_json::from_str::<Option<Commit>>(&kept.body).ok())
        {
            Some(known) => found.extend(known),
            None => drop(unknown.insert(push.after.clone(), push.before.clone())),
        }
    }
    let asked: Vec<CommitSha> = unknown.keys().cloned().collect();
    let shown = if asked.is_empty() { BTreeMap::new() } else { release::commits(look, &asked).await? };
    for (after, before) in unknown {
        // GitHub forgets in time what no branch holds.
        let Some((node, _)) = shown.get(&after) else { continue };
        let mut commit = node.commit().0;
        let second = match commit.parents.as_slice() {
            [first, second] if commit.committed_by_github && *first == before => Some(second.clone()),
            _ => None,
        };
        let of_base = match second {
            Some(second) => pushes::is_on(look, &CommitSha::new(base), &second).await?,
            None => false,
        };
        if of_base {
            commit.merge = prove(look, &commit).await?;
        }
        let proved = match &commit.merge {
            Some(MergeProof::Mechanical) => Some(commit),
            Some(MergeProof::Unproved { .. }) => continue,
            Some(MergeProof::Differs) | None => None,
        };
        let body = serde_json::to_string(&proved).map_err(|error| GitHubError::Unreadable(error.to_string()))?;
        let key = dropped_key(look, &pull_request.base_branch, &after);
        look.store.keep_answer(key, KeptAnswer { etag: String::new(), body, fetched_at: look.now }).await?;
        found.extend(proved);
    }
    found.sort_by(|one, other| one.oid.cmp(&other.oid));
    found.dedup_by(|one, other| one.oid == other.oid);
    pull_request.dropped_merges = found;
    Ok(())
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
