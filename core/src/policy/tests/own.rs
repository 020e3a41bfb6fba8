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
    assert_eq!(codes(&stricter), ["closed"]);
    let third = judged(&[
        ("a.cedar", &format!("{}\n{}", rule("resource.merged"), rule("!resource.merged"))),
        ("b.cedar", &rule("resource.contributors.isEmpty()")),
    ]);
    assert_eq!(codes(&third), ["closed"], "a third takes none of the two out of force");
    let apart = format!("@id(\"closed--2\") forbid {MERGE} when {{ resource.merged }};");
    assert_eq!(codes(&judged(&[("a.cedar", &apart)])), ["policy-error"]);
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

#[test]
fn a_fault_is_shown_in_the_repositorys_own_file_and_one_for_each_cause() {
    let problems = |text: &str| {
        let own = OwnFile { name: "a.cedar".to_owned(), text: text.to_owned() };
        let (_, _, problems) = Policies::lay_beside(&["three-person".to_owned()], &[own]).unwrap();
        assert!(problems.iter().all(|problem| problem.file == "a.cedar"), "{problems:?}");
        problems
    };
    for taken in ["review-missing", "facts-incomplete"] {
        let found = problems(&format!("// One line before.\n@id(\"{taken}\") forbid {MERGE};"));
        assert_eq!((found.len(), found[0].line), (1, 2));
        assert!(found[0].message.contains("Countersign's own"), "{found:?}");
    }
    // A misspelt action makes the rule impossible as well: that follows, and is not said.
    let misspelt = "@id(\"x\") forbid (principal, action == Action::\"merg\", resource is Change);";
    let found = problems(misspelt);
    assert_eq!((found.len(), found[0].help.as_deref()), (1, Some("did you mean `Action::\"merge\"`?")));
    let place = found[0].span;
    assert_eq!(&misspelt[place.0..place.1], "Action::\"merg\"");
    let found = problems(&format!("{misspelt}\n@id(\"y\") forbid {MERGE} when {{ resource.marged }};"));
    assert_eq!(found.len(), 2, "{found:?}");
    let found = problems(&format!("@id(\"x\") forbid {MERGE} when {{ resource.marged || resource.hed == \"a\" }};"));
    assert_eq!(found.iter().filter(|problem| problem.message.contains("not found")).count(), 2, "{found:?}");
    let found = problems(&format!("@idd(\"x\") @owner(\"shop\") forbid {MERGE};"));
    assert_eq!(found[0].help.as_deref(), Some("did you mean `@id` where it says `@idd`?"));
    assert_eq!(problems(&format!("@owner(\"shop\") forbid {MERGE};"))[0].help, None);
    let broken = &problems(&format!("@id(\"x\") forbid {MERGE} when {{ resource. }};"))[0];
    assert!(broken.label.as_deref().is_some_and(|label| label.starts_with("expected")), "{broken:?}");
}

#[test]
fn a_fault_is_shown_at_its_own_place_whatever_stands_before_it() {
    let before = format!("// Two rules.\n@id(\"fine\") forbid {MERGE} when {{ resource.merged }};\n\n");
    let shown = |wrong: &str, place: &str| {
        let text = format!("{before}{wrong}");
        let own = OwnFile { name: "a.cedar".to_owned(), text: text.clone() };
        let (_, _, problems) = Policies::lay_beside(&["three-person".to_owned()], &[own]).unwrap();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let (from, to) = problems[0].span;
        assert_eq!((&text[from..to], problems[0].line), (place, 4), "{problems:?}");
    };
    let taken = format!("@id(\"review-missing\") forbid {MERGE};");
    shown(&taken, "@id(\"review-missing\")");
    let apart = format!("@id(\"fine--2\") forbid {MERGE};");
    shown(&apart, "@id(\"fine--2\")");
    let later = format!("@owner(\"shop\") @id(\"review-missing\") forbid {MERGE};");
    shown(&later, "@id(\"review-missing\")");
    let later = format!("@owner(\"shop\") @id(\"fine--2\") forbid {MERGE};");
    shown(&later, "@id(\"fine--2\")");
    let twice = format!("@id ( \"fine\" ) forbid {MERGE} when {{ !resource.merged }};");
    shown(&twice, &twice);
    let misspelt = format!("@owner(\"shop\") @idd(\"x\") forbid {MERGE};");
    shown(&misspelt, &misspelt);
    let nameless = format!("@owner(\"shop\") forbid {MERGE};");
    shown(&nameless, &nameless);
}

#[test]
fn the_same_rule_twice_is_one_rule() {
    let own = |name: &str| OwnFile {
        name: name.to_owned(),
        text: format!("@id(\"x\") forbid {MERGE} when {{ resource.merged }};"),
    };
    let packs = ["three-person".to_owned()];
    let (once, ..) = Policies::lay_beside(&packs, &[own("a.cedar")]).unwrap();
    let (twice, ..) = Policies::lay_beside(&packs, &[own("a.cedar"), own("a.cedar")]).unwrap();
    assert_eq!(once.sources(), twice.sources());
}

#[test]
fn a_rule_about_one_thing_alone_is_asked_of_that_thing() {
    let scopes = [
        r#"(principal, action, resource == Change::"\#1")"#,
        r#"(principal, action == Action::"merge", resource is Change)"#,
        r#"(principal, action in [Action::"merge"], resource)"#,
        r#"(principal == Anyone::"anyone", action == Action::"merge", resource)"#,
        "(principal is Anyone, action, resource)",
    ];
    for scope in scopes {
        let scope = scope.replace("\\#", "#");
        let verdict = judged(&[("a.cedar", &format!("@id(\"x\") forbid {scope};"))]);
        // One of every action forbids the approval as well.
        assert!(codes(&verdict).contains(&"x") && verdict.outcome != Outcome::Allow, "{scope}: {verdict:?}");
    }
}

#[test]
fn what_is_wrong_or_ignored_is_on_record() {
    for (ignored, faults) in [(vec!["a.cedar".to_owned()], Vec::new()), (Vec::new(), vec!["b.cedar".to_owned()])] {
        let mut facts = Pull::opened(1, &user("ann"), "a1").facts();
        facts.terms.repository_rules = crate::domain::RepositoryRules { ignored, faults };
        let again: crate::domain::Facts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
        assert_eq!(again, facts);
    }
}
