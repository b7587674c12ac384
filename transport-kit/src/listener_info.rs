//! What a listener says of its connections, as handlers hear it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use httpfsm::handler::Request;
use httpfsm::peer::Peer;
use httpfsm_transport::{Listener, Server, SocketOptions, Transport, block_on};

use crate::sockets;

/// Longer than any response takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the second listener is called.
#[derive(Clone, Debug)]
struct ListenerName(&'static str);

async fn tell(request: Request) -> String {
    let name = request.connection().extensions.get::<ListenerName>();
    format!("{} {}", request.scheme(), name.map_or("none", |name| name.0))
}

/// Serves on two listeners of `server`, of which the second has a scheme and an extension, and asks on each, several times:
/// a transport that opens a socket for each of its workers is asked on those by chance. A transport calls it in a test of
/// its own; where it needs a runtime, within one that serves while this blocks.
///
/// ```
/// use httpfsm::ServerConfig;
/// use httpfsm_tokio::Server;
/// use httpfsm_transport_kit::listener_info;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// let _inside = runtime.enter();
/// listener_info(Server::new(ServerConfig::default()))?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A listener is not made, or a request is not told what its listener says; the text says which.
pub fn listener_info<T: Transport>(server: Server<T>) -> Result<(), String> {
    let shared = SocketOptions { reuse_port: true, ..SocketOptions::default() };
    let listen = || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let plain = Listener::tcp(address, &shared)?;
        let named = Listener::tcp(address, &shared)?.scheme("https").extension(ListenerName("second"));
        Ok((plain, named))
    };
    let (plain, named) = listen().map_err(|error: io::Error| error.to_string())?;
    let expected = [(plain.local_addr().clone(), "http none"), (named.local_addr().clone(), "https second")];
    let server = server.options(shared).listener(plain).listener(named).serve(tell);
    let server = server.map_err(|error| error.to_string())?;
    for (address, expected) in expected {
        // On each of several sockets of one address, where there are some.
        for _ in 0..20 {
            let heard = ask(&address).map_err(|error| error.to_string())?;
            if !heard.ends_with(&format!("\r\n\r\n{expected}")) {
                return Err(format!("A request at {address} is told \"{heard}\" and not \"{expected}\"."));
            }
        }
    }
    block_on(server.begin_drain(None).gone());
    Ok(())
}

fn ask(address: &Peer) -> io::Result<String> {
    let Peer::Ip(address) = address else { return Err(io::ErrorKind::Unsupported.into()) };
    let mut stream = sockets::connect(*address, false, PATIENCE)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut heard = String::new();
    stream.read_to_string(&mut heard)?;
    Ok(heard)
}
