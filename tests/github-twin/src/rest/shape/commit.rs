//! Commits and comparisons as REST and webhooks spell them.

use super::simple_user;
use crate::git::{CommitInfo, FileChange, Identity};
use crate::model::{PullRequest, Repository, World, rfc3339};
use crate::rest::paging::escaped;
use serde_json::{Value, json};

/// How much a pull request changes.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SizeOfChange {
    pub(crate) additions: usize,
    pub(crate) deletions: usize,
    pub(crate) files: usize,
}

/// Lines and files between the merge base and the head.
pub(crate) fn size_of_change(world: &World, pull: &PullRequest) -> SizeOfChange {
    let base = world.git.merge_base(&pull.base_sha, &pull.head.sha).ok().flatten();
    let files = world.git.changes(base.as_deref(), &pull.head.sha).unwrap_or_default();
    SizeOfChange {
        additions: files.iter().map(|file| file.additions).sum(),
        deletions: files.iter().map(|file| file.deletions).sum(),
        files: files.len(),
    }
}

/// The node id of a commit: REST and GraphQL agree on it.
pub(crate) fn commit_node_id(sha: &str) -> String {
    format!("C_kwDO{sha}")
}

/// `commit`, with its files and statistics where they are asked for.
pub fn commit(world: &World, repository: &Repository, info: &CommitInfo, with_files: bool) -> Value {
    let full_name = repository.full_name();
    let api = format!("{}/repos/{full_name}", world.url);
    let html = format!("{}/{full_name}", world.url);
    let parents: Vec<Value> = info
        .parents
        .iter()
        .map(|sha| {
            json!({"sha": sha, "url": format!("{api}/commits/{sha}"), "html_url": format!("{html}/commit/{sha}")})
        })
        .collect();
    let sha = &info.sha;
    let mut shown = json!({
        "sha": sha,
        "node_id": commit_node_id(sha),
        "commit": {
            "author": git_user(&info.author),
            "committer": git_user(&info.committer),
            "message": info.message,
            "tree": {"sha": info.tree, "url": format!("{api}/git/trees/{}", info.tree)},
            "url": format!("{api}/git/commits/{sha}"),
            "comment_count": 0,
            "verification": verification(world, info)
        },
        "url": format!("{api}/commits/{sha}"),
        "html_url": format!("{html}/commit/{sha}"),
        "comments_url": format!("{api}/commits/{sha}/comments"),
        "author": linked(world, &info.author.email),
        "committer": linked(world, &info.committer.email),
        "parents": parents
    });
    if let (true, Value::Object(fields)) = (with_files, &mut shown) {
        let files = world.git.changes(info.parents.first().map(String::as_str), sha).unwrap_or_default();
        let additions: usize = files.iter().map(|file| file.additions).sum();
        let deletions: usize = files.iter().map(|file| file.deletions).sum();
        fields.insert(
            "stats".to_owned(),
            json!({"additions": additions, "deletions": deletions, "total": additions + deletions}),
        );
        let entries = files.iter().map(|file| diff_entry(world, &full_name, sha, file)).collect::<Vec<_>>();
        fields.insert("files".to_owned(), Value::Array(entries));
    }
    shown
}

fn git_user(one: &Identity) -> Value {
    json!({"name": one.name, "email": one.email, "date": rfc3339(one.at)})
}

fn linked(world: &World, email: &str) -> Value {
    world.account_by_email(email).map_or(Value::Null, |account| simple_user(world, account.id))
}

