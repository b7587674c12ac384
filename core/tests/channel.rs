//! The channel, seen from outside: what goes in and what comes out.
#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

use std::sync::Arc;

use httpfsm::channel::{CompiledConfig, Facts, Input, Output, State};
use httpfsm::response::{BodyRef, ResponseRef};
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{Channel, ChannelConfig, CloseReason, Fields, Status};

fn channel() -> Channel {
    Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default())
}

fn now(millis: u64) -> Now<'static> {
    Now::new(Moment::from_millis(millis), &Date::EPOCH)
}

/// Feeds bytes, responds to every request with its target, sends everything, and returns what was sent.
fn exchange(channel: &mut Channel, input: &[u8]) -> String {
    let mut sent = Vec::new();
    channel.handle(&now(0), Input::RxData(input)).unwrap();
    loop {
        while let Some(output) = channel.next_output() {
            if let Output::HttpRequest = output {
                let target = channel.request().unwrap().target().to_owned();
                let fields = Fields::new();
                let response = ResponseRef::new(Status::OK, &fields, target.as_bytes());
                channel.handle(&now(0), Input::HttpResponse(response)).unwrap();
            }
        }
        let n = channel.unsent().len();
        if n == 0 {
            return String::from_utf8(sent).unwrap();
        }
        sent.extend_from_slice(channel.unsent());
        channel.handle(&now(0), Input::Sent(n)).unwrap();
    }
}

