//! The shapes of GraphQL's answers, and what they mean in our words.
//!
//! Invariant: a null stays a null; nobody is made up for an account that GitHub does not show.

use super::event::AccountPayload;
use countersign_core::domain::{Account, AccountId, AccountKind, Commit, CommitIdentity, CommitSha};
use serde::Deserialize;

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
    pub(super) authors: Counted<Named>,
    signature: Option<Signature>,
    pub(super) message: Option<String>,
    pub(super) check_suites: Option<Nodes<CheckSuiteNode>>,
    pub(super) associated_pull_requests: Option<Page<AssociatedPullRequest>>,
    /// The commits before it, where they were asked for.
    pub(super) history: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Nodes<T> {
    pub(super) nodes: Vec<T>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct CheckSuiteNode {
    /// The branch that was pushed to, while there is one.
    pub(super) branch: Option<RefName>,
    pub(super) push: Option<PushNode>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct RefName {
    pub(super) name: String,
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
    pub(super) head_ref_oid: String,
    pub(super) head_ref_name: String,
    pub(super) merge_commit: Option<Oid>,
    pub(super) base_repository: Option<DatabaseId>,
}

/// The commit that a merge left on the base.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LandedCommit {
    pub(super) parents: Nodes<Oid>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DatabaseId {
    pub(super) database_id: Option<u64>,
}

/// GitHub's own account for commits made on its pages.
const WEB_FLOW: &str = "web-flow";

impl CommitNode {
    /// The parent that its branch was at; a root has none.
    pub(super) fn first_parent(&self) -> Option<CommitSha> {
        self.parents.nodes.first().map(|parent| CommitSha::new(parent.oid.clone()))
    }

    /// Of a merge, the parent that was merged in.
    pub(super) fn second_parent(&self) -> Option<&str> {
        self.parents.nodes.get(1).map(|parent| parent.oid.as_str())
    }

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
            merge: None,
            oid,
        };
        (commit, missing)
    }
}

/// The last commit of a pull request, with its checks.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LastCommit {
    pub(super) commit: RollupCommit,
}

/// A commit with its checks and statuses.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RollupCommit {
    pub(super) oid: String,
    pub(super) status_check_rollup: Option<Rollup>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Rollup {
    pub(super) contexts: Page<CheckContext>,
}

/// A check run or a commit status.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct CheckContext {
    #[serde(rename = "__typename")]
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) status: Option<String>,
    pub(super) conclusion: Option<String>,
    pub(super) context: Option<String>,
    pub(super) state: Option<String>,
    pub(super) creator: Option<Who>,
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
    pub(super) created_at: Option<String>,
    #[serde(default)]
    pub(super) merged_at: Option<String>,
    pub(super) title: Option<String>,
    pub(super) body: Option<String>,
    pub(super) last: Option<Nodes<LastCommit>>,
    pub(super) merge_commit: Option<RollupCommit>,
    pub(super) landed: Option<LandedCommit>,
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
