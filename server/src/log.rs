//! The messages on the standard error stream. No serving thread waits for the reader of the stream: a thread of its own
//! writes, from a bounded [queue](queue).

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use httpfsm::error::{CloseReason, RequestError, Rule};
use httpfsm::handler::{ConnectionInfo, Failure, MemoryUse, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::server::NotAdmitted;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

pub(crate) use printable::is_shown;
use queue::{LineQueue, LogStream};

mod printable;
mod queue;

/// Writes a message. If the writing thread could not be started, the caller waits for the stream, for a moment.
pub(crate) fn note(what: fmt::Arguments<'_>) {
    push_note(what);
    if !log().has_writer {
        flush(IN_PLACE);
    }
}

fn push_note(what: fmt::Arguments<'_>) {
    queue().push(&format!("httpfsm: {what}"));
}

/// Writes a message that may come often: of each kind, at most one line a second, with a count.
pub(crate) fn note_often(kind: &'static str, what: fmt::Arguments<'_>) {
    queue().push_repeated(kind, &format!("httpfsm: {what}"));
}

/// Waits until everything is written, for at most `limit`: the program is about to end.
pub(crate) fn flush(limit: Duration) {
    let lines = log();
    if lines.has_writer {
        lines.queue.flush(limit);
    } else {
        lines.queue.write_now(StandardError { until: Some(Instant::now() + limit) });
    }
}

/// Starts the log, and writes panics to it: the hook of the standard library would write on the panicking thread and
/// block it.
pub(crate) fn begin() {
    queue();
    panic::set_hook(Box::new(|info| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("without a name");
        let backtrace = Backtrace::capture();
        match backtrace.status() {
            BacktraceStatus::Captured => push_note(format_args!("thread {name} {info}\n{backtrace}")),
            _ => push_note(format_args!("thread {name} {info}")),
        }
    }));
}

fn queue() -> &'static LineQueue {
    log().queue
}

fn log() -> &'static ErrorStream {
    static LINES: OnceLock<ErrorStream> = OnceLock::new();
    LINES.get_or_init(|| {
        let queue: &'static LineQueue = Box::leak(Box::default());
        let writer = thread::Builder::new().name("httpfsm-log".to_owned()).stack_size(128 << 10);
        let has_writer = writer.spawn(|| queue.write_to(StandardError { until: None })).is_ok();
        ErrorStream { queue, has_writer }
    })
}

/// The queue of the program's lines, and whether a thread writes them. Without it, the lines of serving threads wait in
/// the bounded queue for the next note or the end of the program.
struct ErrorStream {
    queue: &'static LineQueue,
    has_writer: bool,
}

/// The standard error stream. No write lasts longer than to the time `until`.
struct StandardError {
    until: Option<Instant>,
}

/// How long to wait for the stream before the next try.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long the caller of [`note`] waits for the stream if there is no writing thread.
const IN_PLACE: Duration = Duration::from_millis(100);

