//! A reverse proxy: httpfsm in front, the client of hyper-util behind. `reverse-proxy 127.0.0.1:8080 127.0.0.1:9000` listens
//! on the first address and asks the second; a third word says how many seconds the upstream may be silent.

use std::{env, sync::Arc, time::Duration};

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version, header, uri::Authority};
use http_body_util::{BodyExt, Either, combinators::UnsyncBoxBody};
use httpfsm::handler::{BodyFailure, ConnectionInfo};
use httpfsm_http::{Body, BoxError, Upgrade, service};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{self, TokioExecutor, TokioTimer};
use tokio::{sync::watch, time};

/// Fields of one connection, beside those that `Connection` names (RFC 9110 section 7.6.1), and what clients could forge.
const NOT_PASSED_ON: &str = "connection keep-alive proxy-connection te transfer-encoding upgrade \
    forwarded x-forwarded-for x-forwarded-host x-forwarded-proto";

/// With the upstream, and how long that may be silent.
type Proxy = (Client<HttpConnector, UnsyncBoxBody<Bytes, BodyFailure>>, Authority, Duration);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut words = env::args().skip(1);
    let mut word = || words.next().ok_or("usage: reverse-proxy LISTEN UPSTREAM [SECONDS]");
    let (listen, upstream) = (word()?, word()?.parse()?);
    let silence = Duration::from_secs(word().unwrap_or("60".into()).parse()?);
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(15)); // Before upstreams do it.
    let proxy: Proxy = (client.build_http(), upstream, silence);
    let mut config = httpfsm::ServerConfig::hardened();
    config.channel.max_request_body_size = u64::MAX;
    config.channel.responseless_timeout = None; // `silence` is this deadline.
    let handler = service(tower::service_fn(move |request| forward(proxy.clone(), request)));
    let server = httpfsm_tokio::serve(tokio::net::TcpListener::bind(listen).await?, config, handler)?;
    println!("listening on {}", server.local_addrs()[0]);
    server.with_graceful_shutdown(async { _ = tokio::signal::ctrl_c().await }).await;
    Ok(())
}

async fn forward(proxy: Proxy, request: Request<Body>) -> Result<Response<Either<Incoming, Body>>, BoxError> {
    let ((client, upstream, silence), (mut head, body)) = (proxy, request.into_parts());
    if [Method::CONNECT, Method::TRACE].contains(&head.method) {
        return failed(StatusCode::NOT_IMPLEMENTED);
    }
    // No other protocol passes: behind `h2c` nobody would look at the requests. Nor does one behind content.
    let switches = body.is_end_stream() && names_websocket(&head.headers);
    let upgrade = head.extensions.remove::<Upgrade>().filter(|_| switches);
    if let Some(authority) = head.uri.authority() {
        head.headers.insert(header::HOST, authority.as_str().parse()?); // RFC 9112 section 3.2.2
    }
    pass_on(&mut head.headers, head.version, upgrade.is_some())?;
    let info = head.extensions.get::<Arc<ConnectionInfo>>().ok_or("every request has its connection")?;
    let forwarded = format!("for=\"{}\";proto={}", info.peername, info.scheme);
    head.headers.insert(header::FORWARDED, forwarded.parse()?);
    if !body.is_end_stream() && !head.headers.contains_key(header::CONTENT_LENGTH) {
        head.headers.insert(header::TRANSFER_ENCODING, "chunked".parse()?);
    }
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let uri = Uri::builder().scheme("http").authority(upstream).path_and_query(target).build()?;
    let (moved, moves) = watch::channel(());
    let body = body.map_frame(move |frame| (frame, moved.send_replace(())).0);
    let mut request = Request::new(body.boxed_unsync());
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (head.method, uri, head.headers);
    let response = tokio::select! {
        response = client.request(request) => response,
        () = silent(silence, moves) => return failed(StatusCode::GATEWAY_TIMEOUT),
    };
    // Where it was the request's body that failed, the server in front has responded by itself.
    let Ok(mut response) = response else { return failed(StatusCode::BAD_GATEWAY) };
    let (status, version, ws) = (response.status(), response.version(), names_websocket(response.headers()));
    if status == StatusCode::SWITCHING_PROTOCOLS {
        let Some(upgrade) = upgrade.filter(|_| ws) else { return failed(StatusCode::BAD_GATEWAY) };
        tokio::spawn(tunnel(upgrade, hyper::upgrade::on(&mut response)));
    }
    let ws = ws && [StatusCode::SWITCHING_PROTOCOLS, StatusCode::UPGRADE_REQUIRED].contains(&status);
    pass_on(response.headers_mut(), version, ws)?;
    Ok(response.map(Either::Left))
}

/// Makes fields that were received those to be sent.
fn pass_on(fields: &mut HeaderMap, version: Version, websocket: bool) -> Result<(), BoxError> {
    let lines = fields.get_all(header::CONNECTION).iter();
    let options = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect::<Vec<_>>().join(",");
    // `Host` says where a request goes: the client does not leave that to the proxy by naming it.
    let options = options.split(',').map(str::trim).filter(|name| !name.eq_ignore_ascii_case("host"));
    let length = fields.remove(header::CONTENT_LENGTH); // Of equal ones one is sent, as the number that it is.
    let length = length.and_then(|it| it.to_str().ok()?.split(',').next()?.trim().parse::<u64>().ok());
    let length = length.filter(|_| !fields.contains_key(header::TRANSFER_ENCODING));
    length.map(|length| fields.insert(header::CONTENT_LENGTH, length.into()));
    for name in options.chain(NOT_PASSED_ON.split(' ')) {
        fields.remove(name);
    }
    fields.append(header::VIA, format!("{version:?} httpfsm").parse()?); // RFC 9110 section 7.6.3
    if websocket {
        fields.insert(header::CONNECTION, "upgrade".parse()?);
        fields.insert(header::UPGRADE, "websocket".parse()?);
    }
    Ok(())
}

fn names_websocket(fields: &HeaderMap) -> bool {
    fields.get(header::UPGRADE).is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn failed(status: StatusCode) -> Result<Response<Either<Incoming, Body>>, BoxError> {
    Ok(Response::builder().status(status).body(Either::Right(Body::empty()))?)
}

/// Ends when for so long nothing has moved of a request's body, or it has left.
async fn silent(silence: Duration, mut moves: watch::Receiver<()>) {
    while let Ok(Ok(())) = time::timeout(silence, moves.changed()).await {}
    time::sleep(if moves.has_changed().is_err() { silence } else { Duration::ZERO }).await; // It has left.
}

async fn tunnel(client: Upgrade, upstream: hyper::upgrade::OnUpgrade) -> Result<(), BoxError> {
    let mut client = httpfsm_tokio::TokioIo::new(client.connection().await?);
    tokio::io::copy_bidirectional(&mut client, &mut rt::TokioIo::new(upstream.await?)).await?;
    Ok(())
}
