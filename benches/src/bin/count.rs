//! Counts what one request costs the server's process: instructions in user space, allocations and system calls.
//!
//! ```text
//! count                          every row of benches/budgets.txt
//! count core                     some servers
//! count layered                  the driver over a connection in memory, through a layer
//! count http                     an axum `Router` with one route, on tokio
//! count tokio-tls                TLS on tokio
//! count tokio-limited            a transport under limits of which none is reached
//! count blocking-function        a transport with a function that blocks as its handler
//! count tokio --load plain       some loads
//! count --keep DIR               keeps the profiles, for callgrind_annotate
//! count --writes 2000            longer runs
//! ```
//!
//! Each figure is the difference of two runs of different length, so what a process costs at its start and its end
//! is not in it. Exits with 1 when a figure is above its budget. Needs valgrind; a server is the program `httpfsm`
//! of the same build (`--server PATH`: another one).
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its result")]

use std::error::Error;
use std::ffi::OsString;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use httpfsm_benches::budget::{Budgets, PerRequest};
use httpfsm_benches::callgrind::{self, Cost};
use httpfsm_benches::client::BenchClient;
use httpfsm_benches::client_stream::ClientStream;
use httpfsm_benches::in_memory::InMemory;
use httpfsm_benches::in_process::InProcess;
use httpfsm_benches::layered::{self, Below};
use httpfsm_benches::load::Load;
use httpfsm_benches::router;
use httpfsm_benches::server::{self, ServerProcess};
use lexopt::{Arg, ValueExt};

/// The machine without a transport.
const CORE: &str = "core";
/// The driver over a connection in memory, without a layer and through one. Every other name but [`HTTP`] is a transport of
/// the program.
const MEMORY: [&str; 2] = ["memory", "layered"];
/// A `Router` on tokio, which this program itself serves.
const HTTP: &str = "http";

/// The first argument of the process that is counted for [`CORE`] and [`MEMORY`].
const WORKLOAD: &str = "workload";
/// That of the process that serves for [`HTTP`].
const SERVE: &str = "serve-router";

/// What both runs begin with, so that buffers have grown to their size before the difference begins, those of each thread
/// that serves: on a busy machine another one comes in later, and its first buffer is 65 KB of zeros.
const WARM_UP: usize = 1000;

fn main() -> ExitCode {
    count().unwrap_or_else(|error| {
        eprintln!("count: {error}");
        ExitCode::FAILURE
    })
}

