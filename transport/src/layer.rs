//! A protocol between a wire and HTTP, as a machine of bytes.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use httpfsm::error::Rule;

use crate::preface::Established;

pub(crate) use guarded::Guarded;

mod guarded;

/// A protocol that stands between a wire and HTTP, as TLS does: bytes and no I/O. [`Layered`](crate::Layered) makes a
/// [`Wire`](crate::Wire) of a wire and a layer.
///
/// *Below* is the wire, whose bytes are those of the layer's protocol; *plain* bytes are those of HTTP. Nothing blocks
/// and nothing waits: a layer takes what it is given, appends what is to be sent to `down`, which it never looks into or
/// shortens, and keeps plain bytes that have come until they are read. It makes no call by itself, so it has neither a
/// clock nor a task.
///
/// # In which order it is called
///
/// [`received`](Self::received) comes first, without bytes, for a protocol in which this side begins. Later calls come in
/// any order, but for these:
///
/// - `received` comes with bytes only when [`read`](Self::read) has just returned `None`, so a layer that is at its
///   end, or that has plain bytes to be read, is given no more.
/// - [`write`](Self::write), or [`write_through`](Self::write_through) in its place, comes only when all of `down` has left,
///   so nothing piles up.
/// - After [`end`](Self::end) there is neither a `write` nor another `end`, and what is appended to `down` is not sent.
/// - After an error of `received`, `write` or `write_through` only `read` is called, as long as it has plain bytes.
/// - [`established`](Self::established) may come at any time, and changes nothing.
///
/// # Bounds
///
/// A call of `received` has at most 16 KiB, and one of `write` or `write_through` at most 64 KiB. What a layer keeps of
/// either, and the replies that one call of `received` makes, are its own to bound, and to [tell](Self::held): they count
/// under `max_buffered_bytes`. `received` is not called while 16 KiB of replies wait for a peer that does not take them.
///
/// # Panics
///
/// A layer that a [listener](crate::Listener::layer) puts on its connections may panic: it is called no more, its connection
/// is lost, and the subscriber is told ([`Failure::Layer`](httpfsm::handler::Failure::Layer)). Nothing is sent of what the
/// call that panics has appended to `down`; what it has written to the wire below has left. Others notice nothing. In a
/// [`Layered`](crate::Layered) that is made elsewhere, a panic goes through to whoever polls.
///
/// # Example
///
/// TLS is in the package `httpfsm-rustls`. A layer for ASCII text, which inverts each byte and
/// ends with a zero:
///
/// ```
/// use std::collections::VecDeque;
/// use std::io::{IoSlice, Read};
///
/// use httpfsm_transport::{Layer, LayerError};
///
/// #[derive(Default)]
/// struct Inverse {
///     plain: VecDeque<u8>,
///     ended: bool,
///     below_ended: bool,
/// }
///
/// impl Layer for Inverse {
///     fn received(&mut self, below: &[u8], _down: &mut Vec<u8>) -> Result<usize, LayerError> {
///         for byte in below {
///             match byte {
///                 _ if self.ended => return Err(LayerError::peer("Bytes came behind the end.")),
///                 0 => self.ended = true,
///                 byte => self.plain.push_back(!byte),
///             }
///         }
///         Ok(below.len())
///     }
///
///     fn below_ended(&mut self) {
///         self.below_ended = true;
///     }
///
///     fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
///         match self.plain.read(plain).unwrap_or_default() {
///             0 if self.ended => Ok(Some(0)),
///             0 if self.below_ended => Err(LayerError::Truncated),
///             0 => Ok(None),
///             bytes => Ok(Some(bytes)),
///         }
///     }
///
///     fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
///         let before = down.len();
///         down.extend(plain.iter().flat_map(|slice| slice.iter()).map(|byte| !byte));
///         Ok(down.len() - before)
///     }
///
///     fn end(&mut self, down: &mut Vec<u8>) {
///         down.push(0);
///     }
///
///     fn held(&self) -> usize {
///         self.plain.capacity()
///     }
/// }
/// ```
pub trait Layer: Send + 'static {
    /// Takes bytes from below, and says how many; the others come again when the plain bytes have been read. It takes one at
    /// least, or has plain bytes or the end to be read. What the peer is to be told goes to `down`, also where the call
    /// fails.
    ///
    /// # Errors
    ///
    /// The connection cannot go on: what came breaks the layer's protocol. Plain bytes that came before it can still be
    /// read.
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError>;

    /// Nothing more comes from below. Called once.
    fn below_ended(&mut self);

    /// Reads plain bytes into `plain`, which is not empty, and says how many; `None`: there are none now; `Some(0)`: the
    /// peer has ended its output by the layer's protocol, as `close_notify` does.
    ///
    /// # Errors
    ///
    /// There are no more plain bytes, and the end below came before the layer's own: [`LayerError::Truncated`]. As long as a
    /// handshake is not complete there is nothing that could be cut, and the end below is `Some(0)`.
    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError>;

    /// Takes some of the plain bytes in `plain`, which are not all empty, and says how many: what becomes of them goes to
    /// `down`. 0: none before more was received, as in a handshake. Where nothing more can come, the write fails.
    ///
    /// # Errors
    ///
    /// The connection cannot go on.
    fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError>;

    /// As [`write`](Self::write), and what [`Layered`](crate::Layered) calls: for a layer that has what is to be sent in
    /// buffers of its own already, and writes that to `below`, which saves the copy in `down`. By default it calls `write`.
    ///
    /// `below` is the wire. It takes what it can take at once, and says how much. When it has taken less than it was given
    /// it takes no more in this call: each further write fails with [`WouldBlock`](io::ErrorKind::WouldBlock), as does one
    /// where the connection is lost. So the layer writes, heeds how much was taken (which `write_all` does not say), and
    /// appends what was not to `down`, in order: when it has appended something, it writes nothing more to `below`. What
    /// becomes of that, and of a lost connection, is no matter of the layer's: it says how many plain bytes it has taken.
    /// 0 is what it is for `write`, none before more was received, and not that `below` takes nothing now.
    ///
    /// ```
    /// use std::io::{self, IoSlice, Write};
    ///
    /// use httpfsm_transport::{Layer, LayerError};
    ///
    /// /// Inverts each byte, in a buffer that it has.
    /// struct Inverse([u8; 4096]);
    ///
    /// impl Layer for Inverse {
    ///     fn write_through(
    ///         &mut self,
    ///         plain: &[IoSlice<'_>],
    ///         below: &mut dyn Write,
    ///         down: &mut Vec<u8>,
    ///     ) -> Result<usize, LayerError> {
    ///         let all = plain.iter().flat_map(|slice| slice.iter());
    ///         let made = self.0.iter_mut().zip(all).map(|(to, byte)| *to = !byte).count();
    ///         // Where it takes nothing now, that is no error of the layer's.
    ///         let left = below.write(&self.0[..made]).unwrap_or(0);
    ///         down.extend_from_slice(&self.0[left..made]);
    ///         Ok(made)
    ///     }
    ///
    ///     fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
    ///         self.write_through(plain, &mut &mut [][..], down)
    ///     }
    ///     // And what comes up.
    /// #   fn received(&mut self, below: &[u8], _: &mut Vec<u8>) -> Result<usize, LayerError> { Ok(below.len()) }
    /// #   fn below_ended(&mut self) {}
    /// #   fn read(&mut self, _: &mut [u8]) -> Result<Option<usize>, LayerError> { Ok(None) }
    /// #   fn end(&mut self, _: &mut Vec<u8>) {}
    /// }
    ///
    /// # fn main() -> Result<(), LayerError> {
    /// // A wire that takes three bytes.
    /// let (mut wire, mut down) = ([0; 3], Vec::new());
    /// let taken = Inverse([0; 4096]).write_through(&[IoSlice::new(b"Hello")], &mut &mut wire[..], &mut down)?;
    /// assert_eq!((taken, wire.map(|byte| !byte), down), (5, *b"Hel", vec![!b'l', !b'o']));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The connection cannot go on.
    fn write_through(
        &mut self,
        plain: &[IoSlice<'_>],
        below: &mut dyn Write,
        down: &mut Vec<u8>,
    ) -> Result<usize, LayerError> {
        let _ = below;
        self.write(plain, down)
    }

    /// Ends our output by the layer's protocol, as `close_notify` does. Input goes on.
    fn end(&mut self, down: &mut Vec<u8>);

    /// What is known when the handshake is complete; `None` before. Asked only of a layer that a
    /// [listener](crate::Listener::layer) puts on its connections: their channels open then, and the handshake has
    /// `handshake_timeout`. As long as it is `None`, there are no plain bytes to be read. By default there is no handshake,
    /// and the channel opens at once.
    fn established(&self) -> Option<Established> {
        Some(Established::default())
    }

    /// Bytes of memory that the layer keeps for this connection now, beside those of its size: a part of a record that has
    /// come, plain bytes that wait to be read, its keys. The server charges them to the connection, in the row
    /// [`output`](httpfsm::handler::MemoryUse::output), with what the wire holds. Asked each time before the connection's
    /// task sleeps, so it has to be cheap; an estimate from above is better than none. 0 by default, for a layer that keeps
    /// nothing.
    fn held(&self) -> usize {
        0
    }
}

