//! TLS for httpfsm, by rustls: one [layer](httpfsm_transport::Layer) of bytes for tokio, async-std, smol and threads.
//!
//! Should you use this? Yes, where the server itself is to speak TLS. Behind a proxy that does, set the scheme of the
//! [listener](httpfsm_transport::Listener::scheme). A TLS library of another kind is put below HTTP by a
//! [`Layer`](httpfsm_transport::Layer) of yours, or by a wire over the stream that it makes.
//!
//! [`Tls`] is the configuration; [`ListenTls::listen_tls`] listens with it. Handlers find what was agreed on, and the
//! certificates of the client, in [`Request::security`](httpfsm::Request::security).
//!
//! | feature | what it adds |
//! |---|---|
//! | `ring` (default) | cryptography by `ring`, where the process has installed no provider of rustls |
//! | `aws-lc-rs` | the same by `aws-lc-rs`, in place of `ring` where both are on; it needs a C compiler |
//!
//! Without either, the process installs a provider
//! ([`CryptoProvider::install_default`](rustls::crypto::CryptoProvider::install_default)), or brings its own configuration
//! ([`Tls::from_config`]).
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;
mod held;
mod hello;
mod layer;
mod listen;
mod options;
mod pem;
mod tls;

pub use error::TlsError;
pub use hello::Hello;
pub use layer::TlsLayer;
pub use listen::{ListenTls, TlsListener};
pub use options::{ClientCertificates, TlsOptions, TlsVersion};
pub use pem::Pem;
pub use rustls;
pub use tls::Tls;

/// The example of the readme compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
