//! The peer, as axum's handlers extract it.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use httpfsm::handler::{ConnectionInfo, Security};
use httpfsm::{Peer, ServerConfig};
use httpfsm_http::connect_info::{ConnectInfo, Connected, MockConnectInfo};
use httpfsm_http::service;
use httpfsm_transport::block_on;

use crate::{on_each, split, to_the_end};

/// A type of the application's own.
#[derive(Clone)]
struct Channel(String);

impl Connected for Channel {
    fn connect_info(connection: &Arc<ConnectionInfo>) -> Option<Self> {
        Some(Self(connection.channel.to_string()))
    }
}

async fn address(ConnectInfo(address): ConnectInfo<SocketAddr>) -> String {
    address.to_string()
}

async fn perhaps(address: Option<ConnectInfo<SocketAddr>>) -> String {
    address.map_or_else(|| "none".into(), |address| address.ip().to_string())
}

async fn security(security: Option<ConnectInfo<Security>>) -> String {
    security.map_or_else(|| "none".into(), |security| security.protocol.to_string())
}

async fn all(
    ConnectInfo(peer): ConnectInfo<Peer>,
    ConnectInfo(channel): ConnectInfo<Channel>,
    connection: ConnectInfo<Arc<ConnectionInfo>>,
) -> String {
    format!("{peer} {} {}", channel.0, connection.scheme)
}

fn app() -> Router {
    Router::new()
        .route("/address", get(address))
        .route("/perhaps", get(perhaps))
        .route("/security", get(security))
        .route("/all", get(all))
}

fn mock() -> SocketAddr {
    ([192, 0, 2, 1], 7).into()
}

#[test]
fn a_handler_has_the_address_of_its_client() {
    // Neither of a mock, if the connection has one.
    on_each(&ServerConfig::default(), &app().layer(MockConnectInfo(mock())), |server| {
        for target in ["/address", "/perhaps", "/security", "/all"] {
            let mut stream = server.connect();
            let own = stream.local_addr().unwrap();
            write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
            let response = String::from_utf8(to_the_end(&mut stream)).unwrap();
            let content = split(&response).1;
            match target {
                "/address" => assert_eq!(content, own.to_string(), "{:?}", server.on),
                // The tests of httpfsm-rustls have one over TLS.
                "/security" => assert_eq!(content, "none", "{:?}", server.on),
                "/perhaps" => assert_eq!(content, own.ip().to_string(), "{:?}", server.on),
                _ => {
                    let expected = format!("{own} server.clisrv_");
                    assert!(content.starts_with(&expected) && content.ends_with(" http"), "{content}");
                }
            }
        }
    });
}

#[test]
fn what_a_layer_has_put_there_goes_before() {
    let app = app().layer(Extension(ConnectInfo(mock())));
    on_each(&ServerConfig::default(), &app, |server| {
        assert_eq!(split(&server.ask("GET /address", "", "")).1, "192.0.2.1:7", "{:?}", server.on);
    });
}

#[test]
fn a_unix_socket_has_a_peer_and_no_address() {
    let folder = tempfile::tempdir().unwrap();
    for (mocked, address) in [(false, None), (true, Some(mock()))] {
        let path = folder.path().join(format!("socket {mocked}"));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let app = if mocked { app().layer(MockConnectInfo(mock())) } else { app() };
        let server = httpfsm_blocking::serve(listener, ServerConfig::default(), service(app)).unwrap();
        let ask = |target: &str| {
            let mut stream = UnixStream::connect(&path).unwrap();
            write!(stream, "GET {target} HTTP/1.0\r\n\r\n").unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).unwrap();
            let (head, content) = split(&response);
            format!("{} {content}", &head[9..12])
        };
        match address {
            Some(address) => assert_eq!(ask("/address"), format!("200 {address}")),
            // That of axum to an extension that is missing.
            None => {
                let rejection = ask("/address");
                assert!(
                    rejection.starts_with("500 Missing request extension: Extension of type"),
                    "{rejection}"
                );
                assert!(rejection.contains("ConnectInfo<core::net::socket_addr::SocketAddr>"), "{rejection}");
                assert_eq!(ask("/perhaps"), "200 none");
            }
        }
        assert!(ask("/all").starts_with("200 unix server.clisrv_"));
        block_on(server.begin_drain(None).gone());
    }
}
