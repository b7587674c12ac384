//! What leaves, when, and how much is held meanwhile.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use httpfsm_transport::memory::pair;
use httpfsm_transport::{LayerError, Layered, Wire};

use crate::support::{Transfer, cx, established, pattern, read, read_all, run, toys, waker, write};
use crate::wires::{Crossed, Echoes};

#[test]
fn bytes_go_both_ways_whatever_the_wire_below_takes_and_nobody_sleeps_for_ever() {
    for capacity in [1, 3, 100, 4096, 70_000] {
        for (ours, theirs, piece) in [(0, 0, 1), (1, 40_000, 17), (60_000, 60_000, 100_000), (3000, 1, 999)] {
            let (mut client, mut server) = toys(capacity);
            let (mut at_client, mut at_server) = (Transfer::new(ours, piece), Transfer::new(theirs, piece));
            run(&mut [&mut |cx| at_client.poll(&mut client, cx), &mut |cx| at_server.poll(&mut server, cx)]);
            let what = format!("{capacity} {ours} {theirs} {piece}");
            assert!(at_client.closed && at_server.closed, "{what}");
            assert!(at_client.peer_ended && at_server.peer_ended, "{what}");
            assert!(at_client.received == at_server.sends, "{what}");
            assert!(at_server.received == at_client.sends, "{what}");
            assert_eq!((client.held(), server.held()), (0, 0), "{what}");
        }
    }
}

#[test]
fn an_end_below_without_the_layers_own_is_an_error_behind_the_last_bytes() {
    let (mut client, mut server) = established(10_000);
    write(&mut client, b"bytes");
    drop(client);
    let (bytes, end) = read_all(&mut server);
    assert_eq!(bytes, b"bytes");
    let error = end.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(matches!(error.get_ref().unwrap().downcast_ref(), Some(LayerError::Truncated)));
    assert_eq!(
        error.to_string(),
        "The connection ended before the end of the protocol below HTTP, so what came may be cut."
    );
    // It stays one.
    assert_eq!(read_all(&mut server).1.unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn the_half_close_is_the_layers_end_and_then_that_of_the_wire_and_input_goes_on() {
    let (mut client, mut server) = established(10_000);
    write(&mut server, b"last");
    assert!(server.owes_end());
    assert!(matches!(server.poll_close_write(&mut cx()), Poll::Ready(Ok(()))));
    assert!(!server.owes_end());
    let (bytes, end) = read_all(&mut client);
    assert_eq!((bytes, end.map(|end| end.is_ok())), (b"last".to_vec(), Some(true)));
    write(&mut client, b"more");
    assert_eq!(read(&mut server, 100).map(Result::unwrap), Poll::Ready(b"more".to_vec()));
    let late = server.poll_write(&mut cx(), b"late");
    assert!(matches!(late, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe));
}

#[test]
fn a_flush_is_ready_when_the_wire_below_has_all() {
    let (mut client, mut server) = established(100);
    let taken = server.poll_write(&mut cx(), &[b'x'; 300]);
    assert!(matches!(taken, Poll::Ready(Ok(300))), "{taken:?}");
    let (waker, woken) = waker();
    let mut came = 0;
    while server.poll_flush(&mut Context::from_waker(&waker)).is_pending() {
        assert!(server.held() > 0);
        let before = woken.count();
        came += read_all(&mut client).0.len();
        assert!(woken.count() > before, "it is not woken behind {came} bytes");
    }
    assert_eq!(server.held(), 0);
    assert_eq!(came + read_all(&mut client).0.len(), 300);
}

#[test]
fn at_most_64_kib_are_taken_at_once_and_nothing_piles_up() {
    let (mut client, mut server) = established(100);
    let slices = [&[1; 40_000][..], &[], &[2; 40_000], &[3; 9]].map(IoSlice::new);
    let taken = server.poll_write_vectored(&mut cx(), &slices);
    assert!(matches!(taken, Poll::Ready(Ok(65_536))), "{taken:?}");
    assert!(server.poll_write(&mut cx(), b"more").is_pending());
    assert!(server.held() <= 84_000, "{}", server.held());
    // What is held shrinks with what is left.
    let mut came = 0;
    while came < 60_000 {
        came += read_all(&mut client).0.len();
        let _ = server.poll_flush(&mut cx());
    }
    assert!(server.held() <= 8000, "{}", server.held());
    assert!(matches!(
        server.poll_write_vectored(&mut cx(), &slices[1..2]),
        Poll::Ready(Ok(0)) | Poll::Pending
    ));
}

#[test]
fn replies_leave_though_nothing_is_written() {
    let (mut client, mut server) = established(100_000);
    for _ in 0..16 {
        write(&mut client, b"record");
    }
    let (bytes, _) = read_all(&mut server);
    assert_eq!(bytes, b"record".repeat(16));
    assert!(read_all(&mut client).0.is_empty());
    assert_eq!(client.layer().replies(), 1);
}

#[test]
fn replies_that_cannot_leave_at_once_wake_the_reader_when_they_can() {
    let (mut client, mut server) = established(70);
    while server.poll_write(&mut cx(), &[b'x'; 50]).is_ready() {
        let _ = server.poll_flush(&mut cx());
    }
    let (waker, woken) = waker();
    for _ in 0..17 {
        write(&mut client, b"x");
        assert!(server.poll_read(&mut Context::from_waker(&waker), &mut [0; 10]).is_ready());
    }
    let mut came = 0;
    for _ in 0..50 {
        came += read_all(&mut client).0.len();
        if woken.0.swap(0, Ordering::SeqCst) > 0 {
            assert!(server.poll_read(&mut Context::from_waker(&waker), &mut [0; 10]).is_pending());
        }
    }
    assert_eq!(client.layer().replies(), 1, "{came} bytes came");
}

#[test]
fn nothing_is_received_while_16_kib_of_replies_wait() {
    let received = Arc::new(AtomicUsize::new(0));
    let (mut near, far) = pair(1 << 20);
    let (mut back, forth) = pair(1000);
    let wire = Crossed { reads: far, writes: forth };
    let mut wire = Layered::new(wire, Echoes { received: Arc::clone(&received) });
    assert!(matches!(near.poll_write(&mut cx(), &pattern(1 << 20)), Poll::Ready(Ok(_))));
    let (waker, woken) = waker();
    assert!(wire.poll_read(&mut Context::from_waker(&waker), &mut [0; 9]).is_pending());
    assert!(received.load(Ordering::SeqCst) <= 3 * 16_384, "{received:?}");
    assert!(wire.held() <= 2 * 3 * 16_384, "{}", wire.held());
    // It goes on as they leave, and all of them do.
    let mut came = Vec::new();
    while came.len() < 1 << 20 {
        let before = woken.count();
        let Poll::Ready(Ok(bytes)) = read(&mut back, 999) else { panic!("{} came", came.len()) };
        came.extend(bytes);
        if woken.count() > before {
            assert!(wire.poll_read(&mut Context::from_waker(&waker), &mut [0; 9]).is_pending());
        }
    }
    assert!(came == pattern(1 << 20));
    assert_eq!(wire.held(), 0);
}
