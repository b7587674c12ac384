//! The driver of a connection: a channel, its socket, and the handler's response, as one future.
//!
//! A wake-up borrows the thread's buffers, reads once, feeds the channel, polls the application, writes once, and
//! gives the buffers back. All requests of one read get their responses in it, as far as the handler is ready and the
//! high-water mark allows. What may be read or written, and when, the channel says; nothing here knows HTTP.
//!
//! When the connection is lost, the handler is dropped, unless it waits for
//! [`Request::disconnected`](httpfsm::handler::Request::disconnected): then it runs on to its end, and its response is
//! thrown away. A handler that must not stop half-way therefore awaits that, or spawns its work. It has as long as a
//! handler ever has (`responseless_timeout`), and a drain waits for it until its deadline.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use httpfsm::channel::{Facts, Input, NotAccepted, Output, State};
use httpfsm::error::{BodyError, CloseReason, RequestError};
use httpfsm::fsm::Label as _;
use httpfsm::handler::{Body, ConnectionInfo, Failure, Handler, IntoResponse, Response, Upgraded};
use httpfsm::time::{Moment, Now};

use crate::alarms::NEVER;
use crate::exchange::{Exchange, Stage};
use crate::lease::Lease;
use crate::panics;
use crate::pipe::{Calls, Order};
use crate::sending::{Pumped, Sending};
use crate::service::Service;
use crate::spool::{Gathered, Spool};
use crate::tape::{Opened, Taped};
use crate::tunnel::Tunnel;
use crate::wire::Wire;
use crate::worker;

/// Reads in one wake-up, before other tasks get their turn.
const TURNS: u32 = 16;
/// Milliseconds between two looks whether a connection is lost whose input waits.
const LOOK: u64 = 5000;
/// Slices in one vectored write.
const SLICES: usize = 8;

/// One connection of a [`Service`]: a future that ends with the connection. Dropping it closes the socket and gives
/// back its share of every count.
#[must_use = "futures do nothing unless polled"]
pub struct Driver<H: Handler, W: Wire> {
    channel: Taped,
    wire: Option<W>,
    service: Arc<Service<H>>,
    info: Arc<ConnectionInfo>,
    lease: Lease,
    exchange: Option<Box<Exchange<H::Future>>>,
    /// When the channel opened, on the server's clock.
    opened: u64,
    /// What the channel held when its last wake-up ended, and what was unread of a body.
    buffered: u32,
    told_to_go: bool,
    /// The channel grew while all channels together held too many bytes.
    overgrown: bool,
    close_write: bool,
}

/// What is known within one wake-up.
struct Turn<'a> {
    now: Now<'a>,
    /// The application has to be polled.
    ask: bool,
    /// There was input.
    received: bool,
    /// Something came that the application has to be woken for.
    told: bool,
}

impl<H: Handler, W: Wire> Driver<H, W> {
    pub(crate) fn new(
        service: Arc<Service<H>>,
        wire: W,
        info: Arc<ConnectionInfo>,
        lease: Lease,
        facts: Facts,
    ) -> Self {
        let opened = Opened { info: &info, compiled: &service.compiled, facts };
        let tape = service.desk.recorder.as_ref();
        // A recorder that fails records nothing; that is no failure of the connection.
        let tape = tape.and_then(|recorder| panics::catch(|| recorder.open(&opened)).ok().flatten());
        Self {
            channel: Taped::new(Arc::clone(&service.compiled), facts, tape),
            wire: Some(wire),
            opened: service.desk.clock.now(),
            service,
            info,
            lease,
            exchange: None,
            buffered: 0,
            told_to_go: false,
            overgrown: false,
            close_write: false,
        }
    }

