//! The system as the record shows it: components, repositories and environments, people, scope, and who may do what.
//!
//! Invariant: what the record cannot show is said to be so, beside what it shows.

use super::charts::number;
use super::{Head, Told, rest, some, whole};
use crate::evidence::seen::Place;
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// How many places and people are listed.
const PLACES: usize = 60;
const PEOPLE: usize = 15;
/// How many settings are spelled out.
const SETTINGS: usize = 12;

/// What there is.
pub(super) fn overview(told: &Told<'_>, head: &Head) -> Markup {
    let seen = told.seen;
    let ledger = head.checkpoint.as_ref().map_or("unknown", |checkpoint| checkpoint.origin.as_str());
    html! {
        p { "Developers propose changes as pull requests on GitHub. Others review them there; a merge puts them onto the production branch; a workflow run deploys a commit of that branch to an environment. "
            "Countersign, a GitHub App service run by the organisation, looks at each of these steps as GitHub authenticated them. Before a deployment starts it takes every change between what runs in production and the commit to be deployed, "
            "finds out who contributed to each, whose review counts, and who deploys, and allows the deployment only where three different people stood behind every change. What cannot be told blocks." }
        h3 { "Components" }
        table {
            thead { tr { th scope="col" { "Component" } th scope="col" { "Run by" } th scope="col" { "On record as" } } }
            tbody {
                tr { td { "Source, reviews, pipelines" } td { "GitHub" } td { @for (place, web) in seen.web.iter().enumerate() { @if place > 0 { ", " } (web) } @if seen.web.is_empty() { "not on record" } } }
                tr { td { "Countersign service" } td { "the organisation" } td {
                    @for (tool, entries) in &seen.tools { div { (tool) ": " (some(*entries, "entry", "entries")) } }
                } }
                tr { td { "Ledger" } td { "the organisation" } td { (ledger) @for signer in &head.signers { div { "signed by " code.wrap { (signer) } } } } }
                tr { td { "Policies (Cedar)" } td { "the organisation" } td {
                    @for (digest, rules) in told.catalogue.policies.iter().take(SETTINGS) { div { code.wrap { (short(digest)) } ": " (some(*rules as u64, "rule file", "rule files")) } }
                    (more(told.catalogue.policies.len(), SETTINGS, "policies/"))
                } }
                tr { td { "Settings" } td { "the organisation" } td {
                    @for digest in told.catalogue.settings.keys().take(SETTINGS) { div { code.wrap { (short(digest)) } } }
                    (more(told.catalogue.settings.len(), SETTINGS, "settings/"))
                } }
            }
        }
        h3 { "Repositories and environments" }
        (places(told))
        h3 { "People" }
        (people(told))
    }
}

fn places(told: &Told<'_>) -> Markup {
    let changes = |key: &(String, String)| told.totals.places.get(key).copied().unwrap_or(0);
    let none = Place::default();
    let keys: BTreeSet<&(String, String)> = told.seen.places.keys().chain(told.totals.places.keys()).collect();
    let all = keys.len();
    let mut listed: Vec<(&(String, String), &Place)> =
        keys.into_iter().map(|key| (key, told.seen.places.get(key).unwrap_or(&none))).collect();
    listed.sort_by_key(|(key, place)| (std::cmp::Reverse((changes(key), place.attempts)), *key));
    listed.truncate(PLACES);
    html! {
        @if listed.is_empty() { p.none { "No attempt to deploy is on record." } } @else {
            div.wide tabindex="0" role="region" aria-label="Repositories and environments" { table {
                thead { tr {
                    th scope="col" { "Repository" } th scope="col" { "Environment" } th scope="col" { "Branch" } th scope="col" { "Policies" }
                    th.number scope="col" { "Changes" } th.number scope="col" { "Decisions" } th.number scope="col" { "Can push" } th scope="col" { "Approval asked" }
                } }
                tbody { @for (key, place) in &listed { tr {
                    td { (key.0) } td { (key.1) } td { (place.branch) } td { (place.packs.iter().cloned().collect::<Vec<_>>().join(", ")) }
                    td.number { (number(changes(key))) } td.number { (number(place.attempts)) }
                    td.number { @match place.writers { Some(count) => (number(count as u64)), None => "unread" } }
                    td { (asked(place.asked)) }
                } } }
            } }
            (rest(listed.len(), all as u64, "deployments.csv"))
            p.quiet { "“Can push” is the number of accounts that could write to the repository when it was read last. “Approval asked”: whether GitHub’s own environment asked a person to approve the run." }
        }
    }
}

fn asked([asked, not_asked, unread]: [u64; 3]) -> &'static str {
    match (asked, not_asked, unread) {
        (0, 0, 0) => "unread",
        (_, 0, 0) => "always",
        (0, _, 0) => "never",
        (0, 0, _) => "could not be read",
        _ => "at times",
    }
}

