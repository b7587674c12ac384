//! What a handler reads of its connection: what the listener, the wire, the preface and the layer know of it.

use std::io;
use std::task::{Context, Poll};

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Extensions, Request};
use httpfsm_transport::memory::{MemoryServer, MemoryWire};
use httpfsm_transport::{
    Established, Layer, LayerError, Layered, ListenerInfo, Preface, PrefaceRead, PrefaceVerdict, Wire,
};

use crate::handshake::{Inverse, inverse};
use crate::support::{GET, response};

#[derive(Clone, Copy)]
struct Listener(&'static str);
#[derive(Clone, Copy)]
struct Credentials(&'static str);
#[derive(Clone, Copy)]
struct Tenant(&'static str);
#[derive(Clone, Copy)]
struct Certificate(&'static str);

async fn tell(request: Request) -> String {
    let extensions = &request.connection().extensions;
    let known = [
        extensions.get::<Listener>().map(|listener| listener.0),
        extensions.get::<Credentials>().map(|credentials| credentials.0),
        extensions.get::<Tenant>().map(|tenant| tenant.0),
        extensions.get::<Certificate>().map(|certificate| certificate.0),
    ];
    known.map(|known| known.unwrap_or("-")).join(" ")
}

/// A wire that knows whose process the peer is.
struct Known(MemoryWire);

impl Wire for Known {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close_write(cx)
    }

    fn extend(&self, extensions: &mut Extensions) {
        extensions.insert(Credentials("root"));
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

/// A byte that names the tenant.
struct TenantByte;

impl Preface for TenantByte {
    fn received(&mut self, _: &[u8]) -> PrefaceVerdict {
        PrefaceVerdict::Read(PrefaceRead::new(1).extension(Tenant("t")))
    }
}

/// A layer that knows the peer's certificate.
struct Certified(Inverse);

impl Layer for Certified {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        self.0.received(below, down)
    }

    fn below_ended(&mut self) {
        self.0.below_ended();
    }

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        self.0.read(plain)
    }

    fn write(&mut self, plain: &[io::IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        self.0.write(plain, down)
    }

    fn end(&mut self, down: &mut Vec<u8>) {
        self.0.end(down);
    }

    fn established(&self) -> Option<Established> {
        let mut established = Established::default();
        established.extensions.insert(Certificate("alice"));
        Some(established)
    }
}

fn listener() -> ListenerInfo {
    let mut listener = ListenerInfo::default();
    listener.extensions.insert(Listener("public"));
    listener
}

#[test]
fn a_handler_reads_what_the_listener_the_wire_the_preface_and_the_layer_know() {
    let mut server = MemoryServer::wrapped(ServerConfig::default(), 64 << 10, None, tell, Known);
    server.set_listener(listener().preface(|_| TenantByte).layer(|_| Ok(Certified(Inverse::default()))));
    let client = server.connect().unwrap();
    client.send([b"1", inverse(GET).as_slice()].concat());
    server.run();
    assert_eq!(response(&inverse(&client.take())).1, "public root t alice");
}

#[test]
fn without_anything_before_http_it_reads_what_the_listener_and_the_wire_know() {
    let mut server = MemoryServer::wrapped(ServerConfig::default(), 64 << 10, None, tell, |wire| {
        Layered::new(Known(wire), Inverse::default())
    });
    server.set_listener(listener());
    let client = server.connect().unwrap();
    client.send(inverse(GET));
    server.run();
    assert_eq!(
        response(&inverse(&client.take())).1,
        "public root - -",
        "a layer passes on what the wire knows"
    );
}
