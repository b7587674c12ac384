//! A driver of one's own that leaves out a call of `Tape`.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use httpfsm::channel::{CompiledConfig, Facts, Input, Output};
use httpfsm::handler::ConnectionInfo;
use httpfsm::response::ResponseRef;
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, Fields, Peer, Status};
use httpfsm_record::{Options, Recording, replay};
use httpfsm_transport::{Opened, Tape};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[derive(Clone, Copy, PartialEq)]
enum Call {
    Read,
    Taken,
    Request,
    /// The trace of the input.
    Trace,
}

/// A channel of two requests, whose driver leaves out one call for the second; what it recorded.
fn recorded(left_out: Option<Call>) -> Vec<u8> {
    let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    let info = ConnectionInfo::new(Peer::Unix(None), Peer::Unix(None), "http", "example".into());
    let facts = Facts::default();
    let mut tape = Recording::new(&Opened { info: &info, compiled: &compiled, facts }, &Options::default());
    let mut channel = Channel::new(compiled, facts);
    let now = Now::new(Moment::START, &Date::EPOCH);
    for is_left_out in [false, true] {
        let makes = |call| !is_left_out || left_out != Some(call);
        channel.spare()[..GET.len()].copy_from_slice(GET);
        if makes(Call::Read) {
            tape.read(GET);
        }
        let input = Input::RxRead(GET.len());
        tape.input(&now, &input);
        let taken = if makes(Call::Trace) {
            channel.handle_with(&now, input, &mut tape)
        } else {
            channel.handle(&now, input)
        };
        if makes(Call::Taken) {
            tape.taken(&taken, &channel);
        }
        while let Some(output) = channel.next_output() {
            tape.output(&output);
            if let Output::HttpRequest = output {
                if makes(Call::Request) {
                    tape.request(channel.request());
                }
                let fields = Fields::new();
                for input in [
                    Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")),
                    Input::Sent(usize::MAX),
                ] {
                    let input =
                        if let Input::Sent(_) = input { Input::Sent(channel.unsent_len()) } else { input };
                    tape.input(&now, &input);
                    let taken = channel.handle_with(&now, input, &mut tape);
                    tape.taken(&taken, &channel);
                }
            }
        }
    }
    tape.finish();
    tape.take()
}

#[test]
fn a_recording_ends_where_its_driver_leaves_out_a_call() {
    for (left_out, inputs, end) in [
        (None, 6, "over"),
        (Some(Call::Read), 3, "gap"),
        (Some(Call::Taken), 3, "gap"),
        (Some(Call::Request), 4, "gap"),
        (Some(Call::Trace), 3, "gap"),
    ] {
        let recording = recorded(left_out);
        let replayed = replay(&recording[..]).unwrap_or_else(|failure| {
            panic!("{failure}\n{}", String::from_utf8_lossy(&recording));
        });
        assert_eq!(
            (replayed.inputs, &*replayed.end),
            (inputs, end),
            "{}",
            String::from_utf8_lossy(&recording)
        );
    }
}
