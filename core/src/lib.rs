//! The HTTP/1.x server protocol as a pure finite state machine.
//!
//! # Theory of operation
//!
//! A [`Channel`] is one connection. What happens to it goes in as an [`Input`](channel::Input), with the time; what it wants
//! comes out as an [`Output`](channel::Output), or is asked for. There is no socket, clock, thread or runtime in here, so
//! the same inputs always give the same outputs.
//!
//! ```text
//!                    the application
//!      HttpResponse, Write, Finish │ ▲ HttpRequest, BodyData, BodyEnd
//!              BodyDemand, GoOut … ▼ │ Flushed, HttpChannelClosed …
//!                 ┌────────────────────────────────┐
//!                 │   Channel: one table of rows   │ ◄─ Tick: the time
//!                 └────────────────────────────────┘
//!     RxData, RxEnd, Sent, Disconnected ▲ │ unsent bytes, CloseWrite, Drop
//!                                       │ ▼
//!                    the transport
//! ```
//!
//! Between a request and its response the machine is in [`State::WaitResponse`](channel::State::WaitResponse); while the
//! rest of a response is owed, in [`State::Responding`](channel::State::Responding); while it is idle, in
//! [`State::Idle`](channel::State::Idle). All transitions are rows of [`channel::ROWS`], which drive the machine and draw
//! its pictures ([`channel::MACHINE`]). A row says: in these states, on this event, do these actions, and be in that state.
//! An event is an input ([`Event`](channel::Event)), or is raised by the last action of a row ([`channel::Internal`]); so
//! where the way depends on data, that is a row as well.
//!
//! An input that is in no row of a state ([`channel::REFUSALS`]), or does not meet what it has to
//! ([`channel::CONDITIONS`]), comes back as [`NotAccepted`](channel::NotAccepted) and changes nothing. Deadlines are a
//! table, too ([`channel::DEADLINES`]). Each step can be watched with [`Channel::handle_with`].
//!
//! A [`Server`](server::Server) is a machine of the same form: it admits connections, names and counts their channels, and
//! goes out of service. A [`Prologue`](prologue::Prologue) is a third, of what comes before HTTP on a connection.
//!
//! Names and events are those of the protocol machine of [ginsfsm](https://pypi.org/project/ginsfsm/), whose `GHttpCliSrv`
//! is a [`Channel`] here; `docs/compatibility.md` of the repository has each of them.
//!
//! # Where to begin
//!
//! - To serve, take a transport (`httpfsm-tokio`) and write a [`Handler`].
//! - To bring HTTP to an I/O of your own, drive a [`Channel`]: see the [`channel`] module.
//! - To draw or check a machine, or to make one: [`fsm`].
//!
//! # Features
//!
//! - `draw`, on by default: [`Machine::describe`](fsm::Machine::describe) and the drawings. The tables, which drive the
//!   machines, and [`Trace`](fsm::Trace) are there without it.
//! - `http`, off by default: `Fields`, `Status`, `Version` and request heads from and to the types of the crate `http`, none
//!   of which is validated again where its type guarantees what a field or a status needs.
//! - `std`, off by default: httparse and memchr ask the processor while they run which vector instructions it has, for
//!   which they need the standard library. The transports of this project turn it on. It also brings what is made of types
//!   of the standard library: [`Date::from_unix`](time::Date::from_unix), and `io::Error` as a response.
//! - `json`, `query`, `form`, `cookies`, `multipart`, off by default: what handlers read and write, over `serde_json`,
//!   `serde_urlencoded`, `cookie` and `multer` ([`handler`]).
//!
//! # Three types of errors
//!
//! [`NotAccepted`](channel::NotAccepted) is the caller's mistake: the state, the event, the condition that is not met.
//! [`RequestError`] is why the machine responds by itself: the peer's mistake, or the server's own reason (a handler that
//! failed, a busy server, a drain). [`CloseReason`] is why a channel ended, by a [`RequestError`] among others.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

// `examples/` has what the examples of several items begin with.
pub mod channel;
mod chunked;
pub mod config;
mod encode;
pub mod error;
pub mod fields;
mod framing;
pub mod fsm;
pub mod handler;
mod head;
mod host;
#[cfg(feature = "http")]
mod http_types;
pub mod origins;
mod part;
pub mod peer;
pub mod prologue;
pub mod request;
pub mod response;
pub mod server;
pub mod status;
mod target;
pub mod time;
mod token;
pub mod trailers;
mod witness;

pub use channel::Channel;
pub use config::{Bodies, ChannelConfig, ErrorPage, ErrorPages, ServerConfig};
pub use error::{BodyError, CloseReason, RequestError, Rule};
pub use fields::{FieldRef, Fields, InvalidField};
pub use handler::{Body, Handler, IntoResponse, Request, Response, Subscriber};
pub use peer::Peer;
pub use request::Version;
pub use status::Status;
pub use trailers::Trailers;

/// The example of the readme compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
