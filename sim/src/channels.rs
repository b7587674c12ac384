//! Channels without a driver, under the same clients: the machine's own contracts, checked after every step.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;

use httpfsm::channel::{Channel, CompiledConfig, Data, Facts, Input, Output, State};
use httpfsm::config::ServerConfig;
use httpfsm::fields::Fields;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::status::Status;
use httpfsm::time::{Date, Moment, Now};
use httpfsm_transport::catch_panic;

use crate::broken_contract::BrokenContract;
use crate::contract::{Breach, Contract};
use crate::dice::{Dice, mix};
use crate::fault::Fault;
use crate::model;
use crate::plan::RoundPlan;
use crate::reader::{ReadResponse, Reader};
use crate::simulation::{CONNECTIONS, Outcome, SEED, from_environment, repeat};
use crate::trace::SimTrace;
use crate::watch::NUMBER;

/// Deadlines that may come one after the other until a silent channel is closed.
const DEADLINES: usize = 64;

/// Bytes of the empty lines that an idle channel may hold: four, and the beginning of one more.
const EMPTY_LINES: usize = 9;

/// One step: who does what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ChannelStep {
    Feed(usize),
    Take,
    Act(u32),
    Send(usize),
    Pass(u64),
    Back(u64),
    End,
    Lose,
    GoOut,
    Evict,
    Busy,
}

/// Drives so many channels, one at least, each drawn from a seed of its own, from `seed` upwards: random input in random
/// pieces, the application, the socket and time in random order, time also backwards. After every step the channel is asked
/// for everything that it can be asked, twice.
///
/// The configuration is the default one with [`vary`](crate::vary). As in [`Simulation::run`](crate::Simulation::run),
/// the environment goes first, so that the command of a failure repeats the channel that failed, alone.
///
/// ```
/// let outcome = httpfsm_sim::channels(1, 100)?;
/// assert_eq!(outcome, httpfsm_sim::channels(1, 100)?);
/// assert_eq!(outcome.connections, 100);
/// # Ok::<(), Box<httpfsm_sim::BrokenContract>>(())
/// ```
///
/// # Errors
///
/// A contract was broken: the failure, made as small as it gets.
///
/// # Panics
///
/// As [`Simulation::run`](crate::Simulation::run).
pub fn channels(seed: u64, channels: u64) -> Result<Outcome, Box<BrokenContract>> {
    let seed = from_environment(SEED).unwrap_or(seed);
    let channels = from_environment(CONNECTIONS).unwrap_or(channels).max(1);
    let mut outcome = Outcome { connections: channels, steps: 0, trace_hash: 0 };
    for seed in (0..channels).map(|n| seed.wrapping_add(n)) {
        let (bytes, steps) = draw(seed);
        let (hash, breach) = run(seed, &bytes, &steps, &SimTrace::new(false));
        outcome.steps += steps.len() as u64;
        outcome.trace_hash = outcome.trace_hash.wrapping_add(mix(hash ^ mix(seed)));
        if let Some(breach) = breach {
            return Err(Box::new(fail(seed, &bytes, steps, &breach)));
        }
    }
    Ok(outcome)
}

/// What the peer sends, and in which order things happen.
fn draw(seed: u64) -> (Vec<u8>, Vec<ChannelStep>) {
    let plan = RoundPlan::draw(seed, Fault::ALL, [0, 0], &model::ask);
    let sends = plan.clients.iter().take(2).flat_map(|client| &client.sends);
    // A client alone knows which response is to a HEAD.
    let mut bytes = Vec::new();
    for sent in sends.filter(|sent| !sent.is_headless()) {
        sent.render(&mut bytes);
    }
    let mut dice = Dice::new(!plan.order);
    let steps = (0..20 + dice.below(100)).map(|_| match dice.below(40) {
        0..=9 => ChannelStep::Feed(1 + dice.length(9000) as usize),
        10..=17 => ChannelStep::Take,
        18..=27 => ChannelStep::Act(dice.below(u32::MAX)),
        28..=35 => ChannelStep::Send(1 + dice.length(9000) as usize),
        36 if dice.one_in(4) => ChannelStep::Back(u64::from(dice.length(100_000))),
        36 | 37 => ChannelStep::Pass(u64::from(dice.length(20_000))),
        38 if dice.one_in(4) => ChannelStep::Lose,
        38 if dice.one_in(4) => ChannelStep::GoOut,
        38 => ChannelStep::Evict,
        39 if dice.one_in(3) => ChannelStep::End,
        39 if dice.one_in(4) => ChannelStep::Busy,
        _ => ChannelStep::Take,
    });
    (bytes, steps.collect())
}

