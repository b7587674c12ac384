//! Measures what slow peers cost a healthy one: how long its responses take on a quiet server, and under attack.
//!
//! ```text
//! attack                                  tokio: 1,000 slow heads, 200 slow bodies, 100 slow reads
//! attack --transport blocking --threads 8
//! attack --transport tokio-layered        tokio, and a layer below HTTP: that of the transport kit
//! attack --transport tokio-tls --handshakes 200
//!                                         tokio and TLS, and 200 more peers whose handshakes are slow
//! attack --at-once 26                     the bytes of 26 slow peers come at the same moment
//! attack --elsewhere                      the peers attack another server beside this one: what their turns of the
//!                                         processors cost alone
//! attack --heads 1000 --bodies 200 --reads 100 --requests 1000 --rounds 15
//! ```
//!
//! The server has its default deadlines. Each slow peer sends or reads a byte, or a field line, a second, one after
//! another; a peer that is cut reconnects at once, so that the attack never ends. The healthy client asks one request
//! after another, with pauses of a millisecond, in turns: quiet, under attack, quiet, and so on, since a machine that
//! others use has good and bad moments; the figures are the medians of the turns of a kind, and the longest response of
//! all. Exits with 1 when a response is missing or wrong. The peers need as many file descriptors (`ulimit -n`) here
//! and in the server.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its result")]

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm_benches::client::BenchClient;
use httpfsm_benches::client_stream::ClientStream;
use httpfsm_benches::layered::{self, Below};
use httpfsm_benches::load::Load;
use httpfsm_benches::server::ServerProcess;
use lexopt::{Arg, ValueExt};

/// How long a slow peer waits between two bytes.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two requests of the healthy client.
const REST: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("attack: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    if let Some(asked) = layered::asked() {
        return Ok(layered::serve(asked)?);
    }
    let options = CommandLine::parse()?;
    let start = || ServerProcess::of(&options.transport, options.threads, options.program.as_deref());
    let (mut quiet, mut attacked) = (Vec::new(), Vec::new());
    let mut cut = 0;
    for _ in 0..options.rounds {
        // A server for each turn: nothing of an attack is left in the next quiet one.
        let server = start()?;
        let address = server.address();
        options.ask(address, options.requests / 10 + 1)?;
        quiet.push(figures(options.ask(address, options.requests)?));
        let other = options.elsewhere.then(start).transpose()?;
        let attack = Attack::new(&options, other.as_ref().map_or(address, ServerProcess::address))?;
        let over = AtomicBool::new(false);
        let times = thread::scope(|scope| {
            let attack = scope.spawn(|| attack.go_on(&over));
            // The attack has begun when each peer has sent something.
            thread::sleep(PAUSE);
            let times = options.ask(address, options.requests);
            over.store(true, Ordering::Relaxed);
            cut += attack.join().map_err(|_| "the attack panicked")?;
            Ok::<_, Box<dyn Error>>(times?)
        });
        attacked.push(figures(times?));
    }
    println!("transport       peers   responses   p50 us   p99 us   max us");
    let [before, after] = [(0, quiet), (options.peers(), attacked)].map(|(peers, turns)| {
        let [p50, p99] = [0, 1].map(|figure| quantile(turns.iter().map(|turn| turn[figure]).collect(), 0.5));
        let max = turns.iter().map(|turn| turn[2]).max().unwrap_or_default();
        println!(
            "{:<13}   {peers:>5}   {:>9}   {:>6}   {:>6}   {:>6}",
            options.transport,
            options.rounds * options.requests,
            p50.as_micros(),
            p99.as_micros(),
            max.as_micros()
        );
        p99
    });
    let ratio = after.as_secs_f64() / before.as_secs_f64();
    println!("p99 under attack is {ratio:.2} of that before; slow peers that were cut and came back: {cut}");
    Ok(())
}

/// Half, 99 in 100, and all of the responses took no longer than this.
fn figures(times: Vec<Duration>) -> [Duration; 3] {
    [0.5, 0.99, 1.0].map(|part| quantile(times.clone(), part))
}

fn quantile(mut times: Vec<Duration>, part: f64) -> Duration {
    times.sort_unstable();
    let at = (times.len() as f64 * part).ceil() as usize;
    times.get(at.max(1) - 1).copied().unwrap_or_default()
}

/// How a peer is slow: what it sends first, and what it sends each second; if that is empty, it reads a byte instead.
#[derive(Clone, Copy)]
struct SlowKind {
    begin: &'static str,
    drop: &'static str,
    /// What it sends is the first message of a handshake, and not behind one.
    is_handshake: bool,
}

const HEAD: SlowKind = SlowKind {
    begin: "GET /plaintext HTTP/1.1\r\nHost: localhost\r\n",
    drop: "X-a: b\r\n",
    is_handshake: false,
};
const BODY: SlowKind = SlowKind {
    begin: "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
    drop: "b",
    is_handshake: false,
};
const READ: SlowKind = SlowKind {
    begin: "GET /bytes/1000000000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    drop: "",
    is_handshake: false,
};
/// A record of TLS of 376 bytes, of which more come than its deadline has seconds.
const HANDSHAKE: SlowKind =
    SlowKind { begin: "\x16\x03\x01\x01\x78\x01\0\x01\x74\x03\x03", drop: "r", is_handshake: true };

