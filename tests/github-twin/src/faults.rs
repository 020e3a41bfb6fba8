//! What goes wrong on demand: statuses, latency, rate limits.

/// Faults that wait for calls.
#[derive(Debug, Default)]
pub struct Faults;