fn run(seed: u64, bytes: &[u8], steps: &[ChannelStep], trace: &SimTrace) -> (u64, Option<Breach>) {
    let outcome = catch_panic(|| ChannelBench::new(seed, trace).run(bytes, steps));
    let breach = match outcome {
        Ok(outcome) => outcome.err(),
        Err(text) => Some(Breach { contract: Contract::NoPanic, text }),
    };
    (trace.hash(), breach)
}

fn fail(seed: u64, bytes: &[u8], mut steps: Vec<ChannelStep>, breach: &Breach) -> BrokenContract {
    let mut at = 0;
    while at < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        let still = run(seed, bytes, &fewer, &SimTrace::new(false)).1;
        if still.is_some_and(|still| still.contract == breach.contract) {
            steps = fewer;
        } else {
            at += 1;
        }
    }
    let trace = SimTrace::new(true);
    let last = run(seed, bytes, &steps, &trace).1.unwrap_or_else(|| breach.clone());
    let plan = format!("{steps:?}");
    let (contract, text) = (last.contract, last.text);
    BrokenContract { seed, contract, text, plan, steps: trace.take_lines(), command: repeat(seed) }
}

/// A channel, with its peer, its application and its socket.
struct ChannelBench<'a> {
    channel: Channel,
    trace: &'a SimTrace,
    at: u64,
    /// The latest that it ever was.
    latest: u64,
    bound: usize,
    fed: usize,
    ended: bool,
    lost: bool,
    reader: Reader,
    /// Numbers of requests that were delivered and have no response on the wire.
    delivered: VecDeque<String>,
}

impl<'a> ChannelBench<'a> {
    fn new(seed: u64, trace: &'a SimTrace) -> Self {
        let mut config = ServerConfig::default();
        config.channel.max_request_header_size = 8 << 10;
        model::vary(&mut Dice::new(!seed), &mut config);
        let limits = &config.channel;
        let input = limits.input_bound + limits.max_request_header_size + limits.max_trailer_size;
        // Whole responses may exceed the mark once, by as much again.
        let bound = (input + 2 * limits.output_high_water) as usize + (16 << 10);
        let channel = Channel::new(Arc::new(CompiledConfig::new(&config.channel)), Facts::default());
        let (reader, delivered) = (Reader::default(), VecDeque::new());
        Self { channel, trace, at: 0, latest: 0, bound, fed: 0, ended: false, lost: false, reader, delivered }
    }

    fn run(&mut self, bytes: &[u8], steps: &[ChannelStep]) -> Result<(), Breach> {
        for step in steps {
            self.step(*step, bytes)?;
            self.check()?;
        }
        // Everybody falls silent.
        for _ in 0..DEADLINES {
            while self.take()? {
                self.check()?;
            }
            match (self.channel.state(), self.channel.deadline()) {
                (State::Closed | State::Upgraded, _) => return Ok(()),
                (state, None) => return Err(progress(format!("it waits for ever in {state}"))),
                (_, Some(due)) => self.at = due.as_millis(),
            }
            self.handle(Input::Tick);
            self.check()?;
        }
        Err(progress(format!("it does not end, in {}", self.channel.state())))
    }

