//! A model client: sends what its plan says, and holds every byte that comes back against it.

use std::sync::Arc;

use crate::ask::{Answer, Expected};
use crate::plan::{ClientPlan, Disturbance, End, NEVER, Sent};
use crate::reader::{Read, Reader};
use crate::trace::Trace;
use crate::watch::{NUMBER, Ordeal};
use crate::wire::{Ends, Fate};

/// How long a client waits for a 100 before it sends the body all the same.
const PATIENCE: u64 = 1000;

/// Milliseconds in which a calm connection has ended behind both FINs: longer than a socket may block.
const PROMPT: u64 = 1900;

pub(crate) struct Client<'a> {
    pub(crate) number: usize,
    pub(crate) plan: &'a ClientPlan,
    pub(crate) ends: Arc<Ends>,
    /// When it is to be stepped, apart from when its link wakes it.
    pub(crate) wake_at: Option<u64>,
    /// The connection is over as far as it is concerned.
    pub(crate) finished: bool,
    /// The server has fewer places than there are clients.
    crowded: bool,
    /// The server has begun to go out, or time has made a leap: what is owed may stay out.
    pub(crate) excused: bool,
    trace: &'a Trace,
    bytes: Vec<u8>,
    gates: Vec<(usize, Gate)>,
    /// Where the heads end.
    heads: Vec<usize>,
    /// Where the requests end.
    places: Vec<usize>,
    /// When it had an answer to everything that it had sent, if it has.
    idle_since: Option<u64>,
    disturbances: Vec<(usize, Disturbance)>,
    sent: usize,
    gate_since: Option<u64>,
    paused_until: u64,
    silent: bool,
    ended: bool,
    reader: Reader,
    received: u64,
    taking_from: u64,
    stopped: bool,
    /// Answers that have come.
    answered: usize,
    continued: usize,
    closing: bool,
    switched: bool,
    /// What still comes is content that it cannot tell from bytes behind the last answer.
    deaf: bool,
    /// When it had all answers and had sent its FIN.
    done_since: Option<u64>,
}

/// What is to come before the bytes behind it are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Gate {
    Answered(usize),
    Continued(usize),
}

