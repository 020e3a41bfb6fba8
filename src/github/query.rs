//! The one GraphQL read of a pull request, and the shapes of its answer.
//!
//! Invariant: only published fields, and every list says whether it is whole. The timeline is asked for from both ends
//! in one query, so that up to two hundred entries cost one call.

use super::event::AccountPayload;
use countersign_core::domain::{Account, AccountId, AccountKind, Commit, CommitIdentity, CommitSha};
use serde::Deserialize;

/// The pull request, whole where it is small.
pub const PULL_REQUEST: &str = r"
fragment Who on Actor {
  __typename login
  ... on User { databaseId } ... on Bot { databaseId } ... on Mannequin { databaseId }
  ... on Organization { databaseId }
}
fragment Named on GitActor { email user { databaseId login } }
fragment CommitFacts on Commit {
  oid tree { oid }
  parents(first: 20) { totalCount nodes { oid } }
  author { ...Named } committer { ...Named }
  authors(first: 50) { totalCount nodes { ...Named } }
  signature { isValid wasSignedByGitHub }
}
fragment CommitPage on PullRequestCommitConnection {
  pageInfo { hasNextPage endCursor }
  nodes { commit { ...CommitFacts checkSuites(first: 1, filterBy: {appId: $app}) {
    nodes { push { previousSha nextSha pusher { ...Who } } } } } }
}
fragment TimelinePage on PullRequestTimelineItemsConnection {
  pageInfo { hasNextPage endCursor }
  nodes {
    __typename
    ... on Node { id }
    ... on PullRequestReview { fullDatabaseId state author { ...Who } authorCanPushToRepository
      commit { oid tree { oid } parents(first: 20) { nodes { oid } } } }
    ... on ReviewDismissedEvent { actor { ...Who } previousReviewState review { fullDatabaseId } }
    ... on BaseRefChangedEvent { actor { ...Who } previousRefName currentRefName }
    ... on AutomaticBaseChangeSucceededEvent { actor { ...Who } oldBase newBase }
    ... on HeadRefForcePushedEvent { actor { ...Who } beforeCommit { oid } afterCommit { oid } }
    ... on MergedEvent { actor { ...Who } commit { oid } }
    ... on ClosedEvent { actor { ...Who } }
    ... on ReopenedEvent { actor { ...Who } }
    ... on AutoMergeEnabledEvent { enabler { ...Who } }
    ... on AddedToMergeQueueEvent { enqueuer { ...Who } }
    ... on AssignedEvent { actor { ...Who } assignee { __typename
      ... on User { databaseId login } ... on Bot { databaseId login } ... on Mannequin { databaseId login } } }
  }
}
fragment PullRequestFacts on PullRequest {
  number state baseRefName baseRefOid headRefName headRefOid isCrossRepository
  headRepository { databaseId }
  author { ...Who }
  commits(first: 100) { totalCount ...CommitPage }
  head: timelineItems(first: 100, itemTypes: $kinds) { ...TimelinePage }
  tail: timelineItems(last: 100, itemTypes: $kinds) { ...TimelinePage }
}
";

/// The kinds of timeline entries that matter.
pub const KINDS: [&str; 13] = [
    "PULL_REQUEST_REVIEW",
    "REVIEW_DISMISSED_EVENT",
    "BASE_REF_CHANGED_EVENT",
    "AUTOMATIC_BASE_CHANGE_SUCCEEDED_EVENT",
    "HEAD_REF_FORCE_PUSHED_EVENT",
    "MERGED_EVENT",
    "CLOSED_EVENT",
    "REOPENED_EVENT",
    "AUTO_MERGE_ENABLED_EVENT",
    "AUTO_MERGE_DISABLED_EVENT",
    "ADDED_TO_MERGE_QUEUE_EVENT",
    "REMOVED_FROM_MERGE_QUEUE_EVENT",
    "ASSIGNED_EVENT",
];

/// Reads some pull requests of one repository by number, under the aliases `p0`, `p1`, …
pub fn pull_requests(numbers: &[u64]) -> String {
    use std::fmt::Write as _;
    let mut fields = String::new();
    for (place, number) in numbers.iter().enumerate() {
        let _ = write!(fields, "p{place}: pullRequest(number: {number}) {{ ...PullRequestFacts }} ");
    }
    format!(
        "query PullRequests($owner: String!, $name: String!, $app: Int!, $kinds: [PullRequestTimelineItemsItemType!]) {{ \
         repository(owner: $owner, name: $name) {{ databaseId nameWithOwner \
         defaultBranchRef {{ name }} {fields} }} }}{PULL_REQUEST}"
    )
}

