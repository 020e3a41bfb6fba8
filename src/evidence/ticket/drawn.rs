//! Where a ticket that was drawn comes from.
//!
//! Invariant: whoever holds a printed ticket finds the draw, the bundle and the item again by what stands on it.

use countersign_core::ledger::Checkpoint;
use maud::{Markup, html};

/// The draw, the item, and the ledger that it was drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Drawn<'a> {
    /// The seed of the draw.
    pub seed: &'a str,
    /// Which of the items it is, from 1, and how many there are.
    pub number: (usize, usize),
    /// How many changes they were drawn from.
    pub population: u64,
    /// The name of the ledger, its size and its root.
    pub head: &'a Checkpoint,
}

pub(super) fn origin(drawn: Drawn<'_>) -> Markup {
    let Checkpoint { origin, size, root } = drawn.head;
    html! {
        section.record aria-labelledby="drawn" {
            h2 #drawn { "Where this ticket comes from" }
            dl.facts {
                dt { "Item" } dd { (drawn.number.0) " of " (drawn.number.1) ", drawn from a population of " (drawn.population) }
                dt { "Seed" } dd { code { (drawn.seed) } }
                dt { "Ledger" } dd { (origin) ", of " (size) " entries" }
                dt { "Root" } dd { code.wrap { (root) } }
            }
        }
    }
}
