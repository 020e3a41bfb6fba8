//! A generated history: real commits by git fast-import, and the ledger of its deployments through the store's own way.

use countersign::evidence::progress::Watched;
use countersign::evidence::{Request, export};
use countersign::store::{Recording, Store};
use countersign_core::domain::entry::ENTRY_VERSION;
use countersign_core::domain::facts::FACTS_VERSION;
use countersign_core::domain::{
    Account, AccountId, AccountKind, Attempt, Automation, ChangeInRelease, Commit, CommitIdentity, CommitSha, Decision,
    Deployment, DeploymentFinished, DeploymentId, DeploymentRecord, DeploymentsListed, Entry, EntryBody,
    EnvironmentApproval, Facts, Landing, LandingKind, Line, ListedDeployment, Repository, RepositoryId,
    RepositoryRules, Run, RunAttempt, RunId, StartingPoint, Subject, Terms,
};
use countersign_core::ledger::SigningKey;
use countersign_core::policy::{Policies, decide};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many changes a release has.
const TOGETHER: usize = 20;

const SETTINGS: &str = "{\"scope\":[]}";

/// The production branch of a repository, and a few commits beside it.
pub struct History {
    pub clone: PathBuf,
    /// The first-parent line, oldest first.
    pub line: Vec<String>,
    /// Commits that are on no production branch.
    pub rogue: Vec<String>,
}

fn git(place: &Path, arguments: &[&str]) {
    let status = Command::new("git").arg("-C").arg(place).args(arguments).status().unwrap();
    assert!(status.success(), "git {arguments:?}");
}

impl History {
    /// Makes `count` commits on `main`, every third a merge of a commit of its own, and three on `elsewhere`.
    pub fn generate(directory: &Path, count: usize) -> Self {
        let clone = directory.join("clone.git");
        fs::create_dir(&clone).unwrap();
        git(&clone, &["init", "--quiet", "--bare", "--template="]);
        let marks = directory.join("marks");
        let mut import = Command::new("git")
            .arg("-C")
            .arg(&clone)
            .args(["fast-import", "--quiet", "--force"])
            .arg(format!("--export-marks={}", marks.display()))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stream = std::io::BufWriter::new(import.stdin.take().unwrap());
        let mut commit = |branch: &str, mark: usize, parents: &[usize]| {
            let mut text = format!("commit refs/heads/{branch}\nmark :{mark}\n");
            let _ = writeln!(text, "committer a <a@example.com> {} +0000\ndata 0", 1_700_000_000 + mark);
            for (place, parent) in parents.iter().enumerate() {
                let _ = writeln!(text, "{} :{parent}", if place == 0 { "from" } else { "merge" });
            }
            stream.write_all(text.as_bytes()).unwrap();
        };
        // Marks: 2n + 1 for the line, 2n + 2 beside it.
        for number in 0..count {
            let (mark, before) = (2 * number + 1, (2 * number).saturating_sub(1));
            match number {
                0 => commit("main", mark, &[]),
                _ if number % 3 == 0 => {
                    commit("side", mark + 1, &[before]);
                    commit("main", mark, &[before, mark + 1]);
                }
                _ => commit("main", mark, &[before]),
            }
        }
        for number in 0..3 {
            let mark = 2 * (count + number) + 1;
            let before = if number == 0 { 1 } else { mark - 2 };
            commit("elsewhere", mark, &[before]);
        }
        drop(stream);
        assert!(import.wait().unwrap().success());
        let mut shas = vec![String::new(); 2 * (count + 3) + 2];
        for line in fs::read_to_string(marks).unwrap().lines() {
            let (mark, sha) = line.trim_start_matches(':').split_once(' ').unwrap();
            sha.clone_into(&mut shas[mark.parse::<usize>().unwrap()]);
        }
        let at = |number: usize| shas[2 * number + 1].clone();
        Self { clone, line: (0..count).map(at).collect(), rogue: (count..count + 3).map(at).collect() }
    }

