//! A server that goes out: who is still served, its deadline, and its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::fsm::Taken;
use httpfsm::server::{Action, Event, Internal, NotAdmitted, ServerInput, ServerOutput, State};
use httpfsm::time::Moment;

use super::{Bench, closed, connected, peer};

#[test]
fn a_drain_without_channels_ends_at_once() {
    let mut bench = Bench::new(ServerConfig::default());
    assert_eq!(bench.send(ServerInput::GoOut), [ServerOutput::GoOut]);
    assert!(!bench.server.is_gone());
    assert_eq!(bench.send(ServerInput::ListenersClosed), [ServerOutput::Gone]);
    assert!(bench.server.is_gone());
    assert_eq!(bench.server.deadline(), None);
}

/// The kernel had accepted them before the listener closed: they would be reset.
#[test]
fn while_it_drains_a_server_takes_those_who_waited_for_a_listener() {
    let config = ServerConfig { max_connections_per_peer: 1, ..ServerConfig::default() };
    let mut bench = Bench::new(config);
    let first = bench.open("192.0.2.1:1");
    bench.send(ServerInput::GoOut);
    assert_eq!(bench.close(first), [], "another may wait still");
    let second = bench.open("192.0.2.2:1");
    assert_eq!(bench.connect("192.0.2.2:2"), Err(NotAdmitted::Peer));
    assert_eq!(bench.send(ServerInput::ListenersClosed), []);
    assert_eq!(bench.connect("192.0.2.3:1"), Err(NotAdmitted::Draining));
    assert_eq!(bench.send(ServerInput::ListenersClosed), [], "repeating it is harmless");
    assert_eq!(bench.close(second), [ServerOutput::Gone]);
}

#[test]
fn listeners_that_close_while_the_server_is_in_service_change_nothing() {
    let mut bench = Bench::new(ServerConfig::default());
    assert_eq!(bench.send(ServerInput::ListenersClosed), []);
    let channel = bench.open("192.0.2.1:1");
    assert_eq!(bench.go_out(), [ServerOutput::GoOut]);
    assert_eq!(bench.close(channel), [ServerOutput::Gone]);
}

/// Those who waited for a listener are judged like all others, and no verdict moves the server on.
#[test]
fn a_connection_that_is_turned_away_leaves_a_server_where_it_stands_also_while_it_drains() {
    for state in [State::Listening, State::Draining] {
        let mut bench = Bench::new(ServerConfig {
            origins: vec!["192.0.2.0/24".parse().expect("an origin")],
            max_connections: 2,
            max_connections_per_peer: 1,
            ..ServerConfig::default()
        });
        bench.open("192.0.2.1:1");
        if state == State::Draining {
            bench.send(ServerInput::GoOut);
        }
        for (from, reason) in [("198.51.100.1:1", NotAdmitted::Origin), ("192.0.2.1:2", NotAdmitted::Peer)] {
            assert_eq!(bench.connect(from), Err(reason), "in {state}");
            assert_eq!(bench.server.state(), state, "after {reason:?}");
        }
        bench.open("192.0.2.2:1");
        assert_eq!(bench.connect("192.0.2.3:1"), Err(NotAdmitted::Full), "in {state}");
        assert_eq!(bench.server.state(), state, "after a full server");
        let stats = bench.server.stats();
        assert_eq!(
            (stats.not_admitted_origin, stats.not_admitted_peer, stats.not_admitted_full),
            (1, 1, 1),
            "in {state}"
        );
    }
}

#[test]
fn a_server_that_drains_drains_on_when_it_is_told_again_and_at_its_deadline() {
    let mut bench = Bench::new(ServerConfig::default());
    let channel = bench.open("192.0.2.1:1");
    bench.send(ServerInput::GoOut);
    let deadline = bench.server.deadline();
    assert_eq!(bench.wait(1).send(ServerInput::GoOut), []);
    assert_eq!((bench.server.state(), bench.server.deadline()), (State::Draining, deadline));
    assert_eq!(bench.wait(100).send(ServerInput::Tick), [ServerOutput::DropChannels]);
    assert_eq!(bench.server.state(), State::Draining, "a listener may still be open");
    bench.close(channel);
    assert_eq!(bench.server.state(), State::Draining);
    assert_eq!(bench.send(ServerInput::ListenersClosed), [ServerOutput::Gone]);
}

#[test]
fn a_drain_ends_with_the_last_channel() {
    let mut bench = Bench::new(ServerConfig::default());
    let (first, second) = (bench.open("192.0.2.1:1"), bench.open("192.0.2.1:2"));
    assert_eq!(bench.go_out(), [ServerOutput::GoOut]);
    assert_eq!(bench.connect("192.0.2.1:3"), Err(NotAdmitted::Draining));
    assert_eq!(bench.send(ServerInput::GoOut), [], "repeating it is harmless");
    assert_eq!(bench.close(first), []);
    assert!(!bench.server.is_gone());
    assert_eq!(bench.close(second), [ServerOutput::Gone]);
    assert!(bench.server.is_gone());
    assert_eq!(bench.connect("192.0.2.1:4"), Err(NotAdmitted::Draining));
    assert_eq!(bench.server.stats().not_admitted_draining, 2);
}