    fn wake_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stamp = self.service.desk.clock.stamp();
        let at = Moment::from_millis(stamp.at.saturating_sub(self.opened));
        let mut turn = Turn { now: Now::new(at, &stamp.date), ask: true, received: false, told: false };
        if !self.lease.is_open() && self.is_overdue(stamp.at) {
            self.finish();
            return Poll::Ready(());
        }
        if self.lease.is_due(stamp.at) {
            let _ = self.channel.handle(&turn.now, Input::Tick);
            if self.is_lost_unread() {
                let _ = self.channel.handle(&turn.now, Input::Disconnected);
            }
        }
        if self.lease.is_evicted() {
            let _ = self.channel.handle(&turn.now, Input::Evict);
        }
        if self.overgrown {
            self.overgrown = false;
            let _ = self.channel.handle(&turn.now, Input::Busy);
        }
        if self.service.desk.is_going() && self.go_out(&turn.now).is_ready() {
            return Poll::Ready(());
        }

        let buffers = worker::lend(self.channel.untaped());
        let outcome = self.turns(&mut turn, cx);
        worker::take_back(self.channel.untaped(), buffers);
        if outcome.is_ready() {
            return outcome;
        }
        self.rest(stamp.at, cx);
        Poll::Pending
    }

    /// Reads, responds and writes in turn, until each has to wait.
    fn turns(&mut self, turn: &mut Turn<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let (mut readable, mut writable) = (true, true);
        for _ in 0..TURNS {
            let mut progress = false;
            if readable && self.channel.input_room() > 0 {
                readable = self.receive(turn, cx).is_ready();
                progress = readable;
            }
            self.settle(turn, cx);
            if writable && !self.channel.unsent().is_empty() {
                writable = self.send(&turn.now, cx).is_ready();
                progress |= writable;
            }
            if self.close_write {
                progress |= self.poll_close_write(&turn.now, cx);
            }
            if self.is_done() {
                return Poll::Ready(());
            }
            // The application may have taken bytes, which makes room for input.
            let idle = !progress && !turn.ask && !self.channel.has_output();
            if idle && !(readable && self.channel.input_room() > 0) {
                if turn.received && self.service.limits_pipeline {
                    turn.received = false;
                    if self.channel.handle(&turn.now, Input::CheckPipeline).is_ok() {
                        continue;
                    }
                }
                if !self.is_called(cx) {
                    return Poll::Pending;
                }
                turn.ask = true;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once.
    fn receive(&mut self, turn: &mut Turn<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wire) = &mut self.wire else { return Poll::Pending };
        let (buffer, tape) = self.channel.spare();
        if buffer.is_empty() {
            return Poll::Pending;
        }
        let input = match wire.poll_read(cx, buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0)) => Input::RxEnd,
            Poll::Ready(Ok(bytes)) => {
                tape.read(buffer.get(..bytes).unwrap_or_default());
                Input::RxRead(bytes)
            }
            Poll::Ready(Err(error)) => {
                self.tell_lost(&error);
                Input::Disconnected
            }
        };
        turn.received = true;
        let _ = self.channel.handle(&turn.now, input);
        // What was read comes first: an idle channel that goes out at once would refuse it. A response to it finds the
        // server going out, also within a wake-up that began before.
        if self.service.desk.is_going() {
            self.tell_to_go(&turn.now);
        }
        Poll::Ready(())
    }

    /// Writes once.
    fn send(&mut self, now: &Now<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wire) = &mut self.wire else { return Poll::Pending };
        let first = self.channel.unsent();
        let written = if first.len() == self.channel.unsent_len() {
            wire.poll_write(cx, first)
        } else {
            let mut slices: [&[u8]; SLICES] = [&[]; SLICES];
            let filled = self.channel.unsent_slices(&mut slices);
            let slices = slices.map(IoSlice::new);
            wire.poll_write_vectored(cx, slices.get(..filled).unwrap_or(&slices))
        };
        let input = match written {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(bytes)) if bytes > 0 => Input::Sent(bytes),
            Poll::Ready(outcome) => {
                self.tell_lost(&outcome.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into()));
                Input::Disconnected
            }
        };
        let _ = self.channel.handle(now, input);
        Poll::Ready(())
    }

    #[cold]
    fn tell_lost(&self, error: &io::Error) {
        self.service.tell(|subscriber| subscriber.connection_lost(&self.info, &error.to_string()));
    }

    fn poll_close_write(&mut self, now: &Now<'_>, cx: &mut Context<'_>) -> bool {
        let closed = self.wire.as_mut().map_or(Poll::Ready(Ok(())), |wire| wire.poll_close_write(cx));
        self.close_write = closed.is_pending();
        if let Poll::Ready(Err(error)) = &closed {
            self.tell_lost(error);
            let _ = self.channel.handle(now, Input::Disconnected);
        }
        closed.is_ready()
    }

    /// Carries out the channel's outputs and polls the application, until neither has anything more.
    fn settle(&mut self, turn: &mut Turn<'_>, cx: &mut Context<'_>) {
        loop {
            if self.channel.has_output() && self.outputs(turn, cx) {
                self.begin(&turn.now);
                turn.ask = true;
                continue;
            }
            if !std::mem::take(&mut turn.ask) || !self.application(turn, cx) {
                return;
            }
        }
    }

    /// Carries out the channel's outputs. `true` at a request, whose handler is called before the next output is taken.
    ///
    /// The application is woken after all outputs. Where the machine responds by itself, the handler has been dropped
    /// by then and is not woken, also if another thread would have polled it at once.
    fn outputs(&mut self, turn: &mut Turn<'_>, cx: &mut Context<'_>) -> bool {
        let is_request = self.take_outputs(turn, cx);
        if turn.told {
            turn.told = false;
            turn.ask |= self.exchange.as_ref().is_some_and(|exchange| exchange.pipe.wake(cx.waker()));
        }
        is_request
    }

    fn take_outputs(&mut self, turn: &mut Turn<'_>, cx: &mut Context<'_>) -> bool {
        let Self { channel, exchange, .. } = self;
        while let Some(output) = channel.next_output() {
            let exchange = exchange.as_deref_mut();
            match output {
                Output::HttpRequest => return true,
                Output::FlushOutputData => {}
                Output::TransmitReady => turn.ask = true,
                Output::BodyData(bytes) => body_data(exchange, bytes, turn),
                Output::BodyEnd(trailers) => {
                    self.service.tell_of_request(|subscriber| subscriber.body_end(&self.info));
                    match exchange.filter(|exchange| exchange.has_body) {
                        None => {}
                        Some(Exchange { stage: Stage::Gathering(spool), .. }) => {
                            spool.end(trailers);
                            turn.ask = true;
                        }
                        Some(exchange) => {
                            exchange.pipe.end(trailers);
                            turn.told = true;
                        }
                    }
                }
                Output::Flushed => {
                    if let Some(Exchange { stage: Stage::Sending(sending), .. }) = exchange {
                        sending.flushing = false;
                        turn.ask = true;
                    }
                }
                Output::PeerEnded => {
                    if let Some(exchange) = exchange {
                        exchange.pipe.peer_ended();
                        turn.told = true;
                    }
                    self.service.tell(|subscriber| subscriber.peer_ended(&self.info));
                }
                Output::BodyFailed(error) => {
                    self.body_failed(error, turn);
                    return self.take_outputs(turn, cx);
                }
                Output::Refused(error) => {
                    self.refused(&error);
                    return self.take_outputs(turn, cx);
                }
                Output::Upgraded(leftover) => {
                    let leftover = Bytes::copy_from_slice(leftover);
                    self.hand_over(leftover, cx);
                    return false;
                }
                Output::CloseWrite => self.close_write = true,
                Output::Drop { reset } => {
                    if let Some(mut wire) = self.wire.take() {
                        if reset {
                            wire.reset();
                        }
                    }
                }
                Output::HttpChannelClosed(reason) => {
                    self.closed(reason, turn);
                    return false;
                }
                Output::HttpChannelOpened => self.service.tell(|subscriber| subscriber.opened(&self.info)),
                Output::Excess(bytes) => self.service.tell(|subscriber| subscriber.excess(&self.info, bytes)),
                _ => {}
            }
        }
        false
    }

    /// Takes up the request that waits, and calls the handler.
    fn begin(&mut self, now: &Now<'_>) {
        self.channel.note_request();
        let Some(request) = self.channel.request() else { return };
        self.service.tell_of_request(|subscriber| subscriber.request(&self.info, request));
        let counted = self.service.desk.budget.is_limited();
        if counted && !self.service.desk.budget.begin_request() {
            let _ = self.channel.handle(now, Input::Busy);
            return;
        }
        let exchange = match &mut self.exchange {
            Some(exchange) => exchange,
            none => none.insert(self.service.exchanges.take().unwrap_or_else(Exchange::new)),
        };
        exchange.counted = counted;
        exchange.begin(request);
        if self.service.whole_bodies && exchange.has_body && !request.expects_continue() {
            let overflow = self.service.compiled.config().inbuf_overflow;
            exchange.stage = Stage::Gathering(Box::new(Spool::new(overflow)));
        } else {
            self.call(None, now);
        }
    }

    /// Calls the handler.
    fn call(&mut self, gathered: Option<Body>, now: &Now<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        let request = exchange.request(gathered, &self.info);
        exchange.stage = Stage::Calling;
        match panics::catch(|| self.service.handler.call(request)) {
            Ok(future) => exchange.future.set(Some(future)),
            Err(panic) => self.abort(Failure::Handler, &panic, now),
        }
    }

    /// Polls whatever of the application is next; `true` if the channel has been given something.
    fn application(&mut self, turn: &mut Turn<'_>, cx: &mut Context<'_>) -> bool {
        let Some(exchange) = self.exchange.as_deref_mut() else { return false };
        exchange.pipe.attend();
        let response = match &mut exchange.stage {
            Stage::Over => return false,
            Stage::Calling | Stage::Orphaned(_) => {
                let future = &mut exchange.future;
                panics::catch(|| {
                    let Some(running) = future.as_mut().as_pin_mut() else { return Poll::Pending };
                    let response = running.poll(cx).map(IntoResponse::into_response);
                    if response.is_ready() {
                        // In here: the drop of a future is the application's code, too.
                        future.set(None);
                    }
                    response
                })
            }
            Stage::Sending(sending) => {
                let pumped = sending.pump(&mut self.channel, &turn.now, cx);
                let calls = exchange.pipe.attended();
                let called = calls.is_some_and(|calls| self.carry_out(calls, &turn.now));
                match pumped {
                    Pumped::Waits => return called,
                    // The next turn goes on, after a write.
                    Pumped::More => {
                        turn.ask = true;
                        return false;
                    }
                    Pumped::Failed(text) => {
                        self.failed(Failure::Response, &text);
                        self.finish();
                    }
                    Pumped::Over => self.finish(),
                }
                return true;
            }
            Stage::Gathering(_) => return self.gather(turn, cx),
        };
        // What the handler has asked for comes before its response.
        let calls = exchange.pipe.attended();
        let called = calls.is_some_and(|calls| self.carry_out(calls, &turn.now));
        match response {
            Ok(Poll::Pending) => {
                self.channel.forget_request();
                return called;
            }
            Ok(Poll::Ready(response)) => turn.ask |= self.respond(response, &turn.now),
            Err(panic) => self.abort(Failure::Handler, &panic, &turn.now),
        }
        true
    }

    /// Hands the response to the channel. `true` if it has a source, which is to be polled.
    #[inline]
    fn respond(&mut self, mut response: Response, now: &Now<'_>) -> bool {
        if let Some(text) = response.failure() {
            self.failed(Failure::Handler, text);
        }
        let Some(exchange) = self.exchange.as_deref_mut() else { return false };
        if let Some(fault) = response.fault() {
            self.service.tell(|subscriber| subscriber.invalid_field(&self.info, fault));
        }
        // The source is the application's code: `length` may panic.
        if let Body::Stream(source) = &response.body {
            if let Err(panic) = panics::catch(|| source.length()) {
                panics::discard(response);
                self.abort(Failure::Handler, &panic, now);
                return false;
            }
        }
        match self.channel.handle(now, Input::HttpResponse(response.as_ref())) {
            Ok(()) if self.channel.owes_body() => {
                exchange.stage = Stage::Sending(Box::new(Sending::new(response.take_body())));
                return true;
            }
            Ok(()) => {}
            Err(refused) => self.not_accepted(refused, now),
        }
        // It may be a source, which is dropped unread: the application's code, too.
        panics::discard(response.body);
        self.finish();
        false
    }

    /// The channel has refused the response. Either the channel has responded by itself (a deadline) or is closed, and
    /// the response is dropped. Or the channel still waits, and the response does not meet a condition (a 101 to a
    /// request that asks for no upgrade, say): a failure of the handler.
    #[cold]
    fn not_accepted(&mut self, refused: NotAccepted, now: &Now<'_>) {
        let Some(condition) = refused.unmet else { return };
        let text = format!("The response cannot be sent, because it needs: {}", condition.meaning());
        if self.channel.handle(now, Input::Abort(Some(&text))).is_ok() {
            self.failed(Failure::Handler, &text);
        }
    }

    #[cold]
    fn abort(&mut self, failure: Failure, text: &str, now: &Now<'_>) {
        self.failed(failure, text);
        let _ = self.channel.handle(now, Input::Abort(Some(text)));
        self.finish();
    }

    #[cold]
    fn failed(&self, failure: Failure, text: &str) {
        self.service.tell(|subscriber| subscriber.failed(Some(&self.info), failure, text));
    }

    /// The exchange is over; its memory stays for the next request of this wake-up.
    #[inline]
    fn finish(&mut self) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        // A 101 or a 2xx to CONNECT has not left yet: whoever waits for the connection goes on waiting.
        if self.channel.state() == State::Handover {
            exchange.drop_application();
        } else {
            exchange.finish();
        }
        if std::mem::take(&mut exchange.counted) {
            exchange.pipe.place.leave(&self.service.desk);
        }
    }

    /// Passes on what the handler asked of the channel.
    #[cold]
    fn carry_out(&mut self, calls: Calls, now: &Now<'_>) -> bool {
        for order in calls.orders {
            // Not accepted where the response came first: that is no failure.
            let _ = match order {
                Order::Continue => self.channel.handle(now, Input::Continue),
                Order::Informational(status, fields) => {
                    self.channel.handle(now, Input::Informational(status, &fields))
                }
            };
        }
        if calls.demand > 0 {
            let _ = self.channel.handle(now, Input::BodyDemand(calls.demand));
        }
        true
    }

    fn gather(&mut self, turn: &mut Turn<'_>, cx: &mut Context<'_>) -> bool {
        let Some(Exchange { stage: Stage::Gathering(spool), .. }) = self.exchange.as_deref_mut() else {
            return false;
        };
        match panics::catch(|| spool.poll(&self.service.desk.spawner, cx)) {
            Err(text) => self.abort(Failure::Spool, &text, &turn.now),
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(Gathered::Demand(bytes))) => {
                let _ = self.channel.handle(&turn.now, Input::BodyDemand(bytes));
            }
            Ok(Poll::Ready(Gathered::Whole(body))) => {
                self.call(Some(body), &turn.now);
                turn.ask = true;
            }
            Ok(Poll::Ready(Gathered::Failed(error))) => {
                let text = format!("The request body could not be kept: {error}");
                self.abort(Failure::Spool, &text, &turn.now);
            }
        }
        true
    }

    #[cold]
    fn body_failed(&mut self, error: BodyError, turn: &mut Turn<'_>) {
        self.service.tell(|subscriber| subscriber.body_failed(&self.info, &error));
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        if matches!(exchange.stage, Stage::Gathering(_)) {
            // The machine responds; the handler is not called.
            self.finish();
        } else {
            exchange.pipe.fail(error);
            turn.told = true;
        }
    }

    /// The machine has responded by itself: nobody waits for the handler any more.
    #[cold]
    fn refused(&mut self, error: &RequestError) {
        self.service.tell(|subscriber| subscriber.refused(&self.info, error));
        if self.exchange.as_ref().is_some_and(|exchange| !exchange.is_over()) {
            self.finish();
        }
    }

    #[cold]
    fn hand_over(&mut self, leftover: Bytes, cx: &mut Context<'_>) {
        self.service.tell(|subscriber| subscriber.upgraded(&self.info));
        let (Some(wire), Some(exchange)) = (self.wire.take(), self.exchange.as_deref_mut()) else { return };
        self.channel.end();
        let lease = self.lease.hand_over();
        let (desk, stats) = (Arc::clone(&self.service.desk), self.channel.stats());
        let io = Box::new(Tunnel::new(wire, desk, lease, stats, Arc::clone(&self.info)));
        // From here on only the application holds the pipe: where it does not, the connection ends here.
        let pipe = std::mem::take(&mut exchange.pipe);
        pipe.hand_over(Upgraded::new(leftover, io), cx.waker());
        panics::discard(pipe);
    }

    #[cold]
    fn closed(&mut self, reason: CloseReason, turn: &mut Turn<'_>) {
        self.service.tell(|subscriber| subscriber.closed(&self.info, reason));
        self.wire = None;
        self.channel.end();
        let Some(exchange) = self.exchange.as_deref_mut() else {
            return self.lease.end(self.channel.stats());
        };
        let runs_on = matches!(exchange.stage, Stage::Calling) && exchange.pipe.is_disconnect_awaited();
        exchange.pipe.disconnected();
        turn.told = true;
        if runs_on {
            // A timeout of 0 means no deadline.
            let at_most = self.service.compiled.config().responseless_timeout.filter(|time| !time.is_zero());
            let at_most = at_most.map_or(NEVER, |at_most| Moment::from_duration(at_most).as_millis());
            let now = self.opened.saturating_add(turn.now.at.as_millis());
            let orphan = self.lease.outlive(self.channel.stats(), now.saturating_add(at_most));
            if let Some(orphan) = orphan {
                exchange.stage = Stage::Orphaned(Box::new(orphan));
                return;
            }
        }
        self.lease.end(self.channel.stats());
        self.finish();
    }

    /// Whether the handler has run on for long enough after its connection was lost.
    #[cold]
    fn is_overdue(&self, now: u64) -> bool {
        let stage = self.exchange.as_ref().map(|exchange| &exchange.stage);
        matches!(stage, Some(Stage::Orphaned(orphan)) if orphan.is_due(now))
    }

    /// Whether the connection is over, and the application's work for it.
    fn is_done(&self) -> bool {
        !self.lease.is_open() && self.exchange.as_ref().is_none_or(|exchange| exchange.is_over())
    }

    /// Whether the handler has asked for something on another thread. If not, this task is woken when it does.
    fn is_called(&self, cx: &Context<'_>) -> bool {
        let exchange = self.exchange.as_ref().filter(|exchange| !exchange.is_over());
        exchange.is_some_and(|exchange| exchange.pipe.watch(cx.waker()))
    }

    /// Before the task sleeps: gives back what an idle connection does not need, and sets the alarm.
    fn rest(&mut self, at: u64, cx: &mut Context<'_>) {
        self.channel.rest();
        if self.channel.is_idle() {
            if let Some(exchange) = self.exchange.take_if(|exchange| exchange.is_over()) {
                self.service.recycle(exchange);
            }
        }
        let held = self.exchange.as_ref().map_or(0, |exchange| exchange.held());
        let buffered = u32::try_from(self.channel.buffered() + held).unwrap_or(u32::MAX);
        let fits = self.service.desk.budget.hold(self.buffered, buffered);
        self.buffered = buffered;
        if !self.lease.is_open() {
            if let Some(Exchange { stage: Stage::Orphaned(orphan), .. }) = self.exchange.as_deref_mut() {
                orphan.arm(at, cx);
            }
            return;
        }
        let is_idle = self.channel.state() == State::Idle;
        self.lease.rest(if is_idle { at } else { NEVER });
        if !fits {
            // The channel that grew pays: closing idle connections would free no buffers.
            self.overgrown = true;
            self.lease.evict();
            cx.waker().wake_by_ref();
        }
        let due = self.channel.deadline();
        let due = due.map_or(NEVER, |due| self.opened.saturating_add(due.as_millis()));
        // While nothing is read, a lost connection shows only when the wire is asked, and the application may take
        // hours.
        let due = if is_idle || self.is_reading() { due } else { due.min(at.saturating_add(LOOK)) };
        self.lease.arm(due, at, cx);
    }

    /// Whether input is read, so that a read would tell of a lost connection.
    fn is_reading(&self) -> bool {
        self.wire.is_none() || self.channel.input_room() > 0
    }

    fn is_lost_unread(&mut self) -> bool {
        !self.is_reading() && self.wire.as_mut().is_some_and(Wire::is_lost)
    }

    /// The server goes out of service: the channel gets `GoOut` once; at the drain deadline the connection is dropped.
    #[cold]
    fn go_out(&mut self, now: &Now<'_>) -> Poll<()> {
        if self.service.desk.is_cut() {
            if self.lease.is_open() {
                self.service.tell(|subscriber| subscriber.closed(&self.info, CloseReason::DrainTimeout));
            }
            if let Some(wire) = &mut self.wire {
                wire.reset();
            }
            return Poll::Ready(());
        }
        self.tell_to_go(now);
        Poll::Pending
    }

    #[cold]
    fn tell_to_go(&mut self, now: &Now<'_>) {
        if !std::mem::replace(&mut self.told_to_go, true) {
            let leave = self.channel.leave(now.at);
            let _ = self.channel.handle(now, Input::GoOut(leave));
        }
    }
}

