//! The HTTP/1.x server protocol as a pure finite state machine.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

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
pub mod input;
pub mod origins;
pub mod output;
pub mod peer;
pub mod request;
pub mod response;
pub mod server;
pub mod status;
mod target;
pub mod time;
mod token;
pub mod trailers;

pub use channel::{Answer, Channel, ChannelStats, Event, Facts, Loan, Settings, State, Waits};
pub use config::{Bodies, ChannelConfig, ErrorPage, ErrorPages, ServerConfig};
pub use error::{BodyError, CloseReason, NotAccepted, RequestError, Rule};
pub use fields::{Fields, InvalidField};
pub use handler::{Body, Handler, IntoResponse, Request, Response, Subscriber};
pub use input::{Data, Input};
pub use output::Output;
pub use peer::Peer;
pub use request::{BodyLength, FieldRef, RequestHead, RequestRef, Version};
pub use response::{BodyRef, ResponseRef};
pub use server::{Server, ServerInput, ServerOutput};
pub use status::Status;
pub use time::{Date, Moment, Now};
pub use trailers::Trailers;
