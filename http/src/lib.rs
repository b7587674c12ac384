//! Any tower service over the types of `http` and `http-body` as a handler of httpfsm: axum's `Router`, a stack of
//! tower-http's layers, or one of yours.
//!
//! Should you use this? Yes, if you have such a service, or want axum's routing and extractors. A handler without them,
//! [`httpfsm::Handler`], costs less than half.
//!
//! [`service()`] makes the handler, for the `serve` of any transport; it says what a service sees of a request and what
//! becomes of its response. This crate knows no transport, socket or runtime. With axum's features `http1`, `http2` and
//! `tokio` off, no other server is in the build.
//!
//! | feature | what it adds |
//! |---|---|
//! | `axum` | `ConnectInfo`, `Sse` and `Upgrade` for axum's handlers, without the feature of axum that brings hyper |
//! | `tokio` | `ServiceHandler::in_tokio`: a service that calls tokio runs on a transport that is not tokio's |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod body;
#[cfg(feature = "axum")]
pub mod connect_info;
mod extensions;
mod future;
mod locked;
mod request;
mod response;
mod service;
mod spare;
#[cfg(feature = "axum")]
pub mod sse;
#[cfg(feature = "tokio")]
mod tokio;
mod upgrade;

pub use body::Body;
#[cfg(feature = "axum")]
pub use connect_info::ConnectInfo;
pub use future::ServiceFuture;
pub use locked::Locked;
pub use service::{ServiceHandler, service};
#[cfg(feature = "axum")]
pub use sse::Sse;
#[cfg(feature = "tokio")]
pub use tokio::{InTokio, InTokioFuture};
#[cfg(feature = "axum")]
pub use upgrade::NoUpgrade;
pub use upgrade::Upgrade;

/// An error of any type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The example of the readme compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
