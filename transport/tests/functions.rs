//! Blocking functions: those whose clients have gone are not begun, those that run keep their places, and none waits for a
//! thread of its own pool.
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, ConnectionInfo, Failure, Frame, Request, Response, Subscriber};
use httpfsm::peer::Peer;
use httpfsm_transport::memory::{MemoryServer, pair};
use httpfsm_transport::{BodyReader, Clock, Held, NoThread, Service, Spawner, Wire, block_on, sync};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

type Work = Box<dyn FnOnce() + Send>;

/// Keeps the work until somebody takes it.
#[derive(Clone, Default)]
struct ManualSpawner(Arc<Mutex<Vec<Work>>>);

impl ManualSpawner {
    fn take(&self) -> Vec<Work> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Spawner for ManualSpawner {
    fn spawn_blocking(&self, work: Work) -> Result<(), NoThread> {
        self.0.lock().unwrap().push(work);
        Ok(())
    }
}

fn one_at_a_time() -> ServerConfig {
    ServerConfig { maximum_simultaneous_requests: 1, ..ServerConfig::default() }
}

#[test]
fn a_reader_of_a_body_has_its_trailers_at_the_end() {
    let mut frames = vec![
        Frame::Trailers(Fields::new().with("X-Sum", "5").unwrap()),
        Frame::Data("lo".into()),
        Frame::Data("hel".into()),
    ];
    let body = Body::from_fn(move |_| Poll::Ready(frames.pop().unwrap_or(Frame::End)));
    let mut reader = BodyReader::new(body);
    assert!(reader.trailers().is_none());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    assert_eq!(reader.trailers().and_then(|trailers| trailers.get("X-Sum")), Some(&b"5"[..]));
}

#[test]
fn a_function_whose_client_has_gone_is_not_called() {
    let (spawner, calls) = (ManualSpawner::default(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&calls);
    let handler = sync(spawner.clone(), move |_: Request| {
        count.fetch_add(1, Ordering::SeqCst);
        "fine"
    });
    let mut server = MemoryServer::new(one_at_a_time(), handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    client.reset();
    server.run();
    assert_eq!(server.held(), Held::default(), "its place is free");
    let next = server.connect().unwrap();
    next.send(GET);
    server.run();
    spawner.take().into_iter().for_each(|work| work());
    server.run();
    assert!(next.take_text().ends_with("fine"));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_function_that_runs_when_its_client_goes_keeps_its_place_until_it_ends() {
    let (spawner, (open, gate)) = (ManualSpawner::default(), mpsc::channel::<()>());
    let (begin, begun) = mpsc::channel();
    let gate = Mutex::new(gate);
    let handler = sync(spawner.clone(), move |request: Request| {
        // What the request holds may go at once.
        drop(request);
        let _ = begin.send(());
        let _ = gate.lock().unwrap().recv();
        Response::text("fine")
    });
    let mut server = MemoryServer::new(one_at_a_time(), handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let running = thread::spawn(move || spawner.take().into_iter().for_each(|work| work()));
    begun.recv().unwrap();
    client.reset();
    server.run();
    let held = server.held();
    assert_eq!((held.channels, held.requests), (0, 1));
    let next = server.connect().unwrap();
    next.send(GET);
    server.run();
    assert!(next.take_text().starts_with("HTTP/1.1 503 "));
    next.reset();
    server.run();
    open.send(()).unwrap();
    running.join().unwrap();
    assert_eq!(server.held(), Held::default());
}

/// A pool of one thread.
struct One(mpsc::Sender<Work>);

impl One {
    fn start() -> Arc<Self> {
        let (give, work) = mpsc::channel::<Work>();
        thread::spawn(move || work.into_iter().for_each(|work| work()));
        Arc::new(Self(give))
    }
}

impl Spawner for One {
    fn spawn_blocking(&self, work: Work) -> Result<(), NoThread> {
        self.0.send(work).map_err(|_| NoThread)
    }
}

#[test]
fn a_function_that_reads_a_body_in_a_file_needs_no_thread_beside_its_own() {
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Whole);
    config.channel.inbuf_overflow = 1000;
    let pool = One::start();
    let handler = sync(Arc::clone(&pool), |mut request: Request| {
        let mut bytes = Vec::new();
        BodyReader::new(request.take_body()).read_to_end(&mut bytes).unwrap();
        bytes.len().to_string()
    });
    let service = Service::new(config, Clock::system(), pool, None, handler);
    let (mut near, far) = pair(1 << 20);
    let driver = service.connect(far, Peer::Unix(None), Peer::Unix(None)).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\nConnection: close\r\n\r\n";
    let request = [&head[..], &[b'x'; 300_000]].concat();
    assert!(matches!(near.poll_write(&mut cx, &request), Poll::Ready(Ok(bytes)) if bytes == request.len()));
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut response = vec![0; 1000];
        block_on(async {
            let mut driver = std::pin::pin!(driver);
            std::future::poll_fn(|cx| {
                let _ = driver.as_mut().poll(cx);
                near.poll_read(cx, &mut response).map(|bytes| bytes.map(|bytes| response.truncate(bytes)))
            })
            .await
        })
        .map(|()| tell.send(String::from_utf8_lossy(&response).into_owned()))
    });
    let response = told.recv_timeout(Duration::from_secs(20)).expect("the pool waits for itself");
    assert!(response.ends_with("\r\n\r\n300000"), "{response}");
}

/// The failures.
#[derive(Default)]
struct SubscriberLog(Mutex<Vec<String>>);

impl Subscriber for SubscriberLog {
    fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        let channel = connection.map_or("no connection", |connection| &connection.channel);
        self.0.lock().unwrap().push(format!("{channel} {failure}: {text}"));
    }
}

/// Has no thread.
struct NoThreads;

impl Spawner for NoThreads {
    fn spawn_blocking(&self, _: Work) -> Result<(), NoThread> {
        Err(NoThread)
    }
}

#[test]
fn without_a_thread_for_the_function_the_response_is_503_and_the_connection_goes_on() {
    let log = Arc::new(SubscriberLog::default());
    let handler = sync(NoThreads, |_: Request| "fine");
    let mut server = MemoryServer::with(one_at_a_time(), 1 << 16, Some(Arc::clone(&log) as _), handler);
    let client = server.connect().unwrap_or_else(|refusal| panic!("{refusal:?}"));
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        server.run();
        let response = client.take();
        let text = String::from_utf8_lossy(&response);
        assert!(
            text.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && !text.contains("close"),
            "{text}"
        );
    }
    let failure =
        "server.clisrv_1 handler: No thread is to be had for the function that handles the request.";
    assert_eq!(*log.0.lock().unwrap(), [failure; 2]);
}

