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
//!                 Ok(content) => Response::bytes(content.to_ascii_uppercase()),
//!                 Err(_) => Response::text("The body broke off."),
//!             }
//!         }
//!     }
//! })
//! .traffic(|dice| {
//!     let content = vec![b'a'; dice.length(5000) as usize];
//!     let expected = content.to_ascii_uppercase();
//!     Ask::post("/shout", content).reads_body().check(move |response| match &response.body {
//!         body if *body == expected || body == b"The body broke off." => Ok(()),
//!         body => Err(format!("{} bytes", body.len())),
//!     })
//! })
//! .connections(200)
//! .run()?;
//! assert_eq!(outcome.connections, 200);
//! # Ok::<(), Box<httpfsm_sim::BrokenContract>>(())
//! ```
//!
//! Handlers fail for more than wrong responses. This one lets one request work at a time, and forgets that its future
//! is dropped when the client is gone:
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicBool, Ordering};
//! use std::time::Duration;
//!
//! use httpfsm::config::ServerConfig;
//! use httpfsm::handler::Request;
//! use httpfsm_sim::{Ask, Contract, Simulation, World};
//!
//! let mut config = ServerConfig::default();
//! config.channel.responseless_timeout = Some(Duration::from_secs(60));
//! let failure = Simulation::new(config, |world: &World| {
//!     let (world, busy) = (world.clone(), Arc::new(AtomicBool::new(false)));
//!     move |_: Request| {
//!         let (world, busy) = (world.clone(), Arc::clone(&busy));
//!         async move {
//!             while busy.swap(true, Ordering::Relaxed) {
//!                 world.sleep(Duration::from_millis(50)).await;
//!             }
//!             world.sleep(Duration::from_millis(200)).await;
//!             busy.store(false, Ordering::Relaxed); // Nobody comes here when a client resets.
//!             "done"
//!         }
//!     }
//! })
//! .traffic(|_| Ask::get("/work"))
//! .run()
//! .expect_err("a client that goes away leaves the others waiting");
//! assert_eq!(failure.contract, Contract::Responses);
//! assert!(failure.text.ends_with("got 503 from the machine"));
//! ```
//!
//! An `unwrap` tells the story. Of four connections two are left, of their requests three and one, and of all that went
//! wrong one reset:
//!
//! ```text
//! Responses is broken at seed 23: client 1: request 0 got 503 from the machine
//!
//! The smallest plan that fails:
//! ...
//! What happened:
//!           0 ms  client 0 sends "GET /work HTTP/1.1\r\nHost: sim\r\nSim-Id: 0\r\n\r\nGET /work HTT"
//!           0 ms  server.clisrv_1 opened
//!           0 ms  server.clisrv_1 GET /work
//!           0 ms  client 0 resets
//!           0 ms  server.clisrv_1 closed: The connection was lost.
//!          24 ms  client 1 sends "GET /work HTTP/1.1\r\nHost: sim\r\nSim-Id: 11\r\n\r\n"
//!          24 ms  server.clisrv_2 opened
//!          24 ms  server.clisrv_2 GET /work
//!       60024 ms  server.clisrv_2 refused: The application did not respond in time. (byte 0, RFC 9110 section 15.6.4)
//!       60024 ms  client 1 receives "HTTP/1.1 503 Service Unavailable\r\n...
//!       60024 ms  Responses: client 1: request 0 got 503 from the machine
//!
//! To repeat it: HTTPFSM_SIM_SEED=23 HTTPFSM_SIM_CONNECTIONS=1 cargo test -p my-server clients_get_responses
//! ```
//!
//! # What is simulated
//!
//! A [`World`] has a time of its own, which stands while anything can run and then jumps to what is due next. In it run
//! the [accept loop](httpfsm_transport::accept) and the [`Driver`](httpfsm_transport::Driver)s of a server, its model
//! clients and the application's tasks; whose turn it is the seed decides. Where the configuration has fewer places
//! than a round has connections, four, clients are refused and idle ones evicted. [`Fault`] lists what goes wrong. Some
//! of it a server has to get over: such connections are *calm*, and each of their requests gets a complete response.
//!
//! One connection in four goes through a layer with records and an end of its own, and on one in four something comes
//! before HTTP, as its listener has it: a preface, which may name another peer; the handshake of a layer, which the preface
//! or the listener chooses; and behind some of them another protocol, to which the connection is handed over. A preface may
//! arrive byte by byte, break off, break a rule or never end, and a hello as well.
//!
//! # What is checked, after every step
//!
//! [`Contract`] lists it. Among the less obvious:
//!
//! - While everybody waits, each driver is polled once more. A driver that then does something was not woken when it
//!   should have been.
//! - When nothing is due any more, no connection is open. So a deadline that was not armed is found, and a handler that
//!   waits for ever.
//! - No client is refused while there is a free place or an idle connection that could be closed, and no connection
//!   that is owed a response is evicted.
//! - A socket that is closed before its input was read destroys what the peer has not read yet, as TCP does.
//! - What was hidden in a message that is refused never reaches the handler, nor what comes behind a preface that is.
//! - The peer of a connection is the one that its preface names.
//!
//! # What a failure tells
//!
//! The plan of a round is data. Connections, requests and faults are taken away from it as long as it still fails in
//! the same way, and the [`BrokenContract`] shows what is left, step by step, with the command that repeats it. A handler
//! must take its time and its randomness from the [`World`] and the request, or else it is not repeated.
//!
//! The numbers are those of `oorandom` (PCG), the hash is one of multiplications over words of eight bytes: both are
//! the same on every platform, and change with a major version of `oorandom` only.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod ask;
mod before;
mod broken_contract;
mod channels;
mod client;
mod contract;
mod dice;
mod fault;
mod hostile;
mod layer;
mod listen_queue;
mod model;
mod observer;
mod plan;
mod reader;
mod round;
mod running;
mod simulation;
mod trace;
mod watch;
mod wire;
mod world;

pub use ask::{Ask, ReceivedResponse};
pub use broken_contract::BrokenContract;
pub use channels::channels;
pub use contract::Contract;
pub use dice::Dice;
pub use fault::Fault;
pub use model::{application, ask, vary};
pub use simulation::{Outcome, Simulation};
pub use world::{Sleep, World};

/// The example of the readme compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
