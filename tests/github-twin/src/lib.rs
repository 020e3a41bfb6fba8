//! A stateful stand-in for GitHub: one typed world over real git objects, served as REST, GraphQL, git and webhooks.
//!
//! Read `model` first (what there is), then `steps` (what people do), `payload`, `rest` and `graphql` (how it is shown),
//! and `runner` (how stories are played against the real service).

pub mod auth;
mod branches;
mod build;
mod commits;
pub mod control;
pub mod delivery;
pub mod faults;
pub mod git;
mod git_http;
pub mod graphql;
pub mod model;
mod pages;
pub mod payload;
pub mod rest;
pub mod runner;
pub mod server;
#[cfg(test)]
mod server_tests;
pub mod steps;
pub mod story;
pub mod writes;
