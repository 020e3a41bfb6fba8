//! Steps of stories that make large releases, for the bench and for the tests that count calls.
//!
//! Invariant: the same number gives the same pull request.

use serde_json::{Value, json};

/// A pull request by ann with some commits, approved by ben and merged by cat.
pub fn merged(number: u64, commits: u64, method: &str) -> [Value; 3] {
    [
        json!({"open": {"pr": number, "by": "ann", "commits": [{"repeat": commits, "by": "ann"}]}}),
        json!({"review": {"pr": number, "by": "ben", "state": "approved"}}),
        json!({"merge": {"pr": number, "by": "cat", "method": method, "bypass": true}}),
    ]
}

/// A method of merging, so that all of them take their turn.
pub fn method(number: u64) -> &'static str {
    match number % 3 {
        0 => "merge",
        1 => "squash",
        _ => "rebase",
    }
}