/// Bytes that a pipe takes at once if it is not full.
const PIPE: usize = 4096;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.until.is_none() {
            return io::stderr().write(bytes);
        }
        while !self.wait_some()? {}
        io::stderr().write(bytes.get(..PIPE).unwrap_or(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl LogStream for StandardError {
    fn wait(&mut self) -> io::Result<()> {
        self.wait_some().map(|_| ())
    }
}

impl StandardError {
    /// Waits for a while; returns whether the stream takes more.
    fn wait_some(&self) -> io::Result<bool> {
        let rest = self.until.map_or(POLL_INTERVAL, |until| until.saturating_duration_since(Instant::now()));
        if rest.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let stderr = io::stderr();
        let timeout = Timespec::try_from(rest.min(POLL_INTERVAL)).ok();
        match poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Counts the connections that the drain deadline has cut.
#[derive(Clone, Default)]
pub(crate) struct CutConnections(Arc<AtomicU64>);

impl CutConnections {
    fn count(&self, reason: CloseReason) {
        if reason == CloseReason::DrainTimeout {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes how many there were, if any.
    pub(crate) fn report(&self) {
        match self.0.load(Ordering::Relaxed) {
            0 => {}
            1 => note(format_args!("1 connection was cut at the drain deadline.")),
            cut => note(format_args!("{cut} connections were cut at the drain deadline.")),
        }
    }
}

/// Why a connection is not admitted, in the words of the command line.
fn in_flags(reason: NotAdmitted) -> String {
    match reason {
        NotAdmitted::Origin => "The peer is not among those that --origins names.".to_owned(),
        NotAdmitted::Full => "As many connections are open as --max-connections allows.".to_owned(),
        NotAdmitted::Peer => {
            "The peer has as many connections open as --max-connections-per-peer allows.".to_owned()
        }
        reason => reason.to_string(),
    }
}

/// `--log`: a line for each connection that opens, closes or is not admitted, each request that the machine refuses, and
/// each failure.
pub(crate) struct Log(pub(crate) CutConnections);

fn line(channel: &str, peername: Option<&Peer>, event: fmt::Arguments<'_>) {
    let now = humantime::format_rfc3339_millis(SystemTime::now());
    match peername {
        Some(peername) => queue().push(&format!("{now} {channel} {peername} {event}")),
        None => queue().push(&format!("{now} {channel} - {event}")),
    }
}

fn line_of(connection: &ConnectionInfo, event: fmt::Arguments<'_>) {
    line(&connection.channel, Some(&connection.peername), event);
}

impl Subscriber for Log {
    fn hears_requests(&self) -> bool {
        false
    }

    fn not_admitted(&self, peername: &Peer, sockname: &Peer, reason: NotAdmitted) {
        line("-", Some(peername), format_args!("not admitted at {sockname}: {}", in_flags(reason)));
    }

    fn not_opened(&self, connection: &ConnectionInfo, reason: CloseReason, text: Option<&str>) {
        let sockname = &connection.sockname;
        match text {
            Some(text) => line_of(connection, format_args!("not opened at {sockname}: {reason} {text}")),
            None => line_of(connection, format_args!("not opened at {sockname}: {reason}")),
        }
    }

    fn opened(&self, connection: &ConnectionInfo) {
        line_of(connection, format_args!("opened at {}", connection.sockname));
    }

    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        line_of(connection, format_args!("refused {}: {error}", error.status().code()));
    }

    fn connection_lost(&self, connection: &ConnectionInfo, text: &str) {
        line_of(connection, format_args!("lost: {text}"));
    }

    fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
        self.0.count(reason);
        line_of(connection, format_args!("closed: {reason}"));
    }

    fn no_room(&self, connection: Option<&ConnectionInfo>, memory: &MemoryUse) {
        let (bytes, promised, spooled) = (memory.total(), memory.promised, memory.spooled);
        let limits = "The limits are --max-buffered-bytes and --max-spooled-bytes.";
        let held = format!(
            "{bytes} bytes are in memory, peers have been asked for {promised} more, and {spooled} are in temporary files. \
             {limits}"
        );
        match connection {
            Some(ConnectionInfo { channel, peername, .. }) => {
                note_often(
                    "room",
                    format_args!("There is no room for a request on {channel} from {peername}: {held}"),
                );
            }
            None => note_often("room", format_args!("There is no room for a piece of a response: {held}")),
        }
    }

    fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        match connection {
            Some(connection) => line_of(connection, format_args!("failure ({failure}): {text}")),
            None => line("-", None, format_args!("failure ({failure}): {text}")),
        }
    }
}

/// Without `--log`: what the operator should know anyway, at most one line a second of each kind.
pub(crate) struct Notices(pub(crate) CutConnections);

impl Subscriber for Notices {
    fn hears_requests(&self) -> bool {
        false
    }

    fn not_admitted(&self, peername: &Peer, sockname: &Peer, reason: NotAdmitted) {
        let kind = match reason {
            NotAdmitted::Full => "full",
            NotAdmitted::Peer => "peer",
            NotAdmitted::Origin => "origin",
            // It is known that a draining server accepts nobody.
            NotAdmitted::Draining => return,
            _ => "not admitted",
        };
        note_often(
            kind,
            format_args!("A connection from {peername} is not admitted at {sockname}: {}", in_flags(reason)),
        );
    }

    fn closed(&self, _: &ConnectionInfo, reason: CloseReason) {
        self.0.count(reason);
    }

    /// Only requests that are refused because the server is too busy.
    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        if error.rule == Rule::Busy {
            let ConnectionInfo { channel, peername, .. } = connection;
            note_often(
                "busy",
                format_args!(
                    "A request on {channel} from {peername} is refused: {error} The limits are \
                     --maximum-simultaneous-requests and --max-buffered-bytes."
                ),
            );
        }
    }

    fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        match connection {
            Some(ConnectionInfo { channel, peername, .. }) => {
                note_often(failure.name(), format_args!("{channel} from {peername}: {text}"));
            }
            None => note_often(failure.name(), format_args!("{text}")),
        }
    }
}
