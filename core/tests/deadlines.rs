//! Every deadline and minimum rate: it passes at its moment and not a millisecond before, whatever trickles in
//! meanwhile, and `None` never passes.

#[path = "support/rig.rs"]
mod rig;

use std::time::Duration;

use httpfsm::{
    BodyError, BodyRef, ChannelConfig, CloseReason, Data, Facts, Fields, Input, RequestError, Rule, State,
    Status,
};
use rig::{GET, POST_CHUNKED, Rig, Seen, Setup, post, seconds, statuses};

/// A hundred years: nothing that could pass is left.
const FOR_EVER: u64 = 100 * 365 * 86_400_000;

/// Turns the clock to the deadline: the channel names it, and nothing happens a millisecond earlier.
#[track_caller]
fn pass_at(rig: &mut Rig, millis: u64) -> Vec<Seen> {
    let state = rig.state();
    assert_eq!(rig.deadline(), Some(millis), "the deadline in {state:?}");
    rig.seen();
    rig.tick(millis - 1);
    assert_eq!((rig.seen(), rig.state(), rig.deadline()), (vec![], state, Some(millis)));
    rig.tick(millis);
    let seen = rig.seen();
    assert!(rig.state() != state || !seen.is_empty(), "nothing passed in {state:?}");
    seen
}

/// No deadline runs, and no time changes anything.
#[track_caller]
fn never_passes(rig: &mut Rig) {
    let state = rig.state();
    assert_eq!(rig.deadline(), None, "the deadline in {state:?}");
    rig.seen();
    rig.tick(FOR_EVER);
    assert_eq!((rig.seen(), rig.state()), (vec![], state));
}

fn refused(rule: Rule, offset: u64) -> CloseReason {
    CloseReason::Refused(RequestError::new(rule, offset))
}

/// Sends what is pending and ends the peer's side; the reason of the close.
#[track_caller]
fn reason(rig: &mut Rig) -> CloseReason {
    rig.send_all();
    if rig.state() == State::Lingering {
        rig.input(Input::RxEnd);
    }
    match rig.seen().pop() {
        Some(Seen::Closed(reason)) => reason,
        other => panic!("not closed: {other:?} in {:?}", rig.state()),
    }
}

#[test]
fn the_defaults_are_those_of_the_specification_and_values_a_public_server_can_live_with() {
    let config = ChannelConfig::default();
    for hours_5 in [config.inactivity_timeout, config.responseless_timeout, config.stream_idle_timeout] {
        assert_eq!(hours_5, seconds(18_000));
    }
    assert_eq!((config.first_byte_timeout, config.head_timeout), (seconds(30), seconds(30)));
    assert_eq!((config.body_timeout, config.min_body_rate), (seconds(60), 512));
    assert_eq!((config.write_timeout, config.min_write_rate), (seconds(60), 512));
    assert_eq!((config.linger_timeout, config.linger_octets), (seconds(2), 65_536));
    assert_eq!((config.discard_timeout, config.discard_octets), (seconds(5), 262_144));
    assert_eq!((config.drain_grace, config.drain_deadline), (seconds(1), seconds(30)));
    assert_eq!((config.connection_age, config.requests_per_connection), (None, 0));
}

#[test]
fn the_hardened_values_are_tighter() {
    let config = ChannelConfig::hardened();
    assert_eq!(config.inactivity_timeout, seconds(75));
    assert_eq!(config.responseless_timeout, seconds(60));
    assert_eq!(config.stream_idle_timeout, seconds(300));
    assert_eq!((config.first_byte_timeout, config.head_timeout), (seconds(10), seconds(10)));
    assert_eq!((config.body_timeout, config.min_body_rate), (seconds(20), 1024));
    assert_eq!((config.write_timeout, config.min_write_rate), (seconds(20), 1024));
    assert_eq!((config.linger_timeout, config.linger_octets), (seconds(1), 65_536));
    assert_eq!((config.discard_timeout, config.discard_octets), (seconds(1), 65_536));
    assert_eq!((config.drain_grace, config.drain_deadline), (seconds(1), seconds(30)));
    assert_eq!((config.connection_age, config.requests_per_connection), (seconds(3600), 10_000));
}

// First octet.

