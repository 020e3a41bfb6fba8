//! What a person types. One file per verb; exit codes are documented here and nowhere else.
//!
//! Invariant: data goes to stdout, everything else to stderr.

/// Prints a line of data.
macro_rules! say {
    ($($argument:tt)*) => { $crate::cli::put(&format!("{}\n", format_args!($($argument)*))) };
}

mod afar;
mod audit;
mod backfill;
mod baseline;
mod check;
mod doctor;
mod evidence;
mod exception;
pub mod gate;
mod healthcheck;
mod policy;
mod progress;
mod reconcile;
mod serve;

use crate::settings::{Settings, SettingsError};
use clap::{Parser, Subcommand};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit codes, as `--help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Allowed, or done.
    Done = 0,
    /// Something went wrong.
    Error = 1,
    /// Denied, or a bundle that does not verify.
    Deny = 2,
    /// Settings or policies are invalid.
    Invalid = 3,
    /// The facts are incomplete: cannot tell.
    Undetermined = 4,
    /// Something is still to come.
    Pending = 5,
}

/// Nothing reaches production unless three different people stood behind it.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  allowed, or done
  1  an error
  2  denied; evidence that does not verify
  3  settings or policies are invalid
  4  undetermined: the facts are incomplete
  5  pending: something is still to come";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the service.
    #[command(after_help = "Example: countersign serve --config countersign.toml")]
    Serve {
        /// The settings; without it, defaults and the environment.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Ask the service on this machine whether it is ready.
    #[command(after_help = "Example: countersign healthcheck --config countersign.toml")]
    Healthcheck {
        /// The settings that the service was started with.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Judge one pull request now, with a token, and explain.
    #[command(after_help = "Example: GITHUB_TOKEN=… countersign check --repo acme/shop --pr 7")]
    Check(check::Check),
    /// Look back: every change deployed in a period, and what would have been said of it.
    #[command(
        after_help = "Example: GITHUB_TOKEN=… countersign audit --repo acme/shop --environment production --since 2026-01-01\n\nExit codes: 0 all of it would have gone out, 2 something would have been blocked, 4 something cannot be told, 5 stopped\nbefore GitHub's rate limit with what was done kept: run the same again"
    )]
    Audit(Box<audit::Audit>),
    /// Put the deployments of a time before the service was there on its ledger, marked as judged afterwards.
    #[command(
        after_help = "Example: countersign backfill --config countersign.toml --repo acme/shop --since 2026-01-01"
    )]
    Backfill(Box<backfill::Backfill>),
    /// Propose the `[[baseline]]` of the settings: what runs in an environment now.
    #[command(after_help = "Example: GITHUB_TOKEN=… countersign baseline --repo acme/shop --environment production")]
    Baseline(baseline::Baseline),
    /// Ask whether this job may deploy: what the Action runs.
    #[command(
        after_help = "Example: countersign gate --server https://countersign.example.com --environment production"
    )]
    Gate(Box<gate::Gate>),
    /// Say what is not in place: App, required check, environments, workflows, clock, database.
    #[command(
        after_help = "Example: countersign doctor --config countersign.toml\n\nExit codes: 0 the control is in force, 2 it is not somewhere, 4 something cannot be told"
    )]
    Doctor(doctor::Doctor),
    /// Explain the rules, and check a repository's own.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Break the glass, and review who did.
    #[command(subcommand)]
    Exception(exception::ExceptionVerb),
    /// Export and verify evidence.
    #[command(subcommand)]
    Evidence(evidence::Evidence),
}

/// Runs the program.
pub fn run(arguments: Arguments) -> ExitCode {
    let result = match arguments.verb {
        Verb::Serve { config } => serve::serve(config.as_deref()),
        Verb::Healthcheck { config } => healthcheck::healthcheck(config.as_deref()),
        Verb::Check(check) => check::check(&check),
        Verb::Audit(audit) => audit::audit(&audit),
        Verb::Backfill(backfill) => backfill::backfill(&backfill),
        Verb::Baseline(baseline) => baseline::baseline(&baseline),
        Verb::Gate(gate) => gate::gate(&gate),
        Verb::Doctor(doctor) => doctor::doctor(&doctor),
        Verb::Policy(verb) => policy::run(&verb),
        Verb::Exception(verb) => exception::run(verb),
        Verb::Evidence(verb) => evidence::run(verb),
    };
    let exit = match result {
        Ok(exit) => exit,
        Err(error) => report(&error),
    };
    ExitCode::from(exit as u8)
}

fn report(error: &anyhow::Error) -> Exit {
    if let Some(settings) = error.downcast_ref::<SettingsError>() {
        let mut text = String::new();
        let handler = miette::GraphicalReportHandler::new();
        if handler.render_report(&mut text, settings).is_err() {
            text = settings.to_string();
        }
        eprintln!("{text}");
        return Exit::Invalid;
    }
    eprintln!("countersign: {error:#}");
    Exit::Error
}

/// Prints data. Whoever reads it may have seen enough: what it came to is told by the exit code all the same.
fn put(text: &str) {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => {
            eprintln!("countersign: nothing can be printed: {error}");
            std::process::exit(Exit::Error as i32);
        }
    }
}

fn settings(config: Option<&std::path::Path>) -> Result<Settings, SettingsError> {
    Settings::load(config, std::env::vars())
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