/// What a person did: changes written, reviewed, deployed.
type Work = [u64; 3];

fn people(told: &Told<'_>) -> Markup {
    let mut work: BTreeMap<&str, Work> = BTreeMap::new();
    for (at, counts) in [&told.seen.authors, &told.totals.reviewers, &told.totals.deployers].into_iter().enumerate() {
        for (person, count) in counts {
            if let Some(slot) = work.entry(person).or_default().get_mut(at) {
                *slot = *count;
            }
        }
    }
    let all = work.len();
    let mut listed: Vec<(&str, Work)> = work.into_iter().collect();
    listed.sort_by_key(|(person, work)| (std::cmp::Reverse(work.iter().sum::<u64>()), *person));
    listed.truncate(PEOPLE);
    let settings: Vec<_> = told.catalogue.settings.values().flatten().collect();
    let persons: BTreeMap<&str, BTreeSet<&str>> =
        settings.iter().flat_map(|kept| &kept.person).fold(BTreeMap::new(), |mut found, person| {
            found
                .entry(person.name.as_str())
                .or_insert_with(BTreeSet::new)
                .extend(person.accounts.iter().map(String::as_str));
            found
        });
    let of = |pick: fn(&crate::evidence::catalogue::Automation) -> Vec<&str>| {
        let names: BTreeSet<&str> = settings.iter().flat_map(|kept| pick(&kept.automation)).collect();
        if names.is_empty() { "none".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(", ") }
    };
    html! {
        p { "Of the changes that reached production, " (some(told.seen.authors.len() as u64, "account", "accounts")) " contributed to one, "
            (some(told.totals.reviewers.len() as u64, "account", "accounts")) " gave an approval that counts, and "
            (some(told.totals.deployers.len() as u64, "account", "accounts")) " took part in deploying." }
        @if !listed.is_empty() {
            table.narrow {
                thead { tr { th scope="col" { "Account" } th.number scope="col" { "Contributed to" } th.number scope="col" { "Reviewed" } th.number scope="col" { "Deployed" } } }
                tbody { @for (person, [wrote, reviewed, deployed]) in &listed { tr {
                    td { "@" (person) } td.number { (number(*wrote)) } td.number { (number(*reviewed)) } td.number { (number(*deployed)) }
                } } }
            }
            (rest(listed.len(), all as u64, "changes.csv"))
        }
        dl.facts {
            dt { "People with several accounts" }
            dd { @if persons.is_empty() { "none in the settings: each account is taken for a person of its own" } @else {
                @for (place, (name, accounts)) in persons.iter().take(PEOPLE * 4).enumerate() {
                    @if place > 0 { "; " } (name) " (" (accounts.iter().copied().collect::<Vec<_>>().join(", ")) ")"
                }
                (more(persons.len(), PEOPLE * 4, "settings/"))
            } }
            dt { "Automation that needs no sponsor" } dd { (of(|kept| kept.trusted.iter().map(String::as_str).collect())) }
            dt { "Accounts at which no person types" } dd { (of(|kept| kept.machine_users.iter().map(String::as_str).collect())) }
            dt { "Automation with a sponsor" } dd { (of(|kept| kept.sponsors.keys().map(String::as_str).collect())) }
            dt { "Teams" } dd { "not on record: what counts is what an account could do when it did it. Team membership is GitHub’s and the organisation’s to show (section 11)." }
        }
    }
}

/// What is judged, and what is not.
pub(super) fn scope(told: &Told<'_>) -> Markup {
    let all = told.catalogue.settings.len();
    html! {
        p { "In scope is what the service’s settings call production: a change is judged when it lands on the production branch, and a deployment when it asks for one of these environments. "
            "These are where customers’ data and money are reached, so that the promise is made there; everything before them may be tried freely. Settings that decisions or starts in this record name:" }
        @for (digest, settings) in told.catalogue.settings.iter().take(SETTINGS) {
            h3.digest { "Settings " code { (short(digest)) } }
            @match settings {
                None => p.none { "These cannot be read as settings." },
                Some(kept) => {
                    @if kept.scope.is_empty() { p.none { "No scope: nothing was judged under them." } } @else {
                        div.wide tabindex="0" role="region" aria-label="Scopes" { table {
                            thead { tr { th scope="col" { "Repositories" } th scope="col" { "Production branch" } th scope="col" { "Environments" } th scope="col" { "Policies" } th scope="col" { "Checks, tickets" } } }
                            tbody { @for scope in &kept.scope { tr {
                                td { (scope.repositories.join(", ")) }
                                td { (scope.production_branch.as_deref().unwrap_or("the default branch")) }
                                td { (scope.environments.join(", ")) } td { (scope.policies.join(", ")) }
                                td { (scope.checks.join(", ")) @if let Some(ticket) = &scope.ticket { " " code { (ticket) } } }
                            } } }
                        } }
                    }
                    @if !kept.baseline.is_empty() { p.quiet {
                        "Control began at: " @for (place, base) in kept.baseline.iter().take(20).enumerate() {
                            @if place > 0 { "; " } (base.repository) " " (base.environment) " " code { (base.commit.get(..9).unwrap_or(&base.commit)) }
                        }
                        (more(kept.baseline.len(), 20, "settings/"))
                    } }
                }
            }
        }
        (more(all, SETTINGS, "settings/"))
        p { "Not in scope: repositories that no pattern above matches; environments that are not named above; whatever reaches production without GitHub (section 12)"
            @if told.left_out > 0 { "; and the repositories left out of this bundle (" (some(told.left_out, "entry", "entries")) ")" } "." }
    }
}

