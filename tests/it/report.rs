//! What an auditor reads, prints, and feeds to other programs: the report, OSCAL results, attestations.

use crate::cli::run;
use crate::evidence::sign_again;
use crate::population::{export, python};
use crate::scene::Scene;
use countersign::evidence::bundle::{OSCAL, REPORT, attestations_file};
use countersign_core::ledger::SigningKey;
use countersign_core::ledger::envelope::{Envelope, IN_TOTO};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Two releases by three people, one denied, one excepted and reviewed, one excepted and not, one that nobody asked about.
async fn an_eventful_day() -> Scene {
    let accounts = json!({"ann": "admin", "ben": "write", "cat": "maintain", "dee": "write"});
    let mut scene = Scene::set(json!({"accounts": accounts})).await;
    let mut steps = Vec::new();
    for (pr, author, reviewer) in [(1, "ann", "ben"), (2, "ben", "ann")] {
        steps.extend([
            json!({"open": {"pr": pr, "by": author, "commits": [{"id": format!("c{pr}"), "by": author}]}}),
            json!({"review": {"pr": pr, "by": reviewer, "state": "approved"}}),
            json!({"merge": {"pr": pr, "by": "cat", "method": "squash"}}),
            json!({"deploy": {"by": "dee"}}),
            json!({"expect": {"gate": {"is": "allow"}}}),
            json!({"finish": {"state": "success"}}),
        ]);
    }
    for (pr, review) in [(3, true), (4, false)] {
        steps.extend([
            json!({"open": {"pr": pr, "by": "ann", "commits": [{"id": format!("c{pr}"), "by": "ann"}]}}),
            json!({"review": {"pr": pr, "by": "ben", "state": "approved"}}),
            json!({"merge": {"pr": pr, "by": "cat", "method": "squash"}}),
        ]);
        if review {
            steps.extend([json!({"deploy": {"by": "ann"}}), json!({"expect": {"gate": {"is": "deny"}}})]);
        }
        steps.extend([
            json!({"exception": {"by": "ann", "reason": "checkout <is> down", "ticket": format!("INC-{pr}"), "minutes": 60}}),
            json!({"deploy": {"by": "ann"}}),
            json!({"expect": {"gate": {"is": "exception"}}}),
            json!({"finish": {"state": "success"}}),
        ]);
        if review {
            steps.push(json!({"review_exception": {"by": "dee", "verdict": "justified"}}));
        }
    }
    steps.extend([
        json!({"protection": {"by": "ann", "environment_rule": "removed"}}),
        json!({"deploy": {"by": "dee"}}),
        json!({"finish": {"state": "success"}}),
    ]);
    for step in steps {
        scene.play(step).await;
    }
    scene.rest().await;
    scene
}

