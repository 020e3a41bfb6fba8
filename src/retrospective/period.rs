//! What is asked about, and what it will take to answer.
//!
//! Invariant: a plan lists every deployment that the answer is made from, so that a later start goes on with the same ones.

use crate::github::gather::deployed::{Listed, Spelling};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inquiry {
    /// `owner/name`.
    pub repository: String,
    /// The environment, as it was asked for.
    pub environment: String,
    /// From when on.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// Before when.
    #[serde(with = "time::serde::rfc3339")]
    pub until: OffsetDateTime,
}

/// The deployments that an answer is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What is asked.
    pub inquiry: Inquiry,
    /// How the environment is spelt.
    pub spellings: Vec<Spelling>,
    /// Its deployments, newest first: those of the period, and some before.
    pub listed: Vec<Listed>,
}

/// Calls to find a deployment's job: its commit's check suites, its run, the run's jobs.
const TO_FIND: usize = 3;

/// Calls to judge a release: its commits, its pull requests, its approvals, the repository's own rules.
const TO_JUDGE: usize = 5;

impl Plan {
    /// How many deployments of the period there are to look at.
    pub fn of_period(&self) -> usize {
        let Inquiry { since, until, .. } = self.inquiry;
        let concerned =
            |listed: &&Listed| listed.created_at < until && (listed.created_at >= since || listed.updated_at >= since);
        self.listed.iter().filter(concerned).count()
    }

    /// About how many calls it will take: more where runs were repeated, releases are large or pull requests are long.
    pub fn calls(&self) -> usize {
        self.of_period() * (TO_FIND + TO_JUDGE) + TO_FIND * 2 + 10
    }

    /// Whether the environment asks for an approval today.
    pub(super) fn asks(&self, environment: &str) -> Option<bool> {
        self.spellings.iter().find(|spelling| spelling.name == environment).and_then(|spelling| spelling.asks)
    }
}