#[test]
fn a_connection_that_sends_nothing_is_closed_in_silence() {
    let mut rig = Rig::new();
    let seen = pass_at(&mut rig, 30_000);
    assert_eq!(seen, [Seen::Drop, Seen::Closed(CloseReason::FirstByteTimeout)]);
    assert_eq!(rig.wire(), "");
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn without_a_first_byte_timeout_a_silent_connection_stays() {
    let mut rig = Rig::with(|config| config.first_byte_timeout = None);
    never_passes(&mut rig);
    assert_eq!(rig.state(), State::Fresh);
}

// Head.

#[test]
fn a_head_that_is_late_gets_408() {
    let mut rig = Rig::new();
    rig.clock(7_000).rx("GET / HTTP/1.1\r\n");
    let seen = pass_at(&mut rig, 37_000);
    assert_eq!(seen, [Seen::Refused(Rule::HeadTimeout)]);
    assert_eq!(rig.state(), State::Closing);
    let wire = rig.wire();
    assert!(wire.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{wire}");
    assert!(wire.contains("\r\nConnection: close\r\n"), "{wire}");
    assert_eq!(reason(&mut rig), refused(Rule::HeadTimeout, 16));
}

#[test]
fn a_byte_now_and_then_does_not_move_the_deadline_of_a_head() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    for second in 1..30 {
        rig.clock(second * 1000).rx("x");
        assert_eq!(rig.deadline(), Some(30_000), "after {second} s");
    }
    assert_eq!(pass_at(&mut rig, 30_000), [Seen::Refused(Rule::HeadTimeout)]);
}

#[test]
fn an_empty_line_starts_the_deadline_of_a_head() {
    let mut rig = Rig::new();
    rig.clock(5_000).rx("\r\n");
    assert_eq!(pass_at(&mut rig, 35_000), [Seen::Refused(Rule::HeadTimeout)]);
    assert_eq!(statuses(&rig.wire()), ["408"]);
}

#[test]
fn a_second_head_has_a_deadline_of_its_own() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all();
    rig.clock(50_000).rx("G");
    assert_eq!(pass_at(&mut rig, 80_000), [Seen::Refused(Rule::HeadTimeout)]);
}

#[test]
fn a_head_that_waited_behind_a_response_has_its_time_from_then_on() {
    let mut rig = Rig::new();
    rig.rx(GET).clock(100_000).rx("GET /2 HT");
    rig.clock(200_000).ok("").send_all();
    assert_eq!(rig.state(), State::Head);
    assert_eq!(pass_at(&mut rig, 230_000), [Seen::Refused(Rule::HeadTimeout)]);
}

#[test]
fn without_a_head_timeout_a_head_may_take_for_ever() {
    let mut rig = Rig::with(|config| config.head_timeout = None);
    rig.rx("GET / HTTP/1.1\r\n");
    never_passes(&mut rig);
    rig.rx("Host: a\r\n\r\n");
    assert_eq!(rig.state(), State::WaitResponse);
}

// Inactivity.

#[test]
fn an_idle_connection_is_closed_in_silence() {
    let mut rig = Rig::with(|config| config.inactivity_timeout = seconds(75));
    rig.clock(1_000).rx(GET).ok("");
    rig.clock(2_000);
    rig.wire();
    assert_eq!(rig.state(), State::Idle);
    let seen = pass_at(&mut rig, 77_000);
    assert_eq!(seen, [Seen::Drop, Seen::Closed(CloseReason::InactivityTimeout)]);
    assert_eq!(rig.wire(), "");
}

#[test]
fn the_default_of_inactivity_is_five_hours() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all();
    assert_eq!(pass_at(&mut rig, 18_000_000).len(), 2);
}

#[test]
fn each_request_restarts_inactivity() {
    let mut rig = Rig::with(|config| config.inactivity_timeout = seconds(10));
    for round in 0..5 {
        rig.clock(round * 9_000).rx(GET).ok("").send_all();
        assert_eq!(rig.deadline(), Some(round * 9_000 + 10_000));
    }
}

#[test]
fn without_an_inactivity_timeout_an_idle_connection_stays() {
    let mut rig = Rig::with(|config| config.inactivity_timeout = None);
    rig.rx(GET).ok("").send_all();
    never_passes(&mut rig);
    assert_eq!(rig.state(), State::Idle);
}

