//! What a layer writes straight to the wire below.

use std::io::{self, IoSlice, Write};
use std::task::{Context, Poll};

use httpfsm_transport::memory::pair;
use httpfsm_transport::{Layer, LayerError, Layered, Wire, poll_write_each};
use httpfsm_transport_kit::{Buffering, ToyLayer};

use crate::support::{Transfer, cx, established, pattern, read, read_all, run};

/// Writes straight in pieces of so many bytes, and appends what was not taken. Below, it tries in vain once more.
struct Straight {
    piece: usize,
    /// What it says of the bytes that it was given.
    takes: bool,
}

impl Layer for Straight {
    fn received(&mut self, below: &[u8], _: &mut Vec<u8>) -> Result<usize, LayerError> {
        Ok(below.len())
    }

    fn below_ended(&mut self) {}

    fn read(&mut self, _: &mut [u8]) -> Result<Option<usize>, LayerError> {
        Ok(None)
    }

    fn write(&mut self, _: &[IoSlice<'_>], _: &mut Vec<u8>) -> Result<usize, LayerError> {
        panic!("the other call is made")
    }

    fn write_through(
        &mut self,
        plain: &[IoSlice<'_>],
        below: &mut dyn Write,
        down: &mut Vec<u8>,
    ) -> Result<usize, LayerError> {
        assert!(down.is_empty());
        let all = plain.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<_>>();
        assert_eq!(below.write(&[]).unwrap(), 0);
        let mut left = 0;
        while left < all.len() {
            let piece = &all[left..all.len().min(left + self.piece)];
            let (first, second) = piece.split_at(piece.len() / 2);
            match below.write_vectored(&[IoSlice::new(first), IoSlice::new(&[]), IoSlice::new(second)]) {
                Ok(taken) => {
                    left += taken;
                    if taken == piece.len() {
                        continue;
                    }
                }
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            assert_eq!(below.write(b"more").unwrap_err().kind(), io::ErrorKind::WouldBlock);
            below.flush().unwrap();
            down.extend_from_slice(&all[left..]);
            break;
        }
        Ok(if self.takes { all.len() } else { 0 })
    }

    fn end(&mut self, _: &mut Vec<u8>) {}
}

fn straight<W: Wire>(wire: W, piece: usize) -> Layered<W, Straight> {
    Layered::new(wire, Straight { piece, takes: true })
}

#[test]
fn what_a_layer_writes_straight_has_left_when_it_was_written() {
    let (mut near, far) = pair(1000);
    let mut wire = straight(far, 7);
    assert!(matches!(wire.poll_write(&mut cx(), &pattern(100)), Poll::Ready(Ok(100))));
    assert_eq!(wire.held(), 0);
    assert_eq!(read_all(&mut near).0, pattern(100));
}

#[test]
fn what_the_wire_does_not_take_at_once_comes_behind_what_it_has_taken() {
    for capacity in [1, 2, 5, 7, 8, 100, 4000] {
        for piece in [1, 4, 7, 1000, 100_000] {
            let (near, far) = pair(capacity);
            let (mut wire, mut near) = (straight(far, piece), near);
            let mut transfer = Transfer::new(9000, 5000);
            let mut came = Vec::new();
            // Nothing is said to it, and its input ends.
            transfer.peer_ended = true;
            run(&mut [&mut |cx| transfer.poll(&mut wire, cx), &mut |cx| {
                let mut buffer = [0; 613];
                while let Poll::Ready(Ok(bytes @ 1..)) = near.poll_read(cx, &mut buffer) {
                    came.extend_from_slice(&buffer[..bytes]);
                }
            }]);
            assert!(transfer.closed && came == pattern(9000), "{capacity} {piece}: {}", came.len());
            assert_eq!(wire.held(), 0, "{capacity} {piece}");
        }
    }
}

#[test]
fn records_of_the_toy_layer_leave_before_the_flush() {
    let (mut client, mut server) = established(100_000);
    assert!(matches!(server.poll_write(&mut cx(), &pattern(60_000)), Poll::Ready(Ok(60_000))));
    assert_eq!(server.held(), 0);
    assert!(read_all(&mut client).0 == pattern(60_000));
}

type Failure = fn() -> io::Result<usize>;

/// Takes so many bytes, and fails then, once, in this way; afterwards it waits.
struct FailsOnce {
    takes: usize,
    fails: Option<Failure>,
}

impl Wire for FailsOnce {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = self.takes.min(bytes.len());
        self.takes -= taken;
        match (taken, self.fails.take_if(|_| taken == 0)) {
            (0, Some(failure)) => Poll::Ready(failure()),
            (0, None) => Poll::Pending,
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_write_each(self, cx, slices)
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self) {}
}

fn lost() -> io::Result<usize> {
    Err(io::Error::other("The cable is cut."))
}

#[test]
fn a_wire_that_fails_in_a_write_of_the_layers_shows_at_the_flush_also_behind_a_read() {
    let failures: [(Failure, _); 2] = [(lost, "The cable is cut."), (|| Ok(0), "write zero")];
    for (fails, text) in failures {
        for takes in [0, 4, 6] {
            for reads in [false, true] {
                let mut wire = straight(FailsOnce { takes, fails: Some(fails) }, 2);
                let written = wire.poll_write(&mut cx(), b"plain bytes");
                assert!(matches!(written, Poll::Ready(Ok(11))), "{written:?}: what is taken is taken");
                if reads {
                    assert!(matches!(read(&mut wire, 9), Poll::Ready(Err(_))), "{text} {takes}");
                }
                let Poll::Ready(Err(error)) = wire.poll_flush(&mut cx()) else {
                    panic!("{text} {takes} {reads}")
                };
                assert_eq!(error.to_string(), text, "{takes} {reads}");
            }
        }
    }
}

#[test]
fn a_write_of_which_the_layer_takes_nothing_shows_that_the_wire_has_failed() {
    let below = FailsOnce { takes: 0, fails: Some(lost) };
    let mut wire = Layered::new(below, Straight { piece: 2, takes: false });
    assert!(matches!(wire.poll_write(&mut cx(), b"bytes"), Poll::Ready(Err(_))));
}

#[test]
fn the_wire_below_is_flushed_behind_what_was_written_straight() {
    let (mut near, far) = pair(1000);
    let mut wire = straight(Buffering::new(far), 1);
    assert!(wire.poll_write(&mut cx(), b"bytes").is_ready());
    assert!(read(&mut near, 9).is_pending());
    // A read passes on what waits as well.
    assert!(read(&mut wire, 9).is_pending());
    assert!(matches!(read(&mut near, 9), Poll::Ready(Ok(bytes)) if bytes == b"bytes"));
}

#[test]
fn a_layer_in_a_box_writes_straight_too() {
    let (mut near, far) = pair(1000);
    let boxed: Box<dyn Layer> = Box::new(Straight { piece: 2, takes: true });
    let mut wire = Layered::new(far, boxed);
    assert!(wire.poll_write(&mut cx(), b"bytes").is_ready());
    assert!(matches!(read(&mut near, 9), Poll::Ready(Ok(bytes)) if bytes == b"bytes"));
}

#[test]
fn bytes_go_both_ways_through_two_layers() {
    for capacity in [100, 70_000] {
        let (near, far) = pair(capacity);
        let mut client = Layered::new(Layered::new(near, ToyLayer::client()), ToyLayer::client());
        let mut server = Layered::new(Layered::new(far, ToyLayer::server()), ToyLayer::server());
        let (mut at_client, mut at_server) = (Transfer::new(200_000, 90_000), Transfer::new(100_000, 7000));
        run(&mut [&mut |cx| at_client.poll(&mut client, cx), &mut |cx| at_server.poll(&mut server, cx)]);
        assert!(at_client.received == at_server.sends && at_server.received == at_client.sends, "{capacity}");
        assert!(at_client.peer_ended && at_server.peer_ended, "{capacity}");
    }
}
