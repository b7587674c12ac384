//! What is told at the end.

use std::fs;
use std::path::Path;

use crate::suite::Verdict;

/// A change and what became of it.
pub struct Entry {
    /// The source file.
    pub file: String,
    /// What was changed.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a change.
pub enum Outcome {
    /// It does not compile.
    Unviable,
    /// This program cannot make it.
    Unplaced,
    /// The tests have spoken.
    Judged(Verdict),
}

/// Which files belong together; the first that fits.
const GROUPS: [(&str, &[&str]); 8] = [
    ("tables", &["core/src/channel/table.rs", "core/src/server/table.rs", "core/src/prologue/table.rs"]),
    ("framing", &["core/src/framing", "core/src/chunked", "core/src/trailers"]),
    (
        "parsing",
        &[
            "core/src/head",
            "core/src/target",
            "core/src/host",
            "core/src/origins",
            "core/src/token",
            "core/src/fields",
        ],
    ),
    (
        "request, status, error, encode",
        &["core/src/request", "core/src/status", "core/src/error", "core/src/encode"],
    ),
    ("channel", &["core/src/channel"]),
    ("server, prologue", &["core/src/server", "core/src/prologue"]),
    ("drawing (`fsm`)", &["core/src/fsm"]),
    ("handler, config, the rest", &["core/src/"]),
];

/// The number of the group of a file.
pub fn group(file: &str) -> usize {
    GROUPS
        .iter()
        .position(|(_, prefixes)| prefixes.iter().any(|prefix| file.starts_with(prefix)))
        .unwrap_or(0)
}

/// Says at once what was missed.
pub fn announce(entry: &Entry) {
    match &entry.outcome {
        Outcome::Judged(Verdict::Caught(_)) | Outcome::Unviable => {}
        Outcome::Judged(Verdict::TimedOut(test)) => eprintln!("timed out: {} ({test})", entry.name),
        Outcome::Judged(Verdict::Missed) => eprintln!("MISSED: {}", entry.name),
        Outcome::Judged(Verdict::Unreached) => eprintln!("MISSED, and reached by no test: {}", entry.name),
        Outcome::Unplaced => eprintln!("left to cargo mutants: {}", entry.name),
    }
}

/// One line for each change: the outcome, the test that decided, and the change.
pub fn write(path: &Path, entries: &[Entry]) -> Result<(), String> {
    let mut text = String::new();
    for entry in entries {
        let (outcome, test) = match &entry.outcome {
            Outcome::Unviable => ("unviable", ""),
            Outcome::Unplaced => ("unplaced", ""),
            Outcome::Judged(Verdict::Caught(test)) => ("caught", test.as_str()),
            Outcome::Judged(Verdict::TimedOut(test)) => ("timed out", test.as_str()),
            Outcome::Judged(Verdict::Missed) => ("missed", ""),
            Outcome::Judged(Verdict::Unreached) => ("unreached", ""),
        };
        text.push_str(&format!("{outcome}\t{test}\t{}\n", entry.name));
    }
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The table of `docs/quality.md`.
pub fn print(entries: &[Entry]) {
    println!("| modules | mutants | unviable | caught | timed out | missed | caught of the viable |");
    println!("|---|---|---|---|---|---|---|");
    for (index, (name, _)) in GROUPS.iter().enumerate() {
        line(name, entries.iter().filter(|entry| group(&entry.file) == index));
    }
    line("all but the tables", entries.iter().filter(|entry| group(&entry.file) != 0));
}

fn line<'a>(name: &str, entries: impl Iterator<Item = &'a Entry>) {
    let (mut unviable, mut caught, mut timed_out, mut missed) = (0, 0, 0, 0);
    for entry in entries {
        match &entry.outcome {
            Outcome::Unviable => unviable += 1,
            Outcome::Judged(Verdict::Caught(_)) => caught += 1,
            Outcome::Judged(Verdict::TimedOut(_)) => timed_out += 1,
            Outcome::Judged(Verdict::Missed | Verdict::Unreached) | Outcome::Unplaced => missed += 1,
        }
    }
    let viable = caught + timed_out + missed;
    if viable > 0 {
        let share = 100.0 * f64::from(caught + timed_out) / f64::from(viable);
        let all = viable + unviable;
        println!("| {name} | {all} | {unviable} | {caught} | {timed_out} | {missed} | {share:.1} % |");
    }
}
