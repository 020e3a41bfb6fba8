//! `countersign evidence`: what an auditor takes away, and how it is checked.

mod report;

use super::Exit;
use super::progress::Bar;
use crate::evidence::bundle::address_of_pages;
use crate::evidence::population::Period;
use crate::evidence::progress::Watched;
use crate::evidence::wanted;
use crate::evidence::{Draw, sample};
use crate::evidence::{EvidenceError, Head, Request, Signer as SignedBy, Trust, Verified, Wanted, export, verify};
use crate::store::Store;
use crate::store::record::spelled;
use crate::store::signing::Signer;
use crate::witness::Witnesses;
use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use countersign_core::ledger::checkpoint::Checkpoint;
use countersign_core::ledger::note::{Note, VerifyingKey};
use countersign_core::ledger::{Hash, WitnessKey};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::OffsetDateTime;

#[derive(Debug, Subcommand)]
pub(super) enum Evidence {
    /// Write a bundle: entries, their place in the ledger, policies and settings, tables, a signed manifest.
    #[command(
        after_help = "Example: countersign evidence export --config countersign.toml --from 2026-01-01T00:00:00Z --to 2026-04-01T00:00:00Z --repo acme/shop --out 2026-Q1.zip"
    )]
    Export {
        /// The settings of the service whose ledger it is.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The directory to write, or the archive where the name ends in `.zip`; it must not exist yet.
        #[arg(long, value_name = "DIR|FILE.zip")]
        out: PathBuf,
        /// What was recorded from this time on, RFC 3339; a day alone, 2026-01-31, is its beginning in UTC.
        #[arg(long, value_name = "TIME", requires = "to")]
        from: Option<String>,
        /// What was recorded before this time, which is not part of the period any more; a day alone is its beginning in
        /// UTC, so that day is left out. A time ahead is cut off now: nothing can be told of it.
        #[arg(long, value_name = "TIME", requires = "from")]
        to: Option<String>,
        /// Only entries of this repository, `owner/name` or its id; others appear as hashes, and nobody can see of a hash
        /// whose it is. May be given several times.
        #[arg(long, alias = "repository", value_name = "REPO")]
        repo: Vec<String>,
        /// An older checkpoint that the bundle shall be comparable with.
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// The same, as size and root seen elsewhere.
        #[arg(long, value_name = "SIZE:ROOT", conflicts_with = "against")]
        seen: Option<String>,
        /// How to say what was done.
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Draw a sample of the changes in a bundle, so that anybody draws the same again; a change ticket for each.
    #[command(
        after_help = "Example: countersign evidence sample bundle --seed 2026-Q3 --size 25 --stratify --out sample"
    )]
    Sample {
        /// The bundle, a directory or an archive; it is verified first.
        #[arg(value_name = "BUNDLE")]
        bundle: PathBuf,
        /// The ledger's key. May be given several times.
        #[arg(long, value_name = "VKEY")]
        key: Vec<String>,
        /// The seed, to be written down in the workpaper.
        #[arg(long)]
        seed: String,
        /// How many changes; one at least.
        #[arg(long, default_value = "25")]
        size: std::num::NonZeroUsize,
        /// Draw from every repository, environment and outcome in turn.
        #[arg(long)]
        stratify: bool,
        /// The directory for the tickets and their list, sample.csv; it must not exist yet, or be empty.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// How to say what was drawn.
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Repeat the count of a bundle's population on a clone, without GitHub and without us.
    #[command(
        after_help = "Example: countersign evidence reconcile bundle --git shop --branch main --deployments deployments.json"
    )]
    Reconcile(super::reconcile::Reconcile),
    /// Take the report out of a bundle, or print it as a PDF.
    #[command(after_help = "Example: countersign evidence report bundle --key \"$KEY\" --out report.pdf --pdf")]
    Report(report::Report),
    /// Check a bundle. Needs no network and no database, and believes nothing that a signature does not lead to.
    #[command(
        after_help = "Example: countersign evidence verify bundle --key \"$(curl -fsH \"Authorization: Bearer $READER\" https://countersign.example.com/api/v1/ledger/key)\""
    )]
    Verify {
        /// The bundle, a directory or an archive.
        #[arg(value_name = "BUNDLE")]
        bundle: PathBuf,
        /// The ledger's key, as `GET /api/v1/ledger/key` gives it, of any time: those that follow or came before are found
        /// from it. May be given several times.
        #[arg(long, value_name = "VKEY")]
        key: Vec<String>,
        /// A checkpoint kept from earlier, which this ledger must continue.
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// A head seen elsewhere, which this ledger must continue: a check run that Countersign published names both. May be
        /// given several times.
        #[arg(long, value_name = "SIZE:ROOT")]
        seen: Vec<String>,
        /// The key of a witness that must have cosigned the bundle's head. May be given several times.
        #[arg(long, value_name = "VKEY")]
        witness: Vec<String>,
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
        Evidence::Export { config, out, from, to, repo, against, seen, format } => {
            let period = from.zip(to).map(|(from, to)| anyhow::Ok(Period { from: moment(&from)?, to: moment(&to)? }));
            let wanted = Wanted { period: period.transpose()?, repositories: repo };
            let older = match (against, seen) {
                (Some(path), _) => Some(Checkpoint::parse(Note::parse(&read(&path)?)?.unproved_text())?.size),
                (None, Some(seen)) => Some(head(&seen)?.size),
                (None, None) => None,
            };
            super::runtime()?.block_on(write(config.as_deref(), &out, wanted, older, format))
        }
        Evidence::Sample { bundle, key, seed, size, stratify, out, format } => {
            let keys = key.iter().map(|key| VerifyingKey::parse(key.trim())).collect::<Result<Vec<_>, _>>()?;
            match verify(&bundle, &Trust { keys: &keys, ..Trust::default() }) {
                Err(error) if error.is_finding() => {
                    say!("does not hold: {error}");
                    return Ok(Exit::Deny);
                }
                verified => verified?,
            };
            let drawn = sample(&bundle, &keys, &Draw { seed, size: size.get(), stratify }, &out)?;
            if format == Format::Json {
                say!("{}", serde_json::to_string(&drawn)?);
            } else {
                say!("seed {}: {} of {} changes", drawn.seed, drawn.items.len(), drawn.population);
                for item in &drawn.items {
                    let (repository, change, outcome) = (&item.repository, &item.change, &item.outcome);
                    say!("{} {repository} {change} to {}: {outcome}", item.ticket, item.environment);
                }
                if key.is_empty() {
                    say!("UNPROVED: no key was given, so anybody may have made this bundle");
                }
            }
            Ok(Exit::Done)
        }
        Evidence::Verify { bundle, key, against, seen, witness, format } => {
            let keys = key.iter().map(|key| VerifyingKey::parse(key.trim())).collect::<Result<Vec<_>, _>>()?;
            let witnesses = witness.iter().map(|key| WitnessKey::parse(key.trim())).collect::<Result<Vec<_>, _>>()?;
            let seen = seen.iter().map(|seen| head(seen)).collect::<Result<Vec<_>, _>>()?;
            let older = against.as_deref().map(read).transpose()?;
            let bar = Bar::begin();
            let progress = Watched(Some(bar.progress()));
            let trust = Trust { keys: &keys, older: older.as_deref(), seen: &seen, witnesses: &witnesses, progress };
            let verified = verify(&bundle, &trust);
            drop(bar);
            told(verified, format)
        }
        Evidence::Reconcile(asked) => super::reconcile::run(&asked),
        Evidence::Report(asked) => report::run(&asked),
    }
}

