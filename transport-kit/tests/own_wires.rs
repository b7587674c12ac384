//! Connections over wires of one's own, which no listener has accepted: in memory, over sockets and over a duplex of
//! tokio's, plain and through a layer. They keep all that a transport owes but for what needs a listener.
#![allow(clippy::unwrap_used)]

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use httpfsm_tokio::{BlockingPool, Io, Stream};
use httpfsm_transport::memory::pair;
use httpfsm_transport::{Accepted, Layered, ListenerInfo, Threads, Wire, block_on};
use httpfsm_transport_kit::{
    Application, Ends, Kit, Plan, PrefacedConnections, Report, Served, ToyLayer, before_http_over,
    established,
};
use tokio::io::duplex;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};

/// What is not looked at without a listener, and without resets.
const NO_LISTENER: [&str; 2] = ["listeners", "unix sockets"];
const NO_RESETS: [&str; 4] = ["disconnects", "listeners", "lost unread", "unix sockets"];

/// Checks connections whose ends, the server's and the peer's, are made so.
fn check<S: Wire, P: Wire>(
    kit: &Kit,
    has_resets: bool,
    make: impl Fn(&Ends) -> io::Result<(S, P)> + Send + Sync + Clone + 'static,
) -> Report {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    kit.check(&|plan: Plan, application: Application| {
        let _inside = runtime.enter();
        let server = plan.connections(BlockingPool, application)?;
        let (handle, runtime, make) = (server.handle(), Handle::current(), make.clone());
        let served = Served::over(handle, move |ends: Ends| {
            let _inside = runtime.enter();
            let (wire, peer) = make(&ends)?;
            if let Ok(connection) = server.serve_connection(wire, ends.peername, ends.sockname) {
                drop(runtime.spawn(connection));
            }
            Ok(peer)
        });
        Ok(if has_resets { served } else { served.without_resets() })
    })
}

fn assert_all_but(report: &Report, not_run: &[&str]) {
    report.assert();
    let mut names: Vec<_> = report.not_run().into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, not_run, "{report}");
}

#[test]
fn wires_in_memory_keep_what_is_owed() {
    let report = check(&Kit::default(), true, |ends| Ok(pair(ends.capacity)));
    assert_all_but(&report, &NO_LISTENER);
}

/// Each connection has a thread, and so has what blocks.
#[test]
fn wires_in_memory_without_a_runtime_keep_what_is_owed() {
    let report = Kit::default().check(&|plan: Plan, application: Application| {
        let server = plan.connections(Threads, application)?;
        Ok(Served::over(server.handle(), move |ends: Ends| {
            let (wire, peer) = pair(ends.capacity);
            if let Ok(connection) = server.serve_connection(wire, ends.peername, ends.sockname) {
                thread::Builder::new().spawn(|| block_on(connection))?;
            }
            Ok(peer)
        }))
    });
    assert_all_but(&report, &NO_LISTENER);
}

#[test]
fn a_layer_over_wires_in_memory_keeps_what_is_owed() {
    let report = check(&Kit::default(), true, |ends| {
        let (server, peer) = pair(ends.capacity);
        Ok((Layered::new(server, ToyLayer::server()), Layered::new(peer, ToyLayer::client())))
    });
    assert_all_but(&report, &NO_LISTENER);
}

#[test]
fn a_layer_over_sockets_keeps_what_is_owed() {
    let report = check(&Kit::default(), true, |_| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
        let stream = |stream: std::net::TcpStream| {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            TcpStream::from_std(stream).map(Stream::from)
        };
        let server = Layered::new(stream(listener.accept()?.0)?, ToyLayer::server());
        Ok((server, Layered::new(stream(peer)?, ToyLayer::client())))
    });
    assert_all_but(&report, &NO_LISTENER);
}