struct Attack {
    address: SocketAddr,
    peers: Vec<(SlowKind, ClientStream)>,
    below: Below,
    at_once: usize,
}

impl Attack {
    fn new(options: &CommandLine, address: SocketAddr) -> io::Result<Self> {
        let kinds = [
            (HEAD, options.heads),
            (BODY, options.bodies),
            (READ, options.reads),
            (HANDSHAKE, options.handshakes),
        ];
        let kinds = kinds.into_iter().flat_map(|(slow, peers)| std::iter::repeat_n(slow, peers));
        let below = options.below();
        let peers = kinds.map(|slow| Ok((slow, connect(address, slow, below)?)));
        let peers = peers.collect::<io::Result<_>>()?;
        Ok(Self { address, peers, below, at_once: options.at_once.max(1) })
    }

    /// Attacks until `over`; returns how many peers were cut.
    fn go_on(mut self, over: &AtomicBool) -> u64 {
        let mut cut = 0;
        let groups = self.peers.len().div_ceil(self.at_once).max(1);
        let mut next = Instant::now();
        while !over.load(Ordering::Relaxed) {
            for group in self.peers.chunks_mut(self.at_once) {
                for (slow, stream) in group {
                    if is_cut(stream, *slow) {
                        cut += 1;
                        if let Ok(again) = connect(self.address, *slow, self.below) {
                            *stream = again;
                        }
                    }
                }
                next += PAUSE / groups as u32;
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        }
        cut
    }
}

fn connect(address: SocketAddr, slow: SlowKind, below: Below) -> io::Result<ClientStream> {
    let below = if slow.is_handshake { Below::Nothing } else { below };
    let mut stream = ClientStream::connect(address, below)?;
    stream.write_all(slow.begin.as_bytes())?;
    stream.socket().set_nonblocking(true)?;
    Ok(stream)
}

/// Sends or reads a byte; returns whether the server has ended the connection.
fn is_cut(stream: &mut ClientStream, slow: SlowKind) -> bool {
    let is_lost = |error: io::Error| error.kind() != ErrorKind::WouldBlock;
    // A reset comes before the bytes that were not read.
    if stream.socket().take_error().is_ok_and(|error| error.is_some()) {
        return true;
    }
    if slow.drop.is_empty() {
        // From the socket: a layer would read more at once.
        return stream.socket().read(&mut [0]).map_or_else(is_lost, |read| read == 0);
    }
    // It gets nothing but the end of its connection.
    stream.write_all(slow.drop.as_bytes()).is_err_and(is_lost)
        || stream.read(&mut [0]).map_or_else(is_lost, |_| true)
}

struct CommandLine {
    transport: String,
    threads: usize,
    heads: usize,
    bodies: usize,
    reads: usize,
    handshakes: usize,
    requests: usize,
    rounds: usize,
    at_once: usize,
    elsewhere: bool,
    program: Option<PathBuf>,
}

impl CommandLine {
    fn parse() -> Result<Self, lexopt::Error> {
        let mut options = Self {
            transport: "tokio".to_owned(),
            threads: 2,
            heads: 1000,
            bodies: 200,
            reads: 100,
            handshakes: 0,
            requests: 1000,
            rounds: 15,
            at_once: 1,
            elsewhere: false,
            program: None,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("transport") => options.transport = parser.value()?.string()?,
                Arg::Long("threads") => options.threads = parser.value()?.parse()?,
                Arg::Long("heads") => options.heads = parser.value()?.parse()?,
                Arg::Long("bodies") => options.bodies = parser.value()?.parse()?,
                Arg::Long("reads") => options.reads = parser.value()?.parse()?,
                Arg::Long("handshakes") => options.handshakes = parser.value()?.parse()?,
                Arg::Long("requests") => options.requests = parser.value()?.parse()?,
                Arg::Long("rounds") => options.rounds = parser.value()?.parse()?,
                Arg::Long("at-once") => options.at_once = parser.value()?.parse()?,
                Arg::Long("elsewhere") => options.elsewhere = true,
                Arg::Long("server") => options.program = Some(parser.value()?.into()),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(options)
    }

    /// How long the responses to so many requests took, one after another on one connection.
    fn ask(&self, address: SocketAddr, requests: usize) -> io::Result<Vec<Duration>> {
        let mut client = BenchClient::over(ClientStream::connect(address, self.below())?);
        (0..requests)
            .map(|_| {
                let began = Instant::now();
                client.drive(Load::Plain, 1)?;
                let took = began.elapsed();
                thread::sleep(REST);
                Ok(took)
            })
            .collect()
    }

    fn below(&self) -> Below {
        Below::of(&self.transport)
    }

    fn peers(&self) -> usize {
        self.heads + self.bodies + self.reads + self.handshakes
    }
}
