//! The population: every change that reached production in a period, the commits and deployments it came by, and what is
//! missing.
//!
//! Invariant: it is derived from the entries of a bundle and nothing else, in two passes in their order: [`survey`] learns
//! what became of each decision, [`reading`] then makes the rows. So whoever holds the entries makes the same rows again.

pub mod cell;
mod changes;
pub mod deployed;
mod glance;
pub mod incidents;
pub mod kinds;
mod missing;
pub mod reading;
pub mod rows;
pub mod survey;
pub mod totals;
mod windows;
mod words;

pub use cell::Cell;
pub use deployed::{CommitRow, DeploymentRow};
pub use glance::glance;
pub use incidents::{ExceptionRow, GapRow};
pub use kinds::{GAP_KINDS, GapKind};
pub use reading::Reading;
pub use rows::{ChangeRow, Row};
pub use survey::Survey;
pub use totals::Totals;

use serde::{Deserialize, Serialize};

/// The time that a bundle is about: what ended at `from` or later, and before `to`. RFC 3339, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// Its beginning.
    pub from: String,
    /// What comes after its end.
    pub to: String,
}

impl Period {
    /// Whether a time lies in it. Entries spell times alike, so their order is that of their bytes.
    pub fn holds(&self, time: &str) -> bool {
        self.from.as_str() <= time && time < self.to.as_str()
    }
}

/// Whether a time lies in a period; everything lies in none.
pub(super) fn within(period: Option<&Period>, time: &str) -> bool {
    period.is_none_or(|period| period.holds(time))
}
