//! What a layer writes straight to the wire below.

use std::io::{self, IoSlice, Write};
use std::task::{Context, Poll};

use crate::wire::Wire;

/// The wire below, for one write of a layer. It is written to as long as it takes all that it is given.
pub(super) struct Through<'a, 'b, W> {
    wire: &'a mut W,
    cx: &'a mut Context<'b>,
    outcome: Outcome,
    is_full: bool,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Outcome {
    /// The wire has to be flushed.
    pub(super) was_asked: bool,
    pub(super) error: Option<io::Error>,
}

impl<'a, 'b, W: Wire> Through<'a, 'b, W> {
    pub(super) fn new(wire: &'a mut W, cx: &'a mut Context<'b>) -> Self {
        Self { wire, cx, outcome: Outcome::default(), is_full: false }
    }

    pub(super) fn into_outcome(self) -> Outcome {
        self.outcome
    }
}

impl<W: Wire> Write for Through<'_, '_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let given = slices.iter().map(|slice| slice.len()).sum();
        if given == 0 {
            return Ok(0);
        }
        if self.is_full {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.outcome.was_asked = true;
        let written = match slices {
            [bytes] => self.wire.poll_write(self.cx, bytes),
            _ => self.wire.poll_write_vectored(self.cx, slices),
        };
        let taken = match written {
            Poll::Ready(Ok(taken @ 1..)) => taken.min(given),
            Poll::Ready(outcome) => {
                self.outcome.error = Some(outcome.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into()));
                0
            }
            Poll::Pending => 0,
        };
        self.is_full = taken < given;
        if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