// Response.

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
    assert_eq!(reason(&mut rig), refused(Rule::ResponseTimeout, 0));
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

// A streamed answer.

fn stream_idle() -> Rig {
    Rig::with(|config| config.stream_idle_timeout = seconds(300))
}

#[test]
fn an_application_that_falls_silent_in_its_response_is_cut_without_an_end() {
    let mut rig = stream_idle();
    rig.rx(GET).clock(1_000).stream(None).write("begun").send_all();
    assert_eq!(pass_at(&mut rig, 301_000), [Seen::CloseWrite]);
    let wire = rig.wire();
    assert!(wire.ends_with("\r\n\r\n5\r\nbegun\r\n"), "{wire}");
    assert_eq!(reason(&mut rig), CloseReason::StreamIdleTimeout);
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

#[test]
fn without_a_stream_idle_timeout_a_response_may_be_endless() {
    let mut rig = Rig::with(|config| config.stream_idle_timeout = None);
    rig.rx(GET).stream(None).send_all();
    never_passes(&mut rig);
    rig.write("still here").finish().send_all();
    assert_eq!(rig.state(), State::Idle);
}

// The request body and its minimum rate.

fn body(rate: u32) -> Rig {
    Rig::with(|config| {
        config.body_timeout = seconds(60);
        config.min_body_rate = rate;
    })
}

#[test]
fn a_body_that_does_not_come_gets_408() {
    let mut rig = body(512);
    rig.clock(2_000).rx(post(10)).demand(10);
    let seen = pass_at(&mut rig, 62_000);
    assert_eq!(seen, [Seen::BodyFailed(BodyError::TimedOut), Seen::Refused(Rule::BodyTimeout)]);
    let wire = rig.wire();
    assert!(wire.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{wire}");
    assert!(wire.contains("\r\nConnection: close\r\n"), "{wire}");
    assert_eq!(reason(&mut rig), refused(Rule::BodyTimeout, 0));
}

#[test]
fn each_byte_of_a_body_takes_back_its_share_of_the_time_and_saves_nothing_up() {
    let mut rig = body(512);
    rig.rx(post(1 << 20)).demand(u64::MAX);
    rig.clock(1_000).rx("x".repeat(512));
    assert_eq!(rig.deadline(), Some(61_000));
    // Ten seconds' worth of octets, when one second was used.
    rig.clock(2_000).rx("x".repeat(5120));
    assert_eq!(rig.deadline(), Some(62_000));
    // The same, when 40 were.
    rig.clock(42_000).rx("x".repeat(5120));
    assert_eq!(pass_at(&mut rig, 72_000).len(), 2);
}

#[test]
fn a_byte_a_second_does_end_a_body() {
    let mut rig = body(512);
    rig.rx(post(1 << 20)).demand(u64::MAX);
    let mut second = 0;
    while rig.state() == State::WaitResponse {
        second += 1;
        assert!(second < 62, "one octet a second keeps the body alive");
        let _ = rig.clock(second * 1000).try_input(Input::RxData(b"x"));
    }
    // 60 s, and 59 octets at 512 a second.
    assert_eq!(second, 61);
    assert_eq!(statuses(&rig.wire()), ["408"]);
}

#[test]
fn chunk_lines_count_as_bytes_of_the_body() {
    let mut rig = body(1);
    rig.rx(POST_CHUNKED).demand(u64::MAX);
    rig.clock(10_000).rx("1\r\nx\r\n");
    assert_eq!(rig.deadline(), Some(66_000));
}

#[test]
fn a_trailer_section_is_part_of_the_body_s_time() {
    let mut rig = body(1);
    rig.rx(POST_CHUNKED).demand(u64::MAX);
    rig.clock(10_000).rx("0\r\nX: ");
    assert_eq!(pass_at(&mut rig, 66_000).len(), 2);
    assert_eq!(statuses(&rig.wire()), ["408"]);
}

#[test]
fn without_a_rate_each_byte_starts_the_body_timeout_again() {
    let mut rig = body(0);
    rig.rx(post(1 << 20)).demand(u64::MAX);
    for minute in 1..100 {
        rig.clock(minute * 59_000).rx("x");
    }
    assert_eq!(pass_at(&mut rig, 99 * 59_000 + 60_000).len(), 2);
}

#[test]
fn a_body_that_the_application_pauses_does_not_run_out_of_time() {
    let mut rig = Rig::with(|config| {
        config.body_timeout = seconds(60);
        config.responseless_timeout = None;
    });
    rig.rx(post(100)).demand(10);
    rig.clock(20_000).rx("x".repeat(20));
    never_passes(&mut rig);
    // 40 s are left, and what the octets earned.
    rig.clock(FOR_EVER + 1).demand(50);
    let earned = 20 * 1000 / 512;
    assert_eq!(pass_at(&mut rig, FOR_EVER + 1 + 40_000 + earned).len(), 2);
}

#[test]
fn a_slow_body_behind_a_running_response_ends_the_body_and_the_response_goes_on() {
    let mut rig = body(512);
    rig.rx(post(10)).demand(10).stream(None).write("a").send_all();
    assert_eq!(pass_at(&mut rig, 60_000), [Seen::BodyFailed(BodyError::TimedOut)]);
    assert_eq!(rig.state(), State::Responding);
    rig.write("b").finish();
    let wire = rig.wire();
    assert!(wire.ends_with("1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), "{wire}");
    assert_eq!(reason(&mut rig), CloseReason::BodyFailed(BodyError::TimedOut));
}

#[test]
fn the_next_body_has_its_own_time() {
    let mut rig = body(512);
    rig.rx(post(2)).demand(2);
    rig.clock(50_000).rx("xx").ok("").send_all();
    rig.clock(100_000).rx(post(2)).demand(2);
    assert_eq!(pass_at(&mut rig, 160_000).len(), 2);
}

#[test]
fn without_a_body_timeout_a_body_may_take_for_ever() {
    let mut rig = Rig::with(|config| config.body_timeout = None);
    rig.rx(post(10)).demand(10);
    never_passes(&mut rig);
    rig.rx("1234567890");
    assert_eq!(rig.seen(), [Seen::Data("1234567890".into()), Seen::BodyEnd(String::new())]);
}

// Pending output and its minimum rate.

fn write(rate: u32) -> Rig {
    Rig::with(|config| {
        config.write_timeout = seconds(60);
        config.min_write_rate = rate;
    })
}

#[test]
fn a_peer_that_does_not_read_is_dropped_with_a_reset() {
    let mut rig = write(512);
    rig.rx(GET).clock(3_000).ok("hello");
    assert_eq!(rig.state(), State::Flushing);
    assert_eq!(pass_at(&mut rig, 63_000), [Seen::Reset, Seen::Closed(CloseReason::WriteTimeout)]);
    assert_eq!(rig.channel.unsent_len(), 0);
}

#[test]
fn each_byte_that_leaves_takes_back_its_share_of_the_time_and_saves_nothing_up() {
    let mut rig = write(512);
    rig.rx(GET).ok(&"x".repeat(10_000));
    rig.clock(1_000).send(512);
    assert_eq!(rig.deadline(), Some(61_000));
    rig.clock(2_000).send(5120);
    assert_eq!(rig.deadline(), Some(62_000));
    rig.clock(42_000).send(1024);
    assert_eq!(pass_at(&mut rig, 64_000).len(), 2);
}

#[test]
fn a_byte_a_second_does_end_a_response() {
    let mut rig = write(512);
    rig.rx(GET).ok(&"x".repeat(10_000));
    let mut second = 0;
    while rig.state() == State::Flushing {
        second += 1;
        assert!(second < 62, "one octet a second keeps the answer alive");
        let _ = rig.clock(second * 1000).try_input(Input::Sent(1));
    }
    assert_eq!(second, 61);
}

#[test]
fn without_a_rate_each_byte_that_leaves_starts_the_write_timeout_again() {
    let mut rig = write(0);
    rig.rx(GET).ok(&"x".repeat(10_000));
    for minute in 1..100 {
        rig.clock(minute * 59_000).send(1);
    }
    assert_eq!(pass_at(&mut rig, 99 * 59_000 + 60_000).len(), 2);
}

#[test]
fn the_write_deadline_begins_anew_when_all_has_left() {
    let mut rig = write(512);
    rig.rx(GET).stream(None).write("a");
    rig.clock(59_000).send_all();
    rig.clock(100_000).write("b");
    assert_eq!(pass_at(&mut rig, 160_000).len(), 2);
}

#[test]
fn output_runs_out_of_time_in_every_state_that_has_some() {
    let states: [(State, Setup); 7] = [
        (State::Head, |rig| rig.rx(GET).rx("GET").ok("")),
        (State::WaitResponse, |rig| rig.rx(GET.repeat(2)).ok("")),
        (State::Responding, |rig| rig.rx(GET).stream(None)),
        (State::Discard, |rig| rig.rx(post(5)).ok("")),
        (State::Flushing, |rig| rig.rx(GET).ok("")),
        (State::Closing, |rig| rig.rx("GET / HTTP/1.0\r\n\r\n").ok("")),
        (State::Handover, |rig| rig.rx("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").ok("")),
    ];
    for (state, setup) in states {
        let mut rig = Rig::with(|config| {
            config.write_timeout = seconds(1);
            config.head_timeout = None;
            config.discard_timeout = seconds(100);
        });
        setup(&mut rig);
        assert_eq!(rig.state(), state);
        let seen = pass_at(&mut rig, 1_000);
        assert_eq!(seen.last(), Some(&Seen::Closed(CloseReason::WriteTimeout)), "in {state:?}");
        assert!(seen.contains(&Seen::Reset), "in {state:?}: {seen:?}");
    }
}

#[test]
fn a_large_content_by_reference_has_the_same_write_deadline() {
    let mut rig = write(512);
    let content = vec![b'x'; 1 << 20].into();
    rig.rx(GET).respond(Status::OK, &Fields::new(), BodyRef::Bytes(&content));
    rig.clock(50_000).send(512 * 20);
    assert_eq!(pass_at(&mut rig, 80_000).len(), 2);
}

#[test]
fn without_a_write_timeout_a_peer_may_read_when_it_likes() {
    let mut rig = Rig::with(|config| config.write_timeout = None);
    rig.rx(GET).ok("hello");
    never_passes(&mut rig);
    assert!(rig.wire().ends_with("hello"));
}

// Lingering.

fn lingering(change: impl FnOnce(&mut ChannelConfig)) -> Rig {
    let mut rig = Rig::with(change);
    rig.clock(1_000).rx("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ok("bye").send_all();
    rig
}

#[test]
fn after_our_fin_input_is_discarded_for_a_while() {
    let mut rig = lingering(|_| {});
    assert_eq!(rig.state(), State::Lingering);
    assert_eq!(rig.seen().pop(), Some(Seen::CloseWrite));
    rig.clock(2_000).rx("more");
    assert_eq!(pass_at(&mut rig, 3_000), [Seen::Drop, Seen::Closed(CloseReason::RequestedByPeer)]);
}

#[test]
fn lingering_ends_when_the_peer_ends() {
    let mut rig = lingering(|_| {});
    rig.seen();
    rig.input(Input::RxEnd);
    assert_eq!(rig.seen(), [Seen::Drop, Seen::Closed(CloseReason::RequestedByPeer)]);
}

#[test]
fn lingering_discards_so_many_bytes_and_no_more() {
    let mut rig = lingering(|config| config.linger_octets = 1000);
    rig.seen();
    rig.rx("x".repeat(600)).rx("x".repeat(399));
    assert_eq!((rig.seen(), rig.state()), (vec![], State::Lingering));
    rig.rx("x");
    assert_eq!(rig.seen(), [Seen::Drop, Seen::Closed(CloseReason::RequestedByPeer)]);
}

#[test]
fn lingering_holds_no_bytes() {
    let mut rig = lingering(|config| config.linger_octets = 1 << 30);
    for _ in 0..100 {
        rig.rx("x".repeat(65_536));
    }
    assert!(rig.channel.buffered() <= 128 << 10, "{}", rig.channel.buffered());
}

#[test]
fn without_a_linger_time_or_bytes_the_connection_closes_at_once() {
    for change in
        [(|config: &mut ChannelConfig| config.linger_timeout = None) as fn(&mut ChannelConfig), |config| {
            config.linger_octets = 0
        }]
    {
        let mut rig = lingering(change);
        assert_eq!(rig.state(), State::Closed);
        assert_eq!(rig.seen()[1..], [Seen::Drop, Seen::Closed(CloseReason::RequestedByPeer)]);
    }
}

#[test]
fn a_peer_that_has_ended_already_is_not_lingered_for() {
    let mut rig = Rig::new();
    rig.rx(GET).input(Input::RxEnd).ok("").send_all();
    assert_eq!(rig.state(), State::Closed);
    assert!(!rig.seen().contains(&Seen::CloseWrite));
}

// Discarding the rest of a body.

fn discarding(change: impl FnOnce(&mut ChannelConfig)) -> Rig {
    let mut rig = Rig::with(change);
    rig.clock(1_000).rx(post(1000)).rx("x".repeat(10)).ok("early").send_all();
    rig
}

#[test]
fn the_rest_of_a_body_has_its_time_after_the_response() {
    let mut rig = discarding(|_| {});
    assert_eq!(rig.state(), State::Discard);
    rig.clock(5_000).rx("x".repeat(900));
    assert_eq!(pass_at(&mut rig, 6_000), [Seen::CloseWrite]);
    assert_eq!(reason(&mut rig), CloseReason::BodyUnread);
}

#[test]
fn when_the_rest_has_come_the_connection_goes_on() {
    let mut rig = discarding(|_| {});
    rig.clock(5_999).rx("x".repeat(989));
    assert_eq!(rig.state(), State::Discard);
    rig.rx("x");
    assert_eq!(rig.state(), State::Idle);
    rig.rx(GET).ok("next");
    assert!(rig.wire().ends_with("next"));
}

#[test]
fn a_rest_above_its_limit_makes_the_response_say_close() {
    for (octets, close) in [(989, true), (990, false), (991, false)] {
        let mut rig = Rig::with(|config| config.discard_octets = octets);
        // Nothing of the body is here: what counts is what was not asked for.
        rig.rx(post(990)).ok("early");
        let wire = rig.wire();
        assert_eq!(wire.contains("Connection: close"), close, "{octets}: {wire}");
        assert_eq!(rig.state(), if close { State::Lingering } else { State::Discard });
    }
}

#[test]
fn without_a_discard_time_or_bytes_no_rest_is_awaited() {
    for change in
        [(|config: &mut ChannelConfig| config.discard_timeout = None) as fn(&mut ChannelConfig), |config| {
            config.discard_octets = 0
        }]
    {
        let mut rig = discarding(change);
        assert_eq!(rig.state(), State::Lingering);
        assert_eq!(reason(&mut rig), CloseReason::BodyUnread);
    }
}

// Going out.

#[test]
fn an_idle_connection_has_a_grace_when_the_server_goes_out() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all();
    rig.clock(10_000).input(Input::GoOut);
    assert_eq!(pass_at(&mut rig, 11_000), [Seen::Drop, Seen::Closed(CloseReason::Drained)]);
}

#[test]
fn a_request_within_the_grace_gets_a_response_that_says_close() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all().input(Input::GoOut);
    rig.wire();
    rig.clock(999).rx(GET).ok("last");
    let wire = rig.wire();
    assert!(wire.contains("Connection: close\r\n") && wire.ends_with("last"), "{wire}");
    assert_eq!(reason(&mut rig), CloseReason::Drained);
}

#[test]
fn going_out_twice_does_not_move_the_deadlines() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("").send_all().input(Input::GoOut);
    rig.clock(500).input(Input::GoOut);
    assert_eq!(rig.deadline(), Some(1_000));
}

#[test]
fn without_a_drain_grace_an_idle_connection_stays_to_the_drain_deadline() {
    let mut rig = Rig::with(|config| config.drain_grace = None);
    rig.rx(GET).ok("").send_all().input(Input::GoOut);
    assert_eq!(pass_at(&mut rig, 30_000), [Seen::Drop, Seen::Closed(CloseReason::Drained)]);
}

#[test]
fn at_the_drain_deadline_a_request_without_a_response_gets_503() {
    let mut rig = Rig::new();
    rig.rx(GET).clock(1_000).input(Input::GoOut);
    assert_eq!(pass_at(&mut rig, 31_000), [Seen::Refused(Rule::Draining)]);
    assert_eq!(statuses(&rig.wire()), ["503"]);
    assert_eq!(reason(&mut rig), refused(Rule::Draining, 0));
}

#[test]
fn the_drain_deadline_cuts_every_other_state() {
    let states: [(State, Setup); 5] = [
        (State::Fresh, |rig| rig),
        (State::Head, |rig| rig.rx("GET")),
        (State::Responding, |rig| rig.rx(GET).stream(None)),
        (State::Flushing, |rig| rig.rx(GET.repeat(2)).ok(&"x".repeat(1024))),
        (State::Handover, |rig| rig.rx("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").ok("")),
    ];
    for (state, setup) in states {
        let mut rig = patient();
        setup(&mut rig);
        rig.input(Input::GoOut);
        assert_eq!(rig.state(), state);
        let seen = pass_at(&mut rig, 30_000);
        assert_eq!(seen.last(), Some(&Seen::Closed(CloseReason::DrainTimeout)), "in {state:?}");
        assert_eq!(rig.state(), State::Closed);
    }
}

/// Nothing but the drain ends anything.
fn patient() -> Rig {
    Rig::with(|config| {
        config.first_byte_timeout = None;
        config.head_timeout = None;
        config.write_timeout = None;
        config.linger_timeout = seconds(1_000);
        config.discard_timeout = seconds(1_000);
        config.stream_idle_timeout = None;
        config.output_high_water = 1024;
    })
}

#[test]
fn the_drain_deadline_ends_what_closes_already() {
    let last = "GET / HTTP/1.0\r\n\r\n";
    let mut rig = patient();
    rig.rx(last).ok("").input(Input::GoOut);
    assert_eq!(rig.state(), State::Closing);
    assert_eq!(pass_at(&mut rig, 30_000), [Seen::Reset, Seen::Closed(CloseReason::DrainTimeout)]);

    let mut rig = patient();
    rig.rx(last).ok("").send_all().input(Input::GoOut);
    assert_eq!(rig.state(), State::Lingering);
    assert_eq!(pass_at(&mut rig, 30_000), [Seen::Drop, Seen::Closed(CloseReason::RequestedByPeer)]);
}

#[test]
fn the_503_of_the_drain_deadline_has_the_grace_to_leave() {
    let mut rig = patient();
    rig.rx(GET).input(Input::GoOut).tick(30_000);
    assert_eq!(rig.state(), State::Closing);
    let seen = pass_at(&mut rig, 31_000);
    assert!(seen.contains(&Seen::Reset), "{seen:?}");

    let mut rig = patient();
    rig.rx(GET).input(Input::GoOut).tick(30_000).clock(30_500);
    assert_eq!(statuses(&rig.wire()), ["503"]);
    assert_eq!(rig.state(), State::Lingering);
    pass_at(&mut rig, 31_500);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn going_out_ends_a_discard_at_once() {
    let mut rig = patient();
    rig.rx(post(9)).ok("").input(Input::GoOut);
    assert_eq!(rig.state(), State::Closing);
    rig.send_all().input(Input::RxEnd);
    assert_eq!(rig.seen().pop(), Some(Seen::Closed(CloseReason::Drained)));
}

#[test]
fn a_rest_that_is_discarded_does_not_outlive_the_drain_deadline() {
    let mut rig = Rig::with(|config| config.discard_timeout = seconds(1_000));
    rig.rx(post(9)).demand(1).stream(None);
    rig.input(Input::GoOut).finish().send_all();
    assert!(rig.deadline().unwrap() <= 30_000, "{:?} until {:?}", rig.state(), rig.deadline());
    rig.tick(30_000);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn without_a_drain_deadline_the_drain_waits() {
    let mut rig = Rig::with(|config| {
        config.drain_deadline = None;
        config.responseless_timeout = None;
    });
    rig.rx(GET).input(Input::GoOut);
    never_passes(&mut rig);
    rig.ok("at last");
    assert!(rig.wire().contains("Connection: close"));
}

#[test]
fn an_upgraded_connection_has_no_deadline_of_ours() {
    let mut rig = Rig::new();
    rig.rx("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").ok("").send_all();
    rig.input(Input::GoOut);
    never_passes(&mut rig);
}

// Age.

#[test]
fn an_idle_connection_closes_at_its_age() {
    let mut rig = Rig::with(|config| config.connection_age = seconds(3600));
    rig.rx(GET).ok("").send_all();
    assert_eq!(pass_at(&mut rig, 3_600_000), [Seen::Drop, Seen::Closed(CloseReason::AgeReached)]);
}

#[test]
fn the_jitter_of_a_connection_is_added_to_its_age() {
    let facts = Facts { age_jitter: Duration::from_millis(123_456) };
    let mut rig = Rig::with_facts(facts, |config| config.connection_age = seconds(3600));
    rig.rx(GET).ok("").send_all();
    assert_eq!(pass_at(&mut rig, 3_723_456), [Seen::Drop, Seen::Closed(CloseReason::AgeReached)]);
}

#[test]
fn a_response_at_the_age_says_close_and_one_before_does_not() {
    for (at, close) in [(3_599_999, false), (3_600_000, true), (3_600_001, true)] {
        let mut rig = Rig::with(|config| config.connection_age = seconds(3600));
        rig.rx(GET).clock(at).ok("old");
        let wire = rig.wire();
        assert_eq!(wire.contains("Connection: close"), close, "{at}");
        if close {
            assert_eq!(reason(&mut rig), CloseReason::AgeReached);
        }
    }
}

#[test]
fn a_response_that_runs_at_the_age_is_finished() {
    let mut rig = Rig::with(|config| config.connection_age = seconds(10));
    rig.rx(GET).stream(None).write("a").send_all();
    rig.tick(20_000);
    assert_eq!(rig.state(), State::Responding);
    rig.write("b").finish();
    assert!(rig.wire().ends_with("b\r\n0\r\n\r\n"));
    // Idle, and too old.
    assert_eq!(rig.deadline(), Some(20_000));
    rig.tick(20_000);
    assert_eq!(rig.seen().pop(), Some(Seen::Closed(CloseReason::AgeReached)));
}

#[test]
fn without_an_age_jitter_means_nothing() {
    let facts = Facts { age_jitter: Duration::from_secs(1) };
    let mut rig = Rig::with_facts(facts, |config| config.inactivity_timeout = None);
    rig.rx(GET).ok("").send_all();
    never_passes(&mut rig);
}

// Time itself.

#[test]
fn a_deadline_that_has_passed_comes_before_the_input() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.1\r\n");
    let error = rig.clock(30_000).try_input(Input::RxData(b"Host: a\r\n\r\n")).unwrap_err();
    assert_eq!(error.state, State::Closing);
    assert_eq!(rig.seen(), [Seen::Refused(Rule::HeadTimeout)]);
}

#[test]
fn an_input_a_millisecond_before_its_deadline_is_in_time() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.1\r\n").clock(29_999).rx("Host: a\r\n\r\n");
    assert_eq!(rig.seen(), [Seen::Request("GET /".into())]);
}

#[test]
fn time_that_goes_backwards_stands_still() {
    let mut rig = Rig::new();
    rig.clock(20_000).rx("G");
    rig.tick(0).clock(10).rx("ET");
    assert_eq!(rig.deadline(), Some(50_000));
    assert_eq!(pass_at(&mut rig, 50_000), [Seen::Refused(Rule::HeadTimeout)]);
}

#[test]
fn a_tick_without_a_deadline_due_changes_nothing() {
    let mut rig = Rig::new();
    rig.rx(GET);
    rig.seen();
    for millis in [0, 1, 1, 17_999_999] {
        rig.tick(millis);
        assert_eq!(
            (rig.seen(), rig.state(), rig.deadline()),
            (vec![], State::WaitResponse, Some(18_000_000))
        );
    }
}

#[test]
fn a_timeout_longer_than_time_never_passes() {
    let mut rig = Rig::with(|config| config.first_byte_timeout = Some(Duration::MAX));
    rig.tick(FOR_EVER);
    assert_eq!(rig.state(), State::Fresh);
}

#[test]
fn a_write_by_reference_counts_as_speech() {
    let mut rig = stream_idle();
    rig.rx(GET).stream(None).send_all();
    rig.clock(100_000).input(Input::Write(Data::Bytes(vec![b'x'; 20_000].into()))).send_all();
    assert_eq!(rig.deadline(), Some(400_000));
}
