//! The sweep: what webhooks did not bring. GitHub sends nothing twice by itself, so we ask.
//!
//! Invariant: nothing is decided or published here. Missed deliveries are asked for again and come through the door like
//! any other; open pull requests and waiting runs become rows of the inbox, behind all that GitHub asks for. A failure
//! leaves the rest to the next sweep and takes nothing down. What it finds missing goes on record: deliveries
//! (`deliveries.rs`), changes of installations (`installations.rs`), deployments (`deployments.rs`).

mod deliveries;
mod deployments;
mod installations;

use crate::evaluation::{Evaluator, entry};
use crate::github::client::millis;
use crate::github::event::{SWEEP, Subject, What};
use crate::github::{Client, GitHubError, pins};
use crate::settings::Scope;
use crate::store::{Delivery, StoreError};
use countersign_core::domain::{EntryBody, PullRequestNumber, Repository, RepositoryId, RunId};
use installations::Installation;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// How long the first sweep waits after the start: what is on its way then comes by itself.
const SETTLING: Duration = Duration::from_secs(10);

/// The sweep.
pub struct Sweep {
    evaluator: Arc<Evaluator>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// The newest delivery of the sweep before the last, and of the last, that saw to all of theirs. Reading goes back to
    /// the former: one that was on its way during the last sweep is listed before what came after it.
    seen_to: (Option<u64>, Option<u64>),
    /// How many pages the next sweep reads.
    pages: usize,
    /// How often each missed delivery was asked for.
    asked: HashMap<String, u32>,
}

/// What a sweep found.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Deliveries that never came and were asked for again.
    pub redelivered: usize,
    /// Pull requests and runs that are looked at again.
    pub subjects: usize,
    /// Questions that GitHub did not answer; the next sweep asks them again.
    pub unanswered: usize,
}

#[derive(Deserialize)]
struct Repositories {
    repositories: Vec<RepositoryPayload>,
}

#[derive(Deserialize)]
struct RepositoryPayload {
    id: u64,
    full_name: String,
    #[serde(default)]
    default_branch: String,
    #[serde(default)]
    archived: bool,
}

#[derive(Deserialize)]
struct PullRequestPayload {
    number: u64,
    base: Base,
}

#[derive(Deserialize)]
struct Base {
    #[serde(rename = "ref")]
    name: String,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<RunPayload>,
}

#[derive(Deserialize)]
struct RunPayload {
    id: u64,
}

impl Sweep {
    /// Nothing is asked yet.
    pub fn new(evaluator: Arc<Evaluator>) -> Self {
        Self { evaluator, memory: Mutex::default() }
    }

    /// Sweeps soon after the start and then on a timer, until the task is dropped.
    pub async fn now_and_then(self: Arc<Self>) {
        let minutes = self.evaluator.settings.server.sweep_minutes;
        if minutes == 0 {
            return;
        }
        tokio::time::sleep(SETTLING).await;
        loop {
            if let Err(error) = self.run().await {
                tracing::error!(%error, "the sweep could not use the store");
            }
            tokio::time::sleep(Duration::from_secs(minutes.saturating_mul(60))).await;
        }
    }

    /// Sweeps once, and returns when all that it found is asked for or in the inbox. One sweep at a time.
    pub async fn run(&self) -> Result<Swept, StoreError> {
        let mut memory = self.memory.lock().await;
        let mut swept = Swept::default();
        let missed = self.deliveries(&mut memory, &mut swept).await;
        answered(missed, "deliveries", &mut swept)?;
        let looked = self.installations(&mut swept).await;
        answered(looked, "installations", &mut swept)?;
        if let Err(error) = self.evaluator.report_overdue(millis(SystemTime::now())).await {
            tracing::error!(%error, "overdue exceptions could not be reported");
        }
        if let Err(error) = self.evaluator.show_debts().await {
            tracing::error!(%error, "what exceptions owe could not be shown");
        }
        tracing::info!(swept.redelivered, swept.subjects, swept.unanswered, "swept");
        Ok(swept)
    }

