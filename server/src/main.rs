//! The program `httpfsm`: serves HTTP/1.x with the state machine, draws it, and replays what it recorded.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

mod app;
mod cli;
mod draw;
mod environment;
mod error_pages;
mod https;
mod log;
mod parameters;
mod regular;
mod replay;
mod serve;
mod stdout;

use stdout::Stdout;

/// How long the program waits at its end for the reader of the standard error stream.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// Waits for the log also where the program ends with a panic.
struct FlushAtEnd;

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        log::flush(FLUSH_LIMIT);
    }
}

fn main() -> ExitCode {
    log::begin();
    let _flush = FlushAtEnd;
    let (cli, unknown) = cli::Cli::read();
    let done = match cli.command {
        cli::Command::Serve(options) => {
            unknown.iter().for_each(|variable| log::note(format_args!("{variable}")));
            serve::run(&options)
        }
        cli::Command::Draw(options) => {
            let picture = options.machine.draw(options.format);
            let mut stdout = Stdout::lock();
            stdout.write_all(picture.as_bytes()).and_then(|()| stdout.flush()).map_err(Into::into)
        }
        cli::Command::Replay(options) => replay::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has read enough closes the pipe.
        Err(error) if stdout::is_unread(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            log::note(format_args!("{error}"));
            ExitCode::FAILURE
        }
    }
}