    fn step(&mut self, step: ChannelStep, bytes: &[u8]) -> Result<(), Breach> {
        match step {
            ChannelStep::Feed(most) => {
                let room = self.channel.input_room();
                let end = bytes.len().min(self.fed + most.min(room));
                let piece = bytes.get(self.fed..end).unwrap_or_default();
                if !piece.is_empty() && !self.ended && !self.lost {
                    self.trace.bytes(0, "sends", piece);
                    if !self.handle(Input::RxData(piece)) {
                        return Err(progress("bytes were refused though there was room".to_owned()));
                    }
                    self.fed = end;
                }
            }
            ChannelStep::Take => {
                self.take()?;
            }
            ChannelStep::Act(whim) => {
                while self.take()? {}
                self.act(whim);
            }
            ChannelStep::Send(most) => return self.send(most),
            ChannelStep::Pass(length) => {
                self.at += length;
                self.trace.time(self.at);
                self.handle(Input::Tick);
            }
            ChannelStep::Back(length) => {
                let shown = |channel: &Channel| {
                    let (waits, due) = (channel.waits_for(), channel.deadline());
                    (channel.state(), waits, due, channel.unsent_len(), channel.has_output())
                };
                let before = shown(&self.channel);
                self.at = self.at.saturating_sub(length);
                self.trace.time(self.at);
                self.handle(Input::Tick);
                if shown(&self.channel) != before {
                    return Err(progress(format!("time went back by {length} ms, which changed {before:?}")));
                }
            }
            ChannelStep::End => self.ended |= self.handle(Input::RxEnd),
            ChannelStep::Lose => self.lost |= self.handle(Input::Disconnected),
            ChannelStep::GoOut => _ = self.go_out(),
            ChannelStep::Evict => _ = self.handle(Input::Evict),
            ChannelStep::Busy => _ = self.handle(Input::Busy),
        }
        Ok(())
    }

    fn go_out(&mut self) -> bool {
        let leave = self.channel.compiled_config().leave(Moment::from_millis(self.at));
        self.handle(Input::GoOut(leave))
    }

    fn handle(&mut self, input: Input<'_>) -> bool {
        self.latest = self.latest.max(self.at);
        let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
        self.channel.handle(&now, input).is_ok()
    }

    /// Takes an output; `false`: there is none.
    fn take(&mut self) -> Result<bool, Breach> {
        let closed = self.channel.is_closed();
        let Some(output) = self.channel.next_output() else { return Ok(false) };
        if !matches!(output, Output::BodyData(_)) {
            self.trace.note(format_args!("{output:?}"));
        }
        match output {
            Output::HttpRequest => match self.number() {
                Some(number) => self.delivered.push_back(number),
                None => return Err(broken(Contract::Requests, "a request that nobody sent".to_owned())),
            },
            Output::BodyData([]) => return Err(progress("no bytes of a body".to_owned())),
            Output::HttpChannelClosed(_) if !closed => {
                return Err(progress("closed is told before it is so".to_owned()));
            }
            _ => {}
        }
        Ok(true)
    }

    /// The number in the head of the request that was delivered.
    fn number(&self) -> Option<String> {
        let request = self.channel.request()?;
        let field = request.fields().find(|field| field.name == NUMBER)?;
        Some(String::from_utf8_lossy(field.value).into_owned())
    }

    /// The application does something, whether or not it may.
    fn act(&mut self, whim: u32) {
        let mut fields = Fields::new();
        if let Some(number) = self.delivered.back() {
            let _ = fields.push(NUMBER, number);
        }
        let bytes = model::pattern(whim, whim % 3000);
        let response = |body| ResponseRef { body, ..ResponseRef::new(Status::OK, &fields, b"") };
        let length = (whim & 64 == 0).then_some(u64::from(whim % 3000));
        match whim >> 24 & 7 {
            0 | 1 => {
                self.handle(Input::HttpResponse(response(BodyRef::Slice(&bytes[..bytes.len().min(1000)]))))
            }
            2 => self.handle(Input::HttpResponse(response(BodyRef::Stream { length }))),
            3 | 4 => {
                let room = self.channel.room().min(bytes.len());
                self.handle(Input::Write(Data::Slice(&bytes[..room])))
            }
            5 => self.handle(Input::Finish(None)),
            6 => self.handle(Input::BodyDemand(u64::from(whim % 5000))),
            _ if whim & 0xFF == 0 => self.handle(Input::Abort(None)),
            _ if whim & 0xFF == 1 => self.handle(Input::BodyForgone),
            _ => self.handle(Input::Flush),
        };
    }

