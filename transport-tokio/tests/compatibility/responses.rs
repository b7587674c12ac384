//! Responses that arrive whole and no faster than the peer reads, and how a connection ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use httpfsm::config::ServerConfig;
use httpfsm::handler::{Body, Frame, Request, Response};
use httpfsm_tokio::{Server, serve};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::support::{GET, GET_CLOSE, HANG, Heard, connect, exchange, loopback, to_end};

#[tokio::test]
async fn a_large_response_arrives_whole_before_the_close() {
    const SIZE: usize = 8 << 20;
    let content = Bytes::from(vec![b'x'; SIZE]);
    let server = serve(loopback().await, ServerConfig::default(), move |_: Request| {
        let content = content.clone();
        async move { Response::bytes(content) }
    })
    .unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(GET_CLOSE.as_bytes()).await.unwrap();
    // Input that nobody reads must not overtake the response with a reset.
    stream.write_all(&[b'y'; 10_000]).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let response = to_end(stream).await;
    let start = response.find("\r\n\r\n").unwrap() + 4;
    assert_eq!(response.len() - start, SIZE);
}

#[tokio::test]
async fn a_response_is_pulled_no_faster_than_the_peer_reads() {
    const PIECE: usize = 64 << 10;
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pulled);
    let server = serve(loopback().await, ServerConfig::default(), move |_: Request| {
        let count = Arc::clone(&count);
        let piece = Bytes::from(vec![b'x'; PIECE]);
        async move {
            Response::text(Body::from_fn(move |_| {
                let n = count.fetch_add(1, Ordering::SeqCst);
                Poll::Ready(if n < 1_000 { Frame::Data(piece.clone()) } else { Frame::End })
            }))
        }
    })
    .unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(GET_CLOSE.as_bytes()).await.unwrap();
    // Wait until nothing moves.
    let mut last = 0;
    while last == 0 || last != pulled.load(Ordering::SeqCst) {
        last = pulled.load(Ordering::SeqCst);
        sleep(Duration::from_millis(100)).await;
    }
    assert!((1..500).contains(&last), "{last} of 1000 pieces were pulled, and none was read");
    let response = to_end(stream).await;
    assert!(response.len() > 1_000 * PIECE);
    assert!(response.ends_with("\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn the_end_of_input_does_not_lose_the_response() {
    let server = serve(loopback().await, ServerConfig::default(), |request: Request| async move {
        timeout(HANG, request.peer_ended()).await.expect("the handler is told");
        "nevertheless"
    })
    .unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(to_end(stream).await.ends_with("nevertheless"));
}

#[tokio::test]
async fn a_lost_connection_reaches_a_handler_that_waits() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let heard = Heard::default();
    let server = Server::new(ServerConfig::default())
        .listen_fd(&loopback().await)
        .unwrap()
        .subscriber(heard.clone())
        .serve(move |request: Request| {
            let tell = tell.clone();
            async move {
                let gone = request.disconnected();
                tell.send("waits").unwrap();
                tokio::spawn(async move {
                    gone.await;
                    tell.send("gone").unwrap();
                });
                std::future::pending::<&'static str>().await
            }
        })
        .unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(timeout(HANG, told.recv()).await.unwrap(), Some("waits"));
    stream.set_zero_linger().unwrap();
    drop(stream);
    assert_eq!(timeout(HANG, told.recv()).await.unwrap(), Some("gone"));
    assert_eq!(heard.wait_for(2).await[1], "server.clisrv_1: closed Disconnected");
}

#[tokio::test]
async fn an_upgraded_connection_belongs_to_the_application_from_its_first_byte() {
    let server = serve(loopback().await, ServerConfig::default(), |request: Request| async move {
        let upgrade = request.upgrade();
        tokio::spawn(async move {
            let mut upgraded = upgrade.await.unwrap();
            let mut bytes = [0; 5];
            let mut read = 0;
            while read < bytes.len() {
                let n = std::future::poll_fn(|cx| upgraded.poll_read(cx, &mut bytes[read..])).await.unwrap();
                assert_ne!(n, 0);
                read += n;
            }
            bytes.reverse();
            let n = std::future::poll_fn(|cx| upgraded.poll_write(cx, &bytes)).await.unwrap();
            assert_eq!(n, bytes.len());
            std::future::poll_fn(|cx| upgraded.poll_flush(cx)).await.unwrap();
            std::future::poll_fn(|cx| upgraded.poll_close(cx)).await.unwrap();
        });
        Response::switching_protocols("reverse")
    })
    .unwrap();
    let mut stream = connect(&server).await;
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: reverse\r\n\r\nhel";
    stream.write_all(head.as_bytes()).await.unwrap();
    let response = exchange(stream, "lo").await;
    assert!(response.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\nolleh"), "{response}");
}
