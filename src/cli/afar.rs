//! A look at one repository with a token and no service: what `audit` and `baseline` begin with.
//!
//! Invariant: nothing is written but to a scratch database that is gone afterwards.

use super::check::Scratch;
use crate::git::Objects;
use crate::github::gather::{self, Look};
use crate::github::pins::{self, Pinned};
use crate::github::{Client, client};
use crate::settings::{Scope, Settings};
use crate::store::Store;
use anyhow::{Context as _, bail};
use countersign_core::domain::{Repository, RepositoryId, Terms};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where, and as whom.
pub(super) struct Asked<'a> {
    pub(super) repository: &'a str,
    pub(super) environment: &'a str,
    pub(super) token: &'a str,
    pub(super) config: Option<&'a Path>,
}

/// All that a look needs, owned.
pub(super) struct Afar {
    pub(super) settings: Settings,
    pub(super) client: Client,
    pub(super) repository: Repository,
    default_branch: String,
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
    pub(super) async fn open(asked: &Asked<'_>) -> anyhow::Result<Self> {
        let mut settings = super::settings(asked.config)?;
        if asked.config.is_none() {
            let environments = vec![asked.environment.to_owned()];
            settings.scope.push(Scope { environments, ..Scope::whole(asked.repository) });
        }
        let scope = settings.scope_of(asked.repository);
        if !scope.is_some_and(|scope| scope.covers(asked.environment)) {
            bail!(
                "`{}` of `{}` is in no scope of the settings: nothing is promised about it",
                asked.environment,
                asked.repository
            );
        }
        let scratch = Scratch::new()?;
        let store = Store::open(&scratch.url()).await?;
        let client = Client::with_token(&settings.github, asked.token.to_owned())?;
        let path = format!("/repos/{}", asked.repository);
        let found: RepositoryPayload = client.get(&path).await.context("the repository cannot be read")?;
        let repository = Repository { id: RepositoryId(found.id), full_name: found.full_name };
        let pins = pins::resolve(&client, &store, &settings).await?;
        let objects = scratch.objects();
        let default_branch = found.default_branch;
        Ok(Self { settings, client, repository, default_branch, pins, store, objects, scratch })
    }

    pub(super) fn look(&self) -> Look<'_> {
        Look {
            client: &self.client,
            store: &self.store,
            settings: &self.settings,
            repository: &self.repository,
            objects: &self.objects,
            now: client::millis(SystemTime::now()),
        }
    }

    /// A file that is gone with this look.
    pub(super) fn scratch_file(&self, name: &str) -> PathBuf {
        self.scratch.file(name)
    }

    pub(super) fn terms(&self, look: &Look<'_>) -> anyhow::Result<Terms> {
        Ok(gather::terms(look, &self.pins, &self.default_branch)?)
    }
}
