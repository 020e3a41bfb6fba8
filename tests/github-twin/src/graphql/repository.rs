//! The root of queries, repositories and refs.

use super::connection::{connection, connection_with, named};
use super::object::{Arguments, Context, Node, Part, Resolved, error};
use super::{actor, checks, commit, environments, pull};
use crate::model::{self, AccountKind, Permission, PullRequest, Repository, UPSTREAM, World, node_id, rfc3339};

/// The fields of `Query`.
pub(crate) fn query<'w>(context: Context<'w>, name: &str, arguments: Arguments<'_>) -> Option<Resolved<'w>> {
    let world = context.world;
    let text = |name: &str| arguments.text(name).unwrap_or_default().to_owned();
    Some(match name {
        "id" => Ok(Part::leaf("Q")),
        "node" => by_node_id(context, &text("id")),
        "nodes" => nodes(context, arguments),
        "rateLimit" => Ok(rate_limit(context)),
        "repository" => {
            let (owner, name) = (text("owner"), text("name"));
            found(world.repository(&owner, &name).map(Node::Repository), || {
                format!("Could not resolve to a Repository with the name '{owner}/{name}'.")
            })
        }
        "user" => {
            let login = text("login");
            let user = world.account_by_login(&login).filter(|account| account.kind == AccountKind::User);
            found(user.map(Node::AsUser), || format!("Could not resolve to a User with the login of '{login}'."))
        }
        "organization" => {
            let login = text("login");
            let kind = AccountKind::Organization;
            let organization = world.account_by_login(&login).filter(|account| account.kind == kind);
            found(organization.map(Node::Actor), || {
                format!("Could not resolve to an Organization with the login of '{login}'.")
            })
        }
        "repositoryOwner" => {
            let owner = world.account_by_login(&text("login"));
            let owner = owner.filter(|account| matches!(account.kind, AccountKind::User | AccountKind::Organization));
            Ok(Part::One(owner.map(Node::Actor)))
        }
        "viewer" => Ok(actor::as_user(world, Some(world.installation.bot))),
        _ => return None,
    })
}

fn found(node: Option<Node<'_>>, missing: impl Fn() -> String) -> Resolved<'_> {
    match node {
        Some(node) => Ok(Part::One(Some(node))),
        None => Err(error("NOT_FOUND", &missing())),
    }
}

fn rate_limit(context: Context<'_>) -> Part<'_> {
    let used = context.world.calls.len() as u64 % 5000;
    Part::record(
        "RateLimit",
        vec![
            ("cost", Part::leaf(1)),
            ("limit", Part::leaf(5000)),
            ("nodeCount", Part::leaf(1)),
            ("remaining", Part::int(5000 - used)),
            ("used", Part::int(used)),
            ("resetAt", Part::leaf(rfc3339(context.now + 3600))),
        ],
    )
}

fn by_node_id<'w>(context: Context<'w>, id: &str) -> Resolved<'w> {
    found(node_of(context, id), || format!("Could not resolve to a node with the global id of '{id}'"))
}

fn nodes<'w>(context: Context<'w>, arguments: Arguments<'_>) -> Resolved<'w> {
    let ids = arguments.list("ids").unwrap_or_default();
    if ids.len() > 100 {
        return Err(error("ARGUMENT_LIMIT", "You may not provide more than 100 node ids."));
    }
    Ok(Part::Many(ids.iter().map(|id| node_of(context, id)).collect()))
}

fn node_of<'w>(context: Context<'w>, id: &str) -> Option<Node<'w>> {
    let world = context.world;
    let (kind, rest) = id.split_once("_kwDO")?;
    if kind == "C" {
        return commit::found(world, rest).filter(|_| context.needs("contents").is_ok());
    }
    let number = u64::from_str_radix(rest, 16).ok()?;
    match kind {
        "R" => world.repositories.get(&number).map(Node::Repository),
        "U" => actor::living(world, Some(number)).map(Node::AsUser),
        "BOT" | "MNQ" | "O" => actor::living(world, Some(number)).map(Node::Actor),
        "PR" if context.needs("pull_requests").is_ok() => {
            let pull = world.pulls.values().find(|pull| pull.id == number);
            pull.map(Node::PullRequest)
        }
        "PRR" if context.needs("pull_requests").is_ok() => {
            world.review(number).map(|(pull, review)| Node::Review(pull, review))
        }
        "CS" if context.needs("checks").is_ok() => {
            let suite = world.check_suites.iter().find(|suite| suite.id == number);
            suite.map(Node::CheckSuite)
        }
        "CR" if context.needs("checks").is_ok() => {
            let run = world.check_runs.iter().find(|run| run.id == number);
            run.map(Node::CheckRun)
        }
        "DE" if context.needs("deployments").is_ok() => world.deployments.get(&number).map(Node::Deployment),
        "WFR" if context.needs("actions").is_ok() => world.runs.get(&number).map(Node::WorkflowRun),
        _ => None,
    }
}