fn count() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let [WORKLOAD, server, load, writes] =
        arguments.iter().map(|word| word.to_str().unwrap_or("")).collect::<Vec<_>>()[..]
    {
        return workload(server, load_named(load)?, writes.parse()?);
    }
    if let Some(asked) = layered::asked() {
        layered::serve(asked)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments == [SERVE] {
        router::serve()?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut options = CommandLine::parse(arguments)?;
    let budgets = Budgets::parse(include_str!("../../budgets.txt"))?;
    if options.servers.is_empty() {
        options.servers = budgets.servers().into_iter().map(str::to_owned).collect();
    }
    let mut all_within = true;
    println!(
        "{:<14} {:<8} {:>12} {:>12} {:>12}   budget",
        "server", "load", "instructions", "allocations", "sys. calls"
    );
    for server in &options.servers {
        for &load in &options.loads {
            let cost = options.cost_per_request(server, load)?;
            let budget = budgets.of(server, load);
            let within = budget.is_none_or(|budget| cost.is_within(&budget));
            all_within &= within;
            println!("{server:<14} {load:<8} {}   {}", row(&cost), verdict(budget.as_ref(), within));
        }
    }
    Ok(if all_within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn row(cost: &PerRequest) -> String {
    format!("{:>12.0} {:>12.2} {:>12.2}", cost.instructions, cost.allocations, cost.system_calls)
}

fn verdict(budget: Option<&PerRequest>, within: bool) -> String {
    let Some(budget) = budget else { return "none".to_owned() };
    let figures = format!("{} / {} / {}", budget.instructions, budget.allocations, budget.system_calls);
    if within { figures } else { format!("{figures}  ABOVE") }
}

/// The process that is counted for what needs no socket: nothing but exchanges.
fn workload(server: &str, load: Load, writes: usize) -> Result<ExitCode, Box<dyn Error>> {
    if server == CORE {
        let mut connection = InProcess::new();
        return exchanges(&load.bytes(), writes, |bytes| connection.exchange(bytes));
    }
    let mut connection = InMemory::new(server == "layered");
    exchanges(&connection.encoded(&load.bytes()), writes, |bytes| connection.exchange(bytes))
}

fn exchanges(
    bytes: &[u8],
    writes: usize,
    mut exchange: impl FnMut(&[u8]) -> usize,
) -> Result<ExitCode, Box<dyn Error>> {
    for _ in 0..writes {
        if exchange(black_box(bytes)) == 0 {
            return Err("a request got no response".into());
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct CommandLine {
    servers: Vec<String>,
    loads: Vec<Load>,
    writes: usize,
    keep: Option<PathBuf>,
    program: Option<PathBuf>,
}

impl CommandLine {
    fn parse(arguments: Vec<OsString>) -> Result<Self, lexopt::Error> {
        let mut options =
            Self { servers: Vec::new(), loads: Vec::new(), writes: 2000, keep: None, program: None };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(server) => options.servers.push(server.string()?),
                Arg::Long("load") => options.loads.push(parser.value()?.parse_with(load_named)?),
                Arg::Long("writes") => options.writes = parser.value()?.parse()?,
                Arg::Long("keep") => options.keep = Some(parser.value()?.into()),
                Arg::Long("server") => options.program = Some(parser.value()?.into()),
                _ => return Err(argument.unexpected()),
            }
        }
        if options.loads.is_empty() {
            options.loads = Load::ALL.to_vec();
        }
        Ok(options)
    }

    fn cost_per_request(&self, server: &str, load: Load) -> Result<PerRequest, Box<dyn Error>> {
        let short = self.run(server, load, WARM_UP)?;
        let long = self.run(server, load, WARM_UP + self.writes)?;
        if short.allocations == 0 {
            return Err("the process never called malloc: its allocations cannot be counted".into());
        }
        let requests = (self.writes * load.requests_per_write()) as f64;
        let per_request = |long: u64, short: u64| (long as f64 - short as f64) / requests;
        Ok(PerRequest {
            instructions: per_request(long.instructions, short.instructions),
            allocations: per_request(long.allocations, short.allocations),
            system_calls: per_request(long.system_calls, short.system_calls),
        })
    }

    /// One process under callgrind, from its start to its end.
    fn run(&self, server: &str, load: Load, writes: usize) -> Result<Cost, Box<dyn Error>> {
        let folder = self.keep.clone().unwrap_or_else(std::env::temp_dir);
        let out = folder.join(format!("callgrind.out.{}.{server}.{load}.{writes}", std::process::id()));
        let mut words = callgrind::command(&out);
        let valgrind = words.remove(0);
        if server == CORE || MEMORY.contains(&server) {
            words.push(std::env::current_exe()?.into());
            words.extend([WORKLOAD, server, load.name(), &writes.to_string()].map(OsString::from));
            let status = Command::new(&valgrind).args(words).status()?;
            if !status.success() {
                return Err(format!("the workload failed: {status}").into());
            }
        } else {
            if server == HTTP {
                words.extend([std::env::current_exe()?.into(), SERVE.into()]);
            } else if let (Some(serve), None) = (Below::of(server).serve(), &self.program) {
                words.extend([std::env::current_exe()?.into(), serve.into(), "1".into()]);
            } else {
                words.push(self.program.clone().map_or_else(server::program, Ok)?.into());
                words.extend(ServerProcess::arguments(server, 1));
            }
            let below = Below::of(server);
            let server = ServerProcess::start(Path::new(&valgrind), &words)?;
            let mut client = BenchClient::over(ClientStream::connect(server.address(), below)?);
            client.drive(load, writes)?;
            drop(client);
            let status = server.stop()?;
            if !status.success() {
                return Err(format!("the server failed: {status}").into());
            }
        }
        let cost = callgrind::read(&out)?;
        if self.keep.is_none() {
            std::fs::remove_file(&out)?;
        }
        Ok(cost)
    }
}

fn load_named(name: &str) -> Result<Load, String> {
    Load::named(name).ok_or_else(|| "a load is plain, browser or pipe16".to_owned())
}
