//! What the program says on the standard error stream. No thread that serves waits for whoever reads it: a thread of its
//! own writes, from a bounded [queue](queue).

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io;
use std::panic;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, SystemTime};

use httpfsm::error::{CloseReason, RequestError};
use httpfsm::handler::{ConnectionInfo, Failure, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::server::Refusal;

use queue::Queue;

mod queue;

/// Says something.
pub(crate) fn note(what: fmt::Arguments<'_>) {
    queue().push(&format!("httpfsm: {what}"));
}

/// Says something that may come often: of each kind, at most one line a second, with their number.
pub(crate) fn note_often(kind: &'static str, what: fmt::Arguments<'_>) {
    queue().push_repeated(kind, &format!("httpfsm: {what}"));
}

/// Waits until all is written, if somebody reads it: the program is about to end.
pub(crate) fn flush(limit: Duration) {
    queue().flush(limit);
}

/// Begins, and has panics told here: the hook of the standard library writes where the panic happens, and holds up that
/// thread.
pub(crate) fn begin() {
    queue();
    panic::set_hook(Box::new(|info| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("without a name");
        let backtrace = Backtrace::capture();
        match backtrace.status() {
            BacktraceStatus::Captured => note(format_args!("thread {name} {info}\n{backtrace}")),
            _ => note(format_args!("thread {name} {info}")),
        }
    }));
}

fn queue() -> &'static Queue {
    static QUEUE: OnceLock<&'static Queue> = OnceLock::new();
    QUEUE.get_or_init(|| {
        let queue: &'static Queue = Box::leak(Box::default());
        // Where there is no thread to be had, nothing is told; the queue is bounded.
        let writer = thread::Builder::new().name("httpfsm-log".to_owned()).stack_size(128 << 10);
        let _ = writer.spawn(|| queue.write_to(io::stderr()));
        queue
    })
}

/// `--log`: a line for each connection that opens, closes or is not admitted, each request that the machine refuses, and
/// each failure.
pub(crate) struct Log;

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

    fn not_admitted(&self, peername: &Peer, sockname: &Peer, reason: Refusal) {
        line("-", Some(peername), format_args!("not admitted at {sockname}: {reason}"));
    }

    fn opened(&self, connection: &ConnectionInfo) {
        line_of(connection, format_args!("opened at {}", connection.sockname));
    }

    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        line_of(connection, format_args!("refused {}: {error}", error.status().code()));
    }

    fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
        line_of(connection, format_args!("closed: {reason}"));
    }

    fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        match connection {
            Some(connection) => line_of(connection, format_args!("{failure} failed: {text}")),
            None => line("-", None, format_args!("{failure} failed: {text}")),
        }
    }
}

/// Without `--log`: what its operator should know of all the same, at most one line a second of each kind.
pub(crate) struct Troubles;

impl Subscriber for Troubles {
    fn hears_requests(&self) -> bool {
        false
    }

    fn not_admitted(&self, peername: &Peer, sockname: &Peer, reason: Refusal) {
        let kind = match reason {
            Refusal::Full => "full",
            Refusal::Peer => "peer",
            Refusal::Origin => "origin",
            // That a server which drains takes nobody is known.
            Refusal::Draining => return,
            _ => "not admitted",
        };
        note_often(
            kind,
            format_args!("A connection from {peername} is not admitted at {sockname}: {reason}"),
        );
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
