//! What went wrong, in three types: [`NotAccepted`](crate::channel::NotAccepted) is the caller's mistake; [`RequestError`]
//! is why the machine responds by itself, which is the peer's mistake or the server's own reason (the handler failed, the
//! server is busy or drains); [`CloseReason`] is why a channel ended, by a [`RequestError`] among others.

mod rule;

use core::fmt;

pub use self::rule::Rule;
use crate::status::Status;

/// Why the machine responds by itself: the peer's mistake, or the server's own reason. Which rule, and at which byte.
///
/// ```
#[doc = include_str!("examples/fresh_channel.txt")]
/// channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\nHost: localhost\n\n"))?;
/// while let Some(output) = channel.next_output() {
///     if let Output::Refused(error) = output {
///         assert_eq!((error.rule, error.offset), (Rule::BareLf, 14));
///     }
/// }
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct RequestError {
    /// The rule that decided.
    pub rule: Rule,
    /// Bytes from the start of the head, or, for rules about the body, from the start of the body as it was sent
    /// (chunk lines included); a Content-Length that is too large stands in the head. Of a head or a body that does not
    /// come, so many bytes have arrived. 0 where no byte is to blame.
    pub offset: u64,
}

impl RequestError {
    /// A broken rule at a byte.
    ///
    /// ```
    /// use httpfsm::{RequestError, Rule};
    ///
    /// // To test an error page.
    /// let error = RequestError::new(Rule::BareLf, 14);
    /// assert_eq!(error.to_string(), "A line ends in LF alone; lines end in CR LF. (byte 14, RFC 9112 section 2.2)");
    /// ```
    #[must_use]
    pub const fn new(rule: Rule, offset: u64) -> Self {
        Self { rule, offset }
    }

    /// The status of the response.
    ///
    /// ```
    /// use httpfsm::{RequestError, Rule, Status};
    ///
    /// assert_eq!(RequestError::new(Rule::BodyTooLarge, 0).status(), Status::CONTENT_TOO_LARGE);
    /// ```
    #[must_use]
    pub const fn status(&self) -> Status {
        self.rule.status()
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {}, {})", self.rule, self.offset, self.rule.source())
    }
}

impl core::error::Error for RequestError {}

/// Why the bytes of a request body ended before the body did.
///
/// ```
/// use httpfsm::{BodyError, RequestError, Rule, Status};
///
/// /// What a handler responds if it cannot read the body: whose fault was it?
/// fn status(error: BodyError) -> Status {
///     match error {
///         BodyError::Malformed(error) => error.status(),
///         BodyError::TimedOut => Status::REQUEST_TIMEOUT,
///         _ => Status::BAD_REQUEST,
///     }
/// }
/// let malformed = BodyError::Malformed(RequestError::new(Rule::ChunkSize, 7));
/// assert_eq!(status(malformed), Status::BAD_REQUEST);
/// assert_eq!(status(BodyError::TimedOut), Status::REQUEST_TIMEOUT);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// The peer ended its input inside the body.
    Truncated,
    /// The body broke a rule (a chunk that is none, a limit).
    Malformed(RequestError),
    /// The body did not arrive at the minimum rate.
    TimedOut,
    /// The connection was lost.
    Disconnected,
    /// The body was first asked for behind the final head, and the peer waits for a `100 Continue` that can no longer be
    /// sent (RFC 9110 section 10.1.1).
    NotContinued,
    /// The response was complete before the body was read to its end: what was not asked for by then, or had not come, is
    /// not read any more. The connection may go on.
    ResponseComplete,
    /// The channel closed for a reason of its own before the body was whole.
    Closed,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("The peer ended its input inside the request body."),
            Self::Malformed(error) => write!(f, "{error}"),
            Self::TimedOut => f.write_str("The request body did not arrive at the minimum rate."),
            Self::Disconnected => f.write_str("The connection was lost inside the request body."),
            Self::NotContinued => f.write_str(
                "The request body was first asked for after the head of the response, when no 100 Continue can be sent.",
            ),
            Self::ResponseComplete => {
                f.write_str("The response was complete before the request body had been read to its end.")
            }
            Self::Closed => f.write_str("The channel closed before the request body was whole."),
        }
    }
}

impl core::error::Error for BodyError {}

