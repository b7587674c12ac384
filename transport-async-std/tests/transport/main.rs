//! What futures-io adds to upgraded connections, and where blocking functions run: on async-std, on smol, on workers, and on
//! executors of the test's. What every transport owes is in `kit.rs`.
//!
//! The clients block; the servers are in the background, as they are in a program.
#![cfg(all(feature = "async-std", feature = "smol"))]
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm_async_std::smol::Smol;
use httpfsm_async_std::{AsyncStd, Futures, ServerHandle, Task};
use httpfsm_transport::{Server, Transport};

mod handlers;
mod upgrade;

/// Makes of each function a test on each runtime.
macro_rules! on_each_runtime {
    ($($(#[$attribute:meta])* fn $name:ident($runtime:ident: Runtime) $body:block)*) => { $(
        mod $name {
            use super::*;
            fn body($runtime: crate::Runtime) $body
            $(#[$attribute])* #[test] fn on_async_std() { body(crate::Runtime::AsyncStd) }
            $(#[$attribute])* #[test] fn on_smol() { body(crate::Runtime::Smol) }
            $(#[$attribute])* #[test] fn on_workers_of_async_std() { body(crate::Runtime::AsyncStdWorkers) }
            $(#[$attribute])* #[test] fn on_workers_of_smol() { body(crate::Runtime::SmolWorkers) }
            $(#[$attribute])* #[test] fn on_an_executor_of_ones_own() { body(crate::Runtime::Executor) }
            $(#[$attribute])* #[test] fn on_a_thread_for_each_task() { body(crate::Runtime::Threads) }
        }
    )* };
}
use on_each_runtime;

/// Long enough for a loaded machine; nothing here waits for it unless it fails.
const HANG: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
enum Runtime {
    AsyncStd,
    Smol,
    AsyncStdWorkers,
    SmolWorkers,
    Executor,
    Threads,
}

impl Runtime {
    /// A server on a port of this machine.
    fn start(self, handler: impl Handler) -> ServerHandle {
        match self {
            Self::AsyncStd => on(AsyncStd::default(), handler),
            Self::Smol => on(Smol::default(), handler),
            Self::AsyncStdWorkers => on(AsyncStd::default().workers(2), handler),
            Self::SmolWorkers => on(Smol::default().workers(2), handler),
            Self::Executor => {
                let executor = Arc::new(smol::Executor::new());
                let server = on(Futures(Arc::clone(&executor)), handler);
                let gone = server.gone();
                std::thread::spawn(move || smol::block_on(executor.run(gone)));
                server
            }
            Self::Threads => {
                let spawn = |task: Task| drop(std::thread::spawn(|| async_io::block_on(task)));
                on(Futures(spawn), handler)
            }
        }
    }
}

fn on(transport: impl Transport, handler: impl Handler) -> ServerHandle {
    let server = Server::on(transport, ServerConfig::default());
    server.listen_tcp("127.0.0.1:0".parse().unwrap()).serve(handler).unwrap()
}

fn connect(server: &ServerHandle) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream
}

fn read_to_end(mut stream: impl Read) -> String {
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

/// Reads until what came ends like this.
fn read_until(mut stream: impl Read, end: &str) -> String {
    let (mut response, mut buffer) = (Vec::new(), [0; 4096]);
    while !response.ends_with(end.as_bytes()) {
        let bytes = stream.read(&mut buffer).unwrap();
        assert!(bytes > 0, "the end comes after {:?}", String::from_utf8_lossy(&response));
        response.extend_from_slice(&buffer[..bytes]);
    }
    String::from_utf8_lossy(&response).into_owned()
}
