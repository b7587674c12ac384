//! The channel: one connection's HTTP/1.x, as a machine that events go into and come out of.
//!
//! Inputs go in through [`handle`](Channel::handle) and outputs come out of [`next_output`](Channel::next_output). What
//! is pending is state and can be asked for again and again: the bytes to send ([`unsent`](Channel::unsent)), the
//! request that waits ([`request`](Channel::request)), the next [`deadline`](Channel::deadline), and what the channel
//! waits for ([`waits_for`](Channel::waits_for)). Every call is safe in every state: an input that does not fit comes
//! back as [`NotAccepted`] and changes nothing.
//!
//! # Between two calls
//!
//! A transport may do anything, in any order: ask, leave outputs for later, come late. Only two calls belong together:
//! [`spare`](Channel::spare), and the [`Input::RxRead`] that says how much was read there, with no other input between
//! them. What a transport usually does in one wake-up:
//!
//! 1. read into `spare`, and hand it over;
//! 2. take outputs until there is none, and call the application;
//! 3. send what is `unsent`, and say how much has left ([`Input::Sent`]);
//! 4. sleep until what `waits_for` names comes, or until `deadline`, which is an [`Input::Tick`].
//!
//! `docs/driver.md` of the repository is a server over sockets of the standard library, and lists what a driver owes.
//!
//! # Example
//!
//! Time stands still in it; [`Date`](crate::time::Date) says how a server has its own.
//!
//! ```
//! use std::sync::Arc;
//! use httpfsm::channel::{CompiledConfig, Facts, Input, Output};
//! use httpfsm::config::ChannelConfig;
//! use httpfsm::response::ResponseRef;
//! use httpfsm::time::{Date, Moment, Now};
//! use httpfsm::{Channel, Fields, Status};
//!
//! let mut channel = Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
//! let now = Now::new(Moment::from_millis(5), &Date::EPOCH);
//! channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")).unwrap();
//!
//! let fields = Fields::new().with("Content-Type", "text/plain").unwrap();
//! while let Some(output) = channel.next_output() {
//!     if matches!(output, Output::HttpRequest) {
//!         let target = channel.request().map(|request| request.target().len());
//!         assert_eq!(target, Some(1));
//!         let response = ResponseRef::new(Status::OK, &fields, b"hello");
//!         channel.handle(&now, Input::HttpResponse(response)).unwrap();
//!     }
//! }
//! assert!(channel.unsent().starts_with(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"));
//! let n = channel.unsent().len();
//! channel.handle(&now, Input::Sent(n)).unwrap();
//! assert!(channel.is_idle());
//! ```

// The table is in `table.rs`; `dispatch` below follows it, and `parts.rs` does what it says with the five parts of a
// channel: `receiver.rs`, `sender.rs`, `persistence.rs`, `timers.rs` and `outbox.rs`. `plan.rs` decides how a response goes
// out. `docs/design.md` follows one request through all of them.
mod body;
mod compiled_config;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod coverage;
mod description;
mod elsewhere;
mod error_page;
mod half_done;
pub(crate) mod input;
mod input_buffer;
pub(crate) mod input_part;
mod matrix;
mod not_accepted;
mod outbox;
mod output;
mod output_buffer;
mod parts;
mod persistence;
mod pipeline;
mod plan;
mod rate;
mod receiver;
mod responder;
mod sender;
mod stats;
mod table;
mod timers;
mod waits;
mod worker_buffers;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

pub use self::compiled_config::{CompiledConfig, Facts, Leave, Timeout};
pub use self::description::MACHINE;
pub use self::elsewhere::Elsewhere;
pub use self::input::{Data, Input};
pub(crate) use self::input_buffer::READ;
pub use self::input_part::{ChannelTrace, InputPart};
pub use self::matrix::{ChannelMatrix, MATRIX};
pub use self::not_accepted::NotAccepted;
pub use self::outbox::OutputKind;
pub use self::output::Output;
pub use self::responder::Responder;
pub use self::stats::ChannelStats;
pub use self::table::{Action, CONDITIONS, Condition, Event, Internal, REFUSALS, ROWS, State, Step};
pub use self::timers::{DEADLINES, Deadline, RunsWhile, deadline_of};
pub use self::waits::Waits;
pub use self::worker_buffers::WorkerBuffers;

