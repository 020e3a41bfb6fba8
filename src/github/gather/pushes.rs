//! Who moved the branches: deliveries first, our own check suites beside them, the activity list where a gap remains.
//!
//! Invariant: only movements that GitHub authenticated; what a commit says of itself is never a push.

use super::Look;
use super::merge_bases::merge_base;
use super::observed::opened;
use super::release;
use crate::github::client::GitHubError;
use crate::github::event::AccountPayload;
use crate::github::node::{CheckSuiteNode, account};
use crate::store::observations::Seen;
use crate::store::pins::KeptAnswer;
use crate::store::record::respelled;
use countersign_core::domain::{
    CommitSha, Landing, LandingKind, Observation, PullRequest, Push, PushSource, RepositoryId,
};
use countersign_core::policy;
use serde::Deserialize;
use std::collections::BTreeSet;

/// So many commits that a branch left behind are looked for on the base.
const LEFT: usize = 8;

/// One line of the repository's activity list.
#[derive(Debug, Deserialize)]
pub(super) struct Activity {
    before: String,
    after: String,
    #[serde(rename = "activity_type")]
    kind: String,
    actor: Option<AccountPayload>,
    timestamp: Option<String>,
}

impl Activity {
    pub(super) fn after(&self) -> &str {
        &self.after
    }

    /// When GitHub says it was; only runs are compared with it.
    pub(super) fn timestamp(&self) -> Option<&str> {
        self.timestamp.as_deref()
    }

    /// Whether `github-actions[bot]` made it, as far as GitHub shows.
    pub(super) fn is_by_actions(&self) -> bool {
        self.actor.as_ref().is_none_or(|actor| actor.clone().account().is_actions())
    }

    pub(super) fn landing(self) -> Landing {
        Landing {
            before: CommitSha::new(self.before),
            after: CommitSha::new(self.after),
            kind: match self.kind.as_str() {
                "pr_merge" => LandingKind::PullRequestMerge,
                "merge_queue_merge" => LandingKind::MergeQueueMerge,
                _ => LandingKind::Push,
            },
            by: self.actor.map(AccountPayload::account),
            at: self.timestamp.as_deref().and_then(respelled),
        }
    }
}

/// The address of the activity list of a branch.
pub(super) fn activity_path(look: &Look<'_>, branch: &str) -> String {
    look.path(&format!("/activity?ref=refs/heads/{}&per_page=100", escaped(branch)))
}

/// A name as part of an address; its slashes stay.
pub(super) fn escaped(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// The push that GitHub made a check suite for. One to another branch brought the commit and moved nothing here.
pub(super) fn of_check_suite(suite: &CheckSuiteNode, head_branch: &str) -> Option<Push> {
    let push = suite.push.as_ref()?;
    let (after, by) = (CommitSha::new(push.next_sha.clone()?), account(push.pusher.as_ref()));
    if suite.branch.as_ref().is_some_and(|branch| branch.name != head_branch) {
        return Some(Push { before: after.clone(), after, by, source: PushSource::CommitListed });
    }
    // Where the push created the branch, GitHub shows no commit before it.
    let before = push.previous_sha.clone().map_or_else(|| CommitSha::new("0".repeat(40)), CommitSha::new);
    Some(Push { before, after, by, source: PushSource::CheckSuite })
}

/// Completes what is known of the pushes to a pull request's head; reads the activity list only for a gap.
pub(super) async fn complete(
    look: &Look<'_>,
    pull_request: &mut PullRequest,
    observed: &[&Observation],
) -> Result<(), GitHubError> {
    let from_fork = join(pull_request, look.repository.id, observed);
    let Some(base) = pull_request.on_base.first().cloned() else { return Ok(()) };
    left_on_base(look, pull_request, &base, observed).await?;
    if from_fork || policy::push_gap(pull_request).is_none() {
        return Ok(());
    }
    let path = activity_path(look, &pull_request.head_branch);
    let (mut learned, mut listed) = (Vec::new(), Vec::new());
    for activity in look.client.get_all::<Activity>(&path).await? {
        let landing = activity.landing();
        let push =
            Push { before: landing.before, after: landing.after, by: landing.by, source: PushSource::ActivityList };
        learned.push(Seen {
            repository: look.repository.id,
            observation: Observation::Pushed { branch: pull_request.head_branch.clone(), push: push.clone() },
        });
        listed.push(push);
    }
    // A check suite says who pushed, and not to which branch: where this one came to the commit by another movement, that was
    // a push elsewhere. Whoever made it brought the commit all the same.
    for push in pull_request.pushes.iter_mut().filter(|push| push.source == PushSource::CheckSuite) {
        let here = listed.iter().filter(|seen| seen.after == push.after);
        let elsewhere = here.clone().next().is_some() && !here.clone().any(|seen| seen.before == push.before);
        if elsewhere {
            push.source = PushSource::CommitListed;
            push.before = push.after.clone();
        }
    }
    pull_request.pushes.extend(listed);
    look.store.observe(learned, look.now).await?;
    tidy(&mut pull_request.pushes);
    left_on_base(look, pull_request, &base, observed).await
}

/// Joins what was observed of the pushes to those that GitHub showed; says whether the head is in another repository.
pub(super) fn join(pull_request: &mut PullRequest, here: RepositoryId, observed: &[&Observation]) -> bool {
    let from_fork = pull_request.head_repository != Some(here);
    if from_fork {
        // Deliveries about a branch of that name here are about another branch.
        pull_request
            .pushes
            .retain(|push| [PushSource::SynchronizeDelivery, PushSource::CommitListed].contains(&push.source));
        pull_request.pushes.extend(opened(observed, pull_request.number));
    }
    tidy(&mut pull_request.pushes);
    from_fork
}

/// Commits that the base branch is known to have pointed at.
fn positions_of_base<'o>(pull_request: &PullRequest, observed: &[&'o Observation]) -> BTreeSet<&'o CommitSha> {
    let moved = observed.iter().filter_map(|seen| match seen {
        Observation::Pushed { branch, push } if *branch == pull_request.base_branch => Some(push),
        _ => None,
    });
    moved.flat_map(|push| [&push.before, &push.after]).collect()
}

