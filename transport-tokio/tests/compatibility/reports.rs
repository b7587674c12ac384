//! What requests, responses, statistics and the subscriber say of a connection.

use httpfsm::config::ServerConfig;
use httpfsm::handler::Request;
use httpfsm_tokio::{Server, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{GET, GET_CLOSE, Heard, config_with, connect, exchange, hello, loopback};

#[tokio::test]
async fn peername_sockname_and_url_scheme_are_what_requests_report() {
    let server = serve(
        loopback().await,
        config_with(|config| config.channel.url_scheme = "https".into()),
        |request: Request| async move {
            format!("{} {} {}", request.peername(), request.sockname(), request.scheme())
        },
    )
    .unwrap();
    let stream = connect(&server).await;
    let expected = format!("{} {} https", stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    assert!(exchange(stream, GET_CLOSE).await.ends_with(&expected));
}

#[tokio::test]
async fn identity_is_sent() {
    let server =
        serve(loopback().await, config_with(|config| config.channel.identity = "mine".into()), hello);
    let server = server.unwrap();
    assert!(exchange(connect(&server).await, GET_CLOSE).await.contains("\r\nServer: mine\r\n"));
}

#[tokio::test]
async fn n_channels_counts_the_open_channels() {
    let server = serve(loopback().await, ServerConfig::default(), hello).unwrap();
    let mut streams = Vec::new();
    for n in 1..=3 {
        let mut stream = connect(&server).await;
        stream.write_all(GET.as_bytes()).await.unwrap();
        assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
        streams.push(stream);
        assert_eq!(server.stats().n_channels, n);
    }
    drop(streams);
    server.begin_drain(None).gone().await;
    let stats = server.stats();
    assert_eq!((stats.n_channels, stats.most_channels, stats.closed), (0, 3, 3));
}

#[tokio::test]
async fn the_subscriber_hears_of_every_channel_by_a_name_of_its_own_and_why_it_ended() {
    let heard = Heard::default();
    let server = Server::new(ServerConfig::default())
        .listen_fd(&loopback().await)
        .unwrap()
        .subscriber(heard.clone())
        .serve(hello)
        .unwrap();
    exchange(connect(&server).await, GET_CLOSE).await;
    heard.wait_for(2).await;
    exchange(connect(&server).await, "GET / HTTP/1.1\r\n\r\n").await;
    heard.wait_for(5).await;
    drop(connect(&server).await);
    let told = heard.wait_for(7).await;
    assert_eq!(told[..2], ["server.clisrv_1: opened", "server.clisrv_1: closed RequestedByPeer"]);
    assert_eq!(told[2..4], ["server.clisrv_2: opened", "server.clisrv_2: refused HostMissing"]);
    assert!(told[4].starts_with("server.clisrv_2: closed Refused"), "{told:?}");
    assert_eq!(told[5..], ["server.clisrv_3: opened", "server.clisrv_3: closed PeerEnded"]);
}

#[tokio::test]
async fn a_traceback_is_shown_only_where_it_is_exposed() {
    for expose in [false, true] {
        let server = serve(
            loopback().await,
            config_with(|config| config.channel.expose_tracebacks = expose),
            |request: Request| async move {
                assert_ne!(request.path(), "/", "as asked");
                "fine"
            },
        )
        .unwrap();
        let response = exchange(connect(&server).await, GET_CLOSE).await;
        assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
        assert_eq!(response.contains("as asked"), expose, "{response}");
        // The others go on.
        let response = exchange(connect(&server).await, &GET_CLOSE.replace("GET /", "GET /x")).await;
        assert!(response.ends_with("fine"), "{response}");
    }
}
