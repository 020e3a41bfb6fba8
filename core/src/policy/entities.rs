//! Facts in Cedar's words: typed entities and contexts, and the one place where a rule is asked.
//!
//! Invariant: nothing goes through JSON, everything is checked against the schema, and an answer carries every fault
//! Cedar reports: a rule that failed was not asked. Next: `approvals.rs`, `change.rs` and `release.rs`, which ask.

use super::pack::Policies;
use super::people::{People, PersonKey};
use crate::domain::{AccountId, CommitSha};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The names of the schema, parsed once.
#[derive(Debug)]
pub(crate) struct Names {
    person: EntityTypeName,
    automation: EntityTypeName,
    change: EntityTypeName,
    release: EntityTypeName,
    /// The principal of rules that look at the resource alone.
    pub(crate) anyone: EntityUid,
    /// A person says yes to a change.
    pub(crate) approve: EntityUid,
    /// A change goes onto the production branch.
    pub(crate) merge: EntityUid,
    /// A change or a release goes to production.
    pub(crate) deploy: EntityUid,
}

impl Names {
    pub(crate) fn new() -> Result<Self, String> {
        let entity_type = |name: &str| name.parse::<EntityTypeName>().map_err(|error| error.to_string());
        let action = |name: &str| Ok::<_, String>(uid(&entity_type("Action")?, name));
        Ok(Self {
            person: entity_type("Person")?,
            automation: entity_type("Automation")?,
            change: entity_type("Change")?,
            release: entity_type("Release")?,
            anyone: uid(&entity_type("Anyone")?, "anyone"),
            approve: action("approve")?,
            merge: action("merge")?,
            deploy: action("deploy")?,
        })
    }
}

/// A change or a release, ready to be asked about.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    uid: EntityUid,
    entities: Entities,
}

/// What the rules say: every code whose rule forbids, and what went wrong in asking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) codes: BTreeSet<String>,
    pub(crate) fault: Option<String>,
}

impl Answer {
    /// No rule forbids, and each was asked.
    pub(crate) fn is_clean(&self) -> bool {
        self.codes.is_empty() && self.fault.is_none()
    }

    pub(crate) fn faulty(fault: &impl ToString) -> Self {
        Self { codes: BTreeSet::new(), fault: Some(fault.to_string()) }
    }
}

/// The rules and the people they are asked about.
pub(crate) struct Judge<'a> {
    pub(crate) policies: &'a Policies,
    pub(crate) people: &'a People<'a>,
    authorizer: Authorizer,
}

/// Attributes on their way into an entity or a context.
#[derive(Default)]
pub(crate) struct Attributes(Vec<(String, RestrictedExpression)>);

impl Attributes {
    fn put(&mut self, name: &str, value: RestrictedExpression) {
        self.0.push((name.to_owned(), value));
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.put(name, RestrictedExpression::new_string(value.to_owned()));
    }

    pub(crate) fn commit(&mut self, name: &str, value: Option<&CommitSha>) {
        if let Some(value) = value {
            self.text(name, value.as_str());
        }
    }

    pub(crate) fn claim(&mut self, name: &str, value: bool) {
        self.put(name, RestrictedExpression::new_bool(value));
    }

    pub(crate) fn texts(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        let values = values.into_iter().map(RestrictedExpression::new_string);
        self.put(name, RestrictedExpression::new_set(values));
    }

    fn entities(&mut self, name: &str, values: impl IntoIterator<Item = EntityUid>) {
        let values = values.into_iter().map(RestrictedExpression::new_entity_uid);
        self.put(name, RestrictedExpression::new_set(values));
    }

    pub(crate) fn persons<'p>(
        &mut self,
        name: &str,
        judge: &Judge<'_>,
        persons: impl IntoIterator<Item = &'p PersonKey>,
    ) {
        self.entities(name, persons.into_iter().map(|person| judge.person(*person)));
    }

    pub(crate) fn automation(&mut self, name: &str, judge: &Judge<'_>, ids: impl IntoIterator<Item = AccountId>) {
        self.entities(name, ids.into_iter().map(|id| judge.automation(id)));
    }
}

impl<'a> Judge<'a> {
    pub(crate) fn new(policies: &'a Policies, people: &'a People<'a>) -> Self {
        Self { policies, people, authorizer: Authorizer::new() }
    }

