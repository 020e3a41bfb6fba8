//! The API asked over a socket: what it shows, what it refuses, and every story's world from end to end.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::model::{Shared, World};
use crate::runner::AppKey;
use crate::server::Serving;
use crate::steps::tests::play_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::OnceLock;

const REPO: &str = "/repos/acme/shop";

fn key() -> &'static AppKey {
    static KEY: OnceLock<AppKey> = OnceLock::new();
    KEY.get_or_init(|| AppKey::generate().unwrap())
}

fn jwt(issuer: &str, ends_in: i64) -> String {
    let now = super::now();
    let claims = json!({"iss": issuer, "iat": now - 5, "exp": now + ends_in});
    let key = EncodingKey::from_rsa_pem(key().private.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
}

struct Asked {
    serving: Serving,
    client: reqwest::Client,
    token: String,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Asked {
    async fn world(mut world: World) -> Self {
        world.installation.public_key = Some(key().public.clone());
        let serving = Serving::start(Shared::new(world), "127.0.0.1:0").await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut asked = Self { serving, client, token: jwt("4242", 540) };
        let minted = asked.post(&asked.tokens(), &json!({})).await;
        assert_eq!(minted.status, 201, "{}", minted.body);
        minted.body["token"].as_str().unwrap().clone_into(&mut asked.token);
        asked
    }

    async fn story(text: &str) -> Self {
        let (world, result) = play_all(text);
        result.unwrap();
        Self::world(world).await
    }

    fn tokens(&self) -> String {
        format!("/app/installations/{}/access_tokens", self.serving.world.lock().installation.id)
    }

    async fn send(&self, method: reqwest::Method, path: &str, body: Option<&Value>, tag: Option<&str>) -> Reply {
        let url = format!("http://{}{path}", self.serving.address);
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Reply { status, headers, body }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(reqwest::Method::GET, path, None, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(reqwest::Method::POST, path, Some(body), None).await
    }

    async fn ok(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.body
    }

    async fn query(&self, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables});
        let reply = self.post("/graphql", &body).await;
        assert_eq!(reply.status, 200);
        reply.body
    }
}

const PLAIN: &str = "
name: plain
world:
  accounts: {ann: write, ben: write, cat: admin, dee: write, crowd: read, renovate: {bot: true, permission: write}}
story:
  - open: {pr: 1, by: ann, commits: [{id: a1, author: ann, coauthors: [dee]}, {id: a2, by: renovate}]}
  - review: {pr: 1, by: ben, state: approved}
  - noise: {pr: 1, reviews: 150, comments: 3}
";

const RICH: &str = include_str!("rich.graphql");

#[tokio::test]
async fn the_app_proves_itself_and_its_tokens_end() {
    let mut asked = Asked::story(PLAIN).await;
    let token = asked.token.clone();
    assert_eq!(asked.get("/app").await.status, 401);
    for (jwt, status) in
        [(jwt("4242", 540), 200), (jwt("4243", 540), 401), (jwt("4242", 3600), 401), (jwt("4242", -10), 401)]
    {
        asked.token = jwt;
        assert_eq!(asked.get("/app").await.status, status);
        assert_eq!(asked.get("/app/hook/config").await.status, status);
    }
    for broken in ["ghs_e30~x".to_owned(), format!("{token}A"), "nothing".to_owned()] {
        asked.token = broken;
        assert_eq!(asked.get(REPO).await.status, 401);
    }
    let installation = asked.serving.world.lock().installation.clone();
    let (old, _) = crate::auth::mint(&installation, installation.permissions.clone(), super::now() - 3601);
    asked.token = old;
    assert_eq!(asked.get(REPO).await.status, 401);
}

#[tokio::test]
async fn a_token_may_only_what_it_was_given() {
    let mut asked = Asked::story(PLAIN).await;
    asked.token = jwt("4242", 540);
    let narrow = asked.post(&asked.tokens(), &json!({"permissions": {"metadata": "read"}})).await;
    let wide = asked.post(&asked.tokens(), &json!({"permissions": {"contents": "write"}})).await;
    assert_eq!((narrow.status, wide.status), (201, 422));
    asked.token = narrow.body["token"].as_str().unwrap().to_owned();
    assert_eq!(asked.get(REPO).await.status, 200);
    let refused = asked.get(&format!("{REPO}/pulls/1")).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body["message"], "Resource not accessible by integration");
    assert_eq!(asked.get("/repos/acme/secret").await.status, 404);
    let query = "{ repository(owner: \"acme\", name: \"shop\") { nameWithOwner pullRequest(number: 1) { number } } }";
    let body = asked.query(query, json!({})).await;
    assert_eq!(body["data"]["repository"]["nameWithOwner"], "acme/shop");
    assert_eq!(body["data"]["repository"]["pullRequest"], Value::Null);
    assert_eq!(body["errors"][0]["type"], "FORBIDDEN");
}

