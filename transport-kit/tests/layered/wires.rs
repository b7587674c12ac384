//! Wires and layers that the tests share.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use httpfsm_transport::{Layer, LayerError, Wire};

/// Replies with as many bytes as it receives, and has no plain bytes.
#[derive(Default)]
pub(crate) struct Echoes {
    pub(crate) received: Arc<AtomicUsize>,
}

impl Layer for Echoes {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        self.received.fetch_add(below.len(), Ordering::SeqCst);
        down.extend_from_slice(below);
        Ok(below.len())
    }

    fn below_ended(&mut self) {}

    fn read(&mut self, _plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        Ok(None)
    }

    fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        down.extend_from_slice(&plain[0]);
        Ok(plain[0].len())
    }

    fn end(&mut self, down: &mut Vec<u8>) {
        down.push(b'.');
    }
}

/// Reads from one wire and writes to another.
pub(crate) struct Crossed<R, W> {
    pub(crate) reads: R,
    pub(crate) writes: W,
}

impl<R: Wire, W: Wire> Wire for Crossed<R, W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.reads.poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writes.poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writes.poll_close_write(cx)
    }

    fn reset(&mut self) {
        self.writes.reset();
    }
}
