//! Deployments as GitHub lists them: read newest first, down to what was seen before, and what is new goes on record.
//!
//! Invariant: the whole list of a repository is read, not that of an environment, since a deployment can be moved to
//! another environment afterwards. Nothing is judged here: a deployment without an end on record becomes a row of the
//! inbox, whoever made it.

use super::{RepositoryPayload, Sweep};
use crate::evaluation::entry;
use crate::github::event::What;
use crate::github::gather::listed::DeploymentPayload;
use crate::github::{Client, GitHubError};
use crate::settings::Scope;
use crate::store::listed::ListRead;
use crate::store::record::respelled;
use countersign_core::domain::{
    CommitSha, DeploymentId, DeploymentsListed, EntryBody, ListedDeployment, Repository, RepositoryId,
};

/// How many pages the first look reads, in search of the settings' baselines.
const FIRST: usize = 20;

impl Sweep {
    /// Reads what is new in a repository's list; says what to look at again.
    pub(super) async fn deployments(
        &self,
        client: &Client,
        repository: &RepositoryPayload,
        scope: &Scope,
    ) -> Result<Vec<What>, GitHubError> {
        let store = &self.evaluator.store;
        let id = RepositoryId(repository.id);
        let read = store.list_read(id).await?;
        let mut first = read.is_none().then(|| self.first_look(repository, scope));
        // A later look reads down to what was seen before, however much that is.
        let most = if first.is_some() { FIRST } else { usize::MAX };
        let (mut pages, mut found, mut newest) = (0, Vec::new(), None);
        let path = format!("/repos/{}/deployments?per_page=100", repository.full_name);
        client
            .get_pages::<Vec<DeploymentPayload>>(&path, |page| {
                pages += 1;
                let mut old = false;
                for one in page {
                    newest = newest.max(Some(one.id));
                    // A page is always read whole: what was on its way during the last look is listed before its end.
                    old |= read.is_some_and(|read| one.id <= read.upto.0);
                    if first.as_mut().is_none_or(|first| first.takes(&one)) {
                        found.push(one);
                    }
                }
                !old && pages < most && first.as_ref().is_none_or(|first| !first.is_over())
            })
            .await?;
        match (&first, read) {
            (Some(first), _) => found.retain(|one| first.reaches(one)),
            // What was there before the first look is none of ours.
            (None, read) => found.retain(|one| read.is_some_and(|read| one.id > read.since.0)),
        }
        found.retain(|one| scope.environments.iter().any(|environment| one.is_in(environment)));
        found.sort_by_key(|one| one.id);
        if let Some(newest) = newest {
            self.told(repository, read, DeploymentId(newest), &found).await?;
        }
        let unsettled = store.unsettled(id).await?;
        Ok(unsettled.into_iter().map(|(deployment, run)| run.map_or(What::Deployment(deployment), What::Run)).collect())
    }

    async fn told(
        &self,
        repository: &RepositoryPayload,
        read: Option<ListRead>,
        newest: DeploymentId,
        found: &[DeploymentPayload],
    ) -> Result<(), GitHubError> {
        let store = &self.evaluator.store;
        let id = RepositoryId(repository.id);
        let ids: Vec<DeploymentId> = found.iter().map(|one| DeploymentId(one.id)).collect();
        let new = store.not_listed(id, &ids).await?;
        let upto = read.map_or(newest, |read| read.upto.max(newest));
        let entry = (!new.is_empty()).then(|| {
            let listed = found.iter().filter(|one| new.contains(&DeploymentId(one.id))).map(listed).collect();
            let repository = Repository { id, full_name: repository.full_name.clone() };
            // At the first look the list was read to an end of its own, and not down to another deployment.
            let after = read.map(|read| read.told.unwrap_or(read.upto));
            let list = DeploymentsListed { repository, after, upto, deployments: listed };
            (entry(EntryBody::DeploymentsListed(list)), new)
        });
        if entry.is_some() || read.is_none_or(|read| read.upto < upto) {
            store.listed(id, upto, entry).await?;
        }
        Ok(())
    }

    fn first_look(&self, repository: &RepositoryPayload, scope: &Scope) -> FirstLook {
        let of = |environment: &String| {
            let baseline = self.evaluator.settings.baseline_of(&repository.full_name, environment)?;
            let commit = CommitSha::new(baseline.commit.clone());
            Some(Base { environment: environment.clone(), commit, met: false })
        };
        FirstLook(scope.environments.iter().filter_map(of).collect())
    }
}

/// The first look at a list: in each environment it goes back to the deployment that brought the settings' baseline.
/// Where that is not met, nothing shows what came after it, and nothing is told.
struct FirstLook(Vec<Base>);

/// What ran in an environment when the control started.
struct Base {
    environment: String,
    commit: CommitSha,
    met: bool,
}

impl FirstLook {
    /// Whether a deployment, met newest first, came after the baseline of its environment.
    fn takes(&mut self, one: &DeploymentPayload) -> bool {
        let Some(base) = self.0.iter_mut().find(|base| one.is_in(&base.environment)) else { return false };
        base.met |= CommitSha::new(one.sha.clone()) == base.commit;
        !base.met
    }

    fn is_over(&self) -> bool {
        self.0.iter().all(|base| base.met)
    }

    fn reaches(&self, one: &DeploymentPayload) -> bool {
        self.0.iter().any(|base| base.met && one.is_in(&base.environment))
    }
}

fn listed(one: &DeploymentPayload) -> ListedDeployment {
    ListedDeployment {
        id: DeploymentId(one.id),
        environment: one.environment.clone(),
        commit: CommitSha::new(one.sha.clone()),
        creator: one.creator(),
        created_at: respelled(&one.created_at).unwrap_or_default(),
    }
}
