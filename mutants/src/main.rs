//! Judges every mutant of the core in one build.
//!
//! cargo-mutants builds once for each mutant, which takes a day. This program takes cargo-mutants' own list, compiles
//! all of them into one copy of the repository, each behind a switch, and runs for each the tests that reach it. It
//! also changes the tables of the machines, cell by cell.

#![forbid(unsafe_code)]

mod copy;
mod list;
mod report;
mod rows;
mod schema;
mod suite;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use copy::Copy;
use list::Mutant;
use report::{Entry, Outcome};
use suite::{Suite, Verdict, each};

const USAGE: &str = "httpfsm-mutants [--scratch DIR] [--jobs N] [--only KIND] [--as FILE] [WORD]

Judges the mutants of the core and the changes of its tables whose names contain WORD. KIND is `mutants`, `rows` or
`constants`: the mutants in constants and `const fn`, some of which take effect only while compiling. With FILE, only those
whose names end a line of it, wherever in their file they stand now: those that were missed, say. The copy of the
repository, its builds and `results.tsv` are in DIR (/tmp/httpfsm-mutants).";

/// A run that judges nothing would look like one that finds nothing.
const NOBODY: &str = "No mutant has such a name: nothing was judged.";

/// What [`USAGE`] calls KIND.
const KINDS: [&str; 3] = ["mutants", "rows", "constants"];

struct Options {
    scratch: PathBuf,
    jobs: usize,
    only: Option<String>,
    names: Option<BTreeSet<String>>,
    word: String,
}

fn main() -> ExitCode {
    let result = options().and_then(|options| judge(&options));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        scratch: PathBuf::from("/tmp/httpfsm-mutants"),
        jobs: 2,
        only: None,
        names: None,
        word: String::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--scratch" => options.scratch = arguments.next().ok_or(USAGE)?.into(),
            "--jobs" => options.jobs = arguments.next().and_then(|n| n.parse().ok()).ok_or(USAGE)?,
            "--only" => {
                let kind = arguments.next().filter(|kind| KINDS.contains(&kind.as_str()));
                options.only = Some(kind.ok_or(USAGE)?);
            }
            "--as" => {
                let path = arguments.next().ok_or(USAGE)?;
                let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
                options.names = Some(text.lines().map(placeless).collect());
            }
            word if !word.starts_with('-') => options.word = word.to_owned(),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(options)
}

fn judge(options: &Options) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no repository around this package")?;
    let kind = options.only.as_deref();
    let mut mutants = list::mutants(root)?;
    mutants.retain(|mutant| kind != Some("rows") && mutant.name.contains(&options.word));
    let is_named =
        |mutant: &Mutant| options.names.as_ref().is_none_or(|names| names.contains(&placeless(&mutant.name)));
    // Rows have names of their own, which only their list tells.
    if matches!(kind, Some("mutants" | "constants")) && !mutants.iter().any(is_named) {
        return Err(NOBODY.to_owned());
    }
    mutants.sort_by_key(|mutant| report::group(&mutant.file));
    eprintln!("{} mutants", mutants.len());
    let copy = Copy::make(root, &options.scratch, &mutants)?;
    let programs = copy.build(&[], None)?.ok_or("the tests of the copy do not compile")?;
    let suite = Suite::record(&programs, &copy.package(), &options.scratch, options.jobs)?;
    eprintln!("{} tests pass with no mutant on", suite.len());

    let asked = |mutant: &&Mutant| {
        is_named(mutant) && (kind != Some("constants") || copy.constant.contains(&mutant.number))
    };
    let wanted: Vec<&Mutant> = mutants.iter().filter(asked).collect();
    let mut entries = each(&wanted, options.jobs, |worker, mutant| {
        let outcome = if copy.unviable.contains(&mutant.number) {
            Outcome::Unviable
        } else if copy.unplaced.contains(&mutant.number) {
            Outcome::Unplaced
        } else {
            let variable = ("HTTPFSM_MUTANT", mutant.number.to_string());
            Outcome::Judged(suite.judge(worker, mutant.number, variable, |_| true))
        };
        let entry = Entry { file: mutant.file.clone(), name: mutant.name.clone(), outcome };
        report::announce(&entry);
        entry
    });
    if kind != Some("mutants") {
        constants(options, &copy, &wanted, &mut entries)?;
    }
    if kind.is_none() || kind == Some("rows") {
        entries.extend(rows(options, &suite));
    }
    if entries.is_empty() {
        return Err(NOBODY.to_owned());
    }
    report::write(&options.scratch.join("results.tsv"), &entries)?;
    report::print(&entries);
    Ok(())
}

/// The name of a mutant from its file on, without line and column.
fn placeless(name: &str) -> String {
    let name = name.find("core/src/").map_or(name, |at| &name[at..]);
    name.split(':').enumerate().filter(|(part, _)| !matches!(part, 1 | 2)).map(|(_, text)| text).collect()
}

/// What takes effect while compiling is built again for each.
fn constants(
    options: &Options,
    copy: &Copy,
    wanted: &[&Mutant],
    entries: &mut [Entry],
) -> Result<(), String> {
    for (mutant, entry) in wanted.iter().zip(entries) {
        let open = matches!(entry.outcome, Outcome::Judged(Verdict::Missed | Verdict::Unreached));
        if !open || !copy.constant.contains(&mutant.number) {
            continue;
        }
        // The tests of the library are built sooner than all tests, and catch most.
        for arguments in [&["--lib"][..], &[]] {
            let Some(programs) = copy.build(arguments, Some(mutant.number))? else {
                entry.outcome = Outcome::Unviable;
                break;
            };
            let suite = Suite::list(&programs, &copy.package(), &options.scratch)?;
            entry.outcome = Outcome::Judged(suite.judge_as_built());
            if !matches!(entry.outcome, Outcome::Judged(Verdict::Missed)) {
                break;
            }
        }
        report::announce(entry);
    }
    Ok(())
}

/// Tests that hold the machine against the table itself do not count: they would see any difference between the two.
fn knows_the_table(test: &str) -> bool {
    test.contains("coverage::") || TABLE_TESTS.contains(&test)
}

const TABLE_TESTS: [&str; 1] = ["every_pair_of_a_state_and_an_input_is_a_row_or_a_refusal"];

const CHANNEL: &str = "core/src/channel/table.rs";
const SERVER: &str = "core/src/server/table.rs";
const PROLOGUE: &str = "core/src/prologue/table.rs";

fn rows(options: &Options, suite: &Suite) -> Vec<Entry> {
    let mut changes = rows::changes(CHANNEL, &httpfsm::channel::MACHINE);
    changes.extend(rows::changes(SERVER, &httpfsm::server::MACHINE));
    changes.extend(rows::changes(PROLOGUE, &httpfsm::prologue::MACHINE));
    changes.retain(|change| change.name.contains(&options.word));
    let places: BTreeSet<u32> = changes.iter().map(|change| change.place).collect();
    eprintln!("{} changes of {} cells", changes.len(), places.len());
    each(&changes, options.jobs, |worker, change| {
        let variable = ("HTTPFSM_CELL", change.setting.clone());
        let verdict = suite.judge(worker, change.place, variable, |test| !knows_the_table(test));
        let file = change.name.split(':').next().unwrap_or_default().to_owned();
        let entry = Entry { file, name: change.name.clone(), outcome: Outcome::Judged(verdict) };
        report::announce(&entry);
        entry
    })
}
