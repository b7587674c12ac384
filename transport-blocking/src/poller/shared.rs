//! All workers wait in one epoll, and the system chooses who wakes.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::net::{SocketFlags, acceptfrom_with};

use super::{EVENTS, WAKE_UP, news};

/// See the module's documentation.
pub(crate) struct Poller {
    epoll: OwnedFd,
    waker: OwnedFd,
}

/// What one worker was told.
pub(crate) struct Events(Vec<Event>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS))
    }

    /// The tokens of sockets, and the news of them.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        self.0.iter().map(|event| {
            // A copy: the system's own is packed.
            let (data, flags) = (event.data, event.flags);
            let ended = flags.intersects(EventFlags::HUP | EventFlags::RDHUP | EventFlags::ERR);
            let news = news(flags.contains(EventFlags::IN), flags.contains(EventFlags::OUT), ended);
            (data.u64(), news)
        })
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let waker = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let this = Self { epoll, waker };
        this.register(&this.waker, WAKE_UP, EventFlags::IN)?;
        Ok(this)
    }

    /// Has all that happens to a socket told. It is forgotten when it is closed.
    pub(crate) fn add(&self, socket: impl AsFd, token: u64) -> io::Result<()> {
        self.register(socket, token, EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP)
    }

    /// Has nothing more told of a socket that stays open elsewhere.
    pub(crate) fn remove(&self, socket: impl AsFd) {
        // It fails where it was not added.
        let _ = epoll::delete(&self.epoll, socket);
    }

    fn register(&self, socket: impl AsFd, token: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(token), flags | EventFlags::ET)?)
    }

    /// Waits until there is something to tell; without `sleeps` it only looks.
    pub(crate) fn wait(&self, events: &mut Events, sleeps: bool) -> io::Result<()> {
        events.0.clear();
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = if sleeps { None } else { Some(&at_once) };
        match epoll::wait(&self.epoll, spare_capacity(&mut events.0), timeout) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Wakes one who waits, or else who waits next.
    pub(crate) fn wake(&self) {
        // It fails only where so many wake-ups have not been noticed that the count is full. Nobody reads the count: each
        // write is an event of its own.
        if rustix::io::write(&self.waker, &1_u64.to_ne_bytes()).is_err() {
            let _ = rustix::io::read(&self.waker, &mut [0; 8]);
            let _ = rustix::io::write(&self.waker, &1_u64.to_ne_bytes());
        }
    }
}

/// Accepts a connection that does not block, with one system call.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, address) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    let peername = address.and_then(|address| SocketAddr::try_from(address).ok());
    let stream = TcpStream::from(socket);
    // A system that does not say now may have been left by the peer.
    let peername = peername.map_or_else(|| stream.peer_addr(), Ok)?;
    Ok((stream, peername))
}
