//! Deadlines and limits.

use std::sync::Arc;
use std::time::Duration;

use httpfsm::handler::Request;
use httpfsm_tokio::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};

use crate::support::{GET, GET_CLOSE, HANG, config_with, connect, exchange, hello, loopback, to_end};

#[tokio::test]
async fn inactivity_timeout_closes_an_idle_connection_in_silence() {
    let server = serve(
        loopback().await,
        config_with(|config| config.channel.inactivity_timeout = Some(Duration::from_millis(50))),
        hello,
    )
    .unwrap();
    let response = exchange(connect(&server).await, GET).await;
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");
}

#[tokio::test]
async fn responseless_timeout_responds_for_a_silent_handler() {
    let server = serve(
        loopback().await,
        config_with(|config| config.channel.responseless_timeout = Some(Duration::from_millis(50))),
        |_: Request| std::future::pending::<&'static str>(),
    )
    .unwrap();
    let response = exchange(connect(&server).await, GET).await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
}

#[tokio::test]
async fn a_half_sent_head_gets_408() {
    let server = serve(
        loopback().await,
        config_with(|config| config.channel.head_timeout = Some(Duration::from_millis(50))),
        hello,
    )
    .unwrap();
    let response = exchange(connect(&server).await, "GET / HTTP/1.1\r\n").await;
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
}

#[tokio::test]
async fn limits_of_head_and_body_respond_431_and_413() {
    let server = serve(
        loopback().await,
        config_with(|config| {
            config.channel.max_request_header_size = 100;
            config.channel.max_request_body_size = 100;
        }),
        hello,
    )
    .unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100));
    assert!(exchange(connect(&server).await, &head).await.starts_with("HTTP/1.1 431 "));
    let body = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n";
    assert!(exchange(connect(&server).await, body).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn requests_above_the_limit_of_a_channel_get_503_in_their_turn() {
    let open = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&open);
    let server = serve(
        loopback().await,
        config_with(|config| config.channel.maximum_simultaneous_requests = 2),
        move |_: Request| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                "served"
            }
        },
    )
    .unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(GET.repeat(4).as_bytes()).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    open.add_permits(10);
    let response = to_end(stream).await;
    assert_eq!(response.matches("HTTP/1.1 200 ").count(), 2, "{response}");
    assert_eq!(response.matches("HTTP/1.1 503 ").count(), 1, "{response}");
    assert!(response.rfind("served") < response.find("HTTP/1.1 503 "), "{response}");
}

#[tokio::test]
async fn requests_above_the_limit_of_a_server_get_503_and_the_connection_goes_on() {
    let enter = Arc::new(Notify::new());
    let leave = Arc::new(Notify::new());
    let (entered, left) = (Arc::clone(&enter), Arc::clone(&leave));
    let server = serve(
        loopback().await,
        config_with(|config| config.maximum_simultaneous_requests = 1),
        move |request: Request| {
            let (entered, left) = (Arc::clone(&entered), Arc::clone(&left));
            async move {
                if request.path() == "/wait" {
                    entered.notify_one();
                    left.notified().await;
                }
                "served"
            }
        },
    )
    .unwrap();
    let mut first = connect(&server).await;
    first.write_all(GET_CLOSE.replace("GET /", "GET /wait").as_bytes()).await.unwrap();
    timeout(HANG, enter.notified()).await.unwrap();
    let mut second = connect(&server).await;
    second.write_all(GET.as_bytes()).await.unwrap();
    let mut response = [0; 1024];
    let n = second.read(&mut response).await.unwrap();
    assert!(response[..n].starts_with(b"HTTP/1.1 503 "));
    leave.notify_one();
    assert!(to_end(first).await.ends_with("served"));
    let response = exchange(second, GET_CLOSE).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}
