//! Merged pull requests that are on record and need not be asked for again.
//!
//! Invariant: a record stands in for GitHub only while nothing about the pull request waits to be looked at, nothing that
//! was observed since changes what it says, and everything is asked of it that was asked when it was read. Anything else is
//! read anew, and every look at a merged pull request renews its record or takes it away. Next: `settled.rs` in the core.

use super::demands::Demands;
use super::{Look, observed, pushes};
use crate::github::client::GitHubError;
use crate::store::kept;
use countersign_core::domain::{
    Observation, PullRequest, PullRequestNumber, PullRequestState, TimelineEvent, facts::FACTS_VERSION,
};
use countersign_core::policy;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Under what a look reads pull requests. Another version of this program may read more.
fn terms(demands: &Demands) -> kept::Terms {
    kept::Terms { shape: format!("{FACTS_VERSION}/{}", env!("CARGO_PKG_VERSION")), demands: demands.in_words() }
}

/// Keeps what a look at pull requests found.
pub(super) async fn keep(look: &Look<'_>, demands: &Demands, read: &[PullRequest]) -> Result<(), GitHubError> {
    let merged = read.iter().filter(|pr| pr.state == PullRequestState::Merged);
    let found: Vec<(PullRequestNumber, Option<PullRequest>)> =
        merged.map(|pr| (pr.number, (policy::is_settled(pr) && demands.are_met(pr)).then(|| pr.clone()))).collect();
    if found.is_empty() {
        return Ok(());
    }
    Ok(look.store.settle(look.repository.id, terms(demands), found, look.now).await?)
}

/// Those of some merged pull requests whose record still stands.
pub(super) async fn standing(
    look: &Look<'_>,
    demands: &Demands,
    numbers: &[PullRequestNumber],
    production_branch: &str,
) -> Result<BTreeMap<PullRequestNumber, PullRequest>, GitHubError> {
    let (store, repository) = (look.store, look.repository.id);
    let mut kept = store.settled(repository, &terms(demands), numbers).await?;
    if kept.is_empty() {
        return Ok(BTreeMap::new());
    }
    // Asked after the record was read: what comes in later is later than this look.
    let unlooked = store.unlooked(repository, numbers).await?;
    kept.retain(|pr| !unlooked.contains(&pr.number) && pr.base_branch == production_branch);
    let topics: BTreeSet<String> = kept.iter().flat_map(topics).collect();
    let topics: Vec<String> = topics.into_iter().collect();
    let mut seen: HashMap<String, Vec<Observation>> = HashMap::new();
    for observation in store.observed(repository, &topics).await? {
        seen.entry(observation.topic()).or_default().push(observation);
    }
    kept.retain(|pr| {
        let of_it = topics_of(pr, &seen);
        stands(look, pr, &of_it)
    });
    Ok(kept.into_iter().map(|pr| (pr.number, pr)).collect())
}

fn topics(pr: &PullRequest) -> Vec<String> {
    let mut topics = observed::topics(pr.number, &pr.head_branch, &pr.base_branch).to_vec();
    topics.extend(observed::topics_of_others(pr));
    topics
}

fn topics_of<'s>(pr: &PullRequest, seen: &'s HashMap<String, Vec<Observation>>) -> Vec<&'s Observation> {
    topics(pr).iter().filter_map(|topic| seen.get(topic)).flatten().collect()
}

/// Whether all that was observed by now leaves the record as it is.
fn stands(look: &Look<'_>, kept: &PullRequest, seen: &[&Observation]) -> bool {
    let unread = |observation: &&Observation| match observation {
        Observation::Reviewed { number, review, .. } if *number == kept.number => {
            let known = |event: &TimelineEvent| matches!(event, TimelineEvent::Reviewed(one) if one.id == *review);
            !kept.timeline.iter().any(known)
        }
        // The branch had moved on when it was merged.
        Observation::Synchronized { number, push } => *number == kept.number && push.before == kept.head,
        _ => false,
    };
    if seen.iter().any(unread) {
        return false;
    }
    let mut joined = kept.clone();
    let mut learned = Vec::new();
    observed::of_pull_request(&mut joined, seen, &mut learned);
    // Where access was in doubt the record says more than this, and is read anew.
    observed::of_others(&mut joined, seen, &BTreeSet::new());
    pushes::join(&mut joined, look.repository.id, seen);
    learned.is_empty() && policy::adds_nothing(kept, &joined)
}
