//! Sends what the plan says, with its pauses, gates and ends.

use super::Client;
use crate::ask::Expected;
use crate::plan::{ClientEnd, Disturbance};

/// How long a client waits for a 100 before it sends the body all the same, unless it is patient.
const PATIENCE: u64 = 1000;

/// What is to come before the bytes behind it are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gate {
    Responses(usize),
    Continued(usize),
}

impl Client<'_> {
    /// Does what its plan says comes next, up to one piece of what it sends.
    pub(super) fn send(&mut self, now: u64) {
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
                    if matches!(gate, Gate::Responses(_)) {
                        self.paused_until = now + self.plan.thinks;
                    }
                }
                Some((_, Gate::Continued(n))) if !self.is_patient(n) => {
                    let since = *self.gate_since.get_or_insert(now);
                    return self.later(since + PATIENCE);
                }
                Some(_) => return,
            }
        }
        let gate = self.gates.first().map_or(self.bytes.len(), |(at, _)| *at);
        let disturbed = self.disturbances.first().map_or(usize::MAX, |(at, _)| *at);
        if self.ends.is_closed() || self.layer.as_ref().is_some_and(|layer| !layer.is_ready()) {
            return;
        }
        let mut link = self.ends.link();
        let room = link.capacity.saturating_sub(link.to_server.len());
        let before = self.preface.saturating_sub(self.sent);
        let dribble = self.plan.before.and_then(|before| before.dribble).filter(|_| before > 0);
        let piece = dribble.map_or(self.plan.piece, |dribble| dribble.piece.min(before));
        let bytes = piece.min(gate.min(disturbed) - self.sent).min(room);
        if bytes == 0 {
            return;
        }
        let piece = &self.bytes[self.sent..self.sent + bytes];
        match &mut self.layer {
            None => link.send(piece),
            Some(layer) => layer.write(piece),
        }
        drop(link);
        self.ends.wake_client();
        self.trace.bytes(self.number, "sends", piece);
        self.sent += bytes;
        if let Some(dribble) = dribble {
            self.paused_until = now + dribble.every;
            self.later(self.paused_until);
        }
    }

    fn is_open(&self, gate: Gate, now: u64) -> bool {
        match gate {
            Gate::Responses(n) => self.responses >= n,
            Gate::Continued(n) => {
                let since = self.gate_since.filter(|_| !self.is_patient(n));
                let waited = since.is_some_and(|since| now >= since + PATIENCE);
                self.continued > n || self.responses > n || waited
            }
        }
    }

    /// Whether it waits for the 100 however long that takes.
    fn is_patient(&self, n: usize) -> bool {
        self.plan.sends.get(n).is_some_and(|sent| sent.patient)
    }

    fn all_sent(&mut self) {
        let over = match self.plan.end {
            ClientEnd::Fin => {
                let last = self.plan.sends.last();
                !last.is_some_and(|sent| matches!(sent.ask.expected, Expected::Tunnel { .. }))
            }
            ClientEnd::Close => self.responses >= self.plan.sends.len() && !self.switched,
            ClientEnd::Silent => false,
        };
        if over {
            self.finish_output();
        }
    }

    pub(super) fn finish_output(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.trace.note(format_args!("client {} sends FIN", self.number));
            self.end_output();
        }
    }

    /// What its FIN is.
    pub(super) fn end_output(&mut self) {
        match &mut self.layer {
            None => self.ends.link().end(),
            Some(layer) => {
                layer.end();
                self.ends.wake_client();
            }
        }
    }

    /// Sends a piece of what its layer makes of that.
    pub(super) fn send_layer(&mut self, now: u64) {
        let Some(layer) = &mut self.layer else { return };
        let mut link = self.ends.link();
        if link.client_reset || self.ends.is_closed() {
            return;
        }
        let before = layer.before();
        let dribble = self.plan.before.and_then(|before| before.dribble).filter(|_| before > 0);
        let piece = dribble.map_or(self.plan.piece, |dribble| dribble.piece.min(before));
        let sent = (dribble.is_none() || self.paused_until <= now) && layer.send(&mut link, piece);
        drop(link);
        match dribble {
            Some(dribble) if sent => {
                self.paused_until = now + dribble.every;
                self.later(self.paused_until);
            }
            // It waits for its turn, or for room.
            Some(_) if self.paused_until > now => self.later(self.paused_until),
            Some(_) => {}
            None if sent => self.later(now),
            None => {}
        }
    }

    pub(super) fn reset(&mut self) {
        self.trace.note(format_args!("client {} resets", self.number));
        self.finished = true;
        self.ends.link().reset();
    }
}
