//! Commits, whom they name, and the trees and files behind them.

use super::connection::{connection, named};
use super::object::{Arguments, Context, Node, Part, Resolved};
use super::{actor, checks, pull, repository};
use crate::git::{CommitInfo, Identity};
use crate::model::{AccountKind, PullRequest, UPSTREAM, WEB_FLOW, World, rfc3339};
use crate::rest::shape;
use std::rc::Rc;

/// The commit with this id.
pub(crate) fn found<'w>(world: &'w World, sha: &str) -> Option<Node<'w>> {
    world.git.info(sha).ok().map(|info| Node::Commit(Rc::new(info)))
}

/// The fields of `Commit`.
pub(crate) fn commit<'w>(
    context: Context<'w>,
    info: &CommitInfo,
    name: &str,
    arguments: Arguments<'_>,
) -> Option<Resolved<'w>> {
    if let Some(value) = plain(context.world, info, name) {
        return Some(Ok(value));
    }
    let world = context.world;
    Some(match name {
        "authors" => {
            let named = named("authors", "GitActorConnection", "GitActorEdge");
            connection(named, &authors(info), arguments, |one| Some(git_actor(world, one)))
        }
        "parents" => {
            let named = named("parents", "CommitConnection", "CommitEdge");
            connection(named, &info.parents, arguments, |sha| found(world, sha))
        }
        "history" => history(world, &info.sha, arguments),
        "associatedPullRequests" => context.needs("pull_requests").and_then(|()| {
            let all = associated(world, &info.sha);
            pull::connection_of(all, arguments)
        }),
        "checkSuites" => context.needs("checks").and_then(|()| checks::suites(world, &info.sha, arguments)),
        "status" => context.needs("statuses").map(|()| checks::status(world, &info.sha)),
        "statusCheckRollup" => context.needs("checks").map(|()| checks::rollup(context, &info.sha)),
        "deployments" => {
            context.needs("deployments").and_then(|()| checks::deployments(context, Some(&info.sha), arguments))
        }
        _ => return None,
    })
}

/// The commits before. To count them all takes a walk to the root, so the first page of a list does not know its total.
fn history<'w>(world: &'w World, sha: &str, arguments: Arguments<'_>) -> Resolved<'w> {
    let named = named("history", "CommitHistoryConnection", "CommitEdge");
    let first = arguments.number("first").and_then(|first| usize::try_from(first).ok());
    let first = first.filter(|_| ["after", "before", "last"].iter().all(|other| arguments.text(other).is_none()));
    let limit = first.map_or(usize::MAX, |first| first.saturating_add(1));
    let some = world.git.history(sha, limit).unwrap_or_default();
    let whole = some.len() < limit;
    let page = connection(named, &some, arguments, |sha| found(world, sha))?;
    Ok(match page {
        Part::One(Some(Node::Record(record))) if !whole => {
            let known = record.fields.iter().filter(|(field, _)| *field != "totalCount").cloned().collect();
            Part::One(Some(Node::record(record.kind, known)))
        }
        page => page,
    })
}

fn plain<'w>(world: &'w World, info: &CommitInfo, name: &str) -> Option<Part<'w>> {
    let path = || format!("{}/commit/{}", pull::repository_path(world), info.sha);
    let tree_path = || format!("{}/tree/{}", pull::repository_path(world), info.sha);
    let (headline, body) = info.message.split_once('\n').unwrap_or((&info.message, ""));
    let change = || {
        let parent = info.parents.first().map(String::as_str);
        world.git.changes(parent, &info.sha).unwrap_or_default()
    };
    Some(match name {
        "id" => Part::leaf(shape::commit_node_id(&info.sha)),
        "oid" => Part::leaf(info.sha.clone()),
        "abbreviatedOid" => Part::leaf(info.sha.get(..7).unwrap_or_default()),
        "commitResourcePath" | "resourcePath" => Part::leaf(path()),
        "commitUrl" | "url" => Part::leaf(format!("{}{}", world.url, path())),
        "tree" => Part::One(Some(tree(&info.sha, &info.tree, ""))),
        "treeResourcePath" => Part::leaf(tree_path()),
        "treeUrl" => Part::leaf(format!("{}{}", world.url, tree_path())),
        "message" => Part::leaf(info.message.clone()),
        "messageHeadline" => Part::leaf(headline),
        "messageBody" => Part::leaf(body.trim()),
        "authoredDate" => Part::leaf(rfc3339(info.author.at)),
        "committedDate" => Part::leaf(rfc3339(info.committer.at)),
        "pushedDate" => Part::null(),
        "committedViaWeb" => Part::leaf(info.committer.email == "noreply@github.com"),
        "authoredByCommitter" => Part::leaf(info.author.email == info.committer.email),
        "author" => Part::One(Some(git_actor(world, &info.author))),
        "committer" => Part::One(Some(git_actor(world, &info.committer))),
        "signature" => signature(world, info),
        "repository" => repository::upstream(world),
        "additions" => Part::leaf(change().iter().map(|file| file.additions).sum::<usize>()),
        "deletions" => Part::leaf(change().iter().map(|file| file.deletions).sum::<usize>()),
        "changedFilesIfAvailable" => Part::leaf(change().len()),
        _ => return None,
    })
}

