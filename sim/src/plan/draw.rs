//! A plan is drawn from a seed.

use super::{CLIENTS, ClientEnd, ClientPlan, Disturbance, LINES, NEVER, RoundPlan, SHORT, Sent};
use crate::ask::{Ask, Expected};
use crate::before::{BeforeHttp, Dribble, Next};
use crate::dice::Dice;
use crate::fault::Fault;
use crate::hostile;
use crate::model;
use crate::watch::HandlerFault;
use crate::wire::{Mishap, What};

impl RoundPlan {
    /// The round of a seed, in which one client in `layered` talks through a layer, and on one connection in `prologues`
    /// something comes before HTTP; 0: none.
    pub(crate) fn draw(
        seed: u64,
        faults: &[Fault],
        [layered, prologues]: [u32; 2],
        traffic: &dyn Fn(&mut Dice) -> Ask,
    ) -> Self {
        let mut dice = Dice::new(seed);
        let dice = &mut dice;
        let mut numbers = 0;
        let calm = dice.one_in(4);
        // That of the prologue is drawn with it.
        let of_http: Vec<_> =
            faults.iter().copied().filter(|&fault| fault != Fault::BrokenPrologue).collect();
        let clients = (0..CLIENTS).map(|_| {
            let calm = calm || dice.one_in(3);
            ClientPlan::draw(dice, &of_http, calm, &mut numbers, traffic)
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
        // Last, so that the rest of a seed's plan does not depend on it.
        for client in &mut plan.clients {
            client.layered = layered > 0 && dice.one_in(layered);
        }
        for client in &mut plan.clients {
            if prologues > 0 && dice.one_in(prologues) {
                client.draw_before(dice, faults, calm, &mut numbers);
            }
        }
        plan
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
            tail: 0,
            pipelined: has(Fault::Merge) && dice.one_in(2),
            thinks: if has(Fault::Delay) && dice.one_in(3) { u64::from(dice.below(SHORT)) } else { 0 },
            piece: usize::MAX,
            take: usize::MAX,
            capacity: [1000, 8000, 65_536][dice.below(3) as usize],
            step: usize::MAX,
            mishaps: Vec::new(),
            disturbances: Vec::new(),
            end: ClientEnd::Close,
            layered: false,
            before: None,
        };
        // Some send empty lines and then nothing.
        let requests = if dice.one_in(24) { 0 } else { 1 + dice.below(4) };
        for _ in 0..requests {
            let sent = Sent::draw(dice, faults, calm, *numbers, traffic);
            *numbers += 1;
            let last = sent.ends_connection();
            client.sends.push(sent);
            if last {
                break;
            }
        }
        if !client.sends.last().is_some_and(Sent::ends_connection) && (requests == 0 || dice.one_in(8)) {
            client.tail = 1 + dice.below(LINES.len() as u32) as usize;
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
            client.end = ClientEnd::Fin;
        }
        if has(Fault::Silence) && dice.one_in(6) {
            client.end = ClientEnd::Silent;
        }
        client.disturb(dice, faults, calm);
        client
    }

    fn draw_before(&mut self, dice: &mut Dice, faults: &[Fault], calm: bool, numbers: &mut usize) {
        let is_broken = !calm && faults.contains(&Fault::BrokenPrologue) && dice.one_in(4);
        let next = match (is_broken, dice.below(8)) {
            (true, 0 | 1) => Next::Refused,
            (true, 2) => Next::NoHello,
            (_, 0..=2) => Next::Http,
            (_, 3 | 4) => Next::Layer,
            (_, 5) => Next::LayerOfListener,
            (_, 6) => Next::Other,
            _ => Next::OtherInLayer,
        };
        let has_preface = matches!(next, Next::Http | Next::Layer | Next::Other);
        let mut before =
            BeforeHttp { names: has_preface && dice.one_in(2), next, dribble: None, silent_behind: None };
        if is_broken && !before.is_refused() {
            // Not all of a line is sent, or not all of a hello.
            before.names |= has_preface;
            before.silent_behind = Some(dice.below(8) as usize);
        }
        if faults.contains(&Fault::Split) && dice.one_in(3) {
            let every = if is_broken { u64::from(dice.below(3000)) } else { u64::from(dice.below(100)) };
            before.dribble = Some(Dribble { piece: 1 + dice.below(6) as usize, every });
        }
        if before.is_other() {
            let echo = model::pattern(dice.below(1000), 1 + dice.length(2000));
            let ask = Ask::get("/").hands_over(echo.clone(), echo);
            (self.sends, self.tail) = (vec![Sent::plain(ask, *numbers)], 0);
            *numbers += 1;
        }
        (self.layered, self.before) = (before.is_layered(), Some(before));
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
}

impl Sent {
    /// Without anything unusual.
    fn plain(ask: Ask, number: usize) -> Self {
        Self {
            number,
            handler_fault: None,
            chunk: None,
            trailers: false,
            close: false,
            old: false,
            expect: false,
            patient: false,
            empty_lines: 0,
            hostile: None,
            ask,
        }
    }

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
        let expect = has_body && !old && dice.one_in(5);
        let mut sent = Self {
            number,
            handler_fault: None,
            chunk,
            trailers: chunk.is_some() && dice.one_in(3),
            close: dice.one_in(8),
            old,
            expect,
            patient: expect && dice.one_in(2),
            empty_lines: if dice.one_in(10) { 1 + dice.below(4) as usize } else { 0 },
            hostile: None,
            ask,
        };
        if has(Fault::HandlerDelay) && dice.one_in(6) {
            sent.handler_fault = Some(HandlerFault::Delay(u64::from(dice.below(800))));
        }
        if calm {
            return sent;
        }
        if has(Fault::HandlerPanic) && dice.one_in(12) {
            sent.handler_fault = Some(match dice.below(3) {
                0 => HandlerFault::PanicInCall,
                1 => HandlerFault::PanicAfter(u64::from(dice.below(60))),
                _ => HandlerFault::PanicInBody,
            });
        }
        if has(Fault::HandlerSilence) && dice.one_in(40) {
            sent.handler_fault = Some(HandlerFault::Silence);
        }
        if has(Fault::EarlyResponse) && dice.one_in(16) {
            sent.handler_fault = Some(HandlerFault::Early);
        }
        if has(Fault::Hostile) && dice.one_in(16) {
            sent.hostile = dice.pick(hostile::MESSAGES).copied();
            sent.handler_fault = None;
            if let Some((_, statuses)) = sent.hostile {
                let fields = std::mem::take(&mut sent.ask.fields);
                sent.ask = Ask { fields, ..Ask::get("/") }.expecting(Expected::Refused(statuses));
                (sent.expect, sent.patient) = (false, false);
            }
        }
        sent
    }
}
