//! Requests that are pulled.

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use httpfsm::handler::{BodyFailure, ConnectionInfo, Failure, Subscriber};
use httpfsm::{Bodies, BodyError, ServerConfig};
use httpfsm_transport::memory::MemoryServer;
use httpfsm_transport::{BodyReader, Incoming, IncomingHandler, incoming};

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

fn server() -> (MemoryServer<IncomingHandler>, Incoming) {
    let (handler, requests) = incoming();
    (MemoryServer::new(ServerConfig::default(), handler), requests)
}

#[test]
fn requests_come_in_order_and_are_responded_to_in_any() {
    let (mut server, requests) = server();
    assert!(requests.try_recv().is_none());
    let clients = [1, 2].map(|n| {
        let client = server.connect().unwrap();
        client.send(format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\nGET /{n}/next HTTP/1.1\r\nHost: a\r\n\r\n"));
        server.run();
        client
    });
    let [first, second] = [(); 2].map(|()| requests.recv().unwrap());
    assert_eq!((first.path(), second.path()), ("/1", "/2"));
    assert!(requests.try_recv().is_none(), "the next one of a connection waits for this one's response");
    thread::scope(|scope| scope.spawn(|| second.respond("two")).join()).unwrap();
    server.run();
    assert!(clients[1].take_text().ends_with("\r\n\r\ntwo"));
    assert_eq!(requests.recv().unwrap().path(), "/2/next");
    first.respond_with(|request| format!("one {}", request.method()));
    server.run();
    assert!(clients[0].take_text().ends_with("\r\n\r\none GET"));
}

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Subscriber for Told {
    fn failed(&self, _: Option<&ConnectionInfo>, _: Failure, text: &str) {
        self.0.lock().expect("nobody panics with it").push(text.to_owned());
    }
}

#[test]
fn a_request_without_a_response_gets_a_500_and_the_operator_is_told() {
    let told = Arc::<Told>::default();
    let (handler, requests) = incoming();
    let mut server = MemoryServer::with(ServerConfig::default(), 4096, Some(told.clone()), handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    drop(requests.recv());
    server.run();
    assert!(client.take_text().starts_with("HTTP/1.1 500 "));
    assert_eq!(*told.0.lock().unwrap(), ["A request that came in was dropped without a response."]);
}

#[test]
fn a_function_that_panics_costs_its_own_request_alone() {
    let told = Arc::<Told>::default();
    let (handler, requests) = incoming();
    let mut config = ServerConfig::default();
    config.channel.expose_tracebacks = true;
    let mut server = MemoryServer::with(config, 4096, Some(told.clone()), handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let request = requests.recv().unwrap();
    request.respond_with(|_| -> &str { std::panic::resume_unwind(Box::new("out of cheese")) });
    server.run();
    let response = client.take_text();
    let text = "The handler panicked: out of cheese";
    assert!(response.starts_with("HTTP/1.1 500 ") && response.contains(text), "{response}");
    assert_eq!(*told.0.lock().unwrap(), [text]);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    requests.recv().unwrap().respond_with(|request| request.path().to_owned());
    server.run();
    assert!(client.take_text().ends_with("\r\n\r\n/a"));
}

#[test]
fn a_request_whose_connection_is_gone_is_left_out() {
    let (mut server, requests) = server();
    let clients = [(); 3].map(|()| {
        let client = server.connect().unwrap();
        client.send(GET);
        server.run();
        client
    });
    let [gone, late, _] = clients;
    gone.reset();
    server.run();
    assert!(format!("{requests:?}").contains("waiting: 2"), "it is not kept: {requests:?}");
    let request = requests.recv().unwrap();
    late.reset();
    server.run();
    assert!(request.is_disconnected());
    request.respond("nobody reads this");
    assert!(requests.recv().is_some() && requests.try_recv().is_none());
}

#[test]
fn the_deadline_of_responses_holds() {
    let (mut server, requests) = server();
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let request = requests.recv().unwrap();
    server.advance(Duration::from_secs(24 * 3600));
    assert!(client.take_text().starts_with("HTTP/1.1 503 "));
    request.respond("too late");
    server.run();
    assert_eq!(client.take_text(), "");
}

#[test]
fn where_nobody_asks_each_request_gets_a_503() {
    let (mut server, requests) = server();
    let [before, after] = [(); 2].map(|()| server.connect().unwrap());
    before.send(GET);
    server.run();
    drop(requests);
    after.send(GET);
    server.run();
    for client in [before, after] {
        assert!(client.take_text().starts_with("HTTP/1.1 503 "));
    }
}

#[test]
fn a_loop_ends_with_its_server() {
    let (server, requests) = server();
    thread::scope(|scope| {
        let loops = [(); 3].map(|()| scope.spawn(|| requests.iter().count()));
        drop(server);
        assert!(loops.into_iter().all(|each| each.join().is_ok_and(|count| count == 0)));
    });
    assert!(requests.recv_timeout(Duration::from_secs(600)).is_none());
}

/// A time that the clock cannot add is none that has passed.
#[test]
fn a_request_is_awaited_for_any_time() {
    let (handler, requests) = incoming();
    thread::scope(|scope| {
        let waits =
            scope.spawn(|| requests.recv_timeout(Duration::MAX).map(|request| request.respond("late")));
        thread::sleep(Duration::from_millis(100));
        assert!(!waits.is_finished(), "it waits");
        let mut server = MemoryServer::new(ServerConfig::default(), handler);
        let client = server.connect().unwrap();
        client.send(GET);
        server.run();
        assert!(waits.join().unwrap().is_some());
        server.run();
        assert!(client.take_text().ends_with("\r\n\r\nlate"));
    });
}

#[test]
fn a_request_comes_with_all_of_its_body_unless_bodies_are_streamed() {
    for bodies in [None, Some(Bodies::Whole), Some(Bodies::Streamed)] {
        let mut config = ServerConfig::default();
        config.channel.bodies = bodies;
        config.channel.inbuf_overflow = 100;
        let (handler, requests) = incoming();
        let mut server = MemoryServer::new(config, handler);
        for length in [10, 1000] {
            let client = server.connect().unwrap();
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nhalf"));
            server.run();
            let early = requests.try_recv();
            assert_eq!(early.is_some(), bodies == Some(Bodies::Streamed), "{bodies:?}");
            client.send("x".repeat(length - 4));
            server.run();
            if let Some(request) = early.or_else(|| requests.try_recv()) {
                thread::scope(|scope| {
                    scope.spawn(|| {
                        request.respond_with(|request| {
                            let mut text = String::new();
                            let read = BodyReader::new(request.take_body()).read_to_string(&mut text);
                            format!("{:?} bytes", read.ok())
                        });
                    });
                    let mut response = String::new();
                    while !response.ends_with(&format!("Some({length}) bytes")) {
                        server.run();
                        response += &client.take_text();
                        thread::yield_now();
                    }
                });
            }
        }
    }
}

#[test]
fn a_body_that_is_read_behind_its_response_says_why_it_cannot_be() {
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Streamed);
    let (handler, requests) = incoming();
    let mut server = MemoryServer::new(config, handler);
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    server.run();
    let mut request = requests.recv().unwrap();
    let body = request.take_body();
    request.respond("fine");
    server.run();
    assert!(client.take_text().ends_with("fine"));
    let error = BodyReader::new(body).read_to_string(&mut String::new()).unwrap_err();
    let failure = error.downcast::<BodyFailure>().unwrap();
    assert!(matches!(failure, BodyFailure::Request(BodyError::ResponseComplete)), "{failure}");
}

#[test]
fn a_request_whose_peer_goes_before_its_body_is_whole_never_comes() {
    let (mut server, requests) = server();
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    server.run();
    client.reset();
    server.run();
    assert!(requests.try_recv().is_none());
    assert_eq!(server.held(), httpfsm_transport::Held::default());
}
