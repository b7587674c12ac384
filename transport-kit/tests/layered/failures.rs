//! Layers and peers that break off.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use httpfsm_transport::memory::pair;
use httpfsm_transport::{Layer, LayerError, Layered, Wire};
use httpfsm_transport_kit::ToyLayer;

use crate::support::{cx, read, read_all, waker, write};

/// The bytes of a client's records: a hello, data, and one that is wrong.
fn wrong_record() -> Vec<u8> {
    let (mut near, far) = pair(10_000);
    let (mut client, mut server) = (Layered::new(far, ToyLayer::client()), ToyLayer::server());
    assert!(client.poll_flush(&mut cx()).is_ready());
    let Poll::Ready(Ok(mut bytes)) = read(&mut near, 1000) else { panic!("no hello") };
    let mut hello = Vec::new();
    assert_eq!(server.received(&bytes, &mut hello).unwrap(), bytes.len());
    assert!(near.poll_write(&mut cx(), &hello).is_ready());
    assert!(client.poll_read(&mut cx(), &mut [0]).is_pending());
    write(&mut client, b"right");
    write(&mut client, b"wrong");
    let Poll::Ready(Ok(records)) = read(&mut near, 1000) else { panic!("no records") };
    bytes.extend(records);
    *bytes.last_mut().unwrap() ^= 1;
    bytes
}

#[test]
fn behind_bytes_that_are_wrong_what_came_before_is_read_and_the_peer_gets_the_alert() {
    let bytes = wrong_record();
    for cut in 0..=bytes.len() {
        let (mut near, far) = pair(10_000);
        let mut server = Layered::new(far, ToyLayer::server());
        let mut all = Vec::new();
        for part in [&bytes[..cut], &bytes[cut..]].into_iter().filter(|part| !part.is_empty()) {
            assert!(near.poll_write(&mut cx(), part).is_ready());
            let (bytes, end) = read_all(&mut server);
            all.extend(bytes);
            let Some(end) = end else { continue };
            let error = end.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{cut}");
            assert_eq!(
                error.to_string(),
                "The peer broke off the protocol below HTTP, or broke its rules: The sum of a record is wrong."
            );
            let source = error.get_ref().unwrap().source().unwrap();
            assert_eq!(source.to_string(), "The sum of a record is wrong.");
        }
        assert_eq!(all, b"right", "{cut}");
        // A hello and the alert.
        let Poll::Ready(Ok(replies)) = read(&mut near, 1000) else { panic!("no alert") };
        assert_eq!((replies.len(), replies[9]), (4 + 5 + 4, 6), "{cut}");
        // Neither the error goes away, nor is anything written.
        for polled in [server.poll_read(&mut cx(), &mut [0]), server.poll_write(&mut cx(), b"x")] {
            assert!(matches!(polled, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidData));
        }
        assert!(!server.owes_end());
        assert!(matches!(server.poll_close_write(&mut cx()), Poll::Ready(Ok(()))));
        assert!(matches!(read(&mut near, 9), Poll::Ready(Ok(bytes)) if bytes.is_empty()));
    }
}

/// Breaks the contract, or has no key.
struct Odd;

impl Layer for Odd {
    fn received(&mut self, _below: &[u8], _down: &mut Vec<u8>) -> Result<usize, LayerError> {
        Ok(0)
    }

    fn below_ended(&mut self) {}

    fn read(&mut self, _plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        Ok(None)
    }

    fn write(&mut self, _plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        down.push(b'!');
        Err(LayerError::own("There is no key."))
    }

    fn end(&mut self, _down: &mut Vec<u8>) {}
}

#[test]
fn a_layer_that_neither_takes_nor_gives_is_an_error_and_no_loop() {
    for ends in [false, true] {
        let (mut near, far) = pair(10);
        let mut wire = Layered::new(far, Odd);
        if ends {
            assert!(near.poll_close_write(&mut cx()).is_ready());
        } else {
            assert!(near.poll_write(&mut cx(), b"bytes").is_ready());
        }
        let Poll::Ready(Err(error)) = read(&mut wire, 9) else { panic!("no error") };
        let kind = if ends { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::Other };
        assert_eq!(error.kind(), kind, "{error}");
    }
}

/// Records without plain bytes that come without end.
#[test]
fn a_flood_that_has_nothing_to_be_read_lets_others_have_their_turn() {
    struct Silent;
    impl Layer for Silent {
        fn received(&mut self, below: &[u8], _: &mut Vec<u8>) -> Result<usize, LayerError> {
            Ok(below.len())
        }
        fn below_ended(&mut self) {}
        fn read(&mut self, _: &mut [u8]) -> Result<Option<usize>, LayerError> {
            Ok(None)
        }
        fn write(&mut self, _: &[IoSlice<'_>], _: &mut Vec<u8>) -> Result<usize, LayerError> {
            Ok(0)
        }
        fn end(&mut self, _: &mut Vec<u8>) {}
    }
    struct Endless;
    impl Wire for Endless {
        fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buffer.len()))
        }
        fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }
        fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn reset(&mut self) {}
    }
    let mut wire = Layered::new(Endless, Silent);
    let (waker, woken) = waker();
    assert!(wire.poll_read(&mut Context::from_waker(&waker), &mut [0; 9]).is_pending());
    assert_eq!(woken.count(), 1, "it goes on in the next turn");
}

#[test]
fn a_layer_that_fails_at_once_tells_its_peer_before_its_error() {
    struct NoKey;
    impl Layer for NoKey {
        fn received(&mut self, _: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
            down.push(b'!');
            Err(LayerError::own("There is no key."))
        }
        fn below_ended(&mut self) {}
        fn read(&mut self, _: &mut [u8]) -> Result<Option<usize>, LayerError> {
            Ok(None)
        }
        fn write(&mut self, _: &[IoSlice<'_>], _: &mut Vec<u8>) -> Result<usize, LayerError> {
            Ok(0)
        }
        fn end(&mut self, _: &mut Vec<u8>) {}
    }
    let (mut near, far) = pair(10);
    let mut wire = Layered::new(far, NoKey);
    assert!(matches!(read(&mut wire, 9), Poll::Ready(Err(_))));
    assert!(matches!(read(&mut near, 9), Poll::Ready(Ok(bytes)) if bytes == b"!"));
}

#[test]
fn a_layer_that_fails_at_a_write_says_why_and_what_it_has_said_leaves() {
    let (mut near, far) = pair(10);
    let mut wire = Layered::new(far, Odd);
    let Poll::Ready(Err(error)) = wire.poll_write(&mut cx(), b"bytes") else { panic!("no error") };
    assert_eq!(error.kind(), io::ErrorKind::Other);
    assert_eq!(error.to_string(), "The protocol below HTTP cannot go on: There is no key.");
    assert!(matches!(read(&mut near, 9), Poll::Ready(Ok(bytes)) if bytes == b"!"));
}

#[test]
fn what_the_wire_below_knows_is_passed_on() {
    let (near, far) = pair(10);
    let mut wire = Layered::new(far, ToyLayer::server());
    assert!(!wire.is_lost());
    let mut near = near;
    near.reset();
    drop(near);
    assert!(wire.is_lost());
    let (mut near, far) = pair(10);
    let mut wire = Layered::new(far, ToyLayer::server());
    wire.reset();
    drop(wire);
    assert!(matches!(read(&mut near, 9), Poll::Ready(Err(_))));
}
