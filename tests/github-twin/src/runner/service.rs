//! The service under test: a child process with a directory of its own.
//!
//! Invariant: it is killed with the runner; its log is kept beside its database.

use anyhow::{Context, bail};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{EncodeRsaPrivateKey, LineEnding};
use rsa::pkcs8::EncodePublicKey;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long the service may take to say that it listens.
const START: Duration = Duration::from_mins(1);

/// The App's key pair, PEM.
#[derive(Debug, Clone)]
pub struct AppKey {
    /// For the service (PKCS#1, as GitHub hands it out).
    pub private: String,
    /// For the twin.
    pub public: String,
}

impl AppKey {
    /// Makes a key of 2,048 bits.
    pub fn generate() -> anyhow::Result<Self> {
        let private = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2_048)?;
        Ok(Self {
            public: private.to_public_key().to_public_key_pem(LineEnding::LF)?,
            private: private.to_pkcs1_pem(LineEnding::LF)?.to_string(),
        })
    }
}

/// The child process, while it runs.
#[derive(Debug)]
pub(super) struct Service {
    child: Child,
    /// Where it listens.
    pub(super) url: String,
}

impl Service {
    /// Starts `countersign serve` and waits until it listens.
    pub(super) async fn start(binary: &Path, directory: &Path) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(log(directory))?;
        let mut child = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(config(directory))
            .current_dir(directory)
            .env_remove("DATABASE_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("`{}` cannot be started", binary.display()))?;
        let Some(stdout) = child.stdout.take() else { bail!("the service has no output") };
        let mut lines = BufReader::new(stdout).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(url) = line.trim().strip_prefix("listening on ") {
                    return Ok(url.trim_end_matches('/').to_owned());
                }
            }
            bail!("the service ended before it listened")
        };
        let url = tokio::time::timeout(START, listening).await.context("the service does not start")??;
        // What else it prints is read, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, url })
    }

    /// Ends it without a chance to tidy up.
    pub(super) async fn kill(mut self) -> std::io::Result<ExitStatus> {
        self.child.start_kill()?;
        self.child.wait().await
    }

    /// Asks it to end, and waits until it has.
    pub(super) async fn stop(mut self) -> std::io::Result<ExitStatus> {
        if let Some(id) = self.child.id() {
            Command::new("kill").arg("-TERM").arg(id.to_string()).status().await?;
        }
        self.child.wait().await
    }

    /// Its process.
    pub(super) fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// How it ended, where it ended by itself.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

/// Where the settings lie.
pub(super) fn config(directory: &Path) -> PathBuf {
    directory.join("countersign.toml")
}

/// Where the log lies.
pub(super) fn log(directory: &Path) -> PathBuf {
    directory.join("service.log")
}
