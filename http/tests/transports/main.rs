//! An axum `Router` on tokio, on async-std, on smol and on threads, over sockets.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use axum::Router;
use httpfsm::{Bodies, Handler, ServerConfig};
use httpfsm_http::{ServiceHandler, service};
use httpfsm_transport::{ServerHandle, block_on};
use tokio::runtime::Runtime;

mod connect_info;
mod events;
mod failures;
mod layers;
mod lives;
mod locked;
mod router;
mod streams;
mod trace;
mod websocket;

/// Long enough for a loaded machine; nothing here waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum On {
    Tokio,
    AsyncStd,
    Smol,
    Blocking,
}

const ALL: [On; 4] = [On::Tokio, On::AsyncStd, On::Smol, On::Blocking];

/// A server on one transport.
struct Running {
    on: On,
    handle: ServerHandle,
    address: SocketAddr,
    /// Of tokio's server, and of what calls tokio elsewhere.
    runtime: Option<Runtime>,
}

impl Running {
    /// Elsewhere than on tokio nothing of tokio is there, unless the service runs `in_tokio`.
    fn start<S>(on: On, config: ServerConfig, handler: ServiceHandler<S>, in_tokio: bool) -> Self
    where
        ServiceHandler<S>: Handler + Clone,
    {
        let runtime = (in_tokio || on == On::Tokio).then(|| Runtime::new().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inside = runtime.as_ref().map(|runtime| handler.clone().in_tokio(runtime.handle().clone()));
        let handle = match (on, inside) {
            (On::Tokio, _) => {
                let _inside = runtime.as_ref().map(Runtime::enter);
                httpfsm_tokio::serve(listener, config, handler)
            }
            (On::AsyncStd, None) => httpfsm_async_std::serve(listener, config, handler),
            (On::AsyncStd, Some(inside)) => httpfsm_async_std::serve(listener, config, inside),
            (On::Smol, None) => httpfsm_async_std::smol::serve(listener, config, handler),
            (On::Smol, Some(inside)) => httpfsm_async_std::smol::serve(listener, config, inside),
            (On::Blocking, None) => httpfsm_blocking::serve(listener, config, handler),
            (On::Blocking, Some(inside)) => httpfsm_blocking::serve(listener, config, inside),
        };
        Self { on, handle: handle.unwrap(), address, runtime }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes on a new connection, and reads to its end.
    fn send(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes.as_ref()).unwrap();
        String::from_utf8_lossy(&to_the_end(&mut stream)).into_owned()
    }

    /// One request, with more lines of its head and a content, on a connection of its own.
    fn ask(&self, line: &str, fields: &str, content: &str) -> String {
        let length = content.len();
        self.send(format!(
            "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n{content}"
        ))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        block_on(self.handle.begin_drain(Some(Duration::ZERO)).gone());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// All that still comes.
fn to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        // Of a connection that was cut.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    bytes
}

/// Reads until what came ends so.
fn until(stream: &mut TcpStream, end: &str) -> String {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(end.as_bytes()) {
        let read = stream.read(&mut byte).unwrap();
        assert_ne!(read, 0, "it ended: {}", String::from_utf8_lossy(&bytes));
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

/// The head and the content of a response.
fn split(response: &str) -> (&str, &str) {
    response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {response}"))
}

/// Bodies as they come, on threads as well.
fn streamed() -> ServerConfig {
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Streamed);
    config
}

/// A connection that its client closes is lost at once, and not only half closed.
fn abrupt() -> ServerConfig {
    let mut config = streamed();
    config.channel.fin_is_disconnect = true;
    config
}

/// Has a test run on each transport, without a runtime of tokio but on tokio.
fn on_each(config: &ServerConfig, app: &Router, test: impl Fn(&Running)) {
    on_each_service(config, &service(app.clone()), test);
}

fn on_each_service<S>(config: &ServerConfig, handler: &ServiceHandler<S>, test: impl Fn(&Running))
where
    ServiceHandler<S>: Handler + Clone,
{
    for on in ALL {
        test(&Running::start(on, config.clone(), handler.clone(), false));
    }
}

/// The same, with a runtime of tokio that is entered.
fn on_each_in_tokio(config: &ServerConfig, app: &Router, test: impl Fn(&Running)) {
    for on in ALL {
        test(&Running::start(on, config.clone(), service(app.clone()), true));
    }
}

#[track_caller]
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
