//! A look at one repository with a token and no service: what `audit` and `baseline` begin with.
//!
//! Invariant: nothing is written but to a scratch database that is gone afterwards.

use super::check::Scratch;
use crate::git::Objects;
use crate::github::gather::{self, Look};
use crate::github::pins::{self, Pinned};
use crate::github::{Client, client};
use crate::retrospective::pace::{self, Paced, Until};
use crate::retrospective::{Judgement, Retrospective, Step};
use crate::settings::{Scope, Settings};
use crate::store::Store;
use anyhow::{Context as _, bail};
use countersign_core::domain::{Repository, RepositoryId, Terms};
use serde::Deserialize;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where, and as whom.
pub(super) struct Asked<'a> {
    pub(super) repository: &'a str,
    pub(super) environment: &'a str,
    pub(super) as_whom: As<'a>,
    pub(super) config: Option<&'a Path>,
}

/// As whom it is looked.
pub(super) enum As<'a> {
    /// Whoever holds this token.
    Token(&'a str),
    /// The service, with the pins of its database.
    Client { client: Client, pins: &'a Store },
}

/// All that a look needs, owned.
pub(super) struct Afar {
    pub(super) settings: Settings,
    pub(super) client: Client,
    pub(super) repository: Repository,
    default_branch: String,
    /// The environment that it is about.
    environment: String,
    pins: Pinned,
    store: Store,
    objects: Objects,
    scratch: Scratch,
}

#[derive(Deserialize)]
struct RepositoryPayload {
    id: u64,
    full_name: String,
    default_branch: String,
}

impl Afar {
    pub(super) async fn open(asked: Asked<'_>) -> anyhow::Result<Self> {
        let mut settings = super::settings(asked.config)?;
        if asked.config.is_none() {
            let environments = vec![asked.environment.to_owned()];
            settings.scope.push(Scope { environments, ..Scope::whole(asked.repository) });
        }
        if settings.scope_for(asked.repository, asked.environment).is_none() {
            bail!(
                "`{}` of `{}` is in no scope of the settings: nothing is promised about it",
                asked.environment,
                asked.repository
            );
        }
        let scratch = Scratch::new()?;
        let store = Store::open(&scratch.url()).await?;
        let (client, pinned) = match asked.as_whom {
            As::Token(token) => (Client::with_token(&settings.github, token.to_owned())?, &store),
            As::Client { client, pins } => (client, pins),
        };
        let path = format!("/repos/{}", asked.repository);
        let found: RepositoryPayload = client.get(&path).await.context("the repository cannot be read")?;
        let repository = Repository { id: RepositoryId(found.id), full_name: found.full_name };
        let pins = pins::resolve(&client, pinned, &settings).await?;
        let objects = scratch.objects();
        let default_branch = found.default_branch;
        let environment = asked.environment.to_owned();
        Ok(Self { settings, client, repository, default_branch, environment, pins, store, objects, scratch })
    }

    pub(super) fn look(&self) -> Look<'_> {
        let now = client::millis(SystemTime::now());
        let look = Look::new(&self.client, &self.store, &self.settings, &self.repository, &self.objects, now);
        look.at(&self.environment)
    }

    /// A file that is gone with this look.
    pub(super) fn scratch_file(&self, name: &str) -> PathBuf {
        self.scratch.file(name)
    }

    pub(super) fn terms(&self, look: &Look<'_>) -> anyhow::Result<Terms> {
        Ok(gather::terms(look, &self.pins, &self.default_branch)?)
    }
}

/// Goes on until all is done, with a bar on a terminal; `each` judgement is kept once it was dealt with. `Some` is when
/// GitHub allows more calls, where waiting for that would take too long.
pub(super) async fn walk(
    work: &mut Retrospective<'_>,
    client: &Client,
    patience: Duration,
    mut each: impl AsyncFnMut(&Judgement) -> anyhow::Result<()>,
) -> anyhow::Result<Option<String>> {
    let bar = Bar { shown: std::io::stderr().is_terminal() };
    let waiting = |wait: Duration| eprintln!("GitHub allows no more calls now: going on in {} s", wait.as_secs() + 1);
    loop {
        let stepped = pace::step(work, client, patience, waiting).await;
        if !matches!(stepped, Ok(Paced::Made(Step::Found | Step::Judged(_)))) {
            bar.clear();
        }
        match stepped? {
            Paced::Made(Step::Done) => return Ok(None),
            Paced::Made(Step::Found) => {}
            Paced::Made(Step::Judged(judgement)) => {
                each(&judgement).await?;
                work.keep(&judgement)?;
            }
            Paced::Later(Until(until)) => {
                return Ok(Some(OffsetDateTime::from(until).replace_nanosecond(0)?.format(&Rfc3339)?));
            }
        }
        bar.show(work);
    }
}

/// How far it is, on a terminal only.
struct Bar {
    shown: bool,
}

impl Bar {
    fn show(&self, work: &Retrospective<'_>) {
        if !self.shown {
            return;
        }
        let ((found, judged), listed) = (work.done(), work.plan().of_period());
        let text = match work.to_judge() {
            Some(all) => format!("judged {judged} of {all} {}", drawn(judged, all)),
            None => format!("found {found} of about {listed} {}", drawn(found, listed)),
        };
        eprint!("\r\x1b[2K{text}");
    }

    fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[2K");
        }
    }
}

fn drawn(done: usize, all: usize) -> String {
    const WIDTH: usize = 30;
    let filled = (done * WIDTH).checked_div(all).map_or(WIDTH, |filled| filled.min(WIDTH));
    format!("[{}{}]", "#".repeat(filled), ".".repeat(WIDTH - filled))
}

#[cfg(test)]
mod tests {
    use super::drawn;

    #[test]
    fn a_bar_is_never_wider_than_it_is() {
        assert_eq!(drawn(0, 0).len(), 32);
        assert_eq!(drawn(9, 3).len(), 32);
    }
}
