//! httpfsm on smol and on async-std: an HTTP/1.x server over futures-io sockets.
//!
//! **async-std is discontinued** ([RUSTSEC-2025-0052](https://rustsec.org/advisories/RUSTSEC-2025-0052)): it gets no
//! more repairs, and its authors recommend smol. This crate is for servers that run on it still, and for smol:
//!
//! | feature | what it adds |
//! |---|---|
//! | `async-std` (default) | `serve`, `Server` and `AsyncStd`, on async-std's own executor |
//! | `smol` | the module `smol` with the same, on smol's own executor or on one of yours |
//!
//! With `default-features = false, features = ["smol"]` nothing of async-std is compiled.
//!
//! `serve` runs a handler on a listener; `Server` takes several listeners, socket options and a subscriber. Both
//! give a [`ServerHandle`], to drain the server and to read its counts. Any other executor serves as well: [`Futures`]
//! takes whatever can [spawn](Spawn), without either feature. The sockets are those of `async-io`, whose reactor is
//! that of smol and of async-std; where neither runs, its own thread drives it.
//!
//! [`connection()`] serves one socket of either runtime in a task of yours, event by event.
//!
//! An I/O of your own, anything that is `AsyncRead` and `AsyncWrite` of futures-io, is served as an [`Io`]: with a handler
//! by [`connections`], and event by event by [`connection_over`].
//!
//! This crate moves bytes and time, and knows no rule of HTTP: those are the machine's, in `httpfsm`.
//! Linux is what it is tested on.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "async-std")]
mod async_std;
mod blocking;
mod connection;
mod io;
mod listener;
mod pool;
mod server;
#[cfg(feature = "smol")]
pub mod smol;
mod socket;
mod spawn;
mod stream;
mod workers;

#[cfg(feature = "async-std")]
pub use async_std::{AsyncStd, Server, serve};
pub use blocking::{BlockingPool, sync, written_sync};
pub use connection::{Alarm, Connection, connection, connection_over};
pub use httpfsm_transport::{
    Accepted, BodyReader, BodyWriter, ConnectionParts, Connections, Established, Event, FuturesIo, Gone,
    HandedOver, Job, Layer, LayerError, Layered, Listener, ListenerInfo, NoThread, Preface, PrefaceRead,
    PrefaceVerdict, ServerHandle, SocketOptions, Spawner, SyncBodyWriter, UpgradedStream, Wire, block_on,
    note_panic, test, written,
};
pub use io::Io;
pub use server::{Futures, ServerOn, connections};
pub use spawn::{Spawn, Task};
pub use stream::Stream;

/// The example of the readme compiles and runs.
#[cfg(all(doctest, feature = "smol"))]
#[doc = include_str!("../README.md")]
struct Readme;
