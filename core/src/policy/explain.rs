//! Reasons in words: a rule's annotations, or a branch's sentences, with the places filled in.
//!
//! Invariant: every code a verdict can carry has a sentence, a remedy and its controls, and all of them are listed by
//! [`codes`]. Next: `summary.rs`, which puts verdicts before people.

use super::own::code_of;
use super::pack::Policies;
use super::validate::Words;
use crate::domain::{Account, ChangeName, Contributor, Outcome, Person, Reason};
use std::collections::BTreeMap;

/// A reason that no Cedar rule can give, since it is about rules that could not be asked or facts that are not there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Branch {
    pub(crate) code: &'static str,
    pub(crate) place: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) remedy: &'static str,
    pub(crate) controls: &'static str,
}

/// Something needed is not known.
pub(crate) const FACTS_INCOMPLETE: &str = "facts-incomplete";
/// The production branch itself could not be read.
pub(crate) const HISTORY_UNAVAILABLE: &str = "history-unavailable";
/// A rule could not be asked.
pub(crate) const POLICY_ERROR: &str = "policy-error";

const CONTROLS: &str = "SOC2 CC8.1, CC7.2; PCI-DSS-4.0.1 6.5.1; ISO-27001-2022 A.8.32; NIST-800-53r5 CM-3, CM-5";

/// All such branches; each makes the outcome undetermined.
pub(crate) const BRANCHES: &[Branch] = &[
    Branch {
        code: FACTS_INCOMPLETE,
        place: "policy::change and policy::release",
        summary: "Not known: {detail}",
        remedy: "It is looked at again by itself, and at once by \"Look again\". If GitHub never shows it, a new commit with \
                 a new review settles it before the merge, and an exception (`countersign exception open`) after it",
        controls: CONTROLS,
    },
    Branch {
        code: HISTORY_UNAVAILABLE,
        place: "policy::release",
        summary: "The history of {branch} could not be read: {detail}",
        remedy: "It is tried again by itself; if it stays, whoever runs Countersign looks whether GitHub answers its App",
        controls: CONTROLS,
    },
    Branch {
        code: POLICY_ERROR,
        place: "policy::entities",
        summary: "The policy could not be evaluated: {detail}",
        remedy: "Whoever changed the rules last checks them with `countersign policy validate`",
        controls: CONTROLS,
    },
];

/// Where a code comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A Cedar file, by its name under `policies/`.
    Rule(String),
    /// A branch of the program, by its module.
    Branch(String),
}

/// One reason code, for the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The code.
    pub code: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Its sentence, with `{places}`.
    pub summary: String,
    /// What to do about it.
    pub remedy: String,
    /// The controls it serves.
    pub controls: String,
}

/// Every code that verdicts under these policies can carry, in alphabetical order.
pub fn codes(policies: &Policies) -> Vec<Code> {
    let rules = policies.words().iter().filter(|(_, words)| words.forbids).map(|(code, words)| Code {
        code: code.clone(),
        origin: Origin::Rule(words.file.clone()),
        summary: words.summary.clone(),
        remedy: words.remedy.clone(),
        controls: words.controls.clone(),
    });
    let branches = BRANCHES.iter().map(|branch| Code {
        code: branch.code.to_owned(),
        origin: Origin::Branch(branch.place.to_owned()),
        summary: branch.summary.to_owned(),
        remedy: branch.remedy.to_owned(),
        controls: branch.controls.to_owned(),
    });
    let mut all: Vec<Code> = rules.chain(branches).collect();
    all.sort_by(|a, b| a.code.cmp(&b.code));
    all
}

/// What goes into the places of a sentence, and what the reason is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    places: BTreeMap<&'static str, String>,
    change: Option<ChangeName>,
    account: Option<Account>,
    to_come: bool,
    merged: bool,
}

impl About {
    /// A reason about a change.
    pub(crate) fn change(name: &ChangeName) -> Self {
        Self { change: Some(name.clone()), ..Self::default() }.put("change", name.to_string())
    }

    /// Fills in a place.
    pub(crate) fn put(mut self, place: &'static str, value: impl Into<String>) -> Self {
        self.places.insert(place, value.into());
        self
    }

    /// Says whom it is about.
    pub(crate) fn account(mut self, account: Option<&Account>) -> Self {
        self.account = account.cloned();
        self.put("account", account.map_or_else(|| "somebody GitHub no longer shows".to_owned(), at))
    }

