//! The runner: what it says of the job, and what it is told: outputs, a summary, annotations.
//!
//! Invariant: what it does not say is an error. What others wrote reaches its files and its log only as text of one line.

use super::told::Told;
use crate::cli::Exit;
use anyhow::{Context as _, bail};
use countersign_core::domain::Outcome;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

/// The job, as the runner describes it
/// (<https://docs.github.com/en/actions/reference/workflows-and-actions/variables>).
#[derive(Debug)]
pub(super) struct Context {
    pub(super) repository: String,
    pub(super) repository_id: String,
    pub(super) run: String,
    pub(super) attempt: String,
    pub(super) event: String,
    /// The commit that the run is for.
    pub(super) run_commit: String,
    /// The commit that is about to be deployed.
    pub(super) commit: String,
    token_request: Option<(String, String)>,
}

impl Context {
    /// Reads it; `commit` is what the workflow names.
    pub(super) fn read(commit: Option<String>) -> anyhow::Result<Self> {
        let run_commit = variable("GITHUB_SHA")?;
        let commit = commit.or_else(checked_out).unwrap_or_else(|| run_commit.clone());
        Ok(Self {
            repository: variable("GITHUB_REPOSITORY")?,
            repository_id: variable("GITHUB_REPOSITORY_ID")?,
            run: variable("GITHUB_RUN_ID")?,
            attempt: variable("GITHUB_RUN_ATTEMPT")?,
            event: variable("GITHUB_EVENT_NAME")?,
            run_commit,
            commit: commit.to_ascii_lowercase(),
            token_request: variable("ACTIONS_ID_TOKEN_REQUEST_URL")
                .ok()
                .zip(variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN").ok()),
        })
    }

    /// Where a token of this run is had, and with what.
    pub(super) fn token_request(&self) -> anyhow::Result<(&str, &str)> {
        match &self.token_request {
            Some((url, secret)) => Ok((url, secret)),
            None => bail!("this job may not ask for a token: give it `permissions: id-token: write`"),
        }
    }
}

fn variable(name: &str) -> anyhow::Result<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.with_context(|| format!("`{name}` is not set: this runs in a job of GitHub Actions"))
}

/// What is checked out here, which is what is about to be deployed.
fn checked_out() -> Option<String> {
    let told = Command::new("git").args(["rev-parse", "--verify", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(told.stdout).ok()?.trim().to_owned();
    (told.status.success() && commit.len() >= 40).then_some(commit)
}

/// One byte in a query.
pub(super) fn percent(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    }
}

/// What is said.
pub(super) struct Say {
    outcome: Option<Outcome>,
    title: String,
    told: Option<Told>,
}

impl Say {
    pub(super) fn of(told: &Told) -> Self {
        Self { outcome: Some(told.outcome), title: told.title.clone(), told: Some(told.clone()) }
    }

    pub(super) fn error(what: &str) -> Self {
        Self { outcome: None, title: what.to_owned(), told: None }
    }

    pub(super) fn exit(&self) -> Exit {
        match self.outcome {
            Some(Outcome::Allow | Outcome::Exception) => Exit::Done,
            Some(Outcome::Deny) => Exit::Deny,
            Some(Outcome::Undetermined) => Exit::Undetermined,
            Some(Outcome::Pending) => Exit::Pending,
            None => Exit::Error,
        }
    }

    fn word(&self) -> String {
        self.outcome.map_or_else(|| "error".to_owned(), |outcome| outcome.to_string())
    }

    fn outputs(&self) -> String {
        let told = self.told.as_ref();
        let (decision, page) = told.map_or(("", ""), |told| (&told.decision, &told.page));
        let deployers = told.map(|told| told.deployers.join(",")).unwrap_or_default();
        let kept = told.map(keep).unwrap_or_default();
        let pairs = [
            ("outcome", self.word()),
            ("decision-id", decision.to_owned()),
            ("decision-url", page.to_owned()),
            ("deployers", deployers),
            ("attestation", kept),
        ];
        pairs.iter().fold(String::new(), |text, (name, value)| format!("{text}{name}={}\n", one_line(value)))
    }

    fn summary(&self) -> String {
        let mut text = format!("## Countersign: {}\n\n{}\n", self.word(), plain(&self.title));
        let Some(told) = &self.told else { return text };
        if !told.reasons.is_empty() {
            text.push_str("\n| Reason | What | What to do |\n|---|---|---|\n");
        }
        for reason in &told.reasons {
            let _ =
                writeln!(text, "| `{}` | {} | {} |", plain(&reason.code), plain(&reason.text), plain(&reason.remedy));
        }
        let logins =
            |logins: &[String]| logins.iter().map(|login| format!("@{}", plain(login))).collect::<Vec<_>>().join(", ");
        if !told.deployers.is_empty() {
            let _ = writeln!(text, "\nDeployed by {}.", logins(&told.deployers));
        }
        if told.outcome != Outcome::Allow && !told.can_deploy.is_empty() {
            let _ = writeln!(text, "\nCould be deployed by {}.", logins(&told.can_deploy));
        }
        if !told.page.is_empty() {
            let _ = writeln!(text, "\n[The decision]({})", one_line(&told.page));
        }
        text
    }

    fn annotations(&self, report: bool) -> String {
        if self.outcome == Some(Outcome::Allow) {
            return String::new();
        }
        let kind = if report { "warning" } else { "error" };
        let mut texts = vec![self.title.clone()];
        let reasons = self.told.iter().flat_map(|told| &told.reasons);
        texts.extend(reasons.map(|reason| format!("{}: {}. {}", reason.code, reason.text, reason.remedy)));
        texts.iter().take(10).fold(String::new(), |all, text| {
            format!("{all}::{kind} title=Countersign ({})::{}\n", self.word(), escaped(text))
        })
    }
}

/// Tells the runner, where there is one, and whoever reads the log.
pub(super) fn tell(say: &Say, report: bool) {
    say!("{}: {}", say.word(), one_line(&say.title));
    if std::env::var_os("GITHUB_ACTIONS").is_some() {
        crate::cli::put(&say.annotations(report));
    }
    for (file, text) in [("GITHUB_OUTPUT", say.outputs()), ("GITHUB_STEP_SUMMARY", say.summary())] {
        let Some(path) = std::env::var_os(file).filter(|path| !path.is_empty()) else { continue };
        let opened = std::fs::OpenOptions::new().create(true).append(true).open(path);
        if let Err(error) = opened.and_then(|mut file| file.write_all(text.as_bytes())) {
            eprintln!("`{file}` cannot be written: {error}");
        }
    }
}

/// Keeps the signed answer, and the attestation of an allowed deployment, beside the job; gives the place of the latter
/// where there is one.
fn keep(told: &Told) -> String {
    if told.decision.is_empty() {
        return told.evidence.clone();
    }
    let Some(folder) = std::env::var_os("RUNNER_TEMP") else { return String::new() };
    let write = |ending: &str, text: &str| {
        let path = std::path::Path::new(&folder).join(format!("countersign-{}.{ending}", told.decision));
        std::fs::write(&path, text).map(|()| path.display().to_string())
    };
    let answer = write("txt", &told.evidence);
    told.attestation.as_ref().map_or(answer, |envelope| write("dsse.json", envelope)).unwrap_or_else(|error| {
        eprintln!("the answer cannot be kept: {error}");
        String::new()
    })
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Text of others in Markdown.
fn plain(text: &str) -> String {
    one_line(text).replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|")
}

/// Text of others in a workflow command.
fn escaped(text: &str) -> String {
    one_line(text).replace('%', "%25")
}
