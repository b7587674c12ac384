//! What happens in a round, as data: drawn from a seed, and made smaller when it fails.

use std::fmt;
use std::io::Write;

use crate::ask::{Ask, Expected};
use crate::dice::Dice;
use crate::fault::Fault;
use crate::hostile::{self, Hostile};
use crate::watch::{NUMBER, Ordeal};
use crate::wire::{Mishap, What};

/// Connections of a round.
pub(crate) const CLIENTS: usize = 4;

/// A calm pause, in milliseconds, and the others.
const SHORT: u32 = 900;

/// Longer than any round.
pub(crate) const NEVER: u64 = u64::MAX / 4;

/// A round.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) clients: Vec<ClientPlan>,
    /// The seed of the order in which things run.
    pub(crate) order: u64,
    /// When time makes a leap, and how far.
    pub(crate) jumps: Vec<(u64, u64)>,
    pub(crate) drain_at: Option<u64>,
    /// Which accepts fail.
    pub(crate) accept_failures: Vec<u32>,
}

/// A client.
#[derive(Clone)]
pub(crate) struct ClientPlan {
    pub(crate) opens_at: u64,
    pub(crate) sends: Vec<Sent>,
    pub(crate) pipelined: bool,
    /// Milliseconds between an answer and the next request.
    pub(crate) thinks: u64,
    /// Bytes that it sends, and takes, at a time.
    pub(crate) piece: usize,
    pub(crate) take: usize,
    /// As in the link.
    pub(crate) capacity: usize,
    pub(crate) step: usize,
    pub(crate) mishaps: Vec<Mishap>,
    pub(crate) disturbances: Vec<Disturbance>,
    pub(crate) end: End,
}

/// A request on its way.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) number: usize,
    pub(crate) ask: Ask,
    pub(crate) ordeal: Option<Ordeal>,
    /// Bytes in a chunk; `None`: with a length.
    pub(crate) chunk: Option<usize>,
    pub(crate) trailers: bool,
    pub(crate) close: bool,
    /// HTTP/1.0.
    pub(crate) old: bool,
    pub(crate) expect: bool,
    pub(crate) hostile: Option<Hostile>,
}

/// What a client does besides. Places are thousandths of what it sends, so that they mean something in a smaller plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Disturbance {
    Pause { at: u32, length: u64 },
    Fin { at: u32 },
    Reset { at: u32 },
    Silence { at: u32 },
    ResetAfter { received: u64 },
    StopTaking { after: u64, length: u64 },
    SlowTake { every: u64 },
}

/// What a client does when it has sent everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// It ends its output at once.
    Fin,
    /// It ends its output when it has its answers.
    Close,
    /// It waits for the server to close.
    Silent,
}

impl Plan {
    /// The round of a seed.
    pub(crate) fn draw(seed: u64, faults: &[Fault], traffic: &dyn Fn(&mut Dice) -> Ask) -> Self {
        let mut dice = Dice::new(seed);
        let dice = &mut dice;
        let mut numbers = 0;
        let calm = dice.one_in(4);
        let clients = (0..CLIENTS).map(|_| {
            let calm = calm || dice.one_in(3);
            ClientPlan::draw(dice, faults, calm, &mut numbers, traffic)
        });
        let clients = clients.collect();
        let mut plan = Self {
            clients,
            order: dice.seed(),
            jumps: Vec::new(),
            drain_at: None,
            accept_failures: Vec::new(),
        };
        if !calm && faults.contains(&Fault::ClockJump) && dice.one_in(8) {
            let length = [1, 900, 2_000, 31_000, 61_000, 3_600_000, 20_000_000][dice.below(7) as usize];
            plan.jumps.push((u64::from(dice.below(3000)), length));
        }
        if !calm && faults.contains(&Fault::Drain) && dice.one_in(5) {
            plan.drain_at = Some(u64::from(dice.below(3000)));
        }
        if faults.contains(&Fault::AcceptFailure) && dice.one_in(6) {
            plan.accept_failures = (0..1 + dice.below(4)).map(|_| dice.below(6)).collect();
        }
        plan
    }

