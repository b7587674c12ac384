//! One worker waits for events, and the others for their turn: for systems without an epoll.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Registry, Token, Waker};

use super::{EVENTS, WAKE_UP, news};
use crate::lock::lock;

/// See the module's documentation.
pub(crate) struct Poller {
    turn: Mutex<(Poll, mio::Events)>,
    registry: Registry,
    waker: Waker,
}

/// What one worker was told.
pub(crate) struct Events(Vec<(u64, u32)>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS))
    }

    /// The tokens of sockets, and the news of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        self.0.iter().copied()
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Waker::new(&registry, token(WAKE_UP))?;
        Ok(Self { turn: Mutex::new((poll, mio::Events::with_capacity(EVENTS))), registry, waker })
    }

    /// Has all that happens to a socket told. It is forgotten when it is closed.
    pub(crate) fn add(&self, socket: impl AsFd, socket_token: u64) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut SourceFd(&socket.as_fd().as_raw_fd()), token(socket_token), interest)
    }

    /// Has nothing more told of a socket that stays open elsewhere.
    pub(crate) fn remove(&self, socket: impl AsFd) {
        // It fails where it was not added.
        let _ = self.registry.deregister(&mut SourceFd(&socket.as_fd().as_raw_fd()));
    }

    /// Waits until there is something to tell; without `sleeps` it only looks, and does not wait for its turn.
    pub(crate) fn wait(&self, events: &mut Events, sleeps: bool) -> io::Result<()> {
        events.0.clear();
        let Some(mut turn) = self.turn(sleeps) else { return Ok(()) };
        let (poll, told) = &mut *turn;
        match poll.poll(told, if sleeps { None } else { Some(Duration::ZERO) }) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        events.0.extend(told.iter().map(|event| {
            let ended = event.is_read_closed() || event.is_write_closed() || event.is_error();
            (event.token().0 as u64, news(event.is_readable(), event.is_writable(), ended))
        }));
        Ok(())
    }

    fn turn(&self, waits: bool) -> Option<MutexGuard<'_, (Poll, mio::Events)>> {
        if waits {
            return Some(lock(&self.turn));
        }
        match self.turn.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Wakes one who waits, or else who waits next.
    pub(crate) fn wake(&self) {
        // It fails where somebody is being woken already.
        let _ = self.waker.wake();
    }
}

/// No token has more bits than an address.
fn token(token: u64) -> Token {
    Token(token as usize)
}

/// Accepts a connection that does not block.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peername) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, peername))
}
