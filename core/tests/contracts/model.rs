//! A channel between the model application and a model transport. The transport looks at the channel's queries only and
//! treats no output as a signal, so that a wake-up that exists as an output alone shows as a standstill.

use std::sync::Arc;

use bytes::Bytes;
use httpfsm::channel::{CompiledConfig, Data, Facts, Input, NotAccepted, State};
use httpfsm::request::BodyLength;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, Fields, Status, Version};

use super::application::{Content, Script, Step, StepKind, Task, plan, step_kind};
use super::choices::Choices;
use super::seen::Seen;

pub(crate) struct Model {
    pub(crate) channel: Channel,
    /// What came out; bytes of a body that follow each other are one item, and so are counts of excess.
    pub(crate) seen: Vec<Seen>,
    /// What was sent.
    pub(crate) wire: Vec<u8>,
    pub(crate) at: u64,
    scripts: Vec<Script>,
    task: Option<Task>,
    pub(crate) requests: usize,
    /// Bytes of credit given at once; `None`: all.
    pub(crate) credit: Option<Choices>,
}

/// Whether an interim head begins here. 101 ends the exchange, and is none.
fn is_interim(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.1 1") && !bytes.starts_with(b"HTTP/1.1 101")
}

/// Whether `write` is a write of its own, before `rest`, which is staged behind it: an interim head leaves alone, the rest
/// of one that has left in part, too.
pub(crate) fn is_one_write(write: &[u8], rest: &[u8]) -> bool {
    let is_rest_of_head = || {
        let ends = write.windows(4).filter(|bytes| bytes == b"\r\n\r\n").count();
        b"\r\n\r\n".ends_with(write) || (write.ends_with(b"\r\n\r\n") && ends == 1)
    };
    if is_interim(write) {
        return is_rest_of_head();
    }
    (1..write.len()).all(|at| !is_interim(&write[at..]))
        && (rest.is_empty() || is_interim(rest) || is_rest_of_head())
}

impl Model {
    pub(crate) fn new(config: &ChannelConfig, scripts: &[Script]) -> Self {
        Self {
            channel: Channel::new(Arc::new(CompiledConfig::new(config)), Facts::default()),
            seen: Vec::new(),
            wire: Vec::new(),
            at: 0,
            scripts: scripts.to_vec(),
            task: None,
            requests: 0,
            credit: None,
        }
    }

    pub(crate) fn handle(&mut self, input: Input<'_>) -> Result<(), NotAccepted> {
        self.channel.handle(&Now::new(Moment::from_millis(self.at), &Date::EPOCH), input)
    }

    /// Takes one output.
    pub(crate) fn take_output(&mut self) -> bool {
        let expected = self.channel.has_output();
        let seen = Seen::of(&mut self.channel);
        assert_eq!(seen.is_some(), expected, "has_output and next_output disagree: {seen:?}");
        let Some(seen) = seen else { return false };
        match &seen {
            Seen::Request(_) => self.begin(),
            Seen::Body(bytes) => {
                assert!(!bytes.is_empty(), "an empty BodyData");
                if let Some(task) = &mut self.task {
                    task.body.extend_from_slice(bytes);
                }
            }
            Seen::BodyEnd(_) | Seen::BodyFailed(_) => {
                if let Some(task) = &mut self.task {
                    task.over = true;
                }
            }
            // A Busy was responded to in the application's stead already; anything else ends its work.
            Seen::Refused(error) if error.rule != httpfsm::Rule::Busy => self.task = None,
            Seen::Closed(_) => self.task = None,
            _ => {}
        }
        match (self.seen.last_mut(), seen) {
            (Some(Seen::Body(before)), Seen::Body(more)) => before.0.extend_from_slice(&more),
            (Some(Seen::Excess(before)), Seen::Excess(more)) => *before += more,
            (_, seen) => self.seen.push(seen),
        }
        true
    }

    fn begin(&mut self) {
        self.requests += 1;
        let number = self.requests;
        if self.scripts.is_empty() {
            // An application that says nothing.
            return;
        }
        let script = self.scripts[(number - 1) % self.scripts.len()];
        let request = self.channel.request().expect("a request that is announced can be read");
        let length = match request.body_length() {
            BodyLength::Known(length) => Some(length),
            BodyLength::None => Some(0),
            BodyLength::Chunked => None,
        };
        let upgrades = request.upgrade().is_some() && length == Some(0);
        let old = request.version() == Version::Http10;
        let connects = request.is_connect();
        let steps = plan(script, length, upgrades, connects, old || request.is_head());
        self.task = Some(Task {
            number,
            steps: steps.into(),
            body: Vec::new(),
            relayed: 0,
            demanded: 0,
            // No event tells of the end of a body that is none.
            over: length == Some(0),
        });
    }