use self::half_done::HalfDone;
use self::parts::{Args, Parts};
use crate::error::CloseReason;
use crate::fsm::Cause;
use crate::request::RequestRef;
use crate::response::ResponseRef;
use crate::time::{Moment, Now};

/// One connection's HTTP/1.x.
///
/// ```
/// use std::sync::Arc;
/// use httpfsm::channel::{CompiledConfig, Facts, Input};
/// use httpfsm::time::{Date, Moment, Now};
/// use httpfsm::{Channel, ChannelConfig};
///
/// let mut channel = Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
/// let now = Now::new(Moment::START, &Date::EPOCH);
/// // A request that breaks a rule never reaches the application: `Host` is missing.
/// channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\n\r\n"))?;
/// assert!(channel.unsent().starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
/// assert!(channel.request().is_none());
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[doc(alias = "GHttpCliSrv")]
#[derive(Debug)]
pub struct Channel {
    state: State,
    parts: Parts,
}

impl Channel {
    /// A channel for a connection that has just opened, in [`State::Fresh`] at [`Moment::START`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use httpfsm::channel::{CompiledConfig, Facts, State};
    /// use httpfsm::{Channel, ChannelConfig};
    ///
    /// // The channels of a server share one configuration.
    /// let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::hardened()));
    /// let channels = [(); 2].map(|()| Channel::new(Arc::clone(&compiled), Facts::default()));
    /// assert!(channels.iter().all(|channel| channel.state() == State::Fresh));
    /// ```
    #[must_use]
    pub fn new(compiled: Arc<CompiledConfig>, facts: Facts) -> Self {
        Self { state: State::Fresh, parts: Parts::new(compiled, facts) }
    }

    /// Takes one input. An input at a moment is the same as [`Input::Tick`] at that moment, then the input; a moment
    /// earlier than one already seen counts as that one.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// let response = ResponseRef::new(Status::OK, &fields, b"hello");
    /// let refused = channel.handle(&now, Input::HttpResponse(response)).unwrap_err();
    /// assert_eq!(refused.to_string(), "HttpResponse is not accepted in Fresh.");
    /// // Nothing has changed, so the channel serves its first request.
    /// channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
    /// assert_eq!(channel.state(), State::WaitResponse);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotAccepted`] if the input does not fit the state, or does not meet one of its [`CONDITIONS`], which it names:
    /// more bytes than [`input_room`](Self::input_room) or [`room`](Self::room), more sent than
    /// [`unsent_len`](Self::unsent_len), a response to a request that was not delivered, a 101 to a request that asks
    /// for no upgrade, content short of its declared Content-Length. Nothing has changed then, beyond the passing of
    /// time.
    #[inline]
    pub fn handle(&mut self, now: &Now<'_>, input: Input<'_>) -> Result<(), NotAccepted> {
        self.handle_with(now, input, &mut ())
    }

