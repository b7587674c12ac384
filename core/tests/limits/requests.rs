//! How many requests of a connection may be without a response, and how many a connection serves.

use httpfsm::channel::{Input, State};
use httpfsm::{CloseReason, RequestError, Rule};

use crate::rig::{GET, POST_CHUNKED, Rig, Seen, post, seconds, statuses};

/// `total` requests to a channel that takes `limit`; the handler is silent until all input is in, which comes in two
/// pieces, and then responds to what it is given.
#[track_caller]
fn simultaneous(limit: u32, requests: &[&str], cut: usize) -> (Vec<String>, String, State) {
    let bytes = requests.concat();
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = limit);
    for piece in [&bytes[..cut], &bytes[cut..]] {
        if !piece.is_empty() {
            rig.rx(piece);
            // All outputs were taken; a handler that has a request owes its response.
            rig.input(Input::CheckPipeline);
        }
    }
    let mut served = Vec::new();
    loop {
        for seen in rig.seen() {
            if let Seen::Request(request) = seen {
                served.push(request);
            }
        }
        if rig.state() != State::WaitResponse {
            break;
        }
        rig.ok("");
    }
    let wire = rig.wire();
    (served, wire, rig.state())
}

#[test]
fn requests_up_to_the_limit_are_served_and_the_next_gets_503_in_its_turn() {
    for limit in 1..=3 {
        for total in 1..=limit + 2 {
            let requests = vec![GET; total as usize];
            for cut in 0..=requests.concat().len() {
                let (served, wire, state) = simultaneous(limit, &requests, cut);
                let n = total.min(limit) as usize;
                let mut expected = vec!["200"; n];
                if total > limit {
                    expected.push("503");
                }
                assert_eq!(statuses(&wire), expected, "{total} requests, limit {limit}, cut {cut}");
                assert_eq!(served.len(), n);
                let closes = wire.matches("Connection: close").count();
                assert_eq!(
                    (closes, state),
                    if total > limit { (1, State::Lingering) } else { (0, State::Idle) }
                );
            }
        }
    }
}

#[test]
fn requests_with_bodies_count_when_their_bodies_are_in() {
    let with_body =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n1234";
    let requests = [GET, with_body, "HEAD / HTTP/1.0\r\n\r\n", GET];
    for cut in 0..=requests.concat().len() {
        let (served, wire, _) = simultaneous(2, &requests, cut);
        assert_eq!(served, ["GET /", "POST /"], "cut {cut}");
        assert_eq!(statuses(&wire), ["200", "200", "503"], "cut {cut}");
        // The response knows the request that it refuses.
        assert!(wire.contains("HTTP/1.0 503 ") && wire.ends_with("\r\n\r\n"), "cut {cut}: {wire}");
    }
}

/// It is asked at each byte, and there is nothing to be seen before the last.
#[test]
fn a_request_that_arrives_byte_by_byte_counts_at_its_last() {
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = 1);
    rig.rx(GET);
    for byte in format!("{}1234567890", post(10)).as_bytes() {
        rig.rx([*byte]).input(Input::CheckPipeline).input(Input::CheckPipeline);
    }
    rig.ok("");
    assert_eq!(statuses(&rig.wire()), ["200", "503"]);
}

/// The length of a body in chunks is known only by decoding it, and one beyond any buffer is never there.
#[test]
fn requests_without_a_length_that_can_wait_end_the_look_ahead() {
    for second in [format!("{POST_CHUNKED}1\r\nx\r\n0\r\n\r\n"), post(1 << 33)] {
        let mut rig = Rig::with(|config| {
            config.maximum_simultaneous_requests = 1;
            config.max_request_body_size = 0;
        });
        rig.rx(GET).rx(&second).input(Input::CheckPipeline).rx(GET).input(Input::CheckPipeline).ok("");
        assert_eq!(rig.state(), State::WaitResponse, "{second}");
        rig.ok("");
        let wire = rig.wire();
        assert_eq!(statuses(&wire)[..2], ["200", "200"], "{wire}");
    }
}

#[test]
fn a_handler_that_responds_at_once_is_never_refused() {
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = 1);
    rig.rx(GET.repeat(50));
    for _ in 0..50 {
        rig.ok("");
    }
    assert_eq!(statuses(&rig.wire()), ["200"; 50]);
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn an_incomplete_request_is_none_too_many() {
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = 1);
    rig.rx(GET).rx(&GET[..GET.len() - 1]).input(Input::CheckPipeline).ok("");
    rig.rx("\n").ok("");
    assert_eq!(statuses(&rig.wire()), ["200", "200"]);
}

