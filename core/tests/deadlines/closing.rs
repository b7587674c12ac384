//! How long input is read and discarded: after a response that closes (lingering), and when the rest of a body was
//! not read (discard).

use httpfsm::channel::{Input, State};
use httpfsm::{ChannelConfig, CloseReason};

use crate::rig::{GET, Rig, Seen, post};
use crate::support::pass_at;

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
    let mut rig = lingering(|config| config.linger_bytes = 1000);
    rig.seen();
    rig.rx("x".repeat(600)).rx("x".repeat(399));
    assert_eq!((rig.seen(), rig.state()), (vec![], State::Lingering));
    rig.rx("x");
    assert_eq!(rig.seen(), [Seen::Drop, Seen::Closed(CloseReason::RequestedByPeer)]);
}

#[test]
fn lingering_holds_no_bytes() {
    let mut rig = lingering(|config| config.linger_bytes = 1 << 30);
    for _ in 0..100 {
        rig.rx("x".repeat(65_536));
    }
    assert!(rig.channel.buffered() <= 128 << 10, "{}", rig.channel.buffered());
}

#[test]
fn without_a_linger_time_or_bytes_the_connection_closes_at_once() {
    for change in
        [(|config: &mut ChannelConfig| config.linger_timeout = None) as fn(&mut ChannelConfig), |config| {
            config.linger_bytes = 0
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
    assert_eq!(rig.close_reason(), CloseReason::BodyUnread);
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
    for (bytes, close) in [(989, true), (990, false), (991, false)] {
        let mut rig = Rig::with(|config| config.discard_bytes = bytes);
        // Nothing of the body is here: what counts is what was not asked for.
        rig.rx(post(990)).ok("early");
        let wire = rig.wire();
        assert_eq!(wire.contains("Connection: close"), close, "{bytes}: {wire}");
        assert_eq!(rig.state(), if close { State::Lingering } else { State::Discard });
    }
}

#[test]
fn without_a_discard_time_or_bytes_no_rest_is_awaited() {
    for change in
        [(|config: &mut ChannelConfig| config.discard_timeout = None) as fn(&mut ChannelConfig), |config| {
            config.discard_bytes = 0
        }]
    {
        let mut rig = discarding(change);
        assert_eq!(rig.state(), State::Lingering);
        assert_eq!(rig.close_reason(), CloseReason::BodyUnread);
    }
}