#[tokio::test]
async fn known_answers_cost_nothing_and_lists_lead_on() {
    let asked = Asked::story(PLAIN).await;
    let first = asked.get(REPO).await;
    let tag = first.headers["etag"].to_str().unwrap();
    let again = asked.send(reqwest::Method::GET, REPO, None, Some(tag)).await;
    assert_eq!((again.status, &again.body), (304, &Value::Null));
    assert!(first.headers.contains_key("x-ratelimit-remaining"));
    let people = asked.get(&format!("{REPO}/collaborators?permission=push&per_page=2")).await;
    assert_eq!(people.body.as_array().unwrap().len(), 2);
    assert!(people.headers["link"].to_str().unwrap().contains("rel=\"next\""));
    let mut path = format!("{REPO}/activity?per_page=1");
    let mut seen = Vec::new();
    loop {
        let page = asked.get(&path).await;
        seen.push(page.body[0]["id"].as_u64().unwrap());
        let link = page.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        let next = link.and_then(|link| {
            let part = link.split(", ").find(|part| part.contains("rel=\"next\""))?.to_owned();
            Some(part.split(['<', '>']).nth(1)?.to_owned())
        });
        match next {
            Some(next) => path = next.split_once(&asked.serving.address.to_string()).unwrap().1.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), asked.serving.world.lock().activity.len());
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]));
}

#[tokio::test]
async fn graphql_shows_people_and_pages_as_github_does() {
    let asked = Asked::story(PLAIN).await;
    let variables = json!({"owner": "acme", "name": "shop", "number": 1});
    let body = asked.query(RICH, variables).await;
    assert_eq!(body.get("errors"), None, "{}", body["errors"]);
    let pull = &body["data"]["repository"]["pullRequest"];
    let first = &pull["commits"]["nodes"][0]["commit"];
    let authors: Vec<_> = first["authors"]["nodes"].as_array().unwrap().iter().collect();
    assert_eq!(authors.len(), 2);
    assert_eq!(authors[1]["user"]["login"], "dee");
    let by_bot = &pull["commits"]["nodes"][1]["commit"];
    assert_eq!(by_bot["author"]["user"]["login"], "renovate[bot]");
    let push = &first["checkSuites"]["nodes"];
    assert!(push.is_array());
    assert_eq!(pull["head"]["pageInfo"]["hasNextPage"], true);
    assert_eq!(pull["head"]["nodes"].as_array().unwrap().len(), 100);
    assert_eq!(pull["tail"]["pageInfo"]["hasPreviousPage"], true);
    assert!(body["data"]["rateLimit"]["remaining"].is_number());
    let broken =
        "{ repository(owner: \"acme\", name: \"shop\") { pullRequest(number: 1) { commits { totalCount } } } }";
    let body = asked.query(broken, json!({})).await;
    assert_eq!(body["errors"][0]["type"], "MISSING_PAGINATION_BOUNDARIES");
    let missing = "{ repository(owner: \"acme\", name: \"shop\") { pullRequest(number: 9) { number } } }";
    let body = asked.query(missing, json!({})).await;
    assert_eq!(body["errors"][0]["type"], "NOT_FOUND");
    assert_eq!(body["errors"][0]["path"], json!(["repository", "pullRequest"]));
    let unknown = asked.query("{ nothing }", json!({})).await;
    assert!(unknown["errors"].is_array());
    let people = "{ repository(owner: \"acme\", name: \"shop\") { collaborators(first: 5) { totalCount } } }";
    let body = asked.query(people, json!({})).await;
    assert_eq!(body["errors"][0]["type"], "FORBIDDEN");
}

