//! The channel (GHttpCliSrv): one connection's HTTP/1.x, as a machine that events go into and come out of.
//!
//! [`handle`](Channel::handle) is the door in, [`next_output`](Channel::next_output) the door out. What is pending is
//! state and can be asked for again and again: the octets to send ([`unsent`](Channel::unsent)), the request that
//! waits ([`request`](Channel::request)), the next [`deadline`](Channel::deadline), and what the channel waits for
//! ([`waits_for`](Channel::waits_for)). Every call is safe in every state: an input that does not fit comes back as
//! [`NotAccepted`] and changes nothing.
//!
//! ```
//! use std::sync::Arc;
//! use httpfsm::{Channel, Date, Facts, Fields, Input, Moment, Now, Output, ResponseRef, Settings, Status};
//! use httpfsm::config::ChannelConfig;
//!
//! let mut channel = Channel::new(Arc::new(Settings::new(&ChannelConfig::default())), Facts::default());
//! let now = Now::new(Moment::from_millis(5), &Date::EPOCH);
//! channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")).unwrap();
//!
//! let fields = Fields::new().with("Content-Type", "text/plain").unwrap();
//! while let Some(output) = channel.next_output() {
//!     if matches!(output, Output::HttpRequest) {
//!         let target = channel.request().map(|request| request.target().len());
//!         assert_eq!(target, Some(1));
//!         let answer = ResponseRef::new(Status::OK, &fields, b"hello");
//!         channel.handle(&now, Input::HttpResponse(answer)).unwrap();
//!     }
//! }
//! assert!(channel.unsent().starts_with(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"));
//! let n = channel.unsent().len();
//! channel.handle(&now, Input::Sent(n)).unwrap();
//! assert!(channel.is_idle());
//! ```

mod ahead;
mod closing;
mod context;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod coverage;
mod deadlines;
mod description;
mod inbuf;
mod loan;
mod outbuf;
mod pending;
mod rate;
mod receive;
mod refuse;
mod respond;
mod settings;
mod table;
mod waits;

use alloc::sync::Arc;

pub use self::deadlines::deadline_of;
pub use self::description::MACHINE;
pub use self::loan::Loan;
pub use self::settings::{Facts, Settings};
pub use self::table::{Action, Event, MATRIX, REFUSALS, ROWS, State};
pub use self::waits::Waits;

use self::context::{Accepted, Args, Context};
use self::pending::Pending;
use crate::error::NotAccepted;
use crate::input::{Data, Input};
use crate::output::Output;
use crate::request::RequestRef;
use crate::response::ResponseRef;
use crate::time::{Moment, Now};
use crate::trailers::Trailers;

/// Counters of one channel. It keeps them by itself, so that requests touch nothing that is shared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChannelStats {
    /// Requests delivered to the application.
    pub requests: u64,
    /// Requests that the machine answered by itself.
    pub refused: u64,
    /// Octets received.
    pub received: u64,
    /// Octets sent.
    pub sent: u64,
}

impl ChannelStats {
    /// Adds the counts of another channel; saturates.
    pub fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.refused = self.refused.saturating_add(other.refused);
        self.received = self.received.saturating_add(other.received);
        self.sent = self.sent.saturating_add(other.sent);
    }
}

/// One connection's HTTP/1.x.
#[doc(alias = "GHttpCliSrv")]
#[derive(Debug)]
pub struct Channel {
    state: State,
    context: Context,
}

impl Channel {
    /// A channel for a connection that has just opened, in [`State::Fresh`] at [`Moment::START`].
    #[must_use]
    pub fn new(settings: Arc<Settings>, facts: Facts) -> Self {
        let mut context = Context::new(settings, facts);
        context.settle(Moment::START, State::Fresh);
        Self { state: State::Fresh, context }
    }

    /// Takes one input. An input at a moment is the same as [`Input::Tick`] at that moment, then the input; a moment
    /// earlier than one already seen counts as that one.
    ///
    /// # Errors
    ///
    /// [`NotAccepted`] if the input does not fit the state, or carries what the state cannot take: more octets than
    /// [`input_room`](Self::input_room) or [`room`](Self::room), more sent than [`unsent`](Self::unsent_len), a 101 to
    /// a request that asks for no upgrade, content short of its declared Content-Length. Nothing has changed then,
    /// beyond the passing of time.
    #[inline]
    pub fn handle(&mut self, now: &Now<'_>, input: Input<'_>) -> Result<(), NotAccepted> {
        let at = self.arrive(now);
        let event = match input.event() {
            Event::RxEnd if self.context.settings.config.fin_is_disconnect && self.with_application() => {
                Event::Disconnected
            }
            event => event,
        };
        if MATRIX.step(self.state, event).is_none() || !self.context.takes(self.state, &input) {
            #[cfg(test)]
            if MATRIX.step(self.state, event).is_none() {
                crate::witness::looked_up("Channel", self.state as usize, event as usize);
            }
            return Err(NotAccepted { state: self.state, event });
        }
        self.dispatch(&mut Args::new(now, at, input), event);
        Ok(())
    }

