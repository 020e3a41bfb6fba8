//! The pure core of Countersign: what is known ([`domain`]), what is judged ([`policy`]) and how it is kept so that
//! nobody can alter it unseen ([`ledger`]).
//!
//! Invariant: no network, no clock, no files, no randomness. The auditor's verifier is built on this crate alone.

pub mod domain;
pub mod ledger;
pub mod policy;
