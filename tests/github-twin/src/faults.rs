//! What goes wrong on demand: statuses, latency, rate limits.
//!
//! Invariant: the router asks [`next`] once per API call and does what it says. Next: `story.rs`, step `fault`.

use crate::model::World;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a rate limit holds.
const RATE_LIMIT: Duration = Duration::from_secs(1);

/// Faults that wait for calls.
#[derive(Debug, Default)]
pub struct Faults {
    waiting: Vec<Waiting>,
    limited_until: Option<SystemTime>,
}

#[derive(Debug, Clone)]
struct Waiting {
    status: Option<u16>,
    times: u32,
    on: String,
    latency: Duration,
    rate_limit: bool,
}

/// What to do with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Wait that long first.
    pub latency: Duration,
    /// Then answer so, instead of doing it.
    pub answer: Option<FaultAnswer>,
}

/// What is answered instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultAnswer {
    /// A bare status.
    Status(u16),
    /// 403 as GitHub limits: `x-ratelimit-remaining: 0`, `x-ratelimit-reset: {reset}` (seconds since 1970),
    /// `retry-after: 1`.
    RateLimited {
        /// When the limit resets, seconds since 1970.
        reset: u64,
    },
}

impl Faults {
    /// Adds a fault from a story or the control API.
    pub fn add(&mut self, fault: &crate::story::Fault) {
        self.waiting.push(Waiting {
            status: fault.status,
            times: fault.times.unwrap_or(1),
            on: fault.on.clone().unwrap_or_default(),
            latency: Duration::from_millis(fault.latency_ms.unwrap_or(0)),
            rate_limit: fault.rate_limit,
        });
    }
}

/// What goes wrong with this call, if anything; `call` is the path and query, for GraphQL followed by the operation.
pub fn next(world: &mut World, call: &str) -> Option<Fault> {
    let faults = &mut world.faults;
    let now = SystemTime::now();
    let limited = |until: SystemTime| Fault {
        latency: Duration::ZERO,
        answer: Some(FaultAnswer::RateLimited { reset: seconds(until) }),
    };
    if let Some(until) = faults.limited_until.filter(|until| now < *until) {
        return Some(limited(until));
    }
    let found = faults.waiting.iter_mut().find(|fault| fault.times > 0 && call.contains(&fault.on))?;
    found.times -= 1;
    let found = found.clone();
    faults.waiting.retain(|fault| fault.times > 0);
    if found.rate_limit {
        let until = now + RATE_LIMIT;
        faults.limited_until = Some(until);
        return Some(Fault { latency: found.latency, ..limited(until) });
    }
    Some(Fault { latency: found.latency, answer: found.status.map(FaultAnswer::Status) })
}

/// The moment in whole seconds, rounded up: whoever waits until then is past it.
fn seconds(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() + u64::from(since.subsec_nanos() > 0)
}
