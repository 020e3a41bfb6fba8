//! `make bench`: the bars of speed and scale, measured and said plainly.
//!
//! Invariant: it never fails because a bar is missed, only because something does not work. The table goes to the screen and
//! to `benches/README.md`.

mod held;
mod measure;
mod record;
mod releases;
mod service;

use anyhow::Context as _;
use countersign_bench::year::Plan;
use measure::{Table, load};
use record::Setting;
use std::path::{Path, PathBuf};
use std::process::Command;
use time::OffsetDateTime;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["verify", bundle] => record::verify(Path::new(bundle)),
        ["workbook", out] => record::write_workbook(Path::new(out), 1_000_000),
        _ => tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure_all()),
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Between these the last run stands; what is around them is written by hand and stays.
const BEGIN: &str = "<!-- the last run -->";
const END: &str = "<!-- end of the last run -->";

async fn measure_all() -> anyhow::Result<()> {
    let program = std::env::current_exe()?.with_file_name("countersign");
    let kept = std::env::var_os("BENCH_DIR").map(PathBuf::from);
    let temporary = tempfile::tempdir()?;
    let directory = kept.unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&directory)?;
    let plan = Plan {
        changes: number("BENCH_CHANGES", 250_000),
        entries: number("BENCH_ENTRIES", 1_000_000),
        repositories: 64,
        seed: 1,
    };
    let setting = Setting { directory, program, plan };
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let wanted = |part: &str| only.is_empty() || only.split(',').any(|named| named == part);
    let mut table = Table::default();
    if wanted("judging") {
        record::judging(&mut table)?;
    }
    if wanted("service") {
        service::latency(&mut table, &setting).await?;
        service::acceptance(&mut table, &setting).await?;
        service::coalescing(&mut table, &setting).await?;
        service::burst(&mut table, &setting, number("BENCH_BURST", 2_000)).await?;
    }
    if wanted("releases") {
        releases::gate(&mut table, &setting.program).await?;
        releases::large(&mut table, &setting.program).await?;
    }
    if wanted("year") {
        record::write_year(&mut table, &setting).await?;
        record::evidence(&mut table, &setting).await?;
        service::large(&mut table, &setting).await?;
        record::ledger(&mut table, &setting).await?;
    }
    if wanted("workbook") {
        record::workbook(&mut table, &setting)?;
    }
    write(&table)
}

/// Writes the figures down, with what they were measured on.
fn write(table: &Table) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = |file: &str, field: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(field)).unwrap_or_default();
        line.split(':').nth(1).unwrap_or_default().trim().to_owned()
    };
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(root).output();
    let commit = commit.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default();
    let date = OffsetDateTime::now_utc().date();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let variables: Vec<String> = ["BENCH_CHANGES", "BENCH_ENTRIES", "BENCH_BURST", "BENCH_ONLY"]
        .iter()
        .filter_map(|name| std::env::var(name).ok().map(|value| format!("{name}={value} ")))
        .collect();
    let text = format!(
        "{BEGIN}\n\
        `{}make bench`, {date}, commit {commit}: {cores} cores ({}), {} of memory, the twin and the harness beside the service on the \
        same cores; load average at the end {}. Release build. The load beside each figure is the machine's own average of a minute: above \
        {cores}, others were at work too and the figure is worse than the machine's.\n\n{}{END}",
        variables.concat(),
        named("/proc/cpuinfo", "model name"),
        named("/proc/meminfo", "MemTotal"),
        load(),
        table.markdown(),
    );
    let place = root.join("README.md");
    let before = std::fs::read_to_string(&place).unwrap_or_default();
    let (above, rest) = before.split_once(BEGIN).unwrap_or((&before, ""));
    let below = rest.split_once(END).map_or("\n", |(_, below)| below);
    std::fs::write(&place, format!("{above}{text}{below}"))
        .with_context(|| format!("`{}` cannot be written", place.display()))
}
