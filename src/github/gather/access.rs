//! Whether write access was given to who reviews or dismisses before a pull request was opened, or for the occasion.
//!
//! Invariant: deliveries may come late and in any order, so the order in which they came proves nothing by itself. It counts
//! where they came well apart and nothing was asked for again; else GitHub's own list of what it sent tells, and what
//! that does not tell was given afterwards.

use super::{Look, observed};
use crate::github::client::GitHubError;
use crate::store::pins::KeptAnswer;
use countersign_core::domain::{Observation, PullRequest, PullRequestNumber};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Deliveries that came this far apart, in milliseconds, were sent in that order: GitHub gives up on one after ten seconds.
const APART: i64 = 15 * 60 * 1_000;

/// How many pages of what GitHub sent are read.
const PAGES: usize = 10;

#[derive(Deserialize)]
struct Sent {
    id: u64,
    guid: String,
    #[serde(default)]
    redelivery: bool,
}

/// The places of those deliveries of given access that came before the one about the opening and are not shown to have been
/// sent before it.
pub(super) async fn in_doubt(
    look: &Look<'_>,
    pull_request: &PullRequest,
    observed: &[&Observation],
) -> Result<BTreeSet<u64>, GitHubError> {
    let number = pull_request.number;
    let opened = observed.iter().find_map(|seen| match seen {
        Observation::Opened { number: of, arrival, .. } if *of == number => *arrival,
        _ => None,
    });
    // Without an opening all of it counts as given afterwards anyway.
    let Some(opened) = opened else { return Ok(BTreeSet::new()) };
    let judges = observed::judges(pull_request);
    let given: BTreeSet<u64> = observed
        .iter()
        .filter_map(|seen| match seen {
            Observation::WriteGiven { to, arrival: Some(at), .. } if judges.contains(to) => Some(*at),
            _ => None,
        })
        .filter(|at| *at < opened)
        .collect();
    let mut in_doubt = BTreeSet::new();
    for at in given {
        if !was_sent_before(look, number, at, opened).await? {
            in_doubt.insert(at);
        }
    }
    Ok(in_doubt)
}

async fn was_sent_before(
    look: &Look<'_>,
    number: PullRequestNumber,
    given: u64,
    opened: u64,
) -> Result<bool, GitHubError> {
    let store = look.store;
    let key = format!("access:{}:{number}:{given}:{opened}", look.repository.id);
    if let Some(kept) = store.kept_answer(&key).await? {
        return Ok(kept.body == "before");
    }
    let (Some(grant), Some(opening)) = (store.came(given).await?, store.came(opened).await?) else { return Ok(false) };
    if opening.at.saturating_sub(grant.at) >= APART && !store.was_missed(&opening.delivery).await? {
        return Ok(true);
    }
    let (mut pages, mut sent) = (0, BTreeMap::new());
    look.client
        .for_app()
        .get_pages::<Vec<Sent>>("/app/hook/deliveries?per_page=100", |page| {
            pages += 1;
            let either = [&opening.delivery, &grant.delivery];
            let first = page.into_iter().filter(|one| !one.redelivery && either.contains(&&one.guid));
            sent.extend(first.map(|one| (one.guid, one.id)));
            sent.len() < either.len() && pages < PAGES
        })
        .await?;
    // GitHub numbers what it sends in the order in which it happened.
    let before = match (sent.get(&grant.delivery), sent.get(&opening.delivery)) {
        (Some(grant), Some(opening)) => Some(grant < opening),
        // Older than all that was read.
        (None, Some(_)) => Some(true),
        (_, None) => None,
    };
    if let Some(before) = before {
        let body = if before { "before" } else { "after" }.to_owned();
        store.keep_answer(key, KeptAnswer { etag: String::new(), body, fetched_at: look.now }).await?;
    }
    Ok(before.unwrap_or(false))
}
