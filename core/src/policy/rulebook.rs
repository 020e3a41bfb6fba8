//! The rules, sorted by whom they can apply to, so that a question is put only to those that could answer it.
//!
//! Invariant: a rule is left out of a page only where its own scope rules it out by action or by type, which is where
//! Cedar too would stop reading it. Next: `entities.rs`.

use cedar_policy::{
    ActionConstraint, EntityUid, Policy, PolicySet, PrincipalConstraint, RequestEnv, ResourceConstraint, Schema,
};

/// All rules, and for each kind of question those that could apply to it.
#[derive(Debug)]
pub(crate) struct Rulebook {
    whole: PolicySet,
    pages: Vec<(RequestEnv, PolicySet)>,
}

impl Rulebook {
    /// Sorts the rules by the kinds of question that the schema knows.
    pub(crate) fn new(schema: &Schema, whole: PolicySet) -> Self {
        let pages = schema
            .request_envs()
            .filter_map(|kind| {
                let page = PolicySet::from_policies(whole.policies().filter(|rule| may_apply(rule, &kind)).cloned());
                page.ok().map(|page| (kind, page))
            })
            .collect();
        Self { whole, pages }
    }

    /// Every rule.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Policy> {
        self.whole.policies()
    }

    /// The rules for one question.
    pub(crate) fn page(&self, principal: &EntityUid, action: &EntityUid, resource: &EntityUid) -> &PolicySet {
        let page = self.pages.iter().find(|(kind, _)| {
            kind.action() == action
                && kind.principal() == principal.type_name()
                && kind.resource() == resource.type_name()
        });
        page.map_or(&self.whole, |(_, page)| page)
    }
}

fn may_apply(rule: &Policy, kind: &RequestEnv) -> bool {
    let action = match rule.action_constraint() {
        ActionConstraint::Eq(action) => action == *kind.action(),
        ActionConstraint::Any | ActionConstraint::In(_) => true,
    };
    let principal = match rule.principal_constraint() {
        PrincipalConstraint::Is(of) | PrincipalConstraint::IsIn(of, _) => of == *kind.principal(),
        PrincipalConstraint::Eq(one) => one.type_name() == kind.principal(),
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
    };
    let resource = match rule.resource_constraint() {
        ResourceConstraint::Is(of) | ResourceConstraint::IsIn(of, _) => of == *kind.resource(),
        ResourceConstraint::Eq(one) => one.type_name() == kind.resource(),
        ResourceConstraint::Any | ResourceConstraint::In(_) => true,
    };
    action && principal && resource
}