/// The author and every co-author, each once.
fn authors(info: &CommitInfo) -> Vec<Identity> {
    let mut all = vec![info.author.clone()];
    for (name, email) in info.coauthors() {
        if !all.iter().any(|known| known.email.eq_ignore_ascii_case(&email)) {
            let at = info.author.at;
            all.push(Identity { name, email, at });
        }
    }
    all
}

/// A `GitActor`: its user may be a bot, which is then shown as a user whose login ends in `[bot]`.
fn git_actor<'w>(world: &'w World, one: &Identity) -> Node<'w> {
    let user = world.account_by_email(&one.email);
    let picture = user.map_or(0, |user| user.id);
    Node::record(
        "GitActor",
        vec![
            ("avatarUrl", Part::leaf(format!("{}/avatars/u/{picture}?v=4", world.url))),
            ("date", Part::leaf(rfc3339(one.at))),
            ("email", Part::leaf(one.email.clone())),
            ("name", Part::leaf(one.name.clone())),
            // Nobody claimed a placeholder, and the schema has no user for it.
            ("user", Part::One(user.filter(|user| user.kind != AccountKind::Mannequin).map(Node::AsUser))),
        ],
    )
}

fn signature<'w>(world: &'w World, info: &CommitInfo) -> Part<'w> {
    if !world.signed_by_github.contains(&info.sha) {
        return Part::null();
    }
    let text = "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n";
    Part::record(
        "GpgSignature",
        vec![
            ("email", Part::leaf("noreply@github.com")),
            ("isValid", Part::leaf(true)),
            ("payload", Part::leaf(format!("tree {}\n", info.tree))),
            ("signature", Part::leaf(text)),
            ("signer", actor::as_user(world, Some(WEB_FLOW))),
            ("state", Part::leaf("VALID")),
            ("verifiedAt", Part::leaf(rfc3339(info.committer.at))),
            ("wasSignedByGitHub", Part::leaf(true)),
            ("keyId", Part::leaf("B5690EEEBB952194")),
        ],
    )
}

/// The pull requests of a commit as GitHub lists them: merged ones that brought it to their base, and, where it is not
/// on the default branch, open and closed ones that hold it.
fn associated<'w>(world: &'w World, sha: &str) -> Vec<&'w PullRequest> {
    let Some(upstream) = world.upstream() else {
        return Vec::new();
    };
    let on_default = upstream
        .branches
        .get(&upstream.default_branch)
        .is_some_and(|tip| world.git.is_ancestor(sha, tip).unwrap_or(false));
    let interior = landed_with(world, sha);
    let holds = |pull: &&PullRequest| {
        let named = pull.merge_commit.as_deref() == Some(sha) || pull.commits.iter().any(|one| one == sha);
        if pull.is_merged() {
            named || (pull.merge_commit.is_some() && pull.merge_commit.as_deref() == interior)
        } else {
            named && !on_default
        }
    };
    world.pulls.values().filter(holds).collect()
}

/// The commit that stands for the merge which put this one on its base, where it was one of several (a rebase): of those that a
/// queue landed together, the first that holds it.
fn landed_with<'w>(world: &'w World, sha: &str) -> Option<&'w str> {
    use crate::model::ActivityType::{MergeQueueMerge, PrMerge};
    if world.pulls.values().any(|pull| pull.merge_commit.as_deref() == Some(sha)) {
        return None;
    }
    let merges = world.activity.iter().filter(|one| matches!(one.kind, PrMerge | MergeQueueMerge));
    let of = |one: &&crate::model::Activity| {
        let brought = world.git.reachable(&one.after, &[&one.before]).unwrap_or_default();
        brought.iter().any(|known| known == sha)
    };
    let movement = merges.into_iter().find(of)?;
    let ends = world.pulls.values().filter_map(|pull| pull.merge_commit.as_deref());
    let holds = |end: &&str| {
        let within = world.git.is_ancestor(end, &movement.after).unwrap_or(false);
        within && world.git.is_ancestor(sha, end).unwrap_or(false)
    };
    let first = |one: &'w str, other: &'w str| {
        if world.git.is_ancestor(other, one).unwrap_or(false) { other } else { one }
    };
    ends.filter(holds).reduce(first)
}

