//! A model application and a model transport over a [`Channel`].
//!
//! The application is a list of things to do for each request ([`Conduct`]); what it says never depends on when it is
//! asked. The transport looks at the channel's queries only and treats no output as a signal, so that a wake-up that
//! exists as an output alone shows as a standstill.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use httpfsm::{
    BodyLength, BodyRef, Channel, ChannelConfig, CloseReason, Data, Date, Facts, Fields, Input, Moment,
    NotAccepted, Now, Output, RequestError, ResponseRef, Settings, State, Status, Version,
};
use proptest::prelude::*;

use super::messages::Octets;

/// An output, kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    Opened,
    Request(Octets),
    Body(Octets),
    BodyEnd(Vec<(String, String)>),
    BodyFailed(String),
    PeerEnded,
    Refused(RequestError),
    Excess(u64),
    Flushed,
    TransmitReady,
    Flush,
    Upgraded(Octets),
    CloseWrite,
    Drop { reset: bool },
    Closed(CloseReason),
}

impl Seen {
    pub(crate) fn of(channel: &mut Channel) -> Option<Self> {
        let seen = match channel.next_output()? {
            Output::HttpChannelOpened => Self::Opened,
            Output::HttpRequest => {
                let head = channel.request().map(|request| request.raw().to_vec());
                Self::Request(Octets(head.unwrap_or_default()))
            }
            Output::BodyData(octets) => Self::Body(Octets(octets.to_vec())),
            Output::BodyEnd(trailers) => {
                let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
                Self::BodyEnd(
                    trailers.iter().map(|field| (field.name.to_owned(), text(field.value))).collect(),
                )
            }
            Output::BodyFailed(error) => Self::BodyFailed(format!("{error:?}")),
            Output::PeerEnded => Self::PeerEnded,
            Output::Refused(error) => Self::Refused(error),
            Output::Excess(octets) => Self::Excess(octets),
            Output::Flushed => Self::Flushed,
            Output::TransmitReady => Self::TransmitReady,
            Output::FlushOutputData => Self::Flush,
            Output::Upgraded(octets) => Self::Upgraded(Octets(octets.to_vec())),
            Output::CloseWrite => Self::CloseWrite,
            Output::Drop { reset } => Self::Drop { reset },
            Output::HttpChannelClosed(reason) => Self::Closed(reason),
            other => panic!("an output that the model does not know: {other:?}"),
        };
        Some(seen)
    }
}

/// What the application does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Conduct {
    /// Reads the body and answers with it.
    Echo,
    /// The same, in pieces, and asks for the 100 by itself.
    EchoStreamed,
    /// Answers at once, then passes each octet of the body on as it comes.
    Relay,
    /// Answers at the head.
    Early,
    /// Answers at the head, through [`Channel::answer`].
    EarlyByAnswer,
    /// Reads a few octets, then answers.
    Taste(u8),
    /// Answers in pieces: chunked, or until the end of the connection in HTTP/1.0.
    Pieces(u8),
    /// Answers in pieces of a known length.
    Length(u8),
    /// The same, and flushes after each piece.
    Flushed(u8),
    /// Answers in pieces, with trailer fields.
    Trailers,
    /// Answers with content that goes out by reference.
    Large,
    /// The same, with pieces before and behind it.
    LargePiece,
    /// Sends an interim head first.
    Informational,
    /// Answers with more than it announced.
    Excess,
    /// Answers with less than it announced.
    Short,
    /// Fails before its answer.
    Fail,
    /// Fails inside its answer.
    FailLate,
    /// The transport says that the server is busy.
    Busy,
    /// Takes the connection over, if the request offers that.
    Upgrade,
    /// Answers and asks for the end of the connection.
    Close,
    NoContent,
    NotModified,
}

pub(crate) fn conduct() -> impl Strategy<Value = Conduct> {
    use Conduct::*;
    prop_oneof![
        4 => Just(Echo),
        2 => Just(EchoStreamed),
        2 => Just(Relay),
        2 => Just(Early),
        1 => Just(EarlyByAnswer),
        1 => (0u8..20).prop_map(Taste),
        2 => (0u8..6).prop_map(Pieces),
        2 => (0u8..6).prop_map(Length),
        1 => (0u8..6).prop_map(Flushed),
        1 => Just(Trailers),
        1 => Just(Large),
        1 => Just(LargePiece),
        1 => Just(Informational),
        1 => Just(Excess),
        1 => Just(Short),
        1 => Just(Fail),
        1 => Just(FailLate),
        2 => Just(Busy),
        2 => Just(Upgrade),
        1 => Just(Close),
        1 => Just(NoContent),
        1 => Just(NotModified),
    ]
}