/// A time as entries spell it: theirs are compared byte by byte.
fn moment(text: &str) -> anyhow::Result<String> {
    wanted::moment(text).with_context(|| format!("`{text}` is no time: write 2026-01-31T00:00:00Z, or 2026-01-31"))
}

/// A head as check runs spell it: size and root.
fn head(text: &str) -> anyhow::Result<Head> {
    let head = text.split_once(':').and_then(|(size, root)| {
        let root = root.trim();
        let root = Hash::from_hex(&root.to_ascii_lowercase()).or_else(|| Hash::from_base64(root))?;
        Some(Head { size: size.trim().parse().ok()?, root })
    });
    head.with_context(|| {
        format!(
            "`{text}` is no head: write the size, a colon and the root, in hexadecimal or in base64 as checkpoints do"
        )
    })
}

async fn write(
    config: Option<&Path>,
    out: &Path,
    wanted: Wanted,
    older: Option<u64>,
    format: Format,
) -> anyhow::Result<Exit> {
    let settings = super::settings(config)?;
    let store = Store::attach(&settings.storage.url).await.context("the database cannot be opened")?;
    let signer = Arc::new(Signer::on_record(&settings.ledger, &store).await?);
    let witnesses = Witnesses::new(&settings.ledger)?;
    let mut size = None;
    if !witnesses.is_empty() {
        let asked = witnesses.ask(&store, &signer).await?;
        for without in &asked.without {
            eprintln!("the head is not cosigned by {without}");
        }
        size = Some(asked.size);
    }
    let found = wanted.find(&store, size).await?;
    if let (Some(asked), Some(told)) = (&wanted.period, &found.period)
        && asked.to != told.to
    {
        eprintln!("{} lies ahead: the bundle tells of the time until {}", asked.to, told.to);
    }
    let bar = Bar::begin();
    let request = Request {
        range: found.range,
        period: found.period,
        repositories: found.repositories,
        older,
        size: Some(found.size),
        pages: address_of_pages(&settings.server.public_url),
        key: signer.key(),
        progress: Watched(Some(bar.progress())),
    };
    let exported = export(&store, &request, out).await?;
    drop(bar);
    match format {
        Format::Json => say!("{}", serde_json::to_string(&exported)?),
        Format::Human => say!(
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

fn told(verified: Result<Verified, EvidenceError>, format: Format) -> anyhow::Result<Exit> {
    match verified {
        Ok(verified) if format == Format::Json => say!("{}", serde_json::to_string(&verified)?),
        Ok(verified) => {
            say!(
                "holds: {} entries of {} ({} as hashes only), {} decisions made again with the same verdict",
                verified.to - verified.from,
                verified.size,
                verified.left_out,
                verified.decisions
            );
            say!("root {}", verified.root);
            let told = |time: &Option<String>| time.clone().unwrap_or_else(|| "none".to_owned());
            let (first, last) = (told(&verified.first), told(&verified.last));
            match &verified.period {
                Some(Period { from, to }) => say!("tells of the time from {from} until before {to}"),
                None => say!("tells of all that these entries tell of: no period was asked for"),
            }
            say!("its first entry is of {first}, its last of {last}, by the service's clock");
            if let Some(repositories) = &verified.repositories {
                let ids: Vec<String> = repositories.iter().map(ToString::to_string).collect();
                say!(
                    "of the repositories {} alone: that the entries left out belong to others is the operator's word, but for \
                     the numbers that entries of a repository bear, of which none is missing between two; only the whole \
                     ledger shows it",
                    ids.join(", ")
                );
            }
            if let Some(size) = verified.older {
                say!("continues the older checkpoint of {size} entries");
            }
            for size in &verified.seen {
                say!("continues the head of {size} entries seen elsewhere");
            }
            for (entry, key) in &verified.rotations {
                say!("{key} took over at entry {entry}, signed by the key before it");
            }
            for witnessed in &verified.witnessed {
                let time = OffsetDateTime::from_unix_timestamp(witnessed.time.try_into()?)?;
                say!("seen by {} at {}", witnessed.name, spelled(time));
            }
            match &verified.signer {
                SignedBy::Proved { name } => say!("signed by {name}"),
                SignedBy::Unproved => say!("UNPROVED: no key was given, so anybody may have made this bundle"),
            }
        }
        Err(error) if error.is_finding() => {
            match format {
                Format::Json => say!("{}", finding(&error)),
                Format::Human => say!("does not hold: {error}"),
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
