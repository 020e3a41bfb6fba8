//! Whom commits name beside their authors, where they are many.
//!
//! Invariant: a list that could not be read whole is counted, and its reader says so: nobody can make us ask without end by
//! naming many in many commits.

use super::Look;
use crate::github::client::GitHubError;
use crate::github::node::{CommitNode, Named, Page};
use crate::github::query;
use serde_json::{Value, json};

/// How many more calls a list of commits is worth.
const CALLS: u64 = 20;

/// How many one call tells.
const TOGETHER: u64 = 100;

/// Reads all authors of the commits that have more than came with them, as far as the calls go.
pub(super) async fn complete(
    look: &Look<'_>,
    commits: impl Iterator<Item = &mut CommitNode>,
) -> Result<(), GitHubError> {
    let mut left = CALLS;
    for commit in commits {
        let (came, wanted) = (commit.authors.nodes.len() as u64, commit.authors.total_count);
        let calls = wanted.div_ceil(TOGETHER);
        if came == wanted || calls > left {
            continue;
        }
        left -= calls;
        let (mut all, mut after): (Vec<Named>, Option<String>) = (Vec::new(), None);
        for _ in 0..calls {
            let variables = look.variables([("oid", json!(commit.oid)), ("after", json!(after))]);
            let mut data = look.client.graphql(&query::more_authors(), variables).await?;
            let page = data.pointer_mut("/repository/object/authors").map(Value::take).unwrap_or_default();
            let page: Page<Named> =
                serde_json::from_value(page).map_err(|error| GitHubError::Unreadable(error.to_string()))?;
            all.extend(page.nodes);
            after = page.info.end_cursor;
        }
        commit.authors.nodes = all;
    }
    Ok(())
}
