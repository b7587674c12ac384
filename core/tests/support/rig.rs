//! A channel between a peer and an application that the test plays, on a clock that the test turns.

#![allow(dead_code, reason = "each test file uses its part of the rig")]

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use httpfsm::channel::{CompiledConfig, Data, Facts, Input, NotAccepted, Output, State};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{BodyError, Channel, ChannelConfig, CloseReason, Fields, Rule, Status};

/// What came out of a channel, owned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    Opened,
    /// Method and target.
    Request(String),
    Data(String),
    /// The trailer fields.
    BodyEnd(String),
    BodyFailed(BodyError),
    PeerEnded,
    Refused(Rule),
    Excess(u64),
    Flushed,
    TransmitReady,
    Flush,
    Upgraded(String),
    CloseWrite,
    Drop,
    Reset,
    Closed(CloseReason),
}

pub(crate) struct Rig {
    pub(crate) channel: Channel,
    at: u64,
    seen: Vec<Seen>,
    sent: Vec<u8>,
}

/// A way into a state.
pub(crate) type Setup = fn(&mut Rig) -> &mut Rig;

impl Rig {
    /// A channel with the default configuration, changed by `change`.
    pub(crate) fn with(change: impl FnOnce(&mut ChannelConfig)) -> Self {
        Self::with_facts(Facts::default(), change)
    }

    pub(crate) fn with_facts(facts: Facts, change: impl FnOnce(&mut ChannelConfig)) -> Self {
        let mut config = ChannelConfig::default();
        change(&mut config);
        Self::compiled(CompiledConfig::new(&config), facts)
    }

    pub(crate) fn compiled(config: CompiledConfig, facts: Facts) -> Self {
        let channel = Channel::new(Arc::new(config), facts);
        let mut rig = Self { channel, at: 0, seen: Vec::new(), sent: Vec::new() };
        rig.drain();
        assert_eq!(rig.seen(), [Seen::Opened]);
        rig
    }

    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// Turns the clock without telling the channel.
    pub(crate) fn clock(&mut self, millis: u64) -> &mut Self {
        self.at = millis;
        self
    }

    pub(crate) fn try_input(&mut self, input: Input<'_>) -> Result<(), NotAccepted> {
        let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
        let result = self.channel.handle(&now, input);
        self.drain();
        result
    }

    #[track_caller]
    pub(crate) fn input(&mut self, input: Input<'_>) -> &mut Self {
        let shown = match input {
            Input::RxData(bytes) => text(bytes),
            ref other => format!("{other:?}"),
        };
        if let Err(error) = self.try_input(input) {
            panic!("{error} {shown:.200}");
        }
        self
    }

    /// The server goes out of service now, by the times of the configuration.
    #[track_caller]
    pub(crate) fn go_out(&mut self) -> &mut Self {
        let leave = self.channel.compiled_config().leave(Moment::from_millis(self.at));
        self.input(Input::GoOut(leave))
    }

    /// The clock shows `millis`, and the channel gets a tick.
    #[track_caller]
    pub(crate) fn tick(&mut self, millis: u64) -> &mut Self {
        self.clock(millis).input(Input::Tick)
    }

    fn drain(&mut self) {
        while let Some(output) = self.channel.next_output() {
            let seen = match output {
                Output::HttpChannelOpened => Seen::Opened,
                Output::HttpRequest => {
                    let request = self.channel.request().expect("a request that came can be asked for");
                    Seen::Request(format!("{} {}", request.method(), request.target()))
                }
                Output::BodyData(bytes) => Seen::Data(text(bytes)),
                Output::BodyEnd(trailers) => Seen::BodyEnd(
                    trailers.iter().map(|field| format!("{}: {}\n", field.name, text(field.value))).collect(),
                ),
                Output::BodyFailed(error) => Seen::BodyFailed(error),
                Output::PeerEnded => Seen::PeerEnded,
                Output::Refused(error) => Seen::Refused(error.rule),
                Output::Excess(bytes) => Seen::Excess(bytes),
                Output::Flushed => Seen::Flushed,
                Output::TransmitReady => Seen::TransmitReady,
                Output::FlushOutputData => Seen::Flush,
                Output::Upgraded(bytes) => Seen::Upgraded(text(bytes)),
                Output::CloseWrite => Seen::CloseWrite,
                Output::Drop { reset: false } => Seen::Drop,
                Output::Drop { reset: true } => Seen::Reset,
                Output::HttpChannelClosed(reason) => Seen::Closed(reason),
            };
            if let Seen::Closed(_) = seen {
                assert_eq!(self.channel.state(), State::Closed, "closed is reported before it is so");
            }
            self.seen.push(seen);
        }
    }

