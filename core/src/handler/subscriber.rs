//! Who is told what happens on every channel.

use alloc::format;
use core::fmt;

use super::connection_info::ConnectionInfo;
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
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// /// Counts connections, and has no interest in what comes on them.
    /// struct Connections(AtomicU64);
    ///
    /// impl Subscriber for Connections {
    ///     fn hears_requests(&self) -> bool {
    ///         false
    ///     }
    ///
    ///     fn opened(&self, _connection: &ConnectionInfo) {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// }
    /// ```
    fn hears_requests(&self) -> bool {
        true
    }

    /// Something failed that its operator should know of: see [`Failure`]. `connection` is the one that it happened on,
    /// if it concerns one; `text` is a sentence that names the address, the file or the folder, where there is one. It is
    /// one line: a transport replaces line ends and other control characters by spaces.
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// struct Log;
    ///
    /// impl Subscriber for Log {
    ///     fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
    ///         let on = connection.map_or("server", |connection| &connection.channel);
    ///         eprintln!("{on}: {failure}: {text}");
    ///     }
    /// }
    /// # Log.failed(None, Failure::Accept, "There are no more descriptors.");
    /// ```
    fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        let _ = (connection, failure, text);
    }

    /// A connection was not admitted: there is no channel, and nothing follows for it.
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// /// How many were turned away because there are too many already. Those that may not come anyway are no news.
    /// #[derive(Default)]
    /// struct Overload(AtomicU64);
    ///
    /// impl Subscriber for Overload {
    ///     fn not_admitted(&self, _peername: &Peer, _sockname: &Peer, reason: NotAdmitted) {
    ///         if reason != NotAdmitted::Origin {
    ///             self.0.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     }
    /// }
    /// ```
    fn not_admitted(&self, peername: &Peer, sockname: &Peer, reason: NotAdmitted) {
        let _ = (peername, sockname, reason);
    }

    /// A connection was accepted and has ended before its channel opened, where something comes
    /// [before HTTP](crate::prologue): there is no channel, and nothing else is told of it. `text` is what the system, or
    /// the layer whose handshake failed, says of it, if anything. One whose peer was named and is not served is told as
    /// [`not_admitted`](Self::not_admitted).
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// struct Log;
    ///
    /// impl Subscriber for Log {
    ///     fn not_opened(&self, connection: &ConnectionInfo, reason: CloseReason, text: Option<&str>) {
    ///         let text = text.unwrap_or_default();
    ///         // An expired certificate, say, or a peer that has asked for no name.
    ///         eprintln!("{}: no handshake with {}: {reason} {text}", connection.channel, connection.peername);
    ///     }
    /// }
    /// ```
    fn not_opened(&self, connection: &ConnectionInfo, reason: CloseReason, text: Option<&str>) {
        let _ = (connection, reason, text);
    }

    /// A connection was accepted and belongs to another protocol, as what comes [before HTTP](crate::prologue) says. It
    /// comes in place of [`opened`](Self::opened), and when that protocol is over there is [`closed`](Self::closed).
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// /// How many connections speak HTTP/2, for which the server calls another library.
    /// #[derive(Default)]
    /// struct Http2(AtomicU64);
    ///
    /// impl Subscriber for Http2 {
    ///     fn handed_over(&self, _connection: &ConnectionInfo) {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// }
    /// ```
    fn handed_over(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }

    /// `HttpChannelOpened`: a connection was accepted, and what comes before HTTP on it is over.
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// /// How many channels there are now.
    /// #[derive(Default)]
    /// struct Channels(AtomicI64);
    ///
    /// impl Subscriber for Channels {
    ///     fn opened(&self, _connection: &ConnectionInfo) {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///     }
    ///
    ///     fn closed(&self, _connection: &ConnectionInfo, _reason: CloseReason) {
    ///         self.0.fetch_sub(1, Ordering::Relaxed);
    ///     }
    /// }
    /// ```
    fn opened(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }

    /// `HttpRequest`: a head is complete and valid; the handler is called next.
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// struct AccessLog;
    ///
    /// impl Subscriber for AccessLog {
    ///     fn request(&self, connection: &ConnectionInfo, request: RequestRef<'_>) {
    ///         println!("{} {} {}", connection.peername, request.method(), request.target());
    ///     }
    /// }
    /// ```
    fn request(&self, connection: &ConnectionInfo, request: RequestRef<'_>) {
        let _ = (connection, request);
    }

    /// `BodyEnd`: the body of the current request is whole.
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// /// How many bodies of requests have come as a whole.
    /// #[derive(Default)]
    /// struct Received(AtomicU64);
    ///
    /// impl Subscriber for Received {
    ///     fn body_end(&self, _connection: &ConnectionInfo) {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// }
    /// ```
    fn body_end(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }

    /// `BodyFailed`: the body of the current request ended before its end.
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// /// Uploads that were given up, by their peers or because of `body_timeout`.
    /// #[derive(Default)]
    /// struct GivenUp(AtomicU64);
    ///
    /// impl Subscriber for GivenUp {
    ///     fn body_failed(&self, _connection: &ConnectionInfo, error: &BodyError) {
    ///         if matches!(error, BodyError::Truncated | BodyError::Disconnected | BodyError::TimedOut) {
    ///             self.0.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     }
    /// }
    /// ```
    fn body_failed(&self, connection: &ConnectionInfo, error: &BodyError) {
        let _ = (connection, error);
    }

    /// The machine has responded to a request by itself: which rule decided, and at which byte. Failures of the handler, a
    /// busy server and a drain are rules, too.
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// struct Log;
    ///
    /// impl Subscriber for Log {
    ///     fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
    ///         eprintln!("{}: {} of {}", connection.channel, error.status(), connection.peername);
    ///         // The sentence says which rule it was, and at which byte.
    ///         eprintln!("{error}");
    ///     }
    /// }
    /// ```
    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        let _ = (connection, error);
    }

    /// The handler gave a field that cannot be sent, and a 500 was sent instead of its response. The default tells
    /// [`failed`](Self::failed).
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// /// Counts them apart from other failures of handlers: a peer may have chosen what is in such a field.
    /// #[derive(Default)]
    /// struct Fields(AtomicU64);
    ///
    /// impl Subscriber for Fields {
    ///     fn invalid_field(&self, connection: &ConnectionInfo, fault: &InvalidField) {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///         eprintln!("{}: {fault}", connection.channel);
    ///     }
    /// }
    /// ```
    fn invalid_field(&self, connection: &ConnectionInfo, fault: &InvalidField) {
        let text = format!("A field of the response cannot be sent: {fault}");
        self.failed(Some(connection), Failure::Handler, &text);
    }

    /// `Excess`: the handler gave so many bytes more than its Content-Length; they were cut.
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// struct Log;
    ///
    /// impl Subscriber for Log {
    ///     fn excess(&self, connection: &ConnectionInfo, bytes: u64) {
    ///         eprintln!("{}: the response is {bytes} bytes longer than it said", connection.channel);
    ///     }
    /// }
    /// ```
    fn excess(&self, connection: &ConnectionInfo, bytes: u64) {
        let _ = (connection, bytes);
    }

    /// `PeerEnded`: the peer ended its side of the connection.
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// struct Log;
    ///
    /// impl Subscriber for Log {
    ///     fn peer_ended(&self, connection: &ConnectionInfo) {
    ///         println!("{}: {} sends nothing more", connection.channel, connection.peername);
    ///     }
    /// }
    /// ```
    fn peer_ended(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }

    /// `Upgraded`: the connection belongs to another protocol from here on.
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// /// How many connections were upgraded, to WebSocket or as a tunnel.
    /// #[derive(Default)]
    /// struct Upgrades(AtomicU64);
    ///
    /// impl Subscriber for Upgrades {
    ///     fn upgraded(&self, _connection: &ConnectionInfo) {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// }
    /// ```
    fn upgraded(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }

    /// The connection was lost, in the words of the system: it was reset, or nothing came back to keepalive probes, or
    /// sending failed. An end without that of a protocol below HTTP, as `close_notify` of TLS is, is a loss within a request
    /// or a response, which it may have cut; between them it is an end as any other. What a loss means for the channel
    /// comes with [`closed`](Self::closed).
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// struct Log;
    ///
    /// impl Subscriber for Log {
    ///     fn connection_lost(&self, connection: &ConnectionInfo, text: &str) {
    ///         println!("{}: {} is lost: {text}", connection.channel, connection.peername);
    ///     }
    /// }
    /// ```
    fn connection_lost(&self, connection: &ConnectionInfo, text: &str) {
        let _ = (connection, text);
    }

    /// There was no room in the server's memory or temporary files (`max_buffered_bytes`, `max_spooled_bytes`) for a
    /// request, which gets a 503 where its response has not begun and is cut otherwise, or for a piece of a response,
    /// whose source is told. A response that is cut for that is no other failure ([`failed`](Self::failed) is not called).
    /// Before HTTP the connection is closed ([`not_opened`](Self::not_opened)). `connection` is not known for a piece.
    /// `memory` is what the server holds.
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// struct Log;
    ///
    /// impl Subscriber for Log {
    ///     fn no_room(&self, _connection: Option<&ConnectionInfo>, memory: &MemoryUse) {
    ///         // Bodies that nobody reads, or responses that peers do not take?
    ///         eprintln!("no room: {} bytes of bodies, {} of pieces", memory.bodies, memory.pieces);
    ///     }
    /// }
    /// ```
    fn no_room(&self, connection: Option<&ConnectionInfo>, memory: &MemoryUse) {
        let _ = (connection, memory);
    }

    /// `HttpChannelClosed`: the channel is over, and why. Nothing follows for this connection.
    ///
    /// ```
    #[doc = include_str!("../examples/subscriber.txt")]
    /// struct Log;
    ///
    /// impl Subscriber for Log {
    ///     fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
    ///         println!("{}: {reason}", connection.channel);
    ///     }
    /// }
    /// ```
    fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
        let _ = (connection, reason);
    }
}

/// What can fail beside the connections themselves, and is no peer's fault. The server goes on.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use httpfsm::handler::{ConnectionInfo, Failure, Subscriber};
///
/// /// One counter for each kind, by its place in `Failure::ALL`.
/// #[derive(Default)]
/// struct Failures([AtomicU64; Failure::ALL.len()]);
///
/// impl Subscriber for Failures {
///     fn failed(&self, _connection: Option<&ConnectionInfo>, failure: Failure, _text: &str) {
///         let kind = Failure::ALL.iter().position(|&kind| kind == failure);
///         if let Some(counter) = kind.and_then(|kind| self.0.get(kind)) {
///             counter.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let failures = Failures::default();
/// failures.failed(None, Failure::Handler, "The handler panicked.");
/// assert_eq!(failures.0[1].load(Ordering::Relaxed), 1);
/// ```
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
    ///
    /// ```
    /// use httpfsm::handler::Failure;
    ///
    /// let names = Failure::ALL.map(Failure::name);
    /// assert_eq!(names[..3], ["accept", "handler", "response"]);
    /// ```
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
