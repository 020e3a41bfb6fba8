//! `countersign evidence report`: a bundle's report as a file of its own, or printed by a browser.
//!
//! Invariant: only a bundle that verifies is printed, and nothing is written into it. A PDF is a picture of the report: it
//! carries the time of its making, so it is no part of a bundle, and nothing is proved by it.

use super::Exit;
use crate::evidence::{Trust, report_of, verify};
use anyhow::{Context, bail, ensure};
use clap::Args;
use countersign_core::ledger::note::VerifyingKey;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Browsers that print, by the names they go by.
const BROWSERS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
/// How long printing may take.
const PRINTING: Duration = Duration::from_mins(3);

/// `evidence report`
#[derive(Debug, Args)]
pub struct Report {
    /// The bundle; it is verified first.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The ledger's key. May be given several times.
    #[arg(long, value_name = "VKEY")]
    key: Vec<String>,
    /// The file to write, outside the bundle; it must not exist yet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print it as a PDF, by Chromium, Chrome or Edge.
    #[arg(long)]
    pdf: bool,
    /// The browser, where it is not found by itself.
    #[arg(long, value_name = "PROGRAM", env = "COUNTERSIGN_BROWSER")]
    browser: Option<PathBuf>,
}

pub(super) fn run(asked: &Report) -> anyhow::Result<Exit> {
    let keys = asked.key.iter().map(|key| VerifyingKey::parse(key.trim())).collect::<Result<Vec<_>, _>>()?;
    check_place(&asked.bundle, &asked.out)?;
    match verify(&asked.bundle, &Trust { keys: &keys, ..Trust::default() }) {
        Err(error) if error.is_finding() => {
            say!("does not hold: {error}");
            return Ok(Exit::Deny);
        }
        verified => verified?,
    };
    let page = report_of(&asked.bundle, &keys)?;
    if asked.pdf {
        crate::cli::runtime()?.block_on(print(&page, asked.browser.as_deref(), &asked.out))?;
    } else {
        let mut file = std::fs::File::create_new(&asked.out)
            .with_context(|| format!("`{}` cannot be written", asked.out.display()))?;
        file.write_all(page.as_bytes())?;
    }
    say!("{}", asked.out.display());
    if asked.key.is_empty() {
        say!("UNPROVED: no key was given, so anybody may have made this bundle");
    }
    Ok(Exit::Done)
}

/// A file that the manifest does not list would make the bundle one that does not verify.
fn check_place(bundle: &Path, out: &Path) -> anyhow::Result<()> {
    ensure!(!out.exists(), "`{}` is there already: name a file that does not exist yet", out.display());
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().with_context(|| format!("`{}` is no directory", folder.display()))?;
    if bundle.canonicalize().is_ok_and(|bundle| folder.starts_with(bundle)) {
        bail!("`{}` lies in the bundle, which would not verify any more: name a file outside it", out.display());
    }
    Ok(())
}

async fn print(page: &str, browser: Option<&Path>, out: &Path) -> anyhow::Result<()> {
    let desk = tempfile::tempdir()?;
    let file = desk.path().join("report.html");
    std::fs::write(&file, page)?;
    let pdf = desk.path().join("report.pdf");
    let named: Vec<&Path> = browser.map_or_else(|| BROWSERS.iter().map(Path::new).collect(), |browser| vec![browser]);
    for program in &named {
        let mut command = Command::new(program);
        command.args(["--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-extensions"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        // Root has no sandbox to enter, in a container above all; the page is ours, and runs no script.
        if is_root() {
            command.arg("--no-sandbox");
        }
        command.arg(format!("--user-data-dir={}", desk.path().join("profile").display()));
        command.arg("--no-pdf-header-footer").arg(format!("--print-to-pdf={}", pdf.display())).arg(&file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = match command.spawn() {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            child => child.with_context(|| format!("`{}` cannot be started", program.display()))?,
        };
        let said = tokio::time::timeout(PRINTING, child.wait_with_output()).await;
        let said = said.with_context(|| format!("`{}` did not end printing", program.display()))??;
        let bytes = std::fs::read(&pdf).unwrap_or_default();
        if !bytes.starts_with(b"%PDF") {
            let said = String::from_utf8_lossy(&said.stderr);
            let last: Vec<&str> = said.lines().rev().take(3).collect();
            bail!("`{}` printed nothing: {}", program.display(), last.join("; "));
        }
        let mut written =
            std::fs::File::create_new(out).with_context(|| format!("`{}` cannot be written", out.display()))?;
        return Ok(written.write_all(&bytes)?);
    }
    let names: Vec<String> = named.iter().map(|name| format!("`{}`", name.display())).collect();
    bail!(
        "no browser was found to print with (tried {}): install Chromium, or name one with `--browser`",
        names.join(", ")
    )
}

#[cfg(unix)]
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}