#[test]
fn what_is_complete_counts_once_and_what_is_not_does_not() {
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = 2);
    rig.rx(GET.repeat(2)).input(Input::CheckPipeline).ok("").ok("");
    rig.rx(GET).ok("").rx(GET).ok("");
    assert_eq!(statuses(&rig.wire()), ["200"; 4]);
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = 1);
    rig.rx(GET).rx(post(5)).rx("12").input(Input::CheckPipeline).ok("");
    rig.rx("345").ok("").rx(GET).ok("");
    assert_eq!(statuses(&rig.wire()), ["200"; 3]);
}

#[test]
fn input_pauses_at_the_bound_and_goes_on_when_half_of_it_is_free() {
    for bound in [5_000, 5_001] {
        let mut rig = Rig::with(|config| config.input_bound = bound);
        rig.rx(post(10_000));
        rig.demand(0);
        let held = |rig: &Rig| bound as usize - rig.channel.input_room();
        let first = held(&rig);
        rig.rx(vec![b'x'; bound as usize - first]);
        assert_eq!(rig.channel.input_room(), 0);
        let half = bound as usize / 2;
        // The head is let go with the first demand.
        rig.demand((bound as usize - first - half) as u64 - 1);
        assert_eq!(rig.channel.input_room(), 0, "{bound}");
        rig.demand(1);
        assert_eq!(rig.channel.input_room(), bound as usize - half, "{bound}");
        // From here to the bound there is no pause.
        rig.rx("x");
        assert_eq!(rig.channel.input_room(), bound as usize - half - 1, "{bound}");
    }
}

#[test]
fn a_body_is_not_discarded_where_no_time_is_given_to_it() {
    for (timeout, close) in [(seconds(5), false), (seconds(0), true), (None, true)] {
        let mut rig = Rig::with(|config| config.discard_timeout = timeout);
        rig.rx(post(5)).ok("");
        assert_eq!(rig.wire().contains("Connection: close"), close, "{timeout:?}");
    }
}

#[test]
fn a_request_whose_response_is_running_counts() {
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = 1);
    rig.rx(GET).stream(None).rx(GET).input(Input::CheckPipeline).write("x").finish();
    assert_eq!(statuses(&rig.wire()), ["200", "503"]);
}

#[test]
fn a_bad_request_within_the_limit_is_refused_for_what_it_is() {
    let (_, wire, _) = simultaneous(2, &[GET, "BAD\r\n\r\n", GET], 0);
    assert_eq!(statuses(&wire), ["200", "400"]);
}

#[test]
fn the_refusal_of_one_too_many_has_its_reason() {
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = 1);
    rig.rx(GET.repeat(2)).input(Input::CheckPipeline).ok("");
    assert!(rig.seen().contains(&Seen::Refused(Rule::SimultaneousRequests)));
    rig.send_all().input(Input::RxEnd);
    let error = RequestError::new(Rule::SimultaneousRequests, 0);
    assert_eq!(rig.seen().pop(), Some(Seen::Closed(CloseReason::Refused(error))));
}

#[test]
fn without_a_limit_all_requests_wait() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(500)).input(Input::CheckPipeline);
    for _ in 0..500 {
        rig.ok("").send_all();
    }
    assert_eq!(rig.wire().matches("200 OK").count(), 500);
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn the_last_request_of_a_connection_gets_a_response_with_close() {
    for limit in 1..=4 {
        let mut rig = Rig::with(|config| config.requests_per_connection = limit);
        for n in 1..=limit {
            rig.rx(GET).ok("");
            let closes = rig.wire().contains("Connection: close");
            assert_eq!(closes, n == limit, "{n} of {limit}");
        }
        rig.input(Input::RxEnd);
        assert_eq!(rig.seen().pop(), Some(Seen::Closed(CloseReason::RequestsServed)));
    }
}

#[test]
fn requests_behind_the_last_of_a_connection_are_not_served() {
    let mut rig = Rig::with(|config| config.requests_per_connection = 2);
    rig.rx(GET.repeat(3)).ok("").ok("");
    assert_eq!(rig.seen().iter().filter(|seen| matches!(seen, Seen::Request(_))).count(), 2);
    assert_eq!(statuses(&rig.wire()), ["200", "200"]);
}

#[test]
fn without_a_limit_a_connection_serves_as_many_requests_as_come() {
    let mut rig = Rig::new();
    for _ in 0..1_000 {
        rig.rx(GET).ok("");
        assert!(!rig.wire().contains("close"));
    }
    assert_eq!(rig.channel.stats().requests, 1_000);
}
