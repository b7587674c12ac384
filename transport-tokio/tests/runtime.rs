//! What tokio itself has to give, and what happens where it does not.
#![allow(clippy::unwrap_used)]

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::Request;
use httpfsm_tokio::{Server, SocketOptions, Tokio, serve, sync};
use httpfsm_transport::memory::MemoryServer;
use tokio::runtime::Builder;

async fn handler(_: Request) -> &'static str {
    "fine"
}

#[test]
fn a_server_that_is_started_outside_of_a_runtime_is_an_error() {
    let place = std::env::temp_dir().join(format!("httpfsm-outside-{}", std::process::id()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let servers = [
        serve(&listener, ServerConfig::default(), handler),
        Server::new(ServerConfig::default()).listen_unix(&place).serve(handler),
        Server::on(Tokio::default().workers(1), ServerConfig::default())
            .options(SocketOptions { reuse_port: true, ..SocketOptions::default() })
            .listen_tcp("127.0.0.1:0".parse().unwrap())
            .serve(handler),
    ];
    for failed in servers {
        let error = failed.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("within a runtime"), "{error}");
    }
    assert!(!place.exists(), "its socket is gone");
}

#[test]
fn a_runtime_without_its_io_driver_is_an_error() {
    for runtime in [Builder::new_current_thread().build(), Builder::new_multi_thread().enable_time().build()]
    {
        let failed = runtime.unwrap().block_on(async {
            Server::new(ServerConfig::default()).listen_tcp("127.0.0.1:0".parse().unwrap()).serve(handler)
        });
        let error = failed.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("enable_io"), "{error}");
    }
}

/// No timer is asked of it.
#[test]
fn a_runtime_with_its_io_driver_is_enough() {
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let server = Server::new(ServerConfig::default());
        let server = server.listen_tcp("127.0.0.1:0".parse().unwrap()).serve(handler).unwrap();
        server.begin_drain(None).gone().await;
    });
}

#[test]
fn blocking_work_that_is_asked_for_outside_of_a_runtime_gets_a_500() {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut server = MemoryServer::new(ServerConfig::default(), sync(|_: Request| "fine"));
        let client = server.connect().unwrap();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        server.run();
        let _ = tell.send(client.take_text());
    });
    let response = told.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
}
