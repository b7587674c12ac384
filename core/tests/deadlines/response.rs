//! The deadlines of a response: until it begins, and between its pieces.

use httpfsm::channel::{Data, Input, State};
use httpfsm::{BodyError, CloseReason, Fields, Rule, Status};

use crate::rig::{GET, Rig, Seen, post, seconds, statuses};
use crate::support::{FOR_EVER, never_passes, pass_at, refused, stream_idle};

fn responseless() -> Rig {
    Rig::with(|config| config.responseless_timeout = seconds(60))
}

#[test]
fn a_request_without_a_response_gets_503_at_its_deadline() {
    let mut rig = responseless();
    rig.clock(500).rx(GET);
    assert_eq!(pass_at(&mut rig, 60_500), [Seen::Refused(Rule::ResponseTimeout)]);
    let wire = rig.wire();
    assert!(wire.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{wire}");
    assert!(wire.contains("\r\nConnection: close\r\n"), "{wire}");
    assert_eq!(rig.close_reason(), refused(Rule::ResponseTimeout, 0));
}

/// Half-closed, or gone: nobody knows.
#[test]
fn a_handler_that_waits_behind_the_end_of_input_is_ended() {
    let mut rig = Rig::new();
    rig.clock(500).rx(GET);
    rig.clock(9_000).input(Input::RxEnd);
    rig.seen();
    assert_eq!(pass_at(&mut rig, 39_000), [Seen::Refused(Rule::PeerEnded)]);
    assert_eq!(statuses(&rig.wire()), ["503"]);
    // A response in time arrives.
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::RxEnd);
    rig.clock(29_999).ok("in time");
    assert_eq!(statuses(&rig.wire()), ["200"]);
    // A request behind the end has the same time of its own.
    let mut rig = Rig::new();
    rig.rx(GET).rx(GET).input(Input::RxEnd);
    rig.clock(20_000).ok("first");
    rig.seen();
    assert_eq!(pass_at(&mut rig, 50_000), [Seen::Refused(Rule::PeerEnded)]);
}

#[test]
fn a_response_that_is_silent_behind_the_end_of_input_is_cut() {
    let mut rig = Rig::new();
    rig.rx(GET).stream(None).input(Input::RxEnd).send_all();
    rig.clock(20_000).input(Input::Write(Data::Slice(b"x"))).send_all();
    rig.seen();
    let seen = pass_at(&mut rig, 50_000);
    assert_eq!(seen.last(), Some(&Seen::Closed(CloseReason::PeerEndedTimeout)), "{seen:?}");
}

#[test]
fn without_a_peer_ended_timeout_the_end_of_input_ends_no_handler() {
    let mut rig = Rig::with(|config| {
        config.peer_ended_timeout = None;
        config.responseless_timeout = None;
    });
    rig.rx(GET).input(Input::RxEnd);
    never_passes(&mut rig);
}

#[test]
fn the_default_of_responseless_is_five_hours() {
    let mut rig = Rig::new();
    rig.rx(GET);
    assert_eq!(pass_at(&mut rig, 18_000_000), [Seen::Refused(Rule::ResponseTimeout)]);
}

#[test]
fn the_response_is_not_awaited_while_the_body_is() {
    let mut rig = responseless();
    rig.rx(post(10)).demand(100);
    // The body's own deadline runs instead.
    assert_eq!(rig.deadline(), Some(60_000));
    rig.clock(59_000).rx("1234567890");
    assert_eq!(pass_at(&mut rig, 119_000), [Seen::Refused(Rule::ResponseTimeout)]);
}

#[test]
fn the_response_is_awaited_while_the_application_does_not_want_the_body() {
    let mut rig = responseless();
    rig.rx(post(10)).rx("12345");
    assert_eq!(
        pass_at(&mut rig, 60_000),
        [Seen::BodyFailed(BodyError::Closed), Seen::Refused(Rule::ResponseTimeout)]
    );
}

#[test]
fn the_response_is_awaited_again_when_the_credit_is_used_up() {
    let mut rig = responseless();
    rig.rx(post(10)).demand(5);
    rig.clock(20_000).rx("12345");
    assert_eq!(rig.deadline(), Some(80_000));
    rig.clock(30_000).demand(5);
    rig.clock(31_000).rx("67890");
    assert_eq!(rig.deadline(), Some(91_000));
}

