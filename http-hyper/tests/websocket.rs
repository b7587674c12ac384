//! axum's own WebSockets, served by httpfsm.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Extension;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{any, get};
use futures_util::{SinkExt, StreamExt};
use httpfsm::ServerConfig;
use httpfsm_http::{Upgrade, service};
use httpfsm_http_hyper::{HyperUpgrade, HyperUpgradeLayer};
use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const LARGE: usize = 8 << 20;

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        // What closes is responded to by itself, with the next `recv`.
        if !matches!(message, axum::extract::ws::Message::Close(_)) && socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn upgrade(upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols(["chat.v2", "chat.v1"]).max_frame_size(LARGE).on_upgrade(echo)
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let server = httpfsm_tokio::serve(listener, ServerConfig::default(), service(HyperUpgrade::new(app)));
    let server = server.expect("it serves");
    tokio::spawn(async move { server.gone().await });
    address
}

async fn connect(
    address: SocketAddr,
    protocols: &[&str],
) -> (WebSocketStream<MaybeTlsStream<TcpStream>>, String) {
    let mut request = ClientRequestBuilder::new(format!("ws://{address}/").parse().expect("a target"));
    for protocol in protocols {
        request = request.with_sub_protocol(*protocol);
    }
    let (socket, response) = connect_async(request).await.expect("it upgrades");
    let protocol = response.headers().get("sec-websocket-protocol");
    (socket, protocol.map_or("", |value| value.to_str().expect("a name")).to_owned())
}

async fn echoes(address: SocketAddr) {
    let (mut socket, protocol) = connect(address, &["other", "chat.v1"]).await;
    assert_eq!(protocol, "chat.v1");
    let large = Message::binary(vec![7; LARGE - 100]);
    for message in [Message::text("hello"), large, Message::text("")] {
        socket.send(message.clone()).await.expect("it is read");
        assert!(
            matches!(socket.next().await, Some(Ok(came)) if came == message),
            "a message of {} bytes",
            message.len()
        );
    }
    socket.close(None).await.expect("it is read");
    let end = socket.next().await;
    assert!(matches!(end, Some(Ok(Message::Close(_)))), "{end:?}");
    assert!(socket.next().await.is_none());
}

#[tokio::test]
async fn messages_of_any_size_pass_and_the_protocol_is_agreed_on() {
    echoes(serve(Router::new().route("/", any(upgrade))).await).await;
}

#[tokio::test]
async fn it_is_a_layer_of_a_router_or_of_a_route_too() {
    async fn has_upgrade(request: axum::extract::Request) -> String {
        request.extensions().get::<OnUpgrade>().is_some().to_string()
    }
    let whole =
        Router::new().route("/", any(upgrade)).route("/has", any(has_upgrade)).layer(HyperUpgradeLayer);
    let one = Router::new().route("/", any(upgrade).layer(HyperUpgradeLayer)).route("/has", any(has_upgrade));
    for (app, elsewhere) in [(whole, "true"), (one, "false")] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = httpfsm_tokio::serve(listener, ServerConfig::default(), service(app)).unwrap();
        echoes(address).await;
        let request = "GET /has HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: x\r\n\r\n";
        let response = ask(address, request).await;
        assert!(response.ends_with(&format!("\r\n\r\n{elsewhere}")), "{response}");
        server.begin_drain(None).gone().await;
    }
}

#[test]
fn smol_and_threads_serve_it_with_a_runtime_beside() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for on_smol in [true, false] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let app = HyperUpgrade::new(Router::new().route("/", any(upgrade)));
        let handler = service(app).in_tokio(runtime.handle().clone());
        let config = ServerConfig::default();
        let server = match on_smol {
            true => httpfsm_async_std::smol::serve(listener, config, handler),
            false => httpfsm_blocking::serve(listener, config, handler),
        };
        let server = server.unwrap();
        runtime.block_on(echoes(address));
        httpfsm_blocking::block_on(server.begin_drain(None).gone());
    }
}

