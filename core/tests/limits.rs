//! Every limit at one less, at its value and at one more: limits are inclusive, 0 is none, and what is above them is
//! answered with the status that says so, and closes, however the octets were cut.

#[path = "support/rig.rs"]
mod rig;

use bytes::Bytes;
use httpfsm::{
    BodyError, BodyRef, ChannelConfig, CloseReason, Data, Fields, Input, RequestError, Rule, ServerConfig,
    State, Status,
};
use rig::{GET, POST_CHUNKED, Rig, Seen, post, seconds, statuses};

/// How octets are cut.
const CUTS: [usize; 3] = [usize::MAX, 7, 1];

/// The rule that refuses `octets`; `None`: they are accepted. The same for every cut, and with its status, and the
/// close, on the wire.
#[track_caller]
fn verdict(octets: &str, change: impl Fn(&mut ChannelConfig)) -> Option<Rule> {
    let verdicts = CUTS.map(|cut| {
        let mut rig = Rig::with(&change);
        rig.clock(1);
        for piece in octets.as_bytes().chunks(cut.min(60_000)) {
            if rig.channel.input_room() < piece.len() {
                break;
            }
            rig.rx(piece);
            if rig.state() == State::WaitResponse {
                rig.demand(u64::MAX);
            }
        }
        let refused = rig.seen().into_iter().find_map(|seen| match seen {
            Seen::Refused(rule) => Some(rule),
            _ => None,
        });
        if let Some(rule) = refused {
            let wire = rig.wire();
            assert_eq!(statuses(&wire), [rule.status().code().to_string()], "{wire}");
            assert!(wire.contains("\r\nConnection: close\r\n"), "{wire}");
            assert_eq!(rig.state(), State::Lingering);
            rig.input(Input::RxEnd);
            let reason = rig.seen().pop();
            assert!(
                matches!(reason, Some(Seen::Closed(CloseReason::Refused(error))) if error.rule == rule),
                "{reason:?}"
            );
        } else {
            assert_eq!(rig.state(), State::WaitResponse, "the octets are a whole request");
            rig.ok("");
            assert_eq!(statuses(&rig.wire()), ["200"]);
            assert_eq!(rig.state(), State::Idle);
        }
        refused
    });
    assert!(verdicts.iter().all(|other| *other == verdicts[0]), "{verdicts:?} for the cuts {CUTS:?}");
    verdicts[0]
}

/// `make(n)` needs a limit of `n`. Under `limit`, one less and the value itself pass, one more breaks `rule`; under 0
/// everything passes.
#[track_caller]
fn inclusive(limit: u64, make: impl Fn(u64) -> String, rule: Rule, set: impl Fn(&mut ChannelConfig, u64)) {
    for (n, expected) in [(limit - 1, None), (limit, None), (limit + 1, Some(rule)), (limit * 3, Some(rule))]
    {
        let octets = make(n);
        assert_eq!(verdict(&octets, |config| set(config, limit)), expected, "{n} of {limit}");
        assert_eq!(verdict(&octets, |config| set(config, 0)), None, "{n} without a limit");
    }
}

/// A head of `size` octets.
fn head_of(size: usize) -> String {
    let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n";
    frame.replace("X: ", &format!("X: {}", "x".repeat(size - frame.len())))
}

#[test]
fn the_defaults_are_those_of_the_specification_and_of_a_public_server() {
    let config = ChannelConfig::default();
    assert_eq!(config.max_request_header_size, 262_144);
    assert_eq!(config.max_request_body_size, 1_073_741_824);
    assert_eq!(config.inbuf_overflow, 524_288);
    assert_eq!(config.maximum_simultaneous_requests, 0);
    assert_eq!((config.max_request_fields, config.max_request_target_size), (128, 8_192));
    assert_eq!((config.max_trailer_size, config.max_trailer_fields), (8_192, 32));
    assert_eq!((config.max_chunk_extension_line, config.max_chunk_extension_body), (256, 16_384));
    assert_eq!((config.output_high_water, config.input_bound), (65_536, 65_536));
    assert_eq!((config.url_scheme.as_ref(), config.identity.as_ref()), ("http", "httpfsm"));
    assert!(!config.expose_tracebacks && !config.fin_is_disconnect);
}

