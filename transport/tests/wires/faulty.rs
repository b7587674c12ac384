//! Wires that fail, each in its way.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use httpfsm_transport::Wire;

/// What a wire does when it is written to, and when its output is ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It takes nothing, and says so without an error.
    Zero,
    /// It fails.
    Broken,
    /// It takes everything, and cannot send a FIN.
    NoFin,
}

impl Fault {
    pub(crate) const ALL: [Self; 3] = [Self::Zero, Self::Broken, Self::NoFin];
}

/// A peer that sends this, over a wire with a fault.
pub(crate) struct Faulty(pub(crate) Fault, pub(crate) &'static [u8]);

impl Wire for Faulty {
    fn poll_read(&mut self, _cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.1.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(io::Read::read(&mut self.1, buffer))
    }
    fn poll_write(&mut self, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(match self.0 {
            Fault::Zero => Ok(0),
            Fault::Broken => Err(io::ErrorKind::BrokenPipe.into()),
            Fault::NoFin => Ok(bytes.len()),
        })
    }
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write(cx, slices.first().map_or(&[], |slice| slice))
    }
    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }
    fn reset(&mut self) {}
}
