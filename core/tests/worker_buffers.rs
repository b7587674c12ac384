//! Buffers that a worker lends: what comes back, and what does not.

#[path = "support/rig.rs"]
mod rig;

use httpfsm::channel::{Data, Input, State, WorkerBuffers};
use rig::{GET, Rig};

/// Bytes that a channel is offered to read into when it is lent this.
fn offered(buffers: &mut WorkerBuffers) -> usize {
    let mut rig = Rig::new();
    rig.channel.lend(buffers);
    let offered = rig.channel.spare().len();
    rig.channel.take_back(buffers);
    offered
}

/// Bytes of output buffer that a channel gets when it is lent this.
fn output(buffers: &mut WorkerBuffers) -> usize {
    let mut rig = Rig::new();
    rig.channel.lend(buffers);
    let lent = rig.channel.buffered();
    rig.channel.take_back(buffers);
    lent
}

#[test]
fn buffers_that_are_lent_are_empty_until_they_are_refilled() {
    let mut buffers = WorkerBuffers::new();
    let (input, room) = (offered(&mut buffers), output(&mut buffers));
    let mut rig = Rig::new();
    rig.channel.lend(&mut buffers);
    assert!(offered(&mut buffers) < input && output(&mut buffers) == 0);
    buffers.refill();
    assert_eq!((offered(&mut buffers), output(&mut buffers)), (input, room));
    // What comes back finds the place taken, and goes.
    rig.channel.take_back(&mut buffers);
    assert_eq!((offered(&mut buffers), output(&mut buffers)), (input, room));
    assert_eq!(rig.channel.buffered(), 0);
}

#[test]
fn lent_input_is_not_counted_as_the_channel_s_own() {
    let mut buffers = WorkerBuffers::new();
    let mut rig = Rig::new();
    rig.channel.lend(&mut buffers);
    assert!(rig.channel.buffered() < rig.channel.spare().len());
    rig.rx("GET");
    assert!(rig.channel.buffered() < 64 << 10);
    rig.channel.take_back(&mut buffers);
    assert_eq!(rig.channel.buffered(), 3, "what is left of the input is");
}

/// What one large head needed is not kept for the channels after it.
#[test]
fn a_store_that_grew_is_not_lent_again() {
    let mut buffers = WorkerBuffers::new();
    let input = offered(&mut buffers);
    let mut rig = Rig::new();
    rig.channel.lend(&mut buffers);
    rig.rx(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200_000))).ok("");
    rig.channel.take_back(&mut buffers);
    assert!(offered(&mut buffers) < input, "the buffers lacks what grew");
    buffers.refill();
    assert_eq!(offered(&mut buffers), input);
}

#[test]
fn output_that_grew_is_not_lent_again() {
    let mut buffers = WorkerBuffers::new();
    let mut rig = Rig::with(|config| config.output_high_water = 1 << 20);
    rig.channel.lend(&mut buffers);
    rig.rx(GET).ok(&"x".repeat(600_000)).send_all();
    rig.channel.take_back(&mut buffers);
    assert_eq!(output(&mut buffers), 0);
    buffers.refill();
    assert_ne!(output(&mut buffers), 0);
}

#[test]
fn a_second_large_content_is_copied_and_follows_the_first() {
    let mut rig = Rig::new();
    let (first, second) = ("1".repeat(20_000), "2".repeat(20_000));
    rig.rx(GET).stream(Some(40_000));
    for content in [&first, &second] {
        rig.input(Input::Write(Data::Bytes(content.clone().into())));
    }
    rig.finish();
    assert!(rig.wire().ends_with(&format!("\r\n\r\n{first}{second}")));
    assert_eq!(rig.state(), State::Idle);
}
