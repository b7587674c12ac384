//! Who is told what happens on every channel.

use alloc::format;
use core::fmt;

use super::control::ConnectionInfo;
use super::memory::MemoryUse;
use crate::error::{BodyError, CloseReason, RequestError};
use crate::fields::InvalidField;
use crate::peer::Peer;
use crate::request::RequestRef;
use crate::server::NotAdmitted;

/// Hears every event that a channel sends upwards, for logs and counters; the requests themselves go to the
/// [`Handler`](super::Handler).
///
/// Every method does nothing by default. They are called where the transport serves its connections, which is one thread
/// for all of them on some: what blocks here holds up others, so a log is written elsewhere. What panics is caught and
/// goes no further. An upgraded connection that the drain deadline cuts is told on a thread beside, and a recording that
/// cannot be written on the thread that writes.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use httpfsm::error::RequestError;
/// use httpfsm::handler::{ConnectionInfo, Subscriber};
///
/// #[derive(Default)]
/// struct Refusals(AtomicU64);
///
/// impl Subscriber for Refusals {
///     fn refused(&self, _connection: &ConnectionInfo, _error: &RequestError) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
/// ```
///
/// The types of the arguments are where their subjects are; those of an implementation of all methods are these:
///
/// ```
/// use httpfsm::error::{BodyError, CloseReason, RequestError};
/// use httpfsm::fields::InvalidField;
/// use httpfsm::handler::{ConnectionInfo, Failure, MemoryUse, Subscriber};
/// use httpfsm::peer::Peer;
/// use httpfsm::request::RequestRef;
/// use httpfsm::server::NotAdmitted;
/// #
/// # struct All;
/// #
/// # impl Subscriber for All {
/// #     fn failed(&self, _: Option<&ConnectionInfo>, _: Failure, _: &str) {}
/// #     fn not_admitted(&self, _: &Peer, _: &Peer, _: NotAdmitted) {}
/// #     fn not_opened(&self, _: &ConnectionInfo, _: CloseReason, _: Option<&str>) {}
/// #     fn request(&self, _: &ConnectionInfo, _: RequestRef<'_>) {}
/// #     fn body_failed(&self, _: &ConnectionInfo, _: &BodyError) {}
/// #     fn refused(&self, _: &ConnectionInfo, _: &RequestError) {}
/// #     fn invalid_field(&self, _: &ConnectionInfo, _: &InvalidField) {}
/// #     fn no_room(&self, _: Option<&ConnectionInfo>, _: &MemoryUse) {}
/// # }
/// ```
pub trait Subscriber: Send + Sync {
    /// Whether [`request`](Self::request) and [`body_end`](Self::body_end), which come with every request, are to be
    /// called. Asked once, when the server starts. Default `true`; `false` spares each request the two calls.
    fn hears_requests(&self) -> bool {
        true
    }