#[tokio::test]
async fn all_of_a_list_is_found_by_following_cursors() {
    let asked = Asked::story(PLAIN).await;
    let query = "query Reviews($after: String) { repository(owner: \"acme\", name: \"shop\") { pullRequest(number: 1) {
        reviews(first: 100, after: $after) { totalCount pageInfo { hasNextPage endCursor } nodes { fullDatabaseId } } } } }";
    let (mut after, mut seen) = (Value::Null, Vec::new());
    loop {
        let body = asked.query(query, json!({"after": after})).await;
        let reviews = &body["data"]["repository"]["pullRequest"]["reviews"];
        seen.extend(reviews["nodes"].as_array().unwrap().iter().map(|node| node["fullDatabaseId"].clone()));
        if reviews["pageInfo"]["hasNextPage"] == false {
            assert_eq!(reviews["totalCount"], seen.len());
            break;
        }
        after = reviews["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(seen.len(), 151);
}

#[tokio::test]
async fn a_job_asks_for_its_token() {
    let story = format!("{PLAIN}  - deploy: {{by: dee}}\n");
    let mut asked = Asked::story(&story).await;
    let job = {
        let world = asked.serving.world.lock();
        let run = world.runs.values().next_back().unwrap().id;
        crate::auth::oidc::Job { run, attempt: 1, environment: Some("production".to_owned()) }
    };
    asked.token = crate::auth::oidc::request_token(&job);
    let token = asked.ok("/_oidc/token?audience=countersign").await["value"].as_str().unwrap().to_owned();
    let keys = asked.ok("/_oidc/.well-known/jwks").await;
    let key = &keys["keys"][0];
    let key = jsonwebtoken::DecodingKey::from_rsa_components(key["n"].as_str().unwrap(), key["e"].as_str().unwrap());
    let mut rules = jsonwebtoken::Validation::new(Algorithm::RS256);
    rules.set_audience(&["countersign"]);
    let claims = jsonwebtoken::decode::<Value>(&token, &key.unwrap(), &rules).unwrap().claims;
    assert_eq!(claims["environment"], "production");
    assert_eq!(claims["run_id"], job.run.to_string());
    assert_eq!(claims["actor"], "dee");
    assert_eq!(asked.get(REPO).await.status, 403);
}

/// Every path that shows something of this world.
fn paths(world: &World) -> Vec<String> {
    let mut paths: Vec<String> = ["", "/collaborators", "/teams", "/activity", "/branches"]
        .iter()
        .chain(["/commits", "/rulesets", "/rules/branches/main", "/pulls?state=all", "/actions/runs"].iter())
        .chain(["/deployments", "/environments", "/compare/main...main", "/contents/.github/workflows"].iter())
        .chain(["/contents/.github/workflows/deploy.yml", "/environments/production", "/branches/main"].iter())
        .chain(["/environments/production/deployment_protection_rules", "/activity?ref=main&per_page=2"].iter())
        .map(|path| format!("{REPO}{path}"))
        .collect();
    paths.extend(["/repositories/700001", "/installation/repositories", "/rate_limit", "/meta"].map(str::to_owned));
    let known = |account: &&crate::model::Account| {
        !account.built_in && !account.deleted && account.kind == crate::model::AccountKind::User
    };
    if let Some(account) = world.accounts.values().find(known) {
        let login = &account.login;
        paths.push(format!("/users/{login}"));
        paths.push(format!("/user/{}", account.id));
        paths.push(format!("/orgs/acme/memberships/{login}"));
        paths.push(format!("{REPO}/collaborators/{login}/permission"));
    }
    let mut add = |path: String| paths.push(format!("{REPO}{path}"));
    for pull in world.pulls.values() {
        for what in ["", "/reviews", "/commits", "/files"] {
            add(format!("/pulls/{}{what}", pull.number));
        }
        add(format!("/issues/{}/labels", pull.number));
        add(format!("/compare/{}...{}?per_page=2", pull.base_sha, pull.head.sha));
        for what in ["", "/check-runs", "/check-suites", "/statuses", "/status"] {
            add(format!("/commits/{}{what}", pull.head.sha));
        }
    }
    for run in world.runs.values() {
        for what in ["", "/jobs", "/jobs?filter=all", "/approvals", "/pending_deployments"] {
            add(format!("/actions/runs/{}{what}", run.id));
        }
        for attempt in &run.attempts {
            add(format!("/actions/runs/{}/attempts/{}", run.id, attempt.number));
            add(format!("/actions/runs/{}/attempts/{}/jobs", run.id, attempt.number));
            attempt.jobs.iter().for_each(|job| add(format!("/actions/jobs/{}", job.id)));
        }
    }
    for deployment in world.deployments.keys() {
        add(format!("/deployments/{deployment}"));
        add(format!("/deployments/{deployment}/statuses"));
    }
    world.check_runs.iter().for_each(|run| add(format!("/check-runs/{}", run.id)));
    world.rulesets.iter().for_each(|ruleset| add(format!("/rulesets/{}", ruleset.id)));
    paths
}

/// Plays the corpus and asks for all of it. With `TWIN_RECORD` this is a recording for `make contract`.
#[tokio::test]
async fn everything_of_every_story_can_be_shown() {
    everything_can_be_shown(0).await;
}

/// The other half, beside it.
#[tokio::test]
async fn everything_of_every_other_story_can_be_shown() {
    everything_can_be_shown(1).await;
}

async fn everything_can_be_shown(half: usize) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stories");
    let mut stories: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    stories.sort();
    for story in stories.into_iter().skip(half).step_by(2) {
        let (mut world, _) = play_all(&std::fs::read_to_string(story).unwrap());
        world.faults = crate::faults::Faults::default();
        world.installation.permissions.insert("contents".to_owned(), crate::model::PermissionLevel::Write);
        let (paths, pulls) = (paths(&world), world.pulls.keys().copied().collect::<Vec<_>>());
        let tip = world.tip("main").unwrap();
        let mut asked = Asked::world(world).await;
        for path in paths {
            asked.ok(&path).await;
        }
        for number in pulls {
            let body = asked.query(RICH, json!({"owner": "acme", "name": "shop", "number": number})).await;
            assert_eq!(body.get("errors"), None, "{}", body["errors"]);
        }
        let body = asked.query(WIDE, json!({"oid": tip})).await;
        assert_eq!(body.get("errors"), None, "{}", body["errors"]);
        let run = json!({
            "name": "Countersign", "head_sha": tip, "status": "completed", "conclusion": "success",
            "output": {"title": "fine", "summary": "fine"},
            "actions": [{"label": "Look again", "identifier": "look-again", "description": "Judge it again"}]
        });
        let made = asked.post(&format!("{REPO}/check-runs"), &run).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let path = format!("{REPO}/check-runs/{}", made.body["id"]);
        let changed = asked.send(reqwest::Method::PATCH, &path, Some(&json!({"status": "in_progress"})), None).await;
        assert_eq!((changed.status, &changed.body["conclusion"]), (200, &Value::Null));
        let status = json!({"state": "pending", "context": "x", "description": "y"});
        assert_eq!(asked.post(&format!("{REPO}/statuses/{tip}"), &status).await.status, 201);
        asked.ok(&format!("{REPO}/commits/{tip}/status")).await;
        asked.token = jwt("4242", 540);
        for path in ["/app", "/app/installations", "/repos/acme/shop/installation"] {
            asked.ok(path).await;
        }
        let deliveries = asked.ok("/app/hook/deliveries?per_page=5").await;
        if let Some(id) = deliveries[0]["id"].as_u64() {
            asked.ok(&format!("/app/hook/deliveries/{id}")).await;
            let path = format!("/app/hook/deliveries/{id}/attempts");
            let again = asked.send(reqwest::Method::POST, &path, None, None).await;
            assert_eq!(again.status, 202);
        }
    }
}

