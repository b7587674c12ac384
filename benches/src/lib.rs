//! What a request costs, counted so that a busy machine changes nothing: the programs `count` (instructions,
//! allocations and system calls), `hold` (memory of idle connections) and `attack` (what slow peers cost a healthy one),
//! and the criterion bench `core` (time).
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod believing;
pub mod budget;
pub mod callgrind;
pub mod client;
pub mod client_stream;
pub mod in_memory;
pub mod in_process;
pub mod layered;
pub mod load;
pub mod router;
pub mod server;
pub mod tls_client;