#[test]
fn neither_input_nor_an_interim_head_nor_a_flush_moves_the_response_deadline() {
    let mut rig = responseless();
    rig.rx(GET);
    rig.clock(10_000).rx("GET /2 HTTP/1.1\r\n");
    rig.clock(20_000).input(Input::Informational(Status::EARLY_HINTS, &Fields::new()));
    rig.clock(30_000).input(Input::Flush);
    rig.clock(31_000).send_all();
    rig.clock(40_000).input(Input::Continue);
    assert_eq!(pass_at(&mut rig, 60_000), [Seen::Refused(Rule::ResponseTimeout)]);
    assert_eq!(statuses(&rig.wire()), ["103", "503"]);
}

#[test]
fn a_request_behind_another_has_its_own_response_deadline() {
    let mut rig = responseless();
    rig.rx(GET.repeat(2));
    rig.clock(50_000).ok("").send_all();
    assert_eq!(rig.state(), State::WaitResponse);
    assert_eq!(pass_at(&mut rig, 110_000), [Seen::Refused(Rule::ResponseTimeout)]);
}

#[test]
fn without_a_responseless_timeout_the_application_may_take_for_ever() {
    let mut rig = Rig::with(|config| config.responseless_timeout = None);
    rig.rx(GET);
    never_passes(&mut rig);
    rig.ok("late").send_all();
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn an_application_that_falls_silent_in_its_response_is_cut_without_an_end() {
    let mut rig = stream_idle();
    rig.rx(GET).clock(1_000).stream(None).write("begun").send_all();
    assert_eq!(pass_at(&mut rig, 301_000), [Seen::CloseWrite]);
    let wire = rig.wire();
    assert!(wire.ends_with("\r\n\r\n5\r\nbegun\r\n"), "{wire}");
    assert_eq!(rig.close_reason(), CloseReason::StreamIdleTimeout);
}

#[test]
fn a_response_that_ends_with_the_connection_is_cut_by_a_reset() {
    let mut rig = stream_idle();
    rig.rx("GET / HTTP/1.0\r\n\r\n").stream(None).write("begun").send_all();
    let seen = pass_at(&mut rig, 300_000);
    assert_eq!(seen, [Seen::Reset, Seen::Closed(CloseReason::StreamIdleTimeout)]);
}

#[test]
fn each_piece_of_a_response_restarts_the_silence() {
    let mut rig = stream_idle();
    rig.rx(GET).stream(None).send_all();
    for minute in 1..10 {
        rig.clock(minute * 60_000).write("x").send_all();
        assert_eq!(rig.deadline(), Some(minute * 60_000 + 300_000));
    }
    rig.clock(600_000).input(Input::Flush);
    assert_eq!(pass_at(&mut rig, 900_000), [Seen::CloseWrite]);
}

#[test]
fn an_application_without_room_is_not_silent() {
    let mut rig = Rig::with(|config| {
        config.stream_idle_timeout = seconds(300);
        config.output_high_water = 1024;
        config.write_timeout = None;
    });
    rig.rx(GET).stream(None);
    rig.write(&"x".repeat(rig.channel.room()));
    assert_eq!(rig.channel.room(), 0);
    never_passes(&mut rig);
    // The silence begins when there is room.
    rig.clock(FOR_EVER + 1).send(600);
    assert_eq!(rig.deadline(), Some(FOR_EVER + 300_001));
}

/// No second large content is taken while one is on its way, however much room there is.
#[test]
fn an_application_whose_next_large_piece_has_to_wait_is_not_silent() {
    let mut rig = Rig::with(|config| {
        config.stream_idle_timeout = seconds(300);
        config.output_high_water = 64 << 10;
        config.write_timeout = None;
    });
    rig.rx(GET).stream(None).send_all();
    rig.input(Input::Write(Data::Bytes(vec![b'x'; 40_000].into())));
    assert!(rig.channel.room() > 0 && !rig.channel.room_for_bytes());
    never_passes(&mut rig);
    rig.clock(FOR_EVER + 1).send_all();
    assert_eq!(rig.deadline(), Some(FOR_EVER + 300_001));
}

#[test]
fn without_a_stream_idle_timeout_a_response_may_be_endless() {
    let mut rig = Rig::with(|config| config.stream_idle_timeout = None);
    rig.rx(GET).stream(None).send_all();
    never_passes(&mut rig);
    rig.write("still here").finish().send_all();
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn a_write_by_reference_counts_as_speech() {
    let mut rig = stream_idle();
    rig.rx(GET).stream(None).send_all();
    rig.clock(100_000).input(Input::Write(Data::Bytes(vec![b'x'; 20_000].into()))).send_all();
    assert_eq!(rig.deadline(), Some(400_000));
}
