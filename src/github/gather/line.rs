//! The first-parent line of the production branch, from its tip down to what runs in production.
//!
//! Invariant: only the branch of this very repository is walked. A commit of a fork, which GitHub also answers for, is
//! never on the line.

use super::Look;
use super::pushes::{Activity, activity_path, escaped};
use crate::github::client::GitHubError;
use countersign_core::domain::{CommitSha, Landing, Line};
use countersign_core::policy;
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Page {
    commits: Vec<CommitPayload>,
    total_commits: u64,
}

#[derive(Deserialize)]
struct CommitPayload {
    sha: String,
    parents: Vec<Parent>,
}

#[derive(Deserialize)]
struct Parent {
    sha: String,
}

/// What lies between two points of history.
struct Between {
    /// Each commit's first parent; `None` for a root.
    first_parents: HashMap<CommitSha, Option<CommitSha>>,
}

/// Reads every commit in `to` that is not in `from`.
async fn between(look: &Look<'_>, from: &str, to: &str) -> Result<Between, GitHubError> {
    let mut found = Between { first_parents: HashMap::new() };
    let mut counted = 0;
    let path = look.path(&format!("/compare/{from}...{to}?per_page=100"));
    look.client
        .get_pages::<Page>(&path, |page| {
            counted = page.total_commits;
            for commit in page.commits {
                let sha = CommitSha::new(commit.sha);
                let parent = commit.parents.into_iter().next().map(|parent| CommitSha::new(parent.sha));
                found.first_parents.insert(sha, parent);
            }
            true
        })
        .await?;
    if found.first_parents.len() as u64 != counted {
        return Err(GitHubError::Unavailable(format!("a comparison of {counted} commits came incomplete")));
    }
    Ok(found)
}

/// Every commit that one reaches and another does not, in the order of their ids.
pub(super) async fn reached(look: &Look<'_>, from: &CommitSha, to: &CommitSha) -> Result<Vec<CommitSha>, GitHubError> {
    let mut found: Vec<CommitSha> =
        between(look, from.as_str(), to.as_str()).await?.first_parents.into_keys().collect();
    found.sort_unstable();
    Ok(found)
}

impl Between {
    /// First parents from one commit down, and whether `end` is where the walk leaves what was read.
    fn walk(&self, from: &CommitSha, end: &CommitSha) -> (Vec<CommitSha>, bool) {
        let mut line = Vec::new();
        let mut next = Some(from);
        while let Some(sha) = next {
            let Some(parent) = self.first_parents.get(sha) else {
                // Here the walk leaves what was read: at the end asked for, or past it.
                let reached = sha == end;
                line.extend(reached.then(|| sha.clone()));
                return (line, reached);
            };
            line.push(sha.clone());
            next = parent.as_ref();
        }
        (line, false)
    }
}

/// Reads the line from the tip of `branch` down to `start`; where `target` is not on it, also back from `start`.
pub async fn gather(look: &Look<'_>, branch: &str, start: &CommitSha, target: &CommitSha) -> Result<Line, GitHubError> {
    // Compared by id: a tag may bear the branch's name.
    let tip = tip(look, branch).await?;
    let (commits, reaches_start) = if tip == *start {
        (vec![tip], true)
    } else {
        let ahead = between(look, start.as_str(), tip.as_str()).await?;
        // Where nothing is ahead the tip lies behind the starting point.
        if ahead.first_parents.contains_key(&tip) { ahead.walk(&tip, start) } else { (vec![tip], false) }
    };
    let mut line = Line { commits, reaches_start, behind: Vec::new(), landings: Vec::new() };
    if reaches_start && !line.commits.contains(target) {
        let back = match between(look, target.as_str(), start.as_str()).await {
            Ok(back) => back,
            // No common history: the target is elsewhere, which is an answer.
            Err(GitHubError::NotFound(_)) => return finish(look, branch, line).await,
            Err(error) => return Err(error),
        };
        if back.first_parents.contains_key(start) {
            let (behind, reached) = back.walk(start, target);
            if reached {
                line.behind = behind;
            }
        }
    }
    finish(look, branch, line).await
}

/// Adds how the branch moved over the line.
async fn finish(look: &Look<'_>, branch: &str, mut line: Line) -> Result<Line, GitHubError> {
    line.landings = landings(look, branch, &line).await?;
    Ok(line)
}

#[derive(Deserialize)]
struct Branch {
    commit: Parent,
}

async fn tip(look: &Look<'_>, branch: &str) -> Result<CommitSha, GitHubError> {
    let found: Branch = look.client.get(&look.path(&format!("/branches/{}", escaped(branch)))).await?;
    Ok(CommitSha::new(found.commit.sha))
}

/// The movement that left the branch at this commit, where it is among the latest.
pub async fn landing_at(look: &Look<'_>, branch: &str, commit: &CommitSha) -> Result<Option<Landing>, GitHubError> {
    let mut landings = Vec::new();
    let latest = |page: Vec<Activity>| {
        landings.extend(page.into_iter().map(Activity::landing));
        false
    };
    look.client.get_pages::<Vec<Activity>>(&activity_path(look, branch), latest).await?;
    Ok(policy::landing_at(&landings, commit).cloned())
}

/// The movements of the branch that put the line's commits there, newest first. Read until one starts at or behind the
/// end of the line.
async fn landings(look: &Look<'_>, branch: &str, line: &Line) -> Result<Vec<Landing>, GitHubError> {
    let end = line.behind.last().or(line.commits.last()).cloned();
    let on_line = |sha: &CommitSha| line.commits.contains(sha) || line.behind.contains(sha);
    let mut landings = Vec::new();
    let mut reached = false;
    look.client
        .get_pages::<Vec<Activity>>(&activity_path(look, branch), |page| {
            for activity in page {
                let landing = activity.landing();
                reached |= Some(&landing.after) == end.as_ref();
                if on_line(&landing.after) {
                    landings.push(landing);
                }
            }
            !reached
        })
        .await?;
    Ok(landings)
}
