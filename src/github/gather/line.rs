//! The first-parent line of the production branch, from its tip down to what runs in production.
//!
//! Invariant: only the branch of this very repository is walked, from where GitHub says it is now. A commit of a fork,
//! which GitHub also answers for, is never on the line. What is on record saves calls and nothing else: a commit's first
//! parent can never change, and a merge that GitHub did stays done. Next: `landings.rs`, `walk.rs`.

use super::Look;
use super::landings::Movements;
use super::pushes::{Activity, activity_path};
use super::walk::Walk;
use crate::github::client::GitHubError;
use crate::github::node::CommitNode;
use crate::github::query;
use countersign_core::domain::{Account, CommitSha, Landing, LandingKind, Line, PullRequestNumber};
use countersign_core::policy;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Where the branch is, and the commits behind.
pub struct Tip {
    /// The commit it points at.
    pub(super) commit: CommitSha,
    /// First parents, as far as they were read; `None` for a root.
    pub(super) first_parents: HashMap<CommitSha, Option<CommitSha>>,
}

/// The line, and what was learned on the way.
pub(super) struct Gathered {
    pub(super) line: Line,
    /// Pull requests that are on record as landed, by the commit that their merge left.
    pub(super) landed: HashMap<CommitSha, PullRequestNumber>,
    /// Commits that were read whole.
    pub(super) commits: BTreeMap<CommitSha, (CommitNode, Vec<String>)>,
}

impl From<Line> for Gathered {
    /// A line, with nothing that was learned on the way.
    fn from(line: Line) -> Self {
        Self { line, landed: HashMap::new(), commits: BTreeMap::new() }
    }
}

/// What the line is asked for.
pub(super) struct Asked<'a> {
    /// The production branch.
    pub(super) branch: &'a str,
    /// What runs now.
    pub(super) start: &'a CommitSha,
    /// What would.
    pub(super) target: &'a CommitSha,
    /// Whose push started the run, where one did: then their movement of the branch matters, too.
    pub(super) pushed_by: Option<&'a Account>,
}

#[derive(Deserialize)]
struct RefNode {
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    oid: String,
    history: Option<Value>,
}

/// The tip as a ref of a GraphQL answer tells it; `None` where there is no such branch.
pub(super) fn tip_of(reference: Value) -> Result<Option<Tip>, GitHubError> {
    let unreadable = |error: serde_json::Error| GitHubError::Unreadable(error.to_string());
    let Some(reference) = serde_json::from_value::<Option<RefNode>>(reference).map_err(unreadable)? else {
        return Ok(None);
    };
    let Some(target) = reference.target else { return Ok(None) };
    let mut first_parents = HashMap::new();
    if let Some(history) = target.history {
        super::walk::learn(&mut first_parents, history)?;
    }
    Ok(Some(Tip { commit: CommitSha::new(target.oid), first_parents }))
}

/// Reads where a branch is.
pub(super) async fn tip(look: &Look<'_>, branch: &str) -> Result<Tip, GitHubError> {
    // Compared by id: a tag may bear the branch's name.
    let variables = look.variables([("branch", json!(format!("refs/heads/{branch}")))]);
    let mut data = look.client.graphql(query::TIP, variables).await?;
    let reference = data.pointer_mut("/repository/ref").map(Value::take).unwrap_or_default();
    tip_of(reference)?.ok_or_else(|| GitHubError::NotFound(format!("branch {branch}")))
}

/// Reads the line from the tip down to `start`; where `target` is not on it, also back from `start`.
pub(super) async fn gather(look: &Look<'_>, asked: &Asked<'_>, tip: Tip) -> Result<Gathered, GitHubError> {
    gather_by(look, asked, tip, Movements::new(look, asked.branch)).await
}

/// Reads the line of a branch down to `start`, with the branch's movements as GitHub lists them now.
pub async fn of_branch(
    look: &Look<'_>,
    branch: &str,
    start: &CommitSha,
    target: &CommitSha,
) -> Result<Line, GitHubError> {
    let tip = tip(look, branch).await?;
    let mut movements = Movements::new(look, branch);
    movements.read_down_to(start).await?;
    let asked = Asked { branch, start, target, pushed_by: None };
    Ok(gather_by(look, &asked, tip, movements).await?.line)
}

