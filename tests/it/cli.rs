//! The command line: what each verb says, and the exit code that a program can act on.

use crate::scene::{SERVICE, Scene};
use clap::CommandFactory as _;
use countersign::cli::Arguments;
use github_twin::auth::mint;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;
use tokio::process::Command;

pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs the program with nothing in its environment but what is given.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = Command::new(SERVICE);
    command.args(arguments).env_clear().envs(environment.iter().copied()).kill_on_drop(true);
    let output: Output = command.output().await.unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn every_verb_says_how_it_is_used_with_an_example() {
    let mut verbs = vec![(Vec::new(), Arguments::command())];
    let mut seen = 0;
    while let Some((name, command)) = verbs.pop() {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let mut name: Vec<String> = name.clone();
            name.push(verb.get_name().to_owned());
            if verb.has_subcommands() {
                verbs.push((name, verb.clone()));
                continue;
            }
            let mut arguments: Vec<&str> = name.iter().map(String::as_str).collect();
            arguments.push("--help");
            let said = run(&arguments, &[]).await;
            let example = format!("countersign {}", name.join(" "));
            assert_eq!(said.code, 0, "{example}");
            let shown = said.out.split("Example: ").nth(1).unwrap_or_default();
            assert!(shown.contains(&example), "`{example} --help` shows no example:\n{}", said.out);
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen} verbs");
    let said = run(&["--help"], &[]).await;
    assert_eq!(said.code, 0);
    for line in ["0  allowed", "1  an error", "2  denied", "3  settings", "4  undetermined", "5  pending"] {
        assert!(said.out.contains(line), "`{line}` is not in\n{}", said.out);
    }
}

#[tokio::test]
async fn a_call_that_is_misspelt_is_an_error_and_no_denial() {
    for arguments in [vec!["gate", "--nonsense"], vec!["nothing"], vec![]] {
        let said = run(&arguments, &[]).await;
        assert_eq!(said.code, 1, "{arguments:?}: {}", said.err);
        assert!(said.err.contains("Usage: "), "{}", said.err);
    }
    assert_eq!(run(&["--version"], &[]).await.code, 0);
}

#[tokio::test]
async fn invalid_settings_end_with_3_and_name_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("countersign.toml");
    let out = directory.path().join("bundle");
    let scope = "[[scope]]\nrepositories = [\"acme/*\"]\n";
    for (text, named) in [
        ("[server]\nlissten = \"127.0.0.1:0\"\n".to_owned(), "lissten"),
        ("[sever]\n".to_owned(), "sever"),
        ("[server]\npace_ms = \"soon\"\n".to_owned(), "pace_ms"),
        ("[server]\npace_ms = -1\n".to_owned(), "pace_ms"),
        ("[github]\nwebhook_secrets = [\"\"]\n".to_owned(), "webhook secret"),
        (format!("{scope}policies = [\"four-person\"]\n"), "four-person"),
        ("[[scope]]\nrepositories = [\"shop\"]\n".to_owned(), "`shop`"),
        (
            "[[baseline]]\nrepository = \"acme/shop\"\nenvironment = \"production\"\ncommit = \"4f2c\"\n".to_owned(),
            "4f2c",
        ),
        ("[server\n".to_owned(), "[server"),
    ] {
        fs::write(&file, &text).unwrap();
        for verb in [
            vec!["serve", "--config", path(&file)],
            vec!["check", "--repo", "acme/shop", "--pr", "1", "--token", "t", "--config", path(&file)],
            vec!["evidence", "export", "--out", path(&out), "--config", path(&file)],
        ] {
            let said = run(&verb, &[]).await;
            assert_eq!(said.code, 3, "{} of {text}: {}", verb.join(" "), said.err);
            assert!(said.err.contains(named) && said.out.is_empty(), "`{named}` is not in\n{}", said.err);
        }
    }
    assert!(!out.exists());
    let said = run(&["serve"], &[("COUNTERSIGN_SERVER_PACE_MS", "soon")]).await;
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("COUNTERSIGN_SERVER_PACE_MS"), "{}", said.err);
    let said = run(&["serve", "--config", path(&directory.path().join("none.toml"))], &[]).await;
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("none.toml"), "{}", said.err);
}