/// Why a channel ended.
///
/// ```
/// use httpfsm::{CloseReason, RequestError, Rule};
///
/// /// What a log of faults says of a connection that has ended.
/// fn fault(reason: CloseReason) -> Option<String> {
///     match reason {
///         CloseReason::Refused(error) => Some(format!("{}: {error}", error.status().code())),
///         CloseReason::Aborted | CloseReason::ResponseShort => Some(reason.to_string()),
///         _ => None,
///     }
/// }
/// assert_eq!(fault(CloseReason::PeerEnded), None);
/// let refused = CloseReason::Refused(RequestError::new(Rule::HostMissing, 0));
/// assert!(fault(refused).is_some_and(|line| line.starts_with("400: ")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer ended its input between requests.
    PeerEnded,
    /// The connection was lost.
    Disconnected,
    /// The peer asked for it with its last request (`Connection: close`, or HTTP/1.0 without keep-alive).
    RequestedByPeer,
    /// The application asked for it with its last response, or the end of that response is the end of the connection.
    RequestedByApplication,
    /// A request was refused.
    Refused(RequestError),
    /// The rest of a request body was not worth waiting for.
    BodyUnread,
    /// A request body broke off or broke a rule while its response was running.
    BodyFailed(BodyError),
    /// No first byte of a request in `first_byte_timeout`.
    FirstByteTimeout,
    /// Idle for `inactivity_timeout`.
    InactivityTimeout,
    /// The peer read below `min_write_rate`.
    WriteTimeout,
    /// The application was silent for `stream_idle_timeout`.
    StreamIdleTimeout,
    /// The application was silent for `peer_ended_timeout` after the peer had ended its input, and its response was cut.
    PeerEndedTimeout,
    /// The application failed behind the final head of its response. A failure before it is a 500, and closes with
    /// [`Refused`](Self::Refused).
    Aborted,
    /// The application ended its response short of its Content-Length.
    ResponseShort,
    /// The server went out of service.
    Drained,
    /// The server went out of service, and the drain deadline came behind the final head of a response, or while its rest
    /// left. Before a final head, the request gets a 503, which closes with [`Refused`](Self::Refused).
    DrainTimeout,
    /// The server wanted the connection back.
    Evicted,
    /// The connection reached `connection_age`.
    AgeReached,
    /// The connection served `requests_per_connection`.
    RequestsServed,
    /// The connection was handed over to another protocol, and that has ended.
    Upgraded,
    /// Before HTTP: the preface was not complete in `preface_timeout`.
    PrefaceTimeout,
    /// Before HTTP: the handshake was not complete in `handshake_timeout`.
    HandshakeTimeout,
    /// Before HTTP: the handshake failed.
    HandshakeFailed,
    /// Before HTTP: the server does not serve the peer that the preface names.
    NotAdmitted,
    /// Before HTTP: there was no room for what the peer had sent, under `max_buffered_bytes`.
    NoRoom,
}

impl CloseReason {
    /// Whether the connection ends in good order, after its last response or between two.
    pub(crate) const fn is_planned(self) -> bool {
        match self {
            Self::PeerEnded
            | Self::RequestedByPeer
            | Self::RequestedByApplication
            | Self::BodyUnread
            | Self::Drained
            | Self::Evicted
            | Self::AgeReached
            | Self::RequestsServed => true,
            Self::Disconnected
            | Self::Refused(_)
            | Self::BodyFailed(_)
            | Self::FirstByteTimeout
            | Self::InactivityTimeout
            | Self::WriteTimeout
            | Self::StreamIdleTimeout
            | Self::PeerEndedTimeout
            | Self::Aborted
            | Self::ResponseShort
            | Self::DrainTimeout
            | Self::Upgraded
            | Self::PrefaceTimeout
            | Self::HandshakeTimeout
            | Self::HandshakeFailed
            | Self::NotAdmitted
            | Self::NoRoom => false,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PeerEnded => "The peer ended its input.",
            Self::Disconnected => "The connection was lost.",
            Self::RequestedByPeer => "The peer asked for the close.",
            Self::RequestedByApplication => "The application asked for the close.",
            Self::Refused(error) => return write!(f, "Refused: {error}"),
            Self::BodyUnread => "The rest of the request body was not read.",
            Self::BodyFailed(error) => return write!(f, "{error}"),
            Self::FirstByteTimeout => "No request began in time.",
            Self::InactivityTimeout => "The connection was idle for too long.",
            Self::WriteTimeout => "The peer did not take the response in time.",
            Self::StreamIdleTimeout => "The application was silent for too long.",
            Self::PeerEndedTimeout => {
                "The application was silent for too long after the peer had ended its input."
            }
            Self::Aborted => "The application failed in the middle of its response.",
            Self::ResponseShort => "The response ended short of its Content-Length.",
            Self::Drained => "The server went out of service.",
            Self::DrainTimeout => "The server went out of service, and the drain deadline came.",
            Self::Evicted => "The server needed the connection back.",
            Self::AgeReached => "The connection was old enough.",
            Self::RequestsServed => "The connection served as many requests as it may.",
            Self::Upgraded => "The other protocol ended.",
            Self::PrefaceTimeout => "What comes before HTTP was not complete in time.",
            Self::HandshakeTimeout => "The handshake before HTTP was not complete in time.",
            Self::HandshakeFailed => "The handshake before HTTP failed.",
            Self::NotAdmitted => "The server does not serve the peer that was named before HTTP.",
            Self::NoRoom => "The server had no room for what was sent before HTTP.",
        })
    }
}
