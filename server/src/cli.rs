//! The command line.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::app::App;
use crate::draw::{DrawFormat, DrawnMachine};
use crate::parameters::{Parameters, switch, time};
use crate::{FLUSH_LIMIT, environment, log, stdout};

pub(crate) use files::FileFlags;
pub(crate) use tls::{ClientCertificate, Hsts, OldestTls, TlsAddress, TlsFlags};

mod files;
mod tls;

/// An HTTP/1.x server that is a finite state machine.
#[derive(Parser)]
#[command(name = "httpfsm", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads the command line and the environment; ends the program if they are wrong. Returns a message about each
    /// unknown variable as well.
    pub(crate) fn read() -> (Self, Vec<String>) {
        let command = Self::command();
        let read = environment::without_foreign_values(command.clone()).try_get_matches();
        let read = read.and_then(|matches| needs_are_met(&matches).map(|()| matches));
        match read.and_then(|matches| Self::from_arg_matches(&matches)) {
            Ok(cli) => (cli, environment::unknown(&command)),
            Err(error) => end(&environment::name_source(with_hint(error, &command), &command)),
        }
    }
}

/// Says of a flag of `serve`, where that was left out, whose it is.
fn with_hint(mut error: clap::Error, command: &clap::Command) -> clap::Error {
    if let (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    {
        let flag = flag.clone();
        let is_meant = |arg: &Arg| arg.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long));
        if command.find_subcommand("serve").is_some_and(|serve| serve.get_arguments().any(is_meant)) {
            let hint = StyledStr::from(format!("'{flag}' is a flag of 'httpfsm serve'"));
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint]));
        }
    }
    error
}

/// Ends the program with the text of clap: an error, or the help, which may fail to be written.
fn end(said: &clap::Error) -> ! {
    let printed = said.print().and_then(|()| io::stdout().flush()).map_err(stdout::named);
    match printed {
        Err(failed) if !said.use_stderr() && !stdout::is_unread(&failed) => {
            log::note(format_args!("{failed}"));
            log::flush(FLUSH_LIMIT);
            process::exit(1)
        }
        _ => process::exit(said.exit_code()),
    }
}

/// Flags that need another flag. In the environment, which several programs may share, they are allowed without it.
const NEEDS: [(&str, &str); 3] =
    [("unix_mode", "unix"), ("record_sample", "record"), ("record_mask_bodies", "record")];

fn needs_are_met(matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some(serve) = matches.subcommand_matches("serve") else { return Ok(()) };
    for (flag, needed) in NEEDS {
        let is_given = serve.value_source(flag) == Some(ValueSource::CommandLine);
        if is_given && serve.value_source(needed).is_none() {
            let flag = flag.replace('_', "-");
            return Err(wrong(ErrorKind::MissingRequiredArgument, format!("--{flag} needs --{needed}")));
        }
    }
    tls::needs_are_met(serve)?;
    if serve.get_one("app") == Some(&App::Files) {
        return Ok(());
    }
    match files::given(serve) {
        Some(given) => {
            let message = format!("{given} is for --app files, and that is not what is served");
            Err(wrong(ErrorKind::ArgumentConflict, message))
        }
        None => Ok(()),
    }
}

/// A flag as the user has given it: `--tls-cert`, or `--tls-cert of the variable HTTPFSM_TLS_CERT`.
fn named(serve: &ArgMatches, flag: &str) -> String {
    from(serve, flag, format!("--{}", flag.replace('_', "-")))
}

/// `given`, which is what `name` is given as, with the variable that it comes from, if it comes from one.
fn from(serve: &ArgMatches, name: &str, given: String) -> String {
    let command = Cli::command();
    let variable = command.find_subcommand("serve").and_then(|serve| {
        serve.get_arguments().find(|arg| arg.get_id() == name).and_then(environment::variable)
    });
    match variable {
        Some(variable) if serve.value_source(name) == Some(ValueSource::EnvVariable) => {
            format!("{given} of the variable {variable}")
        }
        _ => given,
    }
}

