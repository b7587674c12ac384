//! What must hold after each step of a round, when nothing goes on any more, and at its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use httpfsm::handler::Handler;
use httpfsm::server::NotAdmitted;
use httpfsm_transport::Held;

use super::{ACCEPT_LOOP, Round};
use crate::contract::{Breach, Contract};
use crate::running::TaskKind;
use crate::wire::Fate;

/// Milliseconds in which a full server may not have looked who is idle, or waits for whom it has told to close.
const SEARCHED: u64 = 200;

impl<H: Handler> Round<'_, H> {
    /// What must hold after every step of the server.
    pub(super) fn check_server(&self) -> Result<(), Breach> {
        if let Some(text) = self.ledger.violation.get() {
            return Err(self.breach(Contract::Requests, text));
        }
        for client in &self.clients {
            if let Some(text) = client.ends.violation() {
                return Err(
                    self.breach(Contract::Wire, &format!("the server at client {}: {text}", client.number))
                );
            }
        }
        Ok(())
    }

    /// Nobody is turned away for want of a place that is free, or that an idle connection could have left.
    pub(super) fn check_refusals(&mut self, now: u64) -> Result<(), Breach> {
        for n in 0..self.clients.len() {
            if self.clients[n].ends.fate() != Some(Fate::Refused(NotAdmitted::Full))
                || self.turned_away.contains(&n)
            {
                continue;
            }
            self.turned_away.push(n);
            let open = self.handle.stats().n_channels;
            if open < self.places {
                let text = format!("client {n} was refused, and {open} of {} places are taken", self.places);
                return Err(self.breach(Contract::Bounded, &text));
            }
            // A body may end long after its last byte, and until then its connection is not idle.
            let at_rest = self.live == 0 && now - self.live_since > SEARCHED;
            let idle = self.clients.iter().find(|client| at_rest && client.idle_for(now) > SEARCHED);
            if let Some(idle) = idle {
                let text = format!("client {n} was refused, though client {} was idle", idle.number);
                return Err(self.breach(Contract::Progress, &text));
            }
        }
        Ok(())
    }

    /// A driver that nobody woke has nothing to do: whatever it does now, it was not woken for.
    pub(super) fn look_for_lost_wake_ups(&mut self) -> Result<(), Breach> {
        if !self.dice.one_in(2) {
            return Ok(());
        }
        for task in &mut self.tasks {
            let TaskKind::Driver(n, _) = &task.what else { continue };
            let client = &self.clients[*n];
            let before = client.ends.link().moved;
            task.poll();
            if client.ends.link().moved != before {
                let text =
                    format!("the server at client {} was not woken for what it could do", client.number);
                return Err(Breach { contract: Contract::Progress, text });
            }
        }
        if let Some(accept_loop) =
            self.tasks.get_mut(ACCEPT_LOOP).filter(|accept_loop| !accept_loop.is_over())
        {
            let before = self.listen_queue.calls();
            accept_loop.poll();
            if self.listen_queue.calls() != before {
                return Err(self.breach(Contract::Progress, "the accept loop was not woken for a connection"));
            }
        }
        self.check_server()
    }

    /// Nothing is going on, and nothing is due: who still waits would wait for ever.
    pub(super) fn look_for_hangs(&self) -> Result<(), Breach> {
        for client in &self.clients {
            if let Some(owed) = client.is_owed() {
                let driver = self.driver(client.number);
                let text =
                    format!("client {} waits for ever for {owed}; its driver: {driver}", client.number);
                return Err(self.breach(Contract::Progress, &text));
            }
        }
        let mut drivers = self.tasks.iter().filter_map(|task| match &task.what {
            TaskKind::Driver(n, driver) => Some((n, driver)),
            _ => None,
        });
        match drivers.next() {
            Some((n, driver)) if self.has_deadlines => {
                let text = format!("the server at client {n} waits without a deadline: {driver:?}");
                Err(self.breach(Contract::Progress, &text))
            }
            _ => Ok(()),
        }
    }

    /// What the driver of a client shows of itself.
    fn driver(&self, number: usize) -> String {
        let mut drivers = self.tasks.iter().filter_map(|task| match &task.what {
            TaskKind::Driver(n, driver) if *n == number => Some(format!("{driver:?}")),
            _ => None,
        });
        drivers.next().unwrap_or_else(|| "is gone".to_owned())
    }

    /// Everything is over, and everything was given back.
    pub(super) fn look_back(mut self) -> Result<(), Breach> {
        if let Some(left) = self.tasks.iter().find(|task| !task.is_over()) {
            let left = match &left.what {
                TaskKind::Driver(n, driver) => {
                    format!("the server at client {n} outlives the drain: {driver:?}")
                }
                TaskKind::AcceptLoop(_) => "the accept loop outlives the drain".to_owned(),
                _ => "a task of the application outlives the drain".to_owned(),
            };
            return Err(self.breach(Contract::Progress, &left));
        }
        let gone =
            self.gone.take().map(|mut gone| gone.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        if gone.is_some_and(|gone| gone.is_pending()) {
            return Err(self.breach(Contract::Progress, "the drain does not end"));
        }
        let stats = self.handle.stats();
        if stats.n_channels != 0 || stats.opened != stats.closed {
            return Err(self.breach(Contract::GivenBack, &format!("channels are left open: {stats:?}")));
        }
        if self.places != 0 && stats.most_channels > self.places {
            let text = format!("{} connections may be open: {stats:?}", self.places);
            return Err(self.breach(Contract::Bounded, &text));
        }
        let open = self.clients.iter().find(|client| !client.ends.is_closed());
        if let Some(client) = open {
            let text = format!("the socket of client {} is left open", client.number);
            return Err(self.breach(Contract::GivenBack, &text));
        }
        // Whose preface is refused gets a 400 from a channel that has no request.
        let served = self.clients.iter().find(|client| {
            let before = client.plan.before.as_ref();
            before.is_some_and(|before| before.is_refused() || before.silent_behind.is_some())
                && client.ends.requests() > 0
        });
        if let Some(client) = served {
            let text = format!("what client {} sent behind a broken prologue was served", client.number);
            return Err(self.breach(Contract::Requests, &text));
        }
        let live = self.ledger.live.load(Ordering::Relaxed);
        if live != 0 {
            return Err(self.breach(Contract::GivenBack, &format!("{live} handlers or bodies are left")));
        }
        self.tasks.clear();
        let held = self.service.held();
        if held != Held::default() {
            let text = format!("channels, requests, bytes, alarms, listeners are left: {held:?}");
            return Err(self.breach(Contract::GivenBack, &text));
        }
        if Arc::strong_count(&self.service) != 1 {
            return Err(self.breach(Contract::GivenBack, "somebody still holds the service"));
        }
        if self.world.next_timer().is_some() {
            return Err(self.breach(Contract::GivenBack, "a timer is left"));
        }
        Ok(())
    }
}
