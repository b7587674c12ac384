//! Upgraded connections, in the hands of futures and of blocking code.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Request, Response};
use httpfsm::status::Status;
use httpfsm_blocking::test::{TestRequest, call};
use httpfsm_blocking::{
    Blocking, Functions, Job, Server, ServerHandle, SpawnError, UpgradedStream, block_on, spawn, sync, tunnel,
};
use httpfsm_transport::may_block;

/// Longer than anything here takes: only a hang reaches it.
const HANG: Duration = Duration::from_secs(20);

fn echo(mut connection: UpgradedStream) {
    let mut buffer = [0; 5000];
    while let Ok(bytes @ 1..) = connection.read(&mut buffer) {
        connection.write_all(&buffer[..bytes]).unwrap();
    }
    connection.close().unwrap();
}

fn application(request: Request) -> Response {
    let upgrade = request.upgrade();
    let begun = match request.path() {
        "/task" => spawn(async move {
            let mut connection = upgrade.await.unwrap();
            let mut buffer = [0; 5000];
            while let Ok(bytes @ 1..) = connection.read(&mut buffer).await {
                connection.write_all(&buffer[..bytes]).await.unwrap();
            }
            connection.close().await.unwrap();
        }),
        "/thread" | "/refused" => tunnel(upgrade, echo),
        _ => return Response::text("fine"),
    };
    match begun {
        Ok(()) if request.path() == "/refused" => Response::new(Status::FORBIDDEN),
        Ok(()) => Response::switching_protocols("echo"),
        Err(error) => Response::text(error.to_string()).with_status(Status::SERVICE_UNAVAILABLE),
    }
}

fn start() -> ServerHandle {
    let server = Server::on(Blocking::default().workers(2).tunnels(2), ServerConfig::default());
    server.listen_tcp("127.0.0.1:0".parse().unwrap()).serve(sync(application)).unwrap()
}

fn connect(server: &ServerHandle, target: &str) -> (TcpStream, String) {
    let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(HANG)).unwrap();
    client.set_write_timeout(Some(HANG)).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    client.write_all(head.as_bytes()).unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        response.extend_from_slice(&byte);
    }
    (client, String::from_utf8(response).unwrap())
}

#[test]
fn tasks_and_threads_echo_every_byte() {
    let server = start();
    thread::scope(|scope| {
        for target in ["/task", "/thread", "/task", "/thread", "/task"] {
            let (client, response) = connect(&server, target);
            assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
            scope.spawn(move || {
                let (mut input, mut output) = (client.try_clone().unwrap(), client);
                let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
                let sent = bytes.clone();
                let send = thread::spawn(move || {
                    // Of odd sizes, so that readiness comes and goes at every point of the echo.
                    for piece in sent.chunks(7919) {
                        output.write_all(piece).unwrap();
                    }
                    output.shutdown(Shutdown::Write).unwrap();
                });
                let mut received = Vec::new();
                input.read_to_end(&mut received).expect("no wake-up is lost");
                assert!(received == bytes, "{} bytes", received.len());
                send.join().unwrap();
            });
        }
    });
    block_on(server.begin_drain(None).gone());
    assert_eq!(server.stats().n_channels, 0);
}

#[test]
fn work_of_a_tunnel_that_blocks_runs_on_its_own_thread() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let server = Server::on(Blocking::default().workers(1), ServerConfig::default());
    let handler = sync(move |request: Request| {
        let tell = tell.lock().unwrap().clone();
        let serve = move |_| {
            let job = Job::spawn(&Functions, || thread::current().id()).unwrap();
            tell.send((may_block(), block_on(job) == thread::current().id())).unwrap();
        };
        tunnel(request.upgrade(), serve).unwrap();
        Response::switching_protocols("echo")
    });
    let server = server.listen_tcp("127.0.0.1:0".parse().unwrap()).serve(handler).unwrap();
    let _client = connect(&server, "/");
    assert_eq!(told.recv_timeout(HANG), Ok((true, true)));
}

#[test]
fn one_byte_at_a_time_is_echoed_at_once() {
    let server = start();
    for target in ["/task", "/thread"] {
        let (mut client, _) = connect(&server, target);
        for byte in 0..=255 {
            client.write_all(&[byte]).unwrap();
            let mut echoed = [0];
            client.read_exact(&mut echoed).unwrap();
            assert_eq!(echoed, [byte]);
        }
    }
}

#[test]
fn when_all_threads_are_taken_the_handler_is_told_and_a_thread_that_ends_serves_again() {
    let server = start();
    let (one, _) = connect(&server, "/thread");
    let (_two, _) = connect(&server, "/thread");
    let (_, response) = connect(&server, "/thread");
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    drop(one);
    let began = Instant::now();
    while !connect(&server, "/thread").1.starts_with("HTTP/1.1 101 ") {
        assert!(began.elapsed() < HANG);
    }
    // Where the response is no upgrade, the thread is free again.
    let began = Instant::now();
    for _ in 0..5 {
        while !connect(&server, "/refused").1.starts_with("HTTP/1.1 403 ") {
            assert!(began.elapsed() < HANG);
        }
    }
}

#[test]
fn the_drain_deadline_ends_tunnels() {
    let server = start();
    let (mut by_thread, _) = connect(&server, "/thread");
    let (mut by_task, _) = connect(&server, "/task");
    block_on(server.begin_drain(Some(Duration::from_millis(50))).gone());
    for client in [&mut by_thread, &mut by_task] {
        assert!(matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)));
    }
    assert_eq!(server.stats().n_channels, 0);
}

