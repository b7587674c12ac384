//! Memory of the server for a connection: what it keeps, and room for the body of its request.

use std::task::{Context, Poll};

use httpfsm::channel::Input;
use httpfsm::handler::{Handler, NoRoom};
use httpfsm::time::Now;

use super::{Driver, WakeUp};
use crate::exchange::BodyWait;
use crate::ledger::{Charge, GRANTED, Kept, Room, Row};
use crate::wire::Wire;

impl<H: Handler, W: Wire> Driver<H, W> {
    /// What the connection keeps while it sleeps.
    #[inline]
    pub(super) fn keeps(&self) -> Kept {
        let wire = self.wire.as_ref().map_or(0, Wire::held);
        let (input, output) = self.channel.buffered_apart();
        let bytes = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        Kept { input: bytes(input), output: bytes(output + wire) }
    }

    /// Whether nothing that makes more output is taken up before some of it has left: there is no room for more than what is
    /// granted. The wire is waited for meanwhile.
    #[inline]
    pub(super) fn is_held_up(&self, wake_up: &WakeUp<'_>) -> bool {
        wake_up.is_full && self.channel.unsent_here() > GRANTED as usize
    }

    /// How much input may be taken in. Where there is no room, nothing is read ahead beyond what is granted.
    #[inline]
    pub(super) fn input_limit(&self, wake_up: &WakeUp<'_>) -> usize {
        if wake_up.is_full { self.granted_input(wake_up) } else { usize::MAX }
    }

    #[cold]
    fn granted_input(&self, wake_up: &WakeUp<'_>) -> usize {
        if self.is_held_up(wake_up) {
            0
        } else {
            (GRANTED as usize).saturating_sub(self.channel.read_ahead())
        }
    }

    #[inline]
    pub(super) fn may_read(&self, wake_up: &WakeUp<'_>) -> bool {
        self.input_limit(wake_up) > 0
    }

    /// The connection has come to keep more than is granted, and there was no room. Whether it has a 503 to send.
    #[cold]
    pub(super) fn no_room_for_growth(&mut self, now: &Now<'_>) -> bool {
        let is_refused = self.channel.handle(now, Input::Busy).is_ok();
        if is_refused {
            self.tell_no_room();
        }
        is_refused
    }

    #[cold]
    pub(super) fn tell_no_room(&self) {
        let memory = self.service.shared.ledger.memory();
        self.service.tell(|subscriber| subscriber.no_room(Some(&self.info), &memory));
    }

    /// Asks the channel for bytes of the request body, as soon as there is room for them. Whether it was asked.
    #[cold]
    pub(super) fn demand(&mut self, demand: u64, now: &Now<'_>, cx: &Context<'_>) -> bool {
        let Some(exchange) = self.exchange.as_deref_mut() else { return false };
        // The reader may ask again while the driver sees that it has nothing: what waits then goes along.
        let demand = demand + exchange.wait.take().map_or(0, |wait| wait.demand);
        let (length, shared) = (exchange.body_length(), &self.service.shared);
        let wanted = match &exchange.gathering {
            Some(spool) => spool.wants(length, demand),
            None => exchange.pipe.wants(length, demand),
        };
        if wanted == 0 {
            return self.channel.handle(now, Input::BodyDemand(demand)).is_ok();
        }
        let is_little = length.is_some_and(|length| length <= GRANTED.into());
        let room = match &exchange.gathering {
            _ if is_little => Some(shared.ledger.grant(wanted)),
            Some(spool) if spool.spares_memory() => {
                shared.ledger.take(Row::Promised, wanted.min(GRANTED.into()))
            }
            _ => shared.ledger.take(Row::Promised, wanted),
        };
        if let Some(room) = room {
            return self.promise(room, wanted, demand, now);
        }
        if let Some(spool) = &mut exchange.gathering {
            if spool.decline(demand, &shared.spawner) {
                // The job may be done.
                return spool.is_writing();
            }
            if !spool.stays_in_memory() {
                // It goes through memory to the disk in pieces for which there is always room, and waits for none.
                let room = shared.ledger.grant(wanted.min(GRANTED.into()));
                return self.promise(room, wanted, demand, now);
            }
        } else if exchange.pipe.decline(demand) {
            return false;
        } else if exchange.permit.is_some() {
            // All threads that may wait could wait for what is given back by work that is queued behind them.
            let room = shared.ledger.grant(wanted.min(GRANTED.into()));
            return self.promise(room, wanted, demand, now);
        }
        let room = Room::new(&shared.ledger, wanted);
        exchange.wait = Some(Box::new(BodyWait { room, wanted, demand }));
        self.room_came(now, cx)
    }

    fn promise(&mut self, room: Charge, wanted: u64, demand: u64, now: &Now<'_>) -> bool {
        let Some(exchange) = self.exchange.as_deref_mut() else { return false };
        let demand = match &mut exchange.gathering {
            Some(spool) => spool.promise(room, wanted, demand),
            None => exchange.pipe.promise(room, wanted, demand),
        };
        self.channel.handle(now, Input::BodyDemand(demand)).is_ok()
    }

    /// Whether what a body waits for has come: room, or the end of its patience.
    #[cold]
    pub(super) fn room_came(&mut self, now: &Now<'_>, cx: &Context<'_>) -> bool {
        let Some(exchange) = self.exchange.as_deref_mut() else { return false };
        let Some(wait) = &mut exchange.wait else { return false };
        if exchange.pipe.forgoes_body() {
            exchange.wait = None;
            return false;
        }
        let (wanted, demand) = (wait.wanted, wait.demand);
        let Poll::Ready(room) = wait.room.poll(cx) else { return false };
        exchange.wait = None;
        match room {
            Ok(room) => {
                self.promise(room, wanted, demand, now);
            }
            Err(none) => self.no_room_for_body(none, now),
        }
        true
    }

    /// 503, where the head of the response has not left; else the response is cut.
    #[cold]
    pub(super) fn no_room_for_body(&mut self, none: NoRoom, now: &Now<'_>) {
        self.tell_no_room();
        if self.channel.handle(now, Input::Busy).is_err() {
            let _ = self.channel.handle(now, Input::Abort(Some(&none.to_string())));
        }
        self.finish();
    }
}
