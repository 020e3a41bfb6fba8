//! Time, memory, and the table that the figures go to.
//!
//! Invariant: a figure is what was measured in this run, a ratio is of two figures of this run, and a bar that is missed is
//! said.

use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// One line of the table.
pub struct Line {
    /// What was measured.
    pub bar: String,
    /// What it must be.
    pub wanted: String,
    /// What it is.
    pub seen: String,
    /// Whether it is; `None` where nothing is wanted.
    pub met: Option<bool>,
    /// The load of the machine then: processes that wanted to run.
    pub load: String,
}

/// The table as it grows, shown line by line.
#[derive(Default)]
pub struct Table(pub Vec<Line>);

impl Table {
    /// A figure with a bar.
    pub fn bar(&mut self, bar: &str, wanted: &str, seen: String, met: bool) {
        self.line(bar, wanted, seen, Some(met));
    }

    /// A figure that explains others.
    pub fn note(&mut self, what: &str, seen: String) {
        self.line(what, "", seen, None);
    }

    fn line(&mut self, bar: &str, wanted: &str, seen: String, met: Option<bool>) {
        let said = match met {
            Some(true) => "met   ",
            Some(false) => "MISSED",
            None => "      ",
        };
        println!("{said} {bar}: {seen}{}", if wanted.is_empty() { String::new() } else { format!(" (bar: {wanted})") });
        self.0.push(Line { bar: bar.to_owned(), wanted: wanted.to_owned(), seen, met, load: load() });
    }

    /// The table in Markdown.
    pub fn markdown(&self) -> String {
        let rows = self.0.iter().map(|line| {
            let met = match line.met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "",
            };
            format!("| {} | {} | {} | {met} | {} |\n", line.bar, line.wanted, line.seen, line.load)
        });
        format!("| | bar | measured | | load |\n|---|---|---|---|---|\n{}", rows.collect::<String>())
    }
}

/// The load average of the last minute.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// The value below which this part of a hundred lies.
pub fn percentile(times: &mut [Duration], part: usize) -> Duration {
    times.sort();
    times.get((times.len().saturating_sub(1) * part).div_ceil(100)).copied().unwrap_or_default()
}

/// A time in milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// So many per second.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-9)
}

/// Megabytes per second.
pub fn megabytes(bytes: u64, time: Duration) -> f64 {
    rate(bytes, time) / 1e6
}

/// A line of `/proc/PID/status` in MiB: `VmRSS`, `VmHWM`.
pub fn memory(pid: u32, what: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1_024.0
}

/// The process whose command line names this.
pub fn process_of(named: &Path) -> Option<u32> {
    let named = named.to_string_lossy().into_owned();
    let own = std::process::id();
    fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|item| {
        let pid: u32 = item.file_name().to_str()?.parse().ok()?;
        let line = fs::read(item.path().join("cmdline")).ok()?;
        (pid != own && String::from_utf8_lossy(&line).contains(&named)).then_some(pid)
    })
}

/// How a command went: time, the most memory it ever had in MiB, and whether it ended well.
pub struct Went {
    /// How long it took.
    pub time: Duration,
    /// The most resident memory it had, in MiB.
    pub peak: f64,
    /// Whether it ended well.
    pub well: bool,
    /// What it said.
    pub said: String,
}

/// Runs a command and watches it.
#[expect(clippy::disallowed_methods, reason = "memory is looked at now and then; nothing is hoped to be done by then")]
pub fn watch(command: &mut Command) -> std::io::Result<Went> {
    let out = tempfile::NamedTempFile::new()?;
    let begun = Instant::now();
    let mut child: Child = command.stdout(out.reopen()?).spawn()?;
    let mut peak: f64 = 0.0;
    let status = loop {
        peak = peak.max(memory(child.id(), "VmHWM"));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let said = fs::read_to_string(out.path())?;
    Ok(Went { time: begun.elapsed(), peak, well: status.success(), said })
}

/// What a directory or a file takes in bytes.
pub fn size_of(path: &Path) -> u64 {
    let Ok(about) = fs::symlink_metadata(path) else { return 0 };
    if !about.is_dir() {
        return about.len();
    }
    let items = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    items.map(|item| size_of(&item.path())).sum()
}

/// How fast this machine hashes, and writes and keeps, in MB/s.
pub fn machine(directory: &Path) -> std::io::Result<(f64, f64)> {
    let block = vec![0xA5_u8; 1 << 20];
    let begun = Instant::now();
    let mut hash = Sha256::new();
    for _ in 0..1_024 {
        hash.update(&block);
    }
    std::hint::black_box(hash.finalize());
    let hashed = megabytes(1 << 30, begun.elapsed());
    let place = directory.join("written");
    let begun = Instant::now();
    let mut file = fs::File::create(&place)?;
    for _ in 0..1_024 {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    let written = megabytes(1 << 30, begun.elapsed());
    fs::remove_file(&place)?;
    Ok((hashed, written))
}
