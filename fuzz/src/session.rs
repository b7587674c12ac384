//! What a peer can do: any bytes, cut anywhere, before an application that responds in one of several ways.
//!
//! The first line of an input decides (any bytes up to LF); the rest is what the peer sends before it ends its input.
//! The same bytes are also sent whole, and everything that comes out has to be the same. So it has when time passes
//! between the pieces, forwards and backwards, as long as no deadline does; and when deadlines pass, too, what was
//! delivered is the beginning of what is delivered without them.
//!
//! Seen to fail with an age of one second in `decide_close` of `core/src/channel/respond.rs`, without any deadline.

use std::fmt;
use std::sync::{Arc, LazyLock};

use httpfsm::channel::{CompiledConfig, Data, Facts, Input, Output, State};
use httpfsm::config::ChannelConfig;
use httpfsm::response::ResponseRef;
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, Fields, Status};

use crate::decisions::Decisions;
use crate::text::find;

/// Sends the bytes whole and in pieces, and compares.
pub fn check(input: &[u8]) {
    let (decisions, bytes) = crate::decisions::split(input);
    let mut cuts = Decisions::new(decisions);
    let whole = same(decisions, bytes, |_| usize::from(cuts.next()));

    let mut cuts = Decisions::new(decisions);
    let in_time = Session::new(decisions, TimeMode::InTime).run(bytes, |_| usize::from(cuts.next()));
    assert_eq!(whole, in_time.without_continue(), "time that is no deadline shows in the output");

    let mut cuts = Decisions::new(decisions);
    let late = Session::new(decisions, TimeMode::Any).run(bytes, |_| usize::from(cuts.next()));
    let (whole, late) = (whole.requests(), late.requests());
    assert!(whole.starts_with(&late), "{late:?} is not how {whole:?} begins");
}

/// Sends the bytes whole, and in pieces of at most `piece(offset)`; everything that comes out is the same. Returns it.
pub(crate) fn same(decisions: &[u8], bytes: &[u8], piece: impl FnMut(usize) -> usize) -> Transcript {
    let whole = Session::new(decisions, TimeMode::Still).run(bytes, |_| usize::MAX);
    let pieces = Session::new(decisions, TimeMode::Still).run(bytes, piece);
    // Whether a 100 is sent may depend on the cuts: it is of no use once content has come (RFC 9110 section 10.1.1).
    let (whole, pieces) = (whole.without_continue(), pieces.without_continue());
    assert_eq!(whole, pieces, "the cuts of the input show in the output");
    whole
}

/// How time passes between the pieces.
#[derive(Clone, Copy)]
enum TimeMode {
    /// Not at all: it fails.
    Still,
    /// Forwards and backwards, and never up to a deadline.
    InTime,
    /// As it likes.
    Any,
}

/// Everything that came out of a channel; adjacent bytes of one kind are one item.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct Transcript {
    events: Vec<SessionEvent>,
    sent: ByteText,
}

#[derive(PartialEq, Eq, Debug)]
enum SessionEvent {
    Request(ByteText),
    Body(ByteText),
    /// Bytes of another protocol.
    Upgraded(ByteText),
    /// Any other event that the application is told, as text.
    Other(String),
}

/// Bytes that a failure shows as text.
#[derive(PartialEq, Eq, Default)]
struct ByteText(Vec<u8>);

impl fmt::Debug for ByteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl Transcript {
    fn without_continue(mut self) -> Self {
        const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
        let sent = &mut self.sent.0;
        while let Some(at) = find(sent, CONTINUE) {
            sent.drain(at..at + CONTINUE.len());
        }
        self
    }

    fn requests(&self) -> Vec<&ByteText> {
        let heads = self.events.iter().filter_map(|event| match event {
            SessionEvent::Request(head) => Some(head),
            _ => None,
        });
        heads.collect()
    }

    fn note(&mut self, event: SessionEvent) {
        match (self.events.last_mut(), event) {
            (Some(SessionEvent::Body(before)), SessionEvent::Body(more))
            | (Some(SessionEvent::Upgraded(before)), SessionEvent::Upgraded(more)) => {
                before.0.extend_from_slice(&more.0)
            }
            (_, event) => self.events.push(event),
        }
    }
}

static SETTINGS: LazyLock<Arc<CompiledConfig>> = LazyLock::new(|| {
    Arc::new(CompiledConfig::new(&ChannelConfig {
        max_request_header_size: 2048,
        max_request_body_size: 4096,
        // Its passing shows, though nothing fires.
        connection_age: None,
        ..ChannelConfig::hardened()
    }))
});

/// A channel with an application that takes its turn at once.
struct Session<'d> {
    channel: Channel,
    choices: Decisions<'d>,
    clock: TimeMode,
    times: Decisions<'d>,
    /// Milliseconds.
    now: u64,
    behaviour: Behaviour,
    transcript: Transcript,
}

/// How the application responds to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    /// At its head, without a look at its body.
    Early,
    /// When its body has come.
    AfterBody,
    /// In pieces of unknown length, when its body has come.
    Streamed,
    /// Not at all: it fails.
    Failed,
}

impl<'d> Session<'d> {
    fn new(decisions: &'d [u8], clock: TimeMode) -> Self {
        Self {
            channel: Channel::new(SETTINGS.clone(), Facts::default()),
            choices: Decisions::new(decisions),
            clock,
            times: Decisions::new(decisions),
            now: 0,
            behaviour: Behaviour::Early,
            transcript: Transcript::default(),
        }
    }

