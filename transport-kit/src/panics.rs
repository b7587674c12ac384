//! Handlers that panic while others are at work, and whether the server loses places by it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::panic::resume_unwind;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use httpfsm::config::ServerConfig;
use httpfsm::handler::{Body, BodyFailure, Frame, Request, Response};
use httpfsm::server::ServerStats;
use httpfsm::status::Status;
use httpfsm_transport::{ServerHandle, block_on};

use crate::crowd::respond;
use crate::held::HeldResources;

/// How long anything may take. Nothing does unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clients that ask one request after another.
const CLIENTS: u32 = 8;
/// One request in so many panics.
const ONE_IN: u32 = 10;
/// Twice as many as there are clients: the place of a request may be free a moment after its response has come.
const REQUESTS_AT_ONCE: u32 = 2 * CLIENTS;
/// Connections that panics end may still be closing while their clients come back.
const CONNECTIONS_AT_ONCE: u32 = 8 * CLIENTS;

/// Lets one request in ten panic, of 2,000, or of 100,000 with `HTTPFSM_FAULTS=full` in the environment, on a server
/// with few places for requests and connections, and says what was wrong with the transport if something was: a panic
/// ends its own request alone, with a 500 or with a response that is cut; all others get their responses, since no
/// place is lost; and the process has as many threads and descriptors as before. `serve` starts a server under a
/// configuration and at an address, of the application [`respond_or_panic`].
///
/// It counts what the whole process holds, so nothing else may run in it: give it a test file of its own.
///
/// ```
/// use httpfsm_tokio::Server;
/// use httpfsm_transport_kit::{panics_at_work, respond_or_panic};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Runtime::new()?;
/// let _inside = runtime.enter();
/// panics_at_work(|config, address| Server::new(config).listen_tcp(address).serve(respond_or_panic))?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A server cannot be started.
///
/// # Panics
///
/// Something is wrong with the transport.
pub fn panics_at_work(
    serve: impl Fn(ServerConfig, SocketAddr) -> io::Result<ServerHandle>,
) -> io::Result<ServerStats> {
    let full = match std::env::var_os("HTTPFSM_FAULTS") {
        None => false,
        Some(faults) if faults == "full" => true,
        Some(other) => panic!("HTTPFSM_FAULTS is {other:?}; it is \"full\", or is not set."),
    };
    // What a runtime keeps for good, it has after the first round.
    round(&serve, 10 * ONE_IN)?;
    let before = HeldResources::settled();
    let stats = round(&serve, if full { 100_000 } else { 2_000 } / CLIENTS)?;
    if let Err(now) = before.wait(PATIENCE) {
        panic!("{before:?} before, {now:?} after the panics");
    }
    Ok(stats)
}

/// The application of [`panics_at_work`]: [`respond`](crate::respond), but for `GET /panic`, which panics before its
/// response, and `GET /panic-late`, which panics inside it.
///
/// # Errors
///
/// Those of `respond`.
pub async fn respond_or_panic(request: Request) -> Result<Response, BodyFailure> {
    match request.path() {
        "/panic" => panic_quietly(),
        "/panic-late" => {
            let mut begun = false;
            Ok(Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                if begun {
                    panic_quietly();
                }
                begun = true;
                Poll::Ready(Frame::Data(Bytes::from_static(b"so far")))
            })))
        }
        _ => respond(request).await,
    }
}

/// A panic that nobody is told of.
fn panic_quietly() -> ! {
    resume_unwind(Box::new("a panic of the kit"))
}

/// A server to its end, with so many requests of each client.
fn round(
    serve: impl Fn(ServerConfig, SocketAddr) -> io::Result<ServerHandle>,
    each: u32,
) -> io::Result<ServerStats> {
    let config = ServerConfig {
        maximum_simultaneous_requests: REQUESTS_AT_ONCE,
        max_connections: CONNECTIONS_AT_ONCE,
        ..ServerConfig::default()
    };
    let server = serve(config, (Ipv4Addr::LOCALHOST, 0).into())?;
    let address = server.local_addr().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let wrong: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(move || ask(address, each))).collect();
        let ends = clients.into_iter().map(|client| client.join().expect("a client does not panic"));
        ends.filter_map(Result::err).collect()
    });
    assert_eq!(wrong, [""; 0]);
    let started = Instant::now();
    while server.stats().n_channels > 0 {
        assert!(started.elapsed() < PATIENCE, "channels stay: {:?}", server.stats());
        thread::sleep(Duration::from_millis(5));
    }
    let stats = server.stats();
    block_on(server.begin_drain(Some(Duration::ZERO)).gone());
    let requests = u64::from(CLIENTS * each);
    let counted = (stats.opened - stats.closed, stats.not_admitted(), stats.channels.requests);
    assert_eq!(counted, (0, 0, requests), "{stats:?}");
    Ok(stats)
}

/// What one client does; what was wrong.
fn ask(address: SocketAddr, requests: u32) -> Result<(), String> {
    let mut kept = None;
    for at in 0..requests {
        let (path, status) = match at % (2 * ONE_IN) {
            3 => ("/panic", "500"),
            13 => ("/panic-late", "200"),
            _ => ("/plaintext", "200"),
        };
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => connect(address).map_err(|error| format!("no connection: {error}"))?,
        };
        let response =
            exchange(&mut stream, path).map_err(|error| format!("{path}, request {at}: {error}"))?;
        let cut = path == "/panic-late";
        if !response.head.starts_with(&format!("http/1.1 {status} ")) || response.whole == cut {
            return Err(format!("{path}, request {at}, gets {response:?}"));
        }
        if response.whole && !response.head.contains("\r\nconnection: close\r\n") {
            kept = Some(stream);
        }
    }
    Ok(())
}

#[derive(Debug)]
struct ReceivedResponse {
    /// In lower case.
    head: String,
    whole: bool,
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

fn exchange(stream: &mut BufReader<TcpStream>, path: &str) -> io::Result<ReceivedResponse> {
    stream.get_mut().write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no response"));
        }
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let whole = match length.and_then(|length| length.trim().parse().ok()) {
        Some(length) => io::copy(&mut stream.take(length), &mut io::sink())? == length,
        None => {
            // In chunks: these are short, and theirs is the only empty line.
            let mut content = Vec::new();
            while stream.read_until(b'\n', &mut content).is_ok_and(|n| n > 0)
                && !content.ends_with(b"\r\n\r\n")
            {}
            content.ends_with(b"\r\n\r\n")
        }
    };
    Ok(ReceivedResponse { head, whole })
}