/// What lies at a path of a commit: a `Tree` or a `Blob`.
pub(crate) fn at_path<'w>(world: &'w World, sha: &str, path: &str) -> Option<Node<'w>> {
    let path = path.trim_matches('/');
    if path.is_empty() {
        let info = world.git.info(sha).ok()?;
        return Some(tree(sha, &info.tree, ""));
    }
    if let Some((blob, content)) = world.git.file(sha, path) {
        return Some(blob_node(world, &blob, &content));
    }
    world.git.list(sha, path)?;
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let listed = world.git.list(sha, parent)?;
    let (_, id, _) = listed.into_iter().find(|(known, ..)| known == name)?;
    Some(tree(sha, &id, path))
}

fn git_object<'w>(world: &'w World, kind: &str, oid: &str) -> Vec<(&'static str, Part<'w>)> {
    let path = format!("{}/commit/{oid}", pull::repository_path(world));
    vec![
        ("id", Part::leaf(format!("{kind}_kwDO{oid}"))),
        ("oid", Part::leaf(oid)),
        ("abbreviatedOid", Part::leaf(oid.get(..7).unwrap_or_default())),
        ("commitUrl", Part::leaf(format!("{}{path}", world.url))),
        ("commitResourcePath", Part::leaf(path)),
        ("repository", Part::One(world.repositories.get(&UPSTREAM).map(Node::Repository))),
    ]
}

/// A directory of a commit. Its entries are read when they are asked for: there may be many, and blobs behind them.
pub(crate) struct Directory {
    sha: String,
    oid: String,
    path: String,
}

fn tree<'w>(sha: &str, oid: &str, path: &str) -> Node<'w> {
    Node::Tree(Rc::new(Directory { sha: sha.to_owned(), oid: oid.to_owned(), path: path.to_owned() }))
}

/// The fields of `Tree`: the entries of this one directory; directories below it show no object of their own.
pub(crate) fn tree_field<'w>(context: Context<'w>, of: &Directory, name: &str) -> Option<Resolved<'w>> {
    let (world, Directory { sha, oid, path }) = (context.world, of);
    if name != "entries" {
        let fields = git_object(world, "T", oid);
        return fields.into_iter().find(|(field, _)| *field == name).map(|(_, part)| Ok(part));
    }
    let entries = world.git.list(sha, path).unwrap_or_default();
    let entry = |(name, id, directory): &(String, String, bool)| {
        let place = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        let file = world.git.file(sha, &place);
        let size = file.as_ref().map_or(0, |(_, content)| content.len());
        let object = file.map(|(blob, content)| blob_node(world, &blob, &content));
        let extension = name.rsplit_once('.').map(|(_, ending)| format!(".{ending}"));
        Some(Node::record(
            "TreeEntry",
            vec![
                ("mode", Part::leaf(if *directory { 0o040_000 } else { 0o100_644 })),
                ("name", Part::leaf(name.clone())),
                ("oid", Part::leaf(id.clone())),
                ("path", Part::leaf(place)),
                ("type", Part::leaf(if *directory { "tree" } else { "blob" })),
                ("size", Part::leaf(size)),
                ("object", Part::One(object)),
                ("extension", Part::leaf(extension)),
                ("isGenerated", Part::leaf(false)),
            ],
        ))
    };
    Some(Ok(Part::Many(entries.iter().map(entry).collect())))
}

fn blob_node<'w>(world: &'w World, oid: &str, content: &[u8]) -> Node<'w> {
    let text = std::str::from_utf8(content).ok();
    let mut fields = git_object(world, "B", oid);
    fields.extend([
        ("byteSize", Part::leaf(content.len())),
        ("isBinary", Part::leaf(text.is_none())),
        ("isTruncated", Part::leaf(false)),
        ("text", Part::leaf(text)),
    ]);
    Node::record("Blob", fields)
}
