//! GitHub's GraphQL API over one world: any query that the kept part of the published schema allows.
//!
//! Invariant: a real engine validates and executes; resolvers only read. What a token may not see is refused field by
//! field. Next: `object.rs` (which resolver answers which type), `connection.rs` (pages), `pull.rs` (what matters most).

mod actor;
mod checks;
mod commit;
mod connection;
mod environments;
mod object;
mod pull;
mod repository;
mod runs;
mod timeline;

use crate::model::World;
use crate::rest::Call;
use crate::rest::answer::Answer;
use apollo_compiler::resolvers::Execution;
use apollo_compiler::response::{JsonMap, serde_json_bytes};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use object::{Context, Node, Object};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

const SDL: &str = include_str!("../schema/github.graphql");

/// Separates GitHub's type of an error from its message, since the engine carries only one text.
pub(crate) const MARK: char = '\u{1f}';

fn schema() -> Result<&'static Valid<Schema>, String> {
    static SCHEMA: OnceLock<Result<Valid<Schema>, String>> = OnceLock::new();
    SCHEMA
        .get_or_init(|| Schema::parse_and_validate(SDL, "github.graphql").map_err(|error| error.to_string()))
        .as_ref()
        .map_err(Clone::clone)
}

/// The name of the operation in a request's body: as asked for, else the first one in the text.
pub(crate) fn operation_name(body: &Value) -> Option<String> {
    if let Some(name) = body.get("operationName").and_then(Value::as_str) {
        return Some(name.to_owned());
    }
    let text = body.get("query")?.as_str()?;
    let after = text.trim_start().strip_prefix("query").or_else(|| text.trim_start().strip_prefix("mutation"))?;
    let name: String = after.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// `POST /graphql`
pub(crate) fn serve(world: &mut World, call: &Call) -> Result<Answer, Answer> {
    let query = call
        .text("query")
        .ok_or_else(|| Answer::error(400, "A query attribute must be specified and must be a string."))?;
    let schema = schema().map_err(|error| Answer::error(500, &error))?;
    let document = match parsed(schema, query) {
        Ok(document) => document,
        Err(messages) => return Ok(Answer::ok(json!({"errors": messages}))),
    };
    let variables = match call.body.get("variables").cloned() {
        Some(Value::Object(variables)) => json_map(variables),
        _ => JsonMap::new(),
    };
    let context = Context { world, caller: &call.caller, now: call.now };
    let root = Object::new(context, Node::Query);
    let name = call.text("operationName");
    let outcome = Execution::new(schema, document)
        .operation_name(name)
        .and_then(|execution| execution.raw_variable_values(&variables).execute_sync(&root));
    Ok(Answer::ok(match outcome {
        Ok(response) => shown(serde_json::to_value(response).unwrap_or_default()),
        Err(error) => json!({"errors": [{"message": error.message().to_string()}]}),
    }))
}

fn json_map(map: Map<String, Value>) -> JsonMap {
    map.into_iter().map(|(name, value)| (name.into(), serde_json_bytes::Value::from(value))).collect()
}

/// Documents parsed before: programs send the same few queries again and again.
fn parsed(schema: &'static Valid<Schema>, query: &str) -> Result<&'static Valid<ExecutableDocument>, Vec<Value>> {
    static KNOWN: OnceLock<Mutex<HashMap<String, &'static Valid<ExecutableDocument>>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    if let Some(document) = known.lock().unwrap_or_else(PoisonError::into_inner).get(query) {
        return Ok(document);
    }
    let document = ExecutableDocument::parse_and_validate(schema, query, "query.graphql").map_err(|invalid| {
        let message = |diagnostic: apollo_compiler::diagnostic::Diagnostic<'_, _>| {
            json!({"message": diagnostic.to_json().message, "locations": diagnostic.to_json().locations})
        };
        invalid.errors.iter().map(message).collect::<Vec<_>>()
    })?;
    // Queries written by programs are few, and live as long as the process.
    let document: &'static Valid<ExecutableDocument> = Box::leak(Box::new(document));
    known.lock().unwrap_or_else(PoisonError::into_inner).insert(query.to_owned(), document);
    Ok(document)
}

/// The engine's answer in GitHub's shape: errors carry a type, and no errors means no `errors`.
fn shown(response: Value) -> Value {
    let Value::Object(mut response) = response else {
        return Value::Null;
    };
    let errors = response.remove("errors").and_then(|errors| match errors {
        Value::Array(errors) if !errors.is_empty() => Some(errors),
        _ => None,
    });
    let mut out = Map::new();
    out.insert("data".to_owned(), response.remove("data").unwrap_or_default());
    if let Some(errors) = errors {
        out.insert("errors".to_owned(), errors.into_iter().map(typed).collect());
    }
    Value::Object(out)
}

fn typed(error: Value) -> Value {
    let Value::Object(mut error) = error else {
        return error;
    };
    let text = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let text = text.strip_prefix("resolver error: ").unwrap_or(text).to_owned();
    if let Some((kind, message)) = text.split_once(MARK) {
        error.insert("type".to_owned(), json!(kind));
        error.insert("message".to_owned(), json!(message));
    } else {
        error.insert("message".to_owned(), json!(text));
    }
    Value::Object(error)
}