pub(crate) fn conducts() -> impl Strategy<Value = Vec<Conduct>> {
    prop::collection::vec(conduct(), 1..6)
}

/// One thing that the application does.
#[derive(Clone, Debug)]
enum Deed {
    /// Reads until this many octets have come, or the end.
    Read(u64),
    Continue,
    Informational,
    Answer {
        status: Status,
        content: Content,
        close: bool,
    },
    ByAnswer,
    Begin {
        length: Option<u64>,
    },
    Write(Vec<u8>),
    WriteReference(Bytes),
    /// Reads on, and writes what has been read.
    Relay,
    Flush,
    Finish {
        trailers: bool,
    },
    Abort,
    Busy,
}

#[derive(Clone, Debug)]
enum Content {
    Nothing,
    Text(&'static [u8]),
    /// The body, as far as it was read.
    Echo,
    Reference(Bytes),
}

/// A request that the application works on.
#[derive(Debug)]
struct Task {
    number: usize,
    deeds: VecDeque<Deed>,
    body: Vec<u8>,
    relayed: usize,
    demanded: u64,
    over: bool,
}

/// Whatever varies, one octet at a time; after the last one from the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Whims {
    octets: Vec<u8>,
    at: usize,
}

impl Whims {
    pub(crate) fn new(octets: &[u8]) -> Self {
        Self { octets: octets.to_vec(), at: 0 }
    }

    pub(crate) fn next(&mut self) -> usize {
        let octet = self.octets[self.at % self.octets.len()];
        self.at += 1;
        // The octets come round again, but not in the same places.
        usize::from(octet ^ (self.at / self.octets.len()) as u8)
    }

    /// Small most of the time, never 0.
    pub(crate) fn amount(&mut self) -> usize {
        let whim = self.next();
        match whim % 4 {
            0 => 1,
            1 => 1 + whim / 4,
            2 => 16 * (1 + whim / 4),
            _ => 1 << 16,
        }
    }
}

pub(crate) fn whims() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..40)
}

/// Configurations by name, so that a failure prints no page of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limits {
    Usual,
    /// Limits that the traffic reaches.
    Tight,
    /// Small buffers, large trailer sections.
    Cramped,
}

impl Limits {
    pub(crate) fn config(self) -> ChannelConfig {
        match self {
            Self::Usual => ChannelConfig::default(),
            Self::Tight => ChannelConfig {
                max_request_header_size: 600,
                max_request_target_size: 64,
                max_request_body_size: 4000,
                max_trailer_size: 64,
                discard_octets: 200,
                linger_octets: 300,
                output_high_water: 1 << 10,
                input_bound: 4 << 10,
                requests_per_connection: 3,
                ..ChannelConfig::default()
            },
            Self::Cramped => ChannelConfig {
                output_high_water: 4 << 10,
                input_bound: 4 << 10,
                max_trailer_size: 32 << 10,
                max_request_target_size: 0,
                linger_octets: 0,
                ..ChannelConfig::default()
            },
        }
    }
}

pub(crate) fn limits() -> impl Strategy<Value = Limits> {
    prop_oneof![4 => Just(Limits::Usual), 3 => Just(Limits::Tight), 2 => Just(Limits::Cramped)]
}

pub(crate) struct Model {
    pub(crate) channel: Channel,
    /// What came out; octets of a body that follow each other are one item, and so are counts of excess.
    pub(crate) seen: Vec<Seen>,
    /// What was sent.
    pub(crate) wire: Vec<u8>,
    pub(crate) at: u64,
    conducts: Vec<Conduct>,
    task: Option<Task>,
    pub(crate) requests: usize,
    /// Octets of credit given at once; `None`: all.
    pub(crate) patience: Option<Whims>,
}

