//! Who may know whom. The table is ARCHITECTURE.md's; a new edge is a decision, made there first.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room of the service, and the rooms it may use. The core is a crate of its own, so the compiler keeps it.
const ROOMS: &[(&str, &[&str])] = &[
    ("settings", &[]),
    ("metrics", &[]),
    ("git", &[]),
    ("github", &["git", "settings", "store"]),
    ("store", &["settings"]),
    ("evaluation", &["git", "github", "settings", "store"]),
    ("worker", &["evaluation", "github", "metrics", "store"]),
    ("sweep", &["evaluation", "github", "settings", "store"]),
    ("witness", &["github", "settings", "store"]),
    ("retrospective", &["github"]),
    ("doctor", &["github", "settings", "store"]),
    ("http", &["evaluation", "evidence", "github", "metrics", "settings", "store", "sweep", "witness"]),
    ("heartbeat", &["evaluation", "settings", "store"]),
    ("evidence", &["git", "store"]),
    (
        "cli",
        &[
            "doctor",
            "evaluation",
            "evidence",
            "git",
            "github",
            "heartbeat",
            "http",
            "metrics",
            "retrospective",
            "settings",
            "store",
            "sweep",
            "witness",
            "worker",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Each room of the core, and the rooms of the core it may use.
const CORE: &[(&str, &[&str])] = &[("domain", &[]), ("ledger", &[]), ("policy", &["domain"]), ("lib", &[])];

/// What the core may never know.
const OUTSIDE: &[&str] = &[
    "tokio",
    "axum",
    "octocrab",
    "sqlx",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "SystemTime",
    "Instant::now",
    "rand::",
];

const LONGEST_FILE: usize = 400;

fn sources(root: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The code before the tests module.
fn production(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    text[..end].to_owned()
}

fn room(root: &str, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn rooms_used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for line in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        for (place, _) in line.match_indices("crate::") {
            if line[..place].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':') {
                continue;
            }
            let rest = &line[place + "crate::".len()..];
            if let Some(group) = rest.strip_prefix('{') {
                used.extend(
                    group
                        .split([',', '}'])
                        .map(|name| name.trim_end_matches(';').trim().split("::").next().unwrap().to_owned()),
                );
            } else {
                used.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            }
        }
    }
    used.remove("");
    used
}

fn broken_walls(root: &str, table: &[(&str, &[&str])]) -> Vec<String> {
    let names: BTreeSet<&str> = table.iter().map(|(name, _)| *name).collect();
    let mut broken = Vec::new();
    for path in sources(root) {
        let here = room(root, &path);
        let Some((_, allowed)) = table.iter().find(|(name, _)| *name == here) else {
            broken.push(format!("{} is in no room that ARCHITECTURE.md knows", path.display()));
            continue;
        };
        for used in rooms_used(&production(&path)) {
            if used != here && names.contains(used.as_str()) && !allowed.contains(&used.as_str()) {
                broken.push(format!("{}: `{here}` may not use `{used}`", path.display()));
            }
        }
    }
    broken
}

#[test]
fn no_room_knows_a_room_it_should_not() {
    assert_eq!(broken_walls("src", ROOMS), Vec::<String>::new());
    assert_eq!(broken_walls("core/src", CORE), Vec::<String>::new());
}

#[test]
fn a_wall_that_is_broken_is_found() {
    let used = rooms_used(
        "use crate::store::Store;\nuse crate::{http, github::Client};\n// crate::cli\nlet a = crate::worker::X;",
    );
    assert_eq!(used.into_iter().collect::<Vec<_>>(), ["github", "http", "store", "worker"]);
}

#[test]
fn the_core_knows_nothing_of_the_outside() {
    for path in sources("core/src") {
        if path.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let code = production(&path);
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for outside in OUTSIDE {
            assert!(!code.contains(outside), "{} knows `{outside}`", path.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_four_hundred_lines_of_production_code() {
    for root in ["src", "core/src", "tests/github-twin/src", "examples", "benches/src"] {
        for path in sources(root) {
            let lines = production(&path).lines().count();
            assert!(lines <= LONGEST_FILE, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for root in ["src", "core/src", "tests/github-twin/src", "examples", "benches/src", "tests/it"] {
        for path in sources(root) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("//! "), "{} does not begin with what it is for", path.display());
        }
    }
}

#[test]
fn no_room_has_a_name_that_says_nothing() {
    for root in ["src", "core/src", "tests/github-twin/src"] {
        for path in sources(root) {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let empty = ["utils", "util", "common", "helpers", "helper", "types", "misc", "manager"];
            assert!(!empty.contains(&name.as_str()), "{}", path.display());
        }
    }
}

#[test]
fn sql_stays_in_the_store() {
    for path in sources("src").into_iter().filter(|path| !path.starts_with("src/store")) {
        let code = production(&path);
        assert!(!code.contains("sqlx::"), "{} speaks SQL", path.display());
    }
}
