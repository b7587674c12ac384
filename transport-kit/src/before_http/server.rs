//! Servers that expect something before HTTP, and their peers.

use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, Handler, Request, Subscriber, Upgraded};
use httpfsm::peer::Peer;
use httpfsm::server::NotAdmitted;
use httpfsm_transport::{
    Accepted, Connections, HandedOver, Listener, ListenerInfo, Server, ServerHandle, SocketOptions, Spawner,
    Transport, block_on,
};

use crate::link::Link;
use crate::sockets::{connect_to, is_too_early};
use crate::subject::{Ends, Served};
use crate::toy::ToyLayer;
use crate::toy_preface::ToyPreface;

/// Longer than anything takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

async fn tell(request: Request) -> String {
    format!("{} of {}", request.scheme(), request.connection().peername)
}

/// Why connections ended that were not opened.
#[derive(Clone, Default)]
struct Unopened(Arc<Mutex<Vec<CloseReason>>>);

impl Unopened {
    fn push(&self, reason: CloseReason) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(reason);
    }

    fn all(&self) -> Vec<CloseReason> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Subscriber for Unopened {
    fn not_opened(&self, _: &ConnectionInfo, reason: CloseReason, _: Option<&str>) {
        self.push(reason);
    }

    fn not_admitted(&self, _: &Peer, _: &Peer, _: NotAdmitted) {
        self.push(CloseReason::NotAdmitted);
    }
}

/// What a server of [`Connections`] is to be that [`before_http_over`](crate::before_http_over) checks.
#[derive(Clone)]
pub struct PrefacedConnections {
    config: ServerConfig,
    unopened: Unopened,
    listener: Arc<ListenerInfo>,
}

impl PrefacedConnections {
    /// The server. `spawner` is the transport's.
    ///
    /// # Errors
    ///
    /// The system has no thread for the server's timer.
    pub fn connections<S: Spawner>(&self, spawner: S) -> io::Result<Connections<impl Handler + use<S>>> {
        let (config, unopened) = (self.config.clone(), self.unopened.clone());
        Connections::with_subscriber(config, Arc::new(spawner), unopened, tell)
    }

    /// The server's end of a connection, for [`Connections::serve_accepted`].
    #[must_use]
    pub fn accepted<W>(&self, wire: W, ends: Ends) -> Accepted<W> {
        Accepted::new(wire, ends.peername, ends.sockname).with_listener(Arc::clone(&self.listener))
    }
}

impl std::fmt::Debug for PrefacedConnections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrefacedConnections").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// A server under test.
pub(super) struct ToyServer {
    pub(super) handle: ServerHandle,
    served: Served,
    unopened: Unopened,
}

impl ToyServer {
    /// One that listens.
    pub(super) fn start<T: Transport>(server: Server<T>) -> Result<Self, String> {
        let listen = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &SocketOptions::default());
        let listener =
            listen.map_err(text)?.preface(|_| ToyPreface::default()).layer(|_| Ok(ToyLayer::server()));
        let listener = listener.behind_proxies().hand_over(echo);
        let unopened = Unopened::default();
        let server = server.subscriber(unopened.clone()).listener(listener);
        let handle = server.serve(tell).map_err(text)?;
        Ok(Self { served: handle.clone().into(), handle, unopened })
    }

    /// One to which connections are given.
    pub(super) fn over(
        config: ServerConfig,
        serve: impl Fn(PrefacedConnections) -> io::Result<Served>,
    ) -> Result<Self, String> {
        let listener = ListenerInfo::default().preface(|_| ToyPreface::default());
        let listener = listener.layer(|_| Ok(ToyLayer::server())).behind_proxies().hand_over(echo);
        let unopened = Unopened::default();
        let plan = PrefacedConnections { config, unopened: unopened.clone(), listener: Arc::new(listener) };
        let served = serve(plan).map_err(text)?;
        Ok(Self { handle: served.handle.clone(), served, unopened })
    }

    pub(super) fn connect(&self) -> io::Result<Patient> {
        connect_to(&self.served, false, PATIENCE).map(Patient).map_err(io::Error::other)
    }

    /// Sends pieces in writes of their own, and reads to the end.
    pub(super) fn exchange(&self, pieces: &[&[u8]]) -> io::Result<String> {
        let mut stream = self.connect()?;
        for piece in pieces {
            stream.write_all(piece)?;
        }
        let mut heard = String::new();
        stream.read_to_string(&mut heard)?;
        Ok(heard)
    }

    /// Waits until it is so.
    pub(super) fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), String> {
        let began = Instant::now();
        while !is_so(self) {
            if began.elapsed() > PATIENCE {
                return Err(format!("The server does not take up {what}."));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Has the server go out, and says why connections ended that were not opened.
    pub(super) fn stop(self) -> Vec<CloseReason> {
        block_on(self.handle.begin_drain(None).gone());
        self.unopened.all()
    }
}

/// A peer whose calls wait for as long as [`PATIENCE`].
pub(super) struct Patient(Link);

impl Patient {
    /// Ends its output.
    pub(super) fn fin(&mut self) {
        self.0.fin();
    }

    fn wait<T>(&mut self, mut call: impl FnMut(&mut Link) -> io::Result<T>) -> io::Result<T> {
        let began = Instant::now();
        loop {
            match call(&mut self.0) {
                Err(error) if is_too_early(&error) && began.elapsed() < PATIENCE => {}
                outcome => return outcome,
            }
        }
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(|link| link.read(buffer))
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait(|link| link.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Sends back what a connection of another protocol sends, until it ends.
fn echo(handed: HandedOver) {
    thread::spawn(move || {
        let (leftover, io) = handed.connection.into_parts();
        let mut connection = Upgraded::new(Default::default(), io);
        let _ = block_on(async {
            connection.write_all(&leftover).await?;
            let mut buffer = [0; 100];
            loop {
                match connection.read(&mut buffer).await? {
                    0 => return connection.close().await,
                    read => connection.write_all(&buffer[..read]).await?,
                }
            }
        });
    });
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
