//! The driver of a connection: a channel, its socket, and the handler's response, as one future.
//!
//! A wake-up borrows the thread's buffers, reads once, feeds the channel, polls the application, writes once, and
//! gives the buffers back. All requests of one read get their responses in it, as far as the handler is ready and the
//! high-water mark allows. What may be read or written, and when, the channel says; nothing here knows HTTP.
//!
//! This file is the wake-up: reading, writing, time and the end of service. `driver/outputs.rs` carries out what the
//! channel says, `driver/handler.rs` has the handler respond, `driver/gather.rs` gathers request bodies,
//! `driver/room.rs` has them wait for memory, `driver/send_file.rs` sends content that is not in memory,
//! `driver/flush.rs` waits for what the wire holds, and `driver/parting.rs` for the end that it owes. `driver/start.rs`
//! begins it, `driver/drain.rs` has it go out, and `driver/prologue.rs` is what comes before the channel, with its data
//! in `driver/before_channel.rs`.
//!
//! When the connection is lost, the handler is dropped, unless it waits for
//! [`Request::disconnected`](httpfsm::handler::Request::disconnected): then it runs on to its end, and its response is
//! discarded. A handler that must not stop half-way therefore awaits that, or spawns its work. It has as long as a
//! handler ever has (`responseless_timeout`), and a drain waits for it until its deadline.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use httpfsm::channel::{Input, State};
use httpfsm::error::BodyError;
use httpfsm::handler::{ConnectionInfo, Handler};
use httpfsm::time::{Moment, Now};

use crate::alarms::NEVER;
use crate::channel_slot::ChannelSlot;
use crate::exchange::{Exchange, Stage};
use crate::ledger::Kept;
use crate::panics;
use crate::service::Service;
use crate::stack::Stack;
use crate::tape::Taped;
use crate::wire::{self, Wire};
use crate::worker;
use before_channel::BeforeChannel;

mod before_channel;
mod drain;
mod flush;
mod gather;
mod handler;
mod lost;
mod outputs;
mod parting;
mod prologue;
mod room;
mod send_file;
mod start;

/// Reads in one wake-up, before other tasks get their turn.
const TURNS: u32 = 16;
/// Milliseconds between two looks whether a connection is lost whose input waits.
const LOOK: u64 = 5000;
/// Bytes of a read that may fill a worker's buffer: only then it is worth to look whether a body can take that along.
const FILLED: usize = 32 << 10;
/// Slices in one vectored write.
const SLICES: usize = 8;

/// One connection of a [`Service`]: a future that ends with the connection. Dropping it closes the socket and gives
/// back its share of every count.
///
/// [`Service::connect`] makes it, whose page shows one that is polled.
#[must_use = "futures do nothing unless polled"]
pub struct Driver<H: Handler, W: Wire> {
    channel: Taped,
    wire: Option<Stack<W>>,
    service: Arc<Service<H>>,
    info: Arc<ConnectionInfo>,
    slot: ChannelSlot,
    exchange: Option<Box<Exchange<H::Future>>>,
    /// What comes before HTTP, until the channel opens; the one that is there before that is told nothing.
    before: Option<Box<BeforeChannel>>,
    /// When the channel opened, on the server's clock.
    opened: u64,
    /// What the channel and the wire kept when the last wake-up ended, as the ledger has it.
    kept: Kept,
    told_to_go: bool,
    wire_end: WireEnd,
    /// The wire holds bytes that were written. The channel has not been told of the last one: until it is, it has output
    /// to send, so it neither half-closes nor drops the connection.
    unflushed: bool,
}

/// What is to come behind the last byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WireEnd {
    Nothing,
    HalfClose,
    /// The end that the wire owes, and then its drop. The channel is closed, which is told then. `late`: it has waited for a
    /// while.
    Parting {
        late: bool,
    },
}

impl WireEnd {
    fn is_parting(self) -> bool {
        matches!(self, Self::Parting { .. })
    }
}

/// What is known within one wake-up.
struct WakeUp<'a> {
    now: Now<'a>,
    /// The application has to be polled.
    ask: bool,
    /// There was input.
    received: bool,
    /// Something came that the application has to be woken for.
    wakes_application: bool,
    /// A read has filled a buffer, or nearly.
    filled: bool,
    /// The server had no room for more when the wake-up began.
    is_full: bool,
}