#[tokio::test]
async fn evidence_that_was_tampered_with_ends_with_2() {
    let mut scene = Scene::set(json!({"accounts": {"ann": "write", "ben": "write"}})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.rest().await;
    let older = scene.stage.directory().join("older.txt");
    fs::write(&older, scene.text("/api/v1/ledger/checkpoint").await).unwrap();
    scene.play(json!({"review": {"pr": 1, "by": "ben", "state": "approved"}})).await;
    scene.rest().await;
    let key = scene.text("/api/v1/ledger/key").await;
    let config = scene.stage.directory().join("countersign.toml");
    let bundle = scene.stage.directory().join("bundle");
    let export = ["evidence", "export", "--config", path(&config), "--out", path(&bundle), "--against", path(&older)];
    let said = run(&export, &[]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let verify = ["evidence", "verify", path(&bundle), "--key", key.trim(), "--against", path(&older)];
    let said = run(&verify, &[]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);

    let json = [verify.as_slice(), &["--format", "json"]].concat();
    for name in ["entries.jsonl", "checkpoint.txt", "manifest.json", "manifest.note"] {
        let file = bundle.join(name);
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&file, bad).unwrap();
        let said = run(&verify, &[]).await;
        assert_eq!(said.code, 2, "{name}: {}{}", said.out, said.err);
        assert!(said.out.starts_with("does not hold: "), "{}", said.out);
        let said = run(&json, &[]).await;
        let found: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!((said.code, &found["holds"]), (2, &json!(false)), "{name}");
        fs::write(&file, good).unwrap();
    }
    assert_eq!(run(&verify, &[]).await.code, 0);
    // Something that is no bundle is an error, not a finding; and a bundle is never written over another one.
    let nowhere = scene.stage.directory().join("nowhere");
    assert_eq!(run(&["evidence", "verify", path(&nowhere), "--key", key.trim()], &[]).await.code, 1);
    assert_eq!(run(&export, &[]).await.code, 1);
}

#[tokio::test]
async fn only_the_service_makes_a_key_and_evidence_is_signed_by_the_one_on_record() {
    let mut scene = Scene::set(json!({"accounts": {"ann": "write", "ben": "write"}})).await;
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    scene.rest().await;
    scene.play(json!({"service": "stop"})).await;
    let (config, bundle) = (scene.stage.directory().join("countersign.toml"), scene.stage.directory().join("bundle"));
    let export = ["evidence", "export", "--config", path(&config), "--out", path(&bundle)];
    let (key, kept) = (scene.stage.directory().join("ledger.key"), scene.stage.directory().join("kept.key"));
    fs::rename(&key, &kept).unwrap();
    let said = run(&export, &[]).await;
    assert_eq!((said.code, key.exists(), bundle.exists()), (1, false, false), "{}", said.err);
    assert!(said.err.contains("cannot be read"), "{}", said.err);
    // Nor does the service make another one beside the one on record.
    let said = run(&["serve", "--config", path(&config)], &[]).await;
    assert_eq!((said.code, key.exists()), (1, false), "{}", said.err);
    assert!(said.err.contains("put it back"), "{}", said.err);
    // Somebody else's key signs nothing in this ledger's name.
    let other = countersign_core::ledger::SigningKey::from_seed("countersign.local/ledger", [9; 32]).unwrap();
    fs::write(&key, other.to_secret_text()).unwrap();
    let said = run(&export, &[]).await;
    assert_eq!((said.code, bundle.exists()), (1, false), "{}", said.err);
    assert!(said.err.contains("holds another key"), "{}", said.err);
    fs::rename(&kept, &key).unwrap();
    let said = run(&export, &[]).await;
    assert_eq!(said.code, 0, "{}", said.err);
}

#[tokio::test]
async fn whoever_reads_the_output_may_stop_reading() {
    let mut child = Command::new(SERVICE)
        .args(["policy", "explain"])
        .env_clear()
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), err.as_ref()), (Some(0), ""), "{err}");
}

#[tokio::test]
async fn no_token_goes_where_others_may_listen() {
    let list = ["exception", "list"];
    let environment = [("COUNTERSIGN_TOKEN", "t"), ("COUNTERSIGN_URL", "http://countersign.example.com")];
    let said = run(&list, &environment).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("is no https address"), "{}", said.err);
}

