//! A model client: sends what its plan says, and holds every byte that comes back against it.

mod judge;
mod send;

use std::sync::Arc;

use self::send::Gate;
use crate::ask::{Ask, Expected};
use crate::before::{BeforeHttp, Next};
use crate::layer::ClientLayer;
use crate::plan::{ClientPlan, Disturbance, LINES, NEVER, Sent};
use crate::reader::{ReadResponse, Reader};
use crate::trace::SimTrace;
use crate::watch::NUMBER;
use crate::wire::LinkEnds;
use httpfsm_transport_kit::ToyLayer;

pub(crate) struct Client<'a> {
    pub(crate) number: usize,
    pub(crate) plan: &'a ClientPlan,
    pub(crate) ends: Arc<LinkEnds>,
    /// When it is to be stepped, apart from when its link wakes it.
    pub(crate) wake_at: Option<u64>,
    /// The connection is over as far as it is concerned.
    pub(crate) finished: bool,
    /// The server has fewer places than there are clients.
    places_are_few: bool,
    /// The server has begun to go out, or time has made a leap: what is owed may stay out.
    pub(crate) excused: bool,
    trace: &'a SimTrace,
    /// Bytes of `bytes` that come before HTTP.
    preface: usize,
    bytes: Vec<u8>,
    gates: Vec<(usize, Gate)>,
    /// Where the heads end.
    heads: Vec<usize>,
    /// Where the requests end.
    places: Vec<usize>,
    /// When it had a response to everything that it had sent, if it has.
    idle_since: Option<u64>,
    disturbances: Vec<(usize, Disturbance)>,
    sent: usize,
    gate_since: Option<u64>,
    paused_until: u64,
    silent: bool,
    ended: bool,
    reader: Reader,
    layer: Option<ClientLayer>,
    received: u64,
    taking_from: u64,
    stopped: bool,
    /// Responses that have come.
    responses: usize,
    continued: usize,
    closing: bool,
    switched: bool,
    /// Ignores what still comes: it may be content, or bytes behind the last response, and the client cannot say which.
    deaf: bool,
    /// When it had all responses and had sent its FIN.
    done_since: Option<u64>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(
        number: usize,
        plan: &'a ClientPlan,
        ends: Arc<LinkEnds>,
        places_are_few: bool,
        trace: &'a SimTrace,
    ) -> Self {
        let bodies: usize = plan.sends.iter().map(|sent| 2 * sent.ask.body.len()).sum();
        let mut bytes = Vec::with_capacity(bodies + 300 * plan.sends.len());
        let before = plan.before.as_ref();
        let mut preface = before.map(|before| before.preface(number)).unwrap_or_default();
        let mut layer = plan.layered.then(|| {
            let toy = before.map_or_else(ToyLayer::client, BeforeHttp::toy);
            ClientLayer::new(toy, std::mem::take(&mut preface))
        });
        bytes.extend_from_slice(&preface);
        let silent_behind = before.and_then(|before| before.silent_behind);
        if let (Some(silent_behind), Some(layer)) = (silent_behind, &mut layer) {
            layer.cut(silent_behind);
        }
        let other = plan.sends.last().filter(|_| before.is_some_and(BeforeHttp::is_other));
        if let Some(Sent { ask: Ask { expected: Expected::Tunnel { sends, .. }, .. }, .. }) = other {
            bytes.extend_from_slice(sends);
        }
        let (mut gates, mut heads, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let rendered = if other.is_some() { &[][..] } else { &plan.sends };
        for (n, sent) in rendered.iter().enumerate() {
            if n > 0 && !plan.pipelined {
                gates.push((bytes.len(), Gate::Responses(n)));
            }
            let head = sent.render(&mut bytes);
            heads.push(head);
            places.push(bytes.len());
            if sent.expect {
                gates.push((head, Gate::Continued(n)));
            }
            if let Expected::Tunnel { sends: behind, .. } | Expected::Declined(behind) = &sent.ask.expected {
                // Behind the request, or when the other protocol has begun.
                if !plan.pipelined {
                    gates.push((bytes.len(), Gate::Responses(n + 1)));
                }
                bytes.extend_from_slice(behind);
            }
        }
        bytes.extend_from_slice(&LINES[..plan.tail]);
        if let (Some(place), true) = (places.last_mut(), plan.tail > 0) {
            *place = bytes.len();
        }
        let place = |at: u32| bytes.len() * at as usize / 1000;
        let mut disturbances: Vec<_> = plan
            .disturbances
            .iter()
            .map(|&disturbance| match disturbance {
                Disturbance::Pause { at, .. }
                | Disturbance::Fin { at }
                | Disturbance::Reset { at }
                | Disturbance::Silence { at } => (place(at), disturbance),
                _ => (usize::MAX, disturbance),
            })
            .collect();
        if let (Some(silent_behind), None) = (silent_behind, &layer) {
            disturbances.push((silent_behind.min(bytes.len()), Disturbance::Silence { at: 0 }));
        }
        disturbances.sort_by_key(|(at, _)| *at);
        Self {
            number,
            ends,
            wake_at: None,
            finished: false,
            excused: false,
            places_are_few,
            idle_since: None,
            places,
            trace,
            preface: preface.len(),
            bytes,
            gates,
            heads,
            disturbances,
            sent: 0,
            gate_since: None,
            paused_until: 0,
            silent: silent_behind.is_some() && plan.layered,
            ended: false,
            reader: Reader::default(),
            layer,
            received: 0,
            taking_from: 0,
            stopped: false,
            responses: usize::from(other.is_some()),
            continued: 0,
            closing: false,
            switched: other.is_some(),
            // What the layer of its listener says to that is nothing that it knows.
            deaf: before.is_some_and(|before| before.next == Next::NoHello),
            done_since: None,
            plan,
        }
    }

    /// Whether it has something to do now.
    pub(crate) fn is_runnable(&self, now: u64) -> bool {
        self.wake_at.is_some_and(|at| at <= now) || (!self.is_gone() && self.ends.client_woken())
    }

    /// Nothing that happens concerns it any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.finished && self.ends.is_closed()
    }

    /// What it still has to get, though it does all that it must.
    pub(crate) fn is_owed(&self) -> Option<String> {
        let stays = self.plan.is_calm() && !self.is_excused() && !self.closing && !self.finished;
        if !stays {
            return None;
        }
        match self.tunnel() {
            Some((came, due)) if came < due => Some(format!("{} bytes of a tunnel", due - came)),
            _ if self.responses < self.plan.owed() => {
                Some(format!("the response to request {}", self.responses))
            }
            _ => None,
        }
    }

    /// Bytes that have come through the connection that was handed over, and those that have to.
    fn tunnel(&self) -> Option<(usize, usize)> {
        let last = self.plan.sends.last().filter(|_| self.switched)?;
        let Expected::Tunnel { returns, .. } = &last.ask.expected else { return None };
        Some((self.reader.rest().len(), returns.len()))
    }

    /// Takes, judges, and sends a piece.
    pub(crate) fn step(&mut self, now: u64) -> Result<(), String> {
        self.wake_at = None;
        self.ends.take_client_wake();
        self.receive(now)?;
        if !self.finished {
            self.send(now);
            if self.ended && self.responses >= self.plan.sends.len() {
                self.done_since.get_or_insert(now);
            }
        }
        self.send_layer(now);
        let at_rest = if self.switched { false } else { self.has_all() || self.is_stuck_before_http() };
        let idle = !self.closing && !self.ended && !self.finished && at_rest;
        self.idle_since = if idle { self.idle_since.or(Some(now)) } else { None };
        Ok(())
    }

    /// Whether it has the responses to whole requests, and neither end owes the other anything.
    fn has_all(&self) -> bool {
        let place = self.responses.checked_sub(1).and_then(|last| self.places.get(last));
        let link = self.ends.link();
        place == Some(&self.sent)
            && !self.reader.is_amid()
            && link.to_server.is_empty()
            && link.to_client.is_empty()
            && self.layer.as_ref().is_none_or(ClientLayer::is_at_rest)
    }

    /// Whether it is silent before anything could be asked for.
    fn is_stuck_before_http(&self) -> bool {
        let stops = self.plan.before.is_some_and(|before| before.silent_behind.is_some());
        stops && self.silent && self.ends.link().to_server.is_empty()
    }

    /// For how long its connection has been one that a full server may close.
    pub(crate) fn idle_for(&self, now: u64) -> u64 {
        self.idle_since.filter(|_| !self.ends.is_closed() && !self.excused).map_or(0, |since| now - since)
    }

    fn is_excused(&self) -> bool {
        self.excused || self.ends.fate().is_some()
    }

    fn later(&mut self, at: u64) {
        if at >= NEVER {
            return;
        }
        self.wake_at = Some(self.wake_at.map_or(at, |known| known.min(at)));
    }

    fn receive(&mut self, now: u64) -> Result<(), String> {
        if self.taking_from > now {
            self.later(self.taking_from);
            return Ok(());
        }
        let (taken, more, ended, reset) = {
            let mut link = self.ends.link();
            let taken = match &mut self.layer {
                None => link.take(self.plan.take, self.reader.buffer()),
                // Whoever is gone does not care.
                Some(layer) => match layer.take(&mut link, self.plan.take, self.reader.buffer()) {
                    Err(error) if !self.finished => return Err(error.to_string()),
                    taken => taken.unwrap_or_default(),
                },
            };
            (taken, !link.to_client.is_empty(), link.server_ended, link.server_reset)
        };
        if self.finished {
            return Ok(());
        }
        if taken > 0 {
            let rest = self.reader.rest();
            self.trace.bytes(self.number, "receives", &rest[rest.len() - taken..]);
            self.received += taken as u64;
            self.read()?;
        }
        for n in 0..self.plan.disturbances.len() {
            match self.plan.disturbances[n] {
                Disturbance::ResetAfter { received } if self.received > received => {
                    self.reset();
                    return Ok(());
                }
                Disturbance::StopTaking { after, length } if self.received > after && !self.stopped => {
                    self.stopped = true;
                    self.taking_from = now + length;
                }
                Disturbance::SlowTake { every } if more => self.taking_from = now + every,
                _ => {}
            }
        }
        if reset {
            return self.end(true, now);
        }
        if more {
            self.later(self.taking_from.max(now));
        } else if ended {
            // Without its layer's end, the connection is one that was cut.
            let cut = self.layer.as_mut().map(ClientLayer::below_ended).and_then(Result::err);
            if let Some(error) = cut.as_ref().filter(|_| self.plan.is_calm() && !self.is_excused()) {
                return Err(error.to_string());
            }
            return self.end(cut.is_some(), now);
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), String> {
        while !self.deaf {
            if self.switched {
                let Some(Sent { ask, .. }) = self.plan.sends.last() else { return Ok(()) };
                let Expected::Tunnel { returns, .. } = &ask.expected else { return Ok(()) };
                let rest = self.reader.rest();
                if !returns.starts_with(rest) {
                    return Err("the connection that was handed over returned something else".to_owned());
                }
                if rest.len() == returns.len() {
                    self.finish_output();
                }
                return Ok(());
            }
            if self.closing && self.reader.is_amid() {
                return Err("bytes behind the last response".to_owned());
            }
            let method = self.plan.sends.get(self.responses).map_or("GET", |sent| &sent.ask.method);
            match self.reader.next(method)? {
                None => return Ok(()),
                Some(ReadResponse::Interim(100)) => {
                    if self.plan.sends.get(self.responses).is_none_or(|sent| !sent.expect) {
                        return Err(format!("a 100 to request {}, which expects none", self.responses));
                    }
                    self.continued = self.responses + 1;
                }
                Some(ReadResponse::Interim(_)) => {}
                Some(ReadResponse::Whole(response)) => {
                    // A server that had not seen the whole head, at a deadline, could not know that it is a HEAD.
                    self.deaf = method == "HEAD" && response.field(NUMBER).is_none() && response.says_close();
                    self.judge(response)?;
                }
                Some(ReadResponse::Switched(response)) => {
                    self.judge(response)?;
                    self.switched = true;
                }
            }
        }
        Ok(())
    }
}
