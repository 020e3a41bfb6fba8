//! Connections: real cursors, `first`/`after`/`last`/`before`, and GitHub's refusals.
//!
//! Invariant: no page holds more than 100 nodes, and a connection without `first` or `last` is an error, as on GitHub.

use super::object::{Arguments, Node, Part, Resolved, error};
use apollo_compiler::resolvers::FieldError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// The names of a connection: its own, its type and its edges' type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub(crate) field: &'static str,
    pub(crate) connection: &'static str,
    pub(crate) edge: &'static str,
}

/// `Named { field: "commits", connection: "CommitConnection", edge: "CommitEdge" }`.
pub(crate) const fn named(field: &'static str, connection: &'static str, edge: &'static str) -> Named {
    Named { field, connection, edge }
}

/// The bounds of one page within a list.
struct Bounds {
    start: usize,
    end: usize,
    has_next: bool,
    has_previous: bool,
    between_cursors: usize,
}

/// One page of `items`; only the nodes of the page are made.
pub(crate) fn connection<'w, T>(
    named: Named,
    items: &[T],
    arguments: Arguments<'_>,
    make: impl Fn(&T) -> Option<Node<'w>>,
) -> Resolved<'w> {
    connection_with(named, items, arguments, make, |_| Vec::new())
}

/// The same, with further fields of each edge.
pub(crate) fn connection_with<'w, T>(
    named: Named,
    items: &[T],
    arguments: Arguments<'_>,
    make: impl Fn(&T) -> Option<Node<'w>>,
    more: impl Fn(&T) -> Vec<(&'static str, Part<'w>)>,
) -> Resolved<'w> {
    let bounds = bounds(named.field, items.len(), arguments)?;
    let page: Vec<(usize, &T)> = items.iter().enumerate().take(bounds.end).skip(bounds.start).collect();
    let nodes: Vec<Option<Node<'w>>> = page.iter().map(|(_, item)| make(item)).collect();
    let edges = page.iter().zip(&nodes).map(|((place, item), node)| {
        let mut fields = vec![("cursor", Part::leaf(cursor(*place))), ("node", Part::One(node.clone()))];
        fields.extend(more(item));
        Some(Node::record(named.edge, fields))
    });
    let edges = Part::Many(edges.collect());
    let at = |place: Option<&(usize, &T)>| place.map_or_else(Part::null, |(place, _)| Part::leaf(cursor(*place)));
    let page_info = Part::record(
        "PageInfo",
        vec![
            ("hasNextPage", Part::leaf(bounds.has_next)),
            ("hasPreviousPage", Part::leaf(bounds.has_previous)),
            ("startCursor", at(page.first())),
            ("endCursor", at(page.last())),
        ],
    );
    let fields = vec![
        ("totalCount", Part::leaf(items.len())),
        ("filteredCount", Part::leaf(bounds.between_cursors)),
        ("pageCount", Part::leaf(nodes.len())),
        ("pageInfo", page_info),
        ("edges", edges),
        ("nodes", Part::Many(nodes)),
    ];
    Ok(Part::record(named.connection, fields))
}

fn bounds(field: &str, total: usize, arguments: Arguments<'_>) -> Result<Bounds, FieldError> {
    let (first, last) = (arguments.number("first"), arguments.number("last"));
    if first.is_none() && last.is_none() {
        let message =
            format!("You must provide a `first` or `last` value to properly paginate the `{field}` connection.");
        return Err(error("MISSING_PAGINATION_BOUNDARIES", &message));
    }
    if first.is_some() && last.is_some() {
        let message = format!("Passing both `first` and `last` to paginate the `{field}` connection is not supported.");
        return Err(error("INVALID_PAGINATION", &message));
    }
    let (first, last) = (size(field, "first", first)?, size(field, "last", last)?);
    let after = arguments.text("after").map(place).transpose()?;
    let before = arguments.text("before").map(place).transpose()?;
    let low = after.map_or(0, |place| place + 1).min(total);
    let high = before.unwrap_or(total).clamp(low, total);
    let start = last.map_or(low, |last| high.saturating_sub(last).max(low));
    let end = first.map_or(high, |first| (low + first).min(high));
    Ok(Bounds { start, end, has_next: end < total, has_previous: start > 0, between_cursors: high - low })
}

fn size(field: &str, name: &str, asked: Option<i64>) -> Result<Option<usize>, FieldError> {
    let Some(asked) = asked else {
        return Ok(None);
    };
    match usize::try_from(asked) {
        Ok(size @ 0..=100) => Ok(Some(size)),
        Ok(size) => {
            let message = format!(
                "Requesting {size} records on the `{field}` connection exceeds the `{name}` limit of 100 records."
            );
            Err(error("EXCESSIVE_PAGINATION", &message))
        }
        Err(_) => {
            Err(error("INVALID_PAGINATION", &format!("`{name}` on the `{field}` connection cannot be less than zero.")))
        }
    }
}

fn cursor(place: usize) -> String {
    STANDARD.encode(json!(["cursor:v2", place]).to_string())
}

fn place(cursor: &str) -> Result<usize, FieldError> {
    STANDARD
        .decode(cursor)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<(String, usize)>(&bytes).ok())
        .map(|(_, place)| place)
        .ok_or_else(|| error("INVALID_CURSOR_ARGUMENTS", &format!("`{cursor}` does not appear to be a valid cursor.")))
}