    /// Looks again at every repository under control.
    async fn installations(&self, swept: &mut Swept) -> Result<(), GitHubError> {
        let app = self.evaluator.client.for_app();
        let installations = app.get_all::<Installation>("/app/installations?per_page=100").await?;
        self.compare(&installations).await?;
        if let Some(installation) = installations.iter().find(|installation| installation.suspended_at.is_none()) {
            let named = self.names(installation.id).await;
            answered(named, "the names of the settings", swept)?;
        }
        for installation in installations {
            if installation.suspended_at.is_some() {
                continue;
            }
            let looked = self.installation(installation.id, swept).await;
            answered(looked, "an installation", swept)?;
        }
        Ok(())
    }

    /// Puts on record which names of the settings came to belong to another account.
    async fn names(&self, installation: u64) -> Result<(), GitHubError> {
        let Evaluator { client, store, settings, .. } = self.evaluator.as_ref();
        for found in pins::reassigned(&client.for_installation(installation), store, settings).await? {
            tracing::warn!(name = found.name, "{}", found.text);
            store.reassigned(entry(EntryBody::NameReassigned(found))).await?;
        }
        Ok(())
    }

    async fn installation(&self, installation: u64, swept: &mut Swept) -> Result<(), GitHubError> {
        let client = self.evaluator.client.for_installation(installation);
        let mut repositories = Vec::new();
        client
            .get_pages::<Repositories>("/installation/repositories?per_page=100", |page| {
                repositories.extend(page.repositories);
                true
            })
            .await?;
        for repository in repositories {
            let Some(scope) = self.evaluator.settings.scope_of(&repository.full_name) else { continue };
            if repository.archived {
                continue;
            }
            let listed = self.deployments(&client, &repository, &scope).await;
            let listed = answered(listed, &repository.full_name, swept)?.unwrap_or_default();
            let found = open_work(&client, &repository, &scope).await;
            let found = answered(found, &repository.full_name, swept)?.unwrap_or_default();
            for what in listed.into_iter().chain(found) {
                self.look_again(installation, &repository, what).await?;
                swept.subjects += 1;
            }
        }
        Ok(())
    }

    async fn look_again(
        &self,
        installation: u64,
        repository: &RepositoryPayload,
        what: What,
    ) -> Result<(), StoreError> {
        let subject = Subject {
            repository: Repository { id: RepositoryId(repository.id), full_name: repository.full_name.clone() },
            installation,
            default_branch: repository.default_branch.clone(),
            what,
        };
        let body = serde_json::to_vec(&subject).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let delivery = Delivery {
            // The same subject again is the same row, while it waits.
            id: format!("{SWEEP}-{}", subject.key()),
            event: SWEEP.to_owned(),
            body,
            received_at: millis(SystemTime::now()),
        };
        self.evaluator.store.accept(delivery).await
    }
}

/// The open pull requests into the production branch, and the runs that wait for an environment.
async fn open_work(client: &Client, repository: &RepositoryPayload, scope: &Scope) -> Result<Vec<What>, GitHubError> {
    let production = scope.production_branch.as_deref().unwrap_or(&repository.default_branch);
    let mut found = Vec::new();
    client
        .get_pages::<Runs>(
            &format!("/repos/{}/actions/runs?status=waiting&per_page=100", repository.full_name),
            |page| {
                found.extend(page.workflow_runs.iter().map(|run| What::Run(RunId(run.id))));
                true
            },
        )
        .await?;
    let pulls = format!("/repos/{}/pulls?state=open&per_page=100", repository.full_name);
    let open = client.get_all::<PullRequestPayload>(&pulls).await?;
    let here = open.into_iter().filter(|pull| pull.base.name == production);
    found.extend(here.map(|pull| What::PullRequest(PullRequestNumber(pull.number))));
    Ok(found)
}

/// Counts what GitHub did not answer and goes on; what our own store did not take is an error.
fn answered<T>(asked: Result<T, GitHubError>, what: &str, swept: &mut Swept) -> Result<Option<T>, StoreError> {
    match asked {
        Ok(answer) => Ok(Some(answer)),
        Err(GitHubError::Store(error)) => Err(error),
        Err(error) => {
            tracing::warn!(%error, what, "the sweep had no answer and leaves it to the next one");
            swept.unanswered += 1;
            Ok(None)
        }
    }
}