/// The upstream repository, to which everything but a fork belongs.
pub(crate) fn upstream(world: &World) -> Part<'_> {
    Part::One(world.upstream().map(Node::Repository))
}

/// The fields of `Repository`.
pub(crate) fn repository<'w>(
    context: Context<'w>,
    one: &'w Repository,
    name: &str,
    arguments: Arguments<'_>,
) -> Option<Resolved<'w>> {
    if let Some(value) = plain(context.world, one, name) {
        return Some(Ok(value));
    }
    let ours = one.id == UPSTREAM;
    Some(match name {
        "collaborators" => collaborators(context, arguments),
        "deployments" => context.needs("deployments").and_then(|()| checks::deployments(context, None, arguments)),
        "environment" => environments::environment(context, arguments.text("name").unwrap_or_default()),
        "environments" => environments::environments(context, arguments),
        "object" => context.needs("contents").and_then(|()| object(context.world, one, arguments)),
        "mergeQueue" => context.needs("merge_queues").map(|()| {
            let branch = arguments.text("branch").unwrap_or(&one.default_branch);
            let on = context.world.merge_queue && ours && branch == one.default_branch;
            Part::One(on.then_some(Node::MergeQueue))
        }),
        "pullRequest" => context.needs("pull_requests").and_then(|()| {
            let number = arguments.number("number").unwrap_or_default();
            let pull = u64::try_from(number).ok().and_then(|number| context.world.pulls.get(&number));
            found(pull.filter(|_| ours).map(Node::PullRequest), || {
                format!("Could not resolve to a PullRequest with the number of {number}.")
            })
        }),
        "pullRequests" => context.needs("pull_requests").and_then(|()| {
            let all: Vec<&PullRequest> = if ours { context.world.pulls.values().collect() } else { Vec::new() };
            pull::connection_of(all, arguments)
        }),
        "defaultBranchRef" => context.needs("contents").map(|()| branch_or_null(one, &one.default_branch)),
        "ref" => context.needs("contents").map(|()| {
            let full = arguments.text("qualifiedName").unwrap_or_default();
            reference_named(one, full)
        }),
        "refs" => context.needs("contents").and_then(|()| refs(one, arguments)),
        _ => return None,
    })
}

fn plain<'w>(world: &'w World, one: &'w Repository, name: &str) -> Option<Part<'w>> {
    let path = format!("/{}", one.full_name());
    Some(match name {
        "id" => Part::leaf(node_id("R", one.id)),
        "databaseId" => Part::int(one.id),
        "name" => Part::leaf(one.name.clone()),
        "nameWithOwner" => Part::leaf(one.full_name()),
        "owner" => actor::certain_actor(world, one.owner_id),
        "url" => Part::leaf(format!("{}{path}", world.url)),
        "resourcePath" => Part::leaf(path),
        "isFork" => Part::leaf(one.fork_of.is_some()),
        "isPrivate" | "isArchived" | "isDisabled" | "deleteBranchOnMerge" => Part::leaf(false),
        "mergeCommitAllowed" | "squashMergeAllowed" | "rebaseMergeAllowed" | "autoMergeAllowed" => Part::leaf(true),
        "visibility" => Part::leaf("PUBLIC"),
        "createdAt" => Part::leaf(rfc3339(one.created_at)),
        "updatedAt" | "pushedAt" => Part::leaf(rfc3339(one.pushed_at)),
        "description" | "viewerPermission" => Part::null(),
        _ => return None,
    })
}

fn collaborators<'w>(context: Context<'w>, arguments: Arguments<'_>) -> Resolved<'w> {
    if !context.caller.may("contents", model::PermissionLevel::Write) {
        return Err(error("FORBIDDEN", "Must have push access to view repository collaborators."));
    }
    let world = context.world;
    let login = arguments.text("login");
    let part = arguments.text("query").map(str::to_ascii_lowercase);
    let all: Vec<&model::Account> = world
        .accounts
        .values()
        .filter(|account| !account.deleted && !account.built_in && account.permission > Permission::None)
        .filter(|account| account.kind == AccountKind::User)
        .filter(|account| login.is_none_or(|login| login.eq_ignore_ascii_case(&account.login)))
        .filter(|account| part.as_ref().is_none_or(|part| account.login.to_ascii_lowercase().contains(part)))
        .collect();
    connection_with(
        named("collaborators", "RepositoryCollaboratorConnection", "RepositoryCollaboratorEdge"),
        &all,
        arguments,
        |account| Some(Node::AsUser(account)),
        |account| {
            let permission = account.permission.role_name().to_ascii_uppercase();
            vec![("permission", Part::leaf(permission)), ("permissionSources", Part::null())]
        },
    )
}

