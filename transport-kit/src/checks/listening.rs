//! Who is connected to whom.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use httpfsm::origins::Origin;
use httpfsm::peer::Peer;

use crate::bench::{Bench, PeerEnd, RunningServer};
use crate::script::get;
use crate::sockets;
use crate::subject::Ends;

pub(crate) fn names(bench: &Bench<'_>) -> Result<(), String> {
    // At all addresses, so that the socket of the connection must be asked.
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let v6 = has_ipv6().then(|| SocketAddr::from((Ipv6Addr::LOCALHOST, 0)));
    let (running, path) = start(bench, [v4].into_iter().chain(v6).collect())?;
    if running.served.has_ends {
        return own_names(&running);
    }
    if running.is_own() {
        bench.need("the addresses of its sockets, and the subject connects by a function");
        return running.stop();
    }
    let addresses: Vec<_> = ip_addresses(&running).collect();
    let mut peers = Vec::new();
    for address in addresses {
        let hosts = match address.ip() {
            IpAddr::V4(_) => vec![Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(127, 0, 0, 2).into()],
            v6 => vec![v6],
        };
        for host in hosts {
            let stream = sockets::connect((host, address.port()).into(), false, bench.patience)
                .map_err(|error| format!("Cannot connect to {host}: {error}"))?;
            let ends =
                stream.local_addr().and_then(|ours| Ok((Peer::Ip(ours), Peer::Ip(stream.peer_addr()?))));
            is_named(&running, peers.len(), ends.ok())?;
            peers.push(OwnedFd::from(stream));
        }
    }
    if let Some(path) = path {
        let stream = sockets::connect_unix(&path, bench.patience)
            .map_err(|error| format!("Cannot connect to the path: {error}"))?;
        let listening = running.server.local_addrs().iter().find(|name| matches!(name, Peer::Unix(_)));
        is_named(&running, peers.len(), listening.map(|path| (Peer::Unix(None), path.clone())))?;
        peers.push(OwnedFd::from(stream));
    }
    running.stop()
}

/// Connections that the subject makes have the names that it was told.
fn own_names(running: &RunningServer) -> Result<(), String> {
    let hosts: [IpAddr; 3] =
        [Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(127, 0, 0, 2).into(), Ipv6Addr::LOCALHOST.into()];
    let mut peers = Vec::new();
    for host in hosts {
        let ends = Ends::from(host, false);
        let names = (ends.peername.clone(), ends.sockname.clone());
        peers.push(sockets::connect_over(&running.served, ends)?);
        is_named(running, peers.len() - 1, Some(names))?;
    }
    running.stop()
}

/// The connection of this number has these names: the peer's, and that of the socket.
fn is_named(running: &RunningServer, number: usize, ends: Option<(Peer, Peer)>) -> Result<(), String> {
    running.wait("The connection is not accepted.", || running.record.names(number).is_some())?;
    let named = running.record.names(number);
    if named == ends {
        return Ok(());
    }
    Err(format!("The names are {named:?}, the ends of the socket are {ends:?}."))
}

pub(crate) fn listeners(bench: &Bench<'_>) -> Result<(), String> {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let v6 = has_ipv6().then(|| SocketAddr::from((Ipv6Addr::LOCALHOST, 0)));
    let wanted: Vec<_> = [local; 3].into_iter().chain(v6).collect();
    let count = wanted.len();
    let (running, path) = start(bench, wanted)?;
    if running.is_own() {
        bench.need("listeners, and the subject connects by a function");
        return running.stop();
    }
    let addresses: Vec<_> = running.server.local_addrs().to_vec();
    if addresses.len() != count + usize::from(path.is_some()) {
        let path = if path.is_some() { " and a path" } else { "" };
        return Err(format!("It listens at {addresses:?}, not at {count} addresses{path}."));
    }
    for address in ip_addresses(&running) {
        let stream = sockets::connect(address, false, bench.patience)
            .map_err(|error| format!("Cannot connect to {address}: {error}"))?;
        hello(stream, bench)?;
    }
    if let Some(path) = &path {
        let stream = sockets::connect_unix(path, bench.patience)
            .map_err(|error| format!("Cannot connect to the path: {error}"))?;
        hello(stream, bench)?;
    }
    running.stop()?;
    for address in ip_addresses(&running) {
        if sockets::connect(address, false, bench.patience).is_ok() {
            return Err(format!("It is gone, and {address} still takes connections."));
        }
    }
    match path {
        Some(path) if path.exists() => Err("It is gone, and its Unix socket is still there.".to_owned()),
        _ => Ok(()),
    }
}

/// A server at these addresses, and at a path unless the transport has no Unix sockets.
fn start(bench: &Bench<'_>, addresses: Vec<SocketAddr>) -> Result<(RunningServer, Option<PathBuf>), String> {
    let path = sockets::unix_path();
    let start = |path: Option<&PathBuf>| {
        bench.try_start(|plan| {
            plan.addresses.clone_from(&addresses);
            plan.path = path.cloned();
        })
    };
    let (running, path) = match start(Some(&path)) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => (start(None), None),
        started => (started, Some(path)),
    };
    running.map(|running| (running, path)).map_err(|error| format!("It does not start: {error}"))
}

fn ip_addresses(running: &RunningServer) -> impl Iterator<Item = SocketAddr> {
    running.server.local_addrs().iter().filter_map(|name| match name {
        Peer::Ip(address) => Some(*address),
        _ => None,
    })
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn hello(stream: impl Read + Write, bench: &Bench<'_>) -> Result<(), String> {
    let mut peer = PeerEnd::new(stream, bench.patience);
    peer.send(get("/hello"))?;
    peer.until("world!")
}

pub(crate) fn origins(bench: &Bench<'_>) -> Result<(), String> {
    for (origin, admitted) in [("127.0.0.0/8", true), ("10.0.0.0/8", false), ("unix", false)] {
        let origin = origin.parse::<Origin>().map_err(|error| error.to_string())?;
        let running = bench.start(|plan| plan.config.origins = vec![origin])?;
        let mut peer = running.connect()?;
        if admitted {
            peer.send(get("/hello"))?;
            peer.until("world!")?;
        } else {
            peer.end()?;
            if !peer.received.is_empty() {
                return Err("Bytes were sent to a peer that is not admitted.".to_owned());
            }
            running.wait("Nobody is told of the refusal.", || running.record.arrived() == (0, 1))?;
        }
        let counted = running.server.stats().not_admitted_origin;
        if counted != u64::from(!admitted) {
            return Err(format!("{counted} refusals are counted of a peer that may connect: {admitted}."));
        }
        running.stop()?;
    }
    Ok(())
}
