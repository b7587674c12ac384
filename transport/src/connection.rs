//! One connection in the caller's own task, event by event: what the project calls level 1.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use httpfsm::channel::{
    Channel, CompiledConfig, Data, Event as MachineEvent, Facts, Input, NotAccepted, Output, State,
};
use httpfsm::error::{BodyError, CloseReason, RequestError};
use httpfsm::fields::Fields;
use httpfsm::request::RequestRef;
use httpfsm::response::ResponseRef;
use httpfsm::status::Status;
use httpfsm::time::{Moment, Now};

use crate::clock::Clock;
use crate::pipe::own_trailers;
use crate::tape::{Tape, Taped};
use crate::wire::{self, Wire};

/// Slices in one vectored write.
const SLICES: usize = 8;

/// Milliseconds that the end of a wire's own protocol may take to leave, behind the last byte of the channel.
const PARTING: u64 = 5000;

/// A timer of a runtime.
///
/// A timer that needs no runtime. A wake-up that comes for a time which was replaced does no harm:
///
/// ```
/// use std::sync::Arc;
/// use std::task::{Context, Poll};
/// use std::thread;
/// use std::time::{Duration, Instant};
///
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm::{ChannelConfig, CloseReason};
/// use httpfsm_transport::memory::pair;
/// use httpfsm_transport::{Connection, Event, Timer, block_on};
///
/// struct Sleeper;
///
/// impl Timer for Sleeper {
///     fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
///         let left = at.saturating_duration_since(Instant::now());
///         if left.is_zero() {
///             return Poll::Ready(());
///         }
///         let waker = cx.waker().clone();
///         thread::spawn(move || {
///             thread::sleep(left);
///             waker.wake();
///         });
///         Poll::Pending
///     }
/// }
///
/// let mut config = ChannelConfig::default();
/// config.first_byte_timeout = Some(Duration::from_millis(1));
/// let (_client, wire) = pair(1024);
/// let mut connection = Connection::new(wire, Sleeper, Arc::new(CompiledConfig::new(&config)), Facts::default());
/// assert!(matches!(block_on(connection.next_event()), Some(Event::Opened)));
/// let last = block_on(connection.next_event());
/// assert!(matches!(last, Some(Event::Closed(CloseReason::FirstByteTimeout))));
/// ```
pub trait Timer: Send + Unpin {
    /// Ready when `at` has come. Another `at` replaces the one before.
    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()>;
}

/// What happens on a connection. The machine's outputs for the transport are carried out and do not appear.
///
/// A body comes as far as it is asked for:
///
/// ```
/// # use std::sync::Arc;
/// # use std::task::{Context, Poll, Waker};
/// # use std::time::Instant;
/// #
/// use httpfsm::response::ResponseRef;
/// use httpfsm::{Fields, Status};
/// use httpfsm_transport::Event;
/// # use httpfsm::ChannelConfig;
/// # use httpfsm::channel::{CompiledConfig, Facts};
/// # use httpfsm_transport::memory::pair;
/// # use httpfsm_transport::{Connection, Timer, Wire, block_on};
/// #
/// # struct Never;
/// #
/// # impl Timer for Never {
/// #     fn poll_until(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
/// #         Poll::Pending
/// #     }
/// # }
///
/// # let (mut client, wire) = pair(1024);
/// # let request = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
/// # let mut cx = Context::from_waker(Waker::noop());
/// # assert!(client.poll_write(&mut cx, request).is_ready() && client.poll_close_write(&mut cx).is_ready());
/// # let config = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
/// # let mut connection = Connection::new(wire, Never, config, Facts::default());
/// # block_on(async move {
/// let mut content = Vec::new();
/// while let Some(event) = connection.next_event().await {
///     match event {
///         Event::Request => connection.demand(1024)?,
///         Event::BodyData(bytes) => {
///             content.extend_from_slice(&bytes);
///             connection.demand(bytes.len() as u64)?;
///         }
///         Event::BodyEnd(_) => connection.respond(ResponseRef::new(Status::OK, &Fields::new(), &content))?,
///         Event::Closed(reason) => println!("{reason}"),
///         _ => {}
///     }
/// }
/// assert_eq!(content, b"hello");
/// # Ok::<_, httpfsm::channel::NotAccepted>(())
/// # })?;
/// # Ok::<_, httpfsm::channel::NotAccepted>(())
/// ```
#[non_exhaustive]
pub enum Event {
    /// The channel is open; the first event.
    Opened,
    /// A request has come; [`Connection::request`] shows it.
    Request,
    /// Bytes of the request body, as far as they were asked for.
    BodyData(Bytes),
    /// The request body is whole; with its trailer fields, if it had any.
    BodyEnd(Option<Fields>),
    /// The request body ends here and is not whole.
    BodyFailed(BodyError),
    /// The peer has ended its input; the response still goes out.
    PeerEnded,
    /// The machine has responded by itself.
    Refused(RequestError),
    /// This many bytes of the response exceeded its Content-Length and were cut.
    Excess(u64),
    /// There is room for output again.
    TransmitReady,
    /// The connection is the caller's: [`Connection::into_parts`]. These bytes came behind the request.
    Upgraded(Bytes),
    /// The connection is closed; the last event.
    Closed(CloseReason),
}