    /// Says which person the account belongs to: where another account of theirs contributed, that explains it.
    pub(crate) fn belongs_to(self, person: Option<&Person>) -> Self {
        match (self.account.clone(), person) {
            (Some(account), Some(person)) => self.put("account", with_person(&account, Some(&person.name))),
            _ => self,
        }
    }

    /// Says whether the change is merged, so that some ways out are closed.
    pub(crate) fn merged(mut self, merged: bool) -> Self {
        self.merged = merged;
        self
    }

    /// Says whether it is still to come rather than broken.
    pub(crate) fn awaited(mut self, to_come: bool) -> Self {
        self.to_come = to_come;
        self
    }
}

/// Puts a code into words.
pub(crate) fn reason(policies: &Policies, code: &str, about: About) -> Reason {
    let words = policies.words().get(code);
    let branch = BRANCHES.iter().find(|branch| branch.code == code);
    let waiting = |words: &Words| about.to_come.then(|| words.waiting.clone()).flatten();
    let other_remedy = |words: &Words| match (about.to_come, about.merged) {
        (true, _) => words.waiting_remedy.clone(),
        (false, true) => words.merged_remedy.clone(),
        (false, false) => None,
    };
    let (text, remedy) = match (branch, words) {
        (Some(branch), _) => (branch.summary.to_owned(), branch.remedy.to_owned()),
        (None, Some(words)) => (
            waiting(words).unwrap_or_else(|| words.summary.clone()),
            other_remedy(words).unwrap_or_else(|| words.remedy.clone()),
        ),
        (None, None) => (code.to_owned(), String::new()),
    };
    Reason {
        code: code_of(code).to_owned(),
        text: fill(&text, &about.places),
        remedy: fill(&remedy, &about.places),
        to_come: about.to_come,
        change: about.change,
        account: about.account,
    }
}

/// The outcome that reasons amount to.
pub(crate) fn outcome<'r>(reasons: impl IntoIterator<Item = &'r Reason>) -> Outcome {
    reasons.into_iter().map(weight).max().unwrap_or(Outcome::Allow)
}

/// The outcome that one reason alone amounts to.
pub(crate) fn weight(reason: &Reason) -> Outcome {
    if BRANCHES.iter().any(|branch| branch.code == reason.code) {
        Outcome::Undetermined
    } else if reason.to_come {
        Outcome::Pending
    } else {
        Outcome::Deny
    }
}

/// An account for a sentence: `@login`, or a person's name where no login is known.
pub(crate) fn at(account: &Account) -> String {
    let login = &account.login;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'[' | b']');
    if !login.is_empty() && login.bytes().all(plain) {
        format!("@{login}")
    } else {
        login.chars().filter(|letter| !letter.is_control()).collect()
    }
}

/// An account with the person it belongs to, where the settings know: `@ann-work (Ann)`.
pub(crate) fn with_person(account: &Account, person: Option<&str>) -> String {
    match person {
        Some(person) => format!("{} ({person})", at(account)),
        None => at(account),
    }
}

/// Who would have to review: anybody but these.
pub(crate) fn wanted(contributors: &[Contributor]) -> String {
    let persons = contributors.iter().filter(|contributor| !contributor.automation);
    let label = |contributor: &Contributor| with_person(&contributor.account, contributor.person.as_deref());
    let names: Vec<String> = persons.map(label).collect();
    if names.is_empty() { "a person".to_owned() } else { format!("someone other than {}", list(&names, 3)) }
}

/// Names as a list for a sentence, at most `most` of them.
pub(crate) fn list(names: &[String], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(String::as_str).collect();
    let more = names.len().saturating_sub(shown.len());
    if more > 0 {
        return format!("{} and {more} more", shown.join(", "));
    }
    match shown.split_last() {
        None => "nobody".to_owned(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}

fn fill(template: &str, places: &BTreeMap<&'static str, String>) -> String {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let place = after.split_once('}').and_then(|(name, tail)| Some((places.get(name)?, tail)));
        if let Some((value, tail)) = place {
            filled.push_str(value);
            rest = tail;
        } else {
            filled.push('{');
            rest = after;
        }
    }
    filled.push_str(rest);
    filled
}