/// A commit, tree or blob by id, or by `ref`, `ref:path`, or a commit id with `:path`.
fn object<'w>(world: &'w World, one: &'w Repository, arguments: Arguments<'_>) -> Resolved<'w> {
    let missing = || error("MISSING_ARGUMENT", "`oid` or `expression` is required.");
    let (name, path) = match (arguments.text("oid"), arguments.text("expression")) {
        (Some(oid), _) => (oid, None),
        (None, Some(expression)) => match expression.split_once(':') {
            Some((name, path)) => (name, Some(path)),
            None => (expression, None),
        },
        (None, None) => return Err(missing()),
    };
    let name = if name == "HEAD" { one.default_branch.as_str() } else { name };
    let Some(sha) = resolved(world, one, name) else {
        return Ok(Part::null());
    };
    Ok(match path {
        None => Part::One(commit::found(world, &sha)),
        Some(path) => Part::One(commit::at_path(world, &sha, path)),
    })
}

fn resolved(world: &World, one: &Repository, name: &str) -> Option<String> {
    one.resolve(name).cloned().or_else(|| world.git.has_commit(name).then(|| name.to_owned()))
}

/// A branch as `Ref`, or null.
pub(crate) fn branch_or_null<'w>(one: &'w Repository, branch: &str) -> Part<'w> {
    let exists = one.branches.contains_key(branch);
    Part::One(exists.then(|| Node::Ref(one, "refs/heads/".to_owned(), branch.to_owned())))
}

fn reference_named<'w>(one: &'w Repository, full: &str) -> Part<'w> {
    let node = |prefix: &str, short: &str| Some(Node::Ref(one, prefix.to_owned(), short.to_owned()));
    let node = match (full.strip_prefix("refs/heads/"), full.strip_prefix("refs/tags/")) {
        (Some(branch), _) if one.branches.contains_key(branch) => node("refs/heads/", branch),
        (_, Some(tag)) if one.tags.contains_key(tag) => node("refs/tags/", tag),
        (None, None) if one.branches.contains_key(full) => node("refs/heads/", full),
        (None, None) if one.tags.contains_key(full) => node("refs/tags/", full),
        _ => None,
    };
    Part::One(node)
}

fn refs<'w>(one: &'w Repository, arguments: Arguments<'_>) -> Resolved<'w> {
    let prefix = arguments.text("refPrefix").unwrap_or_default().trim_end_matches('/').to_owned();
    let names: Vec<String> = match prefix.as_str() {
        "refs/heads" => one.branches.keys().cloned().collect(),
        "refs/tags" => one.tags.keys().cloned().collect(),
        _ => Vec::new(),
    };
    connection(named("refs", "RefConnection", "RefEdge"), &names, arguments, |name| {
        Some(Node::Ref(one, format!("{prefix}/"), name.clone()))
    })
}

/// The fields of `Ref`.
pub(crate) fn reference<'w>(
    context: Context<'w>,
    owner: &'w Repository,
    (prefix, short): (&str, &str),
    name: &str,
    arguments: Arguments<'_>,
) -> Option<Resolved<'w>> {
    let full = format!("{prefix}{short}");
    Some(Ok(match name {
        "id" => Part::leaf(format!("REF_kwDO{}", hex::encode(format!("{}:{full}", owner.id)))),
        "name" => Part::leaf(short),
        "prefix" => Part::leaf(prefix),
        "repository" => Part::One(Some(Node::Repository(owner))),
        "target" => {
            let sha = owner.resolve(&full);
            Part::One(sha.and_then(|sha| commit::found(context.world, sha)))
        }
        "associatedPullRequests" => {
            let from_here = |pull: &&PullRequest| pull.head.repository == owner.id && pull.head.branch == short;
            let all = context.world.pulls.values().filter(from_here).collect();
            return Some(context.needs("pull_requests").and_then(|()| pull::connection_of(all, arguments)));
        }
        _ => return None,
    }))
}