/// Body bytes for whoever gathers or reads them.
fn body_data<F>(exchange: Option<&mut Exchange<F>>, bytes: &[u8], turn: &mut Turn<'_>) {
    match exchange {
        None => {}
        Some(Exchange { stage: Stage::Gathering(spool), .. }) => {
            spool.data(bytes);
            turn.ask = true;
        }
        Some(exchange) => {
            exchange.pipe.deliver(bytes);
            turn.told = true;
        }
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
        self.lease.end(self.channel.stats());
        self.service.desk.budget.hold(self.buffered, 0);
        if let Some(mut exchange) = self.exchange.take() {
            let _ = panics::catch(|| exchange.finish());
            if exchange.counted {
                exchange.pipe.place.leave(&self.service.desk);
            }
            self.service.recycle(exchange);
        }
    }
}

impl<H: Handler, W: Wire> fmt::Debug for Driver<H, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("channel", &self.info.channel)
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

    use super::Driver;
    use crate::tape::Taped;
    use crate::wire::Wire;

    /// Beyond its channel and its socket, of which there is one each per connection.
    fn own_size<W: Wire>(_: impl Fn(W) -> Option<W>) -> usize {
        size_of::<Driver<fn(Request) -> std::future::Ready<()>, W>>()
            - size_of::<Taped>()
            - size_of::<Option<W>>()
    }

    #[test]
    fn a_driver_that_waits_is_little_more_than_its_channel() {
        let size = own_size::<crate::memory::MemoryWire>(Some);
        assert!(size <= 72, "{size}");
    }
}
