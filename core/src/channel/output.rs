//! What comes out of a channel.

use core::fmt;

use crate::error::{BodyError, CloseReason, RequestError};
use crate::trailers::Trailers;

/// One event out of a channel: each comes once, in order, and lends what it carries until the next call.
///
/// The bytes to send are no event but state: [`unsent`](crate::Channel::unsent) (ginsfsm's
/// EV_WRITE_OUTPUT_DATA and EV_SEND_DATA). [`CloseWrite`](Self::CloseWrite), [`Upgraded`](Self::Upgraded) and
/// [`Drop`](Self::Drop) come only when all of them have left.
///
/// ```
#[doc = include_str!("../examples/fresh_channel.txt")]
/// channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))?;
/// let mut closed = None;
/// while closed.is_none() {
///     match channel.next_output() {
///         Some(Output::HttpRequest) => {
///             channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
///         }
///         // The transport sends FIN. Then the peer, which has the response, ends its side, too.
///         Some(Output::CloseWrite) => channel.handle(&now, Input::RxEnd)?,
///         Some(Output::HttpChannelClosed(reason)) => closed = Some(reason),
///         Some(_) => {}
///         // The socket takes all that there is.
///         None => channel.handle(&now, Input::Sent(channel.unsent_len()))?,
///     }
/// }
/// assert_eq!(closed, Some(CloseReason::RequestedByPeer));
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Clone, Copy)]
pub enum Output<'a> {
    /// The channel is open; the first event.
    #[doc(alias = "EV_HTTP_CHANNEL_OPENED")]
    HttpChannelOpened,
    /// A request has come: [`request`](crate::Channel::request) shows its head.
    #[doc(alias = "EV_HTTP_REQUEST")]
    HttpRequest,
    /// Bytes of the request body, as many as were demanded and are there. Never empty.
    BodyData(&'a [u8]),
    /// The request body is whole. Trailer fields are kept apart from the head. A request without a body yields this at
    /// the first demand for it, and not otherwise. A chunked body of which exactly so many bytes were demanded as it has
    /// yields this at the next demand ([`Input::BodyDemand`](crate::channel::Input::BodyDemand)).
    BodyEnd(Trailers<'a>),
    /// The request body ends here and is not whole.
    BodyFailed(BodyError),
    /// The peer has ended its input; the response to this request still goes out. It comes once for each request that is
    /// with the application then, or is delivered later, unless the response is complete before it is taken.
    PeerEnded,
    /// The machine has responded by itself, with the status of this error.
    Refused(RequestError),
    /// This many bytes of the response exceeded its Content-Length and were cut.
    Excess(u64),
    /// Everything up to the last flush has left.
    Flushed,
    /// There is room for output again, after there was none.
    #[doc(alias = "EV_TRANSMIT_READY")]
    TransmitReady,
    /// A hint to send now: what is [`unsent`](crate::Channel::unsent) is to be sent in any case, and may have left by now.
    #[doc(alias = "EV_FLUSH_OUTPUT_DATA")]
    FlushOutputData,
    /// The head of the hand-over has left: from now on the connection is the application's. These bytes came
    /// behind the request and are the first of the new protocol.
    Upgraded(&'a [u8]),
    /// Send FIN, and go on reading.
    CloseWrite,
    /// Close the connection.
    Drop {
        /// Close with a reset: the connection was lost, output was pending, a response was cut that only the close could
        /// end, or an error page or a trace panicked. The peer could take a plain close for the end of a whole response.
        reset: bool,
    },
    /// The channel is closed; the last event.
    #[doc(alias = "EV_HTTP_CHANNEL_CLOSED")]
    HttpChannelClosed(CloseReason),
}

/// Of bytes it shows how many there are.
impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HttpChannelOpened => f.write_str("HttpChannelOpened"),
            Self::HttpRequest => f.write_str("HttpRequest"),
            Self::BodyData(bytes) => write!(f, "BodyData({} bytes)", bytes.len()),
            Self::BodyEnd(trailers) => f.debug_tuple("BodyEnd").field(trailers).finish(),
            Self::BodyFailed(error) => f.debug_tuple("BodyFailed").field(error).finish(),
            Self::PeerEnded => f.write_str("PeerEnded"),
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
            Self::Excess(bytes) => f.debug_tuple("Excess").field(bytes).finish(),
            Self::Flushed => f.write_str("Flushed"),
            Self::TransmitReady => f.write_str("TransmitReady"),
            Self::FlushOutputData => f.write_str("FlushOutputData"),
            Self::Upgraded(bytes) => write!(f, "Upgraded({} bytes)", bytes.len()),
            Self::CloseWrite => f.write_str("CloseWrite"),
            Self::Drop { reset } => f.debug_struct("Drop").field("reset", reset).finish(),
            Self::HttpChannelClosed(reason) => f.debug_tuple("HttpChannelClosed").field(reason).finish(),
        }
    }
}
