//! What once went wrong: each test is an input sequence that did.

#[path = "support/rig.rs"]
mod rig;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use httpfsm::channel::{Data, Input, State, WorkerBuffers};
use httpfsm::response::BodyRef;
use httpfsm::{BodyError, CloseReason, Fields, Rule, Status};
use rig::{GET, POST_CHUNKED, Rig, Seen, post, seconds, statuses};

#[test]
fn input_goes_on_when_the_body_was_taken() {
    let mut rig = Rig::new();
    rig.rx(post(1 << 20)).demand(u64::MAX);
    // As much as one read brings, twice: what is taken makes room at once.
    for _ in 0..2 {
        assert_eq!(rig.channel.input_room(), 64 << 10);
        rig.input(Input::RxData(&[b'x'; 64 << 10]));
        rig.seen();
    }
    assert!(rig.channel.waits_for().input());
}

#[test]
fn forgetting_a_large_head_makes_room() {
    let mut rig = Rig::new();
    let field = format!("A: {}\r\n", "a".repeat(70 << 10));
    rig.rx(format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n"));
    assert_eq!(rig.channel.input_room(), 0);
    rig.channel.forget_request();
    assert_eq!(rig.channel.input_room(), 64 << 10);
}

#[test]
fn the_end_of_time_is_no_deadline() {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let mut rig = Rig::with(|config| {
            config.write_timeout = None;
            config.inactivity_timeout = None;
        });
        rig.rx(GET).ok("hello");
        rig.tick(u64::MAX);
        assert_eq!(rig.state(), State::Flushing);
        rig.send_all();
        rig.tick(u64::MAX);
        assert_eq!(rig.state(), State::Idle);
        done.send(()).unwrap();
    });
    assert!(is_done.recv_timeout(Duration::from_secs(20)).is_ok());
}

