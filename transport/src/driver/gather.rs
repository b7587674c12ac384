//! Gathers a request body, in memory or in a file: before the handler is called, or where the handler asks for it.
//!
//! A function that would hold a thread of few while it waits for its peer is called when its body is whole, or with a
//! permit: for a long body, once more than `inbuf_overflow` bytes have come, and at the head of a request that expects `100
//! Continue` or where bodies are streamed. So slow peers hold as many threads as there are permits, and no more.

use std::io;
use std::task::{Context, Poll};

use httpfsm::channel::Input;
use httpfsm::handler::{Failure, GatherUntil, Handler, NoRoom};

use super::{Driver, WakeUp};
use crate::exchange::{Exchange, Stage};
use crate::panics;
use crate::permits::{Permit, Permits};
use crate::spool::{Gathered, Spool};
use crate::spooled::is_soon_over;
use crate::wire::Wire;

impl<H: Handler, W: Wire> Driver<H, W> {
    /// Gathers the body for the handler, which has been called. `unasked`: bytes that the handler has asked for and the
    /// channel does not know of.
    #[cold]
    pub(super) fn begin_gathering(
        &mut self,
        until: GatherUntil,
        unasked: u64,
        wake_up: &mut WakeUp<'_>,
        cx: &Context<'_>,
    ) {
        let overflow = self.service.compiled.config().inbuf_overflow;
        let (shared, is_streamed) = (&self.service.shared, self.service.streams_bodies);
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        let may_wait = until == GatherUntil::WholeOrPermitted;
        if !may_wait {
            // It waits for all of the body, and not as one of few. A thread is held all the same.
            exchange.permit.take_if(|_| !exchange.pipe.is_asked_by_thread());
        } else if exchange.permit.is_none()
            && (is_streamed || exchange.expects_continue())
            && !exchange.pipe.is_body_in()
        {
            exchange.permit = Permits::try_take(&shared.permits);
        }
        if may_wait && exchange.permit.is_some() || is_streamed && until == GatherUntil::WholeUnlessStreamed {
            wake_up.ask |= exchange.pipe.stream_on(until, None, cx.waker());
            // What the handler has asked for before comes as well.
            if unasked > 0 {
                self.demand(unasked, &wake_up.now, cx);
            }
            return;
        }
        let unasked = unasked + exchange.wait.take().map_or(0, |wait| wait.demand);
        let Some(came) = exchange.pipe.begin_gathering(unasked) else { return };
        let spool = Spool::resume(overflow, &shared.ledger, came);
        let spool = if may_wait { spool.permitted(&shared.permits) } else { spool };
        exchange.gathering = Some(Box::new(spool));
        wake_up.ask = true;
    }

    /// Goes on gathering; `true` if the channel has been given something, or the handler something to be polled for.
    pub(super) fn gather(&mut self, wake_up: &mut WakeUp<'_>, cx: &mut Context<'_>) -> bool {
        let Some(exchange) = self.exchange.as_deref_mut() else { return false };
        let Exchange { gathering: Some(spool), pipe, .. } = exchange else { return false };
        if pipe.forgoes_body() {
            exchange.let_body_go();
            return false;
        }
        match panics::attempt(|| spool.poll(&self.service.shared.spawner, cx)) {
            Err(text) => self.abort(Failure::Spool, &text, &wake_up.now),
            Ok(Poll::Pending) => {
                if let Some(at) = spool.looks_at() {
                    let now = self.opened.saturating_add(wake_up.now.at.as_millis());
                    self.slot.arm(at, now, cx);
                }
                return false;
            }
            Ok(Poll::Ready(Gathered::Demand(bytes))) => {
                let goes_on = self.demand(bytes, &wake_up.now, cx);
                if let Some(Exchange { gathering: Some(spool), .. }) = self.exchange.as_deref() {
                    // It was given to a job for want of room.
                    wake_up.ask |= spool.is_writing();
                }
                return goes_on;
            }
            Ok(Poll::Ready(Gathered::Whole(body))) => {
                (exchange.gathering, exchange.permit) = (None, None);
                wake_up.ask = true;
                if matches!(exchange.stage, Stage::Gathering) {
                    self.call(Some(body), &wake_up.now);
                } else {
                    exchange.pipe.hand_gathered(body, cx.waker());
                }
            }
            Ok(Poll::Ready(Gathered::Permitted(permit))) => self.stream_on(permit, wake_up, cx),
            Ok(Poll::Ready(Gathered::Failed(error))) => self.not_gathered(&error, wake_up),
        }
        true
    }

    /// The handler reads what has come, and the rest as it comes.
    fn stream_on(&mut self, permit: Permit, wake_up: &mut WakeUp<'_>, cx: &Context<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        let Some(spool) = exchange.gathering.take() else { return };
        let came = spool.into_partial();
        if came.end.is_none() {
            exchange.permit = Some(permit);
        }
        exchange.pipe.stream_on(GatherUntil::WholeOrPermitted, Some(came), cx.waker());
        wake_up.ask = true;
    }

    #[cold]
    fn not_gathered(&mut self, error: &io::Error, wake_up: &WakeUp<'_>) {
        if let Some(none) = error.get_ref().and_then(|error| error.downcast_ref::<NoRoom>()) {
            return self.no_room_for_body(*none, &wake_up.now);
        }
        let text = format!("The request body could not be kept: {error}");
        if is_soon_over(error) && self.channel.handle(&wake_up.now, Input::Busy).is_ok() {
            self.failed(Failure::Spool, &text);
            self.finish();
        } else {
            self.abort(Failure::Spool, &text, &wake_up.now);
        }
    }
}
