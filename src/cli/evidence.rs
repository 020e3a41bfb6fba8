//! `countersign evidence`: what an auditor takes away, and how it is checked.

use super::Exit;
use crate::evidence::population::Period;
use crate::evidence::{Draw, sample};
use crate::evidence::{EvidenceError, Request, Signer as SignedBy, Trust, export, verify};
use crate::store::Store;
use crate::store::record::spelled;
use crate::store::signing::Signer;
use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use countersign_core::domain::RepositoryId;
use countersign_core::ledger::checkpoint::Checkpoint;
use countersign_core::ledger::note::{Note, VerifyingKey};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Debug, Subcommand)]
pub(super) enum Evidence {
    /// Write a bundle: entries, their place in the ledger, policies and settings, a signed manifest.
    #[command(after_help = "Example: countersign evidence export --config countersign.toml --out bundle")]
    Export {
        /// The settings of the service whose ledger it is.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The directory to write; it must not exist yet, or be empty.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Entries from this time on, RFC 3339, UTC.
        #[arg(long, value_name = "TIME", requires = "to")]
        from: Option<String>,
        /// Entries before this time, RFC 3339, UTC.
        #[arg(long, value_name = "TIME", requires = "from")]
        to: Option<String>,
        /// Only entries of this repository, by id; others appear as hashes. May be given several times.
        #[arg(long, value_name = "ID")]
        repository: Vec<u64>,
        /// An older checkpoint that the bundle shall be comparable with.
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// How to say what was done.
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Draw a sample of the changes in a bundle, so that anybody draws the same again; a change ticket for each.
    #[command(
        after_help = "Example: countersign evidence sample bundle --seed 2026-Q3 --size 25 --stratify --out sample"
    )]
    Sample {
        /// The directory of the bundle; it is verified first.
        #[arg(value_name = "BUNDLE")]
        bundle: PathBuf,
        /// The ledger's key. May be given several times.
        #[arg(long, value_name = "VKEY")]
        key: Vec<String>,
        /// The seed, to be written down in the workpaper.
        #[arg(long)]
        seed: String,
        /// How many changes.
        #[arg(long, default_value_t = 25)]
        size: usize,
        /// Draw from every repository, environment and outcome in turn.
        #[arg(long)]
        stratify: bool,
        /// The directory for the tickets; it must not exist yet, or be empty.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// How to say what was drawn.
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Check a bundle. Needs no network and no database, and believes nothing that a signature does not lead to.
    #[command(
        after_help = "Example: countersign evidence verify bundle --key \"$(curl -s https://countersign.example.com/api/v1/ledger/key)\""
    )]
    Verify {
        /// The directory of the bundle.
        #[arg(value_name = "BUNDLE")]
        bundle: PathBuf,
        /// The ledger's key, as `GET /api/v1/ledger/key` gives it. May be given several times.
        #[arg(long, value_name = "VKEY")]
        key: Vec<String>,
        /// A checkpoint kept from earlier, which this ledger must continue.
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// How to say what was found.
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Human,
    Json,
}

pub(super) fn run(verb: Evidence) -> anyhow::Result<Exit> {
    match verb {
        Evidence::Export { config, out, from, to, repository, against, format } => {
            let wanted = Wanted { between: from.zip(to), repository, against };
            super::runtime()?.block_on(write(config.as_deref(), &out, wanted, format))
        }
        Evidence::Sample { bundle, key, seed, size, stratify, out, format } => {
            let keys = key.iter().map(|key| VerifyingKey::parse(key.trim())).collect::<Result<Vec<_>, _>>()?;
            match verify(&bundle, &Trust { keys: &keys, older: None }) {
                Err(error) if error.is_finding() => {
                    println!("does not hold: {error}");
                    return Ok(Exit::Deny);
                }
                verified => verified?,
            };
            let drawn = sample(&bundle, &keys, &Draw { seed, size, stratify }, &out)?;
            if format == Format::Json {
                println!("{}", serde_json::to_string(&drawn)?);
            } else {
                println!("seed {}: {} of {} changes", drawn.seed, drawn.items.len(), drawn.population);
                for item in &drawn.items {
                    let (repository, change, outcome) = (&item.repository, &item.change, &item.outcome);
                    println!("{} {repository} {change} to {}: {outcome}", item.ticket, item.environment);
                }
                if key.is_empty() {
                    println!("UNPROVED: no key was given, so anybody may have made this bundle");
                }
            }
            Ok(Exit::Done)
        }
        Evidence::Verify { bundle, key, against, format } => check(&bundle, &key, against.as_deref(), format),
    }
}

