//! Measures the processor time that TLS costs a server: of a handshake, of one that resumes a session, of a request,
//! and of a GiB down and up.
//!
//! ```text
//! tls                          the server of this build, on tokio
//! tls --against PATH           in turns with another, and the ratio of the two
//! tls --rounds 9 --handshakes 2000 --requests 20000 --bytes 268435456
//! ```
//!
//! Each server runs on one thread in a process of its own. The time is what the kernel counts for its threads. Each
//! figure is the median of the rounds, and in each of these the servers take turns. The other server prints `listening
//! on http://ADDRESS`, speaks TLS there, and serves `/plaintext`, `/bytes/N` and `/upload`: `benches/compare` has one
//! of hyper.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its result")]

use std::error::Error;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use httpfsm_benches::believing::believing;
use httpfsm_benches::client::BenchClient;
use httpfsm_benches::client_stream::ClientStream;
use httpfsm_benches::layered;
use httpfsm_benches::load::Load;
use httpfsm_benches::server::{ServerProcess, processor_time};
use lexopt::{Arg, ValueExt};
use rustls::ClientConfig;

/// What is measured, and its unit.
const FIGURES: [(&str, &str); 5] = [
    ("full handshake", "us"),
    ("resumed handshake", "us"),
    ("request", "us"),
    ("download", "ms/GiB"),
    ("upload", "ms/GiB"),
];

fn main() -> ExitCode {
    measure().unwrap_or_else(|error| {
        eprintln!("tls: {error}");
        ExitCode::FAILURE
    })
}

fn measure() -> Result<ExitCode, Box<dyn Error>> {
    if let Some(asked) = layered::asked() {
        layered::serve(asked)?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = CommandLine::parse()?;
    let mut servers = vec![ServerProcess::of("tokio-tls", 1, None)?];
    if let Some(against) = &options.against {
        servers.push(ServerProcess::of("tokio-tls", 1, Some(against))?);
    }
    let mut rounds = vec![Vec::new(); servers.len()];
    for _ in 0..options.rounds {
        for (server, rounds) in servers.iter().zip(&mut rounds) {
            rounds.push(options.round(server)?);
        }
    }
    println!("{:<18} {:>12} {:>12}   ratio", "", "httpfsm", "the other");
    for (at, (name, unit)) in FIGURES.into_iter().enumerate() {
        let medians: Vec<f64> = rounds.iter().map(|rounds| median(rounds, at)).collect();
        let other = medians.get(1).map_or_else(|| "-".to_owned(), |other| format!("{other:.1}"));
        let ratio =
            medians.get(1).map_or_else(|| "-".to_owned(), |other| format!("{:.2}", medians[0] / other));
        println!("{name:<18} {:>12.1} {other:>12}   {ratio}   {unit}", medians[0]);
    }
    Ok(ExitCode::SUCCESS)
}

type Round = [f64; FIGURES.len()];

fn median(rounds: &[Round], figure: usize) -> f64 {
    let mut all: Vec<f64> = rounds.iter().map(|round| round[figure]).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

struct CommandLine {
    rounds: usize,
    handshakes: usize,
    requests: usize,
    bytes: usize,
    against: Option<PathBuf>,
}

impl CommandLine {
    fn parse() -> Result<Self, lexopt::Error> {
        let mut options =
            Self { rounds: 5, handshakes: 1000, requests: 10_000, bytes: 256 << 20, against: None };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("rounds") => options.rounds = parser.value()?.parse()?,
                Arg::Long("handshakes") => options.handshakes = parser.value()?.parse()?,
                Arg::Long("requests") => options.requests = parser.value()?.parse()?,
                Arg::Long("bytes") => options.bytes = parser.value()?.parse()?,
                Arg::Long("against") => options.against = Some(parser.value()?.into()),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(options)
    }

    fn round(&self, server: &ServerProcess) -> io::Result<Round> {
        let connect = |config: &Arc<ClientConfig>| ClientStream::connect_tls(server.address(), config);
        let spent = |times: usize, unit: f64, what: &mut dyn FnMut() -> io::Result<()>| {
            let before = processor_time(server.pid())?;
            what()?;
            let spent = processor_time(server.pid())?.saturating_sub(before);
            Ok::<_, io::Error>(spent.as_secs_f64() * unit / times.max(1) as f64)
        };
        // A response each: a client of TLS 1.3 is done with the handshake before the server is, and has its ticket then.
        let ask = |config: &Arc<ClientConfig>| BenchClient::over(connect(config)?).drive(Load::Plain, 1);
        let full =
            spent(self.handshakes, 1e6, &mut || (0..self.handshakes).try_for_each(|_| ask(&believing())))?;
        let resuming = believing();
        ask(&resuming)?;
        let resumed =
            spent(self.handshakes, 1e6, &mut || (0..self.handshakes).try_for_each(|_| ask(&resuming)))?;
        let mut client = BenchClient::over(connect(&resuming)?);
        client.drive(Load::Plain, 100)?;
        let request = spent(self.requests, 1e6, &mut || client.drive(Load::Plain, self.requests))?;
        let gib = (1 << 30) as f64 / self.bytes.max(1) as f64;
        let down = spent(1, 1e3 * gib, &mut || download(connect(&resuming)?, self.bytes))?;
        let up = spent(1, 1e3 * gib, &mut || upload(connect(&resuming)?, self.bytes))?;
        Ok([full, resumed, request, down, up])
    }
}

fn download(mut stream: ClientStream, bytes: usize) -> io::Result<()> {
    write!(stream, "GET /bytes/{bytes} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let (mut buffer, mut received) = (vec![0; 64 << 10], 0);
    loop {
        match stream.read(&mut buffer)? {
            0 if received > bytes => return Ok(()),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => received += read,
        }
    }
}

fn upload(mut stream: ClientStream, bytes: usize) -> io::Result<()> {
    let head = "POST /upload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {bytes}\r\n\r\n")?;
    let (piece, mut left) = (vec![b'x'; 64 << 10], bytes);
    while left > 0 {
        let piece = piece.get(..left).unwrap_or(&piece);
        stream.write_all(piece)?;
        left -= piece.len();
    }
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    match response.ends_with(&format!("\r\n\r\n{bytes}")) {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, response)),
    }
}