    /// As [`handle`](Self::handle), and tells each row that is taken to `trace`, which may be a closure; a [`ChannelTrace`]
    /// also hears what the input is taken for. A deadline that has passed is a step of its own before that of the input, and
    /// its cause is [`Event::Tick`]. So a [`Tick`](Input::Tick) at a deadline gives two steps: that of the deadline, then
    /// that of the input, which finds no deadline that has passed. A panic of the trace, as one of an
    /// [error page](crate::config::ErrorPages), ends the connection with a reset: the step is half done.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use httpfsm::channel::{CompiledConfig, Facts, Input, Step};
    /// use httpfsm::config::ChannelConfig;
    /// use httpfsm::time::{Date, Moment, Now};
    /// use httpfsm::Channel;
    ///
    /// let mut channel = Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
    /// let now = Now::new(Moment::START, &Date::EPOCH);
    /// let mut steps = Vec::new();
    /// let head = Input::RxData(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// channel.handle_with(&now, head, &mut |step: &Step| steps.push(step.to_string()))?;
    /// assert_eq!(steps[0], "Fresh on RxData: Receive, ParseHead");
    /// assert_eq!(steps[1], "Fresh then DequeueRequest: DeliverRequest -> WaitResponse");
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle).
    #[inline]
    pub fn handle_with(
        &mut self,
        now: &Now<'_>,
        input: Input<'_>,
        trace: &mut impl ChannelTrace,
    ) -> Result<(), NotAccepted> {
        let at = self.arrive(now, trace);
        let event = match input.event() {
            Event::RxEnd if self.state.is_with_application() && self.parts.end_is_disconnect() => {
                Event::Disconnected
            }
            event => event,
        };
        let Some(step) = MATRIX.on(self.state, event) else {
            return Err(NotAccepted::new(self.state, event, None));
        };
        if let unmet @ Some(_) = self.parts.unmet(self.state, &input) {
            return Err(NotAccepted::new(self.state, event, unmet));
        }
        self.follow(now, Args::new(now, at, &input), event, step, trace);
        Ok(())
    }

    /// Follows the table from an input, which may begin a deadline that is over at once (`GoOut`, of which the times have
    /// passed).
    #[inline]
    fn follow(
        &mut self,
        now: &Now<'_>,
        mut args: Args<'_>,
        event: Event,
        first: crate::fsm::Transition<State, Action>,
        trace: &mut impl ChannelTrace,
    ) {
        let at = args.at;
        self.dispatch(&mut args, event, first, trace);
        if self.parts.is_due(at) {
            self.pass_deadlines(now, at, trace);
        }
    }

    /// Follows the table from an input, whose step is `first`, until no action raises an internal event.
    #[inline]
    fn dispatch(
        &mut self,
        args: &mut Args<'_>,
        event: Event,
        first: crate::fsm::Transition<State, Action>,
        trace: &mut impl ChannelTrace,
    ) {
        let (mut cause, mut step) = (Cause::Input(event), first);
        let mut state = mem::replace(&mut self.state, State::Closed);
        let half_done = HalfDone { parts: &mut self.parts, state };
        let parts = &mut *half_done.parts;
        loop {
            let (next, actions) = (step.next, step.actions);
            trace.step(&Step { at: args.at, state, cause, actions, next });
            if next != state {
                state = next;
                parts.enter(args.at);
            }
            let mut raised = None;
            for action in actions {
                debug_assert!(raised.is_none(), "only the last action of a row may raise an event");
                raised = parts.act(action, args, trace);
            }
            let Some(internal) = raised else { break };
            cause = Cause::Internal(internal);
            step = match MATRIX.then(state, internal) {
                Some(step) => step,
                None => {
                    debug_assert!(false, "{internal} was raised in {state}, which has no row for it");
                    break;
                }
            };
        }
        parts.update_deadline(args.at, state);
        mem::forget(half_done);
        self.state = state;
    }

    /// The next event for the application or the transport; each comes once.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
    /// assert!(matches!(channel.next_output(), Some(Output::HttpChannelOpened)));
    /// assert!(matches!(channel.next_output(), Some(Output::HttpRequest)));
    /// assert!(channel.next_output().is_none());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    pub fn next_output(&mut self) -> Option<Output<'_>> {
        self.parts.take_output()
    }

    /// Takes an [`Output::BodyData`] that comes next together with the worker's input buffer, so that a long body need not
    /// be copied. `Some`: `other` is the buffer now, the bytes stand there at this place, and the channel has what `other`
    /// was. `None`, and nothing has changed: something else comes next, the buffer is none that a worker has
    /// [lent](Self::lend), something else is in it, or the bytes fill less than seven eighths of it.
    ///
    /// `other` is of the size of such a buffer, like one that was taken so before and is used again; what is in it does not
    /// matter. Any other is made so, also an empty one. Outside of the place the buffer has bytes of other connections,
    /// which are to be shown to nobody.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// let mut worker = WorkerBuffers::new();
    /// channel.lend(&mut worker);
    /// let head = b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
    /// channel.handle(&now, Input::RxData(head))?;
    /// while channel.next_output().is_some() {}
    /// channel.handle(&now, Input::BodyDemand(1_000_000))?;
    /// // A read that fills the buffer.
    /// let room = channel.spare();
    /// room.fill(b'x');
    /// let read = room.len();
    /// channel.handle(&now, Input::RxRead(read))?;
    /// let mut body = Vec::new();
    /// let place = channel.take_body_buffer(&mut body).expect("nothing else is in the buffer");
    /// assert!(body[place].iter().all(|&byte| byte == b'x') && !channel.has_output());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    pub fn take_body_buffer(&mut self, other: &mut Vec<u8>) -> Option<Range<usize>> {
        self.parts.take_body_store(other)
    }

    /// Whether [`next_output`](Self::next_output) has something.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
    /// assert!(channel.has_output());
    /// while channel.next_output().is_some() {}
    /// assert!(!channel.has_output());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.parts.next_output().is_some()
    }

    /// Lends the request that waits to `f`, which may respond with fields and content that borrow from it. `Ok(false)`
    /// if no request waits or its head has gone ([`request`](Self::request)), or if `f` did not respond; the request then
    /// still waits. A panic in `f` changes nothing: what it staged before is taken back, and the request still waits.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// let responded = channel.respond_with(&now, |request, responder| {
    ///     // The content borrows from the request, and nothing is copied in between.
    ///     responder.respond(ResponseRef::new(Status::OK, &fields, request.target().as_bytes()));
    /// })?;
    /// assert!(responded && channel.unsent().ends_with(b"\r\n\r\n/path"));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle) with [`Input::HttpResponse`]; so also if [`Output::HttpRequest`] was not taken
    /// ([`Condition::IsDelivered`]).
    #[inline]
    pub fn respond_with(
        &mut self,
        now: &Now<'_>,
        f: impl FnOnce(RequestRef<'_>, &mut Responder<'_>),
    ) -> Result<bool, NotAccepted> {
        self.respond_with_trace(now, &mut (), f)
    }

    /// As [`respond_with`](Self::respond_with), and tells each row that is taken to `trace`, as
    /// [`handle_with`](Self::handle_with) does.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// let mut steps = Vec::new();
    /// let mut trace = |step: &Step| steps.push(step.to_string());
    /// channel.respond_with_trace(&now, &mut trace, |_, responder| {
    ///     responder.respond(ResponseRef::new(Status::NO_CONTENT, &fields, b""));
    /// })?;
    /// assert_eq!(steps[0], "WaitResponse on HttpResponse: AcceptResponse -> Responding");
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`respond_with`](Self::respond_with).
    #[inline]
    pub fn respond_with_trace(
        &mut self,
        now: &Now<'_>,
        trace: &mut impl ChannelTrace,
        f: impl FnOnce(RequestRef<'_>, &mut Responder<'_>),
    ) -> Result<bool, NotAccepted> {
        let at = self.arrive(now, trace);
        if self.state != State::WaitResponse {
            return Ok(false);
        }
        let event = Event::HttpResponse;
        let mut args = Args::new(now, at, &Input::Tick);
        let responded = self.parts.respond_with(now, &mut args.staged, f);
        let staged = responded.map_err(|unmet| NotAccepted::new(self.state, event, Some(unmet)))?;
        if let (true, Some(step)) = (staged, MATRIX.on(self.state, event)) {
            self.follow(now, args, event, step, trace);
        }
        Ok(staged)
    }

    /// Lets time pass up to `now`; returns the moment that counts.
    #[inline]
    fn arrive(&mut self, now: &Now<'_>, trace: &mut impl ChannelTrace) -> Moment {
        let at = self.parts.advance(now.at);
        if self.parts.is_due(at) {
            self.pass_deadlines(now, at, trace);
        }
        at
    }

    /// Fires each deadline that is over; where it leads, another may be over already.
    #[cold]
    fn pass_deadlines(&mut self, now: &Now<'_>, at: Moment, trace: &mut impl ChannelTrace) {
        while self.parts.is_due(at) {
            let Some(step) = MATRIX.on(self.state, Event::Tick) else { break };
            let before = (self.state, self.parts.due(), self.parts.due_event());
            self.dispatch(&mut Args::new(now, at, &Input::Tick), Event::Tick, step, trace);
            if before == (self.state, self.parts.due(), self.parts.due_event()) {
                debug_assert!(false, "the deadline {:?} is over, and nothing came of it", before);
                break;
            }
        }
    }

    /// The head of the request that was delivered ([`Output::HttpRequest`]): until it is responded to, or its body is
    /// demanded, or [`forget_request`](Self::forget_request).
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// let request = channel.request().expect("it waits");
    /// assert_eq!((request.method(), request.target()), ("GET", "/path"));
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// assert!(channel.request().is_none());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn request(&self) -> Option<RequestRef<'_>> {
        self.parts.request()
    }

    /// The caller has a copy of the request's head ([`RequestRef::copy_into`]); its memory goes. Without effect on a
    /// request that was not delivered yet.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// let head = channel.request().map(RequestHead::from).unwrap_or_default();
    /// channel.forget_request();
    /// assert!(channel.request().is_none());
    /// // The copy is the application's, which responds as before.
    /// assert_eq!(head.as_ref().target(), "/path");
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    pub fn forget_request(&mut self) {
        self.parts.forget_request();
    }

    /// Why the channel has closed; `None` before. [`Output::HttpChannelClosed`] tells it once.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// assert_eq!(channel.close_reason(), None);
    /// channel.handle(&now, Input::Disconnected)?;
    /// assert_eq!(channel.close_reason(), Some(CloseReason::Disconnected));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        (self.state == State::Closed).then(|| self.parts.close_reason())
    }

    /// Whether a final head was accepted whose content is still to come with [`Input::Write`] and
    /// [`Input::Finish`]; false after a response that has none (to HEAD, 204, 304) or that came with all of it.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// channel.handle(&now, Input::RxData(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
    /// while channel.next_output().is_some() {}
    /// // A response to HEAD has no content, so there is nothing to write.
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, Some(5))))?;
    /// assert!(!channel.owes_body());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn owes_body(&self) -> bool {
        matches!(self.state, State::HeadHeld | State::Responding)
    }

    /// Whether a final head was accepted and is held back: for the 100 that the peer waits for, or for the body that was
    /// asked for ([`State::HeadHeld`]). Bytes of the response, [`Input::Flush`] and [`Input::Finish`] release it.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// let head = b"PUT / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    /// channel.handle(&now, Input::RxData(head))?;
    /// while channel.next_output().is_some() {}
    /// // The application may still ask for the body, and the peer waits for a 100 before it sends that.
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, None)))?;
    /// assert!(channel.holds_head() && channel.unsent().is_empty());
    /// channel.handle(&now, Input::Flush)?;
    /// assert!(!channel.holds_head() && channel.unsent().starts_with(b"HTTP/1.1 200 OK\r\n"));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn holds_head(&self) -> bool {
        self.state == State::HeadHeld
    }

    /// Where to read input to; hand it over with [`Input::RxRead`], before anything else goes in. Empty when no input
    /// is wanted. It may hold what another connection left there, so report no more than was read.
    ///
    /// ```
    /// use std::io::Read;
    ///
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// let mut socket = &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..];
    /// let n = socket.read(channel.spare()).expect("a slice of bytes reads");
    /// channel.handle(&now, Input::RxRead(n))?;
    /// assert_eq!(channel.state(), State::WaitResponse);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    pub fn spare(&mut self) -> &mut [u8] {
        self.parts.spare(self.state)
    }

    /// How many bytes of input may be handed over now.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// let received = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    /// assert!(channel.input_room() >= received.len());
    /// channel.handle(&now, Input::RxData(received))?;
    /// // Of a connection that is lost nothing is read.
    /// channel.handle(&now, Input::Disconnected)?;
    /// assert_eq!(channel.input_room(), 0);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn input_room(&self) -> usize {
        self.parts.input_room(self.state)
    }

    /// How many bytes of input are held that nothing has asked for yet: of a body without credit, or of later requests. The
    /// head of the request that waits counts as well until its memory goes: with [`forget_request`](Self::forget_request),
    /// with a demand for its body, or with its response. 0 where the channel waits for more input, as within a head.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// // The head of the request that waits, until it is forgotten.
    /// assert_eq!(channel.read_ahead(), b"GET /path HTTP/1.1\r\nHost: localhost\r\n\r\n".len());
    /// channel.forget_request();
    /// assert_eq!(channel.read_ahead(), 0);
    /// let next = b"GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n";
    /// channel.handle(&now, Input::RxData(next))?;
    /// assert_eq!(channel.read_ahead(), next.len());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub fn read_ahead(&self) -> usize {
        self.parts.read_ahead(self.state)
    }

    /// The first bytes that are to be sent: those up to a large content that stands by reference or up to the next interim
    /// head, or that head, which leaves in a write of its own. Asking again returns the same slices, until [`Input::Sent`].
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// assert!(channel.unsent().starts_with(b"HTTP/1.1 200 OK\r\n"));
    /// // The socket took a part of it.
    /// channel.handle(&now, Input::Sent(9))?;
    /// assert!(channel.unsent().starts_with(b"200 OK\r\n"));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.parts.output().first()
    }

    /// The bytes that are to be sent in the next write, in order, in as many slices as there are (three at most) and fit;
    /// returns how many that are. For vectored writes. What stands before an interim head leaves without it, and what
    /// follows comes when it has left, since some proxies take two heads in one read for a fault.
    ///
    /// ```
    /// use std::io::{IoSlice, Write};
    ///
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// let mut slices = [&b""[..]; 3];
    /// let used = channel.unsent_slices(&mut slices);
    /// let slices = slices.map(IoSlice::new);
    /// let mut socket = Vec::new();
    /// let n = socket.write_vectored(&slices[..used]).expect("a vector grows");
    /// channel.handle(&now, Input::Sent(n))?;
    /// assert!(socket.ends_with(b"hello") && channel.is_idle());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    pub fn unsent_slices<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        self.parts.output().slices(out)
    }

    /// Content that is to be sent from [elsewhere](Data::Elsewhere), directly behind what
    /// [`unsent_slices`](Self::unsent_slices) gives, which stops before it: when that gives nothing, these bytes are
    /// the next. They are reported with [`Input::Sent`], as all are.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// use httpfsm::channel::Elsewhere;
    ///
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, Some(5))))?;
    /// channel.handle(&now, Input::Write(Data::Elsewhere(Elsewhere::new(Arc::new("a file"), 0..5))))?;
    /// assert_eq!(channel.elsewhere().map(Elsewhere::len), Some(5));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn elsewhere(&self) -> Option<&Elsewhere> {
        self.parts.output().elsewhere()
    }

    /// All bytes that are to be sent and that the channel has, in order, whatever leaves in which write: for recorders and
    /// tests. Transports write what [`unsent_slices`](Self::unsent_slices) gives.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use httpfsm::channel::{CompiledConfig, Facts, Input, Output};
    /// use httpfsm::config::ChannelConfig;
    /// use httpfsm::response::ResponseRef;
    /// use httpfsm::time::{Date, Moment, Now};
    /// use httpfsm::{Channel, Fields, Status};
    ///
    /// let mut channel = Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
    /// let (now, fields) = (Now::new(Moment::START, &Date::EPOCH), Fields::new());
    /// channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
    /// while channel.next_output().is_some() {}
    /// channel.handle(&now, Input::Informational(Status::EARLY_HINTS, &fields))?;
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// // The interim head leaves in a write of its own.
    /// assert_eq!(channel.unsent(), b"HTTP/1.1 103 Early Hints\r\n\r\n");
    /// let staged: Vec<_> = channel.staged().flatten().copied().collect();
    /// assert!(staged.starts_with(channel.unsent()) && staged.ends_with(b"hello"));
    /// assert_eq!(staged.len(), channel.unsent_len());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    pub fn staged(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.output().pieces().into_iter().filter(|piece| !piece.is_empty())
    }

    /// How many bytes are to be sent, with those that are [elsewhere](Self::elsewhere).
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// let sent = channel.unsent_len();
    /// channel.handle(&now, Input::Sent(sent))?;
    /// assert_eq!(channel.unsent_len(), 0);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn unsent_len(&self) -> usize {
        self.parts.output().len()
    }

    /// How many of the bytes that are to be sent are in memory: [`unsent_len`](Self::unsent_len) without those that are
    /// elsewhere.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// use httpfsm::channel::Elsewhere;
    ///
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, Some(5))))?;
    /// channel.handle(&now, Input::Write(Data::Elsewhere(Elsewhere::new(Arc::new("a file"), 0..5))))?;
    /// assert_eq!(channel.unsent_here(), channel.unsent_len() - 5);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn unsent_here(&self) -> usize {
        self.parts.output().here()
    }

    /// How many bytes a [`Input::Write`] may hand over now: up to the high-water mark.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, None)))?;
    /// let content = vec![b'a'; 1 << 20];
    /// let room = channel.room();
    /// assert!(room > 0 && room < content.len());
    /// channel.handle(&now, Input::Write(Data::Slice(&content[..room])))?;
    /// // The rest waits until the peer has taken some.
    /// assert_eq!(channel.room(), 0);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn room(&self) -> usize {
        self.parts.room()
    }

    /// Whether one [`Data::Bytes`] of any length, or one [`Data::Elsewhere`], is taken now: there is room, and no other
    /// large one is on its way.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, None)))?;
    /// assert!(channel.room_for_bytes());
    /// // More than there is room for is taken all the same, by reference.
    /// channel.handle(&now, Input::Write(Data::Bytes(vec![b'a'; 1 << 20].into())))?;
    /// assert!(!channel.room_for_bytes());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn room_for_bytes(&self) -> bool {
        self.parts.has_room()
    }

    /// Whether the streamed response that runs has all the content that its Content-Length declares: only its
    /// [`Input::Finish`] is to come, and what else is written is cut.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, Some(5))))?;
    /// assert!(!channel.content_is_whole());
    /// channel.handle(&now, Input::Write(Data::Slice(b"hello")))?;
    /// assert!(channel.content_is_whole());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn content_is_whole(&self) -> bool {
        self.parts.content_is_whole()
    }

    /// What the channel waits for, once there is no output.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// let waits = channel.waits_for();
    /// assert!(waits.application() && !waits.room());
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// // Now the socket has to take the response.
    /// let waits = channel.waits_for();
    /// assert!(waits.room() && !waits.application());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub fn waits_for(&self) -> Waits {
        Waits {
            input: self.parts.input_room(self.state) > 0,
            room: !self.parts.output().is_empty(),
            application: self.state.is_with_application() || self.state == State::Upgraded,
            deadline: self.deadline().is_some(),
        }
    }

    /// When to come back with [`Input::Tick`] if nothing else happens; `None`: no deadline runs. A moment in the past
    /// means now.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// let due = channel.deadline().expect("`first_byte_timeout` runs");
    /// assert_eq!(due, Moment::from_millis(30_000));
    /// channel.handle(&Now::new(due, &Date::EPOCH), Input::Tick)?;
    /// assert_eq!(channel.close_reason(), Some(CloseReason::FirstByteTimeout));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.parts.due()
    }

    /// Where the channel stands.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// assert_eq!(channel.state(), State::Fresh);
    /// channel.handle(&now, Input::RxData(b"GET / HTT"))?;
    /// assert_eq!(channel.state(), State::Head);
    /// channel.handle(&now, Input::RxData(b"P/1.1\r\nHost: localhost\r\n\r\n"))?;
    /// assert_eq!(channel.state(), State::WaitResponse);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the channel has ended; outputs may still be pending.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// channel.handle(&now, Input::Disconnected)?;
    /// assert!(channel.is_closed());
    /// // Its last outputs are still there.
    /// assert!(channel.has_output());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether the channel is between requests, or before the first, and has nothing to send. Of input it may hold a few
    /// empty lines.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// assert!(channel.is_idle());
    /// channel.handle(&now, Input::RxData(b"GET"))?;
    /// assert!(!channel.is_idle());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Fresh | State::Idle)
    }

    /// Whether an end of the connection would cut neither a request nor a response now: none has begun, or the last response
    /// has left. Where the peer ends the connection without the end that its protocol has (`close_notify` of TLS), that is
    /// an [`Input::RxEnd`] then, and else [`Input::Disconnected`].
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// // An end of the connection would cut the response.
    /// assert!(!channel.is_between_messages());
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// channel.handle(&now, Input::Sent(channel.unsent_len()))?;
    /// assert!(channel.is_between_messages());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub fn is_between_messages(&self) -> bool {
        self.is_idle() || self.state == State::Lingering
    }

    /// Takes a worker's buffers for one wake-up. Until [`take_back`](Self::take_back), the channel keeps them and ignores a
    /// further `lend`; if that call is forgotten, the worker's other channels allocate buffers of their own.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// let mut worker = WorkerBuffers::new();
    /// channel.lend(&mut worker);
    /// channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
    /// assert!(channel.buffered() > 0);
    /// channel.take_back(&mut worker);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    pub fn lend(&mut self, buffers: &mut WorkerBuffers) {
        self.parts.lend(buffers);
    }

    /// Gives a worker's buffers back. What the channel still needs moves to buffers of its own, of its size; what
    /// it keeps is missing in `buffers` then ([`WorkerBuffers::refill`]).
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// let mut worker = WorkerBuffers::new();
    /// channel.lend(&mut worker);
    /// assert!(channel.buffered() > 0);
    /// channel.take_back(&mut worker);
    /// // An idle channel needs no buffer.
    /// assert_eq!(channel.buffered(), 0);
    /// // What a channel has kept is replaced for the next one.
    /// worker.refill();
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[inline]
    pub fn take_back(&mut self, buffers: &mut WorkerBuffers) {
        self.parts.take_back(buffers);
    }

    /// Bytes of buffer capacity that the channel holds.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// assert_eq!(channel.buffered(), 0);
    /// channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\n"))?;
    /// assert!(channel.buffered() >= 16);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.parts.buffered()
    }

    /// The same, apart: of input, and of output.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// let (input, output) = channel.buffered_apart();
    /// assert!(output >= channel.unsent_len());
    /// assert_eq!(input + output, channel.buffered());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub fn buffered_apart(&self) -> (usize, usize) {
        self.parts.buffered_apart()
    }

    /// Counters since the channel opened.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// let stats = channel.stats();
    /// assert_eq!((stats.requests, stats.refused), (1, 0));
    /// // Bytes count when they have left.
    /// assert_eq!(stats.sent, 0);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> ChannelStats {
        self.parts.stats()
    }

    /// The times by which the channel goes out of service: those it was told, or those that the configuration gives to one
    /// that is told at `at`.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// let leave = channel.leave(Moment::from_millis(5_000));
    /// assert_eq!(leave.idle_until, Moment::from_millis(6_000)); // `drain_grace`
    /// assert_eq!(leave.cut_at, Moment::from_millis(35_000)); // `drain_deadline`
    /// ```
    #[must_use]
    pub fn leave(&self, at: Moment) -> Leave {
        self.parts.leave(at)
    }

    /// The configuration that the channel obeys.
    ///
    /// ```
    #[doc = include_str!("examples/fresh_channel.txt")]
    /// assert_eq!(channel.compiled_config().config().identity, "httpfsm");
    /// ```
    #[must_use]
    pub fn compiled_config(&self) -> &Arc<CompiledConfig> {
        self.parts.compiled()
    }
}