#[test]
fn a_drain_drops_what_is_left_at_its_deadline_and_once() {
    let mut bench = Bench::new(ServerConfig::default());
    let channel = bench.open("192.0.2.1:1");
    bench.wait(5).go_out();
    assert_eq!(bench.server.deadline(), Some(Moment::from_millis(36_000)));
    assert_eq!(bench.wait(30).send(ServerInput::Tick), []);
    assert_eq!(bench.wait(1).send(ServerInput::Tick), [ServerOutput::DropChannels]);
    assert_eq!(bench.server.deadline(), None);
    assert_eq!(bench.wait(9).send(ServerInput::Tick), []);
    assert_eq!(bench.close(channel), [ServerOutput::Gone]);
}

#[test]
fn an_input_at_a_time_is_first_a_tick_at_that_time() {
    let mut bench = Bench::new(ServerConfig::default());
    let channel = bench.open("192.0.2.1:1");
    bench.go_out();
    assert_eq!(bench.wait(31).close(channel), [ServerOutput::DropChannels, ServerOutput::Gone]);
}

#[test]
fn a_time_in_the_past_is_none() {
    let mut bench = Bench::new(ServerConfig::default());
    bench.open("192.0.2.1:1");
    bench.wait(100).send(ServerInput::Tick);
    bench.at = Moment::START;
    bench.send(ServerInput::GoOut);
    assert_eq!(bench.server.deadline(), Some(Moment::from_millis(131_000)));
}

#[test]
fn without_a_drain_deadline_the_drain_waits() {
    let mut bench = Bench::new(ServerConfig { drain_deadline: None, ..ServerConfig::default() });
    let channel = bench.open("192.0.2.1:1");
    bench.go_out();
    assert_eq!(bench.server.deadline(), None);
    assert_eq!(bench.wait(1_000_000).send(ServerInput::Tick), []);
    assert_eq!(bench.close(channel), [ServerOutput::Gone]);
}

/// Nothing would end the channel of a connection that a listener tells so late: the deadline has passed already.
#[test]
fn after_its_deadline_a_server_that_drains_takes_nobody() {
    let mut bench = Bench::new(ServerConfig::default());
    let first = bench.open("192.0.2.1:1");
    bench.send(ServerInput::GoOut);
    let second = bench.open("192.0.2.2:1");
    assert_eq!(bench.wait(31).send(ServerInput::Tick), [ServerOutput::DropChannels]);
    assert_eq!(bench.server.would_turn_away(&peer("192.0.2.3:1")), Some(NotAdmitted::Draining));
    assert_eq!(bench.connect("192.0.2.3:1"), Err(NotAdmitted::Draining));
    assert_eq!(bench.server.stats().not_admitted_draining, 1);
    assert_eq!((bench.server.state(), bench.server.deadline()), (State::Draining, None));
    assert_eq!(bench.send(ServerInput::ListenersClosed), []);
    assert_eq!(bench.close(first), []);
    assert_eq!(bench.close(second), [ServerOutput::Gone]);
}

#[test]
fn a_drain_deadline_that_no_time_reaches_is_none() {
    for late in [Duration::MAX, Duration::from_millis(u64::MAX), Duration::from_millis(u64::MAX - 1)] {
        let mut bench = Bench::new(ServerConfig { drain_deadline: Some(late), ..ServerConfig::default() });
        bench.open("192.0.2.1:1");
        bench.go_out();
        assert_eq!(bench.server.deadline(), None, "{late:?}");
        for at in [Moment::NEVER, Moment::from_millis(u64::MAX - 1)] {
            bench.at = at;
            assert_eq!(bench.send(ServerInput::Tick), [], "{late:?} at {at:?}");
        }
    }
}

/// A caller who catches the panic would have a connection without a verdict, or a server that never goes.
#[test]
fn a_trace_that_panics_leaves_no_input_half_done() {
    let panics = |bench: &mut Bench, input: ServerInput| {
        let (server, at) = (&mut bench.server, bench.at);
        let mut trace = |_: &Taken<State, Event, Internal, Action>| panic!("out of cheese");
        let caught = catch_unwind(AssertUnwindSafe(|| server.handle_with(at, input, &mut trace)));
        assert!(caught.is_err(), "no step was told");
        bench.outputs()
    };
    let mut bench = Bench::new(ServerConfig::default());
    let opened = panics(&mut bench, connected("192.0.2.1:1"));
    let [ServerOutput::HttpChannel { id, .. }] = opened[..] else { panic!("{opened:?}") };
    assert_eq!(panics(&mut bench, ServerInput::GoOut), [ServerOutput::GoOut]);
    assert_eq!(panics(&mut bench, ServerInput::ListenersClosed), []);
    bench.wait(31);
    assert_eq!(panics(&mut bench, closed(id)), [ServerOutput::DropChannels, ServerOutput::Gone]);
    assert!(bench.server.is_gone());
}