#[tokio::test]
async fn an_exception_is_opened_listed_and_reviewed_by_somebody_else() {
    let mut scene = Scene::set(json!({"accounts": {"ann": "write", "ben": "write", "dee": "write"}})).await;
    let server = scene.address("");
    let as_account = |login: &str| format!("exceptions-of-{login}");
    let open = [
        "exception",
        "open",
        "--server",
        &server,
        "--repo",
        "acme/shop",
        "--environment",
        "production",
        "--reason",
        "=checkout is down",
        "--ticket",
        "INC-7",
        "--json",
    ];
    let nobody = run(&open, &[("COUNTERSIGN_TOKEN", "stolen")]).await;
    assert_eq!((nobody.code, nobody.err.contains("does not know this token")), (1, true), "{}", nobody.err);
    let said = run(&open, &[("COUNTERSIGN_TOKEN", &as_account("ann"))]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let opened: Value = serde_json::from_str(&said.out).unwrap();
    let id = opened["id"].as_str().unwrap();
    let review = ["exception", "review", id, "--server", &server, "--verdict", "unjustified"];
    let by_ann = run(&review, &[("COUNTERSIGN_TOKEN", &as_account("ann"))]).await;
    assert_eq!(by_ann.code, 1);
    assert!(by_ann.err.contains("whoever opened an exception cannot review it"), "{}", by_ann.err);
    assert_eq!(run(&review, &[("COUNTERSIGN_TOKEN", &as_account("dee"))]).await.code, 0);
    let listed = run(&["exception", "list", "--server", &server], &[("COUNTERSIGN_TOKEN", &as_account("dee"))]).await;
    let line = format!("{id} acme/shop production: unjustified, opened by @ann for INC-7 until ");
    assert!(listed.out.starts_with(&line), "{}", listed.out);
    scene.rest().await;
    let bundle = scene.stage.directory().join("bundle");
    let config = scene.stage.directory().join("countersign.toml");
    assert_eq!(run(&["evidence", "export", "--config", path(&config), "--out", path(&bundle)], &[]).await.code, 0);
    let table = fs::read_to_string(bundle.join("exceptions.csv")).unwrap();
    assert!(table.contains(",'=checkout is down,INC-7,0,") && table.contains(",dee,"), "{table}");
}

#[tokio::test]
async fn cases_of_every_rule_hold_and_those_of_other_rules_do_not() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/tests");
    let said = run(&["policy", "test", path(&cases)], &[]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.ends_with(" passed, 0 failed\n") && !said.out.starts_with("0 "), "{}", said.out);
    // The only reviewer may deploy under two-person: what three-person denies is no denial there.
    let said = run(&["policy", "test", path(&cases), "--pack", "two-person"], &[]).await;
    assert_eq!(said.code, 3, "{}", said.out);
    assert!(said.out.contains("deployer-is-reviewer.json: "), "{}", said.out);

    // A repository tests its own rule with the facts of a case.
    let directory = tempfile::tempdir().unwrap();
    let rule = directory.path().join("frozen.cedar");
    let forbid = "@id(\"frozen\")\n@summary(\"Nothing goes out now\")\n@remedy(\"Wait\")\n@controls(\"SOC2 CC8.1\")\n\
                  forbid (principal, action == Action::\"deploy\", resource is Release);\n";
    fs::write(&rule, forbid).unwrap();
    let known: Value = serde_json::from_slice(&fs::read(cases.join("deployer-is-author.json")).unwrap()).unwrap();
    let good = known.as_array().unwrap().iter().find(|case| case["outcome"] == "allow").unwrap();
    let mut frozen = good.clone();
    (frozen["code"], frozen["outcome"]) = (json!("frozen"), json!("deny"));
    let own = directory.path().join("own.json");
    fs::write(&own, json!([frozen]).to_string()).unwrap();
    assert_eq!(run(&["policy", "test", path(&own), "--rules", path(&rule)], &[]).await.code, 0);
    assert_eq!(run(&["policy", "test", path(&own)], &[]).await.code, 3);
    fs::write(&own, "[{\"case\": 1}]").unwrap();
    let said = run(&["policy", "test", path(&own)], &[]).await;
    assert_eq!(said.code, 3);
    assert!(said.err.contains("own.json` is no list of cases"), "{}", said.err);
    // Nothing tested is nothing shown.
    fs::write(&own, "[]").unwrap();
    assert_eq!(run(&["policy", "test", path(&own)], &[]).await.code, 3);
}

