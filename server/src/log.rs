//! `--log`: a line on the standard error stream for each connection that opens, closes or is refused.

use std::fmt;
use std::io::{self, Write};
use std::time::SystemTime;

use httpfsm::error::{CloseReason, RequestError};
use httpfsm::handler::{ConnectionInfo, Subscriber};

/// Hears the events of every channel and writes some of them down.
pub(crate) struct Log;

fn line(connection: &ConnectionInfo, event: fmt::Arguments<'_>) {
    let now = humantime::format_rfc3339_millis(SystemTime::now());
    let line = format!("{now} {} {} {event}\n", connection.channel, connection.peername);
    // One write a line, so that lines of several threads do not mix; a closed stream is no reason to stop.
    let _ = io::stderr().write_all(line.as_bytes());
}

impl Subscriber for Log {
    fn opened(&self, connection: &ConnectionInfo) {
        line(connection, format_args!("opened at {}", connection.sockname));
    }

    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        line(connection, format_args!("refused {}: {error}", error.status().code()));
    }

    fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
        line(connection, format_args!("closed: {reason}"));
    }
}