    /// What came out since the last call.
    pub(crate) fn seen(&mut self) -> Vec<Seen> {
        mem::take(&mut self.seen)
    }

    pub(crate) fn state(&self) -> State {
        self.channel.state()
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.channel.deadline().map(Moment::as_millis)
    }

    /// The peer sends, in pieces that the channel has room for.
    #[track_caller]
    pub(crate) fn rx(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            let n = rest.len().min(self.channel.input_room());
            assert_ne!(n, 0, "no room for input in {:?}", self.state());
            self.input(Input::RxData(&rest[..n]));
            rest = &rest[n..];
        }
        self
    }

    /// The peer reads `n` bytes.
    #[track_caller]
    pub(crate) fn send(&mut self, n: usize) -> &mut Self {
        let mut rest = n;
        while rest > 0 {
            let slice = self.channel.unsent();
            let piece = slice.len().min(rest);
            assert_ne!(piece, 0, "nothing to send");
            self.sent.extend_from_slice(&slice[..piece]);
            self.input(Input::Sent(piece));
            rest -= piece;
        }
        self
    }

    /// The peer reads all there is.
    #[track_caller]
    pub(crate) fn send_all(&mut self) -> &mut Self {
        while self.channel.unsent_len() > 0 {
            self.send(self.channel.unsent_len());
        }
        self
    }

    /// Everything that the peer read since the last call; reads what there is first.
    #[track_caller]
    pub(crate) fn wire(&mut self) -> String {
        self.send_all();
        text(&mem::take(&mut self.sent))
    }

    #[track_caller]
    pub(crate) fn respond(&mut self, status: Status, fields: &Fields, body: BodyRef<'_>) -> &mut Self {
        self.input(Input::HttpResponse(ResponseRef { status, fields, body }))
    }

    pub(crate) fn try_respond(
        &mut self,
        status: Status,
        fields: &Fields,
        body: BodyRef<'_>,
    ) -> Result<(), NotAccepted> {
        self.try_input(Input::HttpResponse(ResponseRef { status, fields, body }))
    }

    /// 200 with this content.
    #[track_caller]
    pub(crate) fn ok(&mut self, content: &str) -> &mut Self {
        self.respond(Status::OK, &Fields::new(), BodyRef::Slice(content.as_bytes()))
    }

    /// 200 whose content follows.
    #[track_caller]
    pub(crate) fn stream(&mut self, length: Option<u64>) -> &mut Self {
        self.respond(Status::OK, &Fields::new(), BodyRef::Stream { length })
    }

    #[track_caller]
    pub(crate) fn write(&mut self, content: &str) -> &mut Self {
        self.input(Input::Write(Data::Slice(content.as_bytes())))
    }

    #[track_caller]
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.input(Input::Finish(None))
    }

    /// Sends everything, ends the peer's side if the channel lingers, and takes the reason of the close.
    #[track_caller]
    pub(crate) fn close_reason(&mut self) -> CloseReason {
        self.send_all();
        if self.state() == State::Lingering {
            self.input(Input::RxEnd);
        }
        match self.seen().pop() {
            Some(Seen::Closed(reason)) => reason,
            other => panic!("not closed: {other:?} in {:?}", self.state()),
        }
    }

    #[track_caller]
    pub(crate) fn demand(&mut self, bytes: u64) -> &mut Self {
        self.input(Input::BodyDemand(bytes))
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn seconds(n: u64) -> Option<Duration> {
    Some(Duration::from_secs(n))
}

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A POST with a body of `length` bytes to come.
pub(crate) fn post(length: u64) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}

pub(crate) const POST_CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The status codes of the responses in `wire`, in order.
pub(crate) fn statuses<'a>(wire: &'a str) -> Vec<&'a str> {
    // The text of an error names versions too.
    let status = |line: &'a str| {
        let code = line.get(2..5)?;
        (line.get(5..6)? == " " && code.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
    };
    wire.split("HTTP/1.").skip(1).filter_map(status).collect()
}
