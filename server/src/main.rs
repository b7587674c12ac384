//! The program `httpfsm`: serves HTTP/1.x with the state machine, draws it, and replays what it recorded.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

mod app;
mod cli;
mod draw;
mod error_pages;
mod log;
mod parameters;
mod replay;
mod serve;

fn main() -> ExitCode {
    let done = match cli::Cli::parse().command {
        cli::Command::Serve(options) => serve::run(&options),
        cli::Command::Draw(options) => {
            let picture = options.machine.draw(options.format);
            io::stdout().write_all(picture.as_bytes()).map_err(Into::into)
        }
        cli::Command::Replay(options) => replay::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If the standard error stream is closed as well, the exit code has to do.
            let _ = writeln!(io::stderr(), "httpfsm: {error}");
            ExitCode::FAILURE
        }
    }
}
