//! Buffers that a worker lends: what comes back, and what does not.

#[path = "support/rig.rs"]
mod rig;

use httpfsm::channel::{Data, Input, Output, State, WorkerBuffers};
use httpfsm::time::{Date, Moment, Now};
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

/// Leaves the outputs to be taken.
fn take_in(rig: &mut Rig, input: Input<'_>) {
    rig.channel.handle(&Now::new(Moment::START, &Date::EPOCH), input).expect("it fits");
}

/// A head with a body of which all was asked for.
fn reads_body(rig: &mut Rig, head: &str) {
    rig.rx(head);
    take_in(rig, Input::BodyDemand(u64::MAX));
}

const LONG: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_body_takes_the_buffer_along_that_it_fills() {
    for (head, begin) in [(LONG, ""), (CHUNKED, "100000\r\n")] {
        let (mut buffers, mut rig, mut body) = (WorkerBuffers::new(), Rig::new(), Vec::new());
        rig.channel.lend(&mut buffers);
        reads_body(&mut rig, head);
        for byte in [b'x', b'y'] {
            let begin = if byte == b'x' { begin } else { "" };
            let room = rig.channel.spare();
            let read = room.len();
            room.fill(byte);
            room[..begin.len()].copy_from_slice(begin.as_bytes());
            take_in(&mut rig, Input::RxRead(read));
            let place = rig.channel.take_body_buffer(&mut body).expect(head);
            assert_eq!(place.len(), read - begin.len(), "{head}");
            assert!(body[place].iter().all(|&is| is == byte) && !rig.channel.has_output(), "{head}");
        }
        // What the worker gets back is whole.
        rig.channel.take_back(&mut buffers);
        assert_eq!((rig.channel.buffered(), offered(&mut buffers)), (0, 64 << 10), "{head}");
    }
}

#[test]
fn a_body_takes_no_buffer_along_that_holds_more_than_it_or_is_half_empty_or_the_channel_s_own() {
    let chunks = |bytes: usize| format!("{bytes:x}\r\n{}\r\n", "x".repeat(bytes));
    let cases: [(&str, String, bool); 4] = [
        (LONG, "x".repeat(50_000), true),
        // The end of the chunk's line is to come, and then more of what follows.
        (CHUNKED, chunks(60_000) + "0\r\nA: b", true),
        (&LONG.replace("1000000", "60000"), "x".repeat(60_000) + "GET /", true),
        (LONG, "x".repeat(60_000), false),
    ];
    for (head, input, is_lent) in cases {
        let (mut buffers, mut rig, mut body) = (WorkerBuffers::new(), Rig::new(), vec![1]);
        if is_lent {
            rig.channel.lend(&mut buffers);
        }
        let mut taken = 0;
        reads_body(&mut rig, head);
        let mut left = input.as_bytes();
        while !left.is_empty() {
            let room = rig.channel.spare();
            let read = room.len().min(left.len());
            room[..read].copy_from_slice(&left[..read]);
            left = &left[read..];
            take_in(&mut rig, Input::RxRead(read));
            assert_eq!(rig.channel.take_body_buffer(&mut body), None, "{head}");
            while let Some(output) = rig.channel.next_output() {
                if let Output::BodyData(bytes) = output {
                    taken += bytes.len();
                }
            }
        }
        assert_eq!(body, [1], "{head}");
        assert!(taken >= 50_000, "{head}: {taken}");
    }
}
