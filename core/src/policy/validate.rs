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
    /// What the place is, in a word or two, where Cedar says.
    pub label: Option<String>,
    /// What to do about it, where anybody can say.
    pub help: Option<String>,
}

impl Problem {
    /// A problem with a file as a whole.
    pub(crate) fn whole(file: &str, message: String) -> Self {
        Self { file: file.to_owned(), line: 1, span: (0, 0), message, label: None, help: None }
    }

    /// The same problem at this place of a text.
    pub(crate) fn at(self, text: &str, span: (usize, usize)) -> Self {
        let before = text.get(..span.0).unwrap_or_default();
        Self { line: 1 + before.matches('\n').count(), span, ..self }
    }

    /// The same problem, with what to do about it.
    pub(crate) fn help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }
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
    /// What to do about it once the change is merged, where that closes other ways out.
    pub merged_remedy: Option<String>,
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
        Err(error) => return Err(problems_of(SCHEMA_FILE, schema, &DetailedError::from(&error))),
    };
    let mut problems = Vec::new();
    let mut rules = PolicySet::new();
    let mut words: BTreeMap<String, Words> = BTreeMap::new();
    for (file, text) in files {
        let policy = match Policy::parse(None, text) {
            Ok(policy) => policy,
            Err(error) => {
                problems.extend(problems_of(file, text, &DetailedError::from(&error)));
                continue;
            }
        };
        let Some(id) = policy.annotation("id").map(ToOwned::to_owned) else {
            problems.push(without_id(file, text, &policy));
            continue;
        };
        let of_id = |message: String| Problem::whole(file, message).at(text, annotation(text, "id"));
        let spoken = words_of(file, &policy);
        let needed: &[&str] = if spoken.forbids { &["summary", "remedy", "controls"] } else { &["summary"] };
        let unsaid = |key: &&&str| policy.annotation(key).is_none_or(str::is_empty);
        for key in needed.iter().filter(unsaid) {
            problems.push(of_id(format!("rule `{id}` needs `@{key}`")).help(meant(&policy, key)));
        }
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            problems.push(of_id(format!("`{id}` is no reason code: lower-case letters, digits and hyphens")));
        }
        if reserved.contains(&id.as_str()) {
            problems.push(of_id(format!("`{id}` is a reason code of the program itself: take another")));
        }
        if let Some(other) = words.get(&id) {
            problems.push(of_id(format!("`{id}` is the reason code of {} already", other.file)));
            continue;
        }
        if let Err(error) = rules.add(policy.new_id(PolicyId::new(&id))) {
            problems.extend(problems_of(file, text, &DetailedError::from(&error)));
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
        merged_remedy: said("merged_remedy"),
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
        .flat_map(|(id, detail)| {
            let file = words.get(AsRef::<str>::as_ref(id)).map_or("", |words| words.file.as_str());
            problems_of(file, files.get(file).map_or("", String::as_str), &detail)
        })
        .collect();
    // That a rule as a whole can never apply follows from what is wrong inside it, which is what must be said.
    let places: Vec<(String, (usize, usize))> = found.iter().map(|it| (it.file.clone(), it.span)).collect();
    let inside =
        |outer: (usize, usize), inner: (usize, usize)| outer.0 <= inner.0 && inner.1 <= outer.1 && outer != inner;
    found.retain(|it| !places.iter().any(|(file, span)| *file == it.file && inside(it.span, *span)));
    found.sort_by(|a, b| (&a.file, a.span, &a.message).cmp(&(&b.file, b.span, &b.message)));
    problems.append(&mut found);
}

/// The annotations that mean something here.
const ANNOTATIONS: &[&str] = &["id", "summary", "waiting", "remedy", "waiting_remedy", "merged_remedy", "controls"];

/// A rule that has no code.
pub(crate) fn without_id(file: &str, text: &str, rule: &Policy) -> Problem {
    let start = text.len() - text.trim_start().len();
    let first_line = text.get(start..).and_then(|text| text.lines().next()).unwrap_or_default();
    let message = "the rule has no `@id`, which is its reason code".to_owned();
    Problem::whole(file, message).at(text, (start, start + first_line.len())).help(meant(rule, "id"))
}

/// What stands in a rule where an annotation is missing, if it was misspelt.
pub(crate) fn meant(rule: &Policy, missing: &str) -> Option<String> {
    let unknown = rule.annotations().map(|(key, _)| key).filter(|key| !ANNOTATIONS.contains(key));
    let near = unknown.min_by_key(|key| strsim::damerau_levenshtein(key, missing))?;
    let is_near = strsim::damerau_levenshtein(near, missing) <= 2;
    is_near.then(|| format!("did you mean `@{missing}` where it says `@{near}`?"))
}

/// Where an annotation stands; empty where it does not.
pub(crate) fn annotation(text: &str, key: &str) -> (usize, usize) {
    let written = format!("@{key}(");
    text.find(&written).map_or((0, 0), |start| {
        let end = text.get(start..).and_then(|rest| rest.find(')')).map_or(start, |close| start + close + 1);
        (start, end)
    })
}

/// What Cedar says is wrong: the error itself and those beside it.
pub(crate) fn problems_of(file: &str, text: &str, detail: &DetailedError) -> Vec<Problem> {
    let place = detail.source_locations.first();
    let label = place.and_then(|place| place.label.clone());
    let this = Problem { label, ..Problem::whole(file, detail.message.clone()) }
        .at(text, place.map_or((0, 0), |place| (place.loc.start, place.loc.end)))
        .help(detail.help.clone());
    let beside = detail.related.iter().flat_map(|detail| problems_of(file, text, detail));
    std::iter::once(this).chain(beside).collect()
}
