//! Who is woken where reading and writing wait for each other.

use std::io::{self};
use std::task::{Context, Poll};

use httpfsm_transport::memory::pair;
use httpfsm_transport::{Layered, Wire};
use httpfsm_transport_kit::ToyLayer;

use crate::support::{cx, read, read_all, toys, waker, write};
use crate::wires::{Crossed, Echoes};

#[test]
fn behind_our_end_nothing_is_sent() {
    let (mut near, far) = pair(1000);
    let mut wire = Layered::new(far, Echoes::default());
    assert!(wire.poll_close_write(&mut cx()).is_ready());
    assert!(near.poll_write(&mut cx(), b"bytes").is_ready());
    assert!(wire.poll_read(&mut cx(), &mut [0; 9]).is_pending());
    assert!(matches!(wire.poll_flush(&mut cx()), Poll::Ready(Ok(()))));
    let (bytes, end) = read_all(&mut near);
    assert_eq!((bytes, end.map(|end| end.is_ok())), (b".".to_vec(), Some(true)));
}

#[test]
fn a_reader_and_a_writer_in_tasks_of_their_own_are_both_woken() {
    let (mut near, far) = pair(1000);
    let (mut back, forth) = pair(10);
    let mut wire = Layered::new(Crossed { reads: far, writes: forth }, Echoes::default());
    let ((reader, reads), (writer, writes)) = (waker(), waker());
    // Whichever waits first, and for what.
    for reader_first in [true, false] {
        assert!(near.poll_write(&mut cx(), b"reply").is_ready());
        for turn in [reader_first, !reader_first] {
            if turn {
                assert!(wire.poll_read(&mut Context::from_waker(&reader), &mut [0; 9]).is_pending());
            } else {
                while wire.poll_write(&mut Context::from_waker(&writer), b"written").is_ready() {}
            }
        }
        let before = (reads.count(), writes.count());
        assert!(read(&mut back, 100).is_ready());
        assert!(writes.count() > before.1, "the writer, the reader first: {reader_first}");
        // One of the two sends for both; the other hears of it.
        while wire.poll_read(&mut Context::from_waker(&reader), &mut [0; 9]).is_ready() {}
        while read(&mut back, 100).is_ready() {
            assert!(wire.poll_read(&mut Context::from_waker(&reader), &mut [0; 9]).is_pending());
        }
        assert!(wire.poll_flush(&mut Context::from_waker(&writer)).is_ready());
    }
}

#[test]
fn a_writer_is_woken_when_another_task_has_sent_what_it_waits_for() {
    let (mut back, forth) = pair(10);
    let mut wire = Layered::new(Crossed { reads: pair(1).0, writes: forth }, Echoes::default());
    let (writer, writes) = waker();
    while wire.poll_write(&mut Context::from_waker(&writer), b"written").is_ready() {}
    // Somebody reads, so there is room; the reader is the first to know.
    assert!(read(&mut back, 100).is_ready());
    let before = writes.count();
    let _ = wire.poll_read(&mut cx(), &mut [0; 9]);
    let _ = read(&mut back, 100);
    let _ = wire.poll_read(&mut cx(), &mut [0; 9]);
    assert!(writes.count() > before);
}

#[test]
fn a_write_before_the_handshake_waits_for_it() {
    let (mut client, mut server) = toys(1000);
    let (waker, woken) = waker();
    assert!(server.poll_write(&mut Context::from_waker(&waker), b"early").is_pending());
    assert_eq!((woken.count(), server.held()), (0, 0));
    assert!(client.poll_flush(&mut cx()).is_ready());
    // The server's hello leaves, and the client's confirmation comes.
    assert!(server.poll_read(&mut Context::from_waker(&waker), &mut [0; 9]).is_pending());
    assert!(client.poll_read(&mut cx(), &mut [0; 9]).is_pending());
    assert!(client.poll_flush(&mut cx()).is_ready());
    assert!(server.poll_write(&mut Context::from_waker(&waker), b"early").is_pending());
    let before = woken.count();
    assert!(server.poll_read(&mut Context::from_waker(&waker), &mut [0; 9]).is_pending());
    assert!(woken.count() > before);
    write(&mut server, b"early");
    assert_eq!(read_all(&mut client).0, b"early");
}

#[test]
fn a_write_before_the_handshake_fails_when_there_will_be_none() {
    for reads_first in [true, false] {
        let (near, far) = pair(100);
        let mut wire = Layered::new(far, ToyLayer::server());
        let (waker, woken) = waker();
        if !reads_first {
            assert!(wire.poll_write(&mut Context::from_waker(&waker), b"early").is_pending());
        }
        drop(near);
        let before = woken.count();
        assert!(matches!(read(&mut wire, 9), Poll::Ready(Ok(bytes)) if bytes.is_empty()));
        assert_eq!(woken.count() > before, !reads_first);
        let late = wire.poll_write(&mut cx(), b"late");
        assert!(
            matches!(&late, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe),
            "{late:?}"
        );
    }
}