/// Where the branch stood on the base: there it left the base, and who pushed before did so to what is on the base by now.
///
/// A commit that a push to the branch left behind says so where the base contains it *still*, and where the base stood at
/// it, or it is what was merged from this very branch (a branch that is used again). What another pull request carried to
/// the base since was no part of it when it was pushed here.
async fn left_on_base(
    look: &Look<'_>,
    pull_request: &mut PullRequest,
    base: &CommitSha,
    observed: &[&Observation],
) -> Result<(), GitHubError> {
    let own: BTreeSet<&CommitSha> = pull_request.commits.iter().map(|commit| &commit.oid).collect();
    let parents: BTreeSet<&CommitSha> = pull_request.commits.iter().flat_map(|commit| &commit.parents).collect();
    let branch = pull_request.pushes.iter().filter(|push| push.source != PushSource::CommitListed);
    let left: BTreeSet<CommitSha> = branch
        .map(|push| &push.before)
        .filter(|sha| !sha.is_zero() && !own.contains(sha) && !parents.contains(sha))
        .filter(|sha| !pull_request.on_base.contains(sha))
        .cloned()
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    let positions = positions_of_base(pull_request, observed);
    for commit in left.into_iter().take(LEFT) {
        let key = format!("left_on_base:{}:{base}:{commit}:{}", look.repository.id, pull_request.head_branch);
        let kept = look.store.kept_answer(&key).await?.map(|kept| kept.body == "true");
        let left_there = if let Some(kept) = kept {
            kept
        } else {
            let stood_at = positions.contains(&commit);
            let left_there = is_on(look, base, &commit).await?
                && (stood_at || release::stood_at(look, &commit, &pull_request.head_branch).await?);
            let answer = KeptAnswer { etag: String::new(), body: left_there.to_string(), fetched_at: look.now };
            look.store.keep_answer(key, answer).await?;
            left_there
        };
        if left_there {
            pull_request.on_base.push(commit);
        }
    }
    pull_request.on_base.sort();
    Ok(())
}

/// Whether the base contains a commit now.
pub(super) async fn is_on(look: &Look<'_>, base: &CommitSha, commit: &CommitSha) -> Result<bool, GitHubError> {
    match merge_base(look, base.as_str(), commit).await {
        Ok(merge_base) => Ok(merge_base == *commit),
        // GitHub forgets what no branch holds.
        Err(GitHubError::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// One entry per movement and pusher, in an order that does not depend on when each was learned.
fn tidy(pushes: &mut Vec<Push>) {
    // A list that shows nobody any more takes nothing from a delivery that showed somebody.
    let delivered: BTreeSet<(CommitSha, CommitSha)> = pushes
        .iter()
        .filter(|push| {
            push.by.is_some() && [PushSource::PushDelivery, PushSource::SynchronizeDelivery].contains(&push.source)
        })
        .map(|push| (push.before.clone(), push.after.clone()))
        .collect();
    pushes.retain(|push| {
        let listed = [PushSource::CheckSuite, PushSource::ActivityList].contains(&push.source);
        let gone = push.by.as_ref().is_none_or(|by| by.login.eq_ignore_ascii_case("ghost"));
        !(listed && gone && delivered.contains(&(push.before.clone(), push.after.clone())))
    });
    pushes.sort();
    pushes.dedup_by(|a, b| {
        a.before == b.before && a.after == b.after && a.by.as_ref().map(|by| by.id) == b.by.as_ref().map(|by| by.id)
    });
}
