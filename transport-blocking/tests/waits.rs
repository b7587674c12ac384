//! Nobody who waits holds a worker: slow peers, handlers and sources that are not ready, bodies in files.
#![allow(clippy::unwrap_used)]

use std::future::pending;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Body, Frame, Handler, Request, Response};
use httpfsm::status::Status;
use httpfsm_blocking::{
    Blocking, BodyReader, Functions, Job, NoThread, Server, ServerHandle, SpawnError, Spawner, block_on,
    spawn, sync,
};
use httpfsm_transport::server_spawner;

/// Longer than anything here takes: only a hang reaches it.
const HANG: Duration = Duration::from_secs(20);

const WORKERS: usize = 2;

fn start(config: ServerConfig, handler: impl Handler) -> ServerHandle {
    let server = Server::on(Blocking::default().workers(WORKERS), config);
    server.listen_tcp("127.0.0.1:0".parse().unwrap()).serve(handler).unwrap()
}

fn ask(server: &ServerHandle, bytes: &[u8]) -> TcpStream {
    let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(HANG)).unwrap();
    client.set_write_timeout(Some(HANG)).unwrap();
    client.write_all(bytes).unwrap();
    client
}

fn get(server: &ServerHandle, target: &str) -> TcpStream {
    ask(server, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
}

fn is_healthy(server: &ServerHandle) {
    let mut response = [0; 1000];
    let bytes = get(server, "/").read(&mut response).expect("a worker is free");
    assert!(response[..bytes].ends_with(b"fine"), "{}", String::from_utf8_lossy(&response[..bytes]));
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < HANG, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn endless() -> Body {
    let piece = Bytes::from(vec![b'x'; 16 << 10]);
    Body::from_fn(move |_| Poll::Ready(Frame::Data(piece.clone())))
}

/// Blocking code.
fn function(mut request: Request) -> Response {
    match request.path() {
        "/endless" => Response::new(Status::OK).with_body(endless()),
        "/silent" => Response::new(Status::OK).with_body(Body::from_fn(|_| Poll::Pending)),
        "/count" => {
            let count = std::io::copy(&mut BodyReader::new(request.take_body()), &mut std::io::sink());
            Response::text(format!("{} bytes", count.unwrap()))
        }
        _ => Response::text("fine"),
    }
}

#[test]
fn slow_senders_slow_readers_and_silent_sources_hold_no_worker() {
    let server = start(ServerConfig::default(), sync(function));
    let mut slow = Vec::new();
    for _ in 0..4 * WORKERS {
        slow.push(ask(&server, b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf"));
        slow.push(get(&server, "/endless"));
        slow.push(get(&server, "/silent"));
        slow.push(ask(&server, b"GET / HT"));
    }
    eventually("all are there", || server.stats().n_channels == slow.len() as u64);
    is_healthy(&server);
    // Now they are done, and each gets a response.
    for upload in slow.iter_mut().step_by(4) {
        upload.write_all(b" a one").unwrap();
        let mut response = [0; 1000];
        let bytes = upload.read(&mut response).unwrap();
        assert!(response[..bytes].ends_with(b"10 bytes"));
    }
    is_healthy(&server);
}

#[test]
fn an_async_handler_that_waits_for_its_body_holds_no_worker() {
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Streamed);
    let server = start(config, async |mut request: Request| match request.path() {
        "/count" => Response::text(format!("{} bytes", request.body().collect(1 << 20).await.unwrap().len())),
        _ => Response::text("fine"),
    });
    let upload = b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
    let uploads: Vec<_> = (0..4 * WORKERS).map(|_| ask(&server, upload)).collect();
    is_healthy(&server);
    for mut upload in uploads {
        upload.write_all(b" a one").unwrap();
        let mut response = [0; 1000];
        let bytes = upload.read(&mut response).unwrap();
        assert!(response[..bytes].ends_with(b"10 bytes"));
    }
}

#[derive(Clone, Default)]
struct SharedCount(Arc<AtomicUsize>);

impl SharedCount {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Counts its drops.
struct CountedDrop(SharedCount);

impl Drop for CountedDrop {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn handlers_that_never_respond_hold_no_worker_and_are_dropped_with_their_connections() {
    let (begun, dropped) = (SharedCount::default(), SharedCount::default());
    let (begins, drops) = (begun.clone(), dropped.clone());
    let server = start(ServerConfig::default(), move |request: Request| {
        let (begins, held) = (begins.clone(), CountedDrop(drops.clone()));
        async move {
            if request.path() == "/never" {
                begins.0.fetch_add(1, Ordering::SeqCst);
                pending::<()>().await;
            }
            drop(held);
            "fine"
        }
    });
    let clients: Vec<_> = (0..4 * WORKERS).map(|_| get(&server, "/never")).collect();
    eventually("all are called", || begun.get() == clients.len());
    is_healthy(&server);
    assert_eq!(dropped.get(), 1);
    for client in &clients {
        socket2::SockRef::from(client).set_linger(Some(Duration::ZERO)).unwrap();
    }
    let dropped_then = clients.len() + 1;
    drop(clients);
    eventually("all are dropped", || dropped.get() == dropped_then);
    is_healthy(&server);
}

#[test]
fn bodies_in_files_are_read_by_all_workers_at_once() {
    let mut config = ServerConfig::default();
    config.channel.inbuf_overflow = 10;
    let server = start(config, sync(function));
    let upload =
        format!("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n{}", "x".repeat(600_000));
    thread::scope(|scope| {
        for _ in 0..4 * WORKERS {
            scope.spawn(|| {
                for _ in 0..5 {
                    let mut response = [0; 1000];
                    let bytes = ask(&server, upload.as_bytes()).read(&mut response).expect("no deadlock");
                    assert!(response[..bytes].ends_with(b"600000 bytes"));
                }
            });
        }
    });
}

/// Takes all memory of the server before it reads its body, and holds it until the body is read.
fn function_without_room(mut request: Request) -> Response {
    let memory = request.memory();
    if request.path() != "/count" {
        return Response::text("fine");
    }
    let held: Vec<_> = std::iter::from_fn(|| memory.try_reserve(1 << 10)).collect();
    let count = std::io::copy(&mut BodyReader::new(request.take_body()), &mut std::io::sink());
    drop(held);
    Response::text(format!("{} bytes", count.unwrap()))
}

#[test]
fn bodies_in_files_are_read_where_there_is_no_room() {
    let mut config = ServerConfig::default();
    config.channel.inbuf_overflow = 10;
    config.max_buffered_bytes = 1 << 20;
    // Nobody is freed by a deadline.
    config.room_timeout = None;
    let server = start(config, sync(function_without_room));
    let upload =
        format!("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n{}", "x".repeat(600_000));
    thread::scope(|scope| {
        for _ in 0..4 * WORKERS {
            scope.spawn(|| {
                for _ in 0..3 {
                    let mut response = [0; 1000];
                    let bytes = ask(&server, upload.as_bytes()).read(&mut response).expect("no standstill");
                    assert!(response[..bytes].ends_with(b"600000 bytes"));
                    is_healthy(&server);
                }
            });
        }
    });
}

#[test]
fn interim_responses_leave_before_the_response_whatever_thread_runs_the_handler() {
    let server = start(
        ServerConfig::default(),
        sync(|request: Request| {
            for _ in 0..3 {
                request.informational(Status::new(103).unwrap(), httpfsm::Fields::new()).unwrap();
            }
            "fine"
        }),
    );
    for _ in 0..200 {
        let mut client = ask(&server, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        let lines: Vec<_> = response.lines().filter(|line| line.starts_with("HTTP/1.1 ")).collect();
        assert_eq!(lines.len(), 4, "{response}");
        assert!(
            lines[..3].iter().all(|line| line.contains("103")) && response.ends_with("fine"),
            "{response}"
        );
    }
}

#[test]
fn a_function_that_outlives_its_connection_does_not_hold_up_the_drain() {
    let server = start(
        ServerConfig::default(),
        sync(|_: Request| {
            thread::sleep(Duration::from_millis(300));
            "late"
        }),
    );
    let client = get(&server, "/");
    thread::sleep(Duration::from_millis(50));
    let began = Instant::now();
    block_on(server.begin_drain(Some(Duration::from_millis(10))).gone());
    assert!(began.elapsed() < HANG);
    drop(client);
}

#[test]
fn who_begins_work_after_the_end_of_the_server_is_told() {
    let (give, given) = mpsc::channel();
    let (spawned, has_spawned) = mpsc::channel();
    let senders = Mutex::new((give, spawned));
    let server = start(ServerConfig::default(), move |_: Request| {
        let (give, spawned) = senders.lock().unwrap().clone();
        async move {
            let spawner = server_spawner().unwrap();
            // It outlives the server.
            let work = move || {
                give.send(spawner).unwrap();
                let began = Instant::now();
                while spawn(async {}) == Ok(()) && began.elapsed() < HANG {
                    thread::sleep(Duration::from_millis(1));
                }
                spawned.send(spawn(async {})).unwrap();
            };
            Functions.spawn_blocking(Box::new(work)).unwrap();
            pending::<Response>().await
        }
    });
    let client = get(&server, "/");
    let spawner = given.recv_timeout(HANG).unwrap();
    block_on(server.begin_drain(Some(Duration::ZERO)).gone());
    drop(client);
    assert_eq!(has_spawned.recv_timeout(2 * HANG), Ok(Err(SpawnError::Gone)));
    assert_eq!(Job::spawn(&*spawner, || ()).map(drop), Err(NoThread));
    let (alive, is_dropped) = mpsc::channel::<()>();
    assert_eq!(spawner.spawn_blocking(Box::new(move || drop(alive))), Err(NoThread));
    assert_eq!(is_dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
}

/// Each worker may be in such a handler.
#[test]
fn a_handler_that_blocks_for_a_function_that_it_has_begun_gets_what_that_returns() {
    let server = start(ServerConfig::default(), |_: Request| async {
        // Its end is waited for with the first one's, while each worker may wait.
        let (first, second) =
            (Job::spawn(&Functions, || "fi").unwrap(), Job::spawn(&Functions, || "ne").unwrap());
        let second = block_on(second);
        Response::text(format!("{}{second}", first.await))
    });
    let clients: Vec<_> = (0..4 * WORKERS).map(|_| get(&server, "/")).collect();
    for mut client in clients {
        let mut response = [0; 1000];
        let bytes = client.read(&mut response).expect("the function has run");
        assert!(response[..bytes].ends_with(b"fine"), "{}", String::from_utf8_lossy(&response[..bytes]));
    }
    is_healthy(&server);
}

/// What closes a file runs on a worker, too, and does not take the place of what the handler is about to wait for: as many
/// requests as there are workers, and one, would leave that to nobody.
#[test]
fn a_handler_that_blocks_for_a_function_gets_what_that_returns_though_it_has_let_go_of_a_file() {
    let mut config = ServerConfig::default();
    config.channel.inbuf_overflow = 1;
    let inside = Arc::new(AtomicUsize::new(0));
    let server = start(config, move |mut request: Request| {
        let inside = Arc::clone(&inside);
        async move {
            let mut body = request.take_body();
            body.gathered().await;
            inside.fetch_add(1, Ordering::SeqCst);
            eventually("all workers are in handlers", || inside.load(Ordering::SeqCst) > WORKERS);
            let job = Job::spawn(&Functions, || "done").unwrap();
            drop(body);
            block_on(job)
        }
    });
    let head = "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
    let clients = [(); WORKERS + 1].map(|()| ask(&server, &[head.as_bytes(), &[b'x'; 100_000]].concat()));
    for mut client in clients {
        let mut response = String::new();
        client.read_to_string(&mut response).expect("somebody runs it");
        assert!(response.ends_with("done"), "{response}");
    }
}