#[tokio::test]
async fn check_ends_with_what_it_judged() {
    let mut scene = Scene::set(json!({"accounts": {"ann": "write", "ben": "write", "cat": "write"}})).await;
    let (url, token) = {
        let world = scene.stage.world().lock();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let permissions = world.installation.permissions.clone();
        (world.url.clone(), mint(&world.installation, permissions, i64::try_from(now).unwrap()).0)
    };
    let graphql = format!("{url}/graphql");
    let github = [
        ("COUNTERSIGN_GITHUB_API_URL", url.as_str()),
        ("COUNTERSIGN_GITHUB_GRAPHQL_URL", graphql.as_str()),
        ("GITHUB_TOKEN", token.as_str()),
    ];
    let check = ["check", "--repo", "acme/shop", "--pr", "1"];
    scene.play(json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}})).await;
    for (by, state, code, outcome) in
        [("cat", "commented", 5, "pending"), ("ben", "approved", 0, "allow"), ("cat", "changes_requested", 2, "deny")]
    {
        scene.play(json!({"review": {"pr": 1, "by": by, "state": state}})).await;
        scene.rest().await;
        let said = run(&check, &github).await;
        assert_eq!(said.code, code, "{}{}", said.out, said.err);
        assert!(said.out.contains("@ann"), "{}", said.out);
        let json = [check.as_slice(), &["--format", "json"]].concat();
        let said = run(&json, &github).await;
        let judged: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!((said.code, judged["verdict"]["outcome"].as_str()), (code, Some(outcome)));
        assert!(!said.out.contains(&token) && !said.err.contains(&token));
    }
    // With the service's own settings it says the same; without a token, a pull request or a good token it is an error.
    let config = scene.stage.directory().join("countersign.toml");
    let with_settings = [check.as_slice(), &["--config", path(&config)]].concat();
    assert_eq!(run(&with_settings, &github[2..]).await.code, 2);
    let no_pull_request = ["check", "--repo", "acme/shop", "--pr", "9"];
    assert_eq!(run(&no_pull_request, &github).await.code, 1);
    let no_repository = ["check", "--repo", "acme/other", "--pr", "1"];
    assert_eq!(run(&no_repository, &github).await.code, 1);
    let mut stranger = github;
    stranger[2].1 = "ghs_nobody";
    let said = run(&check, &stranger).await;
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(!said.err.contains("ghs_nobody") && said.out.is_empty(), "{}{}", said.out, said.err);
    let writes = scene.stage.world().lock().writes.len();
    assert_eq!(scene.trace().await[5], i64::try_from(writes).unwrap());
}

#[tokio::test]
async fn policies_are_explained_in_words_and_a_repositorys_own_are_checked() {
    let said = run(&["policy", "explain", "--pack", "two-person", "--pack", "ticketed"], &[]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("ticket-missing") && !said.out.contains("deployer-is-reviewer"), "{}", said.out);
    let said = run(&["policy", "explain", "--format", "json"], &[]).await;
    let explained: Value = serde_json::from_str(&said.out).unwrap();
    assert!(explained["rules"].as_array().unwrap().iter().any(|rule| rule["code"] == "deployer-is-reviewer"));
    assert_eq!(run(&["policy", "explain", "--pack", "nobody"], &[]).await.code, 3);

    let folder = tempfile::tempdir().unwrap();
    let forbid = "forbid (principal, action == Action::\"merge\", resource is Change)";
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    write("frozen.cedar", format!("@id(\"frozen\") {forbid} unless {{ resource.merged }};"));
    write("loose.cedar", "permit (principal, action, resource);".to_owned());
    let said = run(&["policy", "validate", path(folder.path())], &[]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("loose.cedar: a permit is ignored"), "{}", said.err);
    let said = run(&["policy", "validate", "--format", "json", path(folder.path())], &[]).await;
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&found["valid"], &found["ignored"]), (&json!(true), &json!(["loose.cedar"])));
    write("wrong.cedar", format!("@id(\"wrong\") {forbid} when {{ resource.marged }};"));
    let said = run(&["policy", "validate", path(folder.path())], &[]).await;
    assert_eq!(said.code, 3);
    assert!(said.err.contains("marged"), "{}", said.err);
}

