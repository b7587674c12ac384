//! What a handler reads of its connection: what the listener, the wire, the preface and the layer know of it.

use std::io;
use std::task::{Context, Poll};

use httpfsm::config::ServerConfig;
use httpfsm::error::Rule;
use httpfsm::handler::{Extensions, Hosts, Request, Security};
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

/// The layer of a connection that serves one host; open with its first byte, which is not `?`.
#[derive(Default)]
struct OneHost(Inverse, bool);

impl Layer for OneHost {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        match below.first() {
            Some(b'?') => Err(LayerError::Refused(Rule::NotTls)),
            None => Ok(0),
            Some(_) => {
                self.1 = true;
                self.0.received(below, down)
            }
        }
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
        established.extensions.insert(Hosts::new(|host| host == "a"));
        established.extensions.insert(Security::default());
        self.1.then_some(established)
    }
}

#[test]
fn a_request_for_a_host_that_the_connection_does_not_serve_gets_421_and_reaches_no_handler() {
    let handler = |request: Request| async move { format!("{}", request.security().is_some()) };
    let mut server = MemoryServer::new(ServerConfig::default(), handler);
    server.set_listener(ListenerInfo::default().layer(|_| Ok(OneHost::default())));
    let client = server.connect().unwrap();
    for (request, status, content) in [
        ("GET / HTTP/1.1\r\nHost: a:80\r\n\r\n", "HTTP/1.1 200 OK", "true"),
        (
            "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\nabc",
            "HTTP/1.1 421 Misdirected Request",
            "",
        ),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 421 Misdirected Request", ""),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.0 421 Misdirected Request", ""),
        ("CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n", "HTTP/1.1 200 OK", "true"),
    ] {
        client.send(inverse(request.as_bytes()));
        server.run();
        let told = response(&inverse(&client.take()));
        // The content of a 2xx to CONNECT is none.
        let content = if request.starts_with("CONNECT") { "" } else { content };
        assert_eq!(told, (status.to_owned(), content.to_owned()), "{request}");
        if request.starts_with("CONNECT") {
            break;
        }
    }
}

/// The layer has sent nothing, so the peer is told without it.
#[test]
fn what_a_layer_refuses_gets_the_response_of_the_rule_in_plain() {
    let mut server = MemoryServer::new(ServerConfig::default(), tell);
    server.set_listener(ListenerInfo::default().layer(|_| Ok(OneHost::default())));
    let client = server.connect().unwrap();
    client.send("?");
    server.run();
    let (status, _) = response(&client.take());
    assert_eq!((&*status, client.is_ended()), ("HTTP/1.1 400 Bad Request", true));
}

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