    /// Puts into the clone what would change its history, or run, where git believed it.
    pub fn lay_traps(&self, mark: &Path) {
        let touch = format!("touch {}", mark.display());
        for key in ["core.fsmonitor", "core.pager", "core.sshCommand", "core.editor", "alias.rev-list"] {
            git(&self.clone, &["config", key, &format!("!{touch}")]);
        }
        git(&self.clone, &["config", "core.hooksPath", self.clone.join("hooks").to_str().unwrap()]);
        git(&self.clone, &["config", "extensions.partialClone", "origin"]);
        git(&self.clone, &["config", "core.repositoryFormatVersion", "1"]);
        git(&self.clone, &["config", "remote.origin.url", &format!("ext::sh -c '{touch}'")]);
        git(&self.clone, &["config", "remote.origin.promisor", "true"]);
        // Other parents for the tip, in two ways.
        let (tip, first) = (self.line.last().unwrap(), &self.line[0]);
        git(&self.clone, &["replace", "--graft", tip, first]);
        fs::create_dir_all(self.clone.join("info")).unwrap();
        fs::write(self.clone.join("info/grafts"), format!("{tip} {first}\n")).unwrap();
    }
}

/// One deployment that reached production.
#[derive(Clone)]
pub struct Release {
    pub deployment: u64,
    pub start: String,
    pub target: String,
    pub changes: Vec<Vec<String>>,
}

/// What is on record of a history.
pub struct Ledger {
    releases: Vec<Release>,
    /// Entries beside them: after how many releases, and what.
    more: Vec<(usize, EntryBody)>,
}

fn repository() -> Repository {
    Repository { id: RepositoryId(7), full_name: "acme/shop".to_owned() }
}

impl Ledger {
    /// Everything that a history needs: releases of twenty changes, some of several commits, one after the other.
    pub fn of(history: &History) -> Self {
        let mut releases: Vec<Release> = Vec::new();
        let mut start = history.line[0].clone();
        for (number, some) in history.line[1..].chunks(TOGETHER).enumerate() {
            let (one, rest) = some.split_at(some.len().min(2));
            let mut changes = vec![one.to_vec()];
            changes.extend(rest.iter().map(|commit| vec![commit.clone()]));
            let target = some.last().unwrap().clone();
            releases.push(Release { deployment: number as u64 + 1, start, target: target.clone(), changes });
            start = target;
        }
        Self { releases, more: Vec::new() }
    }

    pub fn release(&mut self, number: usize) -> &mut Release {
        &mut self.releases[number]
    }

    pub fn last(&mut self) -> &mut Release {
        self.releases.last_mut().unwrap()
    }

    /// Plants a gap of every kind that a clone can show; says what should be found.
    pub fn plant(&mut self, history: &History) -> Vec<(String, u64)> {
        let mut planted: Vec<(String, u64)> = Vec::new();
        let mut found = |kind: &str, deployment: u64| planted.push((kind.to_owned(), deployment));
        // A change of the range is not told of.
        self.release(10).changes.remove(7);
        found("commits-uncovered", self.release(10).deployment);
        // A change that is on no line.
        self.release(14).changes.push(vec![history.rogue[1].clone()]);
        found("change-off-line", self.release(14).deployment);
        // A change that had gone out before.
        let earlier = self.release(3).changes[0][0].clone();
        self.release(18).changes.insert(0, vec![earlier]);
        found("change-out-of-range", self.release(18).deployment);
        // Two changes in the other order.
        self.release(22).changes.swap(4, 5);
        found("order-differs", self.release(22).deployment);
        // Something went out from beside the line; what ran there goes on as before.
        let mut aside = self.release(26).clone();
        aside.deployment = 8_000_001;
        aside.target.clone_from(&history.rogue[2]);
        aside.changes.clear();
        self.releases.insert(26, aside);
        found("deployed-off-line", 8_000_001);
        // A release that starts where none had ended.
        let broken = self.release(30);
        broken.start.clone_from(&broken.changes[2][0]);
        broken.changes.drain(..3);
        found("range-broken", broken.deployment);
        // The same commit again, and back, and forth: nothing is missing.
        for (back, to) in [(34, 34), (34, 33), (34, 34)] {
            let target = self.releases[to].target.clone();
            let start = self.releases[back].target.clone();
            let deployment = 8_000_010 + self.releases.len() as u64;
            self.releases.insert(35, Release { deployment, start, target, changes: Vec::new() });
        }
        // Out without a decision, and listed without one.
        let commit = CommitSha::new(self.releases[40].changes[9][0].clone());
        let finished = |deployment: u64, commit: &CommitSha| DeploymentFinished {
            repository: repository(),
            environment: "production".to_owned(),
            deployment: DeploymentId(deployment),
            run: RunId(deployment),
            attempt: RunAttempt(1),
            commit: commit.clone(),
            conclusion: "success".to_owned(),
            decision: None,
            ended_at: None,
            beside: Vec::new(),
        };
        self.more.push((40, EntryBody::DeploymentFinished(finished(8_000_002, &commit))));
        found("deployment-undecided", 8_000_002);
        let listed = |id: u64, commit: &CommitSha| ListedDeployment {
            id: DeploymentId(id),
            environment: "Production ".to_owned(),
            commit: commit.clone(),
            creator: None,
            created_at: "2026-01-02T03:04:05.000Z".to_owned(),
        };
        let known = self.releases[2].clone();
        let deployments = vec![listed(known.deployment, &CommitSha::new(known.target)), listed(8_000_003, &commit)];
        let list =
            DeploymentsListed { repository: repository(), after: None, upto: DeploymentId(8_000_003), deployments };
        self.more.push((44, EntryBody::DeploymentsListed(list)));
        found("deployment-undecided", 8_000_003);
        planted
    }

