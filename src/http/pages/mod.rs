//! Pages for people: what was allowed, what was blocked, and why.
//!
//! Invariant: rendered on the server, without a script, from the same record that programs read. Text from outside is
//! escaped by the template engine; nothing here is put together by hand. Next: [`overview`], [`decision`], [`change`].

mod change;
mod decision;
mod overview;

pub use change::change;
pub use decision::decision;
pub use overview::overview;

use super::Doors;
use crate::evidence::words;
use countersign_core::domain::{Account, ChangeName, CommitSha, Outcome, Reason, Verdict};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");

fn page(title: &str, body: &Markup) -> Markup {
    page_with(title, "", body)
}

/// A page with a style of its own beside that of all.
fn page_with(title: &str, style: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Countersign" }
                style { (PreEscaped(STYLE)) (PreEscaped(style)) }
            }
            body {
                a.skip href="#main" { "To the content" }
                header { a.home href="/" { "Countersign" } span.motto { "one wrote it, another reviewed it, a third deploys it" } }
                main #main { (body) }
                footer {
                    "Every decision is an entry in an append-only ledger: "
                    a href="/api/v1/ledger/checkpoint" { "signed checkpoint" } ", "
                    a href="/api/v1/ledger/key" { "its key" } "."
                }
            }
        }
    }
}

/// What is judged; the same outcome has another name for each.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Change,
    Attempt,
}

fn badge(outcome: &str, of: Of) -> Markup {
    let word = match (outcome, of) {
        ("allow", Of::Change) => "compliant",
        ("deny", Of::Change) => "violation",
        ("allow", Of::Attempt) => "allowed",
        ("deny", Of::Attempt) => "blocked",
        ("undetermined", _) => "cannot tell",
        ("pending", _) => "waiting",
        (other, _) => other,
    };
    html! { span class={ "badge " (outcome) } { (word) } }
}

fn at(account: &Account) -> Markup {
    html! { span.account title={ "account " (account.id) } { "@" (account.login) } }
}

fn accounts<'a>(list: impl IntoIterator<Item = &'a Account>) -> Markup {
    let list: Vec<&Account> = list.into_iter().collect();
    html! {
        @if list.is_empty() { span.none { "nobody" } }
        @for (place, account) in list.iter().enumerate() {
            @if place > 0 { @if place + 1 == list.len() { " and " } @else { ", " } }
            (at(account))
        }
    }
}

fn moment(time: &str) -> Markup {
    let short = time.get(..16).unwrap_or(time).replace('T', " ");
    html! { time datetime=(time) { (short) " UTC" } }
}

fn reasons(list: &[Reason]) -> Markup {
    html! {
        @if !list.is_empty() {
            ul.reasons { @for reason in list {
                li class=[reason.to_come.then_some("to-come")] {
                    p { (words(&reason.text)) "." " " code.code { (reason.code) } }
                    @if !reason.remedy.is_empty() { p.quiet { (words(&reason.remedy)) "." } }
                }
            } }
        }
    }
}

/// Who could deploy it instead, and how far those who deploy could go.
fn way_out(verdict: &Verdict) -> Markup {
    let ends = |commit: &CommitSha| verdict.changes.iter().find(|change| change.commit == *commit);
    html! {
        @if verdict.can_deploy.is_empty() { "Nobody could deploy all of it as it stands." }
        @else { "Could deploy it: " (accounts(&verdict.can_deploy)) "." }
        @if let Some(up_to) = &verdict.up_to {
            " " (accounts(verdict.deployers.iter().map(|deployer| &deployer.account)))
            " could deploy everything up to "
            @if let Some(change) = ends(up_to) { @if let ChangeName::PullRequest(_) = change.change { (change.change) ", " } }
            code { (up_to.short()) } "."
        }
    }
}

/// Whether there is anything to say about a way out.
fn is_stopped(outcome: Outcome) -> bool {
    outcome != Outcome::Allow
}

/// Where a change has its page.
fn change_address(repository: &str, change: &ChangeName) -> String {
    match change {
        ChangeName::PullRequest(number) => format!("/changes/{repository}/{number}"),
        ChangeName::Commit(sha) => format!("/changes/{repository}/{sha}"),
    }
}

/// Addresses on GitHub.
struct Links<'a> {
    web: &'a str,
    repository: &'a str,
}

impl<'a> Links<'a> {
    fn new(doors: &'a Doors, repository: &'a str) -> Self {
        Self { web: doors.settings.github.web_url.trim_end_matches('/'), repository }
    }

    fn commit(&self, commit: &CommitSha) -> Markup {
        let is_id = commit.as_str().bytes().all(|byte| byte.is_ascii_hexdigit());
        html! {
            @if is_id { a.commit href=(self.address(&format!("commit/{commit}"))) { code { (commit.short()) } } }
            @else { code { (commit.short()) } }
        }
    }

    fn address(&self, place: &str) -> String {
        format!("{}/{}/{place}", self.web, self.repository)
    }
}
