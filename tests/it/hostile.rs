//! Hostile repositories: a proof runs nothing of theirs, ends in time, and keeps within its disk.

use countersign::git::{Limits, Objects, Proof, Remote};
use github_twin::model::{Shared, World};
use github_twin::server::Serving;
use github_twin::story::Story;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A repository with objects put into it as only git's plumbing can, and the service's clones beside it.
struct Stage {
    folder: TempDir,
    place: PathBuf,
    serving: Serving,
}

impl Stage {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let story = Story::parse("name: x\nworld: {accounts: {ann: write, ben: write}}\nstory: []\n").unwrap();
        let world = World::build(&story.world, folder.path()).unwrap();
        let place = world.git.path().to_owned();
        let serving = Serving::start(Shared::new(world), "127.0.0.1:0").await.unwrap();
        Self { folder, place, serving }
    }

    fn git(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut child = Command::new("git")
            .arg("--git-dir")
            .arg(&self.place)
            .args(arguments)
            .envs([("GIT_AUTHOR_NAME", "ann"), ("GIT_AUTHOR_EMAIL", "ann@example.com")])
            .envs([("GIT_COMMITTER_NAME", "ann"), ("GIT_COMMITTER_EMAIL", "ann@example.com")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn blob(&self, text: &[u8]) -> String {
        self.git(&["hash-object", "-w", "--stdin"], text)
    }

    /// A tree of `mode type id name`, with any name at all.
    fn tree(&self, entries: &[(&str, &str, &str, &str)]) -> String {
        let lines: Vec<String> =
            entries.iter().map(|(mode, kind, id, name)| format!("{mode} {kind} {id}\t{name}\0")).collect();
        self.git(&["mktree", "-z", "--missing"], lines.concat().as_bytes())
    }

    fn commit(&self, tree: &str, parents: &[&str]) -> String {
        let parents = parents.iter().flat_map(|parent| ["-p", parent]);
        let arguments: Vec<&str> = ["commit-tree", tree, "-m", "x"].into_iter().chain(parents).collect();
        self.git(&arguments, b"")
    }

    /// Two sides that add a file each beside what both have, and their merge; its tree may be another.
    fn merge_beside(&self, both: &[(&str, &str, &str, &str)], other: Option<&str>) -> [String; 3] {
        let (ours, theirs) = (self.blob(b"ours"), self.blob(b"theirs"));
        let (ours, theirs) = (("100644", "blob", &*ours, "zz-ours"), ("100644", "blob", &*theirs, "zz-theirs"));
        let with = |more: &[(&'static str, &'static str, &str, &'static str)]| {
            let all: Vec<(&str, &str, &str, &str)> = both.iter().copied().chain(more.iter().copied()).collect();
            self.tree(&all)
        };
        let root = self.commit(&with(&[]), &[]);
        let first = self.commit(&with(&[ours]), &[&root]);
        let second = self.commit(&with(&[theirs]), &[&root]);
        let merged = with(&[ours, theirs]);
        let merge = self.commit(other.unwrap_or(&merged), &[&first, &second]);
        [merge, first, second]
    }

    async fn prove(&self, [merge, first, second]: &[String; 3], limits: Limits) -> Proof {
        let objects = Objects::new(self.clones(), limits);
        let remote =
            Remote { id: 1, url: format!("http://{}/acme/shop.git", self.serving.address), token: "t".to_owned() };
        objects.prove(&remote, merge, [first, second]).await
    }

    fn clones(&self) -> PathBuf {
        self.folder.path().join("clones")
    }
}

#[tokio::test]
async fn odd_names_submodules_and_attributes_run_nothing_and_are_merged_like_any_other() {
    let stage = Stage::new().await;
    let canary = stage.folder.path().join("canary");
    let run = format!("sh -c 'touch {}'", canary.display());
    let attributes = stage.blob(b"* filter=evil merge=evil diff=evil text eol=crlf\n");
    let modules = stage.blob(format!("[submodule \"x\"]\n\tpath = x\n\turl = ext::{run}\n").as_bytes());
    let config = stage.blob(format!("[filter \"evil\"]\n\tsmudge = {run}\n[core]\n\thooksPath = .\n").as_bytes());
    let hook = stage.blob(format!("#!/bin/sh\n{run}\n").as_bytes());
    let module = "1".repeat(40);
    let both = [
        ("100644", "blob", &*attributes, ".gitattributes"),
        ("100644", "blob", &*modules, ".gitmodules"),
        ("100644", "blob", &*config, "config"),
        ("100755", "blob", &*hook, "post-index-change"),
        ("100755", "blob", &*hook, "a name\nwith lines and \u{202e}tricks"),
        ("100644", "blob", &*config, "--upload-pack=touch"),
        ("160000", "commit", &*module, "x"),
    ];
    let proof = stage.prove(&stage.merge_beside(&both, None), Limits::default()).await;
    assert_eq!(proof, Proof::Mechanical);
    let other = stage.tree(&both);
    let proof = stage.prove(&stage.merge_beside(&both, Some(&other)), Limits::default()).await;
    assert_eq!(proof, Proof::Differs, "a merge that drops what a side brought is no mechanical one");
    assert!(!canary.exists());
    assert!(!stage.clones().join("1.git").join("hooks").exists(), "no template brings hooks in");
}

#[tokio::test]
async fn a_folder_named_like_gits_own_is_never_written_to_disk() {
    let stage = Stage::new().await;
    let hook = stage.blob(b"#!/bin/sh\ntouch canary\n");
    let hooks = stage.tree(&[("100755", "blob", &hook, "post-checkout")]);
    let dotgit = stage.tree(&[("040000", "tree", &hooks, "hooks")]);
    let both = [("040000", "tree", &*dotgit, ".git"), ("040000", "tree", &*dotgit, "..")];
    let proof = stage.prove(&stage.merge_beside(&both, None), Limits::default()).await;
    assert!(!matches!(proof, Proof::Differs), "{proof:?}");
    assert!(!holds(stage.folder.path(), "post-checkout"));
}

#[tokio::test]
async fn a_repository_that_outgrows_its_limit_is_deleted_and_proves_nothing() {
    let stage = Stage::new().await;
    // What does not compress, and what the merge needs: both sides changed it.
    let noise: Vec<u8> = (0..400_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let big = |end: &str| stage.blob(&[&noise[..], end.as_bytes()].concat());
    let root = stage.commit(&stage.tree(&[("100644", "blob", &big("0"), "big")]), &[]);
    let first = stage.commit(&stage.tree(&[("100644", "blob", &big("1"), "big")]), &[&root]);
    let second = stage.commit(&stage.tree(&[("100644", "blob", &big("2"), "big")]), &[&root]);
    let merge = stage.commit(&stage.tree(&[("100644", "blob", &big("1"), "big")]), &[&first, &second]);
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let proof = stage.prove(&[merge, first, second], limits).await;
    assert_eq!(proof, Proof::Unproved("the repository is larger than 1 MB".to_owned()));
    assert!(!stage.clones().join("1.git").exists());
}

#[tokio::test]
async fn trees_as_deep_as_they_come_prove_something_or_nothing_but_end() {
    let stage = Stage::new().await;
    let mut deep = stage.tree(&[("100644", "blob", &stage.blob(b"x"), "x")]);
    for _ in 0..300 {
        deep = stage.tree(&[("040000", "tree", &deep, "d")]);
    }
    let proof = stage.prove(&stage.merge_beside(&[("040000", "tree", &deep, "d")], None), Limits::default()).await;
    assert!(!matches!(proof, Proof::Differs), "{proof:?}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let folder = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/acme/shop.git", listener.local_addr().unwrap());
    let limits = Limits { time: Duration::from_secs(1), ..Limits::default() };
    let objects = Objects::new(folder.path().join("clones"), limits);
    let id = "a".repeat(40);
    let started = Instant::now();
    let remote = Remote { id: 1, url, token: "t".to_owned() };
    let proof = objects.prove(&remote, &id, [&id, &id]).await;
    assert_eq!(proof, Proof::Unproved("git took longer than 1 seconds".to_owned()));
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn what_is_no_object_id_never_reaches_git() {
    let stage = Stage::new().await;
    let id = "a".repeat(40);
    let proof = stage.prove(&["--upload-pack=touch canary".to_owned(), id.clone(), id], Limits::default()).await;
    assert_eq!(proof, Proof::Unproved("its ids are no object ids".to_owned()));
    assert!(!stage.clones().exists());
}

fn holds(folder: &Path, name: &str) -> bool {
    std::fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let inside = entry.file_type().unwrap().is_dir() && holds(&entry.path(), name);
        inside || entry.file_name().to_string_lossy() == name
    })
}
