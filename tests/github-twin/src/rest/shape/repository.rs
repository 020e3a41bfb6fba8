//! Repositories, their activity and their files as REST and webhooks spell them.

use super::{merged, simple_user, without};
use crate::model::{Activity, ORGANIZATION, Repository, UPSTREAM, World, node_id, rfc3339};
use crate::rest::paging::escaped;
use base64::Engine as _;
use serde_json::{Map, Value, json};

/// Addresses that end as they are named here; `{}` templates as published.
const LINKS: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

/// Fields of `repository` that `minimal-repository` spells otherwise or leaves out.
const NOT_MINIMAL: [&str; 11] = [
    "allow_merge_commit",
    "allow_squash_merge",
    "allow_rebase_merge",
    "allow_auto_merge",
    "allow_update_branch",
    "mirror_url",
    "svn_url",
    "git_url",
    "ssh_url",
    "clone_url",
    "license",
];

/// `repository`: 75 required fields.
pub fn repository(world: &World, repository: &Repository) -> Value {
    let full_name = repository.full_name();
    let api = format!("{}/repos/{full_name}", world.url);
    let html = format!("{}/{full_name}", world.url);
    let open = if repository.id == UPSTREAM { world.pulls.values().filter(|pull| pull.is_open()).count() } else { 0 };
    let forks = world.repositories.values().filter(|other| other.fork_of == Some(repository.id)).count();
    let links: Map<String, Value> =
        LINKS.iter().map(|(field, ending)| ((*field).to_owned(), json!(format!("{api}{ending}")))).collect();
    let settings = json!({
        "allow_merge_commit": true,
        "allow_squash_merge": true,
        "allow_rebase_merge": true,
        "allow_auto_merge": true,
        "allow_update_branch": true,
        "delete_branch_on_merge": false,
        "allow_forking": true,
        "web_commit_signoff_required": false
    });
    let fields = json!({
        "id": repository.id,
        "node_id": node_id("R", repository.id),
        "name": repository.name,
        "full_name": full_name,
        "owner": simple_user(world, repository.owner_id),
        "private": false,
        "html_url": html,
        "description": null,
        "fork": repository.fork_of.is_some(),
        "git_url": format!("git:{}.git", html.trim_start_matches("http:")),
        "ssh_url": format!("git@github.test:{full_name}.git"),
        "clone_url": format!("{html}.git"),
        "svn_url": html,
        "mirror_url": null,
        "homepage": null,
        "language": null,
        "forks_count": forks,
        "stargazers_count": 0,
        "watchers_count": 0,
        "size": 1,
        "default_branch": repository.default_branch,
        "open_issues_count": open,
        "is_template": false,
        "topics": [],
        "has_issues": true,
        "has_projects": false,
        "has_wiki": false,
        "has_pages": false,
        "has_downloads": true,
        "has_discussions": false,
        "archived": false,
        "disabled": false,
        "visibility": "public",
        "pushed_at": rfc3339(repository.pushed_at),
        "created_at": rfc3339(repository.created_at),
        "updated_at": rfc3339(repository.pushed_at),
        "forks": forks,
        "open_issues": open,
        "watchers": 0,
        "license": null
    });
    merged(merged(Value::Object(links), fields), settings)
}

/// `minimal-repository`.
pub fn minimal_repository(world: &World, one: &Repository) -> Value {
    without(repository(world, one), &NOT_MINIMAL)
}

/// `full-repository`: what `GET /repos/{owner}/{repo}` shows.
pub fn full_repository(world: &World, one: &Repository) -> Value {
    let parent = one.fork_of.and_then(|id| world.repositories.get(&id));
    let mut more = json!({"subscribers_count": 0, "network_count": 0});
    if let Value::Object(fields) = &mut more {
        if one.owner_id == ORGANIZATION {
            fields.insert("organization".to_owned(), simple_user(world, one.owner_id));
        }
        if let Some(parent) = parent {
            fields.insert("parent".to_owned(), repository(world, parent));
            fields.insert("source".to_owned(), repository(world, parent));
        }
    }
    merged(repository(world, one), more)
}

/// `activity`: one movement of a branch.
pub fn activity(world: &World, one: &Activity) -> Value {
    json!({
        "id": one.id,
        "node_id": node_id("PSH", one.id),
        "before": one.before,
        "after": one.after,
        "ref": one.reference,
        "timestamp": rfc3339(one.at),
        "activity_type": one.kind.name(),
        "actor": simple_user(world, one.actor)
    })
}

/// `content-file`.
pub fn content_file(world: &World, one: &Repository, path: &str, at: &str, sha: &str, content: &[u8]) -> Value {
    let full_name = one.full_name();
    let place = path.split('/').map(escaped).collect::<Vec<_>>().join("/");
    let api = format!("{}/repos/{full_name}/contents/{place}?ref={}", world.url, escaped(at));
    let git = format!("{}/repos/{full_name}/git/blobs/{sha}", world.url);
    let html = format!("{}/{full_name}/blob/{}/{place}", world.url, escaped(at));
    json!({
        "type": "file",
        "encoding": "base64",
        "size": content.len(),
        "name": path.rsplit('/').next().unwrap_or(path),
        "path": path,
        "content": base64::engine::general_purpose::STANDARD.encode(content),
        "sha": sha,
        "url": api,
        "git_url": git,
        "html_url": html,
        "download_url": format!("{}/{full_name}/raw/{}/{place}", world.url, escaped(at)),
        "_links": {"self": api, "git": git, "html": html}
    })
}
