//! A repository's own rules: forbids that it lays beside the packs, and what is wrong with them.
//!
//! Invariant: a repository can only be stricter. A permit of its own is left out and named; anything that cannot be read,
//! or does not fit, is a fault, and a fault makes every outcome undetermined. Next: `pack.rs`.

use super::explain::BRANCHES;
use super::pack::{Policies, PolicyError};
use super::validate::{Problem, annotation, problems_of, without_id};
use crate::domain::RepositoryRules;
use cedar_policy::ffi::DetailedError;
use cedar_policy::{Effect, Policy, PolicySet};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A file of a repository's own rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnFile {
    /// Its name, below `.github/countersign/`.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Policies {
    /// The packs with a repository's own forbids beside them: first those of what runs now, then those of what would.
    /// What is ignored or wrong among these goes into the facts; the packs hold all the same.
    pub fn with_own(packs: &[String], own: &[OwnFile]) -> Result<(Self, RepositoryRules), PolicyError> {
        let (policies, ignored, problems) = Self::lay_beside(packs, own)?;
        Ok((policies, RepositoryRules { ignored, faults: problems.iter().map(ToString::to_string).collect() }))
    }

    /// The same, with the permits that are ignored, and each problem with its place in the repository's own file.
    pub fn lay_beside(packs: &[String], own: &[OwnFile]) -> Result<(Self, Vec<String>, Vec<Problem>), PolicyError> {
        let packs = Self::builtin(packs)?;
        let mut found = Own { taken: packs.words().keys().cloned().collect(), ..Own::default() };
        for file in own {
            found.read(file);
        }
        loop {
            if found.files.is_empty() {
                return Ok((packs, found.ignored, found.problems));
            }
            let own = found.files.iter().map(|(file, rule)| (file.clone(), rule.text.clone()));
            let files = packs.sources().files.clone().into_iter().chain(own).collect();
            let problems = match Self::parse_built_in_schema(&files) {
                Ok(policies) => return Ok((policies, found.ignored, found.problems)),
                Err(PolicyError::Invalid(problems)) => problems,
                Err(error) => return Err(error),
            };
            // The others hold: what one of them forbids for certain is denied, whatever a broken one would have said.
            let before = found.files.len();
            let placed: Vec<Problem> = problems.iter().map(|problem| found.place(problem)).collect();
            found.files.retain(|file, _| !problems.iter().any(|problem| problem.file == *file));
            if found.files.len() == before {
                found.files.clear();
            }
            found.problems.extend(placed);
        }
    }
}

/// What tells several rules of one code apart in their names; no code holds it.
const AGAIN: &str = "--";

/// The reason code of a rule, by its name.
pub(crate) fn code_of(rule: &str) -> &str {
    rule.split_once(AGAIN).map_or(rule, |(code, _)| code)
}

/// One rule, written down for itself, and where it comes from.
struct Rule {
    /// What is judged by.
    text: String,
    /// How many bytes it is longer than what the repository wrote: words that it lacked, before it.
    added: usize,
    /// The file it comes from, and where it stands there.
    file: OwnFile,
    at: usize,
}

#[derive(Default)]
struct Own {
    files: BTreeMap<String, Rule>,
    /// The codes of the packs.
    taken: Vec<String>,
    ignored: Vec<String>,
    problems: Vec<Problem>,
}

impl Own {
    fn read(&mut self, file: &OwnFile) {
        let set: PolicySet = match file.text.parse() {
            Ok(set) => set,
            Err(error) => {
                return self.problems.extend(problems_of(&file.name, &file.text, &DetailedError::from(&error)));
            }
        };
        if set.templates().next().is_some() {
            self.problems.push(Problem::whole(&file.name, "a template is no rule".to_owned()));
        }
        for rule in set.policies() {
            self.take(file, rule);
        }
    }

    fn take(&mut self, file: &OwnFile, rule: &Policy) {
        let name = &file.name;
        let Some(text) = rule.to_cedar() else {
            return self.problems.push(Problem::whole(name, "a rule cannot be written down".to_owned()));
        };
        let at = file.text.find(&text).unwrap_or_default();
        let id = rule.annotation("id").filter(|id| !id.is_empty());
        if rule.effect() == Effect::Permit {
            return self.ignored.push(id.map_or_else(|| name.clone(), |id| format!("{name} (`{id}`)")));
        }
        if let Some(id) = id.filter(|id| id.contains(AGAIN)) {
            let message = format!("`{id}` is no reason code: `{AGAIN}` tells rules of one code apart");
            let (from, to) = annotation(&text, "id");
            return self.problems.push(Problem::whole(name, message).at(&file.text, (at + from, at + to)));
        }
        let Some(id) = id else {
            let problem = without_id(name, &text, rule);
            let end = at + problem.span.1;
            return self.problems.push(problem.at(&file.text, (at, end)));
        };
        if self.taken.iter().any(|code| code == id) || BRANCHES.iter().any(|branch| branch.code == id) {
            let message = format!("`{id}` is a reason code of Countersign's own: take another");
            let (from, to) = annotation(&text, "id");
            return self.problems.push(Problem::whole(name, message).at(&file.text, (at + from, at + to)));
        }
        let defaults = [
            ("summary", format!("A rule of this repository forbids it: {id}")),
            ("remedy", format!("Read .github/countersign/{name}")),
            ("controls", "the repository's own".to_owned()),
        ];
        let missing = defaults.into_iter().filter(|(key, _)| rule.annotation(key).is_none());
        let words: Vec<String> = missing.map(|(key, text)| format!("@{key}({text:?})\n")).collect();
        let words = words.concat();
        let this = |whole: String| Rule { added: whole.len() - text.len(), text: whole, file: file.clone(), at };
        let (whole, end) = (format!("{words}{text}"), at + text.len());
        // Another rule of that code: what would be deployed changes it, or several files share a code. All of them hold.
        for number in 1.. {
            let name_of_rule = if number == 1 { id.to_owned() } else { format!("{id}{AGAIN}{number}") };
            let text = whole.replacen(&format!("@id(\"{id}\")"), &format!("@id(\"{name_of_rule}\")"), 1);
            if number > 1 && text == whole {
                let message = format!("`{id}` is there twice");
                return self.problems.push(Problem::whole(name, message).at(&file.text, (at, end)));
            }
            match self.files.entry(format!("repository/{name_of_rule}.cedar")) {
                Entry::Vacant(place) => {
                    place.insert(this(text));
                    return;
                }
                Entry::Occupied(known) if known.get().text == text => return,
                Entry::Occupied(_) => {}
            }
        }
    }

    /// A problem with a rule as it was written down, at its place in the file it comes from.
    fn place(&self, problem: &Problem) -> Problem {
        let Some(rule) = self.files.get(&problem.file) else { return problem.clone() };
        let in_file = |place: usize| rule.at + place.saturating_sub(rule.added);
        let moved = Problem { file: rule.file.name.clone(), ..problem.clone() };
        moved.at(&rule.file.text, (in_file(problem.span.0), in_file(problem.span.1)))
    }
}
