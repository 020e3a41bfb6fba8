//! Whom a commit names beside its author, where they are many.
//!
//! Invariant: a list that is not whole is left as it is, and its reader says so.

use super::Look;
use crate::github::client::GitHubError;
use crate::github::node::{CommitNode, Named, Page};
use crate::github::query;
use serde_json::{Value, json};

/// Nobody reads further than this: whoever names more hides something.
const MOST: u64 = 1_000;

/// Reads all authors of a commit that has more than came with it.
pub(super) async fn complete(look: &Look<'_>, commit: &mut CommitNode) -> Result<(), GitHubError> {
    let wanted = commit.authors.total_count;
    if wanted == commit.authors.nodes.len() as u64 || wanted > MOST {
        return Ok(());
    }
    let (mut all, mut after): (Vec<Named>, Option<String>) = (Vec::new(), None);
    loop {
        let variables = look.variables([("oid", json!(commit.oid)), ("after", json!(after))]);
        let data = look.client.graphql(&query::more_authors(), variables).await?;
        let page = data.pointer("/repository/object/authors").cloned().unwrap_or(Value::Null);
        let page: Page<Named> =
            serde_json::from_value(page).map_err(|error| GitHubError::Unreadable(error.to_string()))?;
        all.extend(page.nodes);
        after = page.info.end_cursor;
        if !page.info.has_next_page || all.len() as u64 >= MOST {
            break;
        }
    }
    commit.authors.nodes = all;
    Ok(())
}
