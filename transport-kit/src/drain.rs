//! What a server in this process leaves behind when it has gone out of service.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm_transport::{ServerHandle, block_on};

use crate::crowd::{Crowd, Tally};
use crate::held::HeldResources;

/// How long anything may take. Nothing does unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Servers that are drained; after the first, threads that a runtime starts once are there.
const ROUNDS: usize = 3;

/// Drains servers with a [`Crowd`] at work, and says what was wrong with the transport if something was: each request that
/// the server has delivered to the handler has a complete response, and so has each of clients that have come right before
/// the drain and may not be accepted yet; no connection that waits is reset; [`gone`](httpfsm_transport::ServerHandle::gone)
/// resolves, and the process has as many threads and descriptors as before. `serve` starts a server under a configuration
/// and at an address, of the application [`respond`](crate::respond).
///
/// It counts what the whole process holds, so nothing else may run in it: give it a test file of its own.
///
/// ```
/// use httpfsm_tokio::Server;
/// use httpfsm_transport_kit::{drain_at_work, respond};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Runtime::new()?;
/// let _inside = runtime.enter();
/// drain_at_work(|config, address| Server::new(config).listen_tcp(address).serve(respond))?;
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
pub fn drain_at_work(
    serve: impl Fn(ServerConfig, SocketAddr) -> io::Result<ServerHandle>,
) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut before = None;
    for round in 0..ROUNDS {
        let mut config = ServerConfig::default();
        // Whoever has said nothing may still make a request while the server drains; the crowd's silent ones never do.
        config.channel.first_byte_timeout = Some(Duration::from_secs(2));
        let server = serve(config, (Ipv4Addr::LOCALHOST, 0).into())?;
        let address = server.local_addr().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut crowd = Crowd::gather(address);
        let within = before.map(|_| HeldResources::now());
        let (gone, is_gone) = mpsc::channel();
        crowd.rush(address)?;
        // The drain begins with this call, and not when somebody awaits it.
        let drained = server.begin_drain(Some(PATIENCE)).gone();
        let waiter = thread::spawn(move || {
            block_on(drained);
            let _ = gone.send(());
        });
        let round_tally = crowd.disperse();
        is_gone.recv_timeout(PATIENCE + PATIENCE / 2).expect("gone resolves");
        drop(waiter.join());
        assert_eq!(round_tally.wrong, [""; 0], "in round {round}");
        let delivered = server.stats().channels.requests;
        let responses = round_tally.responses;
        assert_eq!(
            responses, delivered,
            "requests that got a response, and that were delivered, in round {round}"
        );
        tally += round_tally;
        assert_eq!(server.stats().n_channels, 0);
        drop(server);
        match before {
            // The first round has warmed the runtime up; what it holds is known when it stands still.
            None => before = Some(HeldResources::settled()),
            Some(before) => {
                if let Err(now) = before.wait(PATIENCE) {
                    panic!("{before:?} before, {within:?} at work, {now:?} now");
                }
            }
        }
    }
    Ok(tally)
}
