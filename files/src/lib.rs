//! Files for httpfsm: a folder as a [`Handler`](httpfsm::handler::Handler) on every transport, and its parts for handlers
//! of your own.
//!
//! Should you use this? Yes, where an application serves files beside its own routes, or as a response of one. To serve a
//! folder and nothing else, the program `httpfsm` is enough: `httpfsm serve DIR`.
//!
//! | for | take |
//! |---|---|
//! | a folder, with its lists | [`Files`] |
//! | one file as the response to a request | [`file()`], or [`opened`] for one that is open already |
//! | a part of a file as content | [`file_range`] |
//! | the page that lists a folder | [`listing`] |
//! | the type of a name | [`Types`] |
//! | conditional requests (RFC 9110 section 13) and ranges (section 14) for content of any kind | [`Validators`] |
//!
//! What the system has in memory is opened and read where the request is. All else runs where the server does its blocking
//! work ([`server_spawner`](httpfsm_transport::server_spawner)), so that no thread that serves connections waits for the
//! bytes of a file. What a response holds of a file in memory is counted by the server
//! (`max_buffered_bytes`). Linux is what is tested.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod at_once;
mod coding;
mod conditional;
mod content;
#[cfg(test)]
mod exchange;
mod failure;
mod field_rule;
mod file;
mod files;
mod hidden;
mod jobs;
mod listing;
mod multipart;
mod navigation;
mod normalize;
mod order;
mod path;
mod place;
mod ranges;
mod representation;
mod respond;
mod root;
mod source;
#[cfg(test)]
mod tests;
mod trouble;
mod types;

pub use conditional::{PreconditionOutcome, Validators};
pub use failure::Unreadable;
pub use field_rule::{FieldRule, FieldRuleError};
pub use file::{file, file_range, listing, opened};
pub use files::{Files, FilesFuture};
pub use httpfsm_transport::DiskWait;
pub use ranges::Selection;
pub use root::NoFolder;
pub use trouble::Trouble;
pub use types::{Types, TypesError};

/// The examples of the readme compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
