//! The one GraphQL read of a pull request, and the smaller ones beside it.
//!
//! Invariant: only published fields, and every list says whether it is whole. The timeline is asked for from both ends
//! in one query, so that up to two hundred entries cost one call. The shapes of the answers are in [`super::node`].

use countersign_core::domain::CommitSha;

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
  message @include(if: $ticketed)
}
fragment CommitPage on PullRequestCommitConnection {
  pageInfo { hasNextPage endCursor }
  nodes { commit { ...CommitFacts checkSuites(first: 1, filterBy: {appId: $app}) {
    nodes { branch { name } push { previousSha nextSha pusher { ...Who } } } } } }
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
fragment Rollup on Commit {
  oid statusCheckRollup { contexts(first: 100) { pageInfo { hasNextPage endCursor } nodes { __typename
    ... on CheckRun { name status conclusion } ... on StatusContext { context state creator { ...Who } } } } }
}
fragment Rules on GitObject {
  __typename ... on Tree { entries { name type object { ... on Blob { text isTruncated } } } }
}
fragment PullRequestFacts on PullRequest {
  number state createdAt mergedAt baseRefName baseRefOid headRefName headRefOid isCrossRepository
  headRepository { databaseId }
  author { ...Who }
  title @include(if: $ticketed) body @include(if: $ticketed)
  last: commits(last: 1) @include(if: $tested) { nodes { commit { ...Rollup } } }
  mergeCommit @include(if: $tested) { ...Rollup }
  landed: mergeCommit { parents(first: 2) { nodes { oid } } }
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
        "query PullRequests($owner: String!, $name: String!, $app: Int!, $kinds: [PullRequestTimelineItemsItemType!], \
         $tested: Boolean!, $ticketed: Boolean!, $rules: String!) {{ repository(owner: $owner, name: $name) {{ rules: object(expression: $rules) {{ ...Rules }} databaseId nameWithOwner \
         defaultBranchRef {{ name }} {fields} }} }}{PULL_REQUEST}"
    )
}

/// The pages after the first of one pull request's commits.
pub fn more_commits() -> String {
    format!(
        "query MoreCommits($owner: String!, $name: String!, $number: Int!, $after: String, $app: Int!, $ticketed: Boolean!) {{ \
         repository(owner: $owner, name: $name) {{ pullRequest(number: $number) {{ headRefOid \
         commits(first: 100, after: $after) {{ ...CommitPage }} }} }} }}{}",
        parts(&["Who", "Named", "CommitFacts", "CommitPage"])
    )
}

/// All whom one commit names as its authors, a hundred at a time.
pub fn more_authors() -> String {
    format!(
        "query MoreAuthors($owner: String!, $name: String!, $oid: GitObjectID!, $after: String) {{ \
         repository(owner: $owner, name: $name) {{ object(oid: $oid) {{ ... on Commit {{ \
         authors(first: 100, after: $after) {{ pageInfo {{ hasNextPage endCursor }} nodes {{ ...Named }} }} }} }} }} }}{}",
        parts(&["Named"])
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
             pageInfo {{ hasNextPage }} nodes {{ number state baseRefName headRefOid headRefName mergeCommit {{ oid }} \
             baseRepository {{ databaseId }} }} }} history(first: 12) {{ ...FirstParents }} }} }} "
        );
    }
    format!(
        "query Commits($owner: String!, $name: String!, $ticketed: Boolean!) {{ repository(owner: $owner, name: $name) {{ {fields} }} }}{FIRST_PARENTS}{}",
        parts(&["Named", "CommitFacts"])
    )
}

/// Commits with their first parents.
const FIRST_PARENTS: &str =
    " fragment FirstParents on CommitHistoryConnection { nodes { oid parents(first: 1) { nodes { oid } } } }";

/// Where a branch is, and the commits behind.
pub const TIP: &str = "query Tip($owner: String!, $name: String!, $branch: String!) { \
     repository(owner: $owner, name: $name) { ref(qualifiedName: $branch) { target { oid ... on Commit { \
     history(first: 100) { nodes { oid parents(first: 1) { nodes { oid } } } } } } } } }";

/// The histories of some commits, under the aliases `h0`, `h1`, …, whose ids are the variables `o0`, `o1`, …
pub fn histories(count: usize) -> String {
    let names = |each: fn(usize) -> String| (0..count).map(each).collect::<Vec<_>>().join(" ");
    let variables = names(|place| format!("$o{place}: GitObjectID!"));
    let fields = names(|place| {
        format!("h{place}: object(oid: $o{place}) {{ ... on Commit {{ history(first: 100) {{ ...FirstParents }} }} }}")
    });
    format!(
        "query Histories($owner: String!, $name: String!, {variables}) {{ repository(owner: $owner, name: $name) {{ \
         {fields} }} }}{FIRST_PARENTS}"
    )
}

