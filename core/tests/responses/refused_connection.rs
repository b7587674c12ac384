//! A connection that is refused by what came before HTTP on it.

use std::time::Duration;

use httpfsm::channel::{Facts, Input, State};
use httpfsm::time::Moment;
use httpfsm::{CloseReason, RequestError, Rule};

use crate::rig::{GET, Rig, Seen, statuses};
use crate::support::ORIGIN;

fn refused(rule: Rule) -> Rig {
    Rig::with_facts(Facts::default().with_refusal(Some(rule)), |_| {})
}

#[test]
fn it_responds_by_its_rule_at_once_and_closes_after_lingering() {
    let mut rig = refused(Rule::Preface);
    assert_eq!(rig.state(), State::Fresh);
    assert_eq!(rig.channel.deadline(), Some(Moment::START));
    rig.tick(0);
    assert_eq!(rig.state(), State::Closing);
    assert_eq!(rig.seen(), [Seen::Refused(Rule::Preface)]);
    let page =
        "400 Bad Request\nWhat comes before the first request is not what this server expects there.\n";
    let expected = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n{ORIGIN}Connection: close\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    );
    assert_eq!(rig.wire(), expected);
    assert_eq!((rig.state(), rig.seen()), (State::Lingering, vec![Seen::CloseWrite]));
    rig.rx("what is thrown away");
    rig.input(Input::RxEnd);
    let reason = CloseReason::Refused(RequestError::new(Rule::Preface, 0));
    assert_eq!(rig.seen(), [Seen::Drop, Seen::Closed(reason)]);
}

#[test]
fn the_status_is_that_of_the_rule() {
    for rule in [Rule::PrefaceTooLong, Rule::FirstByte, Rule::Http2Preface, Rule::Busy] {
        let mut rig = refused(rule);
        rig.tick(0);
        assert_eq!(statuses(&rig.wire()), [rule.status().code().to_string()], "{rule:?}");
    }
}

/// Whatever the input: it is first a tick. The first request is not read.
#[test]
fn no_input_comes_before_the_refusal() {
    let inputs = [Input::RxData(GET.as_bytes()), Input::Evict, Input::RxEnd, Input::CheckPipeline];
    for input in inputs {
        let shown = format!("{input:?}");
        let mut rig = refused(Rule::Preface);
        let taken = rig.try_input(input);
        assert_eq!(taken.is_err(), shown.contains("RxData"), "{shown}");
        assert_eq!(rig.state(), State::Closing, "{shown}");
        assert_eq!(rig.seen(), [Seen::Refused(Rule::Preface)], "{shown}");
        assert_eq!(rig.channel.stats().requests, 0, "{shown}");
        assert_eq!(statuses(&rig.wire()), ["400"], "{shown}");
    }
    let mut lost = refused(Rule::Preface);
    lost.input(Input::Disconnected);
    assert_eq!(lost.state(), State::Closed);
}

#[test]
fn facts_without_a_refusal_refuse_nothing() {
    let facts = Facts::default().with_age_jitter(Duration::from_secs(1)).with_refusal(None);
    let mut rig = Rig::with_facts(facts, |_| {});
    assert_eq!(rig.rx(GET).state(), State::WaitResponse);
}

#[test]
fn a_peer_that_does_not_take_the_refusal_is_cut_in_time() {
    let mut rig = refused(Rule::Preface);
    rig.tick(0);
    let due = rig.channel.deadline().expect("output is pending");
    assert_eq!(due, Moment::from_millis(60_000));
    rig.tick(60_000);
    let reason = CloseReason::Refused(RequestError::new(Rule::Preface, 0));
    assert_eq!(rig.seen(), [Seen::Refused(Rule::Preface), Seen::Reset, Seen::Closed(reason)]);
}
