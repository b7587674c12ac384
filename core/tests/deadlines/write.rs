//! The deadline of pending output, and the rate at which the peer has to read it.

use httpfsm::channel::{Input, State};
use httpfsm::response::BodyRef;
use httpfsm::{CloseReason, Fields, Status};

use crate::rig::{GET, Rig, Seen, Setup, post, seconds};
use crate::support::{never_passes, pass_at};

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
        assert!(second < 62, "one byte a second keeps the response alive");
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

/// It is staged by the event that says that the rest of the batch before has left.
#[test]
fn the_response_behind_a_batch_that_left_late_has_the_whole_time() {
    let mut rig = Rig::with(|config| {
        config.write_timeout = seconds(60);
        config.min_write_rate = 512;
        config.output_high_water = 1024;
    });
    let content = vec![b'x'; 10_000].into();
    rig.rx(format!("{GET}\0")).respond(Status::OK, &Fields::new(), BodyRef::Bytes(&content));
    let most = rig.channel.unsent_len() - 100;
    rig.clock(1_000).send(most);
    rig.clock(60_900).send(100);
    assert_eq!(rig.state(), State::Closing, "the 400 is on its way");
    assert_eq!(rig.deadline(), Some(120_900));
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
