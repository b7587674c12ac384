//! httpfsm on tokio: an HTTP/1.x server over `TcpStream` and `UnixStream`, in a runtime of yours, current-thread or
//! multi-thread, with its I/O driver on (`enable_io`); [`connection()`] needs its timer, too (`enable_time`).
//!
//! [`serve`] runs a handler on a listener; [`Server`] takes several listeners, socket options and a subscriber. Both
//! give a [`ServerHandle`], to drain the server and to read its counts.
//!
//! [`connection()`] serves one socket in a task of yours, event by event.
//!
//! An I/O of your own, anything that is `AsyncRead` and `AsyncWrite`, is served as an [`Io`]: with a handler by
//! [`connections`], and event by event by [`connection_over`].
//!
//! A request body is read by what speaks tokio's traits as a [`TokioBody`], and an upgraded connection is a [`TokioIo`].
//!
//! This crate moves bytes and time, and knows no rule of HTTP: those are the machine's, in `httpfsm`.
//! Linux is what it is tested on.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod blocking;
mod connection;
mod io;
mod listener;
mod server;
mod stream;
mod tokio_body;
mod tokio_io;

pub use blocking::{BlockingPool, sync, written_sync};
pub use connection::{Alarm, Connection, connection, connection_over};
pub use httpfsm_transport::{
    Accepted, BodyReader, BodyWriter, ConnectionParts, Connections, Established, Event, Gone, HandedOver,
    Job, Layer, LayerError, Layered, Listener, ListenerInfo, NoThread, Preface, PrefaceRead, PrefaceVerdict,
    ServerHandle, SocketOptions, Spawner, SyncBodyWriter, UpgradedStream, Wire, block_on, note_panic, test,
    written,
};
pub use io::Io;
pub use server::{Server, Tokio, connections, serve};
pub use stream::Stream;
pub use tokio_body::TokioBody;
pub use tokio_io::TokioIo;

/// The example of the readme compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