    /// The application does one thing, if it can.
    pub(crate) fn act(&mut self) -> bool {
        let Some(mut task) = self.task.take() else { return false };
        let acted = self.act_on(&mut task);
        if !task.steps.is_empty() {
            self.task = Some(task);
        }
        acted
    }

    fn act_on(&mut self, task: &mut Task) -> bool {
        let Some(step) = task.steps.front().cloned() else { return false };
        let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
        let fields =
            Fields::new().with("X-Request", task.number.to_string()).expect("a number is a field value");
        let result = match step {
            Step::Read(until) => {
                if task.over || task.body.len() as u64 >= until {
                    task.steps.pop_front();
                    return true;
                }
                return self.demand(task, until);
            }
            Step::Relay => {
                let fresh = task.body.get(task.relayed..).unwrap_or_default();
                // Pieces show in chunks, so they are of the same size whatever the room.
                let n = fresh.len().min(500);
                if n > self.channel.room() {
                    return false;
                }
                if n > 0 {
                    let result = self.channel.handle(&now, Input::Write(Data::Slice(&fresh[..n])));
                    task.relayed += n;
                    return self.check(result, task);
                }
                if task.over && fresh.is_empty() {
                    task.steps.pop_front();
                    return true;
                }
                return fresh.is_empty() && self.demand(task, u64::MAX);
            }
            Step::Write(bytes) => {
                if self.channel.state() == State::Responding && self.channel.room() < bytes.len() {
                    return false;
                }
                self.channel.handle(&now, Input::Write(Data::Slice(&bytes)))
            }
            Step::WriteReference(bytes) => {
                if self.channel.state() == State::Responding && !self.channel.room_for_bytes() {
                    return false;
                }
                self.channel.handle(&now, Input::Write(Data::Bytes(bytes)))
            }
            Step::Continue => self.channel.handle(&now, Input::Continue),
            Step::Informational => {
                let hint = Fields::new().with("Link", "</style.css>; rel=preload").expect("a field");
                self.channel.handle(&now, Input::Informational(Status::EARLY_HINTS, &hint))
            }
            Step::Respond { status, content, close } => {
                let fields =
                    if close { fields.with("Connection", "close").expect("a field") } else { fields };
                let fields = match status {
                    Status::SWITCHING_PROTOCOLS => fields.with("Upgrade", "other").expect("a field"),
                    _ => fields,
                };
                let echo = Bytes::copy_from_slice(&task.body);
                let body = match &content {
                    Content::Nothing => BodyRef::Empty,
                    Content::Text(text) => BodyRef::Slice(text),
                    Content::Echo => BodyRef::Bytes(&echo),
                    Content::Reference(bytes) => BodyRef::Bytes(bytes),
                };
                self.channel.handle(&now, Input::HttpResponse(ResponseRef { status, fields: &fields, body }))
            }
            Step::RespondWith => self
                .channel
                .respond_with(&now, |request, responder| {
                    responder.respond(ResponseRef::new(Status::OK, &fields, request.target().as_bytes()));
                })
                .map(|_| ()),
            Step::Begin { length } => {
                let body = BodyRef::Stream { length };
                self.channel.handle(
                    &now,
                    Input::HttpResponse(ResponseRef { status: Status::OK, fields: &fields, body }),
                )
            }
            Step::Flush => self.channel.handle(&now, Input::Flush),
            Step::Finish { trailers } => {
                let sum = Fields::new().with("X-Sum", "42").expect("a field");
                self.channel.handle(&now, Input::Finish(trailers.then_some(&sum)))
            }
            Step::Abort => self.channel.handle(&now, Input::Abort(Some("it failed"))),
            Step::Busy => self.channel.handle(&now, Input::Busy),
        };
        task.steps.pop_front();
        // A response without content (to HEAD, say) owes nothing more.
        if result.is_ok() && matches!(step_kind(task), StepKind::Content) && !self.channel.owes_body() {
            task.steps.clear();
        }
        self.check(result, task)
    }

    fn demand(&mut self, task: &mut Task, until: u64) -> bool {
        if task.demanded > task.body.len() as u64 {
            return false;
        }
        let bytes = match &mut self.credit {
            None => until - task.demanded,
            Some(choices) => (choices.amount() as u64).min(until - task.demanded),
        };
        task.demanded += bytes;
        let result = self.handle(Input::BodyDemand(bytes));
        self.check(result, task)
    }

    /// An application that keeps the rules is refused only if the channel has something to tell it.
    fn check(&self, result: Result<(), NotAccepted>, task: &mut Task) -> bool {
        if let Err(refused) = result {
            assert!(self.channel.has_output(), "{refused:?} for no reason: {:?}", self.seen);
            task.steps.clear();
        }
        true
    }

