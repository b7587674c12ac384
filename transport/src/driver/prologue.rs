//! A connection before its channel opens: its preface, its handshake, and how both end.
//!
//! The machine is `httpfsm::prologue`. Here is what it has done: bytes are read and shown to the preface, the layer is put
//! on the wire and does its handshake, and then the channel opens, the connection is handed over, or it is closed. All of
//! it is dropped with that. The slot is the connection's own from the beginning, so limits, deadlines, eviction and a drain
//! find it as they find any other.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use httpfsm::channel::Input;
use httpfsm::error::{CloseReason, Rule};
use httpfsm::handler::{Failure, Handler, Upgraded};
use httpfsm::prologue::{PrologueInput, PrologueOutput, State};
use httpfsm::server::ChannelStats;
use httpfsm::time::{Moment, Now};

use super::before_channel::BeforeChannel;
use super::start::channel;
use super::{Driver, TURNS, WireEnd};
use crate::alarms::NEVER;
use crate::layer::{Guarded, LayerError, NoLayer};
use crate::layered::Layered;
use crate::ledger::Kept;
use crate::listener::ListenerInfo;
use crate::panics;
use crate::preface::{AfterPreface, HandedOver, PrefaceRead, PrefaceVerdict};
use crate::stack::Stack;
use crate::tunnel::Tunnel;
use crate::wire::Wire;

/// Bytes of a preface that are read at once.
const READ: usize = 4 << 10;

impl<H: Handler, W: Wire> Driver<H, W> {
    /// Has the connection begin with what comes before HTTP on those of its listener.
    #[cold]
    pub(crate) fn begin_before_http(&mut self, listener: Arc<ListenerInfo>) {
        let mut before = BeforeChannel::new(self.service.shared.prologue(), listener);
        if let Some(make) = before.listener.before.preface.clone() {
            match panics::attempt(|| make(&self.info)) {
                Ok(preface) => before.preface = Some(preface),
                Err(text) => self.panicked(&mut before, text, Moment::START),
            }
        } else {
            let input = self.choose_layer(&mut before, AfterPreface::AsListener);
            tell(&mut before, Moment::START, input);
        }
        self.before = Some(before);
    }

    /// A wake-up before the channel is open. `None`: it is open now, and the wake-up goes on.
    #[cold]
    pub(super) fn before_http(&mut self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        let mut before = self.before.take()?;
        let now = self.service.shared.clock.now();
        let at = Moment::from_millis(now.saturating_sub(self.opened));
        tell(&mut before, at, PrologueInput::Tick);
        if self.slot.is_evicted() {
            tell(&mut before, at, PrologueInput::Evict);
        }
        if self.service.shared.is_draining() {
            if self.service.shared.is_cut() {
                if let Some(wire) = &mut self.wire {
                    wire.reset();
                }
                self.close_unopened(&before, CloseReason::DrainTimeout, cx);
                return Some(Poll::Ready(()));
            }
            self.tell_before_to_go(&mut before, at);
        }
        let mut turns = 0;
        loop {
            while let Some(output) = before.machine.next_output() {
                match output {
                    PrologueOutput::BeginHandshake => self.put_layer(&mut before),
                    PrologueOutput::Open(refusal) => {
                        self.open(before, refusal, now);
                        return None;
                    }
                    PrologueOutput::HandOver => {
                        self.hand_over_unopened(before);
                        return Some(Poll::Ready(()));
                    }
                    PrologueOutput::Close(reason) => {
                        self.close_unopened(&before, reason, cx);
                        return Some(Poll::Ready(()));
                    }
                    // The machine has no other.
                    _ => {}
                }
            }
            let went_on = match before.machine.state() {
                _ if turns == TURNS => Poll::Pending,
                State::Handshake => self.shake_hands(&mut before, at, cx),
                _ => self.read_preface(&mut before, at, cx),
            };
            if went_on.is_ready() {
                turns += 1;
            } else if !self.rest_unopened(&before, now, cx) {
                self.tell_no_room();
                tell(&mut before, at, PrologueInput::NoRoom);
            } else if let Some(text) = self.wire.as_ref().and_then(Stack::panic) {
                // When it was asked what it holds.
                before.text = Some(text.to_owned());
                tell(&mut before, at, PrologueInput::Disconnected);
            } else {
                if turns == TURNS {
                    cx.waker().wake_by_ref();
                }
                self.before = Some(before);
                return Some(Poll::Pending);
            }
        }
    }

