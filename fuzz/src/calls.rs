//! What a caller can do: any input in any state, at any moment, with or without taking what comes out.
//!
//! Each byte of an input is one call; the calls that carry bytes take theirs from a fixed text.

use std::sync::{Arc, LazyLock};

use httpfsm::channel::{CompiledConfig, Data, Facts, Input, State, Waits};
use httpfsm::config::ChannelConfig;
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, Fields, Status};

/// Requests of several kinds, sent again and again in pieces of any length.
const TEXT: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n\
POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody\
POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n\
GET /d HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n";

static SETTINGS: LazyLock<Arc<CompiledConfig>> =
    LazyLock::new(|| Arc::new(CompiledConfig::new(&ChannelConfig::hardened())));

/// Makes the calls; what has to hold is checked after each.
pub fn check(input: &[u8]) {
    let mut channel = Channel::new(SETTINGS.clone(), Facts::default());
    let fields = Fields::new();
    let protocol = Fields::new().with("Upgrade", "other").expect("a field");
    let (mut at, mut sent) = (0_u64, 0);
    for call in input {
        let argument = usize::from(call >> 5);
        // Bits 0 to 4 choose the call, bits 5 to 7 its argument.
        let given = match call & 0x1f {
            0..=3 => Some(Input::RxData(&TEXT[sent..(sent + 1 + argument * 9).min(TEXT.len())])),
            4 => Some(Input::RxEnd),
            5 => Some(Input::Sent(channel.unsent_len())),
            6 => Some(Input::Sent(argument)),
            7 => Some(Input::TransmitReady),
            8 => Some(Input::Disconnected),
            9 => Some(Input::Busy),
            10 => Some(Input::Evict),
            11 => Some(Input::CheckPipeline),
            12 => Some(Input::GoOut(channel.compiled_config().leave(Moment::from_millis(at)))),
            13 => Some(Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"whole"))),
            14 => Some(Input::HttpResponse(streamed(&fields, None))),
            15 => Some(Input::HttpResponse(streamed(&fields, Some(argument as u64)))),
            16 => Some(Input::HttpResponse(ResponseRef::new(Status::SWITCHING_PROTOCOLS, &protocol, b""))),
            17 => Some(Input::Write(Data::Slice(&TEXT[..argument * 20]))),
            18 => Some(Input::Flush),
            19 => Some(Input::Finish(None)),
            20 => Some(Input::Continue),
            21 => Some(Input::Informational(Status::EARLY_HINTS, &fields)),
            22 => Some(Input::BodyDemand(argument as u64)),
            23 => Some(Input::BodyDemand(u64::MAX)),
            24 if argument == 7 => Some(Input::BodyForgone),
            24 => Some(Input::Abort(None)),
            25 => {
                at += 1 << (argument * 4);
                Some(Input::Tick)
            }
            // A clock that goes back.
            26 => {
                at = at.saturating_sub(1 << (argument * 4));
                Some(Input::Tick)
            }
            27 => channel.deadline().map(|due| {
                at = due.as_millis();
                Input::Tick
            }),
            _ => {
                for _ in 0..=argument {
                    let _ = channel.next_output();
                }
                None
            }
        };
        let now = Now::new(Moment::from_millis(at), &Date::EPOCH);
        if let Some(given) = given {
            call_once(&mut channel, &now, given, &mut sent);
        }
        holds(&channel, &now);
    }
}

/// What a caller can see of a channel.
#[derive(PartialEq, Debug)]
struct Seen {
    state: State,
    unsent: usize,
    room: usize,
    input_room: usize,
    has_output: bool,
    waits: Waits,
    deadline: Option<Moment>,
}

impl Seen {
    fn of(channel: &Channel) -> Self {
        Self {
            state: channel.state(),
            unsent: channel.unsent_len(),
            room: channel.room(),
            input_room: channel.input_room(),
            has_output: channel.has_output(),
            waits: channel.waits_for(),
            deadline: channel.deadline(),
        }
    }
}

fn call_once(channel: &mut Channel, now: &Now<'_>, given: Input<'_>, sent: &mut usize) {
    let bytes = if let Input::RxData(bytes) = given { bytes.len() } else { 0 };
    // An input at a moment is a tick at that moment, then the input; a refused one changes nothing.
    let _ = channel.handle(now, Input::Tick);
    let before = Seen::of(channel);
    match channel.handle(now, given) {
        Ok(()) => *sent = (*sent + bytes) % TEXT.len(),
        Err(refused) => assert_eq!(before, Seen::of(channel), "{refused:?} changed something"),
    }
}

/// Progress: a channel that has no output says what it waits for, and never for a moment that has passed.
fn holds(channel: &Channel, now: &Now<'_>) {
    let seen = Seen::of(channel);
    assert_eq!(channel.unsent().is_empty(), seen.unsent == 0, "{seen:?}");
    if seen.has_output {
        return;
    }
    assert_eq!(seen.waits.is_empty(), channel.is_closed(), "{seen:?}");
    assert_eq!(seen.waits.deadline(), seen.deadline.is_some(), "{seen:?}");
    assert!(seen.deadline.is_none_or(|due| due > now.at), "{seen:?} is overdue at {:?}", now.at);
}

fn streamed(fields: &Fields, length: Option<u64>) -> ResponseRef<'_> {
    ResponseRef { status: Status::OK, fields, body: BodyRef::Stream { length } }
}
