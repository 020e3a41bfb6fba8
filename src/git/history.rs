//! The history in a clone that somebody made: which commits are on a branch's own line, and which are there at all.
//!
//! Invariant: nothing of the clone is run or followed to another place: no hooks, no settings of the machine or a home
//! folder, no network, no replaced objects, no grafts, and no index of commits that could say other parents than they do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What can go wrong when a clone is read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Git cannot be started.
    #[error("git cannot be started: {0}")]
    NoGit(std::io::Error),
    /// There is no repository.
    #[error("`{0}` is no git repository")]
    NoRepository(PathBuf),
    /// The branch is not in it.
    #[error("the clone has no branch `{0}`: fetch it, or name another with --branch")]
    NoBranch(String),
    /// Git stopped half-way.
    #[error("git could not read the history: {0}")]
    Unreadable(String),
}

/// A clone.
#[derive(Debug)]
pub struct History {
    place: PathBuf,
}

impl History {
    /// Opens a clone, bare or not.
    pub fn open(place: &Path) -> Result<Self, HistoryError> {
        let history = Self { place: place.to_owned() };
        match history.line(&["rev-parse", "--git-dir"])? {
            Some(_) => Ok(history),
            None => Err(HistoryError::NoRepository(place.to_owned())),
        }
    }

    /// The commit that a branch points at: as it was fetched, else as it is here.
    pub fn tip(&self, branch: &str) -> Result<String, HistoryError> {
        for place in ["refs/remotes/origin", "refs/heads"] {
            let name = format!("{place}/{branch}^{{commit}}");
            if let Some(tip) = self.line(&["rev-parse", "--verify", "--quiet", &name])? {
                return Ok(tip);
            }
        }
        Err(HistoryError::NoBranch(branch.to_owned()))
    }

    /// Hands on every commit of the first-parent line, from a commit down to the root.
    pub fn first_parents(&self, tip: &str, mut each: impl FnMut(&str)) -> Result<(), HistoryError> {
        let mut child = self.git(&["rev-list", "--first-parent", tip], Stdio::null())?;
        let Some(stdout) = child.stdout.take() else { return Err(unreadable("it has no output")) };
        for line in BufReader::new(stdout).lines() {
            each(&line.map_err(unreadable)?);
        }
        ended(child)
    }

    /// Hands on those of some commits that the clone does not have.
    pub fn absent<'c>(
        &self,
        commits: impl Iterator<Item = &'c str>,
        mut each: impl FnMut(&'c str),
    ) -> Result<(), HistoryError> {
        let mut child = self.git(&["cat-file", "--batch-check=%(objecttype)"], Stdio::piped())?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unreadable("it has no input"));
        };
        let mut answers = BufReader::new(stdout).lines();
        // One after the other, so that neither side waits for the other to read.
        for commit in commits {
            let asked = writeln!(stdin, "{commit}").and_then(|()| stdin.flush());
            asked.map_err(unreadable)?;
            let answer = answers.next().transpose().map_err(unreadable)?;
            if answer.as_deref() != Some("commit") {
                each(commit);
            }
        }
        drop(stdin);
        ended(child)
    }

    /// The first line of what git says, where it succeeds.
    fn line(&self, arguments: &[&str]) -> Result<Option<String>, HistoryError> {
        let child = self.git(arguments, Stdio::null())?;
        let output = child.wait_with_output().map_err(unreadable)?;
        let text = String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned);
        Ok(text.filter(|_| output.status.success()))
    }

    fn git(&self, arguments: &[&str], stdin: Stdio) -> Result<Child, HistoryError> {
        let settings = [
            ("core.hooksPath", "/dev/null"),
            ("core.fsmonitor", "false"),
            ("core.commitGraph", "false"),
            ("core.attributesFile", "/dev/null"),
            ("protocol.allow", "never"),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            ("safe.directory", "*"),
        ];
        let mut command = Command::new("git");
        command.arg("--no-pager").arg("-C").arg(&self.place).args(arguments).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_GRAFT_FILE", "/dev/null"),
            ("GIT_ALLOW_PROTOCOL", "none"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("HOME", "/nonexistent"),
            ("LC_ALL", "C"),
        ]);
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (place, (key, value)) in settings.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{place}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{place}"), value);
        }
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().map_err(HistoryError::NoGit)
    }
}

#[allow(clippy::needless_pass_by_value)] // what `map_err` hands over
fn unreadable(why: impl ToString) -> HistoryError {
    HistoryError::Unreadable(why.to_string())
}

fn ended(mut child: Child) -> Result<(), HistoryError> {
    let status = child.wait().map_err(unreadable)?;
    if status.success() { Ok(()) } else { Err(unreadable(format!("it ended with {status}"))) }
}
