//! `countersign policy`: what the rules demand, in words, and whether a repository's own rules can be used.
//!
//! Invariant: both say what the service would do; neither asks anybody anything.

use super::Exit;
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use countersign_core::policy::{self, Origin, OwnFile, PACKS, Policies};
use std::path::{Path, PathBuf};

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Say in words what a set of packs demands.
    #[command(after_help = "Example: countersign policy explain --pack three-person --pack tested")]
    Explain(Explain),
    /// Check a repository's own rules as the service would: forbids hold, permits are ignored, the rest is a fault.
    #[command(after_help = "Example: countersign policy validate .github/countersign")]
    Validate(Validate),
}

/// `policy explain`
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    packs: Packs,
    /// How to say it.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// `policy validate`
#[derive(Debug, Args)]
pub struct Validate {
    /// Cedar files, or folders of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    packs: Packs,
}

#[derive(Debug, Args)]
struct Packs {
    /// A pack in force; may be given several times.
    #[arg(long = "pack", value_name = "PACK", default_values_t = ["three-person".to_owned()])]
    packs: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Human,
    Json,
}

pub(super) fn run(verb: &Policy) -> anyhow::Result<Exit> {
    match verb {
        Policy::Explain(explain) => Ok(explained(explain)),
        Policy::Validate(validate) => validated(validate),
    }
}

fn explained(explain: &Explain) -> Exit {
    let packs = &explain.packs.packs;
    let policies = match Policies::builtin(packs) {
        Ok(policies) => policies,
        Err(error) => return invalid(&error.to_string()),
    };
    let codes = policy::codes(&policies);
    if let Format::Json = explain.format {
        let rules: Vec<_> = codes
            .iter()
            .map(|code| {
                let origin = match &code.origin {
                    Origin::Rule(file) => file,
                    Origin::Branch(place) => place,
                };
                serde_json::json!({
                    "code": code.code, "denies": code.summary, "remedy": code.remedy, "controls": code.controls,
                    "origin": origin,
                })
            })
            .collect();
        println!("{}", serde_json::json!({"packs": packs, "digest": policies.digest(), "rules": rules}));
        return Exit::Done;
    }
    for pack in PACKS.iter().filter(|pack| packs.iter().any(|named| named == pack.name)) {
        println!("{}: {}.", pack.name, pack.summary);
    }
    println!("\nA change or a deployment is turned away where one of these is so:\n");
    for code in &codes {
        println!("  {}\n    {}.\n    What to do: {}.", code.code, code.summary, code.remedy);
    }
    println!("\ndigest {}", policies.digest());
    Exit::Done
}

fn validated(validate: &Validate) -> anyhow::Result<Exit> {
    let mut files = Vec::new();
    for path in &validate.paths {
        read(path, &mut files)?;
    }
    let (policies, rules) = match Policies::with_own(&validate.packs.packs, &files) {
        Ok(found) => found,
        Err(error) => return Ok(invalid(&error.to_string())),
    };
    for ignored in &rules.ignored {
        eprintln!("{ignored}: a permit is ignored, since a repository can only be stricter");
    }
    for fault in &rules.faults {
        eprintln!("{fault}");
    }
    if !rules.faults.is_empty() {
        return Ok(invalid("these rules would make every outcome undetermined"));
    }
    println!("{} rules in force, digest {}", policies.words().len(), policies.digest());
    Ok(Exit::Done)
}

fn read(path: &Path, files: &mut Vec<OwnFile>) -> anyhow::Result<()> {
    let unreadable = || format!("`{}` cannot be read", path.display());
    if path.is_dir() {
        let mut inside: Vec<PathBuf> = std::fs::read_dir(path)
            .with_context(unreadable)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()
            .with_context(unreadable)?;
        inside.retain(|file| file.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("cedar")));
        inside.sort();
        return inside.iter().try_for_each(|file| read(file, files));
    }
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    files.push(OwnFile { name, text: std::fs::read_to_string(path).with_context(unreadable)? });
    Ok(())
}

fn invalid(why: &str) -> Exit {
    eprintln!("countersign: {why}");
    Exit::Invalid
}