/// The pages after the first of one pull request's commits.
pub fn more_commits() -> String {
    format!(
        "query MoreCommits($owner: String!, $name: String!, $number: Int!, $after: String, $app: Int!) {{ \
         repository(owner: $owner, name: $name) {{ pullRequest(number: $number) {{ headRefOid \
         commits(first: 100, after: $after) {{ ...CommitPage }} }} }} }}{}",
        parts(&["Who", "Named", "CommitFacts", "CommitPage"])
    )
}

/// The pages after the first of one pull request's timeline.
pub fn more_timeline() -> String {
    format!(
        "query MoreTimeline($owner: String!, $name: String!, $number: Int!, $after: String, \
         $kinds: [PullRequestTimelineItemsItemType!]) {{ repository(owner: $owner, name: $name) {{ \
         pullRequest(number: $number) {{ timelineItems(first: 100, after: $after, itemTypes: $kinds) {{ \
         ...TimelinePage }} }} }} }}{}",
        parts(&["Who", "TimelinePage"])
    )
}

/// Some commits by id under the aliases `c0`, `c1`, …: whom they name, and the pull requests that GitHub ties to them.
pub fn commits(oids: &[CommitSha]) -> String {
    use std::fmt::Write as _;
    let mut fields = String::new();
    for (place, oid) in oids.iter().enumerate() {
        let _ = write!(
            fields,
            "c{place}: object(oid: \"{oid}\") {{ ... on Commit {{ ...CommitFacts associatedPullRequests(first: 20) {{ \
             pageInfo {{ hasNextPage }} nodes {{ number state baseRefName mergeCommit {{ oid }} \
             baseRepository {{ databaseId }} }} }} }} }} "
        );
    }
    format!(
        "query Commits($owner: String!, $name: String!) {{ repository(owner: $owner, name: $name) {{ {fields} }} }}{}",
        parts(&["Named", "CommitFacts"])
    )
}

/// The check runs of a run's check suite, each with the deployment it belongs to.
pub const DEPLOYING_JOBS: &str = "query DeployingJobs($suite: ID!) { node(id: $suite) { ... on CheckSuite { \
     checkRuns(first: 100) { pageInfo { hasNextPage } nodes { databaseId deployment { databaseId } } } } } }";

/// Some of the fragments above: GraphQL refuses fragments that are not used.
fn parts(names: &[&str]) -> String {
    PULL_REQUEST
        .split("\nfragment ")
        .filter(|fragment| names.iter().any(|name| fragment.split(' ').next() == Some(name)))
        .fold(String::new(), |all, fragment| all + "\nfragment " + fragment)
}

/// An actor as GraphQL spells it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Who {
    #[serde(rename = "__typename")]
    kind: String,
    login: String,
    database_id: Option<u64>,
}

impl Who {
    /// The account; `None` where GitHub gives it no number.
    pub(super) fn account(&self) -> Option<Account> {
        let kind = match self.kind.as_str() {
            "User" if !self.login.ends_with("[bot]") => AccountKind::User,
            "Bot" | "User" => AccountKind::Bot,
            "Mannequin" => AccountKind::Mannequin,
            _ => AccountKind::Other,
        };
        // GraphQL spells bots without the suffix that REST gives them; one account, one label.
        let login = if kind == AccountKind::Bot && !self.login.ends_with("[bot]") {
            format!("{}[bot]", self.login)
        } else {
            self.login.clone()
        };
        Some(Account { id: AccountId(self.database_id?), login, kind })
    }
}