    /// Something failed that its operator should know of: see [`Failure`]. `connection` is the one that it happened on,
    /// if it concerns one; `text` is a sentence that names the address, the file or the folder, where there is one.
    fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        let _ = (connection, failure, text);
    }

    /// A connection was not admitted: there is no channel, and nothing follows for it.
    fn not_admitted(&self, peername: &Peer, sockname: &Peer, reason: NotAdmitted) {
        let _ = (peername, sockname, reason);
    }

    /// A connection was accepted and has ended before its channel opened, where something comes
    /// [before HTTP](crate::prologue): there is no channel, and nothing else is told of it. `text` is what the system, or
    /// the layer whose handshake failed, says of it, if anything. One whose peer was named and is not served is told as
    /// [`not_admitted`](Self::not_admitted).
    fn not_opened(&self, connection: &ConnectionInfo, reason: CloseReason, text: Option<&str>) {
        let _ = (connection, reason, text);
    }

    /// A connection was accepted and belongs to another protocol, as what comes [before HTTP](crate::prologue) says. It
    /// comes in place of [`opened`](Self::opened), and when that protocol is over there is [`closed`](Self::closed).
    fn handed_over(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }

    /// `HttpChannelOpened`: a connection was accepted, and what comes before HTTP on it is over.
    fn opened(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }

    /// `HttpRequest`: a head is complete and valid; the handler is called next.
    fn request(&self, connection: &ConnectionInfo, request: RequestRef<'_>) {
        let _ = (connection, request);
    }

    /// `BodyEnd`: the body of the current request is whole.
    fn body_end(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }

    /// `BodyFailed`: the body of the current request ended before its end.
    fn body_failed(&self, connection: &ConnectionInfo, error: &BodyError) {
        let _ = (connection, error);
    }

    /// The machine has responded to a request by itself: which rule decided, and at which byte. Failures of the handler, a
    /// busy server and a drain are rules, too.
    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        let _ = (connection, error);
    }

    /// The handler gave a field that cannot be sent, and a 500 was sent instead of its response. The default tells
    /// [`failed`](Self::failed).
    fn invalid_field(&self, connection: &ConnectionInfo, fault: &InvalidField) {
        let text = format!("A field of the response cannot be sent: {fault}");
        self.failed(Some(connection), Failure::Handler, &text);
    }

    /// `Excess`: the handler gave so many bytes more than its Content-Length; they were cut.
    fn excess(&self, connection: &ConnectionInfo, bytes: u64) {
        let _ = (connection, bytes);
    }

    /// `PeerEnded`: the peer ended its side of the connection.
    fn peer_ended(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }

    /// `Upgraded`: the connection belongs to another protocol from here on.
    fn upgraded(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }

    /// The connection was lost, in the words of the system: it was reset, or nothing came back to keepalive probes, or
    /// sending failed. An end without that of a protocol below HTTP, as `close_notify` of TLS is, is a loss within a request
    /// or a response, which it may have cut; between them it is an end as any other. What a loss means for the channel
    /// comes with [`closed`](Self::closed).
    fn connection_lost(&self, connection: &ConnectionInfo, text: &str) {
        let _ = (connection, text);
    }

    /// There was no room in the server's memory or temporary files (`max_buffered_bytes`, `max_spooled_bytes`) for a
    /// request, which gets a 503 where its response has not begun and is cut otherwise, or for a piece of a response,
    /// whose source is told. A response that is cut for that is no other failure ([`failed`](Self::failed) is not called).
    /// Before HTTP the connection is closed ([`not_opened`](Self::not_opened)). `connection` is not known for a piece.
    /// `memory` is what the server holds.
    fn no_room(&self, connection: Option<&ConnectionInfo>, memory: &MemoryUse) {
        let _ = (connection, memory);
    }

    /// `HttpChannelClosed`: the channel is over, and why. Nothing follows for this connection.
    fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
        let _ = (connection, reason);
    }
}

/// What can fail beside the connections themselves, and is no peer's fault. The server goes on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// A listener could not accept: there are no more descriptors, or there is no more memory. It tries again after a
    /// pause.
    Accept,
    /// The handler panicked, or its response cannot be sent: one that is shorter than its `Content-Length`, a 101
    /// to a request that asks for no upgrade, a field that could end its line. 500 was sent where no head had left. Or its
    /// response says so itself ([`Response::with_failure`](super::Response::with_failure)), and was sent.
    Handler,
    /// The source of a response failed behind its head, a file that became shorter, say. The connection was cut. Or the body
    /// of the request was first asked for behind the head ([`BodyError::NotContinued`]), and failed; the connection ends
    /// with the response.
    Response,
    /// A request body could not be kept in a temporary file. 500 was sent.
    Spool,
    /// A recording could not be written. It ends there.
    Recording,
    /// What reads the bytes before HTTP, makes a layer, or takes connections of another protocol panicked. Or a preface took
    /// more bytes than had come, or no layer could be made, by no fault of the peer's. The connection was closed.
    Prologue,
    /// A layer that a listener puts on its connections panicked, in its handshake or at any time behind it. The connection
    /// was closed.
    Layer,
}

impl Failure {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Accept,
        Self::Handler,
        Self::Response,
        Self::Spool,
        Self::Recording,
        Self::Prologue,
        Self::Layer,
    ];

    /// A word for it, for logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Handler => "handler",
            Self::Response => "response",
            Self::Spool => "spool",
            Self::Recording => "recording",
            Self::Prologue => "prologue",
            Self::Layer => "layer",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Nobody listens.
impl Subscriber for () {}