#[test]
fn the_hardened_values_are_tighter() {
    let server = ServerConfig::hardened();
    assert_eq!(server.maximum_simultaneous_requests, 1024);
    assert_eq!((server.max_connections, server.max_connections_per_peer), (10_000, 256));
    assert_eq!(server.max_buffered_octets, 128 << 20);
    assert_eq!(server.channel.input_bound, ChannelConfig::hardened().input_bound);
    assert_eq!(server.channel.head_timeout, ChannelConfig::hardened().head_timeout);
    let config = ChannelConfig::hardened();
    assert_eq!((config.linger_octets, config.discard_octets), (64 << 10, 64 << 10));
    assert_eq!((config.max_request_header_size, config.max_request_fields), (16_384, 100));
    assert_eq!((config.max_request_body_size, config.inbuf_overflow), (16 << 20, 65_536));
    assert_eq!(config.maximum_simultaneous_requests, 16);
}

#[test]
fn a_channel_tells_what_it_obeys() {
    let rig = Rig::with(|config| config.max_request_fields = 7);
    assert_eq!(rig.channel.settings().config().max_request_fields, 7);
}

// Head.

#[test]
fn the_size_of_a_head_is_limited() {
    inclusive(
        100,
        |n| head_of(n as usize),
        Rule::HeadTooLarge,
        |config, limit| config.max_request_header_size = limit as u32,
    );
}

#[test]
fn an_empty_line_before_a_request_counts_into_its_head() {
    inclusive(
        100,
        |n| format!("\r\n{}", head_of(n as usize - 2)),
        Rule::HeadTooLarge,
        |config, limit| config.max_request_header_size = limit as u32,
    );
}

#[test]
fn a_head_of_the_default_size_passes_and_one_byte_more_does_not() {
    assert_eq!(verdict(&head_of(262_144), |_| {}), None);
    assert_eq!(verdict(&head_of(262_145), |_| {}), Some(Rule::HeadTooLarge));
}

#[test]
fn a_head_without_an_end_is_refused_at_its_limit() {
    let mut rig = Rig::with(|config| config.max_request_header_size = 1000);
    rig.rx(&head_of(5000)[..999]);
    assert_eq!(rig.seen(), []);
    rig.rx("x");
    assert_eq!(rig.seen(), [Seen::Refused(Rule::HeadTooLarge)]);
}

#[test]
fn the_field_lines_of_a_head_are_counted() {
    inclusive(
        5,
        |n| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(n as usize - 1)),
        Rule::TooManyFields,
        |config, limit| config.max_request_fields = limit as u32,
    );
    // More than there is room for on the stack of the parser.
    inclusive(
        200,
        |n| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(n as usize - 1)),
        Rule::TooManyFields,
        |config, limit| config.max_request_fields = limit as u32,
    );
}

#[test]
fn the_request_target_is_limited() {
    inclusive(
        20,
        |n| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(n as usize - 1)),
        Rule::TargetTooLong,
        |config, limit| config.max_request_target_size = limit as u32,
    );
}

#[test]
fn a_target_that_fills_the_head_is_too_long_and_not_the_head_too_large() {
    let octets = format!("GET /{}", "t".repeat(300));
    let limits = |config: &mut ChannelConfig| {
        config.max_request_target_size = 100;
        config.max_request_header_size = 200;
    };
    assert_eq!(verdict(&octets, limits), Some(Rule::TargetTooLong));
}

#[test]
fn a_method_longer_than_any_is_not_implemented() {
    for (length, expected) in [(255, None), (256, None), (257, Some(Rule::MethodTooLong))] {
        let octets = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(length));
        assert_eq!(verdict(&octets, |_| {}), expected, "{length}");
    }
}

// Body.

#[test]
fn the_announced_length_of_a_body_is_limited() {
    inclusive(
        10,
        |n| post(n) + &"x".repeat(n as usize),
        Rule::BodyTooLarge,
        |config, limit| config.max_request_body_size = limit,
    );
}

