//! The deadline of a request body, and the rate at which it has to arrive.

use httpfsm::channel::{Input, State};
use httpfsm::{BodyError, CloseReason, Rule};

use crate::rig::{POST_CHUNKED, Rig, Seen, post, seconds, statuses};
use crate::support::{FOR_EVER, never_passes, pass_at, refused};

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
    assert_eq!(rig.close_reason(), refused(Rule::BodyTimeout, 0));
}

#[test]
fn each_byte_of_a_body_takes_back_its_share_of_the_time_and_saves_nothing_up() {
    let mut rig = body(512);
    rig.rx(post(1 << 20)).demand(u64::MAX);
    rig.clock(1_000).rx("x".repeat(512));
    assert_eq!(rig.deadline(), Some(61_000));
    // Ten seconds' worth of bytes, when one second was used.
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
        assert!(second < 62, "one byte a second keeps the body alive");
        let _ = rig.clock(second * 1000).try_input(Input::RxData(b"x"));
    }
    // 60 s, and 59 bytes at 512 a second.
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
    // 40 s are left, and what the bytes earned.
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
    assert_eq!(rig.close_reason(), CloseReason::BodyFailed(BodyError::TimedOut));
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
