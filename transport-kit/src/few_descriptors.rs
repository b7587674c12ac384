//! A server whose process has no descriptor left, and what it does until it has some again.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm_transport::{ServerHandle, block_on};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::held::{HeldResources, Others};

/// How long anything may take. Nothing does unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Descriptors that are free when the clients come.
const FREE: usize = 8;
/// Clients, of whom most have to wait.
const CLIENTS: usize = 100;
/// Bytes that a client sends one by one, which was accepted before them.
const PIECES: usize = 10;

/// Takes all descriptors but eight from the process while a hundred clients connect, and says what was wrong with the
/// transport if something was: it serves those that it could accept, takes no processor time for the others, closes idle
/// connections for them, and has as many threads and descriptors as before at the end. `serve` starts a
/// server under a configuration and at an address, of the application [`respond`](crate::respond).
///
/// It limits the whole process, so nothing else may run in it: give it a test file of its own. Where the system has no
/// `/proc` it says that it is not run.
///
/// ```
/// use httpfsm_tokio::Server;
/// use httpfsm_transport_kit::{few_descriptors, respond};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Runtime::new()?;
/// let _inside = runtime.enter();
/// few_descriptors(|config, address| Server::new(config).listen_tcp(address).serve(respond))?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A server cannot be started, or the limit of the process cannot be changed.
///
/// # Panics
///
/// Something is wrong with the transport.
pub fn few_descriptors(
    serve: impl Fn(ServerConfig, SocketAddr) -> io::Result<ServerHandle>,
) -> io::Result<()> {
    if !HeldResources::is_told() {
        // Past the capture of tests, which print nothing when they pass.
        let _ = writeln!(io::stderr(), "few descriptors: not run: needs /proc");
        return Ok(());
    }
    // What a runtime keeps for good, it has after the first server.
    drain(&start(&serve)?.0);
    let before = HeldResources::settled();
    let (server, address) = start(&serve)?;
    let mut early = TcpStream::connect_timeout(&address, PATIENCE)?;
    early.set_read_timeout(Some(PATIENCE))?;
    ask(&mut early)?;
    // It has a request under way, so that it is not the one that is idle.
    write!(early, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {PIECES}\r\n\r\n")?;

    // Their descriptors are taken by now, so that to connect takes none.
    let clients = (0..CLIENTS).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None));
    let clients = clients.collect::<io::Result<Vec<_>>>()?;
    let others = Others::now()?;
    let (limited, mut taken) = Limited::to_what_is_open()?;
    taken.truncate(taken.len().saturating_sub(FREE));
    clients.iter().try_for_each(|client| client.connect_timeout(&address.into(), PATIENCE))?;
    wait(|| server.stats().n_channels == 1 + FREE as u64, || format!("channels: {:?}", server.stats()));

    if let Err(restless) = others.rest(PATIENCE / 4) {
        panic!("Without descriptors, the server takes {restless}.");
    }
    for _ in 0..PIECES {
        early.write_all(b"x")?;
    }
    receive(&mut early, PIECES.to_string().as_bytes())?;

    // Those that wait are served in their turn, also where nobody goes: who is idle makes room.
    let mut served = Vec::new();
    for client in clients {
        let mut client = TcpStream::from(client);
        client.set_read_timeout(Some(PATIENCE))?;
        ask(&mut client)?;
        served.push(client);
    }
    assert_eq!(server.stats().opened, 2 + CLIENTS as u64);
    drop((early, served, taken, limited, others));
    drain(&server);
    drop(server);
    if let Err(now) = before.wait(PATIENCE) {
        panic!("{before:?} before, {now:?} now");
    }
    Ok(())
}

/// A server that has responded.
fn start(
    serve: impl Fn(ServerConfig, SocketAddr) -> io::Result<ServerHandle>,
) -> io::Result<(ServerHandle, SocketAddr)> {
    let server = serve(ServerConfig::default(), (Ipv4Addr::LOCALHOST, 0).into())?;
    let address = server.local_addr().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut client = TcpStream::connect_timeout(&address, PATIENCE)?;
    client.set_read_timeout(Some(PATIENCE))?;
    ask(&mut client)?;
    drop(client);
    wait(|| server.stats().n_channels == 0, || format!("the first channel stays: {:?}", server.stats()));
    Ok((server, address))
}

fn drain(server: &ServerHandle) {
    block_on(server.begin_drain(Some(Duration::ZERO)).gone());
}

/// Sends a client's request and reads its response.
#[track_caller]
fn ask(client: &mut TcpStream) -> io::Result<()> {
    client.write_all(b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    receive(client, b"Hello, world!")
}

/// Reads a response of this content.
#[track_caller]
fn receive(client: &mut TcpStream, content: &[u8]) -> io::Result<()> {
    let mut response = Vec::new();
    while !response.ends_with(&[b"\r\n\r\n", content].concat()) {
        let mut piece = [0; 1024];
        let bytes = client.read(&mut piece)?;
        assert_ne!(bytes, 0, "an end behind \"{}\"", response.escape_ascii());
        response.extend_from_slice(&piece[..bytes]);
    }
    Ok(())
}

#[track_caller]
fn wait(is_so: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{}", otherwise());
        thread::sleep(Duration::from_millis(5));
    }
}

/// The limit of the process, which is as before when this is dropped.
struct Limited(Rlimit);

impl Limited {
    /// Lowers the limit so that no descriptor is free, as those that might be are taken: they are returned.
    fn to_what_is_open() -> io::Result<(Self, Vec<File>)> {
        let before = getrlimit(Resource::Nofile);
        let numbers = fs::read_dir("/proc/self/fd")?.flatten();
        let last = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok()).max();
        // Enough for those that are to be free again, also where nothing is free below the last.
        let limit = last.unwrap_or(0) + 1 + FREE as u64;
        setrlimit(Resource::Nofile, Rlimit { current: Some(limit), ..before })?;
        let limited = Self(before);
        let mut taken = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            taken.push(file);
        }
        Ok((limited, taken))
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // It is what the process has had.
        let _ = setrlimit(Resource::Nofile, self.0);
    }
}