    /// The socket takes up to `most` bytes.
    pub(crate) fn send(&mut self, most: usize) -> bool {
        let mut slices = [&b""[..]; 4];
        let n = self.channel.unsent_slices(&mut slices);
        let mut bytes = slices[..n].concat();
        let whole = self.channel.unsent_len();
        assert_eq!(bytes.is_empty(), whole == 0);
        assert!(bytes.starts_with(self.channel.unsent()), "unsent is no beginning of unsent_slices");
        let staged: Vec<u8> = self.channel.staged().flatten().copied().collect();
        assert!(staged.len() == whole && staged.starts_with(&bytes), "staged is not all of it, in order");
        assert!(is_one_write(&bytes, &staged[bytes.len()..]), "no write of its own");
        if bytes.is_empty() {
            return false;
        }
        bytes.truncate(most);
        self.wire.extend_from_slice(&bytes);
        self.handle(Input::Sent(bytes.len())).expect("what is unsent can be sent");
        true
    }

    /// Hands over bytes, as many as there is room for; after a hand-over they are the other protocol's.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> usize {
        if self.channel.state() == State::Upgraded && !self.channel.has_output() {
            match self.seen.last_mut() {
                Some(Seen::Upgraded(leftover)) => leftover.0.extend_from_slice(bytes),
                other => panic!("Upgraded is not the last output: {other:?}"),
            }
            return bytes.len();
        }
        let n = bytes.len().min(self.channel.input_room());
        if n == 0 {
            return 0;
        }
        let spare = self.channel.spare();
        assert!(!spare.is_empty(), "there is room for input, but nowhere to read to");
        // Both ways in, in turn.
        if n % 2 == 0 && spare.len() >= n {
            spare[..n].copy_from_slice(&bytes[..n]);
            self.handle(Input::RxRead(n)).expect("what was offered can be read into");
        } else {
            self.handle(Input::RxData(&bytes[..n])).expect("there is room for input");
        }
        n
    }

    /// Everybody does what there is to do.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = false;
            while self.take_output() {
                moved = true;
            }
            moved |= self.act();
            while self.take_output() {
                moved = true;
            }
            moved |= self.send(usize::MAX);
            if !moved {
                return;
            }
        }
    }

    /// Sends `bytes` in pieces that end at `cuts`, and the end of the input behind them.
    pub(crate) fn run(&mut self, bytes: &[u8], cuts: &[usize]) {
        let mut at = 0;
        self.settle();
        while !self.channel.is_closed() {
            let end = cuts.iter().copied().find(|&cut| cut > at).unwrap_or(bytes.len());
            let n = self.feed(bytes.get(at..end).unwrap_or_default());
            at += n;
            if n == 0 {
                self.end_input(at, bytes);
            }
            self.settle();
        }
    }

    /// Sends `bytes` and, as soon as they are sent, the end of the input; takes every turn in any order and in any
    /// amount.
    pub(crate) fn run_in_any_order(&mut self, bytes: &[u8], choices: &mut Choices) {
        let mut at = 0;
        let mut ended = false;
        loop {
            let first = choices.next();
            let moved = (0..4).any(|turn| match (first + turn) % 4 {
                0 if at == bytes.len() && !ended => {
                    ended = self.handle(Input::RxEnd).is_ok();
                    ended
                }
                0 => {
                    let n = choices.amount().min(bytes.len() - at);
                    let n = self.feed(&bytes[at..at + n]);
                    at += n;
                    n > 0
                }
                1 => self.take_output(),
                2 => self.act(),
                _ => self.send(choices.amount()),
            });
            if !moved {
                if self.channel.is_closed() {
                    return;
                }
                self.end_input(at, bytes);
                ended = true;
            }
        }
    }

    /// Nothing can be handed over: either all bytes were, or the channel will not have more.
    fn end_input(&mut self, at: usize, bytes: &[u8]) {
        if self.channel.state() == State::Upgraded {
            self.handle(Input::Disconnected).expect("an upgraded channel can be disconnected");
            return;
        }
        assert_eq!(
            at,
            bytes.len(),
            "a standstill in {:?}: {:?}, {:?}",
            self.channel.state(),
            self.channel.waits_for(),
            self.seen
        );
        assert!(
            self.channel.waits_for().input(),
            "a standstill in {:?}: {:?}, {:?}",
            self.channel.state(),
            self.channel.waits_for(),
            self.seen
        );
        self.handle(Input::RxEnd).expect("a channel that waits for input can be told of its end");
    }

    /// What came out, without what tells of room in the socket only.
    pub(crate) fn events(&self) -> Vec<Seen> {
        self.seen.iter().filter(|seen| !matches!(seen, Seen::TransmitReady | Seen::Flush)).cloned().collect()
    }

    /// What was sent, without `100 Continue`: it is left out if the body came first.
    pub(crate) fn responses(&self) -> String {
        String::from_utf8_lossy(&self.wire).replace("HTTP/1.1 100 Continue\r\n\r\n", "")
    }
}
