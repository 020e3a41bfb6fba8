//! Tests of the whole: the house and its walls, the door, the real binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod architecture;
mod archive;
mod audit;
mod backfill;
mod cli;
mod continuity;
mod cost;
mod crash;
mod debts;
mod doctor;
mod door;
mod evidence;
mod examples;
mod exceptions;
mod exports;
mod gate;
mod hostile;
mod independent;
mod oracle;
mod patience;
mod periods;
mod pins;
mod population;
mod publishing;
mod reading;
mod reconcile;
mod report;
mod rewriting;
mod scale;
mod scene;
mod tampering;
