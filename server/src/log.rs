//! `--log`: a line on the standard error stream for each connection that opens, closes or is not admitted, and each request that
//! the machine refuses.

use std::fmt;
use std::io::{self, Write};
use std::time::SystemTime;

use httpfsm::error::{CloseReason, RequestError};
use httpfsm::handler::{ConnectionInfo, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::server::Refusal;

/// Says something on the standard error stream; that it may be closed is no reason to stop.
pub(crate) fn note(what: fmt::Arguments<'_>) {
    let _ = io::stderr().write_all(format!("httpfsm: {what}\n").as_bytes());
}

/// Hears the events of every channel and writes some of them down.
pub(crate) struct Log;

fn line(channel: &str, peername: &Peer, event: fmt::Arguments<'_>) {
    let now = humantime::format_rfc3339_millis(SystemTime::now());
    let line = format!("{now} {channel} {peername} {event}\n");
    // One write a line, so that lines of several threads do not mix; a closed stream is no reason to stop.
    let _ = io::stderr().write_all(line.as_bytes());
}

impl Subscriber for Log {
    fn not_admitted(&self, peername: &Peer, sockname: &Peer, reason: Refusal) {
        line("-", peername, format_args!("not admitted at {sockname}: {reason}"));
    }

    fn opened(&self, connection: &ConnectionInfo) {
        line(&connection.channel, &connection.peername, format_args!("opened at {}", connection.sockname));
    }

    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        line(
            &connection.channel,
            &connection.peername,
            format_args!("refused {}: {error}", error.status().code()),
        );
    }

    fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
        line(&connection.channel, &connection.peername, format_args!("closed: {reason}"));
    }
}
