//! Staying inside GitHub's limits: before each step it is looked whether enough calls are left, and what GitHub refuses for
//! their number is waited for, up to a patience.
//!
//! Invariant: nothing is asked while GitHub says that nothing may be; a step that was cut short is made again whole.

use super::{Retrospective, RetrospectiveError, Step};
use crate::github::{Client, GitHubError};
use std::time::{Duration, SystemTime};

/// A step is not begun with fewer calls left.
const RESERVE: u64 = 20;

/// A step was not made: GitHub allows no more calls before then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until(pub SystemTime);

/// How a step went.
pub enum Paced {
    /// It was made.
    Made(Step),
    /// It was not, and waiting for it would take more patience than there is.
    Later(Until),
}

/// Makes the next step, waiting for GitHub where that is within `patience`; `waiting` is told for how long.
pub async fn step(
    work: &mut Retrospective<'_>,
    client: &Client,
    patience: Duration,
    mut waiting: impl FnMut(Duration),
) -> Result<Paced, RetrospectiveError> {
    loop {
        let now = SystemTime::now();
        let until = match client.told().scarcest(now).filter(|left| left.remaining < RESERVE) {
            Some(left) => left.resets_at,
            None => match work.step().await {
                Err(RetrospectiveError::GitHub(GitHubError::RateLimited { until })) => until,
                made => return Ok(Paced::Made(made?)),
            },
        };
        let wait = until.duration_since(SystemTime::now()).unwrap_or_default();
        if wait > patience {
            return Ok(Paced::Later(Until(until)));
        }
        waiting(wait);
        tokio::time::sleep(wait).await;
    }
}