    /// Whether the application owes an answer, or the rest of one.
    #[inline]
    fn with_application(&self) -> bool {
        matches!(self.state, State::WaitResponse | State::Responding)
    }

    /// Follows the table from an event until no action raises another.
    #[inline]
    fn dispatch(&mut self, args: &mut Args<'_>, event: Event) {
        let mut event = event;
        loop {
            let Some(step) = MATRIX.step(self.state, event) else {
                debug_assert!(false, "{event} was raised in {}, which refuses it", self.state);
                break;
            };
            #[cfg(test)]
            crate::witness::looked_up("Channel", self.state as usize, event as usize);
            if step.next != self.state {
                self.state = step.next;
                self.context.entered = args.at;
            }
            let Some(raised) = self.context.act(step.action, args) else { break };
            #[cfg(test)]
            crate::witness::raised("Channel", self.state as usize, step.action as usize, raised as usize);
            event = raised;
        }
        self.context.settle(args.at, self.state);
    }

    /// The next event for the application or the transport; each comes once.
    #[inline]
    pub fn next_output(&mut self) -> Option<Output<'_>> {
        let bit = self.context.next_pending()?;
        if bit != Pending::BODY_DATA {
            self.context.pending.remove(bit);
        }
        Some(match bit {
            Pending::OPENED => Output::HttpChannelOpened,
            Pending::REQUEST => Output::HttpRequest,
            Pending::BODY_DATA => Output::BodyData(self.context.take_body()),
            Pending::BODY_END => Output::BodyEnd(Trailers::new(self.context.inbuf.take_trailers())),
            Pending::BODY_FAILED => Output::BodyFailed(self.context.body_error),
            Pending::PEER_ENDED => Output::PeerEnded,
            Pending::BUSY => Output::Refused(self.context.take_busy()),
            Pending::REFUSED => Output::Refused(self.context.refusal),
            Pending::EXCESS => Output::Excess(core::mem::take(&mut self.context.excess)),
            Pending::FLUSHED => Output::Flushed,
            Pending::TRANSMIT_READY => Output::TransmitReady,
            Pending::FLUSH => Output::FlushOutputData,
            Pending::UPGRADED => Output::Upgraded(self.context.inbuf.take_all()),
            Pending::CLOSE_WRITE => Output::CloseWrite,
            Pending::DROP => Output::Drop { reset: self.context.reset },
            _ => Output::HttpChannelClosed(self.context.close_reason()),
        })
    }

    /// Whether [`next_output`](Self::next_output) has something.
    #[inline]
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.context.next_pending().is_some()
    }

    /// Answers the request that waits from what it says: shows it to `f`, which gives a response that may borrow from
    /// it. `Ok(false)` if no request waits, or `f` gave none; the request then still waits.
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle) with [`Input::HttpResponse`].
    #[inline]
    pub fn answer(
        &mut self,
        now: &Now<'_>,
        f: impl FnOnce(RequestRef<'_>, &mut Answer<'_>),
    ) -> Result<bool, NotAccepted> {
        let at = self.arrive(now);
        if self.state != State::WaitResponse || !self.context.inbuf.head_is_pinned() {
            return Ok(false);
        }
        // The input stands aside while the answer, which may borrow from it, is encoded.
        let inbuf = core::mem::take(&mut self.context.inbuf);
        let request = RequestRef::new(inbuf.head().unwrap_or_default(), self.context.meta);
        let mut answer = Answer { context: &mut self.context, now: *now, given: Given::Nothing };
        f(request, &mut answer);
        let given = answer.given;
        self.context.inbuf = inbuf;
        match given {
            Given::Nothing => Ok(false),
            Given::Misfit => Err(NotAccepted { state: self.state, event: Event::HttpResponse }),
            Given::Accepted(accepted) => {
                let mut args = Args::new(now, at, Input::Tick);
                args.accepted = Some(accepted);
                self.dispatch(&mut args, Event::HttpResponse);
                Ok(true)
            }
        }
    }

    /// Lets time pass up to `now`; returns the moment that counts.
    #[inline]
    fn arrive(&mut self, now: &Now<'_>) -> Moment {
        let at = now.at.min(settings::LAST).max(self.context.latest);
        self.context.latest = at;
        // Each deadline that fires is over; where it leads, another may have passed already. No moment reaches one that
        // does not run.
        while at >= self.context.due {
            self.dispatch(&mut Args::new(now, at, Input::Tick), Event::Tick);
        }
        at
    }

    /// The head of the request that waits: until it is answered, or its body is demanded, or
    /// [`forget_request`](Self::forget_request).
    #[inline]
    #[must_use]
    pub fn request(&self) -> Option<RequestRef<'_>> {
        self.context.inbuf.head().map(|octets| RequestRef::new(octets, self.context.meta))
    }

    /// The caller has a copy of the request's head ([`RequestRef::copy_into`]); its memory goes.
    #[inline]
    pub fn forget_request(&mut self) {
        self.context.inbuf.unpin_head();
        self.context.pace_input();
    }

    /// Whether a final head was accepted whose content is still to come with [`Input::Write`] and
    /// [`Input::Finish`]; false after an answer that has none (to HEAD, 204, 304) or was given whole.
    #[inline]
    #[must_use]
    pub fn owes_body(&self) -> bool {
        self.state == State::Responding
    }

    /// Where to read input to; hand it over with [`Input::RxRead`], before anything else goes in. Empty when no input
    /// is wanted.
    #[inline]
    pub fn spare(&mut self) -> &mut [u8] {
        let room = self.context.input_room(self.state);
        self.context.inbuf.spare(room)
    }

    /// How many octets of input may be handed over now.
    #[inline]
    #[must_use]
    pub fn input_room(&self) -> usize {
        self.context.input_room(self.state)
    }

    /// The first octets that are to be sent; all of them unless a large content stands by reference. Asking again
    /// gives the same answer, until [`Input::Sent`].
    #[inline]
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        self.context.outbuf.first()
    }

    /// All octets that are to be sent, in order, in as many slices as there are (three at most) and fit; returns how
    /// many that are. For vectored writes.
    #[inline]
    pub fn unsent_slices<'a>(&'a self, out: &mut [&'a [u8]]) -> usize {
        self.context.outbuf.slices(out)
    }

    /// How many octets are to be sent.
    #[inline]
    #[must_use]
    pub fn unsent_len(&self) -> usize {
        self.context.outbuf.len()
    }

    /// How many octets a [`Input::Write`] may hand over now: up to the high-water mark.
    #[inline]
    #[must_use]
    pub fn room(&self) -> usize {
        self.context.room()
    }

    /// Whether one [`Data::Bytes`] of any length is taken now: there is room, and no other large one is on its way.
    #[inline]
    #[must_use]
    pub fn room_for_bytes(&self) -> bool {
        self.context.has_room()
    }

    /// What the channel waits for, once there is no output.
    #[must_use]
    pub fn waits_for(&self) -> Waits {
        Waits {
            input: self.context.input_room(self.state) > 0,
            room: !self.context.outbuf.is_empty(),
            application: matches!(self.state, State::WaitResponse | State::Responding | State::Upgraded),
            deadline: self.deadline().is_some(),
        }
    }

    /// When to come back with [`Input::Tick`] if nothing else happens; `None`: no deadline runs. A moment in the past
    /// means now.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        (self.context.due.as_millis() != settings::NEVER).then_some(self.context.due)
    }

    /// Where the channel stands.
    #[inline]
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the channel has ended; outputs may still be pending.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether the channel is between requests, or before the first, and holds nothing.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Fresh | State::Idle)
    }

    /// Takes a worker's buffers for one wake-up.
    #[inline]
    pub fn adopt(&mut self, loan: &mut Loan) {
        self.context.adopted = true;
        self.context.inbuf.adopt(&mut loan.input);
        self.context.outbuf.adopt(&mut loan.output);
    }

    /// Gives a worker's buffers back. What the channel still needs moves to buffers of its own, of its size; the loan
    /// may lack what was kept ([`Loan::refill`]).
    #[inline]
    pub fn release(&mut self, loan: &mut Loan) {
        self.context.adopted = false;
        self.context.inbuf.release(&mut loan.input);
        self.context.outbuf.release(&mut loan.output);
    }

    /// Octets of buffer capacity that the channel holds.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.context.inbuf.private() + self.context.outbuf.private()
    }

    /// Counters since the channel opened.
    #[must_use]
    pub fn stats(&self) -> ChannelStats {
        ChannelStats {
            requests: self.context.requests,
            refused: self.context.refused,
            received: self.context.received,
            sent: self.context.outbuf.sent(),
        }
    }

    /// The configuration that the channel obeys.
    #[must_use]
    pub fn settings(&self) -> &Arc<Settings> {
        &self.context.settings
    }
}