    /// Plans that are a little smaller.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut plans = Vec::new();
        let mut without = |change: &dyn Fn(&mut Self)| {
            let mut plan = self.clone();
            change(&mut plan);
            plans.push(plan);
        };
        for client in 0..self.clients.len() {
            without(&|plan| _ = plan.clients.remove(client));
        }
        for (which, client) in self.clients.iter().enumerate() {
            for n in 0..client.sends.len() {
                without(&|plan| _ = plan.clients[which].sends.remove(n));
            }
            for n in 0..client.disturbances.len() {
                without(&|plan| _ = plan.clients[which].disturbances.remove(n));
            }
            for n in 0..client.mishaps.len() {
                without(&|plan| _ = plan.clients[which].mishaps.remove(n));
            }
            for (n, sent) in client.sends.iter().enumerate() {
                if sent.ordeal.is_some() {
                    without(&|plan| plan.clients[which].sends[n].ordeal = None);
                }
                if sent.close {
                    without(&|plan| plan.clients[which].sends[n].close = false);
                }
                if sent.old {
                    without(&|plan| plan.clients[which].sends[n].old = false);
                }
                if sent.expect {
                    without(&|plan| plan.clients[which].sends[n].expect = false);
                }
                if sent.chunk.is_some() {
                    without(&|plan| {
                        plan.clients[which].sends[n].chunk = None;
                        plan.clients[which].sends[n].trailers = false;
                    });
                }
            }
            if client.piece != usize::MAX {
                without(&|plan| plan.clients[which].piece = usize::MAX);
            }
            if client.step != usize::MAX {
                without(&|plan| plan.clients[which].step = usize::MAX);
            }
            if client.take != usize::MAX {
                without(&|plan| plan.clients[which].take = usize::MAX);
            }
            if client.pipelined {
                without(&|plan| plan.clients[which].pipelined = false);
            }
            if client.thinks != 0 {
                without(&|plan| plan.clients[which].thinks = 0);
            }
            if client.opens_at != 0 {
                without(&|plan| plan.clients[which].opens_at = 0);
            }
        }
        if !self.jumps.is_empty() {
            without(&|plan| plan.jumps.clear());
        }
        if self.drain_at.is_some() {
            without(&|plan| plan.drain_at = None);
        }
        if !self.accept_failures.is_empty() {
            without(&|plan| plan.accept_failures.clear());
        }
        plans
    }
}

impl ClientPlan {
    fn draw(
        dice: &mut Dice,
        faults: &[Fault],
        calm: bool,
        numbers: &mut usize,
        traffic: &dyn Fn(&mut Dice) -> Ask,
    ) -> Self {
        let has = |fault| faults.contains(&fault);
        let mut client = Self {
            opens_at: if dice.one_in(2) { 0 } else { u64::from(dice.below(2000)) },
            sends: Vec::new(),
            pipelined: has(Fault::Merge) && dice.one_in(2),
            thinks: if has(Fault::Delay) && dice.one_in(3) { u64::from(dice.below(SHORT)) } else { 0 },
            piece: usize::MAX,
            take: usize::MAX,
            capacity: [1000, 8000, 65_536][dice.below(3) as usize],
            step: usize::MAX,
            mishaps: Vec::new(),
            disturbances: Vec::new(),
            end: End::Close,
        };
        for _ in 0..1 + dice.below(4) {
            let sent = Sent::draw(dice, faults, calm, *numbers, traffic);
            *numbers += 1;
            let last = sent.ends_connection();
            client.sends.push(sent);
            if last {
                break;
            }
        }
        let bytes: usize = client.sends.iter().map(|sent| sent.ask.body.len() + 100).sum();
        // Pieces are as small as leaves a round short.
        let small = |dice: &mut Dice| 1 + dice.below(40) as usize + bytes / 100;
        if has(Fault::Split) && dice.one_in(2) {
            client.piece = small(dice);
        }
        if has(Fault::ShortWrite) && dice.one_in(4) {
            client.step = small(dice) + 100;
        }
        if has(Fault::HalfClose) && dice.one_in(4) {
            client.end = End::Fin;
        }
        if has(Fault::Silence) && dice.one_in(6) {
            client.end = End::Silent;
        }
        client.disturb(dice, faults, calm);
        client
    }

