//! What the transports of `httpfsm` share and the machine cannot hold: everything that runs.
//!
//! An application needs a transport, not this crate. A transport is a type that implements [`Transport`], so that
//! [`Server`] can start it:
//!
//! 1. it makes the [`Service`] of its [`Opening`];
//! 2. it registers the listeners with its runtime, as something that [accepts](Accept), and runs [`accept()`] for each;
//! 3. it runs the [`Driver`] of each connection, whose socket is a [`Wire`].
//!
//! The [`memory`] module is such a transport, without sockets.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod accept;
mod alarms;
mod append;
mod atomic;
mod body_buffers;
mod budget;
mod call;
mod channel_slot;
mod clock;
mod connection;
mod connections;
mod driver;
mod exchange;
#[cfg(feature = "futures-io")]
mod futures_io;
mod handle;
mod incoming;
mod job;
mod layer;
mod layered;
mod ledger;
mod listener;
mod lock;
mod may_block;
pub mod memory;
mod panics;
mod parking;
mod permits;
mod pipe;
mod place;
mod preface;
mod sending;
mod sent_file;
mod server;
mod service;
mod serving;
mod shared_state;
mod spool;
mod spooled;
mod stack;
mod sync;
mod tape;
pub mod test;
mod timekeeper;
mod tunnel;
mod until;
mod upgraded;
mod waiters;
mod waiting;
mod waking;
mod wire;
mod worker;
mod written;
mod written_sync;

pub use accept::{Accept, Accepted, Backoff, accept};
pub use call::Call;
pub use clock::{Clock, Stamp};
pub use connection::{Connection, ConnectionParts, Event, Timer};
pub use connections::Connections;
pub use driver::Driver;
#[cfg(feature = "futures-io")]
pub use futures_io::FuturesIo;
pub use handle::{Gone, Listening, ServerHandle};
pub use incoming::{
    Incoming, IncomingHandler, IncomingIter, IncomingRequest, IncomingResponse, IntoIncomingIter, incoming,
};
pub use job::{Inline, Job, NoThread, Spawner, Threads};
pub use layer::{Layer, LayerError};
pub use layered::Layered;
pub use listener::{
    Listener, ListenerAddress, ListenerInfo, ListeningSocket, SocketOptions, SocketPath, resolve, unix_peer,
};
#[doc(hidden)]
pub use may_block::is_within_blocking;
pub use may_block::{may_block, run_blocking};
pub use panics::{catch as catch_panic, note_panic, resume as resume_panic};
pub use parking::before_waiting;
pub use preface::{Established, HandedOver, Preface, PrefaceRead, PrefaceVerdict};
pub use sent_file::{DiskWait, SentFile, send_file, send_more};
pub use server::{Opening, Server, Transport};
pub use service::{Held, Service};
pub use serving::server_spawner;
pub use sync::{BodyReader, SyncCall, SyncHandler, block_on, sync};
pub use tape::{Opened, Recorder, Tape};
pub use timekeeper::keep_time;
pub use upgraded::UpgradedStream;
pub use wire::{Wire, poll_write_each};
pub use written::{BodyWriter, written};
pub use written_sync::{SyncBodyWriter, written_sync};

/// The example of the readme compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
