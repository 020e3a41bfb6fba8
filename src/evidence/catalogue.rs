//! What a bundle says of the control itself: the rules that decided, the controls they serve, and the settings in force.
//!
//! Invariant: read from the bundle's own policies and settings, in the order of their digests. Whether each is what its
//! digest says is for [`super::replay`] to check.

use super::EvidenceError;
use super::bundle::{POLICIES, SCHEMA, SETTINGS};
use super::contents::Contents;
use super::criteria;
use countersign_core::policy::{Origin, Policies, codes};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A control that a rule serves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Control {
    /// The framework, as annotations name it.
    pub(super) framework: String,
    /// The criterion within it.
    pub(super) id: String,
}

/// One rule that decided.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// Its sentence, with `{places}`.
    pub(super) summary: String,
    /// The controls it serves, in the order of the frameworks.
    pub(super) controls: Vec<Control>,
    /// The Cedar file, or the branch of the program.
    pub(super) origin: String,
}

/// Settings that decisions or starts name. What is not spoken of here is left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SettingsKept {
    pub(super) scope: Vec<Scope>,
    pub(super) baseline: Vec<Baseline>,
    pub(super) person: Vec<Person>,
    pub(super) automation: Automation,
    pub(super) exceptions: Exceptions,
}

/// `[[scope]]`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Scope {
    pub(super) repositories: Vec<String>,
    pub(super) production_branch: Option<String>,
    pub(super) environments: Vec<String>,
    pub(super) policies: Vec<String>,
    pub(super) checks: Vec<String>,
    pub(super) ticket: Option<String>,
}

/// `[[baseline]]`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Baseline {
    pub(super) repository: String,
    pub(super) environment: String,
    pub(super) commit: String,
}

/// `[[person]]`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) accounts: Vec<String>,
}

/// `[automation]`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Automation {
    pub(super) trusted: Vec<String>,
    pub(super) machine_users: Vec<String>,
    pub(super) sponsors: BTreeMap<String, Vec<String>>,
}

/// `[exceptions]`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Exceptions {
    pub(super) openers: Vec<String>,
    pub(super) max_hours: u64,
    pub(super) review_days: u64,
    pub(super) overdue_blocks: bool,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// The rules, by code.
    pub(super) rules: BTreeMap<String, Rule>,
    /// How many rules each set of policies has, by digest.
    pub(super) policies: BTreeMap<String, usize>,
    /// The settings by digest; `None` where they cannot be read as such.
    pub(super) settings: BTreeMap<String, Option<SettingsKept>>,
}

impl Catalogue {
    /// Reads it from a bundle.
    pub(super) fn of(contents: &Contents) -> Result<Self, EvidenceError> {
        let mut texts: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
        for (rest, path) in contents.under(POLICIES) {
            let Some((digest, file)) = rest.split_once('/') else { continue };
            texts.entry(digest).or_default().insert(file.to_owned(), contents.text(path)?);
        }
        let mut catalogue = Self::default();
        for (digest, mut files) in texts {
            let schema = files.remove(SCHEMA).unwrap_or_default();
            catalogue.policies(digest, &schema, &files)?;
        }
        for (rest, path) in contents.under(SETTINGS) {
            catalogue.settings(rest.strip_suffix(".json").unwrap_or(rest), &contents.text(path)?);
        }
        Ok(catalogue)
    }

    /// Takes a set of policies.
    pub(super) fn policies(
        &mut self,
        digest: &str,
        schema: &str,
        files: &BTreeMap<String, String>,
    ) -> Result<(), EvidenceError> {
        let policies = Policies::parse(schema, files)
            .map_err(|error| EvidenceError::wrong(format!("{POLICIES}/{digest}"), error.to_string()))?;
        self.policies.insert(digest.to_owned(), files.len());
        for code in codes(&policies) {
            let origin = match code.origin {
                Origin::Rule(file) => file,
                Origin::Branch(place) => place,
            };
            let rule = Rule { summary: code.summary, controls: controls(&code.controls), origin };
            self.rules.insert(code.code, rule);
        }
        Ok(())
    }

    /// Takes settings.
    pub(super) fn settings(&mut self, digest: &str, text: &str) {
        self.settings.insert(digest.to_owned(), serde_json::from_str(text).ok());
    }

    /// Every control that a rule serves, with the codes of the rules, in the order of the frameworks.
    pub(super) fn by_control(&self) -> Vec<(&Control, Vec<&str>)> {
        let mut found: BTreeMap<_, (&Control, Vec<&str>)> = BTreeMap::new();
        for (code, rule) in &self.rules {
            for control in &rule.controls {
                found.entry(criteria::rank(control)).or_insert((control, Vec::new())).1.push(code);
            }
        }
        found.into_values().collect()
    }
}

/// The controls of an annotation such as `SOC2 CC8.1, CC7.2; ISO-27001-2022 A.8.32`.
pub(super) fn controls(annotation: &str) -> Vec<Control> {
    let mut found: Vec<Control> = annotation
        .split(';')
        .filter_map(|part| part.trim().split_once(' '))
        .flat_map(|(framework, ids)| {
            ids.split(',').map(|id| Control { framework: framework.to_owned(), id: id.trim().to_owned() })
        })
        .collect();
    found.sort_by(|one, other| criteria::rank(one).cmp(&criteria::rank(other)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_is_taken_apart_into_controls() {
        let found = controls("ISO-27001-2022 A.8.32; SOC2 CC8.1, CC7.2;  odd; Other X");
        let spelled: Vec<String> = found.iter().map(|one| format!("{} {}", one.framework, one.id)).collect();
        assert_eq!(spelled, ["SOC2 CC7.2", "SOC2 CC8.1", "ISO-27001-2022 A.8.32", "Other X"]);
    }
}
