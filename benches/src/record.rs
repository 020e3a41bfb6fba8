//! The bars of the record: judging, appending, proving, exporting, verifying.
//!
//! Invariant: what takes memory runs in a process of its own, the program that people run.

use crate::measure::{Table, machine, megabytes, memory, ms, rate, size_of, watch};
use anyhow::{Context as _, ensure};
use countersign::evidence::population::rows::Place;
use countersign::evidence::population::{Cell, ChangeRow, Row};
use countersign::settings::Ledger;
use countersign::store::Store;
use countersign::store::signing::Signer;
use countersign_bench::cast;
use countersign_bench::year::{self, Plan};
use countersign_core::domain::entry::ENTRY_VERSION;
use countersign_core::domain::{Entry, EntryBody, ReviewState, StartingPoint, Subject};
use countersign_core::ledger::tree::leaf_hash;
use countersign_core::ledger::{Hash, InclusionProof};
use countersign_core::policy::{Policies, decide};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What the bars are measured with.
pub struct Setting {
    /// Where there is room.
    pub directory: PathBuf,
    /// The program.
    pub program: PathBuf,
    /// How large the year is.
    pub plan: Plan,
}

/// `decide`, alone.
pub fn judging(table: &mut Table) -> anyhow::Result<()> {
    let policies = Policies::builtin(&["three-person".to_owned()])?;
    let repository = cast::repository(1);
    let base = cast::sha("base");
    let mut pull = cast::pull_request(&repository, 1, &cast::person(1), 3, &base);
    for number in 2..12 {
        cast::review(&mut pull, &cast::person(number), ReviewState::Approved);
    }
    let facts = cast::facts(&repository, Subject::PullRequest(Box::new(pull)));
    let rounds = 2_000;
    let begun = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(decide(std::hint::black_box(&facts), &policies));
    }
    let each = begun.elapsed() / rounds;
    let seen = format!("{:.0} µs", each.as_secs_f64() * 1e6);
    table.bar("`decide`, one change with ten reviews", "≤ 250 µs", seen, each <= Duration::from_micros(250));

    let (mut tip, mut changes) = (base.clone(), Vec::new());
    for number in 1..=400 {
        let author = cast::person(1 + number % 25);
        let mut pull = cast::pull_request(&repository, number, &author, 2, &tip);
        cast::review(&mut pull, &cast::person(26 + number % 20), ReviewState::Approved);
        let change = cast::merged(pull, &repository, &cast::person(50), &tip);
        tip = change.commits.last().cloned().unwrap_or(tip);
        changes.push(change);
    }
    let start = StartingPoint::Baseline { commit: base };
    let mut deployment = cast::deployment(&repository, 1, start, changes, &cast::person(55));
    deployment.writers = Some((1..=50).map(cast::person).collect());
    let facts = cast::facts(&repository, Subject::Deployment(Box::new(deployment)));
    let rounds = 10;
    let begun = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(decide(std::hint::black_box(&facts), &policies));
    }
    let each = begun.elapsed() / rounds;
    let seen = format!("{:.1} ms", ms(each));
    table.bar("`decide`, 400 changes, 50 writers", "≤ 100 ms", seen, each <= Duration::from_millis(100));
    Ok(())
}

fn noted(number: u64) -> Entry {
    let body = EntryBody::ServiceStarted { settings_digest: format!("{number:064x}"), ledger_key: None, away: None };
    Entry { version: ENTRY_VERSION, time: "2026-06-01T00:00:00.000Z".to_owned(), tool: "bench".to_owned(), body }
}

