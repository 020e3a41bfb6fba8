//! Who may break the glass, for how long, and the tokens that name who acts.

use serde::{Deserialize, Serialize};

/// `[exceptions]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exceptions {
    /// The logins of those who may open one; empty: every person with write access.
    pub openers: Vec<String>,
    /// How long one lasts at most, in hours.
    pub max_hours: u32,
    /// How long its review may take, in days.
    pub review_days: u32,
    /// Whether an overdue review holds back every other deployment to the same environment.
    pub overdue_blocks: bool,
}

impl Default for Exceptions {
    fn default() -> Self {
        Self { openers: Vec::new(), max_hours: 4, review_days: 2, overdue_blocks: false }
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
    let team = exceptions.openers.iter().find(|name| name.contains('/'))?;
    Some(format!("`{team}` is a team: `openers` names logins, teams are not read yet"))
}