#[test]
fn pipelined_requests_get_responses_in_order_and_in_one_write() {
    let mut channel = channel();
    let sent = exchange(
        &mut channel,
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let response = |n| {
        format!(
            "HTTP/1.1 200 OK\r\nServer: httpfsm\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 2\r\n\r\n/{n}"
        )
    };
    assert_eq!(sent, [response(1), response(2), response(3)].concat());
    assert_eq!(channel.state(), State::Idle);
    assert_eq!(channel.buffered(), 0);
}

#[test]
fn a_bad_request_is_refused_and_the_channel_closes() {
    let mut channel = channel();
    let sent = exchange(&mut channel, b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    assert!(sent.contains("HTTP/1.1 400 Bad Request\r\n"), "{sent}");
    assert!(sent.contains("Connection: close\r\n"), "{sent}");
    assert_eq!(channel.state(), State::Lingering);
}

#[test]
fn no_response_from_its_head_is_made_to_a_request_that_was_forgotten() {
    let mut channel = channel();
    channel.handle(&now(0), Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    while channel.next_output().is_some() {}
    channel.forget_request();
    let responded = channel.respond_with(&now(0), |_, _| panic!("there is no head to show"));
    assert_eq!((responded, channel.state()), (Ok(false), State::WaitResponse));
}

#[test]
fn a_flush_asks_to_send_and_tells_when_all_has_left() {
    let mut channel = channel();
    channel.handle(&now(0), Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    while channel.next_output().is_some() {}
    let fields = Fields::new();
    let body = BodyRef::Stream { length: None };
    channel
        .handle(&now(0), Input::HttpResponse(ResponseRef { status: Status::OK, fields: &fields, body }))
        .unwrap();
    while channel.next_output().is_some() {}
    channel.flush(&now(0)).unwrap();
    assert!(matches!(channel.next_output(), Some(Output::FlushOutputData)));
    channel.handle(&now(0), Input::Sent(channel.unsent_len())).unwrap();
    assert!(matches!(channel.next_output(), Some(Output::Flushed)));
}

#[test]
fn a_read_of_nothing_is_no_input() {
    let mut channel = channel();
    assert!(!channel.spare().is_empty());
    assert!(channel.handle(&now(0), Input::RxRead(0)).is_err());
    assert!(channel.handle(&now(0), Input::RxData(b"")).is_err());
    assert_eq!(channel.state(), State::Fresh);
}

#[test]
fn bytes_are_counted_both_ways() {
    let mut channel = channel();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let sent = exchange(&mut channel, request).len() + exchange(&mut channel, request).len();
    let stats = channel.stats();
    assert_eq!((stats.received, stats.sent), (2 * request.len() as u64, sent as u64));
    assert_eq!((stats.requests, stats.refused), (2, 0));
}

#[test]
fn only_a_closed_channel_waits_for_nothing() {
    let mut channel = channel();
    while channel.next_output().is_some() {}
    assert!(!channel.waits_for().is_empty());
    let config = ChannelConfig { first_byte_timeout: None, ..ChannelConfig::default() };
    let fresh = Channel::new(Arc::new(CompiledConfig::new(&config)), Facts::default());
    assert!(fresh.waits_for().input() && !fresh.waits_for().is_empty());
    channel.handle(&now(0), Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    assert!(!channel.waits_for().is_empty());
    channel.handle(&now(0), Input::Disconnected).unwrap();
    while channel.next_output().is_some() {}
    assert!(channel.waits_for().is_empty());
}

#[test]
fn a_fin_is_a_disconnect_if_the_configuration_says_so() {
    let config = ChannelConfig { fin_is_disconnect: true, ..ChannelConfig::default() };
    let mut channel = Channel::new(Arc::new(CompiledConfig::new(&config)), Facts::default());
    channel.handle(&now(0), Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    channel.handle(&now(0), Input::RxEnd).unwrap();
    assert!(channel.is_closed());
}

#[test]
fn a_channel_is_small() {
    assert!(size_of::<Channel>() <= 424, "{}", size_of::<Channel>());
}

#[test]
fn an_application_may_read_a_long_body_while_it_responds_and_the_connection_goes_on() {
    let mut channel = channel();
    let fields = Fields::new();
    let content = [b'x'; 50_000];
    channel
        .handle(&now(0), Input::RxData(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"))
        .unwrap();
    while channel.next_output().is_some() {}
    let response =
        ResponseRef { status: Status::OK, fields: &fields, body: BodyRef::Stream { length: None } };
    channel.handle(&now(0), Input::HttpResponse(response)).unwrap();
    assert!(!String::from_utf8_lossy(channel.unsent()).contains("close"));
    channel.handle(&now(0), Input::BodyDemand(u64::MAX)).unwrap();
    let mut read = 0;
    for _ in 0..6 {
        channel.handle(&now(0), Input::RxData(&content)).unwrap();
        while let Some(output) = channel.next_output() {
            if let Output::BodyData(bytes) = output {
                read += bytes.len();
            }
        }
    }
    assert_eq!(read, 300_000);
    channel.handle(&now(0), Input::Finish(None)).unwrap();
    channel.handle(&now(0), Input::Sent(channel.unsent_len())).unwrap();
    assert_eq!(channel.state(), State::Idle);
}

#[test]
fn a_channel_that_has_closed_goes_on_saying_why() {
    let mut channel = channel();
    assert_eq!(channel.close_reason(), None);
    channel.handle(&now(0), Input::RxData(b"GET /")).unwrap();
    channel.handle(&now(0), Input::Disconnected).unwrap();
    for _ in 0..2 {
        assert_eq!(channel.close_reason(), Some(CloseReason::Disconnected));
        while channel.next_output().is_some() {}
    }
}

#[test]
fn interim_heads_stop_at_the_high_water_mark() {
    let mut channel = channel();
    channel.handle(&now(0), Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    while channel.next_output().is_some() {}
    let fields = Fields::new().with("Link", "</a.css>; rel=preload").unwrap();
    while channel.room() > 0 {
        channel.handle(&now(0), Input::Informational(Status::EARLY_HINTS, &fields)).unwrap();
    }
    assert!(channel.handle(&now(0), Input::Informational(Status::EARLY_HINTS, &fields)).is_err());
    assert!(channel.unsent_len() < (64 << 10) + 100);
}

#[test]
fn whoever_asks_for_a_body_that_is_none_is_told_its_end_once() {
    let mut channel = channel();
    channel.handle(&now(0), Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    while channel.next_output().is_some() {}
    channel.handle(&now(0), Input::BodyDemand(1)).unwrap();
    assert!(matches!(channel.next_output(), Some(Output::BodyEnd(trailers)) if trailers.is_empty()));
    channel.handle(&now(0), Input::BodyDemand(1)).unwrap();
    assert!(channel.next_output().is_none());
}

#[test]
fn a_deadline_of_zero_is_none_and_a_time_of_zero_to_linger_or_discard_is_none_at_all() {
    let zero = Some(std::time::Duration::ZERO);
    let config = ChannelConfig {
        first_byte_timeout: zero,
        head_timeout: zero,
        inactivity_timeout: zero,
        responseless_timeout: zero,
        write_timeout: zero,
        linger_timeout: zero,
        ..ChannelConfig::default()
    };
    let mut channel = Channel::new(Arc::new(CompiledConfig::new(&config)), Facts::default());
    assert_eq!(channel.deadline(), None);
    exchange(&mut channel, b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n");
    assert_eq!((channel.state(), channel.deadline()), (State::Head, None));
    exchange(&mut channel, b"Connection: close\r\nHost: a\r\n\r\n");
    assert!(channel.is_closed());
}
