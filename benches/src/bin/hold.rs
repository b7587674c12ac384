//! Measures what a connection that does nothing costs a server: resident memory per connection, and how many threads
//! there are while it has them all. Meanwhile another client is served, and the times of its responses are printed.
//!
//! ```text
//! hold                                 10,000 keep-alive connections after one request each
//! hold --half-head 200                 10,000 connections that have sent 200 bytes of a head
//! hold --connections 1000 --budget 1600
//! hold --transport tokio --threads 1   the server of the same build
//! hold --transport tokio-tls      TLS on tokio
//! hold --transport tokio-layered       tokio, and a layer below HTTP: that of the transport kit
//! hold --max-threads 16                fails where the server has more
//! hold --addr 127.0.0.1:8080 --pid N   a server that runs already
//! ```
//!
//! Exits with 1 when a figure is above its budget. The connections need as many file descriptors
//! (`ulimit -n`) here and in the server.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its result")]

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use httpfsm_benches::client::BenchClient;
use httpfsm_benches::client_stream::ClientStream;
use httpfsm_benches::layered::{self, Below};
use httpfsm_benches::load::Load;
use httpfsm_benches::server::{ServerProcess, resident_bytes, threads};
use lexopt::{Arg, ValueExt};

fn main() -> ExitCode {
    measure().unwrap_or_else(|error| {
        eprintln!("hold: {error}");
        ExitCode::FAILURE
    })
}

fn measure() -> Result<ExitCode, Box<dyn Error>> {
    if let Some(asked) = layered::asked() {
        layered::serve(asked)?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = CommandLine::parse()?;
    let spawned = options.spawn()?;
    let (address, pid) = match &spawned {
        Some(server) => (server.address(), server.pid()),
        None => options.running()?,
    };
    // What the server allocates once (its threads, its tables, its first buffers) is no cost of a connection.
    options.connect(address)?.drive(Load::Plain, 100)?;
    let before = settled(pid)?;
    let held = options.open(address)?;
    let after = settled(pid)?;
    let longest = longest_response(|| options.connect(address))?;
    let threads = threads(pid)?;
    let each = after.saturating_sub(before) / options.connections.max(1) as u64;
    for client in &held {
        if !client.is_quiet()? {
            return Err("the server closed a connection that was to be held, or responded on it".into());
        }
    }
    drop(held);

    let shown = |bound: Option<u64>| bound.map_or_else(|| "none".to_owned(), |bound| bound.to_string());
    let within = |figure, bound: Option<u64>| bound.is_none_or(|bound| figure <= bound);
    let mark = |within| if within { "" } else { "  ABOVE" };
    let [memory, few] = [within(each, options.budget), within(threads, options.max_threads)];
    println!("transport       connections   resident before   resident after   bytes each   budget");
    println!(
        "{:<13}   {:>11}   {:>11} KiB   {:>10} KiB   {each:>11}   {}{}",
        options.transport,
        options.connections,
        before >> 10,
        after >> 10,
        shown(options.budget),
        mark(memory),
    );
    println!("threads of the server: {threads}, at most {}{}", shown(options.max_threads), mark(few));
    println!("the longest of {RESPONSES} responses meanwhile: {} us", longest.as_micros());
    Ok(if memory && few { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Requests of the client that is served meanwhile.
const RESPONSES: usize = 100;

/// How long a client waits for its connection and first response, or for another, at most.
fn longest_response(connect: impl FnOnce() -> io::Result<BenchClient>) -> io::Result<Duration> {
    let mut longest = Duration::ZERO;
    let mut started = Instant::now();
    let mut client = connect()?;
    for _ in 0..RESPONSES {
        client.drive(Load::Plain, 1)?;
        longest = longest.max(started.elapsed());
        started = Instant::now();
    }
    Ok(longest)
}

struct CommandLine {
    connections: usize,
    half_head: Option<usize>,
    budget: Option<u64>,
    max_threads: Option<u64>,
    transport: String,
    threads: usize,
    program: Option<PathBuf>,
    address: Option<SocketAddr>,
    pid: Option<u32>,
}

impl CommandLine {
    fn parse() -> Result<Self, lexopt::Error> {
        let mut options = Self {
            connections: 10_000,
            half_head: None,
            budget: None,
            max_threads: None,
            transport: "tokio".to_owned(),
            threads: 1,
            program: None,
            address: None,
            pid: None,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("connections") => options.connections = parser.value()?.parse()?,
                Arg::Long("half-head") => options.half_head = Some(parser.value()?.parse()?),
                Arg::Long("budget") => options.budget = Some(parser.value()?.parse()?),
                Arg::Long("max-threads") => options.max_threads = Some(parser.value()?.parse()?),
                Arg::Long("transport") => options.transport = parser.value()?.string()?,
                Arg::Long("threads") => options.threads = parser.value()?.parse()?,
                Arg::Long("server") => options.program = Some(parser.value()?.into()),
                Arg::Long("addr") => options.address = Some(parser.value()?.parse()?),
                Arg::Long("pid") => options.pid = Some(parser.value()?.parse()?),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(options)
    }

    /// Starts a server, unless one was named that runs already.
    fn spawn(&self) -> io::Result<Option<ServerProcess>> {
        if self.address.is_some() {
            return Ok(None);
        }
        ServerProcess::of(&self.transport, self.threads, self.program.as_deref()).map(Some)
    }

    fn running(&self) -> Result<(SocketAddr, u32), Box<dyn Error>> {
        self.address.zip(self.pid).ok_or_else(|| "--addr needs --pid".into())
    }

    fn connect(&self, address: SocketAddr) -> io::Result<BenchClient> {
        ClientStream::connect(address, Below::of(&self.transport)).map(BenchClient::over)
    }

    /// Opens the connections and brings each to the state that is measured.
    fn open(&self, address: SocketAddr) -> io::Result<Vec<BenchClient>> {
        let half_head = self.half_head.map(half_a_head);
        (0..self.connections)
            .map(|_| {
                let mut client = self.connect(address)?;
                match &half_head {
                    Some(bytes) => client.send(bytes)?,
                    None => client.drive(Load::Plain, 1)?,
                }
                Ok(client)
            })
            .collect()
    }
}

/// The first `length` bytes of a request whose head does not end there.
fn half_a_head(length: usize) -> Vec<u8> {
    let mut bytes = b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\nX-Filler: ".to_vec();
    bytes.resize(length, b'x');
    bytes
}

/// The resident set once it has stood still for a second.
fn settled(pid: u32) -> io::Result<u64> {
    let mut last = resident_bytes(pid)?;
    let mut still = 0;
    while still < 10 {
        thread::sleep(Duration::from_millis(100));
        let now = resident_bytes(pid)?;
        still = if now == last { still + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}