#[test]
fn without_a_thread_for_a_body_that_goes_to_a_file_the_response_is_503() {
    let mut config = one_at_a_time();
    config.channel.bodies = Some(Bodies::Whole);
    config.channel.inbuf_overflow = 10;
    let log = Arc::new(SubscriberLog::default());
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&log) as _;
    let handler = |_: Request| async { "fine" };
    let service = Service::new(config, Clock::manual(), Arc::new(NoThreads), Some(subscriber), handler);
    let (mut client, far) = pair(1 << 16);
    let driver = service.connect(far, Peer::Unix(None), Peer::Unix(None)).unwrap();
    let mut driver = std::pin::pin!(driver);
    let mut cx = Context::from_waker(Waker::noop());
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{}", "x".repeat(1000));
    assert!(client.poll_write(&mut cx, request.as_bytes()).is_ready());
    let mut response = vec![0; 1000];
    for _ in 0..10 {
        let _ = driver.as_mut().poll(&mut cx);
    }
    let Poll::Ready(Ok(bytes)) = client.poll_read(&mut cx, &mut response) else { panic!("no response") };
    let text = String::from_utf8_lossy(&response[..bytes]);
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    let failures = log.0.lock().unwrap();
    assert!(
        matches!(&failures[..], [one] if one.contains("spool: The request body could not be kept")),
        "{failures:?}"
    );
}