    fn disturb(&mut self, dice: &mut Dice, faults: &[Fault], calm: bool) {
        for _ in 0..dice.below(5) {
            let Some(fault) = dice.pick(faults) else { return };
            let at = dice.below(1001);
            let call = dice.below(12);
            let write = dice.one_in(2);
            let received = u64::from(dice.length(20_000));
            let long = u64::from(1000 + dice.below(120_000));
            let disturbance = match fault {
                Fault::Delay => Disturbance::Pause { at, length: u64::from(dice.below(SHORT)) },
                Fault::WouldBlock => {
                    let length = u64::from(1 + dice.below(300));
                    self.mishaps.push(Mishap { write, call, what: What::Block(length) });
                    continue;
                }
                Fault::ShortWrite => {
                    let bytes = 1 + dice.below(20) as usize;
                    self.mishaps.push(Mishap { write, call, what: What::Short(bytes) });
                    continue;
                }
                Fault::SlowReader if calm || dice.one_in(2) => {
                    self.take = 2000;
                    Disturbance::SlowTake { every: u64::from(dice.below(50)) }
                }
                _ if calm => continue,
                Fault::SlowReader => {
                    let length = if dice.one_in(3) { NEVER } else { long };
                    Disturbance::StopTaking { after: received, length }
                }
                Fault::Stall => Disturbance::Pause { at, length: long },
                Fault::Fin => Disturbance::Fin { at },
                Fault::Reset => Disturbance::Reset { at },
                Fault::Drop => Disturbance::ResetAfter { received },
                Fault::Silence => Disturbance::Silence { at },
                Fault::ZeroWrite => {
                    self.mishaps.push(Mishap { write: true, call, what: What::Zero });
                    continue;
                }
                Fault::Failure => {
                    self.mishaps.push(Mishap { write, call, what: What::Fail });
                    continue;
                }
                _ => continue,
            };
            self.disturbances.push(disturbance);
        }
    }

    /// Whether nothing happens to the connection that a server must not get over.
    pub(crate) fn is_calm(&self) -> bool {
        let harmless = |disturbance: &Disturbance| match disturbance {
            Disturbance::Pause { length, .. } => *length < u64::from(SHORT),
            Disturbance::SlowTake { .. } => true,
            _ => false,
        };
        let passes = |mishap: &Mishap| matches!(mishap.what, What::Short(_) | What::Block(_));
        self.disturbances.iter().all(harmless) && self.mishaps.iter().all(passes)
    }

    /// How many requests have to be answered if the connection is calm.
    pub(crate) fn owed(&self) -> usize {
        let owed = self.sends.iter().take_while(|sent| sent.is_owed()).count();
        // What is cut with a reset also loses what the client has not taken yet.
        if self.pipelined && owed < self.sends.len() { 0 } else { owed }
    }
}

impl Sent {
    fn draw(
        dice: &mut Dice,
        faults: &[Fault],
        calm: bool,
        number: usize,
        traffic: &dyn Fn(&mut Dice) -> Ask,
    ) -> Self {
        let has = |fault| faults.contains(&fault);
        let ask = traffic(dice);
        let has_body = !ask.body.is_empty();
        let hands_over = matches!(ask.expected, Expected::Tunnel { .. });
        let old = dice.one_in(8) && !hands_over;
        let chunk = (has_body && !old && dice.one_in(2))
            .then(|| 1 + dice.length(3000) as usize + ask.body.len() / 50);
        let mut sent = Self {
            number,
            ordeal: None,
            chunk,
            trailers: chunk.is_some() && dice.one_in(3),
            close: dice.one_in(8),
            old,
            expect: has_body && !old && dice.one_in(5),
            hostile: None,
            ask,
        };
        if has(Fault::HandlerDelay) && dice.one_in(6) {
            sent.ordeal = Some(Ordeal::Delay(u64::from(dice.below(800))));
        }
        if calm {
            return sent;
        }
        if has(Fault::HandlerPanic) && dice.one_in(12) {
            sent.ordeal = Some(match dice.below(3) {
                0 => Ordeal::PanicInCall,
                1 => Ordeal::PanicAfter(u64::from(dice.below(60))),
                _ => Ordeal::PanicInBody,
            });
        }
        if has(Fault::HandlerSilence) && dice.one_in(40) {
            sent.ordeal = Some(Ordeal::Silence);
        }
        if has(Fault::EarlyAnswer) && dice.one_in(16) {
            sent.ordeal = Some(Ordeal::Early);
        }
        if has(Fault::Hostile) && dice.one_in(16) {
            sent.hostile = dice.pick(hostile::MESSAGES).copied();
            sent.ordeal = None;
            if let Some((_, statuses)) = sent.hostile {
                sent.ask = Ask::get("/").expecting(Expected::Refused(statuses));
            }
        }
        sent
    }