/// Of bytes it shows how many there are.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened => f.write_str("Opened"),
            Self::Request => f.write_str("Request"),
            Self::BodyData(bytes) => write!(f, "BodyData({} bytes)", bytes.len()),
            Self::BodyEnd(trailers) => f.debug_tuple("BodyEnd").field(trailers).finish(),
            Self::BodyFailed(error) => f.debug_tuple("BodyFailed").field(error).finish(),
            Self::PeerEnded => f.write_str("PeerEnded"),
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
            Self::Excess(bytes) => f.debug_tuple("Excess").field(bytes).finish(),
            Self::TransmitReady => f.write_str("TransmitReady"),
            Self::Upgraded(bytes) => write!(f, "Upgraded({} bytes)", bytes.len()),
            Self::Closed(reason) => f.debug_tuple("Closed").field(reason).finish(),
        }
    }
}

/// One connection, pulled event by event. Every future of it may be dropped at any time and asked for again; nothing
/// is lost, and nothing is done twice.
///
/// ```
/// use httpfsm::fields::Fields;
/// use httpfsm::response::ResponseRef;
/// use httpfsm::status::Status;
/// use httpfsm_transport::{Connection, Event, Timer, Wire};
///
/// async fn serve<W: Wire, T: Timer>(mut connection: Connection<W, T>) {
///     let fields = Fields::new();
///     while let Some(event) = connection.next_event().await {
///         if let Event::Request = event {
///             let _ = connection.respond(ResponseRef::new(Status::OK, &fields, b"Hello, world!"));
///         }
///     }
/// }
/// ```
pub struct Connection<W, T> {
    channel: Taped,
    wire: Option<W>,
    timer: T,
    clock: Clock,
    opened: u64,
    close_write: bool,
    /// The wire holds bytes that were written, and the channel has not been told of the last one.
    unflushed: bool,
    /// The channel has closed the connection, and the wire still has an end to send; until when it may.
    parting: Option<Instant>,
    /// While the end of a response is awaited: how many bytes of the output will have left by then.
    finishing: Option<u64>,
}

/// What a connection is made of. `Debug` shows no byte of what was received or is to be sent.
///
/// After an upgrade the wire is the caller's:
///
/// ```
/// use httpfsm::Response;
/// use httpfsm_transport::{Connection, Event, Timer, Wire};
///
/// /// Takes the connection over as soon as a request asks for the protocol `echo`; with what came behind the request.
/// async fn upgrade<W: Wire, T: Timer>(mut connection: Connection<W, T>) -> Option<(W, bytes::Bytes)> {
///     loop {
///         match connection.next_event().await? {
///             Event::Request => {
///                 let switching = Response::switching_protocols("echo");
///                 connection.respond(switching.as_ref()).ok()?;
///             }
///             Event::Upgraded(leftover) => return Some((connection.into_parts().wire?, leftover)),
///             _ => {}
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct ConnectionParts<W> {
    /// The socket, unless the machine has closed it. A [`Wire`] that holds bytes is to be flushed.
    pub wire: Option<W>,
    /// The machine.
    pub channel: Channel,
}

impl<W: Wire, T: Timer> Connection<W, T> {
    /// A connection that has just opened.
    pub fn new(wire: W, timer: T, compiled: Arc<CompiledConfig>, facts: Facts) -> Self {
        let clock = Clock::system();
        let opened = clock.now();
        Self {
            channel: Taped::new(compiled, facts, None),
            wire: Some(wire),
            timer,
            clock,
            opened,
            close_write: false,
            unflushed: false,
            parting: None,
            finishing: None,
        }
    }

