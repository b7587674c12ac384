//! Records the channels of `httpfsm` and replays them.
//!
//! A channel is a pure function: its configuration, what it is told about its connection, and its inputs with their
//! times decide every output. So a recording of these is enough to see again, and as often as one likes, what a live
//! connection did: [`replay`] feeds it through the machine and finds the first difference, [`Replay`] walks it event by
//! event.
//!
//! A recording is a file of JSON lines that a person can read: the first line has the configuration, each other
//! line one input (and how the channel stood after it) or one output. What was sent stands with the input that tells
//! the machine of it, `Sent`. Values of fields that hold secrets are hidden ([`MASKED`]), also where content shows them as
//! lines, and all that the machine has not read as a part of something well-formed, on the thread of the channel, byte by
//! byte. A recording replays all the same, or ends before the line that would not.
//!
//! [`FileRecorder`] records the channels of a server, switched on and off while it serves.
//!
//! ```no_run
//! use std::fs::File;
//! use std::io::BufReader;
//!
//! use httpfsm_record::{ReplayFailure, replay};
//!
//! let recording = BufReader::new(File::open("recordings/server.clisrv_1.jsonl")?);
//! match replay(recording) {
//!     Ok(replayed) => println!("{} inputs: equal; the recording ends: {}", replayed.inputs, replayed.end),
//!     Err(ReplayFailure::Differs(first)) => println!("{}: {} became {}", first.line, first.expected, first.got),
//!     Err(other) => println!("{other}"),
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod config;
mod files;
mod hide;
mod latin1;
mod line;
mod options;
mod recording;
mod replay;
mod show;
mod writer;

pub use files::{FileRecorder, Which};
pub use options::{MASKED, Options};
pub use recording::Recording;
pub use replay::{Difference, LineKind, MAX_BYTES, Replay, ReplayFailure, Replayed, ReplayedLine, replay};

/// The example of the readme compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