#[test]
fn a_test_of_a_handler_begins_its_work_as_a_server_does() {
    let request = |path: &str| TestRequest::get(path).field("Connection", "upgrade").field("Upgrade", "echo");
    for path in ["/task", "/thread"] {
        let response = block_on(call(sync(application), request(path)));
        assert_eq!(response.status(), Status::SWITCHING_PROTOCOLS, "{path}: {}", response.text());
    }
    // Before the future of a handler there is its call.
    let handler = |_: Request| {
        let (sender, receiver) = mpsc::channel();
        let begun = spawn(async move { sender.send(()).unwrap() });
        async move { format!("{begun:?} {:?}", receiver.recv_timeout(HANG)) }
    };
    assert_eq!(block_on(call(handler, TestRequest::get("/"))).text(), "Ok(()) Ok(())");
    assert_eq!(spawn(async {}), Err(SpawnError::Elsewhere), "the test is over");
}

#[test]
fn a_thread_of_nobodys_spawns_nothing() {
    assert_eq!(spawn(async {}), Err(SpawnError::Elsewhere));
    let texts = [SpawnError::Elsewhere, SpawnError::Full, SpawnError::Gone].map(|error| error.to_string());
    for (at, text) in texts.iter().enumerate() {
        assert!(text.ends_with('.') && !texts[..at].contains(text), "{text}");
    }
}

/// Of an executor that is not ours.
struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic!("this waker is broken");
    }
}

#[test]
fn a_waker_that_panics_ends_neither_a_worker_nor_the_drain() {
    let server = Server::on(Blocking::default().workers(2), ServerConfig::default())
        .listen_tcp("127.0.0.1:0".parse().unwrap())
        .serve(sync(|request: Request| {
            let upgrade = request.upgrade();
            thread::spawn(move || {
                let Ok(mut connection) = block_on(upgrade) else { return };
                let waker = Waker::from(Arc::new(PanickingWaker));
                let mut cx = Context::from_waker(&waker);
                let began = Instant::now();
                // Until it is closed.
                while !matches!(connection.poll_read(&mut cx, &mut [0; 10]), Poll::Ready(Err(_))) {
                    assert!(began.elapsed() < HANG);
                    thread::sleep(Duration::from_millis(1));
                }
            });
            Response::switching_protocols("x")
        }))
        .unwrap();
    for _ in 0..3 {
        let (mut client, response) = connect(&server, "/");
        assert!(response.starts_with("HTTP/1.1 101"), "{response}");
        for _ in 0..10 {
            client.write_all(b"bytes").unwrap();
            thread::sleep(Duration::from_millis(2));
        }
        std::mem::forget(client);
    }
    let began = Instant::now();
    block_on(server.begin_drain(Some(Duration::from_millis(20))).gone());
    assert!(began.elapsed() < HANG);
}

/// A waker of a task whose drop fails.
struct DropPanicWaker;

impl Wake for DropPanicWaker {
    fn wake(self: Arc<Self>) {}
}

impl Drop for DropPanicWaker {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("as it must"));
    }
}

#[test]
fn what_a_connection_was_waited_for_with_is_not_dropped_by_the_worker() {
    let (tell, told) = mpsc::channel();
    let server = Server::on(Blocking::default().workers(2), ServerConfig::default())
        .listen_tcp("127.0.0.1:0".parse().unwrap())
        .serve(sync(move |request: Request| {
            let (upgrade, tell) = (request.upgrade(), tell.clone());
            thread::spawn(move || {
                let mut connection = block_on(upgrade).unwrap();
                let waker = Waker::from(Arc::new(DropPanicWaker));
                let polled = connection.poll_read(&mut Context::from_waker(&waker), &mut [0; 10]);
                assert!(polled.is_pending());
                drop(waker);
                drop(connection);
                let _ = tell.send(());
            });
            Response::switching_protocols("x")
        }))
        .unwrap();
    for _ in 0..3 {
        let (_client, response) = connect(&server, "/");
        assert!(response.starts_with("HTTP/1.1 101"), "the workers go on: {response}");
        told.recv_timeout(HANG).unwrap();
    }
    block_on(server.begin_drain(None).gone());
}

#[test]
fn code_whose_panic_panics_again_gives_its_thread_back() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("as it must"));
        }
    }
    let server = Server::on(Blocking::default().workers(2).tunnels(1), ServerConfig::default())
        .listen_tcp("127.0.0.1:0".parse().unwrap())
        .serve(sync(|request: Request| {
            match tunnel(request.upgrade(), |_| std::panic::resume_unwind(Box::new(PanicsOnDrop))) {
                Ok(()) => Response::switching_protocols("x"),
                Err(_) => Response::new(Status::SERVICE_UNAVAILABLE),
            }
        }))
        .unwrap();
    for _ in 0..3 {
        let began = Instant::now();
        loop {
            let (mut client, response) = connect(&server, "/");
            if response.starts_with("HTTP/1.1 101") {
                // The connection ends with the code that served it.
                assert_eq!(client.read_to_end(&mut Vec::new()).unwrap(), 0);
                break;
            }
            assert!(began.elapsed() < HANG, "the thread is taken for ever: {response}");
        }
    }
    block_on(server.begin_drain(None).gone());
}