/// An error about the arguments of `serve`, with its usage.
pub(crate) fn wrong(kind: ErrorKind, message: String) -> clap::Error {
    let mut command = Cli::command();
    command.build();
    match command.find_subcommand_mut("serve") {
        Some(serve) => serve.error(kind, message),
        None => command.error(kind, message),
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Serve(Box<ServeOptions>),
    Draw(DrawOptions),
    Replay(ReplayOptions),
}

/// Serve HTTP until SIGTERM, SIGQUIT or Ctrl-C, then drain; a second signal quits at once.
///
/// Every flag can also be given in the environment: --head-timeout as HTTPFSM_HEAD_TIMEOUT, and DIR as HTTPFSM_ROOT.
/// There, --unix, --tls-listen and --field can be given once. An empty variable counts as unset. Two exceptions:
/// HTTPFSM_IDENTITY (no Server field) and HTTPFSM_ORIGINS (an error).
#[derive(clap::Args)]
#[command(after_help = "\
A TIME is a number of seconds or has a unit, as in 500ms, 2s, 5m. Where nothing else is said, 0 or none is: no deadline.
A SIZE is a number of bytes or has a unit, as in 64KiB, 1MiB. Where nothing else is said, 0 or none is: no limit.
Limits are inclusive: exactly the value passes.")]
pub(crate) struct ServeOptions {
    /// The folder whose files are served [default: the current one]
    #[arg(env = "HTTPFSM_ROOT", hide_env = true)]
    pub(crate) dir: Option<PathBuf>,

    /// What to serve
    #[arg(long, env = "HTTPFSM_APP", hide_env = true, value_enum, default_value_t)]
    pub(crate) app: App,

    /// The transport to serve on
    #[arg(long, env = "HTTPFSM_TRANSPORT", hide_env = true, value_enum, default_value_t)]
    pub(crate) transport: TransportName,

    /// Threads that serve; on tokio, 1 is: everything on the main thread; on blocking: functions at once, with one
    /// thread more [default: one per core; on blocking, 8]
    #[arg(long, env = "HTTPFSM_THREADS", hide_env = true, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Unix socket to listen on, instead of a port unless --host or --port is given too; may be repeated
    #[arg(long, env = "HTTPFSM_UNIX", hide_env = true, value_name = "PATH")]
    pub(crate) unix: Vec<PathBuf>,

    /// After how much silence, of at least 4s, TCP probes whether a peer is there; without a reply the connection is lost
    /// after twice this time, and with it what runs for it; 0 or none: TCP never probes [default: 60s]
    #[arg(long, env = "HTTPFSM_TCP_KEEPALIVE", hide_env = true, value_name = "TIME", value_parser = keepalive)]
    pub(crate) tcp_keepalive: Option<Duration>,

    /// Permissions of the Unix sockets, in octal [default: what the umask leaves]
    #[arg(
        long,
        env = "HTTPFSM_UNIX_MODE",
        hide_env = true,
        value_name = "MODE",
        value_parser = mode
    )]
    pub(crate) unix_mode: Option<u32>,

    /// Start from the hardened defaults; what is given by flag or environment still wins
    #[arg(
        long,
        env = "HTTPFSM_HARDENED",
        hide_env = true,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value = "false",
        hide_default_value = true,
        value_parser = switch
    )]
    pub(crate) hardened: bool,

    /// Log each connection that opens or closes, each refusal and each failure to the standard error stream; there is no
    /// line for a request that succeeds. Without this flag: failures and connections that a limit turns away, at most one
    /// line a second of each kind
    #[arg(
        long,
        env = "HTTPFSM_LOG",
        hide_env = true,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value = "false",
        hide_default_value = true,
        value_parser = switch
    )]
    pub(crate) log: bool,

    /// Record connections to DIR, each to a file for `httpfsm replay`: the first 1,000, 1 MiB each. SIGUSR1 switches it
    /// off, and on again
    #[arg(long, env = "HTTPFSM_RECORD", hide_env = true, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,

    /// Record one connection in N; 0: all, but only from SIGUSR1 on
    #[arg(
        long,
        env = "HTTPFSM_RECORD_SAMPLE",
        hide_env = true,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true,
        value_parser = sample
    )]
    pub(crate) record_sample: u64,

    /// Hide bodies and trailers in recordings, as the values of Authorization, Proxy-Authorization, Cookie and Set-Cookie
    /// always are, also in lines of a body
    #[arg(
        long,
        env = "HTTPFSM_RECORD_MASK_BODIES",
        hide_env = true,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value = "false",
        hide_default_value = true,
        value_parser = switch
    )]
    pub(crate) record_mask_bodies: bool,

    #[command(flatten)]
    pub(crate) files: FileFlags,

    #[command(flatten)]
    pub(crate) tls: TlsFlags,

    #[command(flatten)]
    pub(crate) parameters: Parameters,
}

