//! The instrumented copy of the repository, and its builds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::list::Mutant;
use crate::schema::{Alternatives, Instrumented, Matches, instrument};

const SWITCH: &str = include_str!("switch.txt");

/// Where a machine looks up what to do, and what stands there in the copy.
const LOOKUPS: [(&str, &str); 2] = [
    (
        "self.inputs[state.index()][event.index()]",
        "crate::mutants::cell(&self.inputs, state.index(), event.index(), 0)",
    ),
    (
        "self.internals[state.index()][event.index()]",
        "crate::mutants::cell(&self.internals, state.index(), event.index(), INPUTS)",
    ),
];

/// A copy of the repository, with every mutant in it that compiles.
pub struct Copy {
    root: PathBuf,
    target: PathBuf,
    /// Mutants that do not compile.
    pub unviable: BTreeSet<u32>,
    /// Mutants that this program cannot place, which `cargo mutants` can: its `-F` takes their names.
    pub unplaced: BTreeSet<u32>,
    /// Mutants that take effect while compiling.
    pub constant: BTreeSet<u32>,
}

impl Copy {
    /// Copies what git knows of `from`, instruments it, and throws mutants out until it compiles.
    pub fn make(from: &Path, scratch: &Path, mutants: &[Mutant]) -> Result<Self, String> {
        let mut copy = Self {
            root: scratch.join("tree"),
            target: scratch.join("target"),
            unviable: BTreeSet::new(),
            unplaced: BTreeSet::new(),
            constant: BTreeSet::new(),
        };
        copy.files(from)?;
        // What did not compile the last time is left out at once.
        let known = scratch.join("unviable.txt");
        let names = fs::read_to_string(&known).unwrap_or_default();
        let names: BTreeSet<&str> = names.lines().collect();
        let unviable = mutants.iter().filter(|mutant| names.contains(mutant.name.as_str()));
        copy.unviable = unviable.map(|mutant| mutant.number).collect();
        let mut doubtful = BTreeSet::new();
        loop {
            let complaints = copy.check(from, mutants, &doubtful)?;
            if complaints.bad.is_empty() && complaints.doubtful.is_empty() {
                break;
            }
            copy.unviable.extend(complaints.bad);
            doubtful.extend(complaints.doubtful);
            eprintln!("{} mutants do not compile, {} perhaps", copy.unviable.len(), doubtful.len());
        }
        // The arm that is missed if it is deleted alone is told from the one that is missed with others.
        for number in doubtful.clone() {
            doubtful.remove(&number);
            if copy.check(from, mutants, &doubtful)?.doubtful.is_empty() {
                continue;
            }
            doubtful.insert(number);
        }
        if !doubtful.is_empty() {
            copy.alone(from, mutants, &doubtful)?;
        }
        let unviable = mutants.iter().filter(|mutant| copy.unviable.contains(&mutant.number));
        let names: String = unviable.map(|mutant| format!("{}\n", mutant.name)).collect();
        write(&known, names.as_bytes())?;
        Ok(copy)
    }

    /// Of deleted arms that do not go together with others, those that compile alone are left to cargo-mutants.
    fn alone(&mut self, from: &Path, mutants: &[Mutant], doubtful: &BTreeSet<u32>) -> Result<(), String> {
        for number in doubtful {
            let only: Vec<Mutant> =
                mutants.iter().filter(|mutant| mutant.number == *number).cloned().collect();
            if self.check(from, &only, &BTreeSet::new())?.doubtful.is_empty() {
                self.unplaced.insert(*number);
            } else {
                self.unviable.insert(*number);
            }
        }
        let left: BTreeSet<u32> = self.unplaced.clone();
        self.check(from, mutants, &left).map(|_| ())
    }

    /// The folder of the package.
    pub fn package(&self) -> PathBuf {
        self.root.join("core")
    }

    fn files(&self, from: &Path) -> Result<(), String> {
        let listed =
            Command::new("git").arg("ls-files").current_dir(from).output().map_err(|e| e.to_string())?;
        for path in String::from_utf8_lossy(&listed.stdout).lines() {
            let target = self.root.join(path);
            if let (Some(folder), true) = (target.parent(), from.join(path).is_file()) {
                fs::create_dir_all(folder).map_err(|error| error.to_string())?;
                if !path.starts_with("core/src") {
                    write(&target, &fs::read(from.join(path)).map_err(|error| format!("{path}: {error}"))?)?;
                }
            }
        }
        Ok(())
    }

    fn instrument(
        &mut self,
        from: &Path,
        mutants: &[Mutant],
        without: &BTreeSet<u32>,
    ) -> Result<Places, String> {
        let mut places = Places::new();
        for path in sources(&from.join("core/src")) {
            let name = path.strip_prefix(from).map_err(|error| error.to_string())?.display().to_string();
            let mut source = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
            if name == "core/src/fsm/matrix.rs" {
                for (lookup, instead) in LOOKUPS {
                    if !source.contains(lookup) {
                        return Err(format!("{name} has no {lookup}"));
                    }
                    source = source.replace(lookup, instead);
                }
            }
            let here: Vec<&Mutant> = mutants
                .iter()
                .filter(|mutant| mutant.file == name && !without.contains(&mutant.number))
                .filter(|mutant| !self.unviable.contains(&mutant.number))
                .collect();
            let done = instrument(&source, &here).map_err(|error| format!("{name}: {error}"))?;
            let Instrumented { mut text, alternatives, matches, malformed, unplaced, constant } = done;
            self.unviable.extend(malformed);
            self.unplaced.extend(unplaced);
            self.constant.extend(constant);
            if name == "core/src/lib.rs" {
                text = text.replacen(
                    "#![no_std]",
                    "#![feature(const_eval_select, core_intrinsics)]\n#![allow(internal_features)]\n#![no_std]",
                    1,
                );
                text.push_str("#[doc(hidden)]\npub mod mutants;\n");
            }
            write(&self.root.join(&name), text.as_bytes())?;
            places.insert(name, (alternatives, matches));
        }
        write(&self.root.join("core/src/mutants.rs"), SWITCH.as_bytes())?;
        Ok(places)
    }