    /// The next event; `None` after [`Event::Closed`] or [`Event::Upgraded`]. Bytes are received and sent, and
    /// deadlines observed, while it is awaited: await it also while a response is being made, to hear of a lost
    /// connection.
    pub async fn next_event(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The request that waits for its response, until that is given or its body is asked for.
    #[must_use]
    pub fn request(&self) -> Option<RequestRef<'_>> {
        self.channel.request()
    }

    /// Asks for so many more bytes of the request body. The first time sends `100 Continue` where it is expected.
    ///
    /// A body that is read at the pace of who uses it, 64 KiB at a time:
    ///
    /// ```
    /// use httpfsm::channel::NotAccepted;
    /// use httpfsm_transport::{Connection, Event, Timer, Wire};
    ///
    /// /// The length of the body of the request that has come; `None` where it is not whole.
    /// async fn length<W: Wire, T: Timer>(connection: &mut Connection<W, T>) -> Result<Option<u64>, NotAccepted> {
    ///     let mut length = 0;
    ///     connection.demand(64 << 10)?;
    ///     while let Some(event) = connection.next_event().await {
    ///         match event {
    ///             Event::BodyData(bytes) => {
    ///                 length += bytes.len() as u64;
    ///                 connection.demand(bytes.len() as u64)?;
    ///             }
    ///             Event::BodyEnd(_) => return Ok(Some(length)),
    ///             Event::BodyFailed(_) | Event::Closed(_) => return Ok(None),
    ///             _ => {}
    ///         }
    ///     }
    ///     Ok(None)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no request whose body could come.
    pub fn demand(&mut self, bytes: u64) -> Result<(), NotAccepted> {
        self.handle(Input::BodyDemand(bytes))
    }

    /// Gives the rest of the request body up: no more of it comes, nor its end, and a streamed response says that the
    /// connection closes where a long rest ([`discard_bytes`](httpfsm::ChannelConfig::discard_bytes)) ends it. Without
    /// it the application may read on while it writes, so that a head cannot say so.
    ///
    /// ```
    /// use httpfsm::channel::NotAccepted;
    /// use httpfsm::response::ResponseRef;
    /// use httpfsm::{Fields, Status};
    /// use httpfsm_transport::{Connection, Timer, Wire};
    ///
    /// /// Streams a response to a request whose body is of no use.
    /// async fn ignore<W: Wire, T: Timer>(connection: &mut Connection<W, T>) -> Result<(), NotAccepted> {
    ///     connection.forgo_body()?;
    ///     connection.respond(ResponseRef::stream(Status::OK, &Fields::new(), None))?;
    ///     if connection.channel().owes_body() {
    ///         connection.write("no\n").await?;
    ///         connection.finish(None).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no request whose body could come.
    pub fn forgo_body(&mut self) -> Result<(), NotAccepted> {
        self.handle(Input::BodyForgone)
    }

    /// Responds to the request. The bytes leave while one of the futures is awaited. The head of a streamed response to
    /// a request with `Expect: 100-continue` is held until the first [`demand`](Self::demand), [`write`](Self::write),
    /// [`flush`](Self::flush), [`forgo_body`](Self::forgo_body) or [`finish`](Self::finish), since the 100 can only
    /// come before it.
    ///
    /// A streamed response begins with [`ResponseRef::stream`], and goes on with [`write`](Self::write) and
    /// [`finish`](Self::finish), unless the request is one whose response has no content (HEAD):
    ///
    /// ```
    /// use httpfsm::channel::NotAccepted;
    /// use httpfsm::response::ResponseRef;
    /// use httpfsm::{Fields, Status};
    /// use httpfsm_transport::{Connection, Timer, Wire};
    ///
    /// async fn count<W: Wire, T: Timer>(connection: &mut Connection<W, T>) -> Result<(), NotAccepted> {
    ///     connection.respond(ResponseRef::stream(Status::OK, &Fields::new(), None))?;
    ///     if !connection.channel().owes_body() {
    ///         return Ok(());
    ///     }
    ///     for n in 1..=1000 {
    ///         connection.write(format!("{n}\n")).await?;
    ///     }
    ///     connection.finish(None).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// No request waits, or the response does not fit it.
    pub fn respond(&mut self, response: ResponseRef<'_>) -> Result<(), NotAccepted> {
        self.handle(Input::HttpResponse(response))
    }

