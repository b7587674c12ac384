//! Simulates the model application, as long as wanted: `--seed N`, `--connections N`, `--threads N`,
//! `--layered N`: one connection in so many goes through a layer, and `--prologues N`: on one in so many something comes
//! before HTTP.
#![forbid(unsafe_code)]

use std::env;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use httpfsm::config::ServerConfig;
use httpfsm_sim::{Simulation, World, application, vary};

fn main() -> ExitCode {
    let cores = thread::available_parallelism().map_or(1, usize::from) as u64;
    let (mut seed, mut connections, mut threads, mut layered, mut prologues) = (1, 1_000_000, cores, 4, 4);
    let words: Vec<String> = env::args().skip(1).collect();
    for pair in words.chunks(2) {
        let number = pair.get(1).and_then(|number| number.replace('_', "").parse().ok());
        match (pair[0].as_str(), number) {
            ("--seed", Some(number)) => seed = number,
            ("--connections", Some(number @ 1..)) => connections = number,
            ("--threads", Some(number)) => threads = number,
            ("--layered", Some(number)) => layered = number,
            ("--prologues", Some(number)) => prologues = number,
            _ => return usage(),
        }
    }
    let began = Instant::now();
    let simulation = Simulation::new(ServerConfig::default(), |world: &World| application(world.clone()))
        .vary(vary)
        .seed(seed)
        .connections(connections)
        .threads(usize::try_from(threads).unwrap_or(1))
        .layered(u32::try_from(layered).unwrap_or(u32::MAX))
        .prologues(u32::try_from(prologues).unwrap_or(u32::MAX))
        .command(format!(
            "cargo run -p httpfsm-sim --release -- --layered {layered} --prologues {prologues}"
        ));
    match simulation.run() {
        Ok(outcome) => {
            let seconds = began.elapsed().as_secs_f64();
            let rate = outcome.connections as f64 / seconds;
            print(&format!(
                "{} connections, {} steps in {seconds:.1} s ({rate:.0} connections/s), trace {:016x}",
                outcome.connections, outcome.steps, outcome.trace_hash
            ));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            print(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    print("usage: httpfsm-sim [--seed N] [--connections N] [--threads N] [--layered N] [--prologues N]");
    ExitCode::from(2)
}

#[expect(clippy::print_stdout, reason = "a program that tells its result")]
fn print(text: &str) {
    println!("{text}");
}