const WIDE: &str = "query Wide($oid: GitObjectID!) {
  viewer { login }
  nodes(ids: [\"R_kwDO00000aae61\", \"nothing\"]) { id __typename }
  repository(owner: \"acme\", name: \"shop\") {
    owner { login } isPrivate visibility defaultBranchRef { name target { oid } }
    collaborators(first: 100) { edges { permission node { login } } }
    environments(first: 5) { nodes { name databaseId } }
    deployments(first: 20) { nodes { databaseId commitOid state creator { login } latestStatus { state } statuses(first: 5) { nodes { state } } } }
    pullRequests(first: 20, states: [OPEN, MERGED]) { totalCount nodes { number state } }
    refs(first: 20, refPrefix: \"refs/heads/\") { nodes { name associatedPullRequests(first: 2) { totalCount } } }
    ref(qualifiedName: \"refs/heads/main\") { target { oid } }
    file: object(expression: \"main:.github/workflows/deploy.yml\") { ... on Blob { text byteSize } }
    folder: object(expression: \"main:.github\") { ... on Tree { entries { name type } } }
    object(oid: $oid) { ... on Commit {
      history(first: 50) { pageInfo { endCursor } nodes { oid messageHeadline additions
        associatedPullRequests(first: 5) { nodes { number merged mergeCommit { oid } } } } }
      status { state } checkSuites(first: 20) { nodes { app { databaseId } status conclusion workflowRun { databaseId event workflow { name } } } }
    } }
  }
}";
