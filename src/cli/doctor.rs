//! `countersign doctor`: what is not in place.
//!
//! Invariant: it changes nothing. What holds is told too, so that whoever reads it sees what was looked at.

use super::Exit;
use super::evidence::Format;
use crate::doctor::{self, As, Finding, State};
use crate::github::{App, Client};
use clap::Args;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The settings of the service.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only this repository.
    #[arg(long, value_name = "OWNER/NAME")]
    repo: Option<String>,
    /// A token of somebody who may change rulesets: GitHub shows bypass lists to nobody else.
    #[arg(long, value_name = "TOKEN", env = "GITHUB_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// How to say what was found.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

pub(super) fn doctor(doctor: &Doctor) -> anyhow::Result<Exit> {
    super::runtime()?.block_on(examine(doctor))
}

async fn examine(doctor: &Doctor) -> anyhow::Result<Exit> {
    let settings = super::settings(doctor.config.as_deref())?;
    let app = App::load(&settings.github).and_then(|app| Client::new(&settings.github, Arc::new(app)));
    let person = doctor.token.clone().map(|token| Client::with_token(&settings.github, token)).transpose()?;
    let shown = std::io::stderr().is_terminal();
    let looking = |name: &str, number: usize, all: usize| {
        if shown {
            eprint!("\r\x1b[2K{} of {all}: {name}", number + 1);
        }
    };
    let found = doctor::examine(&settings, &As { app, person }, doctor.repo.as_deref(), looking).await;
    if shown {
        eprint!("\r\x1b[2K");
    }
    let exit = exit(&found);
    match doctor.format {
        Format::Json => say!("{}", serde_json::json!({"in_force": exit == Exit::Done, "findings": found})),
        Format::Human => crate::cli::put(&told(&found)),
    }
    Ok(exit)
}

fn exit(found: &[Finding]) -> Exit {
    let any = |state: State| found.iter().any(|finding| finding.state == state);
    if any(State::Broken) {
        Exit::Deny
    } else if any(State::Unknown) {
        Exit::Undetermined
    } else {
        Exit::Done
    }
}

fn told(found: &[Finding]) -> String {
    let mut text = String::new();
    let mut places: Vec<&str> = Vec::new();
    for finding in found {
        if !places.contains(&finding.place.as_str()) {
            places.push(&finding.place);
        }
    }
    for place in places {
        text.push_str(place);
        text.push('\n');
        let mut here: Vec<&Finding> = found.iter().filter(|finding| finding.place == place).collect();
        // The worst first; else as they were looked at.
        here.sort_by_key(|finding| finding.state);
        for finding in here {
            let word = match finding.state {
                State::Broken => "NOT IN FORCE",
                State::Unknown => "CANNOT TELL",
                State::Weak => "weak",
                State::Holds => "ok",
            };
            let _ = writeln!(text, "  {word:<12}  {} [{}]", finding.what, finding.code);
            if !finding.remedy.is_empty() {
                let _ = writeln!(text, "{:16}{}", "", finding.remedy);
            }
        }
        text.push('\n');
    }
    let count = |state: State| found.iter().filter(|finding| finding.state == state).count();
    let (broken, unknown, weak) = (count(State::Broken), count(State::Unknown), count(State::Weak));
    let _ = match (broken, unknown) {
        (0, 0) => writeln!(text, "The control is in force: {} things hold, {weak} are weak.", count(State::Holds)),
        (0, _) => writeln!(
            text,
            "It cannot be told whether the control is in force: {unknown} things are unseen, {weak} are weak."
        ),
        _ => writeln!(
            text,
            "The control is NOT in force: {broken} things are broken, {unknown} are unseen, {weak} are weak."
        ),
    };
    text
}
