//! The handshake of a layer, before any plain byte.

use std::io;
use std::task::{Context, Poll, ready};

use super::{Layered, READ_BYTES, READS_PER_POLL, REPLY_BYTES, Side, Unread};
use crate::layer::{Layer, LayerError};
use crate::preface::Established;
use crate::wire::Wire;

impl<W: Wire, L: Layer> Layered<W, L> {
    /// The same as [`new`](Self::new), behind bytes that were read from the wire already.
    pub(crate) fn behind(below: W, layer: L, read: &[u8]) -> Self {
        let mut layered = Self::new(below, layer);
        layered.up = Unread::own(read);
        layered
    }

    /// Does the handshake: ready with what the layer knows when it is complete. What it has to say to the peer then leaves
    /// with the next poll of any kind, if it does not at once. Who reads and writes needs no call of it: a read does the
    /// handshake, too.
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::io;
    ///
    /// use httpfsm_transport::{Established, Layer, Layered, Wire};
    ///
    /// /// A client's handshake, before it says anything.
    /// async fn shake_hands<W: Wire, L: Layer>(wire: W, layer: L) -> io::Result<(Layered<W, L>, Established)> {
    ///     let mut layered = Layered::new(wire, layer);
    ///     let established = poll_fn(|cx| layered.poll_established(cx)).await?;
    ///     poll_fn(|cx| layered.poll_flush(cx)).await?;
    ///     Ok((layered, established))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The handshake has failed: the error holds a [`LayerError`]. The peer has ended its input before:
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof). Else the connection is lost.
    pub fn poll_established(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Established>> {
        let established = self.poll_handshake(cx);
        self.up.give_back();
        established
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Established>> {
        for _ in 0..READS_PER_POLL {
            if let Some(error) = self.failed.clone() {
                let _ = self.poll_down(cx, Side::Reader);
                return Poll::Ready(Err(error.into()));
            }
            if let Some(established) = self.layer.established() {
                let _ = self.poll_down(cx, Side::Reader);
                return Poll::Ready(Ok(established));
            }
            // Nothing can be read before the handshake is complete but its end.
            match self.layer.read(&mut [0]) {
                Ok(None) if !self.below_ended => {}
                Ok(None | Some(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(Some(_)) => {
                    let error = LayerError::own(
                        "A layer had plain bytes to be read before its handshake was complete.",
                    );
                    return Poll::Ready(Err(self.fail(error, cx, Side::Reader)));
                }
                Err(LayerError::Truncated) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Err(error) => return Poll::Ready(Err(self.fail(error, cx, Side::Reader))),
            }
            let sent = self.poll_down(cx, Side::Reader);
            if self.replies >= REPLY_BYTES {
                ready!(sent)?;
                continue;
            }
            match self.poll_receive(cx, READ_BYTES) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => {
                    let error = LayerError::own("A layer took nothing of what it received in its handshake.");
                    return Poll::Ready(Err(self.fail(error, cx, Side::Reader)));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => match sent {
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    _ => return Poll::Pending,
                },
            }
        }
        // Others are to have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
