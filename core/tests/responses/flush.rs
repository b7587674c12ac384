//! Flushes, and output that waits for the peer to read it.

use httpfsm::channel::{Data, Input, State};
use httpfsm::response::BodyRef;
use httpfsm::{Fields, Status};

use crate::rig::{GET, Rig, Seen, Setup, post};
use crate::support::refuses;

#[test]
fn a_flush_is_complete_when_its_bytes_have_left() {
    let mut rig = Rig::new();
    rig.rx(GET).stream(None).write("one");
    rig.seen();
    rig.input(Input::Flush);
    assert_eq!(rig.seen(), [Seen::Flush]);
    let mark = rig.channel.unsent_len();
    rig.write("two").send(mark - 1);
    assert_eq!(rig.seen(), []);
    rig.send(1);
    assert_eq!(rig.seen(), [Seen::Flushed]);
    rig.send_all();
    assert_eq!(rig.seen(), []);
}

#[test]
fn a_flush_with_nothing_to_send_is_complete_at_once() {
    let mut rig = Rig::new();
    rig.rx(GET);
    rig.seen();
    rig.input(Input::Flush);
    assert_eq!(rig.seen(), [Seen::Flushed]);
}

#[test]
fn a_flush_before_the_response_is_about_what_stands_before_it() {
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::Informational(Status::EARLY_HINTS, &Fields::new()));
    rig.seen();
    rig.input(Input::Flush);
    assert_eq!(rig.seen(), [Seen::Flush]);
    rig.send_all();
    assert_eq!(rig.seen(), [Seen::Flushed]);
}

#[test]
fn the_application_is_told_when_there_is_room_again() {
    let mut rig = Rig::with(|config| config.output_high_water = 1024);
    rig.rx(GET).stream(None);
    rig.seen();
    rig.write(&"x".repeat(rig.channel.room()));
    assert_eq!(rig.channel.room(), 0);
    refuses(&mut rig, Input::Write(Data::Slice(b"x")));
    rig.send(1);
    let left = rig.channel.unsent_len();
    if left > 1024 {
        rig.send(left - 1023);
    }
    assert_eq!(rig.seen(), [Seen::TransmitReady]);
    assert!(rig.channel.room() > 0);
}

#[test]
fn a_socket_that_is_ready_is_given_what_there_is() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("");
    rig.seen();
    rig.input(Input::TransmitReady);
    assert_eq!(rig.seen(), [Seen::Flush]);
    rig.send_all().input(Input::TransmitReady);
    assert_eq!(rig.seen(), []);
}

#[test]
fn a_transport_that_has_room_is_asked_to_send_what_is_pending_in_every_state() {
    let pending: [(State, Setup); 7] = [
        (State::Head, |rig| rig.rx(GET).ok("x").rx("GET /")),
        (State::WaitResponse, |rig| rig.rx(GET).ok("x").rx(GET)),
        (State::Responding, |rig| rig.rx(GET).stream(None)),
        (State::Discard, |rig| rig.rx(post(5)).ok("x")),
        (State::Flushing, |rig| rig.rx(GET).ok("x")),
        (State::Closing, |rig| rig.rx("BAD\r\n\r\n")),
        (State::Handover, |rig| {
            rig.rx("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n").respond(
                Status::OK,
                &Fields::new(),
                BodyRef::Empty,
            )
        }),
    ];
    for (state, setup) in pending {
        let mut rig = Rig::new();
        setup(&mut rig).seen();
        assert_eq!(rig.state(), state);
        assert!(rig.channel.unsent_len() > 0, "{state}");
        assert_eq!(rig.input(Input::TransmitReady).seen(), [Seen::Flush], "{state}");
    }
}
