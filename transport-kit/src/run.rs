//! Runs a script on a stand, and takes down its trace.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::record::Record;
use crate::script::{Script, Step};
use crate::stand::{Received, Stand};
use crate::trace::ScriptTrace;

/// Bytes that a connection may receive, many times what any script is sent. The patience restarts with each byte, so
/// without this bound a transport that sends for ever would be read for ever.
const MOST: usize = 16 << 20;

/// Runs the script to its end. A step that does not end in time is noted in the trace.
pub(crate) fn run(script: &Script, stand: &mut dyn Stand, record: &Record) -> ScriptTrace {
    let mut run = ScriptRun { stand, record, lines: Vec::new(), chosen: 0, stuck: None };
    run.all(&script.steps);
    let mut trace = ScriptTrace::new(record.lanes());
    for (number, line) in run.lines.iter().enumerate() {
        let end = line.end.map_or("still open", PeerConnection::describe);
        trace.wire(number, &line.received, end);
    }
    trace.stuck(run.stuck);
    trace
}

struct ScriptRun<'a> {
    stand: &'a mut dyn Stand,
    record: &'a Record,
    lines: Vec<PeerConnection>,
    chosen: usize,
    stuck: Option<String>,
}

/// A connection, as its peer sees it.
struct PeerConnection {
    received: Vec<u8>,
    /// Bytes that were waited for so far.
    seen: usize,
    channel: Option<usize>,
    end: Option<ConnectionEnd>,
}

#[derive(Clone, Copy)]
enum ConnectionEnd {
    Fin,
    Rst,
    Ours,
}

impl PeerConnection {
    fn describe(end: ConnectionEnd) -> &'static str {
        match end {
            ConnectionEnd::Fin => "FIN",
            ConnectionEnd::Rst => "RST",
            ConnectionEnd::Ours => "our reset",
        }
    }
}

type Step1 = Result<(), String>;