impl Layer for Box<dyn Layer> {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        (**self).received(below, down)
    }

    fn below_ended(&mut self) {
        (**self).below_ended();
    }

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        (**self).read(plain)
    }

    fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        (**self).write(plain, down)
    }

    fn write_through(
        &mut self,
        plain: &[IoSlice<'_>],
        below: &mut dyn Write,
        down: &mut Vec<u8>,
    ) -> Result<usize, LayerError> {
        (**self).write_through(plain, below, down)
    }

    fn end(&mut self, down: &mut Vec<u8>) {
        (**self).end(down);
    }

    fn established(&self) -> Option<Established> {
        (**self).established()
    }

    fn held(&self) -> usize {
        (**self).held()
    }
}

/// Stands where a listener's function has made no layer, and fails in its handshake.
pub(crate) struct NoLayer(pub(crate) LayerError);

impl Layer for NoLayer {
    fn received(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<usize, LayerError> {
        Err(self.0.clone())
    }

    fn below_ended(&mut self) {}

    fn read(&mut self, _: &mut [u8]) -> Result<Option<usize>, LayerError> {
        Err(self.0.clone())
    }

    fn write(&mut self, _: &[IoSlice<'_>], _: &mut Vec<u8>) -> Result<usize, LayerError> {
        Err(self.0.clone())
    }

    fn end(&mut self, _: &mut Vec<u8>) {}

    fn established(&self) -> Option<Established> {
        None
    }
}

/// Why a connection through a [`Layer`] cannot go on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LayerError {
    /// The peer sent what the layer's protocol does not allow, or gave up by it; with what the layer says of it.
    Peer(Arc<dyn Error + Send + Sync>),
    /// The connection below ended before the peer had ended its output by the layer's protocol: what came may be cut.
    Truncated,
    /// The layer fails by itself, as one without a key does; with what it says of it.
    Own(Arc<dyn Error + Send + Sync>),
    /// What the peer sent is of another protocol: plain HTTP where TLS is expected, say. Only for a handshake of which
    /// nothing was sent: on a connection of a [listener](crate::Listener::layer) the peer then gets the response of
    /// this rule, without the layer. Elsewhere it is as [`Peer`](Self::Peer).
    Refused(Rule),
}

impl LayerError {
    /// The peer's fault.
    pub fn peer(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Peer(Arc::from(error.into()))
    }