/// Where [`Channel::answer`] takes the response.
pub struct Answer<'a> {
    context: &'a mut Context,
    now: Now<'a>,
    given: Given,
}

enum Given {
    Nothing,
    Misfit,
    Accepted(Accepted),
}

impl Answer<'_> {
    /// Gives the response. The first one counts.
    #[inline]
    pub fn give(&mut self, response: ResponseRef<'_>) {
        if matches!(self.given, Given::Nothing) {
            self.given = if self.context.takes_response(&response) {
                Given::Accepted(self.context.encode_response(&self.now, &response))
            } else {
                Given::Misfit
            };
        }
    }
}

/// The methods of the specification, each an input by another name.
impl Channel {
    /// Writes octets of the answer.
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle) with [`Input::Write`].
    pub fn write(&mut self, now: &Now<'_>, data: Data<'_>) -> Result<(), NotAccepted> {
        self.handle(now, Input::Write(data))
    }

    /// Flushes the output; [`Output::Flushed`] is the callback.
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle) with [`Input::Flush`].
    pub fn flush(&mut self, now: &Now<'_>) -> Result<(), NotAccepted> {
        self.handle(now, Input::Flush)
    }

    /// Finishes the answer: the running one, or this one.
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

    /// Goes out of service.
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle) with [`Input::GoOut`].
    pub fn go_out(&mut self, now: &Now<'_>) -> Result<(), NotAccepted> {
        self.handle(now, Input::GoOut)
    }
}
