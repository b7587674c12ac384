//! Who is connected to whom.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use httpfsm::origins::Origin;
use httpfsm::peer::Peer as Name;

use crate::bench::{Bench, Peer};
use crate::script::get;
use crate::sockets;

pub(crate) fn names(bench: &Bench<'_>) -> Result<(), String> {
    // At all addresses, so that the socket of the connection must be asked.
    let running = bench.start(|plan| plan.addresses = vec![(Ipv4Addr::UNSPECIFIED, 0).into()])?;
    let port = running.address()?.port();
    for (number, host) in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)].into_iter().enumerate() {
        let stream = sockets::connect((host, port).into(), false, bench.patience)
            .map_err(|error| format!("Cannot connect: {error}"))?;
        running.wait("The connection is not accepted.", || running.record.names(number).is_some())?;
        let ends = stream.local_addr().and_then(|ours| Ok((Name::Ip(ours), Name::Ip(stream.peer_addr()?))));
        let (told, ends) = (running.record.names(number), ends.ok());
        if told != ends {
            return Err(format!("The names are {told:?}, the ends of the socket are {ends:?}."));
        }
    }
    running.stop()
}

pub(crate) fn listeners(bench: &Bench<'_>) -> Result<(), String> {
    let path = sockets::unix_path();
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let start = |path: Option<&PathBuf>| {
        bench.try_start(|plan| {
            plan.addresses = vec![local; 3];
            plan.path = path.cloned();
        })
    };
    let (running, has_unix) = match start(Some(&path)) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => (start(None), false),
        started => (started, true),
    };
    let running = running.map_err(|error| format!("It does not start: {error}"))?;
    let addresses: Vec<_> = running.server.local_addrs().to_vec();
    if addresses.len() != 3 + usize::from(has_unix) {
        let wanted = if has_unix { "three addresses and a path" } else { "three addresses" };
        return Err(format!("It listens at {addresses:?}, not at {wanted}."));
    }
    for address in &addresses {
        let Name::Ip(address) = address else { continue };
        let stream = sockets::connect(*address, false, bench.patience)
            .map_err(|error| format!("Cannot connect to {address}: {error}"))?;
        hello(stream, bench)?;
    }
    if has_unix {
        let stream = sockets::connect_unix(&path, bench.patience)
            .map_err(|error| format!("Cannot connect to the path: {error}"))?;
        hello(stream, bench)?;
    }
    running.stop()?;
    for address in &addresses {
        if let Name::Ip(address) = address {
            if sockets::connect(*address, false, bench.patience).is_ok() {
                return Err(format!("It is gone, and {address} still takes connections."));
            }
        }
    }
    if path.exists() { Err("It is gone, and its Unix socket is still there.".to_owned()) } else { Ok(()) }
}

fn hello(stream: impl Read + Write, bench: &Bench<'_>) -> Result<(), String> {
    let mut peer = Peer::new(stream, bench.patience);
    peer.send(get("/hello"))?;
    peer.until("world!")
}

pub(crate) fn origins(bench: &Bench<'_>) -> Result<(), String> {
    let elsewhere =
        Origin::block(Ipv4Addr::new(10, 0, 0, 0).into(), 8, None).map_err(|error| error.to_string())?;
    let running = bench.start(|plan| plan.config.origins = vec![elsewhere])?;
    let mut peer = running.connect()?;
    peer.end()?;
    if !peer.received.is_empty() {
        return Err("Bytes were sent to a peer that is not admitted.".to_owned());
    }
    running.wait("Nobody is told of the refusal.", || running.record.arrived() == (0, 1))?;
    running.stop()
}
