//! A repository's own rules: forbids that it lays beside the packs, and what is wrong with them.
//!
//! Invariant: a repository can only be stricter. A permit of its own is left out and named; anything that cannot be read,
//! or does not fit, is a fault, and a fault makes every outcome undetermined. Next: `pack.rs`.

use super::pack::{Policies, PolicyError};
use crate::domain::RepositoryRules;
use cedar_policy::{Effect, Policy, PolicySet};
use std::collections::BTreeMap;

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
        let mut found = Own::default();
        for file in own {
            found.read(file);
        }
        let packs = Self::builtin(packs)?;
        loop {
            if found.files.is_empty() {
                return Ok((packs, found.rules));
            }
            let together = packs.sources().files.iter().chain(&found.files);
            let files = together.map(|(file, text)| (file.clone(), text.clone())).collect();
            let problems = match Self::parse_built_in_schema(&files) {
                Ok(policies) => return Ok((policies, found.rules)),
                Err(PolicyError::Invalid(problems)) => problems,
                Err(error) => return Err(error),
            };
            // The others hold: what one of them forbids for certain is denied, whatever a broken one would have said.
            let before = found.files.len();
            found.files.retain(|file, _| !problems.iter().any(|problem| problem.file == *file));
            if found.files.len() == before {
                found.files.clear();
            }
            found.rules.faults.extend(problems.iter().map(ToString::to_string));
        }
    }
}

#[derive(Default)]
struct Own {
    files: BTreeMap<String, String>,
    rules: RepositoryRules,
}

impl Own {
    fn read(&mut self, file: &OwnFile) {
        let set: PolicySet = match file.text.parse() {
            Ok(set) => set,
            Err(error) => return self.rules.faults.push(format!("{}: {error}", file.name)),
        };
        if set.templates().next().is_some() {
            self.rules.faults.push(format!("{}: a template is no rule", file.name));
        }
        for rule in set.policies() {
            self.take(&file.name, rule);
        }
    }

    fn take(&mut self, file: &str, rule: &Policy) {
        let Some(id) = rule.annotation("id").filter(|id| !id.is_empty()) else {
            if rule.effect() == Effect::Permit {
                return self.rules.ignored.push(file.to_owned());
            }
            return self.rules.faults.push(format!("{file}: a rule has no `@id`, which is its reason code"));
        };
        if rule.effect() == Effect::Permit {
            return self.rules.ignored.push(format!("{file} (`{id}`)"));
        }
        let Some(text) = rule.to_cedar() else {
            return self.rules.faults.push(format!("{file}: `{id}` cannot be written down"));
        };
        let said = |key: &str| rule.annotation(key).is_some_and(|text| !text.is_empty());
        let defaults = [
            ("summary", format!("A rule of this repository forbids it: {id}")),
            ("remedy", format!("Read .github/countersign/{file}")),
            ("controls", "the repository's own".to_owned()),
        ];
        let missing = defaults.into_iter().filter(|(key, _)| !said(key) && rule.annotation(key).is_none());
        let lines: Vec<String> = missing.map(|(key, text)| format!("@{key}({text:?})\n")).chain([text]).collect();
        let whole = lines.concat();
        let place = format!("repository/{id}.cedar");
        match self.files.get(&place) {
            None => {
                self.files.insert(place, whole);
            }
            Some(known) if *known == whole => {}
            // Changed by what would be deployed: both hold, and the one in force now keeps its code.
            Some(_) => {
                let changed = format!("{id}-as-changed");
                let renamed = whole.replacen(&format!("@id(\"{id}\")"), &format!("@id(\"{changed}\")"), 1);
                if renamed == whole {
                    return self.rules.faults.push(format!("{file}: `{id}` is there twice"));
                }
                self.files.insert(format!("repository/{changed}.cedar"), renamed);
            }
        }
    }
}