    /// The key that bundles are signed with.
    pub fn key() -> String {
        key().verifying_key().to_string()
    }

    /// Writes every entry through the store, and a bundle of all.
    pub async fn write(&self, directory: &Path) -> PathBuf {
        let url = format!("sqlite://{}", directory.join("store.db").display());
        let store = Store::open(&url).await.unwrap();
        let policies = Policies::builtin(&["three-person".to_owned()]).unwrap();
        for (number, release) in self.releases.iter().enumerate() {
            store.record(recording(release, &policies)).await.unwrap();
            let ended = DeploymentFinished {
                repository: repository(),
                environment: "production".to_owned(),
                deployment: DeploymentId(release.deployment),
                run: RunId(release.deployment),
                attempt: RunAttempt(1),
                commit: CommitSha::new(release.target.clone()),
                conclusion: "success".to_owned(),
                decision: Some(format!("d-{}", release.deployment)),
                ended_at: None,
                beside: Vec::new(),
            };
            store.note(entry(EntryBody::DeploymentFinished(ended))).await.unwrap();
            for (_, body) in self.more.iter().filter(|(after, _)| *after == number) {
                store.note(entry(body.clone())).await.unwrap();
            }
        }
        let bundle = directory.join("bundle");
        let key = key();
        let request = Request {
            range: None,
            period: None,
            repositories: None,
            older: None,
            pages: None,
            size: None,
            key: &key,
            progress: Watched::default(),
        };
        export(&store, &request, &bundle).await.unwrap();
        bundle
    }

    /// GitHub's own list, newest first, in pages as `gh api --paginate` writes them.
    pub fn list(&self, directory: &Path, keep: impl Fn(u64) -> bool, change: impl Fn(Value) -> Value) -> PathBuf {
        let path = directory.join("deployments.json");
        let all: Vec<Value> = self
            .releases
            .iter()
            .rev()
            .filter(|release| keep(release.deployment))
            .map(|release| {
                let one = json!({"id": release.deployment, "sha": release.target, "environment": "production"});
                change(one)
            })
            .collect();
        let mut file = fs::File::create(&path).unwrap();
        for page in all.chunks(100) {
            writeln!(file, "{}", Value::Array(page.to_vec())).unwrap();
        }
        path
    }
}

/// One more page.
pub fn append(list: &Path, one: &Value) {
    let mut file = fs::File::options().append(true).open(list).unwrap();
    writeln!(file, "{}", json!([one])).unwrap();
}

/// How much memory the program needs for the comparison at its peak, in kB.
pub fn peak(bundle: &Path, clone: &Path) -> u64 {
    const ASK: &str = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); \
                       print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let said = Command::new("python3")
        .args(["-c", ASK, crate::scene::SERVICE, "evidence", "reconcile"])
        .arg(bundle)
        .arg("--git")
        .arg(clone)
        .output()
        .unwrap();
    String::from_utf8(said.stdout).unwrap().trim().parse().unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_seed("example.com/ledger", [3; 32]).unwrap()
}