#[tokio::test]
async fn a_dropped_socket_closes_the_connection_behind_what_it_has_sent() {
    let app = Router::new().route(
        "/",
        any(|upgrade: WebSocketUpgrade| async {
            upgrade.on_upgrade(async |mut socket| {
                let content = axum::extract::ws::Message::Binary(vec![7; LARGE].into());
                socket.send(content).await.expect("it is read");
            })
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Nothing but the end of the connection ends the server.
    let mut config = ServerConfig { drain_deadline: None, ..ServerConfig::default() };
    config.channel.drain_deadline = None;
    let server = httpfsm_tokio::serve(listener, config, service(HyperUpgrade::new(app))).unwrap();
    let (mut client, _) = connect(address, &[]).await;
    assert_eq!(client.next().await.unwrap().unwrap().len(), LARGE);
    // There was no Close frame. The client stays, and sends nothing.
    assert!(matches!(client.next().await, Some(Err(Error::Protocol(_) | Error::Io(_)))));
    server.begin_drain(None).gone().await;
    drop(client);
}

#[tokio::test]
async fn a_lost_client_ends_the_socket() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let app = Router::new().route(
        "/",
        any(|upgrade: WebSocketUpgrade| async {
            upgrade.on_upgrade(async move |mut socket| {
                while let Some(Ok(_)) = socket.recv().await {}
                tell.send(()).expect("it is waited for");
            })
        }),
    );
    let (mut socket, _) = connect(serve(app).await, &[]).await;
    socket.send(Message::text("hello")).await.unwrap();
    drop(socket);
    told.recv().await.unwrap();
}

#[tokio::test]
async fn the_reason_of_a_close_passes() {
    let app = Router::new().route(
        "/",
        any(|upgrade: WebSocketUpgrade| async {
            upgrade.on_upgrade(async |mut socket| {
                let frame = axum::extract::ws::CloseFrame { code: 1001, reason: "away".into() };
                let _ = socket.send(axum::extract::ws::Message::Close(Some(frame))).await;
            })
        }),
    );
    let (mut socket, _) = connect(serve(app).await, &[]).await;
    let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else { panic!("no close") };
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Away, "away"));
}

/// What comes on a connection that sends `request`, until its end.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut client = TcpStream::connect(address).await.expect("it listens");
    client.write_all(request.as_bytes()).await.expect("it is read");
    let mut response = String::new();
    client.read_to_string(&mut response).await.expect("text");
    response
}

type Kept = Arc<Mutex<Option<oneshot::Sender<OnUpgrade>>>>;

#[tokio::test]
async fn an_upgrade_that_is_refused_resolves_to_an_error() {
    async fn refuses(
        Extension(kept): Extension<Kept>,
        Extension(upgrade): Extension<OnUpgrade>,
    ) -> &'static str {
        if let Some(keep) = kept.lock().expect("nobody panics").take() {
            let _ = keep.send(upgrade);
        }
        "no"
    }
    let (keep, kept) = oneshot::channel();
    let app = Router::new().route("/", get(refuses)).layer(Extension(Kept::new(Some(keep).into())));
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: x\r\n\r\n";
    let response = ask(serve(app).await, request).await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("\r\n\r\nno"), "{response}");
    assert!(kept.await.unwrap().await.is_err());
}

#[tokio::test]
async fn other_requests_are_untouched() {
    async fn looks(request: axum::extract::Request) -> String {
        let extensions = request.extensions();
        let has = [extensions.get::<OnUpgrade>().is_some(), extensions.get::<Upgrade>().is_some()];
        let body = axum::body::to_bytes(request.into_body(), 100).await.expect("it is short");
        format!("{has:?} {}", String::from_utf8_lossy(&body))
    }
    let address = serve(Router::new().route("/", any(looks))).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody";
    let response = ask(address, request).await;
    assert!(response.ends_with("\r\n\r\n[false, false] body"), "{response}");
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: x\r\n\r\n";
    let response = ask(address, request).await;
    assert!(response.ends_with("\r\n\r\n[true, false] "), "{response}");
    // As curl offers it with `--http2`, and in each other way in which it may be written; or beside another protocol.
    for (names, kept) in [
        ("h2c", "[false, true]"),
        ("H2C", "[false, true]"),
        ("h2c\r\nUpgrade: h2C", "[false, true]"),
        ("h2c , ,H2c", "[false, true]"),
        ("h2c\r\nUpgrade: x", "[true, false]"),
        ("x, h2c", "[true, false]"),
        ("h2c/2", "[true, false]"),
    ] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade, http2-settings\r\nUpgrade: {names}\r\n\
             HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        );
        let response = ask(address, &request).await;
        assert!(response.ends_with(&format!("\r\n\r\n{kept} ")), "{names}: {response}");
    }
}

#[tokio::test]
async fn bytes_that_come_with_the_request_are_read_first() {
    let app = Router::new().route(
        "/",
        any(|Extension(upgrade): Extension<OnUpgrade>| async {
            tokio::spawn(async {
                let mut io = hyper_util::rt::TokioIo::new(upgrade.await.expect("an upgrade"));
                let mut bytes = [0; 5];
                io.read_exact(&mut bytes).await.expect("five bytes");
                io.write_all(&bytes).await.expect("they are read");
            });
            let fields = [("connection", "upgrade"), ("upgrade", "x")];
            (axum::http::StatusCode::SWITCHING_PROTOCOLS, fields)
        }),
    );
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly";
    let response = ask(serve(app).await, request).await;
    assert!(response.starts_with("HTTP/1.1 101 ") && response.ends_with("\r\n\r\nearly"), "{response}");
}
