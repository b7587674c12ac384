//! Request bodies: whole, as they arrive, and after a 100.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Request, Response};
use httpfsm_tokio::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::support::{HANG, config_with, connect, exchange, loopback, to_end};

#[tokio::test]
async fn a_whole_body_above_inbuf_overflow_waits_in_a_file_and_is_complete() {
    let server = serve(
        loopback().await,
        config_with(|config| {
            config.channel.bodies = Some(Bodies::Whole);
            config.channel.inbuf_overflow = 1_000;
        }),
        |mut request: Request| async move {
            let bytes = request.body().collect(1 << 20).await.unwrap();
            Response::bytes(bytes)
        },
    )
    .unwrap();
    for length in [0, 999, 1_000, 1_001, 300_000] {
        let content: String = ('a'..='z').cycle().take(length).collect();
        let head =
            format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        let (mut input, mut output) = connect(&server).await.into_split();
        let sent = content.clone();
        let writer = tokio::spawn(async move {
            output.write_all((head + &sent).as_bytes()).await.unwrap();
            output
        });
        let response = to_end(&mut input).await;
        assert!(response.ends_with(&format!("\r\n\r\n{content}")), "{length}: {:.200}", response);
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_whole_body_reaches_the_handler_only_when_it_is_in() {
    let called = Arc::new(AtomicUsize::new(0));
    let calls = Arc::clone(&called);
    let server = serve(
        loopback().await,
        config_with(|config| config.channel.bodies = Some(Bodies::Whole)),
        move |_: Request| {
            calls.fetch_add(1, Ordering::SeqCst);
            async { "in" }
        },
    )
    .unwrap();
    let mut stream = connect(&server).await;
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhell")
        .await
        .unwrap();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(called.load(Ordering::SeqCst), 0);
    assert!(exchange(stream, "o").await.ends_with("in"));
    assert_eq!(called.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_body_is_read_no_faster_than_the_handler_takes_it() {
    let open = Arc::new(Notify::new());
    let gate = Arc::clone(&open);
    let server = serve(loopback().await, ServerConfig::default(), move |mut request: Request| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            let mut bytes = 0;
            while let Some(Ok(data)) = request.body().next_data().await {
                bytes += data.len();
            }
            bytes.to_string()
        }
    })
    .unwrap();
    let total = 64 << 20;
    let (mut input, mut output) = connect(&server).await.into_split();
    let sent = Arc::new(AtomicUsize::new(0));
    let progress = Arc::clone(&sent);
    let writer = tokio::spawn(async move {
        let head =
            format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {total}\r\n\r\n");
        output.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; 64 << 10];
        for _ in 0..total / piece.len() {
            output.write_all(&piece).await.unwrap();
            progress.fetch_add(piece.len(), Ordering::SeqCst);
        }
        output
    });
    let mut last = 0;
    while last == 0 || last != sent.load(Ordering::SeqCst) {
        last = sent.load(Ordering::SeqCst);
        sleep(Duration::from_millis(100)).await;
    }
    assert!(last < total / 2, "{last} bytes were sent, and none was read");
    open.notify_one();
    assert!(to_end(&mut input).await.ends_with(&total.to_string()));
    writer.await.unwrap();
}

#[tokio::test]
async fn a_100_is_sent_when_the_handler_reads_and_not_before() {
    let read = Arc::new(Notify::new());
    let gate = Arc::clone(&read);
    let server = serve(loopback().await, ServerConfig::default(), move |mut request: Request| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            Response::bytes(request.body().collect(100).await.unwrap())
        }
    })
    .unwrap();
    let mut stream = connect(&server).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 100];
    assert!(timeout(Duration::from_millis(50), stream.read(&mut interim)).await.is_err());
    read.notify_one();
    let n = timeout(HANG, stream.read(&mut interim)).await.unwrap().unwrap();
    assert_eq!(&interim[..n], b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(exchange(stream, "hello").await.ends_with("\r\n\r\nhello"));
}