async fn gather_by(
    look: &Look<'_>,
    asked: &Asked<'_>,
    tip: Tip,
    mut movements: Movements<'_>,
) -> Result<Gathered, GitHubError> {
    let start = asked.start;
    let mut walk = Walk::new(look, tip, start).await?;
    let mut line = match walk.to_start() {
        Some(commits) => Line { commits, reaches_start: true, ..Line::default() },
        None => further(look, &mut walk, &mut movements, start).await?,
    };
    if line.reaches_start && !line.commits.contains(asked.target) {
        let back = match between(look, asked.target.as_str(), start.as_str()).await {
            Ok(back) => Some(back),
            // No common history: the target is elsewhere, which is an answer.
            Err(GitHubError::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        if let Some(back) = back.filter(|back| back.first_parents.contains_key(start)) {
            let (behind, reached) = back.walk(start, asked.target);
            if reached {
                line.behind = behind;
            }
        }
    }
    line.landings = movements.over(&line, asked).await?;
    if line.reaches_start {
        walk.keep(&line.commits).await?;
    }
    Ok(Gathered { line, landed: walk.landed, commits: walk.commits })
}

/// Reads on where neither the tip's history nor the record leads to `start`.
async fn further(
    look: &Look<'_>,
    walk: &mut Walk<'_>,
    movements: &mut Movements<'_>,
    start: &CommitSha,
) -> Result<Line, GitHubError> {
    if walk.may_go_on() {
        movements.read_down_to(start).await?;
        let mut found = walk.by_landings(&movements.ends()).await?;
        if found.is_none() && walk.may_go_on() {
            // Commit by commit, no further than the two are apart.
            if let Some(apart) = distance(look, start, &walk.tip).await? {
                found = walk.by_history(&movements.ends(), apart).await?;
            }
        }
        if let Some(commits) = found {
            return Ok(Line { commits, reaches_start: true, ..Line::default() });
        }
    }
    if let Some(commits) = walk.to_root() {
        return Ok(Line { commits, ..Line::default() });
    }
    let tip = walk.tip.clone();
    let ahead = between(look, start.as_str(), tip.as_str()).await?;
    // Where nothing is ahead the tip lies behind the starting point.
    let (commits, reaches_start) =
        if ahead.first_parents.contains_key(&tip) { ahead.walk(&tip, start) } else { (vec![tip], false) };
    Ok(Line { commits, reaches_start, ..Line::default() })
}

/// How many commits lie between; `None` where the one is not behind the other.
async fn distance(look: &Look<'_>, behind: &CommitSha, ahead: &CommitSha) -> Result<Option<usize>, GitHubError> {
    let path = look.path(&format!("/compare/{behind}...{ahead}?per_page=1"));
    let compared: Page = look.client.get(&path).await?;
    let is_behind = CommitSha::new(compared.merge_base_commit.sha) == *behind;
    Ok(is_behind.then(|| usize::try_from(compared.total_commits).unwrap_or(usize::MAX)))
}

#[derive(Deserialize)]
struct Page {
    commits: Vec<CommitPayload>,
    total_commits: u64,
    merge_base_commit: Parent,
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

/// So many pushes are asked whether they brought a commit that none of them ended at.
const PUSHES: usize = 20;

/// The movement that put this commit onto the branch: the one that left the branch there, else the push that brought it
/// among others. `merged_at` is when GitHub says it was merged: what is older is not asked for, since that saves calls.
pub async fn landing_of(
    look: &Look<'_>,
    branch: &str,
    commit: &CommitSha,
    merged_at: Option<&str>,
) -> Result<Option<Landing>, GitHubError> {
    let on_record = look.store.landings(look.repository.id, branch, std::slice::from_ref(commit)).await?;
    if let Some(merge) = on_record.into_values().next() {
        return Ok(Some(merge));
    }
    let mut landings: Vec<Landing> = Vec::new();
    let mut found = None;
    look.client
        .get_pages::<Vec<Activity>>(&activity_path(look, branch), |page| {
            landings.extend(page.into_iter().map(Activity::landing));
            found = policy::landing_at(&landings, commit).cloned();
            let older = landings.last().and_then(|oldest| oldest.at.as_deref()).zip(merged_at);
            found.is_none() && older.is_none_or(|(oldest, merged)| oldest >= merged)
        })
        .await?;
    if let Some(landing) = found {
        if landing.kind != LandingKind::Push {
            look.store.keep_landings(look.repository.id, branch, std::slice::from_ref(&landing)).await?;
        }
        return Ok(Some(landing));
    }
    let is_push =
        |landing: &&Landing| landing.kind == LandingKind::Push && !landing.before.is_zero() && !landing.after.is_zero();
    for push in landings.iter().filter(is_push).take(PUSHES) {
        match between(look, push.before.as_str(), push.after.as_str()).await {
            Ok(brought) if brought.first_parents.contains_key(commit) => return Ok(Some(push.clone())),
            // What GitHub forgot of it nobody can tell.
            Ok(_) | Err(GitHubError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
