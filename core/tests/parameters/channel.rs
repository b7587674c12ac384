//! The parameters of a channel.

use std::time::Duration;

use httpfsm::ChannelConfig;
use httpfsm::channel::{Data, Input, State};

use crate::kind::Kind::{Least, Most, MostOrNone, NoLimit, Time, TimeOrAtOnce, TimeOrNone};
use crate::kind::{Parameter, parameter};
use crate::rig::{GET, POST_CHUNKED, Rig, post};

/// A time: what is done to a channel that has no other deadline, and the state in which it passes.
macro_rules! time {
    ($parameter:ident, $kind:ident, |$rig:ident| $setup:expr, $state:ident) => {
        parameter(
            stringify!($parameter),
            $kind(|time, n| {
                let config = ChannelConfig { $parameter: time, ..timeless() };
                let $rig = &mut Rig::with(|default| *default = config);
                stays($setup, State::$state, n)
            }),
        )
    };
}

/// A limit of what a request has: the request that has `n` of it.
macro_rules! most {
    ($parameter:ident, $limit:expr, |$n:ident| $request:expr) => {
        parameter(
            stringify!($parameter),
            Most {
                limit: $limit,
                is_within: |limit, $n| is_served(&$request, |config| config.$parameter = limit as u32),
            },
        )
    };
}