/// The channel opens when the handshake is complete.
#[test]
fn the_layer_of_a_listener_over_wires_in_memory_keeps_what_is_owed() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let report = Kit::default().check(&|plan: Plan, application: Application| {
        let server = plan.connections(BlockingPool, application.blocking(BlockingPool))?;
        let (handle, runtime) = (server.handle(), runtime.handle().clone());
        let listener = Arc::new(ListenerInfo::default().layer(|_| Ok(ToyLayer::server())));
        Ok(Served::over(handle, move |ends: Ends| {
            let _inside = runtime.enter();
            let (wire, peer) = pair(ends.capacity);
            let accepted = Accepted::new(wire, ends.peername, ends.sockname);
            if let Ok(connection) = server.serve_accepted(accepted.with_listener(Arc::clone(&listener))) {
                drop(runtime.spawn(connection));
            }
            Ok(established(Layered::new(peer, ToyLayer::client())))
        }))
    });
    assert_all_but(&report, &NO_LISTENER);
}

#[test]
fn a_duplex_keeps_what_is_owed() {
    let report = check(&Kit::default(), false, |ends| {
        let (server, peer) = duplex(ends.capacity);
        Ok((Io::new(server), Io::new(peer)))
    });
    assert_all_but(&report, &NO_RESETS);
}

#[test]
fn a_layer_over_a_duplex_keeps_what_is_owed() {
    let report = check(&Kit::default(), false, |ends| {
        let (server, peer) = duplex(ends.capacity);
        let server = Layered::new(Io::new(server), ToyLayer::server());
        Ok((server, Layered::new(Io::new(peer), ToyLayer::client())))
    });
    assert_all_but(&report, &NO_RESETS);
}

/// A layered wire that does not say that it owes an end.
struct Careless<W>(W);

impl<W: Wire> Wire for Careless<W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close_write(cx)
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

#[test]
fn a_layers_end_that_is_lost_is_found() {
    let kit = Kit::default().patience(Duration::from_secs(5)).only(["half-close"]).unwrap();
    let report = check(&kit, true, |ends| {
        let (server, peer) = pair(ends.capacity);
        let server = Careless(Layered::new(server, ToyLayer::server()));
        Ok((server, Layered::new(peer, ToyLayer::client())))
    });
    assert_eq!(report.broken(), ["half-close"], "{report}");
}

/// What comes before HTTP on connections that are made so.
fn check_before_http<S: Wire, P: Wire>(
    make: impl Fn(&Ends) -> io::Result<(S, P)> + Send + Sync + Clone + 'static,
) -> Result<(), String> {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    before_http_over(|plan: PrefacedConnections| {
        let server = plan.connections(BlockingPool)?;
        let (handle, runtime, make) = (server.handle(), runtime.handle().clone(), make.clone());
        Ok(Served::over(handle, move |ends: Ends| {
            let _inside = runtime.enter();
            let (wire, peer) = make(&ends)?;
            if let Ok(connection) = server.serve_accepted(plan.accepted(wire, ends)) {
                drop(runtime.spawn(connection));
            }
            Ok(peer)
        }))
    })
}

#[test]
fn what_comes_before_http_is_read_from_wires_in_memory() -> Result<(), String> {
    check_before_http(|ends| Ok(pair(ends.capacity)))
}

#[test]
fn what_comes_before_http_is_read_from_a_duplex() -> Result<(), String> {
    check_before_http(|ends| {
        let (server, peer) = duplex(ends.capacity);
        Ok((Io::new(server), Io::new(peer)))
    })
}

/// Says that all has come where a byte has: a piece of a preface is taken for an end.
struct Impatient<W>(W);

impl<W: Wire> Wire for Impatient<W> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.0.poll_read(cx, buffer) {
            Poll::Pending => Poll::Ready(Ok(0)),
            read => read,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close_write(cx)
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

#[test]
fn a_wire_that_cuts_a_preface_is_found() {
    let found = check_before_http(|ends| {
        let (server, peer) = pair(ends.capacity);
        Ok((Impatient(server), peer))
    });
    assert!(found.is_err());
}
