//! What the channel says, carried out: its outputs, for the application and for the socket.

use std::sync::Arc;
use std::task::Context;

use bytes::Bytes;
use httpfsm::channel::Output;
use httpfsm::error::{BodyError, CloseReason, RequestError};
use httpfsm::handler::{Failure, Handler, Upgraded};
use httpfsm::time::Moment;

use super::{Driver, WakeUp, WireEnd};
use crate::alarms::NEVER;
use crate::exchange::{Exchange, Stage};
use crate::panics;
use crate::pipe::Pipe;
use crate::tunnel::Tunnel;
use crate::wire::Wire;

impl<H: Handler, W: Wire> Driver<H, W> {
    /// Carries out the channel's outputs. `true` at a request, whose handler is called before the next output is taken.
    ///
    /// The application is woken after all outputs. Where the machine responds by itself, the handler has been dropped
    /// by then and is not woken, also if another thread would have polled it at once.
    pub(super) fn outputs(&mut self, wake_up: &mut WakeUp<'_>, cx: &mut Context<'_>) -> bool {
        let is_request = self.take_outputs(wake_up, cx);
        self.wake_application(wake_up, cx);
        is_request
    }

    /// Wakes the application where something came for it. A thread that reads may be left for [later](Self::wake_late).
    pub(super) fn wake_application(&self, wake_up: &mut WakeUp<'_>, cx: &Context<'_>) {
        if wake_up.wakes_application {
            self.wake_those_who_wait(true, wake_up, cx);
        }
    }

    /// Wakes who was left for later, as nothing more comes before the driver sleeps.
    #[cold]
    pub(super) fn wake_late(&self, wake_up: &mut WakeUp<'_>, cx: &Context<'_>) {
        self.wake_those_who_wait(false, wake_up, cx);
        if wake_up.ask {
            cx.waker().wake_by_ref();
        }
    }

    fn wake_those_who_wait(&self, more_may_come: bool, wake_up: &mut WakeUp<'_>, cx: &Context<'_>) {
        let woken = self.exchange.as_ref().map(|exchange| exchange.pipe.wake(cx.waker(), more_may_come));
        wake_up.wakes_application = woken.is_some_and(|woken| woken.later);
        wake_up.ask |= woken.is_some_and(|woken| woken.own);
    }

    fn take_outputs(&mut self, wake_up: &mut WakeUp<'_>, cx: &mut Context<'_>) -> bool {
        if wake_up.filled {
            self.take_body_buffer(wake_up);
        }
        let Self { channel, exchange, .. } = self;
        while let Some(output) = channel.next_output() {
            let exchange = exchange.as_deref_mut();
            match output {
                Output::HttpRequest => return true,
                Output::FlushOutputData => {}
                Output::TransmitReady => wake_up.ask = true,
                Output::BodyData(bytes) => body_data(exchange, bytes, wake_up),
                Output::BodyEnd(trailers) => {
                    self.service.tell_of_request(|subscriber| subscriber.body_end(&self.info));
                    match exchange.filter(|exchange| exchange.has_body) {
                        None => {}
                        Some(Exchange { gathering: Some(spool), .. }) => {
                            spool.end(trailers);
                            wake_up.ask = true;
                        }
                        Some(exchange) => {
                            exchange.permit = None;
                            exchange.pipe.end(trailers);
                            wake_up.wakes_application = true;
                        }
                    }
                }
                Output::Flushed => {
                    if let Some(Exchange { stage: Stage::Sending(sending), .. }) = exchange {
                        sending.flushing = false;
                        wake_up.ask = true;
                    }
                }
                Output::PeerEnded => {
                    if let Some(exchange) = exchange {
                        exchange.pipe.peer_ended();
                        wake_up.wakes_application = true;
                    }
                    self.service.tell(|subscriber| subscriber.peer_ended(&self.info));
                }
                Output::BodyFailed(error) => {
                    self.body_failed(error, wake_up);
                    return self.take_outputs(wake_up, cx);
                }
                Output::Refused(error) => {
                    self.refused(&error);
                    return self.take_outputs(wake_up, cx);
                }
                Output::Upgraded(leftover) => {
                    let leftover = self.service.shared.ledger.leftover(Bytes::copy_from_slice(leftover));
                    self.hand_over(leftover, cx);
                    return false;
                }
                Output::CloseWrite => self.wire_end = WireEnd::HalfClose,
                Output::Drop { reset: false } if self.wire.as_ref().is_some_and(Wire::owes_end) => {
                    self.wire_end = WireEnd::Parting { late: false };
                }
                Output::Drop { reset } => {
                    if let Some(mut wire) = self.wire.take() {
                        if reset {
                            wire.reset();
                        }
                    }
                }
                Output::HttpChannelClosed(reason) => {
                    if !self.wire_end.is_parting() {
                        self.closed(reason, wake_up);
                    }
                    return false;
                }
                Output::HttpChannelOpened => self.service.tell(|subscriber| subscriber.opened(&self.info)),
                Output::Excess(bytes) => self.service.tell(|subscriber| subscriber.excess(&self.info, bytes)),
            }
        }
        false
    }