impl<H: Handler, W: Wire> Driver<H, W> {
    fn wake_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.before.is_some() {
            if let Some(polled) = self.before_http(cx) {
                return polled;
            }
        }
        let stamp = self.service.shared.clock.stamp();
        let at = Moment::from_millis(stamp.at.saturating_sub(self.opened));
        let mut wake_up = WakeUp {
            now: Now::new(at, &stamp.date),
            ask: true,
            received: false,
            wakes_application: false,
            filled: false,
            is_full: self.service.shared.ledger.is_full(),
        };
        if self.slot.is_due(stamp.at) {
            let _ = self.channel.handle(&wake_up.now, Input::Tick);
            if self.is_lost_unread(&wake_up) {
                let _ = self.channel.handle(&wake_up.now, Input::Disconnected);
            }
            if self.wire_end.is_parting() {
                self.part_at_last(&mut wake_up, cx);
            }
        }
        if self.slot.is_evicted() {
            let _ = self.channel.handle(&wake_up.now, Input::Evict);
        }
        if self.service.shared.is_draining() && self.go_out(&wake_up.now, cx).is_ready() {
            return Poll::Ready(());
        }

        loop {
            let buffers = worker::lend(self.channel.untaped());
            let outcome = self.run(&mut wake_up, cx);
            if wake_up.wakes_application {
                self.wake_late(&mut wake_up, cx);
            }
            worker::take_back(self.channel.untaped(), buffers);
            if outcome.is_ready() {
                return outcome;
            }
            // What grew without room is given back before another connection runs: as many as there are would exceed the
            // limit together.
            let rests = self.rest(&wake_up, stamp.at, cx);
            if !self.is_layer_lost(&wake_up.now) && (rests || !self.no_room_for_growth(&wake_up.now)) {
                return Poll::Pending;
            }
        }
    }

    /// Reads, responds and writes in turn, until each has to wait.
    fn run(&mut self, wake_up: &mut WakeUp<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let (mut readable, mut writable) = (true, true);
        if self.unflushed {
            let flushed = self.poll_flush(cx);
            writable = self.flushed(flushed, &wake_up.now).is_ready();
        }
        for _ in 0..TURNS {
            let mut progress = false;
            if readable {
                let received = self.receive(wake_up, cx);
                readable = received.is_ready();
                progress = received == Poll::Ready(true);
            }
            self.settle(wake_up, cx);
            if writable && self.channel.unsent_len() > 0 {
                writable = self.send(&wake_up.now, cx).is_ready();
                progress |= writable;
                wake_up.ask |= wake_up.is_full && writable;
            }
            if self.wire_end != WireEnd::Nothing {
                progress |= self.poll_end(wake_up, cx);
            }
            if !self.slot.is_open() && self.is_done(&wake_up.now) {
                return Poll::Ready(());
            }
            // The application may have taken bytes, which makes room for input.
            let idle = !progress && !wake_up.ask && (!self.channel.has_output() || self.is_held_up(wake_up));
            if idle && !(readable && self.channel.input_room() > 0 && self.may_read(wake_up)) {
                if wake_up.received && self.service.limits_pipeline && !self.is_held_up(wake_up) {
                    wake_up.received = false;
                    if self.channel.handle(&wake_up.now, Input::CheckPipeline).is_ok() {
                        continue;
                    }
                }
                if self.is_called(cx) {
                    wake_up.ask = true;
                    continue;
                }
                // A wire may also hold bytes of its own.
                match self.poll_flush(cx) {
                    Poll::Ready(Ok(())) if !self.unflushed => return Poll::Pending,
                    flushed => {
                        if self.flushed(flushed, &wake_up.now).is_pending() {
                            return Poll::Pending;
                        }
                    }
                }
                writable = true;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once; `false` where the channel has no room for input now.
    fn receive(&mut self, wake_up: &mut WakeUp<'_>, cx: &mut Context<'_>) -> Poll<bool> {
        let most = self.input_limit(wake_up);
        let Some(wire) = &mut self.wire else { return Poll::Pending };
        if wire.poll_read_ready(cx).is_pending() {
            return Poll::Pending;
        }
        let (buffer, tape) = self.channel.spare();
        let most = most.min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        if buffer.is_empty() {
            return Poll::Ready(false);
        }
        let input = match wire.poll_read(cx, buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0)) => Input::RxEnd,
            Poll::Ready(Ok(bytes)) => {
                tape.read(buffer.get(..bytes).unwrap_or_default());
                wake_up.filled = bytes >= FILLED;
                Input::RxRead(bytes)
            }
            Poll::Ready(Err(error)) if wire::is_end(&error, &self.channel) => Input::RxEnd,
            Poll::Ready(Err(error)) => {
                self.tell_lost(&error);
                Input::Disconnected
            }
        };
        wake_up.received = true;
        self.slot.note_idle(None);
        let _ = self.channel.handle(&wake_up.now, input);
        Poll::Ready(true)
    }

    /// Writes once, and flushes what was written.
    fn send(&mut self, now: &Now<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wire) = &mut self.wire else { return Poll::Pending };
        let first = self.channel.unsent();
        let written = if first.len() == self.channel.unsent_len() {
            wire.poll_write(cx, first)
        } else if self.channel.elsewhere().is_some() {
            return self.send_elsewhere(now, cx);
        } else {
            let mut slices: [&[u8]; SLICES] = [&[]; SLICES];
            let filled = self.channel.unsent_slices(&mut slices);
            let slices = slices.map(IoSlice::new);
            wire.poll_write_vectored(cx, slices.get(..filled).unwrap_or(&slices))
        };
        self.sent(written, now, cx)
    }

    /// What came of a write.
    #[inline(always)]
    fn sent(&mut self, written: Poll<io::Result<usize>>, now: &Now<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let input = match written {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(bytes)) if bytes > 0 => {
                let flushed = self.poll_flush(cx);
                if !matches!(flushed, Poll::Ready(Ok(()))) {
                    return self.wait_for_flush(bytes, flushed, now);
                }
                Input::Sent(bytes)
            }
            Poll::Ready(outcome) => {
                self.tell_lost(&outcome.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into()));
                Input::Disconnected
            }
        };
        let _ = self.channel.handle(now, input);
        Poll::Ready(())
    }

    /// Ends our output; where that is the end that the wire owes, the connection ends with it. Whether something was done.
    #[cold]
    fn poll_end(&mut self, wake_up: &mut WakeUp<'_>, cx: &mut Context<'_>) -> bool {
        let closed = match &mut self.wire {
            None => Poll::Ready(Ok(())),
            Some(wire) => match wire.poll_flush(cx) {
                Poll::Ready(Ok(())) => wire.poll_close_write(cx),
                flushed => flushed,
            },
        };
        // All that was sent has left when only the wire's own end is to come: a peer that is gone by then has lost nothing.
        if let (Poll::Ready(Err(error)), false) = (&closed, self.wire_end.is_parting()) {
            self.tell_lost(error);
            let _ = self.channel.handle(&wake_up.now, Input::Disconnected);
        }
        // Another connection may wait for the place of one whose last byte has left.
        let is_over = closed.is_ready() || self.wire_end.is_parting() && self.slot.is_evicted();
        if is_over && std::mem::replace(&mut self.wire_end, WireEnd::Nothing).is_parting() {
            self.closed_behind_end(wake_up, cx);
        }
        is_over
    }

    /// Carries out the channel's outputs and polls the application, until neither has anything more.
    fn settle(&mut self, wake_up: &mut WakeUp<'_>, cx: &mut Context<'_>) {
        loop {
            if self.channel.has_output() && !self.is_held_up(wake_up) && self.outputs(wake_up, cx) {
                self.begin(&wake_up.now);
                wake_up.ask = true;
                continue;
            }
            if !std::mem::take(&mut wake_up.ask) || !self.application(wake_up, cx) {
                return;
            }
        }
    }

    /// Whether the application's work for the connection, which is over, is so, too. A handler that has run on for long
    /// enough is dropped.
    #[cold]
    fn is_done(&mut self, now: &Now<'_>) -> bool {
        let at = self.opened.saturating_add(now.at.as_millis());
        if let Some(Exchange { stage: Stage::Orphaned(orphan), .. }) = self.exchange.as_deref() {
            if orphan.is_due(at) {
                self.finish();
            }
        }
        self.exchange.as_ref().is_none_or(|exchange| exchange.is_over())
    }

    /// Whether the handler has asked for something on another thread. If not, this task is woken when it does.
    fn is_called(&self, cx: &Context<'_>) -> bool {
        let exchange = self.exchange.as_ref().filter(|exchange| !exchange.is_over());
        exchange.is_some_and(|exchange| exchange.pipe.watch(cx.waker()))
    }

    /// Before the task sleeps: gives back what an idle connection does not need, and sets the alarm. `false` if the
    /// connection has come to keep more input than is granted, and there is no room.
    fn rest(&mut self, wake_up: &WakeUp<'_>, at: u64, cx: &mut Context<'_>) -> bool {
        self.channel.rest();
        if self.channel.is_idle() {
            if let Some(exchange) = self.exchange.take_if(|exchange| exchange.is_over()) {
                self.service.recycle(exchange);
            }
        }
        let now = self.keeps();
        let fits = self.service.shared.ledger.keep(&mut self.kept, now);
        if !self.slot.is_open() {
            if let Some(Exchange { stage: Stage::Orphaned(orphan), .. }) = self.exchange.as_deref_mut() {
                orphan.arm(at, cx);
            }
            return true;
        }
        let is_idle = self.channel.state() == State::Idle;
        self.slot.note_idle(is_idle.then_some(at));
        let due = self.channel.deadline();
        let due = due.map_or(NEVER, |due| self.opened.saturating_add(due.as_millis()));
        // While nothing is read, a lost connection shows only when the wire is asked, and the application may take
        // hours.
        let due = if is_idle || self.is_reading(wake_up) { due } else { due.min(at.saturating_add(LOOK)) };
        self.slot.arm(due, at, cx);
        // The channel that grew pays: closing idle connections would free no buffers.
        fits || self.channel.state() != State::Head
    }

    /// Before the channel is reported closed: whoever waits for the last connection to be gone finds nothing of it.
    fn keep_nothing(&mut self) {
        self.service.shared.ledger.keep(&mut self.kept, Kept::default());
    }

    /// Pieces of a response that have not left give back their room when the channel lets go of them.
    #[cold]
    fn let_go_of_output(&mut self) {
        let stamp = self.service.shared.clock.stamp();
        let at = Moment::from_millis(stamp.at.saturating_sub(self.opened));
        // What owns the bytes may be the application's.
        let _ = panics::catch(|| self.channel.handle(&Now::new(at, &stamp.date), Input::Disconnected));
    }

    /// Whether input is read, so that a read would tell of a lost connection.
    fn is_reading(&self, wake_up: &WakeUp<'_>) -> bool {
        self.wire.is_none() || self.channel.input_room() > 0 && self.may_read(wake_up)
    }

    fn is_lost_unread(&mut self, wake_up: &WakeUp<'_>) -> bool {
        !self.is_reading(wake_up) && self.wire.as_mut().is_some_and(Wire::is_lost)
    }
}

