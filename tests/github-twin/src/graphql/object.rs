//! One object of the answer, and which resolver answers its fields.
//!
//! Invariant: a resolver never changes the world; a field it does not know is an error, never a silent null.

use super::{MARK, actor, checks, commit, environments, pull, repository, runs};
use crate::auth::Caller;
use crate::git::CommitInfo;
use crate::model::{
    self, Account, Approval, CheckRun, CheckSuite, Comment, Deployment, DeploymentStatus, PermissionLevel, PullRequest,
    Review, Run, World,
};
use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::JsonMap;
use serde_json::Value;
use std::rc::Rc;

/// What every resolver may look at.
#[derive(Clone, Copy)]
pub(crate) struct Context<'w> {
    pub(crate) world: &'w World,
    pub(crate) caller: &'w Caller,
    /// The real clock, for the rate limit.
    pub(crate) now: i64,
}

/// Which object.
#[derive(Clone)]
pub(crate) enum Node<'w> {
    Query,
    Repository(&'w model::Repository),
    /// An account as an `Actor`: bots are `Bot`, without `[bot]`.
    Actor(&'w Account),
    /// An account where the schema says `User`: bots are shown as users, with `[bot]`.
    AsUser(&'w Account),
    PullRequest(&'w PullRequest),
    /// The queue of the default branch.
    MergeQueue,
    Review(&'w PullRequest, &'w Review),
    Comment(&'w PullRequest, &'w Comment),
    Commit(Rc<CommitInfo>),
    Tree(Rc<commit::Directory>),
    CheckSuite(&'w CheckSuite),
    CheckRun(&'w CheckRun),
    Deployment(&'w Deployment),
    DeploymentStatus(&'w Deployment, &'w DeploymentStatus),
    WorkflowRun(&'w Run),
    Environment(&'w model::Environment),
    DeploymentReview(&'w Run, &'w Approval),
    Ref(&'w model::Repository, String, String),
    /// Anything small enough to be written down at once.
    Record(Rc<Record<'w>>),
}

/// An object whose fields are known already.
pub(crate) struct Record<'w> {
    pub(crate) kind: &'static str,
    pub(crate) fields: Vec<(&'static str, Part<'w>)>,
}

/// The value of one field.
#[derive(Clone)]
pub(crate) enum Part<'w> {
    Leaf(Value),
    One(Option<Node<'w>>),
    Many(Vec<Option<Node<'w>>>),
}

impl<'w> Part<'w> {
    /// A scalar or an enum value.
    pub(crate) fn leaf(value: impl Into<Value>) -> Self {
        Self::Leaf(value.into())
    }

    /// Null.
    pub(crate) fn null() -> Self {
        Self::Leaf(Value::Null)
    }

    /// An `Int`: null where the number does not fit, as it does for large ids.
    pub(crate) fn int(number: u64) -> Self {
        Self::Leaf(i32::try_from(number).map_or(Value::Null, Value::from))
    }

    /// A record.
    pub(crate) fn record(kind: &'static str, fields: Vec<(&'static str, Part<'w>)>) -> Self {
        Self::One(Some(Node::record(kind, fields)))
    }
}

impl<'w> Node<'w> {
    /// A record as a node.
    pub(crate) fn record(kind: &'static str, fields: Vec<(&'static str, Part<'w>)>) -> Self {
        Self::Record(Rc::new(Record { kind, fields }))
    }
}

/// The arguments of a field.
#[derive(Clone, Copy)]
pub(crate) struct Arguments<'a>(pub(crate) &'a JsonMap);

impl<'a> Arguments<'a> {
    pub(crate) fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    pub(crate) fn number(self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    /// A list of texts or enum values; `None` where it is not given.
    pub(crate) fn list(self, name: &str) -> Option<Vec<String>> {
        let items = self.0.get(name)?.as_array()?;
        Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
    }

    /// A field of an input object.
    pub(crate) fn within(self, name: &str, field: &str) -> Option<Value> {
        let value = self.0.get(name)?.as_object()?.get(field)?;
        serde_json::to_value(value).ok()
    }
}

/// What a resolver answers.
pub(crate) type Resolved<'w> = Result<Part<'w>, FieldError>;

/// An error with GitHub's type.
pub(crate) fn error(kind: &str, message: &str) -> FieldError {
    FieldError { message: format!("{kind}{MARK}{message}") }
}

impl Context<'_> {
    /// Refuses what the token was not given.
    pub(crate) fn needs(&self, what: &str) -> Result<(), FieldError> {
        if self.caller.may(what, PermissionLevel::Read) {
            Ok(())
        } else {
            Err(error("FORBIDDEN", "Resource not accessible by integration"))
        }
    }
}

/// A node with what it needs to resolve.
pub(crate) struct Object<'w> {
    context: Context<'w>,
    node: Node<'w>,
}

impl<'w> Object<'w> {
    pub(crate) fn new(context: Context<'w>, node: Node<'w>) -> Self {
        Self { context, node }
    }

    fn field(&self, name: &str, arguments: Arguments<'_>) -> Option<Resolved<'w>> {
        let context = self.context;
        match &self.node {
            Node::Query => repository::query(context, name, arguments),
            Node::Repository(one) => repository::repository(context, one, name, arguments),
            Node::Ref(owner, prefix, short) => repository::reference(context, owner, (prefix, short), name, arguments),
            Node::Actor(account) | Node::AsUser(account) => {
                let as_user = matches!(self.node, Node::AsUser(_));
                actor::account(context, account, as_user, name, arguments)
            }
            Node::PullRequest(one) => pull::pull_request(context, one, name, arguments),
            Node::Review(of, one) => pull::review(context, of, one, name, arguments),
            Node::Comment(of, one) => pull::comment(context, of, one, name),
            Node::Commit(info) => commit::commit(context, info, name, arguments),
            Node::Tree(one) => commit::tree_field(context, one, name),
            Node::CheckSuite(one) => checks::suite(context, one, name, arguments),
            Node::CheckRun(one) => checks::run(context, one, name),
            Node::Deployment(one) => checks::deployment(context, one, name, arguments),
            Node::DeploymentStatus(of, one) => checks::deployment_status(context, of, one, name),
            Node::WorkflowRun(one) => runs::workflow_run(context, one, name, arguments),
            Node::Environment(one) => environments::field(one, name, arguments),
            Node::DeploymentReview(of, one) => environments::review(context, of, one, name, arguments),
            Node::MergeQueue => pull::queue(context.world, name, arguments),
            Node::Record(record) => {
                record.fields.iter().find(|(field, _)| *field == name).map(|(_, part)| Ok(part.clone()))
            }
        }
    }
}

impl ObjectValue for Object<'_> {
    fn type_name(&self) -> &str {
        match &self.node {
            Node::Query => "Query",
            Node::MergeQueue => "MergeQueue",
            Node::Repository(_) => "Repository",
            Node::Actor(account) => account.kind.name(),
            Node::AsUser(_) => "User",
            Node::PullRequest(_) => "PullRequest",
            Node::Review(..) => "PullRequestReview",
            Node::Comment(..) => "IssueComment",
            Node::Commit(_) => "Commit",
            Node::Tree(_) => "Tree",
            Node::CheckSuite(_) => "CheckSuite",
            Node::CheckRun(_) => "CheckRun",
            Node::Deployment(_) => "Deployment",
            Node::DeploymentStatus(..) => "DeploymentStatus",
            Node::WorkflowRun(_) => "WorkflowRun",
            Node::Environment(_) => "Environment",
            Node::DeploymentReview(..) => "DeploymentReview",
            Node::Ref(..) => "Ref",
            Node::Record(record) => record.kind,
        }
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Result<ResolvedValue<'a>, FieldError> {
        let part = self
            .field(info.field_name(), Arguments(info.arguments()))
            .unwrap_or_else(|| Err(self.unknown_field_error(info)))?;
        let context = self.context;
        Ok(match part {
            Part::Leaf(value) => ResolvedValue::leaf(value),
            Part::One(node) => ResolvedValue::nullable_object(node.map(|node| Object::new(context, node))),
            Part::Many(nodes) => ResolvedValue::list(
                nodes
                    .into_iter()
                    .map(move |node| ResolvedValue::nullable_object(node.map(|node| Object::new(context, node)))),
            ),
        })
    }
}