    /// Sends `bytes` in pieces of at most `piece(offset)`, then the end of the input.
    fn run(mut self, bytes: &[u8], mut piece: impl FnMut(usize) -> usize) -> Transcript {
        let mut at = 0;
        // A step hands over a byte, or it is one of the few at an end: no more can be needed.
        for _ in 0..bytes.len() + 64 {
            self.pass_time();
            self.take_turns();
            if self.channel.is_closed() {
                return self.transcript;
            }
            let room = self.channel.input_room();
            if at < bytes.len() && room > 0 {
                let n = piece(at).clamp(1, room.min(bytes.len() - at));
                self.give(Input::RxData(&bytes[at..at + n]));
                at += n;
            } else if at == bytes.len() && self.channel.waits_for().input() {
                self.give(Input::RxEnd);
            } else {
                if self.channel.state() == State::Upgraded {
                    // What comes now goes to the other protocol, and not through the channel.
                    let rest = bytes.get(at..).unwrap_or_default();
                    self.transcript.note(SessionEvent::Upgraded(ByteText(rest.to_vec())));
                }
                // Nobody reads any more.
                self.give(Input::Disconnected);
            }
        }
        panic!("not closed after {at} of {} bytes: {:?}", bytes.len(), self.channel);
    }

    /// Up to 36 h; every other time backwards.
    fn pass_time(&mut self) {
        let decision = self.times.next();
        let step = u64::from(decision >> 5) << (decision & 0x1f).min(24);
        let then =
            if decision & 1 == 0 { self.now.saturating_add(step) } else { self.now.saturating_sub(step) };
        self.now = match (self.clock, self.channel.deadline()) {
            (TimeMode::Still, _) => self.now,
            (TimeMode::InTime, Some(due)) => then.min(due.as_millis().saturating_sub(1)),
            (TimeMode::InTime | TimeMode::Any, _) => then,
        };
        self.give(Input::Tick);
    }

    /// The application and the socket take their turns, until neither has anything to do.
    fn take_turns(&mut self) {
        loop {
            while let Some(event) = self.next_event() {
                self.react(event);
            }
            let unsent = self.channel.unsent();
            if unsent.is_empty() {
                break;
            }
            self.transcript.sent.0.extend_from_slice(unsent);
            let sent = unsent.len();
            self.give(Input::Sent(sent));
        }
    }

    /// The next output, with what it lends put into the transcript.
    fn next_event(&mut self) -> Option<Reaction> {
        let (told, event) = match self.channel.next_output()? {
            Output::HttpRequest => (Reaction::Request, None),
            Output::BodyData(bytes) => (Reaction::Body, Some(SessionEvent::Body(ByteText(bytes.to_vec())))),
            Output::BodyEnd(trailers) => {
                let trailers: Vec<_> = trailers.iter().map(|field| (field.name, field.value)).collect();
                (Reaction::BodyEnd, Some(SessionEvent::Other(format!("body end {trailers:?}"))))
            }
            Output::Upgraded(bytes) => {
                (Reaction::Nothing, Some(SessionEvent::Upgraded(ByteText(bytes.to_vec()))))
            }
            // When the socket has room, or is asked to send, is no part of what a peer sees.
            Output::TransmitReady | Output::FlushOutputData | Output::Flushed => (Reaction::Nothing, None),
            other => (Reaction::Nothing, Some(SessionEvent::Other(format!("{other:?}")))),
        };
        if told == Reaction::Request {
            let head = self.channel.request().map(|request| request.raw().to_vec());
            self.transcript.note(SessionEvent::Request(ByteText(head.unwrap_or_default())));
        }
        if let Some(event) = event {
            self.transcript.note(event);
        }
        Some(told)
    }

    fn react(&mut self, told: Reaction) {
        match told {
            Reaction::Request => {
                self.behaviour =
                    [Behaviour::Early, Behaviour::AfterBody, Behaviour::Streamed, Behaviour::Failed]
                        [usize::from(self.choices.next()) % 4];
                match self.behaviour {
                    Behaviour::Early => self.respond(),
                    Behaviour::Failed => self.offer(Input::Abort(Some("failed"))),
                    // A request without a body ends at once, with the same event.
                    Behaviour::AfterBody | Behaviour::Streamed => self.offer(Input::BodyDemand(u64::MAX)),
                }
            }
            Reaction::BodyEnd if matches!(self.behaviour, Behaviour::AfterBody | Behaviour::Streamed) => {
                self.respond()
            }
            Reaction::BodyEnd | Reaction::Body | Reaction::Nothing => {}
        }
    }

    fn respond(&mut self) {
        let fields = Fields::new();
        if self.behaviour != Behaviour::Streamed {
            self.offer(Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"whole")));
            return;
        }
        let head = ResponseRef {
            body: httpfsm::response::BodyRef::Stream { length: None },
            ..ResponseRef::new(Status::OK, &fields, b"")
        };
        self.offer(Input::HttpResponse(head));
        for piece in [&b"in"[..], b"pieces"] {
            self.offer(Input::Write(Data::Slice(piece)));
        }
        self.offer(Input::Finish(None));
    }

    /// What the channel itself said it takes.
    fn give(&mut self, input: Input<'_>) {
        let now = Now::new(Moment::from_millis(self.now), &Date::EPOCH);
        if let Err(refused) = self.channel.handle(&now, input) {
            panic!("{refused:?}: {:?}", self.channel);
        }
    }

    /// What may come too late, because the peer broke a rule in the meantime.
    fn offer(&mut self, input: Input<'_>) {
        let now = Now::new(Moment::from_millis(self.now), &Date::EPOCH);
        let _ = self.channel.handle(&now, input);
    }
}

/// What the application reacts to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reaction {
    Request,
    Body,
    BodyEnd,
    Nothing,
}
