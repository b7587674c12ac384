//! A deterministic simulator: a handler of yours, on the real driver and the real machine, with everything that a
//! network, a client and time can do to it, and a seed that repeats it.
//!
//! ```
//! use std::time::Duration;
//!
//! use httpfsm::config::ServerConfig;
//! use httpfsm::handler::{Request, Response};
//! use httpfsm_sim::{Ask, Simulation, World};
//!
//! let outcome = Simulation::new(ServerConfig::default(), |world: &World| {
//!     let world = world.clone();
//!     move |mut request: Request| {
//!         let world = world.clone();
//!         async move {
//!             world.sleep(Duration::from_millis(20)).await; // A database, say. No time passes.
//!             match request.body().collect(1 << 20).await {
//!                 Ok(content) => Response::octets(content.to_ascii_uppercase()),
//!                 Err(_) => Response::text("The body broke off."),
//!             }
//!         }
//!     }
//! })
//! .traffic(|dice| {
//!     let content = vec![b'a'; dice.length(5000) as usize];
//!     let expected = content.to_ascii_uppercase();
//!     Ask::post("/shout", content).reads_body().check(move |answer| match &answer.body {
//!         body if *body == expected || body == b"The body broke off." => Ok(()),
//!         body => Err(format!("{} octets", body.len())),
//!     })
//! })
//! .connections(200)
//! .run()?;
//! assert_eq!(outcome.connections, 200);
//! # Ok::<(), Box<httpfsm_sim::Failure>>(())
//! ```
//!
//! # What is simulated
//!
//! A [`World`] has a time of its own, which stands while anything can run and then jumps to what is due next. In it run the
//! [`Driver`](httpfsm_transport::Driver)s of a server, its model clients and the application's tasks; whose turn it is
//! the seed decides. [`Fault`] lists what goes wrong. Some of it a server has to get over: such connections are *calm*, and
//! each of their requests is answered in full.
//!
//! # What is checked, after every step
//!
//! [`Contract`] lists it. Among the less obvious:
//!
//! - While everybody waits, the drivers are polled once more for nothing. What one does then, it was not woken for.
//! - When nothing is due any more, no connection is open; a deadline that was not armed is found so, and a handler that
//!   waits for ever as well.
//! - A socket that is closed before its input was read destroys what the peer has not read yet, as TCP does.
//! - What was hidden in a message that is refused never reaches the handler.
//!
//! # What a failure tells
//!
//! The plan of a round is data. Connections, requests and faults are taken away from it as long as it still fails in
//! the same way, and the [`Failure`] shows what is left, step by step, with the command that repeats it. A handler must
//! take its time and its randomness from the [`World`] and the request, or else it is not repeated.
//!
//! The numbers are those of `oorandom` (PCG), the hash is one of multiplications over words of eight octets: both are the same on
//! every platform, and change with a major version of `oorandom` only.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod ask;
mod channels;
mod client;
mod dice;
mod failure;
mod fault;
mod hostile;
mod model;
mod plan;
mod reader;
mod round;
mod simulation;
mod trace;
mod watch;
mod wire;
mod world;

pub use ask::{Answer, Ask};
pub use channels::channels;
pub use dice::Dice;
pub use failure::Failure;
pub use fault::Fault;
pub use model::{application, ask, vary};
pub use round::Contract;
pub use simulation::{Outcome, Simulation};
pub use world::{Sleep, World};

/// The example of the readme compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