/// Who may do what, as far as the record shows, and what it cannot show.
pub(super) fn environment(told: &Told<'_>) -> Markup {
    let totals = told.totals;
    let pushed = told.seen.pushed_without;
    let bypassed = totals.gaps.get("gate-bypassed").copied().unwrap_or(0);
    let widest = told.seen.places.iter().filter_map(|(key, place)| Some((place.writers?, key))).max();
    let asks = told.seen.places.values().filter(|place| asked(place.asked) == "always").count() as u64;
    let settings: Vec<_> = told.catalogue.settings.values().flatten().collect();
    let openers: BTreeSet<&str> =
        settings.iter().flat_map(|kept| &kept.exceptions.openers).map(String::as_str).collect();
    // Settings that say nothing of it are none of the service's.
    let exceptions: BTreeSet<(u64, u64, bool)> = settings
        .iter()
        .map(|kept| (kept.exceptions.max_hours, kept.exceptions.review_days, kept.exceptions.overdue_blocks))
        .filter(|(hours, _, _)| *hours > 0)
        .collect();
    let row = |who: &str, shows: Markup, cannot: &str| html! { tr { th scope="row" { (who) } td { (shows) } td { (cannot) } } };
    html! {
        table.environment {
            thead { tr { th scope="col" { "Who may" } th scope="col" { "What the record shows" } th scope="col" { "What it cannot show" } } }
            tbody {
                (row("push", html! {
                    "Every push to a pull request that was judged, with the account that GitHub authenticated. "
                    @if let Some((count, (repository, _))) = widest { "At most " (some(count as u64, "account", "accounts")) " could write to one repository (" (repository) "). " }
                    (some(pushed, "change", "changes")) " that reached production came without a pull request."
                }, "Who could have pushed and did not; deploy keys; how access was given and taken outside what webhooks bring."))
                (row("bypass", html! {
                    (some(bypassed, "deployment", "deployments")) " went out under an attempt that was never let through (found afterwards). "
                    "Merges that passed rulesets by are judged like any other: without a review that counts they deny."
                }, "The bypass lists of rulesets: GitHub shows them to nobody but administrators. Whether administrators may pass the environment by."))
                (row("approve", html! {
                    (some(totals.reviewers.len() as u64, "account", "accounts")) " gave approvals that count. Each had write access when it approved, had not contributed, and approved what was merged."
                }, "Whether the reviewer understood the change; whether two people collude."))
                (row("deploy", html! {
                    (some(totals.deployers.len() as u64, "account", "accounts")) " took part in deploying: who started or ran again the run, and who approved its environment. "
                    (some(asks, "environment asks", "environments ask")) " for an approval always."
                }, "Deployments made past GitHub; a job that deploys without naming its environment; who holds the cloud’s own credentials."))
                (row("break the glass", html! {
                    @if openers.is_empty() { "Any person with write access, by a token of their own. " } @else { (openers.into_iter().collect::<Vec<_>>().join(", ")) ". " }
                    @for (hours, days, blocks) in exceptions {
                        "An exception ends after " (some(hours, "hour", "hours")) " at most and is to be reviewed within " (some(days, "day", "days")) " by somebody who had no part in it. "
                        @if blocks { "Overdue reviews hold back other deployments. " }
                    }
                }, "Who else knew the token."))
                (row("change the rules", html! {
                    "Every set of policies and of settings that a decision used is in this bundle, by digest: " (number(told.catalogue.policies.len() as u64)) " and " (number(told.catalogue.settings.len() as u64)) "."
                }, "Who edited the settings file, and who may sign in to the machine that runs the service."))
            }
        }
        p.quiet { "All deviations from this are in sections 8 to 10; what GitHub and the organisation must see to themselves is in section 11. Full lists: " (whole("changes.csv")) ", " (whole("deployments.csv")) "." }
    }
}

fn short(digest: &str) -> &str {
    digest.get(..16).unwrap_or(digest)
}

fn more(all: usize, shown: usize, place: &str) -> Markup {
    let more = all.saturating_sub(shown) as u64;
    html! { @if more > 0 { div.more { "and " (number(more)) " more, in " code { (place) } } } }
}
