//! What goes into a channel.

use core::fmt;

use bytes::Bytes;

use super::Event;
use super::compiled_config::Leave;
use super::elsewhere::Elsewhere;
use crate::fields::Fields;
use crate::fsm::Label;
use crate::response::ResponseRef;
use crate::status::Status;

/// Bytes of a response.
///
/// ```
#[doc = include_str!("../examples/waiting_channel.txt")]
/// channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, None)))?;
/// channel.handle(&now, Input::Write(Data::Slice(b"A line of a log, which is copied.\n")))?;
/// let film = bytes::Bytes::from(vec![0; 1 << 20]);
/// channel.handle(&now, Input::Write(Data::Bytes(film.clone())))?;
/// // The mebibyte is not: the channel holds it by reference.
/// assert!(!film.is_unique() && channel.buffered() < film.len());
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Clone)]
pub enum Data<'a> {
    /// Copied into the output: at most [`room`](crate::Channel::room) bytes.
    Slice(&'a [u8]),
    /// Passed by reference when it is large: any length while there is room and no other large one is on its way
    /// ([`room_for_bytes`](crate::Channel::room_for_bytes)); else at most `room` bytes.
    Bytes(Bytes),
    /// Bytes that the transport has and sends by itself: of a file, say. Taken while there is
    /// [room for bytes](crate::Channel::room_for_bytes), whatever their number, and never copied.
    Elsewhere(Elsewhere),
}

impl Data<'_> {
    /// The bytes; none of those that are elsewhere.
    ///
    /// ```
    /// use httpfsm::channel::Data;
    ///
    /// assert_eq!(Data::Slice(b"hello").as_slice(), Data::Bytes("hello".into()).as_slice());
    /// ```
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Slice(slice) => slice,
            Self::Bytes(bytes) => bytes,
            Self::Elsewhere(_) => &[],
        }
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Slice(slice) => slice.len() as u64,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Elsewhere(content) => content.len(),
        }
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How many bytes there are.
impl fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Slice(_) => "Slice",
            Self::Bytes(_) => "Bytes",
            Self::Elsewhere(_) => "Elsewhere",
        };
        write!(f, "{name}({} bytes)", self.len())
    }
}

