//! Checks a transport of httpfsm, yours as well as ours: a hostile scripted peer, and the list of what a transport
//! owes.
//!
//! A transport moves bytes and time between sockets and the machine, and must lose none: no byte, no wake-up, no
//! deadline, no end. The kit runs scripts against it and against the [in-memory transport](httpfsm_transport::memory),
//! with one and the same application, and compares the traces: what each channel reported, what the application saw, the
//! bytes that the peer received, and how its connection ended. They are equal byte for byte, whatever the
//! transport. What no script can show has a check of its own: backpressure, crowds, names, what is left behind.
//!
//! # How to check your transport in eleven lines
//!
//! ```
//! use httpfsm_tokio::Tokio; // Yours stands here.
//! use httpfsm_transport_kit::{Application, Kit, Plan};
//!
//! # fn main() -> std::io::Result<()> {
//! let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! let kit = Kit::default().only(["interim responses", "names"])?;
//! let report = kit.check(&|plan: Plan, application: Application| {
//!     let _inside = runtime.enter();
//!     plan.on(Tokio::default()).serve(application)
//! });
//! report.assert();
//! # Ok(())
//! # }
//! ```
//!
//! [`check`] instead of `Kit` looks at all [`OBLIGATIONS`]. A transport without
//! [`Transport`](httpfsm_transport::Transport) reads the fields of the [`Plan`] itself. A [`Report`] that is printed is
//! a table; where a trace differs, both stand below it, side by side.
//!
//! # What is compared
//!
//! The subscriber's events stand in the trace in their order, channel by channel; the application's in their order,
//! request by request. Body bytes, which no subscriber is told, are taken from the application's view and merged. Only the
//! value of `Date` is masked, which has a check of its own. Scripts wait for facts, never for a length of time: deadlines
//! that are to come are short, and all others are far away. A script that differs runs again with deadlines 10 and 100
//! times as long, on both sides, before it counts as a failure: a slow machine or a slow transport is not a wrong one.
//! The report tells which scripts did ([`Verdict::repeated`]).
//!
//! # Ends in every state
//!
//! A peer that ends its output, or resets the connection, does so in each state of the
//! [channel](httpfsm::channel::State):
//!
//! | state | scripts |
//! |---|---|
//! | `Fresh` | "an end without a request", "an end after an empty line", "a reset without a request" |
//! | `Head` | "an end inside a head", "a reset inside a head" |
//! | `Idle` | "an end after a response", "a reset after a response" |
//! | `WaitResponse` | "an end behind a request that is with the handler", "a handler that waits for the peer's end", "a reset while the handler waits for it" |
//! | `HeadHeld` | "an end behind the 100 of a request that is echoed", "a reset behind the 100 of a request that is echoed" |
//! | `Responding` | "an end while a large response leaves", "a reset inside a response" |
//! | `Discard` | "a rest that never comes", "a reset while the rest of a body is awaited" |
//! | `Flushing` | "an end while a finished response leaves", "a reset while a finished response leaves" |
//! | `Closing` | "an end while the last response leaves", "a reset while the last response leaves" |
//! | `Lingering` | "an end behind the server's own", "a reset behind the server's end" |
//! | `Handover` | "an end while the head of an upgrade leaves", "a reset while the head of an upgrade leaves" |
//! | `Upgraded` | "an upgrade that echoes", "a reset of an upgraded connection" |
//!
//! A test holds the table against the list of states, and each script against its state.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod application;
mod before_http;
mod bench;
mod buffering;
mod checks;
mod chunks;
mod crowd;
mod drain;
#[cfg(test)]
mod ends;
mod established;
mod few_descriptors;
mod held;
mod kit;
mod level1;
mod link;
mod listener_info;
mod memory;
mod obligation;
mod panics;
mod record;
mod report;
mod run;
mod script;
mod scripts;
mod sockets;
mod stand;
mod subject;
mod sum;
mod toy;
mod toy_preface;
mod trace;

pub use application::Application;
pub use before_http::{PrefacedConnections, before_http, before_http_over};
pub use buffering::Buffering;
pub use crowd::{Crowd, Tally, respond};
pub use drain::drain_at_work;
pub use established::established;
pub use few_descriptors::few_descriptors;
pub use kit::{Kit, UnknownObligation, check, in_memory, on_subject};
pub use level1::{Level1, Level1Check};
pub use listener_info::listener_info;
pub use obligation::{OBLIGATIONS, Obligation};
pub use panics::{panics_at_work, respond_or_panic};
pub use record::Record;
pub use report::{Report, Verdict};
pub use script::{Script, Step};
pub use subject::{Ends, Plan, Served, Subject};
pub use toy::ToyLayer;
pub use toy_preface::ToyPreface;
pub use trace::ScriptTrace;

/// The example of the readme compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