fn threads(text: &str) -> Result<NonZeroUsize, &'static str> {
    let threads = text.parse().ok().filter(|threads: &NonZeroUsize| threads.get() <= 1024);
    threads.ok_or("expected a number from 1 to 1024")
}

/// TCP counts in seconds, and probes four times within this time.
const SHORTEST_KEEPALIVE: Duration = Duration::from_secs(4);

fn keepalive(text: &str) -> Result<Duration, String> {
    match time(text)? {
        silence if silence.is_zero() || silence >= SHORTEST_KEEPALIVE => Ok(silence),
        _ => Err("expected 4s or more, or none".into()),
    }
}

fn sample(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(
        |_| "expected a whole number, as in 10 for one connection in ten; 0 records none until SIGUSR1",
    )
}

fn mode(text: &str) -> Result<u32, &'static str> {
    let digits = if text.len() == 4 { text.strip_prefix('0') } else { Some(text) };
    let is_octal =
        |digits: &&str| digits.len() == 3 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let mode = digits.filter(is_octal).and_then(|digits| u32::from_str_radix(digits, 8).ok());
    mode.ok_or("expected three octal digits, or four that begin with 0, as in 660")
}

/// Print a picture of a state machine, made from the table that drives it.
#[derive(clap::Args)]
pub(crate) struct DrawOptions {
    /// Which machine
    #[arg(long, value_enum, default_value_t)]
    pub(crate) machine: DrawnMachine,

    /// Which language
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: DrawFormat,
}

/// Feed a recorded connection through the machine; fail at the first difference.
///
/// A recording is what `httpfsm serve --record DIR` writes, and is read from a regular file alone. What follows the last
/// whole line, or the line that says why the recording ends, is not looked at.
#[derive(clap::Args)]
pub(crate) struct ReplayOptions {
    /// The recording
    pub(crate) file: PathBuf,

    /// Show each input and output, with the rows of the table that it took, the states, the deadline and the bytes
    #[arg(long)]
    pub(crate) step: bool,
}

/// The transports that this program was built with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum TransportName {
    /// tokio, multi-threaded or on the main thread alone
    #[default]
    Tokio,
    /// async-std, which is discontinued (RUSTSEC-2025-0052): on its own executor, or on --threads beside the main one
    AsyncStd,
    /// smol, its successor; all threads are beside the main one
    Smol,
    /// Threads, without an executor: workers wait for sockets, poll connections, and run functions that block
    Blocking,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command};
    use crate::app::App;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_needs_no_flag() {
        let Command::Serve(serve) =
            Cli::try_parse_from(["httpfsm", "serve"]).unwrap_or_else(|e| panic!("{e}")).command
        else {
            panic!("not serve");
        };
        assert_eq!(serve.app, App::Files);
        assert_eq!(serve.dir, None);
        assert_eq!(serve.threads, None);
    }

    #[test]
    fn no_thread_at_all_is_refused() {
        let refused = Cli::try_parse_from(["httpfsm", "serve", "--threads", "1025"]).map(|_| ());
        assert!(refused.is_err());
        let refused = Cli::try_parse_from(["httpfsm", "serve", "--threads", "0"]).map(|_| ());
        let text = refused.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains("'0' for '--threads <N>': expected a number from 1 to 1024"), "{text}");
    }
}
