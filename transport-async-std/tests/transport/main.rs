//! The transport over real sockets, end to end, on async-std, on smol, on workers, and on an executor of the test's.
//!
//! The clients block; the servers are in the background, as they are in a program.
#![cfg(all(feature = "async-std", feature = "smol"))]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm_async_std::smol::Smol;
use httpfsm_async_std::{AsyncStd, Futures, Listener, ServerHandle, SocketOptions, Task};
use httpfsm_transport::{Server, Transport};

mod drain;
mod handlers;
mod smoke;
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

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

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
    fn listen(self, listeners: Vec<Listener>, config: ServerConfig, handler: impl Handler) -> ServerHandle {
        match self {
            Self::AsyncStd => on(AsyncStd::default(), listeners, config, handler),
            Self::Smol => on(Smol::default(), listeners, config, handler),
            Self::AsyncStdWorkers => on(AsyncStd::default().workers(2), listeners, config, handler),
            Self::SmolWorkers => on(Smol::default().workers(2), listeners, config, handler),
            Self::Executor => {
                let executor = Arc::new(smol::Executor::new());
                let server = on(Futures(Arc::clone(&executor)), listeners, config, handler);
                let gone = server.gone();
                std::thread::spawn(move || smol::block_on(executor.run(gone)));
                server
            }
            Self::Threads => {
                let spawn = |task: Task| drop(std::thread::spawn(|| async_io::block_on(task)));
                on(Futures(spawn), listeners, config, handler)
            }
        }
    }

    /// A server on a port of this machine.
    fn start(self, handler: impl Handler) -> ServerHandle {
        self.listen(vec![tcp("127.0.0.1:0")], ServerConfig::default(), handler)
    }
}

fn on(
    transport: impl Transport,
    listeners: Vec<Listener>,
    config: ServerConfig,
    handler: impl Handler,
) -> ServerHandle {
    listeners.into_iter().fold(Server::on(transport, config), Server::listener).serve(handler).unwrap()
}

fn tcp(address: &str) -> Listener {
    Listener::tcp(address.parse().unwrap(), &SocketOptions::default()).unwrap()
}

fn connect(server: &ServerHandle) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream
}

/// Sends, ends our output, and reads to the end.
fn exchange(mut stream: TcpStream, bytes: &[u8]) -> String {
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    read_to_end(stream)
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