fn read(bundle: &Path, name: &str) -> String {
    fs::read_to_string(bundle.join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_says_what_the_record_says_on_the_screen_and_on_paper() {
    let scene = an_eventful_day().await;
    let bundle = export(&scene, "bundle", &[]).await;
    let key = scene.text("/api/v1/ledger/key").await;
    let printed = scene.stage.directory().join("report.pdf");
    let report = |out: &Path, more: &[&str]| {
        let fixed =
            ["evidence", "report", bundle.to_str().unwrap(), "--key", key.trim(), "--out", out.to_str().unwrap()];
        [&fixed[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let ask = async |arguments: Vec<String>| run(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &[]).await;
    let said = ask(report(&printed, &["--pdf"])).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);

    let said = python("report.py", &[&bundle.join(REPORT), &printed]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["numbered"], said["pages"], "every page has its number");
    assert!(said["pages"].as_u64().unwrap() >= 6 && said["pictures"].as_u64().unwrap() >= 2, "{said}");
    for text in [&said["text"], &said["printed"]].map(|text| text.as_str().unwrap()) {
        for words in [
            "2 of 4 changes that reached production were allowed, with different people as author, reviewer and deployer.",
            "2 were not: section 8 lists them one by one.",
            "1 deployment went out without a decision on record; what it brought is not among these changes.",
            "1 exception has not been reviewed.",
            "We assert, to the best of our knowledge and belief",
            "countersign evidence verify BUNDLE --key",
            "deployer-is-author",
            "A contributor deployed it",
            "justified, says dee",
            "“checkout <is> down” Ticket: INC-4.",
            "decision-missing",
            "Two people who collude",
            "SOC 2, Trust Services Criteria",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    // The ledger's head stands in it, and the key by its hash.
    let page = read(&bundle, REPORT);
    let head = read(&bundle, "checkpoint.txt");
    assert!(head.lines().filter(|line| !line.is_empty()).all(|line| page.contains(line)));
    let keyid = key.splitn(3, '+').take(2).collect::<Vec<_>>().join("+");
    assert!(page.contains(&keyid), "{keyid}");

    // Out of the bundle it is the very file, and nothing is written over or into the bundle.
    let copy = scene.stage.directory().join("copy.html");
    assert_eq!(ask(report(&copy, &[])).await.code, 0);
    assert_eq!(fs::read_to_string(&copy).unwrap(), page);
    for out in [&copy, &bundle.join("mine.html")] {
        assert_eq!(ask(report(out, &[])).await.code, 1);
    }
    let nowhere = scene.stage.directory().join("nowhere.pdf");
    let said = ask(report(&nowhere, &["--pdf", "--browser", "/no/such/browser"])).await;
    assert!(said.code == 1 && said.err.contains("no browser was found"), "{}", said.err);
    // Nothing is printed of what does not verify.
    fs::write(bundle.join(REPORT), page.replace("2 of 4", "4 of 4")).unwrap();
    let said = ask(report(&nowhere, &[])).await;
    assert!(said.code == 2 && said.out.starts_with("does not hold: report.html"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn oscal_results_are_read_by_a_program_that_knows_nothing_of_us() {
    let scene = an_eventful_day().await;
    let bundle = export(&scene, "bundle", &[]).await;
    let said: Value = serde_json::from_str(&python("oscal.py", &[&bundle])).unwrap();
    assert_eq!(said["findings"]["exception-reviewed"], json!(["satisfied", "not-satisfied"]));
    assert_eq!(said["findings"]["deployer-is-author"].as_array().unwrap().len(), 3, "two changes and the rule");
    assert_eq!(said["findings"]["review-missing"], json!(["satisfied"]));
    assert!(said["findings"]["population-complete"].as_array().unwrap().len() >= 2, "{said}");
    for control in ["cm-3", "ac-5", "soc2_cc8.1", "dora-rts-2024-1774_art.17-1--b"] {
        assert!(said["controls"].as_array().unwrap().contains(&json!(control)), "{control}: {said}");
    }
    let closed = said["risks"].as_array().unwrap().iter().filter(|status| **status == "closed").count();
    assert_eq!(closed, 1, "the exception that was reviewed");
    // Of nothing too.
    let none = ["--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z", "--repository", "999999"];
    let said: Value = serde_json::from_str(&python("oscal.py", &[&export(&scene, "none", &none).await])).unwrap();
    assert_eq!(said["controls"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_allowed_deployment_is_attested_once_and_nothing_else_is() {
    let scene = an_eventful_day().await;
    let bundle = export(&scene, "bundle", &[]).await;
    let vkey = scene.text("/api/v1/ledger/key").await.trim().to_owned();
    let file = attestations_file(1);
    let good = read(&bundle, &file);
    let lines: Vec<&str> = good.lines().collect();
    assert_eq!(lines.len(), 2);
    let said: Value =
        serde_json::from_str(&python("attestations.py", &[&bundle.join(&file), Path::new(&vkey)])).unwrap();
    let statements = said.as_array().unwrap();
    for statement in statements {
        assert_eq!(statement["predicateType"], "https://slsa.dev/verification_summary/v1");
        assert_eq!(statement["predicate"]["verificationResult"], "PASSED");
        assert_eq!(statement["predicate"]["verifiedLevels"], json!(["SOD_AUTHOR_REVIEWER_DEPLOYER_DISTINCT"]));
    }
    // Each is what the service gives for that decision.
    let decision = statements[0]["predicate"]["policy"]["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let given = scene.text(&format!("/api/v1/decisions/{decision}/attestation")).await;
    let given: Envelope = serde_json::from_str(&given).unwrap();
    assert_eq!(serde_json::to_string(&given).unwrap(), lines[0]);

    let secret = fs::read_dir(scene.stage.directory()).unwrap().map(|item| item.unwrap().path());
    let secret = secret
        .filter(|path| path.is_file())
        .find_map(|path| fs::read_to_string(path).ok().filter(|text| text.starts_with("PRIVATE+KEY+")));
    let key = SigningKey::parse(secret.unwrap().trim()).unwrap();
    let other = SigningKey::from_seed(key.name(), [9; 32]).unwrap();
    let first: Envelope = serde_json::from_str(lines[0]).unwrap();
    let states = first.unproved_payload().unwrap();
    let spell = |envelope: &Envelope| serde_json::to_string(envelope).unwrap();
    let stranger = spell(&Envelope::seal(&other, IN_TOTO, &states));
    let lie = String::from_utf8(states).unwrap().replace("PASSED", "FAILED");
    let lie = spell(&Envelope::seal(&key, IN_TOTO, lie.as_bytes()));
    let more = lines[0].replace('{', "{\"a\":1,");
    for (text, says) in [
        (format!("{lie}\n{}\n", lines[1]), " line 1: it does not state what the entry says"),
        (format!("{stranger}\n{}\n", lines[1]), " line 1: it is not signed by the ledger's key"),
        (format!("{}\n{}\n", lines[1], lines[0]), " line 1: it does not state what the entry says"),
        (format!("{more}\n{}\n", lines[1]), " line 1: it holds more than an envelope"),
        (format!("{}\n", lines[0]), " line 2: it is missing or cut short"),
        (format!("{good}{}\n", lines[0]), ": it attests more than the entries give"),
    ] {
        fs::write(bundle.join(&file), text).unwrap();
        sign_again(&bundle, &key);
        let said = run(&["evidence", "verify", bundle.to_str().unwrap(), "--key", &vkey], &[]).await;
        assert_eq!((said.code, said.out.trim()), (2, format!("does not hold: {file}{says}").as_str()));
    }
    fs::remove_file(bundle.join(&file)).unwrap();
    fs::remove_dir(bundle.join("attestations")).unwrap();
    sign_again(&bundle, &key);
    let said = run(&["evidence", "verify", bundle.to_str().unwrap(), "--key", &vkey], &[]).await;
    let says = format!("does not hold: {file}: it is missing: a deployment is not attested");
    assert_eq!((said.code, said.out.trim()), (2, says.as_str()));
    assert!(bundle.join(OSCAL).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_has_one_story_on_its_page_and_in_its_file() {
    let mut scene = Scene::set(json!({"accounts": {"ann": "write", "ben": "write", "cat": "write"}})).await;
    for step in [
        json!({"open": {"pr": 1, "by": "ann", "commits": [{"id": "a1", "by": "ann"}]}}),
        json!({"review": {"pr": 1, "by": "ben", "state": "approved"}}),
        json!({"push": {"pr": 1, "by": "ann", "commits": [{"id": "a2", "by": "ann"}]}}),
        json!({"review": {"pr": 1, "by": "ben", "state": "approved"}}),
        json!({"merge": {"pr": 1, "by": "ben", "method": "squash"}}),
        json!({"deploy": {"by": "ann"}}),
        json!({"deploy": {"by": "cat"}}),
        json!({"finish": {"state": "success"}}),
    ] {
        scene.play(step).await;
        scene.rest().await;
    }
    let bundle = export(&scene, "bundle", &[]).await;
    let out = scene.stage.directory().join("sample");
    let fixed = ["evidence", "sample", bundle.to_str().unwrap(), "--seed", "1", "--size", "1", "--out"];
    let said = run(&[&fixed[..], &[out.to_str().unwrap()]].concat(), &[]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let page = scene.stage.directory().join("page.html");
    let served = scene.text("/changes/acme/shop/1").await;
    // A page of the service links to its other pages.
    fs::write(&page, served.replace("href=\"/", "href=\"http://service/")).unwrap();
    let told = |path: &Path| {
        let said: Value = serde_json::from_str(&python("report.py", &[path])).unwrap();
        let text = said["text"].as_str().unwrap().to_owned();
        let from = text.find("What happened, in order").unwrap();
        text[from..text.find("On record Commit").or(text.find("On recordCommit")).unwrap()]
            .replace(", the decision", "")
    };
    let (file, page) = (told(&out.join("ticket-001.html")), told(&page));
    assert_eq!(file, page);
    let order = [
        "@ann opened #1",
        "@ann wrote commit",
        "said of it: waiting, because of review-missing",
        "@ben approved",
        "said of it: allowed",
        "@ann wrote commit",
        "said of it: waiting, because of review-missing",
        "@ben approved",
        "said of it: allowed",
        "@ben merged it",
        "@ben moved the production branch",
        "@ann started run",
        "decided: denied, because of deployer-is-author",
        "@cat started run",
        "decided: allowed",
        "The deploying job ended: success",
        "approved",
        "counts",
    ];
    let mut from = 0;
    for step in order {
        from += file[from..].find(step).unwrap_or_else(|| panic!("{step} is not after {}\nin {file}", &file[..from]));
        from += step.len();
    }
}
