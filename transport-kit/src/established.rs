//! The peer's end of a connection whose server does a handshake before it opens a channel.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm_transport::{Layer, Layered, Wire};
use socket2::SockRef;

use crate::link::Parked;
use crate::sockets::{MOMENT, is_too_early};

/// Longer than any handshake takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Does the handshake of a peer's layer, and waits until it is complete, the connection has ended, or 30 seconds have
/// passed. What has come of it shows in what is read later.
///
/// A server whose [listener](httpfsm_transport::Listener::layer) has a layer opens the channel when the handshake is
/// complete, and a handshake may need the peer to read and to write again. The kit's peer reads nothing before the channel
/// has opened, so a function that connects peers ([`Served::over`](crate::Served::over)) has the handshake done before it
/// returns the peer's end. The server must run on other threads meanwhile.
///
/// ```
/// use std::sync::Arc;
/// use std::thread;
///
/// use httpfsm::{Peer, Request, ServerConfig};
/// use httpfsm_transport::{Accepted, Connections, Inline, Layered, ListenerInfo, block_on, memory};
/// use httpfsm_transport_kit::{ToyLayer, established};
///
/// # fn main() -> std::io::Result<()> {
/// let handler = |_: Request| async { "Hello, world!" };
/// let server = Connections::new(ServerConfig::default(), Arc::new(Inline), handler)?;
/// let listener = Arc::new(ListenerInfo::default().layer(|_| Ok(ToyLayer::server())));
/// let (peer, wire) = memory::pair(1024);
/// let accepted = Accepted::new(wire, Peer::Unix(None), Peer::Unix(None)).with_listener(listener);
/// let connection = server.serve_accepted(accepted).expect("there is room");
/// thread::spawn(|| block_on(connection));
/// let peer = established(Layered::new(peer, ToyLayer::client()));
/// assert!(peer.layer().is_established());
/// # Ok(())
/// # }
/// ```
pub fn established<W: Wire, L: Layer>(mut wire: Layered<W, L>) -> Layered<W, L> {
    let (began, waker) = (Instant::now(), Waker::from(Arc::new(Parked(thread::current()))));
    let mut cx = Context::from_waker(&waker);
    let mut is_done = false;
    while began.elapsed() < PATIENCE {
        is_done = is_done || wire.poll_established(&mut cx).is_ready();
        if is_done && wire.poll_flush(&mut cx).is_ready() {
            break;
        }
        thread::park_timeout(MOMENT);
    }
    wire
}

/// A socket of the standard library whose calls block for a moment, as a wire. It wakes who waits at once, since it has
/// waited itself.
pub(crate) struct SocketWire(TcpStream);

impl SocketWire {
    /// The calls of the socket are to block for a moment at most.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(stream)
    }
}

impl Wire for SocketWire {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        ready(cx, self.0.read(buffer))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready(cx, self.0.write(bytes))
    }

    fn poll_close_write(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.shutdown(Shutdown::Write))
    }

    fn reset(&mut self) {
        let _ = SockRef::from(&self.0).set_linger(Some(Duration::ZERO));
    }
}

fn ready(cx: &Context<'_>, outcome: io::Result<usize>) -> Poll<io::Result<usize>> {
    match outcome {
        Err(error) if is_too_early(&error) => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        outcome => Poll::Ready(outcome),
    }
}