    /// What fills the worker's buffer goes to the reader in it, and the worker gets another.
    #[cold]
    fn take_body_buffer(&mut self, wake_up: &mut WakeUp<'_>) {
        wake_up.filled = false;
        let Some(exchange) = self.exchange.as_deref_mut().filter(|exchange| exchange.gathering.is_none())
        else {
            return;
        };
        let buffers = &self.service.shared.body_buffers;
        let mut buffer = buffers.take();
        match self.channel.take_body_buffer(&mut buffer) {
            None => buffers.give_back(buffer),
            Some(place) => {
                exchange.pipe.deliver_piece(buffers.bytes(buffer, place));
                wake_up.wakes_application = true;
            }
        }
    }

    #[cold]
    fn body_failed(&mut self, error: BodyError, wake_up: &mut WakeUp<'_>) {
        self.service.tell(|subscriber| subscriber.body_failed(&self.info, &error));
        if error == BodyError::NotContinued {
            // That is no fault of the peer: the response came before the body that it is made of.
            self.failed(Failure::Response, &error.to_string());
        }
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        exchange.let_body_go();
        if matches!(exchange.stage, Stage::Gathering) {
            // The machine responds; the handler is not called.
            self.finish();
        } else {
            exchange.pipe.fail(error);
            wake_up.wakes_application = true;
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
        self.keep_nothing();
        let (Some(wire), Some(exchange)) = (self.wire.take(), self.exchange.as_deref_mut()) else { return };
        self.channel.end();
        let slot = self.slot.hand_over();
        let (shared, stats) = (Arc::clone(&self.service.shared), self.channel.stats());
        let io = Box::new(Tunnel::new(wire, shared, slot, stats, Arc::clone(&self.info)));
        // From here on only the application holds the pipe: where it does not, the connection ends here.
        let pipe = Pipe::replace(&mut exchange.pipe);
        pipe.hand_over(Upgraded::new(leftover, io), cx.waker());
        panics::discard(pipe);
    }

    #[cold]
    pub(super) fn closed(&mut self, reason: CloseReason, wake_up: &mut WakeUp<'_>) {
        self.service.tell(|subscriber| subscriber.closed(&self.info, reason));
        self.wire = None;
        self.channel.end();
        self.keep_nothing();
        let Some(exchange) = self.exchange.as_deref_mut() else {
            return self.slot.end(self.channel.stats());
        };
        exchange.let_body_go();
        let runs_on = matches!(exchange.stage, Stage::Calling) && exchange.pipe.is_disconnect_awaited();
        exchange.pipe.disconnected();
        wake_up.wakes_application = true;
        if runs_on {
            // A timeout of 0 means no deadline.
            let at_most = self.service.compiled.config().responseless_timeout.filter(|time| !time.is_zero());
            let at_most = at_most.map_or(NEVER, |at_most| Moment::from_duration(at_most).as_millis());
            let now = self.opened.saturating_add(wake_up.now.at.as_millis());
            let orphan = self.slot.outlive(self.channel.stats(), now.saturating_add(at_most));
            if let Some(orphan) = orphan {
                exchange.stage = Stage::Orphaned(Box::new(orphan));
                return;
            }
        }
        self.finish();
        self.slot.end(self.channel.stats());
    }
}

/// Body bytes for whoever gathers or reads them.
fn body_data<F>(exchange: Option<&mut Exchange<F>>, bytes: &[u8], wake_up: &mut WakeUp<'_>) {
    match exchange {
        None => {}
        Some(Exchange { gathering: Some(spool), .. }) => {
            spool.data(bytes);
            wake_up.ask = true;
        }
        Some(exchange) => {
            exchange.pipe.deliver(bytes);
            wake_up.wakes_application = true;
        }
    }
}
