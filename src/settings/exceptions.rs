//! Who may break the glass, for how long, and the tokens that name who acts.

use serde::{Deserialize, Serialize};

/// `[exceptions]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exceptions {
    /// The logins of those who may open one, or `organisation/team` for a team's members; empty: every person with write
    /// access.
    pub openers: Vec<String>,
    /// Whether an issue in the repository asks for the review; the App needs `issues: write` then.
    pub issues: bool,
    /// How long one lasts at most, in hours.
    pub max_hours: u32,
    /// How long its review may take, in days.
    pub review_days: u32,
    /// Whether an overdue review holds back every other deployment to the same environment.
    pub overdue_blocks: bool,
}

impl Default for Exceptions {
    fn default() -> Self {
        Self { openers: Vec::new(), issues: false, max_hours: 4, review_days: 2, overdue_blocks: false }
    }
}

/// `[[token]]`: what programs show to act for an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// The login of the acting account.
    pub account: String,
    /// SHA-256 of the token, hexadecimal.
    pub sha256: String,
    /// What it opens: `exceptions`.
    pub scopes: Vec<String>,
}

/// What contradicts itself in them.
pub(super) fn wrong(exceptions: &Exceptions, tokens: &[TokenSettings]) -> Option<String> {
    for token in tokens {
        let hashed = token.sha256.len() == 64 && token.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hashed || token.scopes.iter().any(|scope| scope != "exceptions") {
            let account = &token.account;
            return Some(format!(
                "the token of `{account}` needs `sha256` (64 hexadecimal digits) and scopes out of `exceptions`"
            ));
        }
    }
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let is_team = |name: &str| name.split_once('/').is_some_and(|(owner, team)| plain(owner) && plain(team));
    let wrong = exceptions.openers.iter().find(|name| name.contains('/') && !is_team(name.trim()))?;
    Some(format!("`{wrong}` is no team: write `organisation/team`, with the team's name as its address spells it"))
}