    /// A person, as rules know them.
    pub(crate) fn person(&self, person: PersonKey) -> EntityUid {
        uid(&self.policies.names().person, &self.people.entity_id(person))
    }

    /// Automation, as rules know it.
    pub(crate) fn automation(&self, id: AccountId) -> EntityUid {
        uid(&self.policies.names().automation, &format!("account/{id}"))
    }

    /// A change, as rules know it.
    pub(crate) fn change(&self, name: &str, attributes: Attributes) -> Result<Resource, String> {
        self.resource(&self.policies.names().change, name, attributes)
    }

    /// A release, as rules know it.
    pub(crate) fn release(&self, name: &str, attributes: Attributes) -> Result<Resource, String> {
        self.resource(&self.policies.names().release, name, attributes)
    }

    fn resource(&self, of: &EntityTypeName, name: &str, attributes: Attributes) -> Result<Resource, String> {
        let uid = uid(of, name);
        let kind = of.to_string();
        let known = attributes.0.into_iter().filter(|(name, _)| self.policies.declares(&kind, name));
        let attributes: HashMap<String, RestrictedExpression> = known.collect();
        let entity = Entity::new(uid.clone(), attributes, HashSet::new()).map_err(|error| error.to_string())?;
        let entities = Entities::from_entities([entity], Some(self.policies.schema()))
            .map_err(|error| format!("{error}: {}", chain(&error)))?;
        Ok(Resource { uid, entities })
    }

    /// Asks every rule at once.
    pub(crate) fn ask(
        &self,
        principal: &EntityUid,
        action: &EntityUid,
        resource: &Resource,
        context: Attributes,
    ) -> Answer {
        let context = match Context::from_pairs(context.0) {
            Ok(context) => context,
            Err(error) => return Answer::faulty(&error),
        };
        self.ask_in(principal, action, resource, context)
    }

    /// Asks with a context made before.
    pub(crate) fn ask_in(
        &self,
        principal: &EntityUid,
        action: &EntityUid,
        resource: &Resource,
        context: Context,
    ) -> Answer {
        let schema = Some(self.policies.schema());
        let request = Request::new(principal.clone(), action.clone(), resource.uid.clone(), context, schema);
        let request = match request {
            Ok(request) => request,
            Err(error) => return Answer::faulty(&error),
        };
        let rules = self.policies.rules().page(principal, action, &resource.uid);
        let response = self.authorizer.is_authorized(&request, rules, &resource.entities);
        let mut faults: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
        faults.sort();
        let mut answer = Answer { codes: BTreeSet::new(), fault: (!faults.is_empty()).then(|| faults.join("; ")) };
        if response.decision() == Decision::Deny {
            let forbids = response.diagnostics().reason();
            answer.codes = forbids.map(|id| AsRef::<str>::as_ref(id).to_owned()).collect();
            if answer.codes.is_empty() && answer.fault.is_none() {
                answer.fault = Some(format!("no rule permits {action}"));
            }
        }
        answer
    }

    /// The context of a deployment by these persons.
    pub(crate) fn deployers<'p>(&self, persons: impl IntoIterator<Item = &'p PersonKey>) -> Result<Context, String> {
        let mut context = Attributes::default();
        context.persons("deployers", self, persons);
        Context::from_pairs(context.0).map_err(|error| error.to_string())
    }
}

fn uid(of: &EntityTypeName, name: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(name))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut parts = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        parts.push(cause.to_string());
        source = cause.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the reason")]
    struct Cause;

    #[derive(Debug, thiserror::Error)]
    #[error("in between")]
    struct Between(#[source] Cause);

    #[derive(Debug, thiserror::Error)]
    #[error("what went wrong")]
    struct Whole(#[source] Between);

    #[test]
    fn a_fault_is_no_clean_answer_and_says_what_it_comes_from() {
        let faulty = Answer::faulty(&"broken");
        assert_eq!((faulty.is_clean(), faulty.fault.as_deref()), (false, Some("broken")));
        assert_eq!(chain(&Whole(Between(Cause))), "in between: the reason");
        assert_eq!(chain(&Cause), "");
    }
}
