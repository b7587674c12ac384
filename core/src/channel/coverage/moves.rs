//! What a peer, an application, a transport and the time can do to a channel, and what is seen of it.

use std::collections::BTreeSet;
use std::string::String;

use bytes::Bytes;

use crate::channel::{Action, Channel, Condition, Data, Event, Input, Internal, NotAccepted, State, Step};
use crate::fields::Fields;
use crate::fsm::{Act, Cause, Label};
use crate::response::{BodyRef, ResponseRef};
use crate::status::Status;
use crate::time::{Date, Now};

/// What somebody does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Move {
    Rx(&'static str),
    RxEnd,
    SentOne,
    SentAll,
    TransmitReady,
    Disconnected,
    Busy,
    Evict,
    CheckPipeline,
    Tick,
    /// The next deadline passes.
    Deadline,
    Respond,
    /// Content that goes out by reference, and closes the room.
    RespondLarge,
    Switch,
    Stream(Option<u64>),
    Write,
    Flush,
    Finish,
    Continue,
    Informational,
    Demand,
    Forgo,
    Abort,
    GoOut,
    // What a state takes, but not like this.
    Short,
    Interim,
    TooLarge,
    WriteTooLarge,
    NoInterim,
    SentTooMuch,
    RxNothing,
    /// A request comes, and the application speaks before it knows of it.
    Untaken(&'static str),
}

use Move::*;

pub(super) const MOVES: &[Move] = &[
    Rx("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    Rx("GET / HTTP/1.0\r\n\r\n"),
    Rx("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    Rx("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"),
    Rx("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    Rx("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
    Rx("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: b\r\n\r\n"),
    Rx("G"),
    Rx("\r\n"),
    Rx("xxG"),
    RxEnd,
    SentOne,
    SentAll,
    TransmitReady,
    Disconnected,
    Busy,
    Evict,
    CheckPipeline,
    Tick,
    Deadline,
    Respond,
    RespondLarge,
    Switch,
    Stream(None),
    Stream(Some(2)),
    Write,
    Flush,
    Finish,
    Continue,
    Informational,
    Demand,
    Forgo,
    Abort,
    GoOut,
    Short,
    Interim,
    TooLarge,
    WriteTooLarge,
    NoInterim,
    SentTooMuch,
    RxNothing,
];

static LARGE: [u8; 70_000] = [b'x'; 70_000];

/// What happened on the way.
#[derive(Default)]
pub(super) struct Coverage {
    /// Rows that were taken, by state and cause.
    pub(super) rows: BTreeSet<(State, Number)>,
    /// Refusals that were given.
    pub(super) refusals: BTreeSet<(State, Event)>,
    /// Conditions that were not met.
    pub(super) unmet: BTreeSet<(Event, Condition)>,
    /// What was raised: in which state, by which action.
    pub(super) raised: BTreeSet<(State, String, Internal)>,
    /// The row before, in the same event.
    pub(super) before: Option<&'static [Action]>,
}

/// A cause that can be sorted.
pub(super) type Number = (bool, usize);

pub(super) fn number(cause: Cause<Event, Internal>) -> Number {
    match cause {
        Cause::Input(event) => (false, event.index()),
        Cause::Internal(event) => (true, event.index()),
    }
}

impl Coverage {
    fn step(&mut self, step: &Step) {
        self.rows.insert((step.state, number(step.cause)));
        if let Cause::Internal(event) = step.cause {
            let action =
                self.before.and_then(<[Action]>::last).expect("an internal event is raised by an action");
            self.raised.insert((step.state, action.name(), event));
        }
        self.before = Some(step.actions);
    }

    fn refused(&mut self, refused: NotAccepted) {
        match refused.unmet {
            None => self.refusals.insert((refused.state, refused.event)),
            Some(condition) => self.unmet.insert((refused.event, condition)),
        };
    }
}

pub(super) fn make(channel: &mut Channel, what: Move, seen: &mut Coverage) -> bool {
    let at = match what {
        Deadline => match channel.deadline() {
            Some(due) => due,
            None => return false,
        },
        _ => channel.parts.owners().3.latest(),
    };
    let now = Now::new(at, &Date::EPOCH);
    let fields = Fields::new();
    let protocol = Fields::new().with("Upgrade", "b").expect("a field");
    let large = Bytes::from_static(&LARGE);
    let whole = |status, body| Input::HttpResponse(ResponseRef { status, fields: &fields, body });
    let input = match what {
        Rx(bytes) => Input::RxData(bytes.as_bytes()),
        RxEnd => Input::RxEnd,
        SentOne => Input::Sent(1),
        SentAll => Input::Sent(channel.unsent_len()),
        TransmitReady => Input::TransmitReady,
        Disconnected => Input::Disconnected,
        Busy => Input::Busy,
        Evict => Input::Evict,
        CheckPipeline => Input::CheckPipeline,
        Tick | Deadline => Input::Tick,
        Respond => whole(Status::OK, BodyRef::Slice(b"hi")),
        RespondLarge => whole(Status::OK, BodyRef::Bytes(&large)),
        Switch => {
            let (status, body) = (Status::SWITCHING_PROTOCOLS, BodyRef::Empty);
            Input::HttpResponse(ResponseRef { status, fields: &protocol, body })
        }
        Stream(length) => whole(Status::OK, BodyRef::Stream { length }),
        Write => Input::Write(Data::Slice(b"x")),
        Flush => Input::Flush,
        Finish => Input::Finish(None),
        Continue => Input::Continue,
        Informational => Input::Informational(Status::EARLY_HINTS, &fields),
        Demand => Input::BodyDemand(u64::MAX),
        Forgo => Input::BodyForgone,
        Abort => Input::Abort(None),
        Short => {
            let declared = Fields::new().with("Content-Length", "3").expect("a length");
            let response = ResponseRef::new(Status::OK, &declared, b"hi");
            return send(channel, &now, Input::HttpResponse(response), seen);
        }
        Interim => whole(Status::EARLY_HINTS, BodyRef::Empty),
        TooLarge => whole(Status::OK, BodyRef::Slice(&LARGE)),
        WriteTooLarge => Input::Write(Data::Slice(&LARGE)),
        NoInterim => Input::Informational(Status::OK, &fields),
        SentTooMuch => Input::Sent(channel.unsent_len() + 1),
        RxNothing => Input::RxData(b""),
        GoOut => Input::GoOut(channel.compiled_config().leave(at)),
        Untaken(bytes) => {
            let accepted = handle(channel, &now, Input::RxData(bytes.as_bytes()), seen);
            // What is sent before the outputs are taken.
            for input in [
                whole(Status::OK, BodyRef::Empty),
                Input::Flush,
                Input::Continue,
                Input::Informational(Status::EARLY_HINTS, &fields),
                Input::BodyDemand(1),
                Input::BodyForgone,
                Input::Abort(None),
            ] {
                assert!(!handle(channel, &now, input, seen), "before the request was delivered");
            }
            while channel.next_output().is_some() {}
            return accepted;
        }
    };
    send(channel, &now, input, seen)
}

fn send(channel: &mut Channel, now: &Now<'_>, input: Input<'_>, seen: &mut Coverage) -> bool {
    let accepted = handle(channel, now, input, seen);
    while channel.next_output().is_some() {}
    accepted
}

fn handle(channel: &mut Channel, now: &Now<'_>, input: Input<'_>, seen: &mut Coverage) -> bool {
    seen.before = None;
    let result = channel.handle_with(now, input, &mut |step: &Step| seen.step(step));
    if let Err(refused) = result {
        seen.refused(refused);
    }
    result.is_ok()
}