#[test]
fn two_deadlines_that_passed_count_before_the_input() {
    let run = |tick: bool| {
        let mut rig = Rig::with(|config| {
            config.head_timeout = seconds(10);
            config.drain_grace = seconds(0);
        });
        rig.rx("GET").go_out().clock(60_000);
        if tick {
            rig.input(Input::Tick);
        }
        let result = rig.try_input(Input::RxEnd).map_err(|error| error.state);
        (result, rig.state(), rig.seen())
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn an_offer_ends_with_the_store_that_it_points_into() {
    let mut rig = Rig::new();
    rig.rx(GET).ok("hello");
    let n = rig.channel.unsent_len();
    assert!(!rig.channel.spare().is_empty());
    rig.input(Input::Sent(n));
    assert_eq!(rig.state(), State::Idle);
    assert!(rig.try_input(Input::RxRead(5)).is_err());
    assert_eq!(rig.state(), State::Idle);
    assert!(!rig.channel.spare().is_empty());
}

#[test]
fn an_idle_channel_to_which_nothing_was_lent_holds_no_buffer() {
    let mut rig = Rig::new();
    rig.rx(GET).ok(&"x".repeat(60_000)).send_all();
    assert_eq!(rig.state(), State::Idle);
    assert_eq!(rig.channel.buffered(), 0);
}

#[test]
fn an_idle_channel_from_which_buffers_were_taken_back_holds_no_buffer() {
    let mut rig = Rig::new();
    let mut buffers = WorkerBuffers::new();
    rig.channel.lend(&mut buffers);
    rig.rx(GET).ok(&"x".repeat(10_000));
    rig.channel.take_back(&mut buffers);
    rig.send_all();
    assert_eq!(rig.state(), State::Idle);
    assert_eq!(rig.channel.buffered(), 0);
}

#[test]
fn an_empty_body_does_not_meet_a_declared_length() {
    let mut rig = Rig::new();
    rig.rx(GET);
    let fields = Fields::new().with("Content-Length", "5").unwrap();
    assert!(rig.try_respond(Status::OK, &fields, BodyRef::Empty).is_err());
    assert_eq!(rig.state(), State::WaitResponse);
    rig.respond(Status::NOT_MODIFIED, &fields, BodyRef::Empty);
    assert_eq!(rig.state(), State::Flushing);
}

#[test]
fn a_flush_completes_in_the_last_response_too() {
    let mut rig = Rig::new();
    rig.rx("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").stream(None).write("x");
    rig.input(Input::Flush).finish().seen();
    rig.send_all();
    assert!(rig.seen().contains(&Seen::Flushed));
}

#[test]
fn room_is_told_when_the_head_alone_took_it() {
    let mut rig = Rig::with(|config| config.output_high_water = 1 << 10);
    let fields = Fields::new().with("A", "a".repeat(2000)).unwrap();
    rig.rx(GET).respond(Status::OK, &fields, BodyRef::Stream { length: None });
    assert_eq!(rig.channel.room(), 0);
    rig.send_all();
    assert!(rig.seen().contains(&Seen::TransmitReady));
}

#[test]
fn no_room_is_told_after_the_response() {
    let mut rig = Rig::with(|config| config.output_high_water = 1 << 10);
    rig.rx(GET)
        .stream(None)
        .write(&"x".repeat(500))
        .input(Input::Write(Data::Bytes(vec![b'x'; 2000].into())));
    assert_eq!(rig.channel.room(), 0);
    rig.finish().send_all();
    assert!(!rig.seen().contains(&Seen::TransmitReady));
}

#[test]
fn the_end_of_input_inside_a_discarded_body_ends_the_channel() {
    let mut rig = Rig::new();
    rig.rx(post(1000)).ok("no").send_all();
    assert_eq!(rig.state(), State::Discard);
    rig.input(Input::RxEnd);
    assert_eq!(rig.state(), State::Closed);
    assert!(rig.channel.waits_for().is_empty());
    assert_eq!(rig.seen().last(), Some(&Seen::Closed(CloseReason::BodyUnread)));
}

#[test]
fn a_head_that_ended_while_it_waited_its_turn_is_truncated() {
    let mut rig = Rig::new();
    rig.rx(GET).rx("GET /2 HTT").input(Input::RxEnd).ok("1");
    assert_eq!(statuses(&rig.wire()), ["200", "400"]);
    assert_eq!(rig.state(), State::Closed);
    let seen = rig.seen();
    assert!(seen.contains(&Seen::Refused(Rule::HeadTruncated)), "{seen:?}");

    let mut rig = Rig::new();
    rig.rx(GET).rx("\r\n").input(Input::RxEnd).ok("1");
    assert_eq!(statuses(&rig.wire()), ["200"]);
    assert_eq!(rig.seen().last(), Some(&Seen::Closed(CloseReason::PeerEnded)));
}

#[test]
fn a_request_that_was_not_told_goes_with_its_connection() {
    for with_body in [false, true] {
        let mut channel = Rig::new().channel;
        let now = httpfsm::time::Now::new(httpfsm::time::Moment::START, &httpfsm::time::Date::EPOCH);
        let request = if with_body { post(10) } else { GET.to_owned() };
        channel.handle(&now, Input::RxData(request.as_bytes())).unwrap();
        channel.handle(&now, Input::Disconnected).unwrap();
        let mut seen = Vec::new();
        while let Some(output) = channel.next_output() {
            seen.push(format!("{output:?}"));
        }
        assert_eq!(seen, ["Drop { reset: true }", "HttpChannelClosed(Disconnected)"]);
    }
}

#[test]
fn a_fin_between_requests_is_an_end_also_if_it_is_a_disconnect_inside() {
    let mut rig = Rig::with(|config| config.fin_is_disconnect = true);
    rig.rx(GET).ok("1").send_all().seen();
    rig.input(Input::RxEnd);
    assert_eq!(rig.seen(), [Seen::Drop, Seen::Closed(CloseReason::PeerEnded)]);
}

#[test]
fn refused_heads_have_no_content() {
    for head in [
        "HEAD / HTTP/1.1\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "HEAD / HTTP/2.0\r\nHost: a\r\n\r\n",
        "HEAD  / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut rig = Rig::new();
        let wire = rig.rx(head).wire();
        assert!(wire.ends_with("\r\n\r\n"), "{head:?}: {wire}");
    }
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = 1);
    rig.rx(GET).rx("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").input(Input::CheckPipeline).ok("1");
    let wire = rig.wire();
    assert_eq!(statuses(&wire), ["200", "503"]);
    assert!(wire.ends_with("\r\n\r\n"), "{wire}");
}

#[test]
fn a_trailer_section_may_be_larger_than_the_input_bound() {
    let mut rig = Rig::with(|config| config.input_bound = 4 << 10);
    rig.rx(POST_CHUNKED).demand(u64::MAX).rx("0\r\n");
    for _ in 0..7 {
        rig.rx(format!("A: {}\r\n", "a".repeat(1000)));
    }
    rig.rx("\r\n");
    assert!(rig.seen().iter().any(|seen| matches!(seen, Seen::BodyEnd(_))));
}

#[test]
fn the_look_ahead_goes_on_where_it_stopped() {
    // Requests of all lengths, each cut, and the first beyond the limit is refused wherever the responses fall.
    let with_body = |n: usize| format!("{}{}", post(n as u64), "b".repeat(n));
    let input: String = (0..6).map(|n| if n % 2 == 0 { GET.to_owned() } else { with_body(n) }).collect();
    for cut in 0..input.len() {
        for responded in 0..2 {
            let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = 3);
            rig.rx(&input[..cut]);
            if rig.state() == State::WaitResponse {
                rig.input(Input::CheckPipeline);
                if responded == 1 {
                    rig.ok("early");
                }
            }
            rig.rx(&input[cut..]);
            let mut n = 0;
            while matches!(rig.state(), State::WaitResponse) {
                if rig.seen().iter().any(|seen| matches!(seen, Seen::Request(_))) && n % 2 == 1 {
                    rig.demand(u64::MAX).seen();
                }
                rig.input(Input::CheckPipeline);
                rig.ok("x");
                n += 1;
            }
            let wire = rig.wire();
            let statuses = statuses(&wire);
            assert_eq!(statuses.last(), Some(&"503"), "{cut} {responded} {statuses:?}");
            assert!(statuses.len() >= 4, "{cut} {responded} {statuses:?}");
        }
    }
}