impl<'a> Client<'a> {
    pub(crate) fn new(
        number: usize,
        plan: &'a ClientPlan,
        ends: Arc<Ends>,
        crowded: bool,
        trace: &'a Trace,
    ) -> Self {
        let bodies: usize = plan.sends.iter().map(|sent| 2 * sent.ask.body.len()).sum();
        let mut bytes = Vec::with_capacity(bodies + 300 * plan.sends.len());
        let (mut gates, mut heads, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (n, sent) in plan.sends.iter().enumerate() {
            if n > 0 && !plan.pipelined {
                gates.push((bytes.len(), Gate::Answered(n)));
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
                    gates.push((bytes.len(), Gate::Answered(n + 1)));
                }
                bytes.extend_from_slice(behind);
            }
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
        disturbances.sort_by_key(|(at, _)| *at);
        Self {
            number,
            ends,
            wake_at: None,
            finished: false,
            excused: false,
            crowded,
            idle_since: None,
            places,
            trace,
            bytes,
            gates,
            heads,
            disturbances,
            sent: 0,
            gate_since: None,
            paused_until: 0,
            silent: false,
            ended: false,
            reader: Reader::default(),
            received: 0,
            taking_from: 0,
            stopped: false,
            answered: 0,
            continued: 0,
            closing: false,
            switched: false,
            deaf: false,
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
            _ if self.answered < self.plan.owed() => Some(format!("the answer to request {}", self.answered)),
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
            if self.ended && self.answered >= self.plan.sends.len() {
                self.done_since.get_or_insert(now);
            }
        }
        let idle = !self.closing && !self.ended && !self.finished && !self.switched && self.has_all();
        self.idle_since = if idle { self.idle_since.or(Some(now)) } else { None };
        Ok(())
    }

    /// Whether it has the answers to whole requests, and neither end owes the other anything.
    fn has_all(&self) -> bool {
        let place = self.answered.checked_sub(1).and_then(|last| self.places.get(last));
        let link = self.ends.link();
        place == Some(&self.sent)
            && !self.reader.is_amid()
            && link.to_server.is_empty()
            && link.to_client.is_empty()
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
            let taken = link.take(self.plan.take, self.reader.buffer());
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
            return self.end(false, now);
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
                return Err("bytes behind the last answer".to_owned());
            }
            let method = self.plan.sends.get(self.answered).map_or("GET", |sent| &sent.ask.method);
            match self.reader.next(method)? {
                None => return Ok(()),
                Some(Read::Interim(100)) => self.continued = self.answered + 1,
                Some(Read::Interim(_)) => {}
                Some(Read::Whole(answer)) => {
                    // A server that had not seen the whole head, at a deadline, could not know that it is a HEAD.
                    self.deaf = method == "HEAD" && answer.field(NUMBER).is_none() && answer.says_close();
                    self.judge(answer)?;
                }
                Some(Read::Switched(answer)) => {
                    self.judge(answer)?;
                    self.switched = true;
                }
            }
        }
        Ok(())
    }

    /// Whether this is the answer that was to come.
    fn judge(&mut self, answer: Answer) -> Result<(), String> {
        let n = self.answered;
        self.answered += 1;
        self.closing |= answer.says_close();
        let status = answer.status;
        let told = answer.field(NUMBER).map(str::to_owned);
        let Some(sent) = self.plan.sends.get(n) else {
            // The rest of what was broken off, or what was sent for another protocol.
            let own = told.is_none() && matches!(status, 400 | 408 | 503);
            let odd = !self.plan.is_calm() || self.is_excused() || self.plan.owed() < self.plan.sends.len();
            return if own && odd { Ok(()) } else { Err(format!("an answer to nothing: {status}")) };
        };
        let Some(told) = told else {
            let odd = !self.plan.is_calm() || self.is_excused();
            let expected = match (&sent.ask.expected, sent.ordeal) {
                (Expected::Refused(statuses), _) if statuses.contains(&status) => {
                    return if self.closing { Ok(()) } else { Err(format!("{status} and no close")) };
                }
                (Expected::Refused(_), _) => odd && matches!(status, 408 | 503),
                (_, Some(Ordeal::PanicInCall | Ordeal::PanicAfter(_))) if status == 500 => true,
                (_, Some(Ordeal::Silence)) if status == 503 => true,
                _ => odd && matches!(status, 400 | 408 | 500 | 503),
            };
            return if expected {
                Ok(())
            } else {
                Err(format!("request {n} was answered {status} by the machine"))
            };
        };
        if told != sent.number.to_string() {
            return Err(format!("request {} was given the answer to {told}", sent.number));
        }
        if self.heads.get(n).is_some_and(|&end| end > self.sent) {
            return Err(format!("request {} was answered before it was sent", sent.number));
        }
        if sent.ordeal == Some(Ordeal::Early) {
            return if answer.body == b"early" || sent.is_headless() {
                Ok(())
            } else {
                Err("not the early answer".to_owned())
            };
        }
        let hands_over = status == 101 || (sent.ask.is_connect() && matches!(status, 200..=299));
        let has_content = answer.field("Content-Length") != Some("0");
        if sent.ordeal == Some(Ordeal::PanicInBody) && !hands_over && !sent.is_headless() && has_content {
            return Err("an answer that broke off came whole".to_owned());
        }
        match &sent.ask.expected {
            Expected::Refused(_) => Err(format!("what is to be refused was answered {status}")),
            Expected::Cut => Err("an answer that broke off came whole".to_owned()),
            Expected::Tunnel { .. } if hands_over => Ok(()),
            Expected::Declined(_) if status == 403 && self.closing => Ok(()),
            Expected::Exactly(bytes) if status == 200 && answer.body == *bytes => {
                self.judge_close(n, &answer)
            }
            // The body broke off, and the handler says so.
            Expected::Exactly(_) if status == 400 && (!self.plan.is_calm() || self.is_excused()) => Ok(()),
            Expected::Exactly(bytes) => Err(format!(
                "request {} was answered {status} with {} bytes, not with {}",
                sent.number,
                answer.body.len(),
                bytes.len()
            )),
            Expected::Checked(check) => check(&answer),
            Expected::Anything => Ok(()),
            Expected::Tunnel { .. } | Expected::Declined(_) => {
                Err(format!("{} was answered {status}, and closes: {}", sent.ask.method, self.closing))
            }
        }
    }

    /// A calm connection is not given up without a reason.
    fn judge_close(&self, n: usize, answer: &Answer) -> Result<(), String> {
        let needless = n < self.plan.owed()
            && self.plan.is_calm()
            && !self.is_excused()
            && !self.crowded
            && self.plan.end != End::Fin
            && answer.says_close()
            && self.plan.sends.get(n).is_some_and(|sent| !sent.close && !sent.old);
        if needless { Err(format!("the answer to request {n} closes without a reason")) } else { Ok(()) }
    }

    /// The connection has ended.
    fn end(&mut self, cut: bool, now: u64) -> Result<(), String> {
        self.finished = true;
        self.trace.note(format_args!(
            "client {} sees the {}",
            self.number,
            if cut { "reset" } else { "end" }
        ));
        let whole = if cut { None } else { self.reader.end() };
        if let Some(answer) = whole {
            self.judge(answer)?;
            self.closing = true;
        }
        if self.plan.end != End::Silent {
            self.ends.link().end();
        }
        let evicted = self.ends.fate() == Some(Fate::Evicted) && !cut && !self.deaf;
        if evicted && (self.reader.is_amid() || self.answered < self.ends.requests()) {
            return Err(format!("it was not idle when it was evicted, but owed answer {}", self.answered));
        }
        if !self.plan.is_calm() || self.is_excused() {
            return Ok(());
        }
        if self.done_since.is_some_and(|since| now > since + PROMPT) {
            return Err("the server did not close at the FIN behind the last answer".to_owned());
        }
        let owed = self.plan.owed();
        if self.reader.is_amid() && self.answered < owed && !self.deaf {
            return Err(format!("the answer to request {} broke off", self.answered));
        }
        if let Some((came, due)) = self.tunnel().filter(|(came, due)| came < due) {
            return Err(format!("the connection that was handed over ended behind {came} bytes of {due}"));
        }
        let all = self.answered >= owed || self.closing;
        if !all {
            return Err(format!("the connection ended before the answer to request {}", self.answered));
        }
        Ok(())
    }

    fn send(&mut self, now: u64) {
        loop {
            while let Some(&(_, disturbance)) = self.disturbances.first().filter(|(at, _)| *at <= self.sent) {
                self.disturbances.remove(0);
                match disturbance {
                    Disturbance::Pause { length, .. } => self.paused_until = now + length,
                    Disturbance::Fin { .. } => {
                        self.silent = true;
                        self.finish_output();
                    }
                    Disturbance::Reset { .. } => return self.reset(),
                    Disturbance::Silence { .. } => self.silent = true,
                    _ => {}
                }
            }
            if self.silent {
                return;
            }
            if self.paused_until > now {
                return self.later(self.paused_until);
            }
            if self.sent == self.bytes.len() {
                return self.all_sent();
            }
            match self.gates.first().copied().filter(|(at, _)| *at == self.sent) {
                None => break,
                Some((_, gate)) if self.is_open(gate, now) => {
                    self.gates.remove(0);
                    self.gate_since = None;
                    if matches!(gate, Gate::Answered(_)) {
                        self.paused_until = now + self.plan.thinks;
                    }
                }
                Some((_, Gate::Continued(_))) => {
                    let since = *self.gate_since.get_or_insert(now);
                    return self.later(since + PATIENCE);
                }
                Some(_) => return,
            }
        }
        let gate = self.gates.first().map_or(self.bytes.len(), |(at, _)| *at);
        let disturbed = self.disturbances.first().map_or(usize::MAX, |(at, _)| *at);
        if self.ends.is_closed() {
            return;
        }
        let mut link = self.ends.link();
        let room = link.capacity.saturating_sub(link.to_server.len());
        let bytes = self.plan.piece.min(gate.min(disturbed) - self.sent).min(room);
        if bytes == 0 {
            return;
        }
        let piece = &self.bytes[self.sent..self.sent + bytes];
        link.send(piece);
        drop(link);
        self.ends.wake_client();
        self.trace.bytes(self.number, "sends", piece);
        self.sent += bytes;
    }

    fn is_open(&self, gate: Gate, now: u64) -> bool {
        match gate {
            Gate::Answered(n) => self.answered >= n,
            Gate::Continued(n) => {
                let waited = self.gate_since.is_some_and(|since| now >= since + PATIENCE);
                self.continued > n || self.answered > n || waited
            }
        }
    }

    fn all_sent(&mut self) {
        let over = match self.plan.end {
            End::Fin => {
                let last = self.plan.sends.last();
                !last.is_some_and(|sent| matches!(sent.ask.expected, Expected::Tunnel { .. }))
            }
            End::Close => self.answered >= self.plan.sends.len() && !self.switched,
            End::Silent => false,
        };
        if over {
            self.finish_output();
        }
    }

    fn finish_output(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.trace.note(format_args!("client {} sends FIN", self.number));
            self.ends.link().end();
        }
    }

    fn reset(&mut self) {
        self.trace.note(format_args!("client {} resets", self.number));
        self.finished = true;
        self.ends.link().reset();
    }
}
