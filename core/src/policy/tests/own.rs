//! A repository's own rules: stricter, never looser.

use super::world::{Pull, every_rule, user};
use crate::domain::{Outcome, Verdict};
use crate::policy::{OwnFile, Policies, decide};

const MERGE: &str = r#"(principal, action == Action::"merge", resource is Change)"#;

fn judged(rules: &[(&str, &str)]) -> Verdict {
    let own: Vec<OwnFile> =
        rules.iter().map(|(name, text)| OwnFile { name: (*name).to_owned(), text: (*text).to_owned() }).collect();
    let mut facts = Pull::opened(1, &user("ann"), "a1").approved(&user("ben")).facts();
    let (policies, rules) = Policies::with_own(&facts.terms.packs, &own).unwrap();
    facts.terms.repository_rules = rules;
    decide(&facts, &policies)
}

fn codes(verdict: &Verdict) -> Vec<&str> {
    verdict.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

#[test]
fn a_forbid_denies_under_its_id_with_words_where_it_brings_none() {
    let verdict = judged(&[("a.cedar", &format!("@id(\"closed\") forbid {MERGE} unless {{ resource.merged }};"))]);
    assert_eq!((verdict.outcome, codes(&verdict)), (Outcome::Deny, vec!["closed"]));
    assert_eq!(verdict.reasons[0].text, "A rule of this repository forbids it: closed");
    assert_eq!(verdict.reasons[0].remedy, "Read .github/countersign/a.cedar");
}

#[test]
fn a_permit_is_ignored_and_everything_wrong_makes_it_undetermined() {
    assert_eq!(judged(&[("a.cedar", &format!("permit {MERGE};"))]).outcome, Outcome::Allow);
    let wrong = [
        "this is no rule".to_owned(),
        format!("forbid {MERGE};"),
        format!("@id(\"x\") forbid {MERGE} when {{ resource.nothing }};"),
        format!("@id(\"Not a code\") forbid {MERGE} when {{ resource.merged }};"),
        format!("@id(\"review-missing\") forbid {MERGE} when {{ resource.merged }};"),
        format!("@id(\"facts-incomplete\") forbid {MERGE} when {{ resource.merged }};"),
        "@id(\"x\") forbid (principal == ?principal, action, resource);".to_owned(),
    ];
    for text in wrong {
        let verdict = judged(&[("a.cedar", &text)]);
        assert_eq!((verdict.outcome, codes(&verdict)), (Outcome::Undetermined, vec!["policy-error"]), "{text}");
    }
}

#[test]
fn a_broken_rule_takes_nothing_from_one_that_denies() {
    let denies = format!("@id(\"closed\") forbid {MERGE} unless {{ resource.merged }};");
    let broken = format!("@id(\"x\") forbid {MERGE} when {{ resource.nothing }};");
    let verdict = judged(&[("a.cedar", &denies), ("b.cedar", &broken)]);
    assert_eq!((verdict.outcome, codes(&verdict)), (Outcome::Deny, vec!["closed", "policy-error"]));
}

#[test]
fn a_rule_that_is_changed_holds_as_it_was_and_as_it_would_be() {
    let rule = |what: &str| format!("@id(\"closed\") forbid {MERGE} when {{ {what} }};");
    let strict = judged(&[("a.cedar", &rule("!resource.merged")), ("a.cedar", &rule("resource.merged"))]);
    assert_eq!(codes(&strict), ["closed"]);
    let stricter = judged(&[("a.cedar", &rule("resource.merged")), ("a.cedar", &rule("!resource.merged"))]);
    assert_eq!(codes(&stricter), ["closed-as-changed"]);
    let same = judged(&[("a.cedar", &rule("resource.merged")), ("a.cedar", &rule("resource.merged"))]);
    assert_eq!(same.outcome, Outcome::Allow);
}

#[test]
fn nobodys_own_rules_change_what_the_packs_demand() {
    let builtin = every_rule().sources().files.len();
    let own =
        OwnFile { name: "a.cedar".to_owned(), text: format!("@id(\"x\") forbid {MERGE} when {{ resource.merged }};") };
    let packs = ["three-person", "tested", "ticketed"].map(str::to_owned);
    let (policies, _) = Policies::with_own(&packs, &[own]).unwrap();
    assert_eq!(policies.sources().files.len(), builtin + 1);
}