/// Everything that a gate asks of GitHub but the run itself: the repository, where its branch is, what its environment asks
/// for and who approved, the deployment, and the repository's own rules in two revisions.
pub fn gate() -> String {
    format!(
        "query Gate($owner: String!, $name: String!, $run: ID!, $environment: String!, $branch: String!, $named: Boolean!, \
         $deployment: ID!, $deployed: Boolean!, $now: String!, $nowRules: String!, $then: String!, $thenRules: String!) {{ \
         repository(owner: $owner, name: $name) {{ databaseId \
         defaultBranchRef {{ name ...Place @skip(if: $named) }} \
         ref(qualifiedName: $branch) @include(if: $named) {{ ...Place }} \
         environment(name: $environment) {{ protectionRules(first: 100) {{ pageInfo {{ hasNextPage }} nodes {{ type }} }} }} \
         now: object(expression: $now) {{ __typename }} nowRules: object(expression: $nowRules) {{ ...Rules }} \
         then: object(expression: $then) {{ __typename }} thenRules: object(expression: $thenRules) {{ ...Rules }} }} \
         run: node(id: $run) {{ ... on WorkflowRun {{ databaseId deploymentReviews(first: 100) {{ \
         pageInfo {{ hasNextPage }} nodes {{ state user {{ databaseId login }} \
         environments(first: 100) {{ pageInfo {{ hasNextPage }} nodes {{ name }} }} }} }} }} }} \
         deployment: node(id: $deployment) @include(if: $deployed) {{ ... on Deployment {{ databaseId commitOid creator {{ ...Who }} \
         repository {{ databaseId }} }} }} }} \
         fragment Place on Ref {{ target {{ oid ... on Commit {{ history(first: 100) {{ ...FirstParents }} }} }} }}\
         {FIRST_PARENTS}{}",
        parts(&["Who", "Rules"])
    )
}

/// The repository's own rules in two revisions.
pub const OWN_RULES: &str = "query OwnRules($owner: String!, $name: String!, $now: String!, $nowRules: String!, \
     $then: String!, $thenRules: String!) { repository(owner: $owner, name: $name) { \
     now: object(expression: $now) { __typename } nowRules: object(expression: $nowRules) { ...Rules } \
     then: object(expression: $then) { __typename } thenRules: object(expression: $thenRules) { ...Rules } } } \
     fragment Rules on GitObject { __typename ... on Tree { entries { name type object { \
     ... on Blob { text isTruncated } } } } }";

/// One file in one revision.
pub const FILE: &str = "query File($owner: String!, $name: String!, $file: String!) { \
     repository(owner: $owner, name: $name) { object(expression: $file) { ... on Blob { text isTruncated } } } }";

/// The merge queue of a branch, and where the branch is. One of more entries is not shown
/// whole, and the facts say so.
pub const MERGE_QUEUE: &str = "query MergeQueue($owner: String!, $name: String!, $branch: String!, $ref: String!) { \
     repository(owner: $owner, name: $name) { databaseId ref(qualifiedName: $ref) { target { oid } } \
     mergeQueue(branch: $branch) { entries(first: 100) { pageInfo { hasNextPage endCursor } nodes { \
     baseCommit { oid } headCommit { oid } pullRequest { number } } } } } }";

/// The check runs of all attempts in a run's check suite, each with the deployment it belongs to.
pub const DEPLOYING_JOBS: &str = "query DeployingJobs($suite: ID!, $after: String) { \
     node(id: $suite) { ... on CheckSuite { \
     checkRuns(first: 100, after: $after, filterBy: {checkType: ALL}) { pageInfo { hasNextPage endCursor } nodes { databaseId deployment { databaseId } } } } } }";

/// The runs at a commit, by their check suites, with the jobs of all attempts and the deployment each belongs to.
pub const DEPLOYING_RUNS: &str = "query DeployingRuns($owner: String!, $name: String!, $oid: GitObjectID!, \
     $after: String) { repository(owner: $owner, name: $name) { object(oid: $oid) { ... on Commit { \
     checkSuites(first: 50, after: $after) { pageInfo { hasNextPage endCursor } nodes { id \
     workflowRun { databaseId } checkRuns(first: 100, filterBy: {checkType: ALL}) { pageInfo { hasNextPage } \
     nodes { databaseId deployment { databaseId } } } } } } } } }";

/// Some of the fragments above: GraphQL refuses fragments that are not used.
fn parts(names: &[&str]) -> String {
    PULL_REQUEST
        .split("\nfragment ")
        .filter(|fragment| names.iter().any(|name| fragment.split(' ').next() == Some(name)))
        .fold(String::new(), |all, fragment| all + "\nfragment " + fragment)
}