fn entry(body: EntryBody) -> Entry {
    let time = "2026-01-02T03:04:05.678Z".to_owned();
    Entry { version: ENTRY_VERSION, time, tool: "countersign 0.1.0".to_owned(), body }
}

fn person(id: u64) -> Account {
    Account { id: AccountId(id), login: format!("person-{id}"), kind: AccountKind::User }
}

fn recording(release: &Release, policies: &Policies) -> Recording {
    let by = person(1);
    let identity = CommitIdentity { account: Some(by.clone()), email: None };
    let mut before = CommitSha::new(release.start.clone());
    let mut changes = Vec::new();
    for commits in &release.changes {
        let commits: Vec<CommitSha> = commits.iter().map(|commit| CommitSha::new(commit.clone())).collect();
        let after = commits.last().unwrap().clone();
        let bare = Commit {
            oid: after.clone(),
            tree: after.clone(),
            parents: vec![before.clone()],
            author: identity.clone(),
            committer: identity.clone(),
            committed_by_github: false,
            coauthors: Vec::new(),
            merge: None,
        };
        let landing = Landing {
            before: std::mem::replace(&mut before, after.clone()),
            after,
            kind: LandingKind::Push,
            by: Some(by.clone()),
            at: None,
        };
        changes.push(ChangeInRelease {
            commits,
            landing: Some(landing),
            pull_request: None,
            asked_as: None,
            bare_commits: vec![bare],
            bare_pushes: Vec::new(),
            alternatives: Vec::new(),
            shown_as_merged: Vec::new(),
            tickets: None,
            missing: Vec::new(),
        });
    }
    let target = CommitSha::new(release.target.clone());
    let mut line: Vec<CommitSha> = changes.iter().flat_map(|change| &change.commits).rev().cloned().collect();
    line.push(CommitSha::new(release.start.clone()));
    let id = release.deployment;
    let attempt = Attempt { number: RunAttempt(1), actor: Some(person(3)), triggering_actor: Some(person(3)) };
    let run = Run {
        id: RunId(id),
        event: "workflow_dispatch".to_owned(),
        head_branch: Some("main".to_owned()),
        head_commit: target.clone(),
        head_repository: Some(RepositoryId(7)),
        followed: None,
        path: ".github/workflows/deploy.yml".to_owned(),
        first: attempt.clone(),
        this: attempt,
    };
    let deployment = Deployment {
        environment: "production".to_owned(),
        record: Some(DeploymentRecord { id: DeploymentId(id), commit: target.clone(), creator: Some(person(3)) }),
        run: Some(run),
        request: None,
        approval: EnvironmentApproval { asked: Some(false), given_by: Vec::new() },
        start: Some(StartingPoint::Baseline { commit: CommitSha::new(release.start.clone()) }),
        line: Line { commits: line, reaches_start: true, behind: Vec::new(), landings: Vec::new() },
        allowed_before: None,
        changes,
        exception: None,
        overdue: Vec::new(),
        writers: None,
        missing: Vec::new(),
        history_unavailable: None,
        target,
    };
    let facts = Facts {
        version: FACTS_VERSION,
        repository: repository(),
        terms: Terms {
            production_branch: "main".to_owned(),
            packs: vec!["three-person".to_owned()],
            checks: Vec::new(),
            repository_rules: RepositoryRules::default(),
            persons: Vec::new(),
            automation: Automation::default(),
            web_url: "https://github.example".to_owned(),
        },
        subject: Subject::Deployment(Box::new(deployment)),
    };
    let decision = Decision {
        id: format!("d-{id}"),
        subject: format!("repository:7/run:{id}/attempt:1/environment:production"),
        verdict: decide(&facts, policies),
        facts,
        policy_digest: policies.digest().to_owned(),
        settings_digest: hex::encode(Sha256::digest(SETTINGS)),
    };
    let sources = policies.sources();
    Recording {
        settings: (decision.settings_digest.clone(), SETTINGS.to_owned()),
        policy: (decision.policy_digest.clone(), json!({"schema": sources.schema, "files": sources.files}).to_string()),
        entry: entry(EntryBody::Decision(Box::new(decision))),
    }
}
