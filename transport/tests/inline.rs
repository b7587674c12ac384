//! Work that waits on the thread that polls its own connection: it is told so, and nobody waits for ever.
#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::error::BodyError;
use httpfsm::handler::{BodyFailure, ConnectionInfo, Failure, Handler, Request, Response, Subscriber};
use httpfsm_transport::memory::MemoryServer;
use httpfsm_transport::{BodyReader, Inline, block_on, sync};

/// Longer than anything here takes: only a thread that waits for itself reaches it.
const HANG: Duration = Duration::from_secs(20);

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
const GET: &str = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// What the peer receives that sends these two requests.
fn exchange<H: Handler>(bodies: Bodies, handler: impl FnOnce() -> H + Send + 'static) -> String {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut config = ServerConfig::default();
        config.channel.bodies = Some(bodies);
        let mut server = MemoryServer::new(config, handler());
        let client = server.connect().unwrap();
        let mut received = String::new();
        for request in [POST, GET] {
            client.send(request);
            server.run();
            received += &client.take_text();
        }
        let _ = tell.send(received);
    });
    told.recv_timeout(HANG).expect("the thread waits for itself, or has panicked")
}

/// Reads the body with a thread that waits; says what came, or what failed and of which kind.
fn read(mut request: Request) -> String {
    let mut text = String::new();
    match BodyReader::new(request.take_body()).read_to_string(&mut text) {
        Ok(_) => format!("<{text}>"),
        Err(error) => {
            let kind = error.kind();
            let failure = error.downcast::<BodyFailure>().unwrap();
            format!("<{kind:?}: {failure}>")
        }
    }
}

fn is_told(received: &str) {
    assert!(received.contains("<Deadlock: "), "{received}");
    assert!(received.contains("not `Inline`"), "{received}");
    // The connection goes on.
    assert!(received.ends_with("<>"), "{received}");
}

#[test]
fn a_blocking_function_that_reads_its_body_on_the_drivers_thread_is_told_so() {
    is_told(&exchange(Bodies::Streamed, || sync(Inline, read)));
}

#[test]
fn an_async_handler_that_reads_its_body_as_blocking_code_is_told_so() {
    is_told(&exchange(Bodies::Streamed, || |request: Request| async { read(request) }));
}

#[test]
fn whoever_waits_for_the_body_with_block_on_is_told_so() {
    let collect = |mut request: Request| match block_on(request.body().collect(1000)) {
        Ok(body) => format!("<{}>", body.len()),
        Err(error) => format!("<{error}>"),
    };
    let received = exchange(Bodies::Streamed, move || sync(Inline, collect));
    assert!(received.contains("not `Inline`") && received.ends_with("<0>"), "{received}");
}

/// What a server tells of its handlers.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Subscriber for Told {
    fn failed(&self, _: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        self.0.lock().unwrap().push(format!("{failure}: {text}"));
    }
}

#[test]
fn the_subscriber_is_told_of_a_function_that_cannot_wait_for_its_body() {
    let collect = |mut request: Request| block_on(request.body().collect(1000));
    let told = Arc::new(Told::default());
    let subscriber: Arc<dyn Subscriber> = Arc::<Told>::clone(&told);
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Streamed);
    let mut server = MemoryServer::with(config, 64 << 10, Some(subscriber), sync(Inline, collect));
    let client = server.connect().unwrap();
    client.send(POST);
    server.run();
    let received = client.take_text();
    assert!(received.starts_with("HTTP/1.1 500 ") && !received.contains("Inline"), "{received}");
    let told = told.0.lock().unwrap();
    assert!(
        told.len() == 1 && told[0].starts_with("handler: ") && told[0].contains("not `Inline`"),
        "{told:?}"
    );
}

#[test]
fn a_whole_body_is_read_on_any_thread() {
    let received = exchange(Bodies::Whole, || sync(Inline, read));
    assert!(received.contains("<body>") && received.ends_with("<>"), "{received}");
}

#[test]
fn whoever_waits_there_for_the_end_of_the_connection_or_for_its_upgrade_gets_a_500() {
    let disconnected = |request: Request| {
        block_on(request.disconnected());
        Response::text("never")
    };
    let peer_ended = |request: Request| {
        block_on(request.peer_ended());
        Response::text("never")
    };
    let upgrade = |request: Request| Response::text(format!("{:?}", block_on(request.upgrade()).err()));
    for received in [
        exchange(Bodies::Whole, move || sync(Inline, disconnected)),
        exchange(Bodies::Whole, move || sync(Inline, peer_ended)),
        exchange(Bodies::Whole, move || sync(Inline, upgrade)),
    ] {
        assert!(received.starts_with("HTTP/1.1 500 "), "{received}");
    }
}

/// A thread that polls no connection at the moment may wait.
#[test]
fn a_thread_that_has_polled_a_connection_waits_for_a_body_as_any_other() {
    let (give, given) = mpsc::channel::<Request>();
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Streamed);
    let mut server = MemoryServer::new(config, move |request: Request| {
        let give = give.clone();
        async move {
            // Given to another task, which reads it.
            let _ = give.send(request);
            std::future::pending::<Response>().await
        }
    });
    let client = server.connect().unwrap();
    client.send(POST);
    server.run();
    let request = given.recv().unwrap();
    let elsewhere = thread::spawn(move || {
        // This thread polls a connection of its own before.
        let mut other = MemoryServer::new(ServerConfig::default(), |_: Request| async { "fine" });
        other.connect().unwrap().send(GET);
        other.run();
        read(request)
    });
    while !elsewhere.is_finished() {
        server.run();
        thread::yield_now();
    }
    assert_eq!(elsewhere.join().unwrap(), "<body>");
}

#[test]
fn a_failure_of_the_peer_is_of_no_kind_of_ours() {
    let failure = BodyFailure::from(BodyError::Truncated);
    let body = httpfsm::handler::Body::from_fn({
        let mut failure = Some(failure);
        move |_| {
            let failure = failure.take().map(httpfsm::handler::Frame::Error);
            std::task::Poll::Ready(failure.unwrap_or(httpfsm::handler::Frame::End))
        }
    });
    let error = BodyReader::new(body).read(&mut [0; 9]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
}
