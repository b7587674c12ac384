//! Empty lines where a request may begin (RFC 9112 section 2.2).

use httpfsm::CloseReason;
use httpfsm::channel::{Input, State};

use crate::rig::{GET, Rig, Seen, post, statuses};

/// Four empty lines and the beginning of one more.
const LINES: &str = "\r\n\r\n\r\n\r\n\r";

#[test]
fn empty_lines_leave_a_connection_idle() {
    let mut fresh = Rig::new();
    let mut idle = Rig::new();
    idle.rx(GET).ok("").wire();
    for (rig, state) in [(&mut fresh, State::Fresh), (&mut idle, State::Idle)] {
        rig.seen();
        for byte in LINES.bytes() {
            rig.rx([byte]);
            assert_eq!((rig.state(), rig.seen(), rig.channel.is_idle()), (state, vec![], true));
        }
    }
    idle.input(Input::Evict);
    assert_eq!(idle.seen(), [Seen::Drop, Seen::Closed(CloseReason::Evicted)]);
    // The fifth is refused, as it is in one piece.
    fresh.rx("\n");
    assert_eq!(statuses(&fresh.wire()), ["400"]);
}

#[test]
fn the_end_of_input_behind_empty_lines_is_no_request_that_was_cut() {
    for lines in ["\r", "\r\n", LINES] {
        let mut rig = Rig::new();
        rig.rx(lines).input(Input::RxEnd);
        assert_eq!(rig.seen(), [Seen::Drop, Seen::Closed(CloseReason::PeerEnded)], "{lines:?}");
        // It came while the request before them was responded to.
        let mut rig = Rig::new();
        rig.rx(GET.to_owned() + lines).input(Input::RxEnd).ok("");
        assert_eq!(statuses(&rig.wire()), ["200"], "{lines:?}");
        assert_eq!(rig.close_reason(), CloseReason::PeerEnded, "{lines:?}");
    }
}

#[test]
fn empty_lines_behind_a_request_leave_it_the_connection() {
    for piece in [post(1) + "x\r\n", GET.to_owned() + LINES] {
        let mut rig = Rig::new();
        rig.rx(piece).demand(1).ok("x");
        assert_eq!(rig.state(), State::Flushing);
        rig.wire();
        assert_eq!(rig.state(), State::Idle);
    }
    // While the response leaves.
    let mut rig = Rig::new();
    rig.rx(GET).ok("x").rx("\r").rx("\n\r\n");
    assert_eq!(rig.state(), State::Flushing);
    rig.rx(GET).ok("y").rx("\r\n");
    assert_eq!(statuses(&rig.wire()), ["200", "200"]);
    assert_eq!(rig.state(), State::Idle);
    rig.rx("GET");
    assert_eq!(rig.state(), State::Head);
}

#[test]
fn a_cr_that_begins_no_empty_line_is_refused_where_that_shows() {
    for lines in ["\r", "\r\n\r", LINES] {
        for next in ["\r", "G"] {
            for is_idle in [false, true] {
                let mut rig = Rig::new();
                if is_idle {
                    rig.rx(GET).ok("").wire();
                }
                rig.rx(lines);
                assert_eq!(rig.wire(), "", "{lines:?}");
                rig.rx(next);
                assert_eq!(statuses(&rig.wire()), ["400"], "{lines:?} {next:?}");
            }
        }
    }
}

/// An idle connection may stay for hours.
#[test]
fn empty_lines_are_held_in_no_more_bytes_than_they_have() {
    let read = |rig: &mut Rig, bytes: &[u8]| {
        rig.channel.spare()[..bytes.len()].copy_from_slice(bytes);
        rig.input(Input::RxRead(bytes.len()));
    };
    let mut rig = Rig::new();
    for lines in [&b"\r"[..], b"\n\r\n"] {
        read(&mut rig, lines);
        assert!(rig.channel.buffered() <= 4, "{} bytes are held", rig.channel.buffered());
    }
    // Behind a request, while its response leaves.
    read(&mut rig, GET.as_bytes());
    rig.ok("");
    read(&mut rig, b"\r\n");
    rig.wire();
    assert_eq!((rig.state(), rig.channel.buffered()), (State::Idle, 2));
}
