//! httpfsm on threads: an HTTP/1.x server without an async runtime.
//!
//! Should you use this? Yes, if your handlers block (a database driver, files, computations), or if you want no runtime
//! in your program: few threads wait for all sockets and run all handlers, so ten thousand idle, slow or half-sent
//! connections need no thread of their own. If your program runs on tokio already, take `httpfsm-tokio`: an async handler
//! costs about the same on both, and has a runtime's timers and files there.
//!
//! [`serve`] runs a handler on a listener; [`Server`] takes several listeners, socket options and a subscriber. Both
//! give a [`ServerHandle`], to drain the server and to read its counts; [`block_on`] waits for its futures.
//!
//! A handler is a function that blocks ([`sync`]) or an async one. A function holds a worker while it runs, so
//! [`Blocking::workers`] of them run at once, and others wait; there is one thread more, which serves the connections
//! meanwhile. So a deadline is noticed, and the loss of the connection, while its function runs: 503 after
//! `responseless_timeout`. An async handler is polled where its connection is served, and so is the source of a
//! streamed response. It must not block: it would hold up the deadlines of its own connection, and one of the threads.
//! A function is called when its request's body is whole, or when it may wait for the rest ([`Blocking::waiting`]), so
//! slow peers cannot hold all workers; an async handler reads the body as it comes. Where a handler is cancelled,
//! because the connection is lost or a deadline has come, a worker drops its future; a function that runs already runs
//! to its end. A drain waits for handlers that outlive their connections, and cancels them at its deadline.
//!
//! The response of a function comes after a wake-up of its own, so requests that are pipelined behind one wait for it, and
//! count against `config.channel.maximum_simultaneous_requests`. Each response leaves when its function is over.
//!
//! A [`Subscriber`](httpfsm::Subscriber) is called on any of the threads, and calls for different connections overlap: it
//! must not block.
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

mod atomic;
mod connection;
mod duty;
mod functions;
mod here;
mod listener;
mod lock;
mod others;
mod poller;
mod pool;
mod readiness;
mod run_state;
mod server;
mod settings;
mod sleepers;
mod socket;
mod spawn;
mod stream;
mod task;
pub mod test;
mod tunnels;
mod work_queue;
mod written;

pub use connection::{Connection, ConnectionParts, connection};
pub use functions::Functions;
pub use httpfsm_transport::{
    BodyReader, BodyWriter, Established, Event, Gone, HandedOver, Incoming, IncomingHandler, IncomingIter,
    IncomingRequest, IncomingResponse, IntoIncomingIter, Job, Layer, LayerError, Listener, ListenerInfo,
    NoThread, Preface, PrefaceRead, PrefaceVerdict, ServerHandle, SocketOptions, Spawner, SyncBodyWriter,
    UpgradedStream, block_on, incoming, note_panic, written,
};
pub use server::{Server, serve, sync};
pub use settings::Blocking;
pub use socket::Stream;
pub use spawn::{SpawnError, spawn, tunnel};
pub use written::written_sync;

/// The example of the readme compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
