//! Counting under `valgrind --tool=callgrind`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

/// The cost of one run of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// Instructions in user space.
    pub instructions: u64,
    /// Calls of the C allocator's entry points that bring memory.
    pub allocations: u64,
    /// System calls without reads of a clock: these are system calls only under valgrind, which lacks the kernel's page
    /// for them.
    pub system_calls: u64,
}

/// The command before the counted command; the counts go to `out`.
#[must_use]
pub fn command(out: &Path) -> Vec<OsString> {
    let mut file = OsString::from("--callgrind-out-file=");
    file.push(out);
    vec!["valgrind".into(), "--quiet".into(), "--tool=callgrind".into(), "--collect-systime=yes".into(), file]
}

/// Reads the counts of a run that has ended.
///
/// # Errors
/// When the file is not there, or not complete: valgrind writes it when the process ends.
pub fn read(out: &Path) -> io::Result<Cost> {
    let text = std::fs::read(out)?;
    parse(&String::from_utf8_lossy(&text)).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{} is no complete profile", out.display()))
    })
}

/// The entry points that Rust's `System` and C code take memory from. Those that they call in their turn have
/// names of their own (`_int_malloc`), so nothing counts twice.
const ALLOCATE: [&str; 6] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];

/// What a call of a function counts as.
enum CallKind {
    Allocation,
    ClockRead,
    Nothing,
}

impl CallKind {
    fn of(function: &str) -> Self {
        // A versioned symbol: `clock_gettime@@GLIBC_2.17`.
        let name = function.split('@').next().unwrap_or(function);
        match name {
            "clock_gettime" => Self::ClockRead,
            _ if ALLOCATE.contains(&name) => Self::Allocation,
            _ => Self::Nothing,
        }
    }
}

/// A profile names a function once, `cfn=(7) malloc`, and later writes `cfn=(7)`; a line `calls=COUNT POSITION`
/// follows the name of the function that was called.
fn parse(profile: &str) -> Option<Cost> {
    let mut events: Vec<&str> = Vec::new();
    let mut totals: Vec<u64> = Vec::new();
    let mut counted: HashMap<&str, CallKind> = HashMap::new();
    let mut called = "";
    let (mut allocations, mut clock_reads) = (0, 0);
    for line in profile.lines() {
        if let Some(function) = line.strip_prefix("cfn=").or_else(|| line.strip_prefix("fn=")) {
            let (id, name) = function.split_once(' ').unwrap_or((function, ""));
            if !name.is_empty() {
                counted.insert(id, CallKind::of(name));
            }
            called = id;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let calls = calls.split(' ').next()?.parse::<u64>().ok()?;
            match counted.get(called) {
                Some(CallKind::Allocation) => allocations += calls,
                Some(CallKind::ClockRead) => clock_reads += calls,
                Some(CallKind::Nothing) | None => {}
            }
        } else if let Some(names) = line.strip_prefix("events: ") {
            events = names.split(' ').collect();
        } else if let Some(numbers) = line.strip_prefix("totals: ") {
            totals = numbers.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
        }
    }
    let total = |event: &str| totals.get(events.iter().position(|name| *name == event)?).copied();
    let system_calls = total("sysCount")?.saturating_sub(clock_reads);
    Some(Cost { instructions: total("Ir")?, system_calls, allocations })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_yields_its_totals_and_the_calls_of_the_allocator() {
        let profile = "\
version: 1
events: Ir sysCount sysTime
summary: 900 71 152

fn=(1) main
4 10
cfn=(2) malloc
calls=10 -5
* 300
cfn=(3) free
calls=10 -5
* 100
fn=(2)
9 20
cfn=(4) _int_malloc
calls=10 -5
* 280
fn=(5) other
cfn=(2)
calls=3 -5
* 90
cfn=(6) clock_gettime@@GLIBC_2.17
calls=20 -5
* 200
totals: 890 70 152
";
        let cost = Cost { instructions: 890, allocations: 13, system_calls: 50 };
        assert_eq!(parse(profile), Some(cost));
    }

    #[test]
    fn a_profile_that_was_cut_off_is_refused() {
        assert_eq!(parse("version: 1\nevents: Ir sysCount sysTime\n"), None);
    }
}
