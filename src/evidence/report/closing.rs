//! How the report ends: what others must do, what cannot be seen, and what the words mean.
//!
//! Invariant: limitations are stated plainly, and nothing pretends otherwise.

use super::{Told, whole};
use maud::{Markup, html};

/// Controls that this one needs beside it.
pub(super) fn complementary() -> Markup {
    html! {
        p { "The control rests on others that this report does not test." }
        h3 { "Of GitHub, the subservice organisation" }
        p { "Carved out: see GitHub’s own SOC reports." }
        ul {
            li { "Accounts are authenticated; sessions and tokens are protected; who pushed, reviewed, merged and ran is recorded truthfully and shown by the API." }
            li { "Git objects are kept as pushed: a commit’s id stands for its content." }
            li { "Rulesets, required checks and environment rules are enforced as configured." }
            li { "Workflow runs are isolated from each other; OIDC tokens say truthfully which run asked." }
            li { "Webhooks are delivered, or can be asked for again for three days." }
        }
        h3 { "Of the organisation" }
        ul {
            li { "Each account on GitHub belongs to one person, with multi-factor authentication; joiners, movers and leavers are handled; people with several accounts are named in the settings." }
            li { "Teams and roles are reviewed: write access to production repositories is given to those who need it." }
            li { "The check “Countersign” is required from this App on each production branch, and the App is a protection rule of each production environment; bypass lists are short and reviewed." }
            li { "Whoever may change workflow files, rulesets or the service’s settings is watched; settings are changed with a second person’s review." }
            li { "Production credentials are reachable only from environments in scope: no console, no long-lived key goes round them." }
            li { "The ledger’s key is kept apart from the database, and checkpoints are published where the operator cannot rewrite them." }
            li { "Exceptions are reviewed in time by people who had no part in them, and deviations in this report are followed up." }
            li { "Each deploying job names its environment and runs the Countersign Action before the deploying step, so that re-runs of failed jobs are asked about too." }
        }
    }
}

/// What the record cannot show.
pub(super) fn limitations(told: &Told<'_>) -> Markup {
    html! {
        ul {
            li { b { "Two people who collude" } " look like two people who agree." }
            li { b { "Changes past GitHub" } " are not seen: consoles, " code { "kubectl" } ", hand-edited servers, feature flags, data fixes." }
            li { b { "A job that deploys without naming an environment" } " asks nobody. Secrets that reach such jobs are for the organisation to control." }
            li { b { "Secrets and settings swapped on GitHub" } " leave no entry here." }
            li { b { "GitHub’s own word" } " is believed: who pushed, who reviewed, who ran." }
            li { b { "An administrator of the database who also holds the signing key" } " can rewrite what nobody else has seen yet: everything after the last root that was published or kept. What came before is caught by " code { "--against" } "." }
            li { b { "The quality of a review" } " is not judged: only that somebody else gave it, on what was merged." }
            li { b { "Times" } " are those of the service’s clock, but for when a change landed and when a job ended, which are GitHub’s. They are for people: nothing is decided by comparing them. Whoever runs the service can set its clock; that it went back is a window of its own in section 10, and heads that others saw (" code { "--seen" } ", witnesses) say what had been recorded when." }
            li { b { "The changes of a deployment that nobody asked about" } " are not told apart here; they are compared again by the next deployment that is." }
            @if told.left_out > 0 { li { b { "Other repositories" } " were left out of this bundle: it proves how many entries are left out, and says nothing of them. Entries of a repository are numbered, so none is missing between two that are here; that none of the chosen repositories comes before the first or after the last is the operator’s word, unless the whole ledger is handed over." } }
        }
        p { "The design of the control is in the product’s documentation; this report is evidence of its operation. It is no opinion of a service auditor, and replaces none." }
    }
}

/// The last words.
pub(super) fn colophon(told: &Told<'_>) -> Markup {
    html! {
        p { "The bundle also has " (whole("workbook.xlsx")) " (the population as a workpaper), " (whole("changes.csv")) ", " (whole("commits.csv")) ", " (whole("deployments.csv")) ", "
            (whole("exceptions.csv")) ", " (whole("gaps.csv")) ", " (whole("oscal-assessment-results.json")) ", " (whole("attestations/"))
            ", and what all of it follows from: " (whole("entries.jsonl")) ", " (whole("policies/")) ", " (whole("settings/")) "." }
        p { b { "Change" } ": what lands on the production branch as one unit. " b { "Attempt" } ": one run, in one attempt, that asked to deploy to one environment. "
            b { "Contributor" } ": whoever opened, wrote, committed, co-authored or pushed any of it, or answers for automation that did. "
            b { "Approval that counts" } ": of a person with write access who did not contribute, of what was merged, not withdrawn. "
            b { "Undetermined" } ": the facts were incomplete; it blocks." }
        p.quiet { "Written by " @for (place, tool) in told.seen.tools.keys().enumerate() { @if place > 0 { ", " } (tool) } @if told.seen.tools.is_empty() { "countersign" } "." }
    }
}
