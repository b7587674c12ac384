//! What a review found: each test is an input sequence that once went wrong.

#[path = "support/rig.rs"]
mod rig;

use httpfsm::Input;
use rig::{GET, Rig, post};

#[test]
fn input_goes_on_when_the_body_was_taken() {
    let mut rig = Rig::new();
    rig.rx(post(1 << 20)).demand(u64::MAX);
    // As much as one read brings, twice: what is taken makes room at once.
    for _ in 0..2 {
        assert_eq!(rig.channel.input_room(), 64 << 10);
        rig.input(Input::RxData(&[b'x'; 64 << 10]));
        rig.told();
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
