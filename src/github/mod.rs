//! GitHub: what it says, and what we say to it.
//!
//! Invariant: what a delivery says is a hint; what is judged is read from GitHub again. Nothing in this room judges.
//!
//! [`event`] reads deliveries, [`app`] proves who we are, [`client`] makes calls, [`allowance`] remembers how many are left, [`gather`] turns GitHub's state into
//! facts, [`oidc`] proves which run asks, [`publish`] tells GitHub what was decided.

pub mod allowance;
pub mod app;
pub mod client;
pub mod event;
pub mod gather;
mod node;
pub mod oidc;
pub mod pins;
pub mod publish;
pub mod query;
mod transport;
pub mod web;

pub use app::App;
pub use client::{Client, GitHubError};