impl Model {
    pub(crate) fn new(config: &ChannelConfig, conducts: &[Conduct]) -> Self {
        Self {
            channel: Channel::new(Arc::new(Settings::new(config)), Facts::default()),
            seen: Vec::new(),
            wire: Vec::new(),
            at: 0,
            conducts: conducts.to_vec(),
            task: None,
            requests: 0,
            patience: None,
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
            Seen::Body(octets) => {
                assert!(!octets.is_empty(), "an empty BodyData");
                if let Some(task) = &mut self.task {
                    task.body.extend_from_slice(octets);
                }
            }
            Seen::BodyEnd(_) | Seen::BodyFailed(_) => {
                if let Some(task) = &mut self.task {
                    task.over = true;
                }
            }
            // A Busy was answered in the application's stead already; anything else ends its work.
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
        if self.conducts.is_empty() {
            // An application that says nothing.
            return;
        }
        let conduct = self.conducts[(number - 1) % self.conducts.len()];
        let request = self.channel.request().expect("a request that is announced can be read");
        let length = match request.body_length() {
            BodyLength::Known(length) => Some(length),
            BodyLength::None => Some(0),
            BodyLength::Chunked => None,
        };
        let upgrades = request.upgrade().is_some() && length == Some(0);
        let old = request.version() == Version::Http10;
        let connects = request.is_connect();
        let deeds = plan(conduct, length, upgrades, connects, old || request.is_head());
        self.task = Some(Task {
            number,
            deeds: deeds.into(),
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
        if !task.deeds.is_empty() {
            self.task = Some(task);
        }
        acted
    }

    fn act_on(&mut self, task: &mut Task) -> bool {
        let Some(deed) = task.deeds.front().cloned() else { return false };
        let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
        let fields =
            Fields::new().with("X-Request", task.number.to_string()).expect("a number is a field value");
        let result = match deed {
            Deed::Read(until) => {
                if task.over || task.body.len() as u64 >= until {
                    task.deeds.pop_front();
                    return true;
                }
                return self.demand(task, until);
            }
            Deed::Relay => {
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
                    task.deeds.pop_front();
                    return true;
                }
                return fresh.is_empty() && self.demand(task, u64::MAX);
            }
            Deed::Write(octets) => {
                if self.channel.state() == State::Responding && self.channel.room() < octets.len() {
                    return false;
                }
                self.channel.handle(&now, Input::Write(Data::Slice(&octets)))
            }
            Deed::WriteReference(bytes) => {
                if self.channel.state() == State::Responding && !self.channel.room_for_bytes() {
                    return false;
                }
                self.channel.handle(&now, Input::Write(Data::Bytes(bytes)))
            }
            Deed::Continue => self.channel.handle(&now, Input::Continue),
            Deed::Informational => {
                let hint = Fields::new().with("Link", "</style.css>; rel=preload").expect("a field");
                self.channel.handle(&now, Input::Informational(Status::EARLY_HINTS, &hint))
            }
            Deed::Answer { status, content, close } => {
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
            Deed::ByAnswer => self
                .channel
                .answer(&now, |request, answer| {
                    answer.give(ResponseRef::new(Status::OK, &fields, request.target().as_bytes()));
                })
                .map(|_| ()),
            Deed::Begin { length } => {
                let body = BodyRef::Stream { length };
                self.channel.handle(
                    &now,
                    Input::HttpResponse(ResponseRef { status: Status::OK, fields: &fields, body }),
                )
            }
            Deed::Flush => self.channel.handle(&now, Input::Flush),
            Deed::Finish { trailers } => {
                let sum = Fields::new().with("X-Sum", "42").expect("a field");
                self.channel.handle(&now, Input::Finish(trailers.then_some(&sum)))
            }
            Deed::Abort => self.channel.handle(&now, Input::Abort(Some("it failed"))),
            Deed::Busy => self.channel.handle(&now, Input::Busy),
        };
        task.deeds.pop_front();
        // An answer without content (to HEAD, say) owes nothing more.
        if result.is_ok() && matches!(deed_kind(task), Kind::Content) && !self.channel.owes_body() {
            task.deeds.clear();
        }
        self.check(result, task)
    }

    fn demand(&mut self, task: &mut Task, until: u64) -> bool {
        if task.demanded > task.body.len() as u64 {
            return false;
        }
        let octets = match &mut self.patience {
            None => until - task.demanded,
            Some(whims) => (whims.amount() as u64).min(until - task.demanded),
        };
        task.demanded += octets;
        let result = self.handle(Input::BodyDemand(octets));
        self.check(result, task)
    }

    /// An application that keeps the rules is refused only if the channel has something to tell it.
    fn check(&self, result: Result<(), NotAccepted>, task: &mut Task) -> bool {
        if let Err(refused) = result {
            assert!(self.channel.has_output(), "{refused:?} for no reason: {:?}", self.seen);
            task.deeds.clear();
        }
        true
    }

    /// The socket takes up to `most` octets.
    pub(crate) fn send(&mut self, most: usize) -> bool {
        let mut slices = [&b""[..]; 4];
        let n = self.channel.unsent_slices(&mut slices);
        let mut octets = slices[..n].concat();
        assert_eq!(octets.len(), self.channel.unsent_len(), "unsent_slices lacks octets");
        assert!(octets.starts_with(self.channel.unsent()), "unsent is no beginning of unsent_slices");
        if octets.is_empty() {
            return false;
        }
        octets.truncate(most);
        self.wire.extend_from_slice(&octets);
        self.handle(Input::Sent(octets.len())).expect("what is unsent can be sent");
        true
    }

    /// Hands over octets, as many as there is room for; after a hand-over they are the other protocol's.
    pub(crate) fn feed(&mut self, octets: &[u8]) -> usize {
        if self.channel.state() == State::Upgraded && !self.channel.has_output() {
            match self.seen.last_mut() {
                Some(Seen::Upgraded(leftover)) => leftover.0.extend_from_slice(octets),
                other => panic!("Upgraded is not the last output: {other:?}"),
            }
            return octets.len();
        }
        let n = octets.len().min(self.channel.input_room());
        if n == 0 {
            return 0;
        }
        let spare = self.channel.spare();
        assert!(!spare.is_empty(), "there is room for input, but nowhere to read to");
        // Both ways in, in turn.
        if n % 2 == 0 && spare.len() >= n {
            spare[..n].copy_from_slice(&octets[..n]);
            self.handle(Input::RxRead(n)).expect("what was offered can be read into");
        } else {
            self.handle(Input::RxData(&octets[..n])).expect("there is room for input");
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

    /// Sends `octets` in pieces that end at `cuts`, and the end of the input behind them.
    pub(crate) fn run(&mut self, octets: &[u8], cuts: &[usize]) {
        let mut at = 0;
        self.settle();
        while !self.channel.is_closed() {
            let end = cuts.iter().copied().find(|&cut| cut > at).unwrap_or(octets.len());
            let n = self.feed(octets.get(at..end).unwrap_or_default());
            at += n;
            if n == 0 {
                self.end_input(at, octets);
            }
            self.settle();
        }
    }

    /// Sends `octets` and, as soon as they are sent, the end of the input; takes every turn in any order and in any
    /// amount.
    pub(crate) fn stroll(&mut self, octets: &[u8], whims: &mut Whims) {
        let mut at = 0;
        let mut ended = false;
        loop {
            let first = whims.next();
            let moved = (0..4).any(|turn| match (first + turn) % 4 {
                0 if at == octets.len() && !ended => {
                    ended = self.handle(Input::RxEnd).is_ok();
                    ended
                }
                0 => {
                    let n = whims.amount().min(octets.len() - at);
                    let n = self.feed(&octets[at..at + n]);
                    at += n;
                    n > 0
                }
                1 => self.take_output(),
                2 => self.act(),
                _ => self.send(whims.amount()),
            });
            if !moved {
                if self.channel.is_closed() {
                    return;
                }
                self.end_input(at, octets);
                ended = true;
            }
        }
    }

    /// Nothing can be handed over: either all octets were, or the channel will not have more.
    fn end_input(&mut self, at: usize, octets: &[u8]) {
        if self.channel.state() == State::Upgraded {
            self.handle(Input::Disconnected).expect("an upgraded channel can be disconnected");
            return;
        }
        assert_eq!(
            at,
            octets.len(),
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
    pub(crate) fn answers(&self) -> String {
        String::from_utf8_lossy(&self.wire).replace("HTTP/1.1 100 Continue\r\n\r\n", "")
    }
}

enum Kind {
    Content,
    Other,
}

fn deed_kind(task: &Task) -> Kind {
    match task.deeds.front() {
        Some(Deed::Write(_) | Deed::WriteReference(_) | Deed::Relay | Deed::Flush | Deed::Finish { .. }) => {
            Kind::Content
        }
        _ => Kind::Other,
    }
}

fn plan(conduct: Conduct, length: Option<u64>, upgrades: bool, connects: bool, plain: bool) -> Vec<Deed> {
    let all = Deed::Read(u64::MAX);
    let answer = |status, content| Deed::Answer { status, content, close: false };
    let text = answer(Status::OK, Content::Text(b"an answer"));
    let piece = |n: u8| Deed::Write(super::messages::pattern(usize::from(n) * 90 + 1, n));
    let end = Deed::Finish { trailers: false };
    let mut deeds = Vec::new();
    // A CONNECT that is granted has no content.
    if connects && !matches!(conduct, Conduct::Fail | Conduct::Busy | Conduct::Close) {
        return vec![answer(Status::OK, Content::Nothing)];
    }
    match conduct {
        Conduct::Echo => deeds.extend([all, answer(Status::OK, Content::Echo)]),
        Conduct::EchoStreamed => {
            deeds.extend([Deed::Continue, all, Deed::Begin { length: None }, Deed::Relay, end])
        }
        // How chunks are cut would show the cuts of the input.
        Conduct::Relay if length.is_some_and(|length| length > 0) || plain => {
            deeds.extend([Deed::Begin { length }, Deed::Relay, end]);
        }
        Conduct::Relay | Conduct::Early => deeds.push(text),
        Conduct::EarlyByAnswer => deeds.push(Deed::ByAnswer),
        Conduct::Taste(n) => deeds.extend([Deed::Read(u64::from(n)), text]),
        Conduct::Pieces(n) => {
            deeds.push(Deed::Begin { length: None });
            deeds.extend((0..n).map(piece));
            deeds.push(end);
        }
        Conduct::Length(n) | Conduct::Flushed(n) => {
            let length = (0..u64::from(n)).map(|n| n * 90 + 1).sum();
            deeds.push(Deed::Begin { length: Some(length) });
            for n in 0..n {
                deeds.push(piece(n));
                if matches!(conduct, Conduct::Flushed(_)) {
                    deeds.push(Deed::Flush);
                }
            }
            deeds.push(end);
        }
        Conduct::Trailers => {
            deeds.extend([Deed::Begin { length: None }, piece(1), Deed::Finish { trailers: true }]);
        }
        Conduct::Large => {
            let large = Bytes::from(super::messages::pattern(20_000, 3));
            deeds.extend([all, answer(Status::OK, Content::Reference(large))]);
        }
        Conduct::LargePiece => {
            let large = Bytes::from(super::messages::pattern(20_000, 4));
            deeds.extend([
                Deed::Begin { length: None },
                piece(1),
                Deed::WriteReference(large),
                piece(2),
                end,
            ]);
        }
        Conduct::Informational => deeds.extend([Deed::Informational, all, answer(Status::OK, Content::Echo)]),
        Conduct::Excess => deeds.extend([Deed::Begin { length: Some(3) }, piece(1), piece(2), end]),
        Conduct::Short => deeds.extend([all, Deed::Begin { length: Some(1000) }, piece(1), end]),
        Conduct::Fail => deeds.push(Deed::Abort),
        Conduct::FailLate => deeds.extend([Deed::Begin { length: None }, piece(1), Deed::Abort]),
        Conduct::Busy => deeds.push(Deed::Busy),
        Conduct::Upgrade if upgrades => deeds.push(answer(Status::SWITCHING_PROTOCOLS, Content::Nothing)),
        Conduct::Upgrade => deeds.extend([all, text]),
        Conduct::Close => {
            deeds.push(Deed::Answer { status: Status::OK, content: Content::Text(b"the last"), close: true });
        }
        Conduct::NoContent => deeds.push(answer(Status::NO_CONTENT, Content::Nothing)),
        Conduct::NotModified => deeds.push(answer(Status::NOT_MODIFIED, Content::Nothing)),
    }
    deeds
}