/// The methods of the original protocol machine, each an input by another name.
impl Channel {
    /// Writes bytes of the response.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, Some(5))))?;
    /// channel.write(&now, Data::Slice(b"hel"))?;
    /// channel.write(&now, Data::Slice(b"lo"))?;
    /// // All of its Content-Length is there, but the application has not said that it is done.
    /// assert!(channel.unsent().ends_with(b"\r\n\r\nhello") && channel.owes_body());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle) with [`Input::Write`].
    pub fn write(&mut self, now: &Now<'_>, data: Data<'_>) -> Result<(), NotAccepted> {
        self.handle(now, Input::Write(data))
    }

    /// Flushes the output; [`Output::Flushed`] is the callback.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, None)))?;
    /// channel.write(&now, Data::Slice(b"hello"))?;
    /// channel.flush(&now)?;
    /// while channel.next_output().is_some() {}
    /// channel.handle(&now, Input::Sent(channel.unsent_len()))?;
    /// assert!(matches!(channel.next_output(), Some(Output::Flushed)));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle) with [`Input::Flush`].
    pub fn flush(&mut self, now: &Now<'_>) -> Result<(), NotAccepted> {
        self.handle(now, Input::Flush)
    }

    /// Finishes the response: the running one, or this one.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// channel.finish(&now, Some(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// assert!(channel.unsent().ends_with(b"\r\n\r\nhello") && !channel.owes_body());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle) with [`Input::HttpResponse`] and [`Input::Finish`].
    pub fn finish(&mut self, now: &Now<'_>, response: Option<ResponseRef<'_>>) -> Result<(), NotAccepted> {
        if let Some(response) = response {
            self.handle(now, Input::HttpResponse(response))?;
            if !self.owes_body() {
                return Ok(());
            }
        }
        self.handle(now, Input::Finish(None))
    }

    /// Goes out of service, by [`leave`](Self::leave). Repeating it changes nothing.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// channel.go_out(&now)?;
    /// // The request gets its response, which says that it is the last one.
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// assert!(channel.unsent().windows(19).any(|line| line == b"Connection: close\r\n"));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle) with [`Input::GoOut`].
    pub fn go_out(&mut self, now: &Now<'_>) -> Result<(), NotAccepted> {
        let leave = self.leave(now.at);
        self.handle(now, Input::GoOut(leave))
    }
}
