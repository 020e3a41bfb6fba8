//! Who could deploy a release instead, and the three people behind each change of one that may go.
//!
//! Invariant: a person is named only when they would be clean for all of it as its sole deployer, in the stricter
//! reading. Persons without a part in a change are judged as one, since no rule can tell them apart.

use super::change::Judged;
use super::deployers::Deployers;
use super::entities::Resource;
use super::people::{People, PersonKey, Who};
use super::release::Release;
use crate::domain::verdict::Three;
use crate::domain::{Account, AccountId, Contribution, Contributor};
use std::collections::{BTreeMap, HashMap};

/// The accounts with write access whose owner could deploy all of it.
pub(crate) fn can_deploy(release: &Release<'_>, changes: &[Judged]) -> Vec<Account> {
    let people = release.judge.people;
    let class = Class::of(release, changes);
    let mut verdicts: HashMap<PersonKey, bool> = HashMap::new();
    let mut able: BTreeMap<AccountId, Account> = BTreeMap::new();
    for account in release.deployment.writers.iter().flatten() {
        if let Who::Person(person) = people.who(Some(account))
            && *verdicts.entry(person).or_insert_with(|| class.may_deploy(person))
        {
            able.insert(account.id, account.clone());
        }
    }
    able.into_values().collect()
}

/// What holds for everybody who has no part in a change.
struct Class<'a> {
    release: &'a Release<'a>,
    changes: &'a [Judged],
    /// The changes that even they could not deploy.
    closed: Vec<usize>,
    release_is_clean: bool,
    parts: HashMap<PersonKey, Vec<usize>>,
}

impl<'a> Class<'a> {
    fn of(release: &'a Release<'a>, changes: &'a [Judged]) -> Self {
        let mut parts: HashMap<PersonKey, Vec<usize>> = HashMap::new();
        for (index, change) in changes.iter().enumerate() {
            for person in change.contributors.union(&change.reviewers) {
                parts.entry(*person).or_default().push(index);
            }
        }
        let mut class =
            Self { release, changes, closed: Vec::new(), release_is_clean: release.is_clean_for(None), parts };
        let all: Vec<usize> = (0..changes.len()).collect();
        class.closed = class.closed_to(PersonKey::WithoutRole, &all);
        class
    }

    fn may_deploy(&self, person: PersonKey) -> bool {
        if self.release.judge.policies.speaks_of(&self.release.judge.person(person)) {
            let all: Vec<usize> = (0..self.changes.len()).collect();
            return self.release.is_clean_for(Some(person)) && self.closed_to(person, &all).is_empty();
        }
        let own = self.parts.get(&person).map_or(&[][..], Vec::as_slice);
        self.release_is_clean
            && self.closed.iter().all(|index| own.contains(index))
            && self.closed_to(person, own).is_empty()
    }

    /// Those of these changes that this person could not deploy alone.
    fn closed_to(&self, person: PersonKey, indices: &[usize]) -> Vec<usize> {
        let judge = self.release.judge;
        let Ok(context) = judge.deployers([&person]) else {
            return indices.to_vec();
        };
        let principal = judge.person(person);
        let deploy = &judge.policies.names().deploy;
        let open = |index: &usize| {
            let clean = |it: &Resource| judge.ask_in(&principal, deploy, it, context.clone()).is_clean();
            let strict = self.changes.get(*index).map(Judged::strictest).unwrap_or_default();
            !strict.is_empty() && strict.into_iter().all(clean)
        };
        indices.iter().copied().filter(|index| !open(index)).collect()
    }
}

/// Three different people behind one change; the author may be trusted automation.
pub(crate) fn three(people: &People<'_>, change: &Judged, deployers: &Deployers) -> Option<Three> {
    let contributors = &change.verdict.contributors;
    let is_person = |contributor: &&Contributor| !contributor.automation;
    let opened = |contributor: &&Contributor| contributor.because.contains(&Contribution::Opened);
    let wrote = |contributor: &&Contributor| {
        let authored = |how: &Contribution| matches!(how, Contribution::Authored { .. });
        contributor.because.iter().any(authored)
    };
    let author = contributors
        .iter()
        .find(|it| is_person(it) && opened(it))
        .or_else(|| contributors.iter().find(|it| is_person(it) && wrote(it)))
        .or_else(|| contributors.iter().find(is_person))
        .or_else(|| contributors.first())?;
    let free = |person: PersonKey| !change.contributors.contains(&person);
    let reviewer = change.verdict.reviewers.iter().find(|account| {
        let person = people.person(account.id);
        free(person) && !deployers.persons.contains_key(&person)
    })?;
    let (_, deployer) = deployers.persons.iter().find(|(person, _)| free(**person))?;
    Some(Three { author: author.account.clone(), reviewer: reviewer.clone(), deployer: deployer.clone() })
}
