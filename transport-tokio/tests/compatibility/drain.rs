//! How a server goes out of service.

use std::sync::Arc;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Request;
use httpfsm_tokio::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use crate::support::{GET, HANG, config_with, connect, loopback, to_end};

#[tokio::test]
async fn go_out_finishes_what_runs_and_lets_the_idle_go() {
    let open = Arc::new(Notify::new());
    let (entered, mut enter) = mpsc::unbounded_channel();
    let gate = Arc::clone(&open);
    let server = serve(loopback().await, ServerConfig::default(), move |request: Request| {
        let (gate, entered) = (Arc::clone(&gate), entered.clone());
        async move {
            if request.path() == "/wait" {
                entered.send(()).unwrap();
                gate.notified().await;
            }
            "served"
        }
    })
    .unwrap();
    let mut idle = connect(&server).await;
    idle.write_all(GET.as_bytes()).await.unwrap();
    assert_ne!(idle.read(&mut [0; 1024]).await.unwrap(), 0);
    let mut busy = connect(&server).await;
    busy.write_all(GET.replace("GET /", "GET /wait").as_bytes()).await.unwrap();
    timeout(HANG, enter.recv()).await.unwrap();

    let drained = server.begin_drain(None).gone();
    assert_eq!(to_end(idle).await, "");
    open.notify_one();
    let response = to_end(&mut busy).await;
    assert!(response.contains("\r\nConnection: close\r\n") && response.ends_with("served"), "{response}");
    drop(busy);
    timeout(HANG, drained).await.expect("all are gone");
    assert!(TcpStream::connect(server.local_addr().unwrap()).await.is_err());
}

#[tokio::test]
async fn the_drain_deadline_responds_for_a_handler_that_never_does() {
    let server = serve(
        loopback().await,
        config_with(|config| {
            config.drain_deadline = Some(Duration::from_secs(10));
            config.channel.drain_deadline = Some(Duration::from_millis(50));
        }),
        |_: Request| std::future::pending::<&'static str>(),
    )
    .unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(20)).await;
    let drained = server.begin_drain(None).gone();
    let response = to_end(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    drop(stream);
    timeout(HANG, drained).await.expect("all are gone");
}