    /// Sends an interim response, 102 to 199.
    ///
    /// ```
    /// use httpfsm::channel::NotAccepted;
    /// use httpfsm::{Fields, Status};
    /// use httpfsm_transport::{Connection, Timer, Wire};
    ///
    /// /// Has the browser fetch the style sheet while the page is made.
    /// fn hint<W: Wire, T: Timer>(connection: &mut Connection<W, T>) -> Result<(), NotAccepted> {
    ///     let fields = Fields::new().with("Link", "</style.css>; rel=preload; as=style").expect("this is a field");
    ///     connection.informational(Status::EARLY_HINTS, &fields)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// No request waits, or the status is no interim one.
    pub fn informational(&mut self, status: Status, fields: &Fields) -> Result<(), NotAccepted> {
        self.handle(Input::Informational(status, fields))
    }

    /// Sends `100 Continue`, where it is expected.
    ///
    /// # Errors
    ///
    /// No request waits.
    pub fn send_continue(&mut self) -> Result<(), NotAccepted> {
        self.handle(Input::Continue)
    }

    /// Adds bytes to a streamed response, all of them when there is room; waits for room before. If it is dropped, none
    /// were added.
    ///
    /// # Errors
    ///
    /// No streamed response is under way, also because the connection was lost.
    pub async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), NotAccepted> {
        let bytes = bytes.into();
        poll_fn(|cx| {
            while self.channel.owes_body() && !self.channel.room_for_bytes() {
                ready!(self.poll_output(cx))?;
            }
            Poll::Ready(self.handle(Input::Write(Data::Bytes(bytes.clone()))))
        })
        .await
    }

    /// Waits until all bytes are sent.
    ///
    /// ```
    /// use httpfsm::channel::NotAccepted;
    /// use httpfsm_transport::{Connection, Timer, Wire};
    ///
    /// /// One event of a stream that is under way; the next one is made when the peer has this one.
    /// async fn send_event<W: Wire, T: Timer>(connection: &mut Connection<W, T>, data: &str) -> Result<(), NotAccepted> {
    ///     connection.write(format!("data: {data}\n\n")).await?;
    ///     connection.flush().await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The connection was lost.
    pub async fn flush(&mut self) -> Result<(), NotAccepted> {
        if self.channel.holds_head() {
            // The head waits for the request body, unless it is to leave.
            self.handle(Input::Flush)?;
        }
        let all = self.all();
        self.wait_until_sent(all).await
    }

    /// All bytes so far: those that are sent, and those that wait.
    fn all(&self) -> u64 {
        self.channel.stats().sent + self.channel.unsent_len() as u64
    }

    /// Waits until so many bytes are sent.
    async fn wait_until_sent(&mut self, all: u64) -> Result<(), NotAccepted> {
        poll_fn(|cx| {
            while !self.channel.unsent().is_empty() {
                ready!(self.poll_output(cx))?;
            }
            let lost = self.channel.stats().sent < all;
            let state = self.channel.state();
            Poll::Ready(if lost { Err(NotAccepted::new(state, MachineEvent::Flush, None)) } else { Ok(()) })
        })
        .await
    }

    /// Ends a streamed response, with trailer fields if it is chunked, and waits until its bytes have left. Asked again
    /// after it was dropped, it waits for the same bytes.
    ///
    /// # Errors
    ///
    /// No streamed response is under way, also because the connection was lost.
    pub async fn finish(&mut self, trailers: Option<&Fields>) -> Result<(), NotAccepted> {
        let all = match self.finishing {
            Some(all) => all,
            None => {
                self.handle(Input::Finish(trailers))?;
                *self.finishing.insert(self.all())
            }
        };
        let sent = self.wait_until_sent(all).await;
        self.finishing = None;
        sent
    }

    /// Gives the request up: 500 before the response's head, a cut connection after it.
    ///
    /// ```
    /// use httpfsm::channel::NotAccepted;
    /// use httpfsm::response::ResponseRef;
    /// use httpfsm::{Fields, Status};
    /// use httpfsm_transport::{Connection, Timer, Wire};
    ///
    /// fn finish<W: Wire, T: Timer>(
    ///     connection: &mut Connection<W, T>,
    ///     page: Result<Vec<u8>, String>,
    /// ) -> Result<(), NotAccepted> {
    ///     match page {
    ///         Ok(page) => connection.respond(ResponseRef::new(Status::OK, &Fields::new(), &page)),
    ///         // A 500, which has the text where `expose_tracebacks` allows it.
    ///         Err(error) => connection.abort(Some(&error)),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// No request is under way.
    pub fn abort(&mut self, text: Option<&str>) -> Result<(), NotAccepted> {
        self.handle(Input::Abort(text))
    }

    /// Has the connection finish and close, by the configuration's `drain_grace` and `drain_deadline`. Repeating it changes
    /// nothing.
    ///
    /// A request that is with the application has its response, which says `close`:
    ///
    /// ```
    /// use httpfsm_transport::{Connection, Event, Timer, Wire};
    ///
    /// async fn leave<W: Wire, T: Timer>(mut connection: Connection<W, T>, mut respond: impl FnMut(&mut Connection<W, T>)) {
    ///     // It is closed already where this fails.
    ///     let _ = connection.go_out();
    ///     while let Some(event) = connection.next_event().await {
    ///         match event {
    ///             Event::Request => respond(&mut connection),
    ///             Event::Closed(reason) => println!("{reason}"),
    ///             _ => {}
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// It is closed.
    pub fn go_out(&mut self) -> Result<(), NotAccepted> {
        let at = Moment::from_millis(self.clock.stamp().at.saturating_sub(self.opened));
        let leave = self.channel.leave(at);
        self.handle(Input::GoOut(leave))
    }

    /// Has the connection recorded; to be called before anything else.
    pub fn record(&mut self, tape: Box<dyn Tape>) {
        self.channel.record(tape);
    }

    /// The machine, to ask.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Takes the connection apart, after an upgrade or for another driver.
    #[must_use]
    pub fn into_parts(mut self) -> ConnectionParts<W> {
        if self.unflushed {
            let _ = self.handle(Input::Sent(1));
        }
        ConnectionParts { wire: self.wire, channel: self.channel.into_channel() }
    }

    /// The poll behind [`next_event`](Self::next_event).
    ///
    /// ```
    /// use std::task::{Context, Poll};
    ///
    /// use httpfsm_transport::{Connection, Event, Timer, Wire};
    ///
    /// /// The events that are there now, for a loop of its own that polls several connections.
    /// fn drain<W: Wire, T: Timer>(connection: &mut Connection<W, T>, cx: &mut Context<'_>) -> Vec<Event> {
    ///     let mut events = Vec::new();
    ///     while let Poll::Ready(Some(event)) = connection.poll_event(cx) {
    ///         events.push(event);
    ///     }
    ///     events
    /// }
    /// ```
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(by) = self.parting {
                ready!(self.poll_part(cx, by));
            }
            while let Some(output) = self.channel.next_output() {
                return Poll::Ready(Some(match output {
                    Output::HttpChannelOpened => Event::Opened,
                    Output::HttpRequest => {
                        self.finishing = None;
                        self.channel.note_request();
                        Event::Request
                    }
                    Output::BodyData(bytes) => Event::BodyData(Bytes::copy_from_slice(bytes)),
                    Output::BodyEnd(trailers) => Event::BodyEnd(own_trailers(trailers)),
                    Output::BodyFailed(error) => Event::BodyFailed(error),
                    Output::PeerEnded => Event::PeerEnded,
                    Output::Refused(error) => Event::Refused(error),
                    Output::Excess(bytes) => Event::Excess(bytes),
                    Output::TransmitReady => Event::TransmitReady,
                    Output::Upgraded(leftover) => Event::Upgraded(Bytes::copy_from_slice(leftover)),
                    Output::HttpChannelClosed(reason) => Event::Closed(reason),
                    Output::CloseWrite => {
                        self.close_write = true;
                        continue;
                    }
                    Output::Drop { reset: false } if self.wire.as_ref().is_some_and(Wire::owes_end) => {
                        self.parting = self.clock.instant(self.clock.now().saturating_add(PARTING));
                        break;
                    }
                    Output::Drop { reset } => {
                        if let Some(mut wire) = self.wire.take().filter(|_| reset) {
                            wire.reset();
                        }
                        continue;
                    }
                    _ => continue,
                }));
            }
            if self.parting.is_some() {
                continue;
            }
            if self.wire.is_none() || matches!(self.channel.state(), State::Upgraded | State::Closed) {
                return Poll::Ready(None);
            }
            if !self.channel.unsent().is_empty() && self.poll_send(cx).unwrap_or(true) {
                continue;
            }
            if self.close_write && self.poll_close_write(cx).is_ready() {
                continue;
            }
            if self.poll_receive(cx).is_ready() || self.poll_deadline(cx).is_ready() {
                continue;
            }
            // A wire may also hold bytes of its own.
            let flushed = self.poll_flush(cx);
            let holds_none = matches!(flushed, Poll::Ready(Ok(()))) && !self.unflushed;
            if !holds_none && self.flushed(flushed).unwrap_or(true) {
                continue;
            }
            return Poll::Pending;
        }
    }

    fn handle(&mut self, input: Input<'_>) -> Result<(), NotAccepted> {
        let stamp = self.clock.stamp();
        let at = Moment::from_millis(stamp.at.saturating_sub(self.opened));
        self.channel.handle(&Now::new(at, &stamp.date), input)
    }

    /// Writes once, or lets the deadline come.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NotAccepted>> {
        if self.poll_send(cx)? { Poll::Ready(Ok(())) } else { self.poll_deadline(cx).map(Ok) }
    }

    /// Writes once, and flushes what was written; `false` if the socket is full.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<bool, NotAccepted> {
        if self.unflushed {
            let flushed = self.poll_flush(cx);
            return self.flushed(flushed);
        }
        let Some(wire) = &mut self.wire else { return self.handle(Input::Disconnected).map(|()| true) };
        let mut slices: [&[u8]; SLICES] = [&[]; SLICES];
        let filled = self.channel.unsent_slices(&mut slices);
        let slices = slices.map(IoSlice::new);
        let input = match wire.poll_write_vectored(cx, slices.get(..filled).unwrap_or(&slices)) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(bytes)) if bytes > 0 => {
                let flushed = wire.poll_flush(cx);
                if !matches!(flushed, Poll::Ready(Ok(()))) {
                    self.unflushed = true;
                    if bytes > 1 {
                        self.handle(Input::Sent(bytes - 1))?;
                    }
                    return self.flushed(flushed);
                }
                Input::Sent(bytes)
            }
            Poll::Ready(_) => Input::Disconnected,
        };
        self.handle(input).map(|()| true)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.as_mut().map_or(Poll::Ready(Ok(())), |wire| wire.poll_flush(cx))
    }

    /// What came of a flush: when the wire holds nothing, the channel is told of the last byte that was written. `false`
    /// if the socket is full.
    fn flushed(&mut self, flushed: Poll<io::Result<()>>) -> Result<bool, NotAccepted> {
        let Poll::Ready(flushed) = flushed else { return Ok(false) };
        let unflushed = std::mem::take(&mut self.unflushed);
        match flushed {
            Err(_) => self.handle(Input::Disconnected)?,
            Ok(()) if unflushed => self.handle(Input::Sent(1))?,
            Ok(()) => {}
        }
        Ok(true)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let closed = match &mut self.wire {
            Some(wire) => match ready!(wire.poll_flush(cx)) {
                Ok(()) => ready!(wire.poll_close_write(cx)),
                failed => failed,
            },
            None => Ok(()),
        };
        self.close_write = false;
        if closed.is_err() {
            let _ = self.handle(Input::Disconnected);
        }
        Poll::Ready(())
    }

    /// Sends the end of the wire's own protocol, and drops the wire.
    fn poll_part(&mut self, cx: &mut Context<'_>, by: Instant) -> Poll<()> {
        if let Some(wire) = &mut self.wire {
            let closed = match wire.poll_flush(cx) {
                Poll::Ready(Ok(())) => wire.poll_close_write(cx),
                flushed => flushed,
            };
            if closed.is_pending() {
                ready!(self.timer.poll_until(cx, by));
                wire.reset();
            }
        }
        (self.wire, self.parting) = (None, None);
        Poll::Ready(())
    }

    /// Reads once, if input is wanted.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wire) = &mut self.wire else { return Poll::Pending };
        if self.channel.input_room() == 0 {
            return Poll::Pending;
        }
        let (buffer, tape) = self.channel.spare();
        let input = match ready!(wire.poll_read(cx, buffer)) {
            Ok(0) => Input::RxEnd,
            Ok(bytes) => {
                tape.read(buffer.get(..bytes).unwrap_or_default());
                Input::RxRead(bytes)
            }
            Err(error) if wire::is_end(&error, &self.channel) => Input::RxEnd,
            Err(_) => Input::Disconnected,
        };
        let _ = self.handle(input);
        Poll::Ready(())
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.channel.deadline() else { return Poll::Pending };
        let due = self.clock.instant(self.opened.saturating_add(due.as_millis()));
        let Some(due) = due else { return Poll::Pending };
        ready!(self.timer.poll_until(cx, due));
        let _ = self.handle(Input::Tick);
        Poll::Ready(())
    }
}

impl<W, T> fmt::Debug for Connection<W, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("state", &self.channel.state()).finish_non_exhaustive()
    }
}