fn verification(world: &World, info: &CommitInfo) -> Value {
    if world.signed_by_github.contains(&info.sha) {
        return json!({
            "verified": true,
            "reason": "valid",
            "signature": "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n",
            "payload": format!("tree {}\n", info.tree),
            "verified_at": rfc3339(info.committer.at)
        });
    }
    json!({"verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null})
}

fn diff_entry(world: &World, full_name: &str, sha: &str, file: &FileChange) -> Value {
    let path = file.path.split('/').map(escaped).collect::<Vec<_>>().join("/");
    let html = format!("{}/{full_name}", world.url);
    json!({
        "sha": file.blob,
        "filename": file.path,
        "status": file.status,
        "additions": file.additions,
        "deletions": file.deletions,
        "changes": file.additions + file.deletions,
        "blob_url": format!("{html}/blob/{sha}/{path}"),
        "raw_url": format!("{html}/raw/{sha}/{path}"),
        "contents_url": format!("{}/repos/{full_name}/contents/{path}?ref={sha}", world.url)
    })
}

/// `nullable-simple-commit`: as runs and suites name their head.
pub fn nullable_simple_commit(world: &World, sha: &str) -> Value {
    let Ok(info) = world.git.info(sha) else {
        return Value::Null;
    };
    json!({
        "id": info.sha,
        "tree_id": info.tree,
        "message": info.message,
        "timestamp": rfc3339(info.committer.at),
        "author": {"name": info.author.name, "email": info.author.email},
        "committer": {"name": info.committer.name, "email": info.committer.email}
    })
}

/// `short-branch`.
pub fn short_branch(world: &World, repository: &Repository, name: &str, sha: &str) -> Value {
    let api = format!("{}/repos/{}", world.url, repository.full_name());
    json!({
        "name": name,
        "commit": {"sha": sha, "url": format!("{api}/commits/{sha}")},
        "protected": name == "main" && world.rulesets.iter().any(|ruleset| ruleset.active)
    })
}

/// `branch-with-protection`: the classic protection, which says nothing of rulesets.
pub fn branch_with_protection(world: &World, repository: &Repository, name: &str, sha: &str) -> Option<Value> {
    let info = world.git.info(sha).ok()?;
    let full_name = repository.full_name();
    let itself = format!("{}/repos/{full_name}/branches/{name}", world.url);
    let mut branch = short_branch(world, repository, name, sha);
    let more = json!({
        "commit": commit(world, repository, &info, false),
        "_links": {"self": itself, "html": format!("{}/{full_name}/tree/{name}", world.url)},
        "protection": {
            "enabled": false,
            "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []}
        },
        "protection_url": format!("{itself}/protection")
    });
    if let (Value::Object(branch), Value::Object(more)) = (&mut branch, more) {
        branch.extend(more);
    }
    Some(branch)
}

/// Which commits a comparison is of.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// As the caller wrote it: `base...head`.
    pub basehead: &'a str,
    /// The base commit.
    pub base: &'a str,
    /// The head commit.
    pub head: &'a str,
}

/// `commit-comparison`, with the commits of this page and, on the first page, the files.
pub fn commit_comparison(
    world: &World,
    repository: &Repository,
    compared: Compared<'_>,
    page: crate::rest::paging::Page,
) -> Option<(Value, usize)> {
    let Compared { basehead, base, head } = compared;
    let (ahead, behind) = world.git.ahead_behind(base, head).ok()?;
    let merge_base = world.git.merge_base(base, head).ok()??;
    let status = match (ahead, behind) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        _ => "diverged",
    };
    let all = world.git.reachable(head, &[base]).ok()?;
    let total = all.len();
    let shown = |sha: &str| {
        let info = world.git.info(sha).ok()?;
        Some(commit(world, repository, &info, false))
    };
    let full_name = repository.full_name();
    let api = format!("{}/repos/{full_name}/compare/{basehead}", world.url);
    let html = format!("{}/{full_name}/compare/{basehead}", world.url);
    let mut comparison = json!({
        "url": api,
        "html_url": html,
        "permalink_url": format!("{}/{full_name}/compare/{base}...{head}", world.url),
        "diff_url": format!("{html}.diff"),
        "patch_url": format!("{html}.patch"),
        "base_commit": shown(base)?,
        "merge_base_commit": shown(&merge_base)?,
        "status": status,
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": total,
        "commits": page.of(all).iter().filter_map(|sha| shown(sha)).collect::<Vec<_>>()
    });
    if let (1, Value::Object(fields)) = (page.number, &mut comparison) {
        let files = world.git.changes(Some(&merge_base), head).unwrap_or_default();
        let entries = files.iter().take(300).map(|file| diff_entry(world, &full_name, head, file)).collect();
        fields.insert("files".to_owned(), Value::Array(entries));
    }
    Some((comparison, total))
}