/// Appends so many entries, so many at a time, and says how long it took.
async fn append(store: &Store, count: u64, together: u64) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut hands = tokio::task::JoinSet::new();
    for hand in 0..together {
        let store = store.clone();
        hands.spawn(async move {
            for number in 0..count / together {
                store.note(noted(hand * count + number)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(hand) = hands.join_next().await {
        hand??;
    }
    Ok(begun.elapsed())
}

/// Appending to a ledger, small and large, and proofs about a large one.
pub async fn ledger(table: &mut Table, setting: &Setting) -> anyhow::Result<()> {
    let small = Store::open(&url(&setting.directory.join("small.sqlite"))).await?;
    let single = append(&small, 2_000, 1).await?;
    let seen = format!("{:.0}/s", rate(2_000, single));
    table.bar("ledger append, one per transaction", "≥ 1,000/s", seen, rate(2_000, single) >= 1_000.0);
    append(&small, 1_024, 64).await?;
    let at_a_thousand = append(&small, 12_800, 64).await?;
    let grouped = rate(12_800, at_a_thousand);
    table.bar("ledger append, grouped", "≥ 5,000/s", format!("{grouped:.0}/s"), grouped >= 5_000.0);

    let large = Store::open(&url(&year_of(setting))).await?;
    let size = large.ledger_head().await?.size;
    // In turns, so that what else runs here weighs on both alike.
    let (mut young, mut old) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..5 {
        young += append(&small, 6_400, 64).await?;
        old += append(&large, 6_400, 64).await?;
    }
    let ratio = old.as_secs_f64() / young.as_secs_f64();
    table.bar(&format!("the same at {size} entries against thousands"), "≤ 1.2", format!("{ratio:.2}"), ratio <= 1.2);

    let rounds = 500;
    let (mut made, mut checked) = (Duration::ZERO, Duration::ZERO);
    let head = large.ledger_head().await?;
    for round in 0..rounds {
        let index = cast::Dice::new(round).below(size);
        let begun = Instant::now();
        let proof = large.prove_inclusion(index, Some(head.size)).await?.context("a proof")?;
        made += begun.elapsed();
        let hash = |hex: &String| Hash::from_hex(hex).context("a hash");
        let (leaf, hashes) = (hash(&proof.leaf)?, proof.hashes.iter().map(hash).collect::<Result<_, _>>()?);
        let proof = InclusionProof { index, size: head.size, hashes };
        let begun = Instant::now();
        proof.verify(&leaf, &head.root)?;
        checked += begun.elapsed();
    }
    let rounds = u32::try_from(rounds)?;
    let (made, checked) = (made / rounds, checked / rounds);
    let seen = format!("{:.2} ms / {:.1} µs", ms(made), checked.as_secs_f64() * 1e6);
    let met = made <= Duration::from_millis(1) && checked <= Duration::from_micros(50);
    table.bar(&format!("inclusion proof at {size} entries: make / check"), "≤ 1 ms / ≤ 50 µs", seen, met);
    Ok(())
}

/// Writes the year, where it is not there from before.
pub async fn write_year(table: &mut Table, setting: &Setting) -> anyhow::Result<()> {
    let place = year_of(setting);
    if place.exists() {
        return Ok(());
    }
    let store = Store::open(&url(&place)).await?;
    let begun = Instant::now();
    let written = year::write(&store, setting.plan).await?;
    let seen = format!(
        "{} changes, {} entries in {:.0} s ({:.0} entries/s, decided and recorded)",
        written.changes,
        written.entries,
        begun.elapsed().as_secs_f64(),
        rate(written.entries, begun.elapsed())
    );
    table.note("a synthetic year, through the store's own way of writing", seen);
    Ok(())
}

/// Exports everything and verifies it, as a directory and as an archive.
pub async fn evidence(table: &mut Table, setting: &Setting) -> anyhow::Result<()> {
    let config = setting.directory.join("countersign.toml");
    let text = format!(
        "[storage]\nurl = \"{}\"\n[ledger]\nkey_file = \"{}\"\n",
        url(&year_of(setting)),
        key_of(setting).display()
    );
    std::fs::write(&config, text)?;
    // Only what signs as the service makes a key.
    let ledger = Ledger { key_file: key_of(setting), ..Ledger::default() };
    Signer::open(&ledger, &Store::open(&url(&year_of(setting))).await?).await?;
    let (hash, write) = machine(&setting.directory)?;
    table.note("this machine: SHA-256, and writing with `fsync`", format!("{hash:.0} MB/s and {write:.0} MB/s"));
    for (name, what) in [("bundle", "a directory"), ("bundle.zip", "an archive")] {
        let out = setting.directory.join(name);
        let mut command = Command::new(&setting.program);
        command.args(["evidence", "export", "--config"]).arg(&config).arg("--out").arg(&out);
        let export = watch(&mut command)?;
        ensure!(export.well, "the export failed");
        let bytes = size_of(&out);
        let seconds = export.time.as_secs_f64();
        let gigabytes = megabytes(bytes, Duration::from_secs(1_000));
        let (against_hash, against_write) = (gigabytes * 1e3 / hash, gigabytes * 1e3 / write);
        let seen = format!(
            "{seconds:.0} s, {:.0} MiB, {:.2} GB; {:.0} × hashing and {:.1} × writing the same bytes",
            export.peak,
            gigabytes,
            seconds / against_hash,
            seconds / against_write,
        );
        let bar = format!("export of {} changes, everything, as {what}", setting.plan.changes);
        table.bar(&bar, "≤ 90 s, ≤ 128 MiB", seen, seconds <= 90.0 && export.peak <= 128.0);

        let itself = std::env::current_exe()?;
        let verify = watch(Command::new(itself).arg("verify").arg(&out))?;
        ensure!(verify.well, "the bundle does not verify: {}", verify.said);
        let told: serde_json::Value = serde_json::from_str(verify.said.trim())?;
        let number = |name: &str| told.get(name).and_then(serde_json::Value::as_f64).unwrap_or(0.0);
        let raw = number("bytes") / 1e6;
        let seen = format!(
            "{:.0} s, {:.0} MiB: files {:.0} MB/s, replay {:.0} decisions/s ({:.0} MB/s), tables made again {:.0} s; {:.0} × hashing",
            verify.time.as_secs_f64(),
            verify.peak,
            raw / number("files").max(1e-9),
            number("decisions") / number("entries").max(1e-9),
            number("entry_bytes") / 1e6 / number("entries").max(1e-9),
            number("tables"),
            verify.time.as_secs_f64() / (raw / hash),
        );
        let met = raw / number("files").max(1e-9) >= 100.0
            && number("decisions") / number("entries").max(1e-9) >= 10_000.0
            && verify.peak <= 128.0;
        table.bar(
            &format!("`evidence verify` of it, {what}"),
            "≥ 100 MB/s, ≥ 10,000 decisions/s, ≤ 128 MiB",
            seen,
            met,
        );
    }
    std::fs::remove_dir_all(setting.directory.join("bundle"))?;
    std::fs::remove_file(setting.directory.join("bundle.zip"))?;
    Ok(())
}

/// Verifies in this process, and says how long each piece took: the process that [`evidence`] watches.
pub fn verify(bundle: &Path) -> anyhow::Result<()> {
    use countersign::evidence::progress::{Progress, Watched};
    use countersign::evidence::{Trust, verify};
    let progress = std::sync::Arc::new(Progress::default());
    let watched = progress.clone();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let pace = Duration::from_millis(10);
    let looking = std::thread::spawn(move || {
        let mut times = std::collections::BTreeMap::<&'static str, (f64, u64)>::new();
        let mut last = Instant::now();
        while stopped.recv_timeout(pace) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let told = watched.told();
            let piece = times.entry(told.stage).or_default();
            *piece = (piece.0 + last.elapsed().as_secs_f64(), told.of.max(piece.1));
            last = Instant::now();
        }
        times
    });
    let verified = verify(bundle, &Trust { progress: Watched(Some(&progress)), ..Trust::default() })?;
    drop(stop);
    let times = looking.join().map_err(|_| anyhow::anyhow!("nobody looked"))?;
    let of = |stage: &str| times.get(stage).copied().unwrap_or_default();
    let tables = ["reading for tables", "making tables", "saving the workbook"].map(|stage| of(stage).0);
    let entry_bytes = if bundle.is_dir() { size_of(&bundle.join("entries.jsonl")) } else { 0 };
    println!(
        "{}",
        serde_json::json!({
            "decisions": verified.decisions, "bytes": of("checking files").1, "files": of("checking files").0,
            "entries": of("entries").0, "tables": tables.iter().sum::<f64>(), "entry_bytes": entry_bytes,
        })
    );
    Ok(())
}

/// A workbook of a million rows: the process that [`workbook`] watches.
pub fn write_workbook(out: &Path, rows: u64) -> anyhow::Result<()> {
    use countersign::evidence::workbook::{About, Book};
    let mut book = Book::begin()?;
    let mut totals = countersign::evidence::population::Totals::default();
    for number in 0..rows {
        let text = |name: &str| format!("{name}-{}", number % 977);
        let commit = Cell::commit(&cast::sha(&number.to_string()));
        let row = Row::Change(Box::new(ChangeRow {
            repository: format!("acme/{}", text("service")),
            environment: "production".to_owned(),
            change: Cell::Link {
                text: format!("#{number}"),
                url: format!("https://github.example/acme/pull/{number}"),
            },
            page: Cell::Empty,
            commit: commit.clone(),
            change_type: "pull request",
            tickets: String::new(),
            deployment: number.to_string(),
            run: Cell::Text(format!("{number} attempt 1")),
            deployed_at: "2026-06-01T12:34:56.789Z".to_owned(),
            range_base: commit.clone(),
            range_target: commit,
            contributors: text("person"),
            contributor_ids: text("id"),
            reviewers: text("person"),
            reviewer_ids: text("id"),
            deployers: text("person"),
            deployer_ids: text("id"),
            merged_by: text("person"),
            checks: String::new(),
            author_is_not_reviewer: true,
            author_is_not_deployer: true,
            reviewer_is_not_deployer: number % 100 != 0,
            change_outcome: "allow".to_owned(),
            outcome: "allow".to_owned(),
            reasons: String::new(),
            policy: text("policy"),
            decision: text("decision"),
            merged_at: Cell::Time("2026-06-01T11:34:56.000Z".to_owned()),
            job_ended_at: Cell::Time("2026-06-01T12:34:56.000Z".to_owned()),
            lead_minutes: Some(60),
            exception: String::new(),
            exception_review: "",
            basis: "decision",
            place: Place { position: number, leaf: leaf_hash(&number.to_be_bytes()) },
        }));
        totals.add(&row);
        book.add(&row)?;
    }
    book.finish(&totals, &About::default(), out)?;
    println!("{}", memory(std::process::id(), "VmHWM"));
    Ok(())
}

/// The workbook, as large as a sheet may be.
pub fn workbook(table: &mut Table, setting: &Setting) -> anyhow::Result<()> {
    let out = setting.directory.join("workbook.xlsx");
    let went = watch(Command::new(std::env::current_exe()?).arg("workbook").arg(&out))?;
    ensure!(went.well, "no workbook was written");
    let seconds = went.time.as_secs_f64();
    let bytes = size_of(&out);
    let seen = format!("{seconds:.0} s, {:.0} MiB, {:.1} MB/s", went.peak, megabytes(bytes, went.time));
    table.bar("workbook of 1,000,000 rows × 36", "≤ 45 s, ≤ 64 MiB", seen, seconds <= 45.0 && went.peak <= 64.0);
    std::fs::remove_file(&out)?;
    Ok(())
}

/// The database of the year.
pub fn year_of(setting: &Setting) -> PathBuf {
    setting.directory.join(format!("year-{}-{}.sqlite", setting.plan.changes, setting.plan.entries))
}

/// The key that signs the heads of its ledger.
pub fn key_of(setting: &Setting) -> PathBuf {
    setting.directory.join("ledger.key")
}

/// A database's address.
pub fn url(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}