    /// The socket takes bytes, and the peer reads them.
    fn send(&mut self, most: usize) -> Result<(), Breach> {
        let mut slices: [&[u8]; 8] = [&[]; 8];
        let filled = self.channel.unsent_slices(&mut slices);
        let mut bytes = slices[..filled].concat();
        bytes.truncate(most);
        if bytes.is_empty() {
            return Ok(());
        }
        if !self.handle(Input::Sent(bytes.len())) {
            return Err(progress("bytes that were to be sent were refused when they had been".to_owned()));
        }
        self.trace.bytes(0, "receives", &bytes);
        self.reader.buffer().extend_from_slice(&bytes);
        loop {
            let read = self.reader.next("GET").map_err(|text| broken(Contract::Responses, text))?;
            let response = match read {
                None => return Ok(()),
                Some(ReadResponse::Interim(_)) => continue,
                Some(ReadResponse::Whole(response) | ReadResponse::Switched(response)) => response,
            };
            let Some(told) = response.field(NUMBER) else { continue };
            // The machine has responded to those before it by itself.
            match self.delivered.iter().position(|number| number == told) {
                Some(place) => drop(self.delivered.drain(..=place)),
                None => {
                    let text = format!("the response to {told} came again, or out of order");
                    return Err(broken(Contract::Responses, text));
                }
            }
        }
    }

    /// What holds after every step.
    fn check(&self) -> Result<(), Breach> {
        let channel = &self.channel;
        let asked = || {
            let mut slices: [&[u8]; 8] = [&[]; 8];
            let filled = channel.unsent_slices(&mut slices);
            let bytes: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
            let staged: usize = channel.staged().map(<[u8]>::len).sum();
            let (waits, due) = (channel.waits_for(), channel.deadline());
            (
                [bytes, staged],
                channel.unsent_len(),
                channel.unsent().len(),
                waits,
                due,
                channel.has_output(),
                channel.state(),
            )
        };
        let ([bytes, staged], unsent, first, waits, due, has_output, state) = asked();
        same(&asked(), &([bytes, staged], unsent, first, waits, due, has_output, state))?;
        // What follows an interim head comes when that has left.
        if staged != unsent
            || bytes > unsent
            || first > bytes
            || (first == 0) != (unsent == 0)
            || (bytes == 0) != (unsent == 0)
        {
            return Err(broken(
                Contract::Pending,
                format!("{bytes}, {staged}, {unsent} and {first} bytes are to be sent"),
            ));
        }
        if channel.buffered() > self.bound {
            let text = format!("{} bytes are held, and {} may be", channel.buffered(), self.bound);
            return Err(broken(Contract::Bounded, text));
        }
        if channel.is_idle() && channel.buffered() > EMPTY_LINES {
            return Err(broken(
                Contract::Bounded,
                format!("{} bytes are held for nothing", channel.buffered()),
            ));
        }
        if (self.ended || self.lost) && waits.input() {
            return Err(progress(format!("input is waited for after its end, in {state}")));
        }
        if has_output {
            return Ok(());
        }
        let agree = waits.input() == (channel.input_room() > 0)
            && waits.room() == (unsent > 0)
            && waits.deadline() == due.is_some()
            && waits.is_empty() == channel.is_closed();
        if !agree {
            return Err(progress(format!("it says that it waits for {waits:?}, in {state}")));
        }
        if due.is_some_and(|due| due.as_millis() <= self.latest) {
            return Err(progress(format!("a deadline has passed and is still to come, in {state}")));
        }
        Ok(())
    }
}

fn same<T: PartialEq + Debug>(again: &T, before: &T) -> Result<(), Breach> {
    if again == before {
        return Ok(());
    }
    Err(broken(Contract::Pending, format!("asked again it says {again:?}, not {before:?}")))
}

fn progress(text: String) -> Breach {
    broken(Contract::Progress, text)
}

fn broken(contract: Contract, text: String) -> Breach {
    Breach { contract, text }
}