impl<H: Handler, W: Wire> Future for Driver<H, W> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().wake_up(cx)
    }
}

impl<H: Handler, W: Wire> Drop for Driver<H, W> {
    fn drop(&mut self) {
        self.channel.end();
        let stats = self.channel.stats();
        if self.slot.is_open() && self.before.is_none() {
            self.let_go_of_output();
        }
        self.keep_nothing();
        if let Some(mut exchange) = self.exchange.take() {
            let _ = panics::catch(|| exchange.finish(BodyError::Closed));
            if exchange.counted {
                exchange.pipe.place.leave(&self.service.shared);
            }
            self.service.recycle(exchange);
        }
        self.slot.end(stats);
    }
}

impl<H: Handler, W: Wire> fmt::Debug for Driver<H, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("channel", &self.info.channel)
            .field("is_opened", &self.before.is_none())
            .field("state", &self.channel.state())
            .field("waits_for", &self.channel.waits_for())
            .field("room", &self.channel.input_room())
            .finish()
    }
}

#[cfg(test)]
mod gives_back;

#[cfg(test)]
mod tests {
    use httpfsm::handler::Request;

    use super::{Driver, Stack};
    use crate::tape::Taped;
    use crate::wire::Wire;

    /// Beyond its channel and its socket, of which there is one each per connection.
    fn own_size<W: Wire>(_: impl Fn(W) -> Option<W>) -> usize {
        size_of::<Driver<fn(Request) -> std::future::Ready<()>, W>>()
            - size_of::<Taped>()
            - size_of::<Option<Stack<W>>>()
    }

    #[test]
    fn a_driver_that_waits_is_little_more_than_its_channel() {
        let size = own_size::<crate::memory::MemoryWire>(Some);
        assert!(size <= 88, "{size}");
    }
}
