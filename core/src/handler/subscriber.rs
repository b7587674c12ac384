//! Who is told what happens on every channel.

use super::control::ConnectionInfo;
use crate::error::{BodyError, CloseReason, RequestError};
use crate::fields::InvalidField;
use crate::peer::Peer;
use crate::request::RequestRef;
use crate::server::Refusal;

/// Hears every event that a channel sends upwards, for logs and counters; the requests themselves go to the
/// [`Handler`](super::Handler).
///
/// Every method does nothing by default. They are called where the transport serves its connections, which is one thread
/// for all of them on some: what blocks here holds up others, so a log is written elsewhere. What panics is caught and
/// goes no further.
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
pub trait Subscriber: Send + Sync {
    /// A connection was not admitted: there is no channel, and nothing follows for it.
    fn not_admitted(&self, peername: &Peer, sockname: &Peer, reason: Refusal) {
        let _ = (peername, sockname, reason);
    }

    /// `HttpChannelOpened`: a connection was accepted.
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

    /// A request was refused by the machine: which rule, and at which octet.
    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        let _ = (connection, error);
    }

    /// The handler gave a field that cannot be sent; 500 was answered instead.
    fn invalid_field(&self, connection: &ConnectionInfo, fault: &InvalidField) {
        let _ = (connection, fault);
    }

    /// `Excess`: the handler gave so many octets more than its Content-Length; they were cut.
    fn excess(&self, connection: &ConnectionInfo, octets: u64) {
        let _ = (connection, octets);
    }

    /// `PeerEnded`: the peer ended its side of the connection.
    fn peer_ended(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }

    /// `Upgraded`: the connection belongs to another protocol from here on.
    fn upgraded(&self, connection: &ConnectionInfo) {
        let _ = connection;
    }

    /// `HttpChannelClosed`: the channel is over, and why. Nothing follows for this connection.
    fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
        let _ = (connection, reason);
    }
}

/// Nobody listens.
impl Subscriber for () {}