impl ScriptRun<'_> {
    fn all(&mut self, steps: &[Step]) {
        let outcome = self.connect().and_then(|()| {
            steps.iter().enumerate().try_for_each(|(number, step)| {
                self.stand.begin();
                self.step(step).map_err(|stuck| format!("at step {number}, {}: {stuck}", brief(step)))
            })
        });
        let outcome = outcome.and_then(|()| self.finish());
        self.stuck = outcome.err();
        // Whatever is left, also of what got stuck.
        for peer in 0..self.lines.len() {
            self.stand.close(peer);
        }
        self.stand.begin();
        let ended = self.wait("the channels do not close", |run| run.record.is_over());
        self.stand.handle().begin_drain(Some(Duration::ZERO));
        self.stand.begin();
        let gone = self.gone();
        for late in [ended, gone] {
            if self.stuck.is_none() {
                self.stuck = late.err();
            }
        }
    }

    fn step(&mut self, step: &Step) -> Step1 {
        match step {
            Step::Connect => self.connect()?,
            Step::ConnectWhenThereIsRoom => self.connect_when_there_is_room()?,
            Step::Choose(line) => self.chosen = *line,
            Step::Send(pieces) => pieces.iter().try_for_each(|piece| self.send(piece))?,
            Step::Until(bytes) => self.until(usize::MAX, bytes)?,
            Step::Sip(length, bytes) => self.until(*length, bytes)?,
            Step::Fin => self.stand.fin(self.chosen),
            Step::Reset => {
                self.stand.reset(self.chosen);
                self.line()?.end = Some(ConnectionEnd::Ours);
            }
            Step::End => self.end()?,
            Step::SilentEnd => {
                self.end()?;
                let line = self.line()?;
                if line.received.len() > line.seen {
                    return Err(format!("{} bytes come before it", line.received.len() - line.seen));
                }
            }
            Step::Recorded(text) => {
                let channel = self.line()?.channel.ok_or("there is no channel")?;
                self.wait("it is not recorded", |run| run.record.has(channel, text))?;
            }
            Step::Open(gate) => self.record.open_gate(gate),
            Step::Drain(deadline) => {
                self.stand.handle().begin_drain(*deadline);
            }
            Step::Gone => {
                // The server lingers for as long as these are open.
                for peer in (0..self.lines.len()).filter(|&peer| self.lines[peer].end.is_some()) {
                    self.stand.close(peer);
                }
                self.gone()?;
            }
        }
        self.stand.settle();
        Ok(())
    }

    /// Connects, and waits until the server has taken notice.
    fn connect(&mut self) -> Step1 {
        self.stand.begin();
        let (channels, refusals) = self.record.arrived();
        self.stand.connect()?;
        self.wait("the connection is not accepted", |run| run.record.arrived() != (channels, refusals))?;
        let channel = (self.record.arrived().0 > channels).then_some(channels);
        self.chosen = self.lines.len();
        self.lines.push(PeerConnection { received: Vec::new(), seen: 0, channel, end: None });
        Ok(())
    }

    /// Patience is for all attempts together.
    fn connect_when_there_is_room(&mut self) -> Step1 {
        loop {
            let before = self.record.arrived();
            self.stand.connect()?;
            self.wait("the connection is not accepted", |run| run.record.arrived() != before)?;
            let channel = before.0;
            if self.record.arrived().0 > channel {
                self.chosen = self.lines.len();
                self.lines.push(PeerConnection {
                    received: Vec::new(),
                    seen: 0,
                    channel: Some(channel),
                    end: None,
                });
                return Ok(());
            }
            self.record.forget_refusal();
            self.stand.forget_last();
            self.patient("there is no room")?;
            self.stand.idle();
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Step1 {
        let mut left = bytes;
        while !left.is_empty() {
            let sent = self.stand.send(self.chosen, left);
            left = left.get(sent..).unwrap_or_default();
            if sent == 0 {
                // It may be that the server waits for us to read.
                self.receive(usize::MAX)?;
                self.patient("it is not taken")?;
            }
        }
        Ok(())
    }

    fn until(&mut self, at_most: usize, bytes: &[u8]) -> Step1 {
        let mut searched = 0;
        loop {
            let line = self.line()?;
            let from = line.seen.max(searched);
            let rest = line.received.get(from..).unwrap_or_default();
            if let Some(found) = find(rest, bytes) {
                line.seen = from + found + bytes.len();
                return Ok(());
            }
            // What ends with a part of it is searched again.
            searched = line.received.len().saturating_sub(bytes.len());
            // Only a part of it can have come before.
            if line.end.is_some() {
                return Err("the connection has ended".to_owned());
            }
            self.receive(at_most)?;
            self.patient("it does not come")?;
        }
    }

    fn end(&mut self) -> Step1 {
        while self.line()?.end.is_none() {
            self.receive(usize::MAX)?;
            self.patient("it does not come")?;
        }
        Ok(())
    }

    fn receive(&mut self, at_most: usize) -> Step1 {
        let chosen = self.chosen;
        let line = self.lines.get_mut(chosen).ok_or("there is no such connection")?;
        if line.end.is_none() {
            line.end = match self.stand.receive(chosen, at_most, &mut line.received) {
                Received::Some => {
                    // Slow is not stuck.
                    self.stand.begin();
                    None
                }
                Received::Nothing => None,
                Received::Fin => Some(ConnectionEnd::Fin),
                Received::Rst => Some(ConnectionEnd::Rst),
            };
            if line.received.len() > MOST {
                return Err(format!("more than {MOST} bytes come"));
            }
        }
        Ok(())
    }

    /// Ends what is still open in good order.
    fn finish(&mut self) -> Step1 {
        for number in 0..self.lines.len() {
            self.chosen = number;
            self.stand.begin();
            if self.line()?.end.is_none() {
                self.stand.fin(number);
                self.end().map_err(|stuck| format!("at the end of connection {number}: {stuck}"))?;
            }
            self.stand.close(number);
        }
        Ok(())
    }

    fn gone(&mut self) -> Step1 {
        let mut gone = pin!(self.stand.handle().gone());
        self.wait("the server is not gone", |_| {
            gone.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
        })
    }

    fn wait(&mut self, otherwise: &str, mut is_so: impl FnMut(&Self) -> bool) -> Step1 {
        self.stand.settle();
        while !is_so(self) {
            self.patient(otherwise)?;
            self.stand.idle();
        }
        Ok(())
    }

    fn patient(&self, otherwise: &str) -> Step1 {
        if self.stand.is_over_patience() { Err(otherwise.to_owned()) } else { Ok(()) }
    }

    fn line(&mut self) -> Result<&mut PeerConnection, String> {
        self.lines.get_mut(self.chosen).ok_or_else(|| "there is no such connection".to_owned())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len().max(1)).position(|window| window == wanted)
}

fn brief(step: &Step) -> String {
    let mut text = format!("{step:?}");
    if let Some((cut, _)) = text.char_indices().nth(80) {
        text.truncate(cut);
        text.push_str("..");
    }
    text
}

#[cfg(test)]
mod tests {
    use httpfsm_transport::ServerHandle;

    use super::{MOST, run};
    use crate::kit::in_memory;
    use crate::memory::Memory;
    use crate::record::Record;
    use crate::script::{Script, get};
    use crate::stand::{Received, Stand};

    /// Sends for ever, and never too slowly.
    struct Endless(Memory);

    impl Stand for Endless {
        fn connect(&mut self) -> Result<(), String> {
            self.0.connect()
        }

        fn forget_last(&mut self) {
            self.0.forget_last();
        }

        fn send(&mut self, peer: usize, bytes: &[u8]) -> usize {
            self.0.send(peer, bytes)
        }

        fn receive(&mut self, _peer: usize, _at_most: usize, into: &mut Vec<u8>) -> Received {
            assert!(into.len() <= MOST, "it is listened to for ever");
            into.resize(into.len() + (1 << 20), b'x');
            Received::Some
        }

        fn fin(&mut self, peer: usize) {
            self.0.fin(peer);
        }

        fn reset(&mut self, peer: usize) {
            self.0.reset(peer);
        }

        fn close(&mut self, peer: usize) {
            self.0.close(peer);
        }

        fn settle(&mut self) {
            self.0.settle();
        }

        fn idle(&mut self) {
            self.0.idle();
        }

        fn begin(&mut self) {
            self.0.begin();
        }

        fn is_over_patience(&self) -> bool {
            self.0.is_over_patience()
        }

        fn handle(&self) -> ServerHandle {
            self.0.handle()
        }
    }

    #[test]
    fn bytes_before_an_end_that_is_to_be_silent_are_found() {
        for (script, stuck) in [
            (Script::new("bytes").send(get("/close")).silent_end(), true),
            (Script::new("none").send(get("/close")).until("\r\n\r\nclosing").silent_end(), false),
        ] {
            let trace = in_memory(&script);
            assert_eq!(
                trace.is_stuck().is_some_and(|text| text.ends_with("bytes come before it")),
                stuck,
                "{trace}"
            );
        }
    }

    #[test]
    fn a_transport_that_sends_for_ever_is_not_listened_to_for_ever() {
        for script in [Script::new("what does not come").until("hello"), Script::new("no end").end()] {
            let record = Record::default();
            let memory = Memory::new(script.config.clone(), false, &record);
            let trace = run(&script, &mut Endless(memory), &record);
            let stuck = trace.is_stuck().unwrap_or_default();
            assert!(stuck.ends_with("more than 16777216 bytes come"), "{}: {stuck}", script.name);
        }
    }
}