#[test]
fn the_sum_of_the_chunks_of_a_body_is_limited() {
    let set = |config: &mut ChannelConfig, limit| config.max_request_body_size = limit;
    inclusive(
        10,
        |n| format!("{POST_CHUNKED}{n:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(n as usize)),
        Rule::BodyTooLarge,
        set,
    );
    inclusive(
        10,
        |n| format!("{POST_CHUNKED}{}0\r\n\r\n", "1\r\nx\r\n".repeat(n as usize)),
        Rule::BodyTooLarge,
        set,
    );
}

#[test]
fn a_length_above_the_limit_is_refused_before_any_of_the_body_came() {
    let mut rig = Rig::new();
    rig.rx(post(1_073_741_825));
    assert_eq!(rig.seen(), [Seen::Refused(Rule::BodyTooLarge)]);
    let mut rig = Rig::new();
    rig.rx(post(1_073_741_824));
    assert_eq!(rig.seen(), [Seen::Request("POST /".into())]);
}

#[test]
fn a_length_that_no_number_holds_is_too_large_even_without_a_limit() {
    for length in ["18446744073709551616", "99999999999999999999999999999999"] {
        let octets = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(verdict(&octets, |config| config.max_request_body_size = 0), Some(Rule::BodyTooLarge));
    }
}

#[test]
fn the_application_is_told_why_its_body_ended() {
    let mut rig = Rig::with(|config| config.max_request_body_size = 3);
    rig.rx(POST_CHUNKED).demand(100).rx("3\r\nabc\r\n1\r\n");
    let seen = rig.seen();
    assert_eq!(seen[1], Seen::Data("abc".into()));
    // At octet 10 of the body ends the size line of the chunk that is too much.
    let error = RequestError::new(Rule::BodyTooLarge, 10);
    assert_eq!(seen[2], Seen::BodyFailed(BodyError::Malformed(error)));
    assert_eq!(seen[3], Seen::Refused(Rule::BodyTooLarge));
}

// Trailers and chunk extensions.

#[test]
fn the_size_of_a_trailer_section_is_limited() {
    inclusive(
        50,
        |n| format!("{POST_CHUNKED}0\r\nX: {}\r\n\r\n", "x".repeat(n as usize - 7)),
        Rule::TrailerTooLarge,
        |config, limit| config.max_trailer_size = limit as u32,
    );
}

#[test]
fn the_fields_of_a_trailer_section_are_counted() {
    inclusive(
        5,
        |n| format!("{POST_CHUNKED}0\r\n{}\r\n", "X: y\r\n".repeat(n as usize)),
        Rule::TooManyTrailers,
        |config, limit| config.max_trailer_fields = limit as u32,
    );
}

#[test]
fn the_extensions_of_a_chunk_line_are_limited() {
    inclusive(
        20,
        // The semicolon counts.
        |n| format!("{POST_CHUNKED}1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(n as usize - 1)),
        Rule::ChunkExtensionTooLarge,
        |config, limit| config.max_chunk_extension_line = limit as u32,
    );
    // On the last chunk too.
    inclusive(
        20,
        |n| format!("{POST_CHUNKED}0;{}\r\n\r\n", "e".repeat(n as usize - 1)),
        Rule::ChunkExtensionTooLarge,
        |config, limit| config.max_chunk_extension_line = limit as u32,
    );
}

#[test]
fn the_extensions_of_a_body_are_limited_together() {
    inclusive(
        30,
        |n| {
            let lines = "1;e\r\nx\r\n".repeat(n as usize / 2);
            let odd = if n % 2 == 1 { "1;e=\"\"\r\nx\r\n" } else { "" };
            // Two octets a line, five in the odd one: make up for it with one line less and a longer one.
            let lines = if n % 2 == 1 { "1;e\r\nx\r\n".repeat((n as usize - 5) / 2) } else { lines };
            format!("{POST_CHUNKED}{lines}{odd}0\r\n\r\n")
        },
        Rule::ChunkExtensionTooLarge,
        |config, limit| config.max_chunk_extension_body = limit as u32,
    );
}

// Output.

#[test]
fn an_application_has_room_up_to_the_high_water_mark() {
    let mut rig = Rig::with(|config| config.output_high_water = 2_000);
    rig.rx(GET).stream(Some(1 << 20)).send_all();
    assert_eq!(rig.channel.room(), 2_000);
    let over = "x".repeat(2_001);
    assert!(rig.try_input(Input::Write(Data::Slice(over.as_bytes()))).is_err());
    assert_eq!(rig.channel.unsent_len(), 0);
    rig.write(&"x".repeat(1_999));
    assert_eq!((rig.channel.room(), rig.channel.room_for_bytes()), (1, true));
    assert!(rig.try_input(Input::Write(Data::Slice(b"xx"))).is_err());
    rig.write("x");
    assert_eq!((rig.channel.room(), rig.channel.room_for_bytes()), (0, false));
    assert!(rig.try_input(Input::Write(Data::Bytes(Bytes::from_static(b"x")))).is_err());
    assert_eq!(rig.channel.unsent_len(), 2_000);
}

#[test]
fn one_large_content_by_reference_is_taken_whole_and_no_second() {
    let mut rig = Rig::with(|config| config.output_high_water = 2_000);
    rig.rx(GET).stream(Some(1 << 30)).send_all();
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    rig.input(Input::Write(Data::Bytes(large.clone())));
    assert_eq!((rig.channel.room(), rig.channel.room_for_bytes()), (0, false));
    rig.send((1 << 20) - 100);
    // There is room again, but not for a second reference.
    assert_eq!((rig.channel.room(), rig.channel.room_for_bytes()), (1_900, false));
    assert!(rig.try_input(Input::Write(Data::Bytes(large.clone()))).is_err());
    rig.input(Input::Write(Data::Bytes(large.slice(..1_900))));
    rig.send_all();
    assert!(rig.channel.room_for_bytes());
}

#[test]
fn a_whole_response_by_copy_is_at_most_the_high_water_mark() {
    for (length, accepted) in [(1_999, true), (2_000, true), (2_001, false)] {
        let mut rig = Rig::with(|config| config.output_high_water = 2_000);
        rig.rx(GET);
        let content = "x".repeat(length);
        let result = rig.try_respond(Status::OK, &Fields::new(), BodyRef::Slice(content.as_bytes()));
        assert_eq!(result.is_ok(), accepted, "{length}");
        if !accepted {
            assert_eq!(rig.state(), State::WaitResponse);
            rig.respond(Status::OK, &Fields::new(), BodyRef::Bytes(&Bytes::from(content)));
        }
        assert_eq!(rig.wire().matches('x').count(), length);
    }
}

#[test]
fn requests_wait_while_responses_are_not_read() {
    let mut rig = Rig::with(|config| config.output_high_water = 2_000);
    rig.rx(GET.repeat(20));
    let mut served = 1;
    while rig.state() == State::WaitResponse {
        rig.ok(&"x".repeat(900));
        served += 1;
        assert!(served < 10, "answers pile up");
    }
    assert_eq!(rig.state(), State::Flushing);
    assert!(rig.channel.unsent_len() < 2_000 + 1_100, "{}", rig.channel.unsent_len());
    rig.seen();
    rig.send(1_100);
    assert_eq!(rig.seen(), [Seen::Request("GET /".into())]);
}

#[test]
fn a_high_water_mark_too_low_to_work_is_raised() {
    let mut rig = Rig::with(|config| config.output_high_water = 0);
    rig.rx(GET).stream(None).send_all();
    assert_eq!(rig.channel.room(), 1_024);
}

// Input.

#[test]
fn input_that_nobody_takes_is_read_up_to_the_bound() {
    let mut rig = Rig::with(|config| config.input_bound = 5_000);
    rig.rx(GET);
    let room = rig.channel.input_room();
    assert_eq!(room, 5_000 - GET.len());
    assert!(rig.try_input(Input::RxData(&vec![b'x'; room + 1])).is_err());
    rig.rx("x".repeat(room - 1));
    assert_eq!(rig.channel.input_room(), 1);
    rig.rx("x");
    assert_eq!((rig.channel.input_room(), rig.channel.spare().len()), (0, 0));
    assert!(!rig.channel.waits_for().input());
    assert!(rig.try_input(Input::RxData(b"x")).is_err());
}

#[test]
fn reading_goes_on_when_half_of_the_bound_is_free() {
    let mut rig = Rig::with(|config| config.input_bound = 5_000);
    let head = post(100_000);
    rig.rx(&head);
    rig.rx("x".repeat(5_000 - head.len()));
    assert_eq!(rig.channel.input_room(), 0);
    // The head's octets go with the first demand.
    rig.demand(2_499 - head.len() as u64);
    assert_eq!(rig.channel.input_room(), 0);
    rig.demand(1);
    assert_eq!(rig.channel.input_room(), 2_500);
}

#[test]
fn a_bound_too_low_to_work_is_raised() {
    let mut rig = Rig::with(|config| config.input_bound = 0);
    rig.rx(GET);
    assert_eq!(rig.channel.input_room(), 4_096 - GET.len());
}

#[test]
fn a_body_comes_no_further_than_it_was_demanded() {
    for request in [post(10) + "0123456789", format!("{POST_CHUNKED}5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n")] {
        let mut rig = Rig::new();
        rig.rx(&request);
        assert_eq!(rig.seen(), [Seen::Request("POST /".into())]);
        rig.demand(4);
        assert_eq!(rig.seen(), [Seen::Data("0123".into())]);
        rig.demand(3);
        let data: String = rig
            .seen()
            .iter()
            .map(|seen| match seen {
                Seen::Data(data) => data.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(data, "456");
        rig.demand(100);
        assert_eq!(rig.seen(), [Seen::Data("789".into()), Seen::BodyEnd(String::new())]);
    }
}

// Requests.

/// `total` requests to a channel that takes `limit`; the handler is silent until all input is in, which comes in two
/// pieces, and then answers what it is given.
#[track_caller]
fn simultaneous(limit: u32, requests: &[&str], cut: usize) -> (Vec<String>, String, State) {
    let octets = requests.concat();
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = limit);
    for piece in [&octets[..cut], &octets[cut..]] {
        if !piece.is_empty() {
            rig.rx(piece);
            // All outputs were taken; a handler that has a request owes its answer.
            rig.input(Input::Judge);
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
        // The answer knows the request that it refuses.
        assert!(wire.contains("HTTP/1.0 503 ") && wire.ends_with("\r\n\r\n"), "cut {cut}: {wire}");
    }
}

/// It is asked at each octet, and there is nothing to be seen before the last.
#[test]
fn a_request_that_arrives_byte_by_byte_counts_at_its_last() {
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = 1);
    rig.rx(GET);
    for octet in format!("{}1234567890", post(10)).as_bytes() {
        rig.rx([*octet]).input(Input::Judge).input(Input::Judge);
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
        rig.rx(GET).rx(&second).input(Input::Judge).rx(GET).input(Input::Judge).ok("");
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
    rig.rx(GET).rx(&GET[..GET.len() - 1]).input(Input::Judge).ok("");
    rig.rx("\n").ok("");
    assert_eq!(statuses(&rig.wire()), ["200", "200"]);
}

#[test]
fn what_is_complete_counts_once_and_what_is_not_does_not() {
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = 2);
    rig.rx(GET.repeat(2)).input(Input::Judge).ok("").ok("");
    rig.rx(GET).ok("").rx(GET).ok("");
    assert_eq!(statuses(&rig.wire()), ["200"; 4]);
    let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = 1);
    rig.rx(GET).rx(post(5)).rx("12").input(Input::Judge).ok("");
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
    rig.rx(GET).stream(None).rx(GET).input(Input::Judge).write("x").finish();
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
    rig.rx(GET.repeat(2)).input(Input::Judge).ok("");
    assert!(rig.seen().contains(&Seen::Refused(Rule::SimultaneousRequests)));
    rig.send_all().input(Input::RxEnd);
    let error = RequestError::new(Rule::SimultaneousRequests, 0);
    assert_eq!(rig.seen().pop(), Some(Seen::Closed(CloseReason::Refused(error))));
}

#[test]
fn without_a_limit_all_requests_wait() {
    let mut rig = Rig::new();
    rig.rx(GET.repeat(500)).input(Input::Judge);
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
