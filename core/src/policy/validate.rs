//! Reads rules strictly: what does not parse, does not fit the schema, or lacks its words, is refused with its place.
//!
//! Invariant: a rule that could err when it is asked never gets as far as being asked, as far as Cedar can tell
//! beforehand; warnings are refused like errors. Next: `pack.rs`.

use cedar_policy::ffi::DetailedError;
use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use std::collections::BTreeMap;
use std::fmt;

/// The name under which the schema is listed among the sources.
pub const SCHEMA_FILE: &str = "schema.cedarschema";

/// One thing wrong with a file of rules, as plain data for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, by its name among the sources.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The place in the file: first byte and the one after the last; empty where the whole file is meant.
    pub span: (usize, usize),
    /// What is wrong.
    pub message: String,
    /// What to do about it, where Cedar says.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// The words of one rule, from its annotations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Where the rule stands, by its name among the sources.
    pub file: String,
    /// Why it denies, in one sentence with `{places}` to fill in.
    pub summary: String,
    /// The same while it is still to come, where it can be.
    pub waiting: Option<String>,
    /// What to do about it.
    pub remedy: String,
    /// What to do about it while it is still to come.
    pub waiting_remedy: Option<String>,
    /// The controls it serves, for example `SOC2 CC8.1; ISO-27001-2022 A.8.32`.
    pub controls: String,
    /// Whether it forbids; a permit has no code.
    pub forbids: bool,
}

/// Rules that were read without a problem.
#[derive(Debug)]
pub(crate) struct Valid {
    pub(crate) schema: Schema,
    pub(crate) rules: PolicySet,
    pub(crate) words: BTreeMap<String, Words>,
}

/// Reads a schema and files of rules, one rule per file. `reserved` are codes that no rule may take.
pub(crate) fn validate(
    schema: &str,
    files: &BTreeMap<String, String>,
    reserved: &[&str],
) -> Result<Valid, Vec<Problem>> {
    let schema = match Schema::from_cedarschema_str(schema) {
        Ok((parsed, _warnings)) => parsed,
        Err(error) => return Err(vec![problem(SCHEMA_FILE, schema, &DetailedError::from(&error))]),
    };
    let mut problems = Vec::new();
    let mut rules = PolicySet::new();
    let mut words: BTreeMap<String, Words> = BTreeMap::new();
    for (file, text) in files {
        let whole = |message: String| Problem { file: file.clone(), line: 1, span: (0, 0), message, help: None };
        let policy = match Policy::parse(None, text) {
            Ok(policy) => policy,
            Err(error) => {
                problems.push(problem(file, text, &DetailedError::from(&error)));
                continue;
            }
        };
        let Some(id) = policy.annotation("id").map(ToOwned::to_owned) else {
            problems.push(whole("the rule has no `@id`, which is its reason code".to_owned()));
            continue;
        };
        let spoken = words_of(file, &policy);
        let forbids = spoken.forbids;
        if spoken.summary.is_empty() || (forbids && (spoken.remedy.is_empty() || spoken.controls.is_empty())) {
            problems
                .push(whole(format!("rule `{id}` needs `@summary`, and a forbid `@remedy` and `@controls` as well")));
        }
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            problems.push(whole(format!("`{id}` is no reason code: lower-case letters, digits and hyphens")));
        }
        if reserved.contains(&id.as_str()) {
            problems.push(whole(format!("`{id}` is a reason code of the program itself: take another")));
        }
        if let Some(other) = words.get(&id) {
            problems.push(whole(format!("`{id}` is the reason code of {} already", other.file)));
            continue;
        }
        if let Err(error) = rules.add(policy.new_id(PolicyId::new(&id))) {
            problems.push(problem(file, text, &DetailedError::from(&error)));
        }
        words.insert(id, spoken);
    }
    check_against_schema(&schema, &rules, &words, files, &mut problems);
    if problems.is_empty() { Ok(Valid { schema, rules, words }) } else { Err(problems) }
}

fn words_of(file: &str, policy: &Policy) -> Words {
    let said = |key: &str| policy.annotation(key).map(ToOwned::to_owned);
    Words {
        file: file.to_owned(),
        summary: said("summary").unwrap_or_default(),
        waiting: said("waiting"),
        remedy: said("remedy").unwrap_or_default(),
        waiting_remedy: said("waiting_remedy"),
        controls: said("controls").unwrap_or_default(),
        forbids: policy.effect() == Effect::Forbid,
    }
}

fn check_against_schema(
    schema: &Schema,
    rules: &PolicySet,
    words: &BTreeMap<String, Words>,
    files: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) {
    let outcome = Validator::new(schema.clone()).validate(rules, ValidationMode::Strict);
    let errors = outcome.validation_errors().map(|error| (error.policy_id(), DetailedError::from(error)));
    let warnings = outcome.validation_warnings().map(|warning| (warning.policy_id(), DetailedError::from(warning)));
    let mut found: Vec<Problem> = errors
        .chain(warnings)
        .map(|(id, detail)| {
            let file = words.get(AsRef::<str>::as_ref(id)).map_or("", |words| words.file.as_str());
            problem(file, files.get(file).map_or("", String::as_str), &detail)
        })
        .collect();
    found.sort_by(|a, b| (&a.file, a.span, &a.message).cmp(&(&b.file, b.span, &b.message)));
    problems.append(&mut found);
}

fn problem(file: &str, text: &str, detail: &DetailedError) -> Problem {
    let span = detail.source_locations.first().map_or((0, 0), |label| (label.loc.start, label.loc.end));
    let before = text.get(..span.0).unwrap_or_default();
    Problem {
        file: file.to_owned(),
        line: 1 + before.matches('\n').count(),
        span,
        message: detail.message.clone(),
        help: detail.help.clone(),
    }
}
