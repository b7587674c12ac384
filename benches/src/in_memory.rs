//! A connection in memory: the driver and its handler, with a layer below them or none, without sockets or a runtime.

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::io::{IoSlice, Read};

use bytes::Bytes;
use httpfsm::handler::{Request, Response};
use httpfsm::{Fields, ServerConfig, Status};
use httpfsm_transport::memory::{MemoryClient, MemoryServer, MemoryWire};
use httpfsm_transport::{Layer, LayerError, Layered};

use crate::load::CONTENT;

type Respond = fn(Request) -> Ready<Response>;

/// One keep-alive connection whose peer is the caller. What the peer does in memory (a lock and a copy each way) is counted
/// with it.
pub struct InMemory {
    server: Transport,
    client: MemoryClient,
}

enum Transport {
    Plain(MemoryServer<Respond>),
    Layered(MemoryServer<Respond, Layered<MemoryWire, Mask>>),
}

impl InMemory {
    /// A new connection, through a layer that masks each byte if it is `layered`.
    ///
    /// # Panics
    ///
    /// Never: a new server has room.
    #[must_use]
    pub fn new(layered: bool) -> Self {
        let (config, capacity) = (ServerConfig::default(), 64 << 10);
        let (server, client) = if layered {
            let wrap = |wire| Layered::new(wire, Mask::default());
            let mut server = MemoryServer::wrapped(config, capacity, None, respond as Respond, wrap);
            let client = server.connect();
            (Transport::Layered(server), client)
        } else {
            let mut server = MemoryServer::new(config, respond as Respond);
            let client = server.connect();
            (Transport::Plain(server), client)
        };
        Self { server, client: client.expect("a new server has room") }
    }

    /// Has the server read `bytes`, which are masked where the connection is layered, and respond. Returns how many bytes it
    /// has sent.
    pub fn exchange(&mut self, bytes: &[u8]) -> usize {
        self.client.send(bytes);
        match &mut self.server {
            Transport::Plain(server) => _ = server.run(),
            Transport::Layered(server) => _ = server.run(),
        }
        self.client.take().len()
    }

    /// The bytes as the connection takes them.
    #[must_use]
    pub fn encoded(&self, bytes: &[u8]) -> Vec<u8> {
        match self.server {
            Transport::Plain(_) => bytes.to_vec(),
            Transport::Layered(_) => bytes.iter().map(|byte| byte ^ MASK).collect(),
        }
    }
}

fn respond(request: Request) -> Ready<Response> {
    ready(match (request.method(), request.target()) {
        ("GET", "/plaintext") => {
            let mut response = Response::new(Status::OK);
            response.fields = Fields::new().with("Content-Type", "text/plain").unwrap_or_default();
            response.with_body(Bytes::from_static(CONTENT))
        }
        _ => Response::new(Status::NOT_FOUND),
    })
}

const MASK: u8 = 0x55;

/// The least that a layer can do.
#[derive(Default)]
struct Mask {
    plain: VecDeque<u8>,
    below_ended: bool,
}

impl Layer for Mask {
    fn received(&mut self, below: &[u8], _: &mut Vec<u8>) -> Result<usize, LayerError> {
        self.plain.extend(below);
        Ok(below.len())
    }

    fn below_ended(&mut self) {
        self.below_ended = true;
    }

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        let read = self.plain.read(plain).unwrap_or_default();
        plain.iter_mut().take(read).for_each(|byte| *byte ^= MASK);
        Ok((read > 0 || self.below_ended).then_some(read))
    }

    fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        let before = down.len();
        plain.iter().for_each(|slice| down.extend_from_slice(slice));
        let written = down.get_mut(before..).unwrap_or_default();
        written.iter_mut().for_each(|byte| *byte ^= MASK);
        Ok(written.len())
    }

    fn end(&mut self, _: &mut Vec<u8>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Load;

    #[test]
    fn every_request_gets_a_response() {
        for layered in [false, true] {
            for load in Load::ALL {
                let mut connection = InMemory::new(layered);
                let bytes = connection.encoded(&load.bytes());
                let first = connection.exchange(&bytes);
                assert!(first >= load.requests_per_write() * CONTENT.len(), "{load}: {first} bytes");
                assert_eq!(connection.exchange(&bytes), first, "{load}");
            }
        }
    }
}
