//! What a handler responds with, for the tests.

use std::sync::Arc;

use httpfsm::channel::{Channel, CompiledConfig, Facts, Input, Output};
use httpfsm::config::{ChannelConfig, ServerConfig};
use httpfsm::handler::{Body, ConnectionInfo, Handler, Request};
use httpfsm::peer::Peer;
use httpfsm::time::{Date, Moment, Now};
use httpfsm_transport::memory::MemoryServer;

/// What a handler responds with to these bytes, from the status line to the end.
pub(crate) fn exchange(handler: impl Handler, bytes: &str) -> String {
    let mut server = MemoryServer::new(ServerConfig::default(), handler);
    let client = server.connect().unwrap_or_else(|refusal| panic!("{refusal:?}"));
    client.send(bytes);
    let mut response = Vec::new();
    // The connection holds 64 KiB: a longer response comes in several pieces.
    loop {
        server.run();
        let piece = client.take();
        if piece.is_empty() {
            return String::from_utf8_lossy(&response).into_owned();
        }
        response.extend(piece);
    }
}

/// The content of that response.
pub(crate) fn content(handler: impl Handler, bytes: &str) -> String {
    let response = exchange(handler, bytes);
    let (_, content) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {response}"));
    content.to_owned()
}

/// A request without a body, as a handler gets it.
pub(crate) fn request(bytes: &str) -> Request {
    let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
    let mut channel = Channel::new(compiled, Facts::default());
    let now = Now::new(Moment::START, &Date::EPOCH);
    channel.handle(&now, Input::RxData(bytes.as_bytes())).unwrap_or_else(|error| panic!("{error}"));
    // The request is shown once it was delivered.
    while channel.next_output().is_some_and(|output| !matches!(output, Output::HttpRequest)) {}
    let head = channel.request().unwrap_or_else(|| panic!("no request: {bytes}")).into();
    let connection =
        ConnectionInfo::new(Peer::Unix(None), Peer::Unix(None), "http", "server.clisrv_1".into());
    Request::new(Arc::new(head), Body::Empty, Arc::new(connection), Arc::new(()))
}
