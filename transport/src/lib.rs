//! What the transports of `httpfsm` share and the machine cannot hold: everything that runs.
//!
//! An application needs a transport, not this crate. A transport is a loop around it:
//!
//! 1. make a [`Service`] from the configuration and the handler;
//! 2. give each accepted socket, as a [`Wire`], to [`Service::connect`], and run the [`Driver`] that it returns;
//! 3. call [`keep_time`], so that deadlines wake their connections;
//! 4. stop to accept when [`ServerHandle::poll_going`] says so, and pause as [`Backoff`] says when accepting fails.
//!
//! The [`memory`] module is such a transport, without sockets.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod accept;
mod alarms;
mod clock;
mod connection;
mod desk;
mod driver;
mod exchange;
mod handle;
mod job;
mod lock;
pub mod memory;
mod panics;
mod pipe;
mod sending;
mod service;
mod spool;
mod sync;
mod timekeeper;
mod tunnel;
mod wire;
mod worker;

pub use accept::Backoff;
pub use clock::{Clock, Stamp};
pub use connection::{Connection, Event, Parts, Timer};
pub use driver::Driver;
pub use handle::{Listening, ServerHandle};
pub use job::{Inline, Job, Spawner};
pub use panics::note_panic;
pub use service::Service;
pub use sync::{BodyReader, Sync, block_on, sync};
pub use timekeeper::keep_time;
pub use wire::Wire;