/// Those of a channel, in the order in which the configuration has them.
pub(crate) const CHANNEL: &[Parameter] = &[
    parameter("url_scheme", NoLimit("a text")),
    parameter("identity", NoLimit("a text")),
    parameter("expose_tracebacks", NoLimit("a choice")),
    time!(inactivity_timeout, Time, |rig| rig.rx(GET).ok("").send_all(), Idle),
    time!(responseless_timeout, Time, |rig| rig.rx(GET), WaitResponse),
    time!(stream_idle_timeout, Time, |rig| rig.rx(GET).stream(None).send_all(), Responding),
    time!(peer_ended_timeout, Time, |rig| rig.rx(GET).input(Input::RxEnd), WaitResponse),
    time!(first_byte_timeout, Time, |rig| rig, Fresh),
    time!(head_timeout, Time, |rig| rig.rx("G"), Head),
    time!(body_timeout, Time, |rig| rig.rx(post(9)).demand(9), WaitResponse),
    parameter(
        "min_body_rate",
        Least {
            value: 10,
            is_enough: |value, n| {
                let rate = value as u32;
                let two = Some(Duration::from_secs(2));
                let mut rig = Rig::with(|config| {
                    *config = ChannelConfig { body_timeout: two, min_body_rate: rate, ..timeless() };
                });
                rig.rx(post(10_000)).demand(10_000);
                (1..100).all(|second| {
                    rig.tick(1000 * second);
                    rig.state() == State::WaitResponse
                        && rig.rx("x".repeat(n as usize)).state() == State::WaitResponse
                })
            },
        },
    ),
    time!(write_timeout, Time, |rig| rig.rx(GET).ok(""), Flushing),
    parameter(
        "min_write_rate",
        Least {
            value: 10,
            is_enough: |value, n| {
                let rate = value as u32;
                let two = Some(Duration::from_secs(2));
                let mut rig = Rig::with(|config| {
                    *config = ChannelConfig { write_timeout: two, min_write_rate: rate, ..timeless() };
                });
                rig.rx(GET).ok(&"x".repeat(10_000));
                (1..100).all(|second| {
                    rig.tick(1000 * second);
                    rig.state() == State::Flushing && rig.send(n as usize).state() == State::Flushing
                })
            },
        },
    ),
    time!(linger_timeout, TimeOrNone, |rig| rig.rx("bad\r\n\r\n").send_all(), Lingering),
    parameter(
        "linger_bytes",
        MostOrNone {
            limit: 20,
            is_within: |limit, n| {
                let mut rig = Rig::with(|config| config.linger_bytes = limit);
                rig.rx("bad\r\n\r\n").send_all();
                (0..n).all(|_| rig.try_input(Input::RxData(b"x")).is_ok())
            },
        },
    ),
    time!(discard_timeout, TimeOrNone, |rig| rig.rx(post(9)).ok(""), Discard),
    parameter(
        "discard_bytes",
        MostOrNone {
            limit: 20,
            is_within: |limit, n| {
                let mut rig = Rig::with(|config| config.discard_bytes = limit);
                rig.rx(post(n)).ok("").state() == State::Discard
            },
        },
    ),
    time!(drain_grace, TimeOrAtOnce, |rig| rig.rx(GET).ok("").send_all().go_out(), Idle),
    time!(drain_deadline, Time, |rig| rig.rx(GET).go_out(), WaitResponse),
    most!(max_request_header_size, 100, |n| {
        let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n";
        frame.replace("X: ", &format!("X: {}", "x".repeat(n as usize - frame.len())))
    }),
    most!(max_request_fields, 5, |n| format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: y\r\n".repeat(n as usize - 1)
    )),
    most!(max_request_target_size, 30, |n| format!(
        "GET /{} HTTP/1.1\r\nHost: a\r\n\r\n",
        "t".repeat(n as usize - 1)
    )),
    parameter(
        "max_request_body_size",
        Most {
            limit: 20,
            is_within: |limit, n| {
                let content = "x".repeat(n as usize);
                let set = |config: &mut ChannelConfig| config.max_request_body_size = limit;
                let announced = is_served(&(post(n) + &content), set);
                let one_chunk = is_served(&format!("{POST_CHUNKED}{n:x}\r\n{content}\r\n0\r\n\r\n"), set);
                let chunks = "1\r\nx\r\n".repeat(n as usize);
                let many = is_served(&format!("{POST_CHUNKED}{chunks}0\r\n\r\n"), set);
                assert!(announced == one_chunk && one_chunk == many, "{announced} {one_chunk} {many}");
                announced
            },
        },
    ),
    parameter(
        "inbuf_overflow",
        NoLimit("whole bodies are gathered by the transport: transport/tests/spool.rs"),
    ),
    most!(max_trailer_size, 50, |n| format!("{POST_CHUNKED}0\r\nX: {}\r\n\r\n", "x".repeat(n as usize - 7))),
    most!(max_trailer_fields, 5, |n| format!("{POST_CHUNKED}0\r\n{}\r\n", "X: y\r\n".repeat(n as usize))),
    most!(max_chunk_extension_line, 20, |n| format!(
        "{POST_CHUNKED}1;{}\r\nx\r\n0\r\n\r\n",
        "e".repeat(n as usize - 1)
    )),
    parameter(
        "max_chunk_extension_body",
        Most {
            limit: 20,
            is_within: |limit, n| {
                // One chunk has what is left of an even number.
                let lines = "1;e\r\nx\r\n".repeat(n as usize / 2 - 1);
                let last = if n % 2 == 0 { "1;e\r\nx\r\n" } else { "1;ee\r\nx\r\n" };
                is_served(&format!("{POST_CHUNKED}{lines}{last}0\r\n\r\n"), |config| {
                    config.max_chunk_extension_body = limit as u32;
                })
            },
        },
    ),
    parameter(
        "output_high_water",
        MostOrNone {
            limit: 2000,
            is_within: |limit, n| {
                let mut rig = Rig::with(|config| config.output_high_water = limit as u32);
                rig.rx(GET).stream(None).send_all();
                rig.try_input(Input::Write(Data::Slice(&vec![b'x'; n as usize]))).is_ok()
            },
        },
    ),
    parameter(
        "input_bound",
        MostOrNone {
            limit: 5000,
            is_within: |limit, n| {
                let mut rig = Rig::with(|config| config.input_bound = limit as u32);
                rig.rx(GET).try_input(Input::RxData(&vec![b'x'; n as usize - GET.len()])).is_ok()
            },
        },
    ),
    parameter(
        "maximum_simultaneous_requests",
        Most {
            limit: 3,
            is_within: |limit, n| {
                let mut rig = Rig::with(|config| config.maximum_simultaneous_requests = limit as u32);
                rig.rx(GET.repeat(n as usize)).input(Input::CheckPipeline);
                (0..n).all(|_| rig.state() == State::WaitResponse && rig.ok("").wire().contains(" 200 "))
            },
        },
    ),
    parameter(
        "connection_age",
        Most {
            limit: 3000,
            is_within: |limit, n| {
                let mut rig = Rig::with(|config| config.connection_age = Some(Duration::from_millis(limit)));
                rig.rx(GET).clock(n - 1);
                !rig.ok("").wire().contains("Connection: close")
            },
        },
    ),
    parameter(
        "requests_per_connection",
        Most {
            limit: 3,
            is_within: |limit, n| {
                let mut rig = Rig::with(|config| config.requests_per_connection = limit);
                (0..n).all(|_| {
                    let taken = rig.try_input(Input::RxData(GET.as_bytes())).is_ok();
                    taken && rig.state() == State::WaitResponse && rig.ok("").wire().contains(" 200 ")
                })
            },
        },
    ),
    parameter("fin_is_disconnect", NoLimit("a choice")),
    parameter("bodies", NoLimit("a choice, the transport's")),
    parameter("error_pages", NoLimit("a function")),
];

/// No deadline but those without which a state does not exist, which are too far.
fn timeless() -> ChannelConfig {
    ChannelConfig {
        inactivity_timeout: None,
        responseless_timeout: None,
        stream_idle_timeout: None,
        peer_ended_timeout: None,
        first_byte_timeout: None,
        head_timeout: None,
        body_timeout: None,
        write_timeout: None,
        drain_grace: None,
        drain_deadline: None,
        connection_age: None,
        ..ChannelConfig::default()
    }
}

/// Whether a channel that stands in `state` stands there still at `millis`.
fn stays(rig: &mut Rig, state: State, millis: u64) -> bool {
    rig.state() == state && rig.tick(millis).state() == state
}

/// Whether a request is served, and not refused.
fn is_served(bytes: &str, change: impl FnOnce(&mut ChannelConfig)) -> bool {
    let mut rig = Rig::with(change);
    for byte in bytes.as_bytes() {
        if rig.try_input(Input::RxData(std::slice::from_ref(byte))).is_err() {
            return false;
        }
        if rig.state() == State::WaitResponse {
            rig.demand(u64::MAX);
        }
    }
    rig.state() == State::WaitResponse && rig.ok("").wire().contains("HTTP/1.1 200 ")
}