    /// What the compiler says of the copy with all mutants but some.
    fn check(
        &mut self,
        from: &Path,
        mutants: &[Mutant],
        without: &BTreeSet<u32>,
    ) -> Result<Complaints, String> {
        let places = self.instrument(from, mutants, without)?;
        let output = self.cargo(&["check", "-p", "httpfsm", "--lib"], None)?;
        let mut complaints = Complaints::default();
        let mut unknown = String::new();
        for message in messages(&output.stdout) {
            let diagnostic = &message["message"];
            let spans = diagnostic["spans"].as_array().map_or(&[][..], Vec::as_slice);
            if diagnostic["level"] != "error" || spans.is_empty() {
                continue;
            }
            if let Some(number) = blamed(spans, &places) {
                complaints.bad.insert(number);
            } else if let Some(numbers) = arms(spans, &places) {
                complaints.doubtful.extend(numbers);
            } else {
                unknown.push_str(diagnostic["rendered"].as_str().unwrap_or_default());
            }
        }
        if complaints.bad.is_empty() && complaints.doubtful.is_empty() && !output.status.success() {
            return Err(format!("the copy does not compile, and no mutant is to blame:\n{unknown}"));
        }
        Ok(complaints)
    }

    /// Builds the tests; gives the programs.
    pub fn build(&self, arguments: &[&str], constant: Option<u32>) -> Result<Option<Vec<PathBuf>>, String> {
        let mut all = vec!["test", "--no-run", "-p", "httpfsm"];
        all.extend(arguments);
        let output = self.cargo(&all, constant)?;
        if !output.status.success() {
            return Ok(None);
        }
        let program = |message: Value| {
            (message["profile"]["test"] == true).then_some(())?;
            message["executable"].as_str().map(PathBuf::from)
        };
        Ok(Some(messages(&output.stdout).filter_map(program).collect()))
    }

    fn cargo(&self, arguments: &[&str], constant: Option<u32>) -> Result<std::process::Output, String> {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments).args(["--message-format", "json"]).current_dir(&self.root);
        cargo.env("CARGO_TARGET_DIR", &self.target).env("RUSTC_BOOTSTRAP", "1");
        // A build for thousands of runs has to be quick to run; one for a single run, quick to build.
        let (level, incremental) = if constant.is_some() { ("0", "1") } else { ("1", "0") };
        for (key, value) in
            [("OPT_LEVEL", level), ("DEBUG", "0"), ("DEBUG_ASSERTIONS", "true"), ("OVERFLOW_CHECKS", "true")]
        {
            for profile in ["DEV", "TEST"] {
                cargo.env(format!("CARGO_PROFILE_{profile}_{key}"), value);
            }
        }
        cargo.env("RUSTFLAGS", "--cap-lints=allow").env("CARGO_INCREMENTAL", incremental);
        match constant {
            Some(number) => cargo.env("HTTPFSM_CONSTANT_MUTANT", number.to_string()),
            None => cargo.env_remove("HTTPFSM_CONSTANT_MUTANT"),
        };
        cargo.output().map_err(|error| format!("cargo: {error}"))
    }
}

/// Where in the copy the mutants are, by file.
type Places = BTreeMap<String, (Alternatives, Matches)>;

/// What the compiler does not like.
#[derive(Default)]
struct Complaints {
    /// Mutants that do not compile.
    bad: BTreeSet<u32>,
    /// Those deleted arms of which at least one is needed.
    doubtful: BTreeSet<u32>,
}

/// The mutant whose alternative a span lies in: rather the span that the error is about than one that explains it.
fn blamed(spans: &[Value], places: &Places) -> Option<u32> {
    let (primary, other): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span["is_primary"] == true);
    primary.into_iter().chain(other).find_map(|span| {
        let (file, from, to) = place(span, places)?;
        file.0.iter().find(|(range, _)| range.start <= from && to <= range.end).map(|(_, number)| *number)
    })
}

/// The mutants that delete arms of the `match` that is no longer exhaustive.
fn arms<'a>(spans: &[Value], places: &'a Places) -> Option<&'a [u32]> {
    let span = spans.iter().find(|span| span["is_primary"] == true)?;
    let (file, from, _) = place(span, places)?;
    file.1.iter().find(|(at, _)| *at == from).map(|(_, numbers)| numbers.as_slice())
}

fn place<'a>(span: &Value, places: &'a Places) -> Option<(&'a (Alternatives, Matches), usize, usize)> {
    let from = usize::try_from(span["byte_start"].as_u64()?).ok()?;
    let to = usize::try_from(span["byte_end"].as_u64()?).ok()?;
    Some((places.get(span["file_name"].as_str()?)?, from, to))
}

fn messages(stdout: &[u8]) -> impl Iterator<Item = Value> + '_ {
    stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Leaves a file alone that is as it has to be, so that cargo need not build it again.
fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}