/// The account of an actor that may be null.
pub(super) fn account(who: Option<&Who>) -> Option<Account> {
    who.and_then(Who::account)
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserNode {
    database_id: Option<u64>,
    login: String,
}

impl UserNode {
    pub(super) fn account(&self) -> Option<Account> {
        let payload: AccountPayload =
            serde_json::from_value(serde_json::json!({"id": self.database_id?, "login": self.login})).ok()?;
        Some(payload.account())
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Named {
    email: Option<String>,
    user: Option<UserNode>,
}

impl Named {
    fn identity(this: Option<&Self>) -> CommitIdentity {
        let account = this.and_then(|named| named.user.as_ref()).and_then(UserNode::account);
        let email = match account {
            Some(_) => None,
            None => this.and_then(|named| named.email.clone()).map(|email| email.to_lowercase()),
        };
        CommitIdentity { account, email }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Oid {
    pub(super) oid: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counted<T> {
    #[serde(default)]
    pub(super) total_count: u64,
    pub(super) nodes: Vec<T>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    pub(super) has_next_page: bool,
    pub(super) end_cursor: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    #[serde(default)]
    pub(super) total_count: Option<u64>,
    #[serde(rename = "pageInfo")]
    pub(super) info: PageInfo,
    pub(super) nodes: Vec<T>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    is_valid: bool,
    was_signed_by_git_hub: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommitNode {
    pub(super) oid: String,
    tree: Oid,
    parents: Counted<Oid>,
    author: Option<Named>,
    committer: Option<Named>,
    authors: Counted<Named>,
    signature: Option<Signature>,
    pub(super) check_suites: Option<Nodes<CheckSuiteNode>>,
    pub(super) associated_pull_requests: Option<Page<AssociatedPullRequest>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Nodes<T> {
    pub(super) nodes: Vec<T>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct CheckSuiteNode {
    pub(super) push: Option<PushNode>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PushNode {
    pub(super) previous_sha: Option<String>,
    pub(super) next_sha: Option<String>,
    pub(super) pusher: Option<Who>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssociatedPullRequest {
    pub(super) number: u64,
    pub(super) state: String,
    pub(super) base_ref_name: String,
    pub(super) merge_commit: Option<Oid>,
    pub(super) base_repository: Option<DatabaseId>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DatabaseId {
    pub(super) database_id: Option<u64>,
}

/// GitHub's own account for commits made on its pages.
const WEB_FLOW: &str = "web-flow";

impl CommitNode {
    /// The commit, and what of it could not be read.
    pub(super) fn commit(&self) -> (Commit, Vec<String>) {
        let mut missing = Vec::new();
        let oid = CommitSha::new(self.oid.clone());
        if self.parents.total_count != self.parents.nodes.len() as u64 {
            missing.push(format!("all parents of commit {}", oid.short()));
        }
        if self.authors.total_count != self.authors.nodes.len() as u64 {
            missing.push(format!("all authors of commit {}", oid.short()));
        }
        let by_web_flow =
            self.committer.as_ref().and_then(|named| named.user.as_ref()).is_some_and(|user| user.login == WEB_FLOW);
        let signed = self.signature.as_ref().is_some_and(|s| s.is_valid && s.was_signed_by_git_hub);
        let author = Named::identity(self.author.as_ref());
        let coauthors = self
            .authors
            .nodes
            .iter()
            .map(|named| Named::identity(Some(named)))
            .filter(|identity| *identity != author)
            .collect();
        let commit = Commit {
            tree: CommitSha::new(self.tree.oid.clone()),
            parents: self.parents.nodes.iter().map(|parent| CommitSha::new(parent.oid.clone())).collect(),
            committer: Named::identity(self.committer.as_ref()),
            committed_by_github: by_web_flow && signed,
            author,
            coauthors,
            oid,
        };
        (commit, missing)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct PullRequestCommit {
    pub(super) commit: CommitNode,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReviewCommit {
    pub(super) oid: String,
    pub(super) tree: Oid,
    pub(super) parents: Nodes<Oid>,
}

/// One entry of a timeline; only the fields of its kind are there.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimelineNode {
    #[serde(rename = "__typename")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) id: String,
    pub(super) actor: Option<Who>,
    pub(super) author: Option<Who>,
    pub(super) enabler: Option<Who>,
    pub(super) enqueuer: Option<Who>,
    pub(super) assignee: Option<Who>,
    pub(super) full_database_id: Option<BigInt>,
    pub(super) state: Option<String>,
    pub(super) author_can_push_to_repository: Option<bool>,
    pub(super) commit: Option<serde_json::Value>,
    pub(super) previous_review_state: Option<String>,
    pub(super) review: Option<ReviewReference>,
    pub(super) previous_ref_name: Option<String>,
    pub(super) current_ref_name: Option<String>,
    pub(super) old_base: Option<String>,
    pub(super) new_base: Option<String>,
    pub(super) before_commit: Option<Oid>,
    pub(super) after_commit: Option<Oid>,
}

/// GraphQL's `BigInt`: a string, or a number where an older server gives one.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum BigInt {
    Text(String),
    Number(u64),
}

impl BigInt {
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Number(number) => Some(*number),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReviewReference {
    pub(super) full_database_id: Option<BigInt>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PullRequestNode {
    pub(super) number: u64,
    pub(super) state: String,
    pub(super) base_ref_name: String,
    pub(super) base_ref_oid: String,
    pub(super) head_ref_name: String,
    pub(super) head_ref_oid: String,
    pub(super) head_repository: Option<DatabaseId>,
    pub(super) author: Option<Who>,
    pub(super) commits: Page<PullRequestCommit>,
    pub(super) head: Page<TimelineNode>,
    pub(super) tail: Page<TimelineNode>,
}