    /// Nothing is to be sent behind it.
    fn ends_connection(&self) -> bool {
        let expected = &self.ask.expected;
        let ends = matches!(expected, Expected::Tunnel { .. } | Expected::Cut | Expected::Refused(_));
        ends || self.ask.is_connect() || self.close || self.old
    }

    /// Whether a calm connection gets its answer, and stays.
    fn is_owed(&self) -> bool {
        let usual = matches!(self.ordeal, None | Some(Ordeal::Delay(_)));
        let reads = self.ask.reads_body || self.ask.body.is_empty();
        usual && reads && !matches!(self.ask.expected, Expected::Cut)
    }

    /// Whether the answer has no content whatever its fields say.
    pub(crate) fn is_headless(&self) -> bool {
        self.ask.method == "HEAD"
    }

    /// Adds the head and the body, as they are sent; says where the head ends.
    pub(crate) fn render(&self, bytes: &mut Vec<u8>) -> usize {
        if let Some((message, _)) = self.hostile {
            bytes.extend_from_slice(message.as_bytes());
            return bytes.len();
        }
        let Ask { method, target, fields, body, expected, .. } = &self.ask;
        let version = if self.old { "1.0" } else { "1.1" };
        // What is written to a vector is written.
        let _ =
            write!(bytes, "{method} {target} HTTP/{version}\r\nHost: sim\r\n{NUMBER}: {}\r\n", self.number);
        for (name, value) in fields {
            let _ = write!(bytes, "{name}: {value}\r\n");
        }
        match expected {
            Expected::Tunnel { .. } if !self.ask.is_connect() => {
                bytes.extend_from_slice(b"Connection: upgrade\r\n")
            }
            _ if self.close => bytes.extend_from_slice(b"Connection: close\r\n"),
            _ => {}
        }
        if self.expect {
            bytes.extend_from_slice(b"Expect: 100-continue\r\n");
        }
        let Some(chunk) = self.chunk else {
            if !body.is_empty() {
                let _ = write!(bytes, "Content-Length: {}\r\n", body.len());
            }
            bytes.extend_from_slice(b"\r\n");
            let head = bytes.len();
            bytes.extend_from_slice(body);
            return head;
        };
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        let head = bytes.len();
        for piece in body.chunks(chunk.max(1)) {
            let _ = write!(bytes, "{:x}\r\n", piece.len());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        let trailers = if self.trailers { "Sim-Trailer: x\r\n" } else { "" };
        let _ = write!(bytes, "0\r\n{trailers}\r\n");
        head
    }
}

/// What is as usual is left out, so that a failure shows what it takes.
impl fmt::Debug for ClientPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ClientPlan");
        let Self { opens_at, sends, pipelined, thinks, piece, take, capacity, step, mishaps, .. } = self;
        shown.field("opens_at", opens_at).field("sends", sends).field("pipelined", pipelined);
        if *thinks > 0 {
            shown.field("thinks", thinks);
        }
        for (name, bytes) in [("piece", piece), ("take", take), ("step", step)] {
            if *bytes != usize::MAX {
                shown.field(name, bytes);
            }
        }
        shown.field("capacity", capacity);
        if !mishaps.is_empty() {
            shown.field("mishaps", mishaps);
        }
        if !self.disturbances.is_empty() {
            shown.field("disturbances", &self.disturbances);
        }
        shown.field("end", &self.end).finish()
    }
}

/// Likewise.
impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Sent");
        shown.field("number", &self.number).field("ask", &self.ask);
        if let Some(ordeal) = &self.ordeal {
            shown.field("ordeal", ordeal);
        }
        if let Some(chunk) = &self.chunk {
            shown.field("chunk", chunk);
        }
        let flags =
            [("trailers", self.trailers), ("close", self.close), ("old", self.old), ("expect", self.expect)];
        for (name, set) in flags {
            if set {
                shown.field(name, &set);
            }
        }
        if let Some((message, _)) = &self.hostile {
            shown.field("hostile", message);
        }
        shown.finish()
    }
}