    /// A failure of the layer itself.
    ///
    /// ```
    /// use httpfsm_transport::LayerError;
    ///
    /// fn sealed(key: Option<u8>, plain: &[u8]) -> Result<Vec<u8>, LayerError> {
    ///     let key = key.ok_or_else(|| LayerError::own("There is no key."))?;
    ///     Ok(plain.iter().map(|byte| byte ^ key).collect())
    /// }
    /// # assert!(sealed(None, b"a").is_err());
    /// ```
    pub fn own(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Own(Arc::from(error.into()))
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Peer(_) | Self::Refused(_) => io::ErrorKind::InvalidData,
            Self::Truncated => io::ErrorKind::UnexpectedEof,
            Self::Own(_) => io::ErrorKind::Other,
        }
    }
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(error) => {
                write!(f, "The peer broke off the protocol below HTTP, or broke its rules: {error}")
            }
            Self::Truncated => f.write_str(
                "The connection ended before the end of the protocol below HTTP, so what came may be cut.",
            ),
            Self::Own(error) => write!(f, "The protocol below HTTP cannot go on: {error}"),
            Self::Refused(rule) => write!(f, "The peer speaks another protocol: {rule}"),
        }
    }
}

impl Error for LayerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Peer(error) | Self::Own(error) => Some(&**error),
            Self::Truncated | Self::Refused(_) => None,
        }
    }
}

/// [`InvalidData`](io::ErrorKind::InvalidData) where the peer is at fault,
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where its bytes are cut, [`Other`](io::ErrorKind::Other) where the
/// layer itself fails.
impl From<LayerError> for io::Error {
    fn from(error: LayerError) -> Self {
        Self::new(error.kind(), error)
    }
}
