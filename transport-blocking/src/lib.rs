//! httpfsm on threads: an HTTP/1.x server without an async runtime.
//!
//! Should you use this? Yes, if your handlers block (a database driver, files, computations), or if you want no runtime
//! in your program: one thread waits for all sockets, and few workers run handlers, so ten thousand idle, slow or
//! half-sent connections need no thread of their own. If your program runs on tokio already, take `httpfsm-tokio`: a
//! handler that does not block is faster there by the two thread switches that a request costs here.
//!
//! [`serve`] runs a handler on a listener; [`Server`] takes several listeners, socket options and a subscriber. Both
//! give a [`ServerHandle`], to drain the server and to read its counts; [`block_on`] waits for its futures.
//!
//! A handler is a function that blocks ([`sync`]) or an async one. A function holds a worker while it runs, so
//! [`Blocking::workers`] of them run at once, and others wait. An async handler holds one only while it is polled, and so
//! does the source of a streamed response. A function is called when its request's body is whole, or when it may wait for
//! the rest ([`Blocking::waiting`]), so slow peers cannot hold all workers; an async handler reads the body as it comes.
//! Where a handler is cancelled, because the connection is lost or a deadline has come, a worker drops its future; a
//! function that runs already runs to its end. A drain waits for handlers that outlive their connections, and cancels them
//! at its deadline.
//!
//! A response comes from another thread, so requests that are pipelined behind one wait for it, and count against
//! `config.channel.maximum_simultaneous_requests`, also where handlers respond at once.
//!
//! A [`Subscriber`](httpfsm::Subscriber) is called on the one thread of the sockets: it must not block. Only the end of an
//! upgraded connection is told wherever the application drops it, or on another thread at the drain deadline; so calls may
//! overlap.
//!
//! A response may be written by an async function ([`written`]) or by one that blocks ([`written_sync`]).
//!
//! [`incoming()`] gives requests to a loop of yours, on as many threads as you like, instead of to a handler.
//!
//! [`spawn`] runs a future beside a handler, and [`tunnel`] an upgraded connection with code that blocks.
//!
//! [`connection()`] serves one socket on a thread of yours, event by event.
//!
//! This crate moves bytes and time, and knows no rule of HTTP: those are the machine's, in `httpfsm`.
//! Linux is what it is tested on.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod connection;
mod listener;
mod lock;
mod loop_handle;
mod offload;
mod reactor;
mod readiness;
mod server;
mod socket;
mod source;
mod spawn;
mod stream;
mod task;
mod tunnels;
mod workers;
mod written;

pub use connection::{Connection, ConnectionParts, connection};
pub use httpfsm_transport::{
    BodyReader, BodyWriter, Established, Event, HandedOver, Incoming, IncomingHandler, IncomingRequest,
    Layer, LayerError, Listener, ListenerInfo, Preface, PrefaceRead, PrefaceVerdict, ServerHandle,
    SocketOptions, SyncBodyWriter, UpgradedStream, block_on, incoming, note_panic, test, written,
};
pub use server::{Blocking, OnWorker, Server, serve, sync};
pub use socket::Stream;
pub use spawn::{SpawnError, spawn, tunnel};
pub use written::written_sync;

/// The example of the readme compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