/// A time as entries spell it: theirs are compared byte by byte.
fn moment(text: &str) -> anyhow::Result<String> {
    let moment = OffsetDateTime::parse(text, &Rfc3339);
    Ok(spelled(moment.with_context(|| format!("`{text}` is no time: write 2026-01-31T00:00:00Z"))?))
}

struct Wanted {
    between: Option<(String, String)>,
    repository: Vec<u64>,
    against: Option<PathBuf>,
}

async fn write(config: Option<&Path>, out: &Path, wanted: Wanted, format: Format) -> anyhow::Result<Exit> {
    let settings = super::settings(config)?;
    let signer = Signer::open(&settings.ledger)?;
    let store = Store::attach(&settings.storage.url).await.context("the database cannot be opened")?;
    let period = wanted.between.as_ref().map(|(from, to)| anyhow::Ok(Period { from: moment(from)?, to: moment(to)? }));
    let period: Option<Period> = period.transpose()?;
    let range = match &period {
        Some(Period { from, to }) => {
            let range = store.positions_between(from, to).await?;
            let range = range.with_context(|| format!("no entry between {from} and {to}"))?;
            Some(store.with_their_decisions(range).await?)
        }
        None => None,
    };
    let older = match &wanted.against {
        Some(path) => Some(Checkpoint::parse(Note::parse(&read(path)?)?.unproved_text())?.size),
        None => None,
    };
    let repositories: BTreeSet<RepositoryId> = wanted.repository.into_iter().map(RepositoryId).collect();
    let repositories = (!repositories.is_empty()).then_some(repositories);
    let request = Request { range, period, repositories, older, key: signer.key() };
    let exported = export(&store, &request, out).await?;
    match format {
        Format::Json => println!("{}", serde_json::to_string(&exported)?),
        Format::Human => println!(
            "{}: entries {} to {} of {}, {} files\nroot {}\ncheck it with: countersign evidence verify {} --key '{}'",
            out.display(),
            exported.from,
            exported.to,
            exported.size,
            exported.files,
            exported.root,
            out.display(),
            signer.verifying_key(),
        ),
    }
    Ok(Exit::Done)
}

fn check(bundle: &Path, keys: &[String], against: Option<&Path>, format: Format) -> anyhow::Result<Exit> {
    let keys = keys.iter().map(|key| VerifyingKey::parse(key.trim())).collect::<Result<Vec<_>, _>>()?;
    let older = against.map(read).transpose()?;
    match verify(bundle, &Trust { keys: &keys, older: older.as_deref() }) {
        Ok(verified) if format == Format::Json => println!("{}", serde_json::to_string(&verified)?),
        Ok(verified) => {
            println!(
                "holds: {} entries of {} ({} as hashes only), {} decisions made again with the same verdict",
                verified.to - verified.from,
                verified.size,
                verified.left_out,
                verified.decisions
            );
            println!("root {}", verified.root);
            match &verified.signer {
                SignedBy::Proved { name } => println!("signed by {name}"),
                SignedBy::Unproved => println!("UNPROVED: no key was given, so anybody may have made this bundle"),
            }
        }
        Err(error) if error.is_finding() => {
            match format {
                Format::Json => println!("{}", finding(&error)),
                Format::Human => println!("does not hold: {error}"),
            }
            return Ok(Exit::Deny);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Exit::Done)
}

fn finding(error: &EvidenceError) -> String {
    serde_json::json!({"holds": false, "wrong": error.to_string()}).to_string()
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))
}