/// One event into a channel. The first part comes from below (the transport), the second from above (the
/// application). The search of these pages finds each by its name in ginsfsm (`EV_RX_DATA`), too.
///
/// Nothing of the application reaches a request that it does not know yet: until
/// [`Output::HttpRequest`](crate::channel::Output::HttpRequest) was taken, what it sends belongs to the request before,
/// whose response is complete already, and is not accepted.
///
/// ```
#[doc = include_str!("../examples/fresh_channel.txt")]
/// let inputs = [
///     Input::RxData(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhel"),
///     Input::RxData(b"lo"),
///     Input::RxEnd,
/// ];
/// for input in inputs {
///     channel.handle(&now, input)?;
///     while channel.next_output().is_some() {}
/// }
/// // The transport has nothing more to say. The application has.
/// channel.handle(&now, Input::BodyDemand(1024))?;
/// assert!(matches!(channel.next_output(), Some(Output::BodyData(b"hello"))));
/// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
/// assert!(channel.unsent().starts_with(b"HTTP/1.1 200 OK\r\n"));
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Clone)]
pub enum Input<'a> {
    /// Bytes arrived: at most [`input_room`](crate::Channel::input_room) of them. They are copied.
    #[doc(alias = "EV_RX_DATA")]
    RxData(&'a [u8]),
    /// This many bytes were read into [`spare`](crate::Channel::spare), just before. The transport vouches for it: the
    /// memory that `spare` lends is not cleared between connections, so a transport that reports more than it has read
    /// hands over what another connection left there.
    #[doc(alias = "EV_RX_DATA")]
    RxRead(usize),
    /// The peer ended its input (FIN). An input like any other: what is buffered comes first. The request that is with
    /// the application is told with [`Output::PeerEnded`](crate::channel::Output::PeerEnded), and its response still goes
    /// out; so is each request that is buffered behind it, and the connection closes after the last response. With
    /// `fin_is_disconnect` it counts as [`Disconnected`](Self::Disconnected) while a request is with the application.
    RxEnd,
    /// This many bytes of the output were taken, in the order of [`unsent_slices`](crate::Channel::unsent_slices).
    /// More than there are is not accepted.
    Sent(usize),
    /// The socket has room for output again; a hint, never needed.
    #[doc(alias = "EV_TRANSMIT_READY")]
    TransmitReady,
    /// The connection is lost: reset, hung up, a failed read or write.
    #[doc(alias = "EV_DISCONNECTED")]
    Disconnected,
    /// A verdict on the request that waits, or arrives, also if its response waits for the body: the server has as many at
    /// work, or as much in its buffers, as it may have. It gets a 503.
    Busy,
    /// A verdict: the server wants the connection back when it is idle.
    Evict,
    /// Every output was taken and the application, asked once, still owes its response: what is buffered beyond
    /// `maximum_simultaneous_requests` is refused in its turn.
    CheckPipeline,
    /// Time has passed; nothing else.
    Tick,

    /// The application's response: the final head, and all content unless it is streamed
    /// ([`ResponseRef::stream`]). The head of a stream whose request still waits for its `100 Continue`, or has not begun
    /// its body since, waits ([`State::HeadHeld`](crate::channel::State::HeadHeld)) for the first byte of the body's
    /// content, for content of its own, a [`Flush`](Self::Flush), [`BodyForgone`](Self::BodyForgone) or the end.
    #[doc(alias = "EV_HTTP_RESPONSE")]
    HttpResponse(ResponseRef<'a>),
    /// Bytes of a streamed response. What exceeds the Content-Length is cut and reported
    /// ([`Output::Excess`](crate::channel::Output::Excess)).
    #[doc(alias = "write")]
    Write(Data<'a>),
    /// Send what there is; [`Output::Flushed`](crate::channel::Output::Flushed) tells when it has left.
    #[doc(alias = "flush")]
    Flush,
    /// The end of a streamed response, with trailer fields if it is chunked. Short of its Content-Length, it cuts the
    /// connection, so that the peer sees that the response is not whole.
    #[doc(alias = "finish")]
    Finish(Option<&'a Fields>),
    /// The application wants the body of a request that expects 100-continue, before it reads it; also while the head of its
    /// response waits. Without effect when the 100 is not expected or was sent, and for HTTP/1.0.
    Continue,
    /// An interim head, 102 to 199 (103 Early Hints, say). Without effect for HTTP/1.0 (RFC 9110 section 15.2). Not accepted
    /// above the high-water mark ([`room`](crate::Channel::room) is 0).
    Informational(Status, &'a Fields),
    /// The application can take this many more bytes of the request body. The first demand sends the 100 that a
    /// request expects, unless body bytes came already. Once the final head is sent no 100 can be: a body that waits for
    /// one fails then ([`BodyError::NotContinued`](crate::BodyError::NotContinued)). The end of a chunked body is found only
    /// under a demand: where the last one was for exactly the bytes that came, the next one, of a byte or more, gives
    /// [`Output::BodyEnd`](crate::channel::Output::BodyEnd).
    BodyDemand(u64),
    /// The application reads no more of the request body: what comes of it is not decoded, a later demand has no
    /// effect, and no 100 is sent; no [`Output::BodyEnd`](crate::channel::Output::BodyEnd) follows. It is known now
    /// what the rest does to the connection: the head of a streamed response that has not left says that it closes, as
    /// one that comes whole does, where more is to come than is awaited and discarded (`discard_bytes`,
    /// [`CloseReason::BodyUnread`](crate::CloseReason::BodyUnread)); and a head that waits for the body
    /// ([`State::HeadHeld`](crate::channel::State::HeadHeld)) leaves. What was decoded before is still yielded. Without
    /// effect when the body is whole, or was forgone before.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use httpfsm::channel::{CompiledConfig, Facts, Input};
    /// use httpfsm::response::ResponseRef;
    /// use httpfsm::time::{Date, Moment, Now};
    /// use httpfsm::{Channel, ChannelConfig, Fields, Status};
    ///
    /// let config = ChannelConfig { discard_bytes: 1000, ..ChannelConfig::default() };
    /// let (now, fields) = (Now::new(Moment::START, &Date::EPOCH), Fields::new());
    /// for (length, forgone, closes) in [(1000, true, false), (1001, true, true), (1001, false, false)] {
    ///     let mut channel = Channel::new(Arc::new(CompiledConfig::new(&config)), Facts::default());
    ///     let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    ///     channel.handle(&now, Input::RxData(head.as_bytes()))?;
    ///     while channel.next_output().is_some() {}
    ///     if forgone {
    ///         channel.handle(&now, Input::BodyForgone)?;
    ///     }
    ///     channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, None)))?;
    ///     let head = String::from_utf8_lossy(channel.unsent());
    ///     assert_eq!(head.contains("Connection: close"), closes);
    /// }
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    BodyForgone,
    /// The application failed. While the final head is not sent the request gets a 500 (with this text if
    /// `expose_tracebacks` is set); after it the response is cut without its end.
    Abort(Option<&'a str>),
    /// The server goes out of service: finish and close, by these times. It may come again, with other times.
    #[doc(alias = "go_out")]
    GoOut(Leave),
}

impl Input<'_> {
    /// The event that this input is.
    ///
    /// ```
    /// use httpfsm::channel::{Input, MATRIX, State};
    ///
    /// // Whether a state takes an input, before it is given: where it does not, `handle` says `NotAccepted`.
    /// let input = Input::BodyDemand(1024);
    /// assert!(MATRIX.on(State::WaitResponse, input.event()).is_some());
    /// assert!(MATRIX.on(State::Idle, input.event()).is_none());
    /// ```
    #[must_use]
    pub const fn event(&self) -> Event {
        match self {
            Self::RxData(_) | Self::RxRead(_) => Event::RxData,
            Self::RxEnd => Event::RxEnd,
            Self::Sent(_) => Event::Sent,
            Self::TransmitReady => Event::TransmitReady,
            Self::Disconnected => Event::Disconnected,
            Self::Busy => Event::Busy,
            Self::Evict => Event::Evict,
            Self::CheckPipeline => Event::CheckPipeline,
            Self::Tick => Event::Tick,
            Self::HttpResponse(_) => Event::HttpResponse,
            Self::Write(_) => Event::Write,
            Self::Flush => Event::Flush,
            Self::Finish(_) => Event::Finish,
            Self::Continue => Event::Continue,
            Self::Informational(..) => Event::Informational,
            Self::BodyDemand(_) => Event::BodyDemand,
            Self::BodyForgone => Event::BodyForgone,
            Self::Abort(_) => Event::Abort,
            Self::GoOut(_) => Event::GoOut,
        }
    }
}

/// Of bytes, and of the text of a failure, it shows how many there are.
impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RxData(bytes) => write!(f, "RxData({} bytes)", bytes.len()),
            Self::RxRead(n) => f.debug_tuple("RxRead").field(n).finish(),
            Self::Sent(n) => f.debug_tuple("Sent").field(n).finish(),
            Self::HttpResponse(response) => f.debug_tuple("HttpResponse").field(response).finish(),
            Self::Write(data) => f.debug_tuple("Write").field(data).finish(),
            Self::Finish(trailers) => f.debug_tuple("Finish").field(trailers).finish(),
            Self::Informational(status, fields) => {
                f.debug_tuple("Informational").field(status).field(fields).finish()
            }
            Self::BodyDemand(n) => f.debug_tuple("BodyDemand").field(n).finish(),
            Self::Abort(Some(text)) => write!(f, "Abort({} bytes)", text.len()),
            Self::GoOut(leave) => f.debug_tuple("GoOut").field(leave).finish(),
            Self::RxEnd
            | Self::TransmitReady
            | Self::Disconnected
            | Self::Busy
            | Self::Evict
            | Self::CheckPipeline
            | Self::Tick
            | Self::Flush
            | Self::Continue
            | Self::BodyForgone
            | Self::Abort(None) => f.write_str(self.event().label()),
        }
    }
}