/// What `policy validate` says of one file, its folder left out.
async fn validated(text: &str, more: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("own.cedar"), text).unwrap();
    let said = run(&[&["policy", "validate", path(folder.path())], more].concat(), &[]).await;
    let shown = |text: String| text.replace(path(folder.path()), "rules");
    Said { code: said.code, out: shown(said.out), err: shown(said.err) }
}

#[tokio::test]
async fn what_is_wrong_with_rules_is_shown_at_its_place_with_what_was_probably_meant() {
    let merge = "(principal, action == Action::\"merge\", resource is Change)";
    let broken = [
        format!("@id(\"frozen\")\nforbid {merge}\nwhen {{ resource.contributers.isEmpty() }};\n"),
        format!("@id(\"frozen\")\nforbid {merge}\nwhen {{ resource.merged == 1 }};\n"),
        "@id(\"frozen\")\nforbid (principal, action == Action::\"merg\", resource is Change);\n".to_owned(),
        "@id(\"frozen\")\nforbid (principal is Persn, action == Action::\"deploy\", resource is Change);\n".to_owned(),
        format!("// No freeze without its code.\n@idd(\"frozen\")\nforbid {merge};\n"),
        format!("@id(\"review-missing\")\nforbid {merge};\n"),
        format!("@id(\"Frozen Now\")\nforbid {merge};\n"),
        format!("@id(\"frozen\")\nforbid {merge}\nwhen {{ resource.merged && }};\n"),
        format!("@id(\"frozen\")\nforbid {merge}\nwhen {{ false }};\n"),
        "@id(\"frozen\")\nforbid (principal == ?principal, action, resource);\n".to_owned(),
    ];
    let mut page = String::new();
    for text in &broken {
        let said = validated(text, &[]).await;
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{text}");
        page.extend([text.as_str(), "\n", said.err.trim_end(), "\n", &"-".repeat(60), "\n"]);
    }
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("policy-validate", page);
    });
    // The same as data.
    let said = validated(&broken[0], &["--format", "json"]).await;
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &found["valid"], &found["rules"]), (3, &json!(false), &Value::Null));
    let problem = &found["problems"][0];
    assert_eq!((&problem["file"], &problem["line"]), (&json!("rules/own.cedar"), &json!(3)), "{problem}");
    let (start, end) = (problem["start"].as_u64().unwrap(), problem["end"].as_u64().unwrap());
    let place = &broken[0][usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
    assert_eq!(place, "resource.contributers.isEmpty()");
    assert!(problem["help"].as_str().unwrap().contains("contributors"), "{problem}");
}

#[tokio::test]
async fn a_pack_is_checked_by_itself_and_needs_all_its_words() {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/three-person");
    let said = run(&["policy", "validate", "--as-pack", path(&pack)], &[]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains(" rules in force, digest "), "{}", said.out);
    let rule = "@id(\"own\")\n@summary(\"Nothing goes out\")\n@remdy(\"Wait\")\n@controls(\"SOC2 CC8.1\")\n\
                forbid (principal, action == Action::\"merge\", resource is Change);\n";
    let said = validated(rule, &["--as-pack"]).await;
    assert_eq!(said.code, 3);
    assert!(said.err.contains("rule `own` needs `@remedy`"), "{}", said.err);
    assert!(said.err.contains("did you mean `@remedy` where it says `@remdy`?"), "{}", said.err);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(run(&["policy", "validate", path(empty.path())], &[]).await.code, 3, "nothing checked is nothing shown");
    let said = run(&["policy", "validate", "--pack", "three-persons", path(&pack)], &[]).await;
    assert_eq!(said.code, 3);
    assert!(said.err.contains("did you mean `three-person`?"), "{}", said.err);
}