    /// As a channel that has had no request.
    fn tell_before_to_go(&self, before: &mut BeforeChannel, at: Moment) {
        // Its grace begins once, whatever wakes it.
        let mut leave = before.leave.unwrap_or_else(|| self.service.compiled.leave(at));
        let by = self.service.shared.leave_by(self.opened);
        if before.leave.is_none() || by < leave.cut_at {
            leave.cut_at = leave.cut_at.min(by);
            before.leave = Some(leave);
            tell(before, at, PrologueInput::GoOut(leave));
        }
    }

    /// Reads once, and shows the preface what has come.
    fn read_preface(&mut self, before: &mut BeforeChannel, at: Moment, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wire) = &mut self.wire else { return Poll::Pending };
        let mut buffer = [0; READ];
        let room = READ.min(before.machine.room() as usize);
        let came = match wire.poll_read(cx, buffer.get_mut(..room).unwrap_or_default()) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0)) => {
                tell(before, at, PrologueInput::RxEnd);
                return Poll::Ready(());
            }
            Poll::Ready(Ok(came)) => came.min(room),
            Poll::Ready(Err(error)) => {
                before.text = Some(error.to_string());
                let is_end = error.kind() == io::ErrorKind::UnexpectedEof;
                tell(before, at, if is_end { PrologueInput::RxEnd } else { PrologueInput::Disconnected });
                return Poll::Ready(());
            }
        };
        before.received.extend_from_slice(buffer.get(..came).unwrap_or_default());
        let BeforeChannel { preface: Some(preface), received, .. } = before else { return Poll::Pending };
        match panics::attempt(|| preface.received(received)) {
            Ok(PrefaceVerdict::NeedsMore) => {
                // It is at most the room, which is a `u32`.
                tell(before, at, PrologueInput::Received(u32::try_from(came).unwrap_or(u32::MAX)));
            }
            Ok(PrefaceVerdict::Refused(rule)) => tell(before, at, PrologueInput::PrefaceRefused(rule)),
            Ok(PrefaceVerdict::Read(read)) => self.preface_read(before, read, at),
            Err(text) => self.panicked(before, text, at),
        }
        Poll::Ready(())
    }

    fn preface_read(&mut self, before: &mut BeforeChannel, read: PrefaceRead, at: Moment) {
        let PrefaceRead { length, mut peername, mut sockname, extensions, next } = read;
        let came = before.received.len();
        if length > came {
            let text = format!("A preface took {length} bytes, and {came} had come.");
            return self.failed_before_http(before, text, at);
        }
        before.received.drain(..length);
        let (accepted, listener) = (&self.info.peername, &before.listener.before);
        if !listener.believes(accepted) {
            (peername, sockname) = (None, None);
        }
        // Behind a proxy it has counted for nobody.
        let unnamed = listener.names_peer(accepted).then_some(accepted);
        if let (Some(peername), Some(id)) = (peername.as_ref().or(unnamed), self.slot.id()) {
            if let Err(reason) = self.service.shared.peer_named(id, peername) {
                let sockname = sockname.as_ref().unwrap_or(&self.info.sockname);
                self.service.tell(|subscriber| subscriber.not_admitted(peername, sockname, reason));
                return tell(before, at, PrologueInput::NotAdmitted);
            }
        }
        (before.peername, before.sockname, before.extensions) = (peername, sockname, extensions);
        let input = self.choose_layer(before, next);
        tell(before, at, input);
    }

    /// What comes behind the preface.
    fn choose_layer(&self, before: &mut BeforeChannel, next: AfterPreface) -> PrologueInput {
        before.layer = match (next, before.listener.before.layer.clone()) {
            (AfterPreface::Other, _) if before.listener.before.hand_over.is_none() => {
                return PrologueInput::PrefaceRefused(Rule::Preface);
            }
            (AfterPreface::Other, _) => return PrologueInput::OtherProtocol,
            (AfterPreface::Layer(layer), _) => Some(layer),
            (AfterPreface::AsListener, Some(make)) => match panics::attempt(|| make(&self.info)) {
                Ok(Ok(layer)) => Some(layer),
                Ok(Err(error)) => {
                    if !matches!(error, LayerError::Peer(_)) {
                        self.tell_failure(&format!("No layer was made: {error}"));
                    }
                    Some(Box::new(NoLayer(error)))
                }
                Err(text) => {
                    let text = panic_text(&text);
                    self.tell_failure(&text);
                    before.text = Some(text);
                    return PrologueInput::Disconnected;
                }
            },
            (AfterPreface::AsListener, None) | (AfterPreface::Http, _) => None,
        };
        if before.layer.is_some() { PrologueInput::LayerChosen } else { PrologueInput::PrefaceRead }
    }

    fn put_layer(&mut self, before: &mut BeforeChannel) {
        let received = std::mem::take(&mut before.received);
        match (self.wire.take(), before.layer.take()) {
            (Some(Stack::Plain(wire)), Some(layer)) => {
                let layer = Guarded::new(layer, Arc::clone(&self.service.shared), Arc::clone(&self.info));
                self.wire = Some(Stack::Layered(Box::new(Layered::behind(wire, layer, &received))));
            }
            (wire, _) => self.wire = wire,
        }
    }

    /// Takes the layer off the wire, which has sent nothing of it. What the peer has sent is dropped with it.
    fn take_layer(&mut self) {
        self.wire = match self.wire.take() {
            Some(Stack::Layered(layered)) => Some(Stack::Plain(layered.into_below())),
            wire => wire,
        };
    }

    fn shake_hands(&mut self, before: &mut BeforeChannel, at: Moment, cx: &mut Context<'_>) -> Poll<()> {
        let Some(Stack::Layered(wire)) = &mut self.wire else { return Poll::Pending };
        let polled = wire.poll_established(cx);
        let has_panicked = wire.layer().panic().is_some();
        let input = match polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(established)) => {
                let is_other = established.other_protocol;
                before.know(established);
                match before.listener.before.hand_over {
                    _ if !is_other => PrologueInput::Established,
                    Some(_) => PrologueInput::OtherProtocol,
                    None => {
                        before.text = Some(
                            "The peer has chosen a protocol that the listener does not hand over.".to_owned(),
                        );
                        PrologueInput::HandshakeFailed
                    }
                }
            }
            Poll::Ready(Err(error)) => {
                before.text = Some(error.to_string());
                if let (Some(rule), false) = (refusal(&error), has_panicked) {
                    self.take_layer();
                    PrologueInput::HandshakeRefused(rule)
                } else if has_panicked {
                    PrologueInput::Disconnected
                } else {
                    of_handshake(&error)
                }
            }
        };
        tell(before, at, input);
        Poll::Ready(())
    }

    /// All is known of the connection now that comes before HTTP.
    fn know(&mut self, before: &mut BeforeChannel) {
        self.info = Arc::new(before.info(&self.info));
        if let Some(wire) = &mut self.wire {
            wire.know(&self.info);
        }
    }

    /// The channel opens. What came behind the preface is its first input.
    fn open(&mut self, mut before: Box<BeforeChannel>, refusal: Option<Rule>, now: u64) {
        self.know(&mut before);
        let facts = self.slot.id().map(|id| self.service.shared.facts(id)).unwrap_or_default();
        self.channel = channel(&self.service, &self.info, facts.with_refusal(refusal));
        self.opened = now;
        self.slot.note_idle(None);
        let stamp = self.service.shared.clock.stamp();
        let now = Now::new(Moment::START, &stamp.date);
        let _ = match (refusal, before.received.as_slice()) {
            // A channel that refuses reads nothing.
            (Some(_), _) | (None, []) => self.channel.handle(&now, Input::Tick),
            // It has room for one read, and there are no more than the bytes of a preface.
            (None, received) => self.channel.handle(&now, Input::RxData(received)),
        };
    }

    fn hand_over_unopened(&mut self, mut before: Box<BeforeChannel>) {
        self.know(&mut before);
        let info = Arc::clone(&self.info);
        self.service.tell(|subscriber| subscriber.handed_over(&info));
        self.keep_nothing();
        let (Some(wire), Some(take)) = (self.wire.take(), before.listener.before.hand_over.clone()) else {
            return;
        };
        let (shared, slot) = (Arc::clone(&self.service.shared), self.slot.hand_over());
        let io = Box::new(Tunnel::new(wire, shared, slot, ChannelStats::default(), Arc::clone(&info)));
        let leftover = self.service.shared.ledger.leftover(std::mem::take(&mut before.received).into());
        let connection = Upgraded::new(leftover, io);
        if let Err(text) = panics::attempt(|| take(HandedOver { info, connection })) {
            self.tell_failure(&panic_text(&text));
        }
    }

    /// The connection ends without a channel.
    fn close_unopened(&mut self, before: &BeforeChannel, reason: CloseReason, cx: &mut Context<'_>) {
        // Who is not admitted was told as that.
        if reason != CloseReason::NotAdmitted {
            let text = before.text.as_deref();
            self.service.tell(|subscriber| subscriber.not_opened(&self.info, reason, text));
        }
        if let (CloseReason::HandshakeFailed, Some(wire)) = (reason, &mut self.wire) {
            // What the layer has said last leaves as far as it does at once.
            let _ = wire.poll_flush(cx).is_ready() && wire.poll_close_write(cx).is_ready();
        }
        self.wire = None;
        self.wire_end = WireEnd::Nothing;
        self.keep_nothing();
        self.slot.end(ChannelStats::default());
    }

    /// Before the task sleeps. `false` if it has come to keep more than is granted, and there is no room.
    fn rest_unopened(&mut self, before: &BeforeChannel, now: u64, cx: &mut Context<'_>) -> bool {
        let wire = self.wire.as_ref().map_or(0, Wire::held);
        let bytes = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        // The preface is input that the peer is answerable for, as half a head is.
        let now_kept = Kept { input: bytes(before.received.capacity()), output: bytes(wire) };
        if !self.service.shared.ledger.keep(&mut self.kept, now_kept) {
            return false;
        }
        // Another connection may need its place.
        self.slot.note_idle(Some(self.opened));
        let due = before.machine.deadline();
        let due = due.map_or(NEVER, |due| self.opened.saturating_add(due.as_millis()));
        self.slot.arm(due, now, cx);
        true
    }

    /// What was to read the preface is no more: nobody knows what comes.
    fn panicked(&self, before: &mut BeforeChannel, text: String, at: Moment) {
        self.failed_before_http(before, panic_text(&text), at);
    }

    /// The application's code breaks its rules: nobody knows what comes.
    #[cold]
    fn failed_before_http(&self, before: &mut BeforeChannel, text: String, at: Moment) {
        self.tell_failure(&text);
        before.text = Some(text);
        tell(before, at, PrologueInput::Disconnected);
    }

    fn tell_failure(&self, text: &str) {
        self.failed(Failure::Prologue, text);
    }
}

fn panic_text(text: &str) -> String {
    format!("What comes before HTTP panicked: {text}")
}

/// What comes too late for the machine, which has its deadline behind it, changes nothing.
fn tell(before: &mut BeforeChannel, at: Moment, input: PrologueInput) {
    let _ = before.machine.handle(at, input);
}

fn layer_error(error: &io::Error) -> Option<&LayerError> {
    error.get_ref()?.downcast_ref()
}

/// The rule by which a layer refuses what came in place of its handshake.
fn refusal(error: &io::Error) -> Option<Rule> {
    match layer_error(error) {
        Some(LayerError::Refused(rule)) => Some(*rule),
        _ => None,
    }
}

/// What an error in a handshake means.
fn of_handshake(error: &io::Error) -> PrologueInput {
    match layer_error(error) {
        Some(LayerError::Peer(_) | LayerError::Own(_) | LayerError::Refused(_)) => {
            PrologueInput::HandshakeFailed
        }
        Some(LayerError::Truncated) => PrologueInput::RxEnd,
        None if error.kind() == io::ErrorKind::UnexpectedEof => PrologueInput::RxEnd,
        None => PrologueInput::Disconnected,
    }
}
