//! One git command: with nothing inherited, watched over, and ended when it takes too long or too much.
//!
//! Invariant: the token is in the environment of our own child and nowhere else; no setting of the machine, of a home
//! folder or of the repository fetched can name a program to run.

use super::{Limits, Remote};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// How often the clone's size is looked at while a command runs.
const LOOK: Duration = Duration::from_millis(250);

/// No answer that we read is longer.
const LONGEST_ANSWER: u64 = 4_096;

/// Why a command came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    TooSlow,
    TooLarge,
    Failed(String),
}

/// What a command left.
pub(super) struct Output {
    pub(super) code: Option<i32>,
    text: String,
}

impl Output {
    /// The first line of what it said, where it succeeded.
    pub(super) fn success(&self) -> Option<String> {
        (self.code == Some(0)).then(|| self.text.lines().next().unwrap_or_default().to_owned())
    }
}

/// Commands in one clone.
pub(super) struct Command<'a> {
    place: PathBuf,
    remote: &'a Remote,
    limits: Limits,
}

impl<'a> Command<'a> {
    pub(super) fn new(place: PathBuf, remote: &'a Remote, limits: Limits) -> Self {
        Self { place, remote, limits }
    }

    /// Makes the clone where there is none, and says where its objects come from now.
    pub(super) async fn prepare(&self) -> Result<(), Failure> {
        let unwritable = |error: std::io::Error| Failure::Failed(format!("its clone cannot be made: {error}"));
        std::fs::create_dir_all(&self.place).map_err(unwritable)?;
        if !self.place.join("HEAD").exists() {
            self.set(&["init", "--quiet", "--bare", "--template="]).await?;
        }
        let settings = [
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.promisor", "true"),
            ("remote.origin.partialCloneFilter", "blob:none"),
            ("remote.origin.url", self.remote.url.as_str()),
        ];
        for (key, value) in settings {
            self.set(&["config", key, value]).await?;
        }
        Ok(())
    }

    async fn set(&self, arguments: &[&str]) -> Result<(), Failure> {
        let done = self.run(arguments).await?.success();
        done.map(drop).ok_or_else(|| Failure::Failed("its clone cannot be made".to_owned()))
    }

    /// Runs git. Its messages are dropped: they are a repository's to write.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<Output, Failure> {
        let mut command = tokio::process::Command::new("git");
        command.arg("-C").arg(&self.place).args(arguments);
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(self.environment());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| Failure::Failed(format!("git cannot be started: {error}")))?;
        let stdout = child.stdout.take();
        let ended = async {
            let mut text = Vec::new();
            if let Some(stdout) = stdout {
                // Dropped after that: who says more is told that nobody listens.
                let _ = stdout.take(LONGEST_ANSWER).read_to_end(&mut text).await;
            }
            (child.wait().await, text)
        };
        tokio::select! {
            (status, text) = ended => {
                let status = status.map_err(|error| Failure::Failed(format!("git cannot be waited for: {error}")))?;
                if size(&self.place) > self.limits.bytes {
                    return Err(Failure::TooLarge);
                }
                Ok(Output { code: status.code(), text: String::from_utf8_lossy(&text).trim_end().to_owned() })
            }
            () = tokio::time::sleep(self.limits.time) => Err(Failure::TooSlow),
            () = self.outgrown() => Err(Failure::TooLarge),
        }
    }

    async fn outgrown(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if size(&self.place) > self.limits.bytes {
                return;
            }
        }
    }

    fn environment(&self) -> Vec<(String, String)> {
        let plain = self.remote.url.starts_with("http://");
        let basic = STANDARD.encode(format!("x-access-token:{}", self.remote.token));
        let settings = [
            ("http.extraHeader", format!("Authorization: Basic {basic}")),
            ("http.followRedirects", "false".to_owned()),
            ("http.lowSpeedLimit", "1000".to_owned()),
            ("http.lowSpeedTime", "20".to_owned()),
            ("credential.helper", String::new()),
            ("core.hooksPath", "/dev/null".to_owned()),
            ("core.attributesFile", "/dev/null".to_owned()),
            ("core.fsmonitor", "false".to_owned()),
            ("core.bigFileThreshold", "16m".to_owned()),
            ("core.deltaBaseCacheLimit", "32m".to_owned()),
            ("fetch.recurseSubmodules", "false".to_owned()),
            ("gc.auto", "0".to_owned()),
            ("maintenance.auto", "false".to_owned()),
            ("pack.threads", "1".to_owned()),
            ("protocol.allow", "never".to_owned()),
            (if plain { "protocol.http.allow" } else { "protocol.https.allow" }, "always".to_owned()),
            ("safe.directory", "*".to_owned()),
        ];
        let mut environment: Vec<(String, String)> = [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_ALLOW_PROTOCOL", if plain { "http" } else { "https" }),
            ("HOME", "/nonexistent"),
            ("LC_ALL", "C"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec();
        environment.push(("GIT_CONFIG_COUNT".to_owned(), settings.len().to_string()));
        for (place, (key, value)) in settings.into_iter().enumerate() {
            environment.push((format!("GIT_CONFIG_KEY_{place}"), key.to_owned()));
            environment.push((format!("GIT_CONFIG_VALUE_{place}"), value));
        }
        environment
    }
}

/// The bytes below a folder; what cannot be looked at counts for nothing.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}