#[test]
fn an_age_that_was_seen_counts_when_time_goes_backwards() {
    let mut rig = Rig::with(|config| config.connection_age = seconds(10));
    rig.rx(GET).tick(20_000).clock(5_000).ok("x");
    assert!(rig.wire().contains("Connection: close\r\n"));
}

#[test]
fn an_empty_304_says_nothing_of_a_length() {
    let mut rig = Rig::new();
    rig.rx(GET).respond(Status::NOT_MODIFIED, &Fields::new(), BodyRef::Slice(b""));
    let wire = rig.wire();
    assert!(!wire.contains("Content-Length"), "{wire}");
}

#[test]
fn after_its_response_the_application_hears_no_more_of_the_body() {
    for length in [10, 1 << 20] {
        let mut rig = Rig::new();
        rig.rx(post(length)).demand(3).rx("abc").seen();
        rig.ok("early").send_all();
        rig.input(Input::Disconnected);
        let seen = rig.seen();
        assert!(!seen.iter().any(|seen| matches!(seen, Seen::BodyFailed(_))), "{seen:?}");
    }
    let mut rig = Rig::new();
    rig.rx(post(10)).demand(3).rx("abc").seen();
    rig.input(Input::Disconnected);
    assert_eq!(rig.seen()[0], Seen::BodyFailed(BodyError::Disconnected));
}
