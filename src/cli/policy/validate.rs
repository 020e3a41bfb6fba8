//! `countersign policy validate`: whether rules can be used, and for each that cannot, the place and what to do.
//!
//! Invariant: what is accepted here the service accepts, and what the service would call a fault is shown here.

use super::{Exit, Format, Packs, files_of, invalid};
use anyhow::Context;
use clap::Args;
use countersign_core::policy::{OwnFile, Policies, PolicyError, Problem};
use miette::{GraphicalReportHandler, LabeledSpan, MietteDiagnostic, NamedSource, Report};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `policy validate`
#[derive(Debug, Args)]
pub struct Validate {
    /// Cedar files, or folders of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    packs: Packs,
    /// Take the files for a pack: a policy by itself, one rule per file, each with all its words; permits hold.
    #[arg(long)]
    as_pack: bool,
    /// How to say it.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// What was found.
struct Found {
    /// The rules that could be used, where all of them can.
    policies: Option<Policies>,
    ignored: Vec<String>,
    problems: Vec<Problem>,
}

/// A file as it was read.
struct Read {
    /// As it was named on the command line.
    path: String,
    own: OwnFile,
}

pub(super) fn validated(validate: &Validate) -> anyhow::Result<Exit> {
    let read = read(&validate.paths)?;
    if read.is_empty() {
        return Ok(invalid("there is no Cedar file among these: nothing was checked"));
    }
    let found = if validate.as_pack { by_themselves(&read) } else { beside(&validate.packs.packs, &read) };
    let found = match found {
        Ok(found) => found,
        Err(error) => return Ok(invalid(&error.to_string())),
    };
    match validate.format {
        Format::Human => say(&found, &read)?,
        Format::Json => say!("{}", as_json(&found, &read)),
    }
    Ok(if found.problems.is_empty() { Exit::Done } else { Exit::Invalid })
}

fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Read>> {
    let files = files_of(paths, "cedar")?;
    let read = |file: &PathBuf| {
        let path = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| format!("`{path}` cannot be read"))?;
        let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Read { path, own: OwnFile { name, text } })
    };
    files.iter().map(read).collect()
}

/// A repository's own rules, beside the packs.
fn beside(packs: &[String], read: &[Read]) -> Result<Found, PolicyError> {
    let own: Vec<OwnFile> = read.iter().map(|read| read.own.clone()).collect();
    let (policies, ignored, problems) = Policies::lay_beside(packs, &own)?;
    Ok(Found { policies: Some(policies), ignored, problems })
}

/// The rules of a pack.
fn by_themselves(read: &[Read]) -> Result<Found, PolicyError> {
    let files: BTreeMap<String, String> = read.iter().map(|read| (read.path.clone(), read.own.text.clone())).collect();
    match Policies::parse_built_in_schema(&files) {
        Ok(policies) => Ok(Found { policies: Some(policies), ignored: Vec::new(), problems: Vec::new() }),
        Err(PolicyError::Invalid(problems)) => Ok(Found { policies: None, ignored: Vec::new(), problems }),
        Err(error) => Err(error),
    }
}

/// The file that a problem is in.
fn of<'r>(problem: &Problem, read: &'r [Read]) -> Option<&'r Read> {
    read.iter().find(|read| read.path == problem.file).or_else(|| read.iter().find(|it| it.own.name == problem.file))
}

fn say(found: &Found, read: &[Read]) -> anyhow::Result<()> {
    for ignored in &found.ignored {
        eprintln!("{ignored}: a permit is ignored, since a repository can only be stricter");
    }
    for problem in &found.problems {
        eprintln!("{}", report(problem, of(problem, read))?);
    }
    match (&found.policies, found.problems.len()) {
        (Some(policies), 0) => say!("{} rules in force, digest {}", policies.words().len(), policies.digest()),
        (_, 1) => drop(invalid("with this fault every outcome would be undetermined")),
        (_, faults) => drop(invalid(&format!("with these {faults} faults every outcome would be undetermined"))),
    }
    Ok(())
}

/// A problem with the lines it is in, the place underlined.
fn report(problem: &Problem, read: Option<&Read>) -> anyhow::Result<String> {
    let mut shown = MietteDiagnostic::new(problem.message.clone());
    shown.help.clone_from(&problem.help);
    let (from, to) = problem.span;
    if from < to {
        shown = shown.with_label(LabeledSpan::new(problem.label.clone(), from, to - from));
    }
    let mut text = String::new();
    let handler = GraphicalReportHandler::new();
    match read {
        Some(read) if from < to => {
            let source = NamedSource::new(&read.path, read.own.text.clone());
            handler.render_report(&mut text, Report::from(shown).with_source_code(source).as_ref())?;
        }
        _ => {
            shown.message = format!("{}: {}", read.map_or(problem.file.as_str(), |read| &read.path), shown.message);
            handler.render_report(&mut text, Report::from(shown).as_ref())?;
        }
    }
    Ok(text)
}

fn as_json(found: &Found, read: &[Read]) -> serde_json::Value {
    let problems = found.problems.iter().map(|problem| {
        let file = of(problem, read);
        let before = file.and_then(|file| file.own.text.get(..problem.span.0)).unwrap_or_default();
        let column = 1 + before.chars().rev().take_while(|letter| *letter != '\n').count();
        serde_json::json!({
            "file": file.map_or(&problem.file, |file| &file.path), "line": problem.line, "column": column,
            "start": problem.span.0, "end": problem.span.1, "message": problem.message, "help": problem.help,
        })
    });
    let usable = found.policies.as_ref().filter(|_| found.problems.is_empty());
    serde_json::json!({
        "valid": found.problems.is_empty(),
        "rules": usable.map(|policies| policies.words().len()),
        "digest": usable.map(Policies::digest),
        "ignored": found.ignored,
        "problems": problems.collect::<Vec<_>>(),
    })
}
