//! Requests that are pulled.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use httpfsm::ServerConfig;
use httpfsm::handler::{ConnectionInfo, Failure, Subscriber};
use httpfsm_transport::memory::MemoryServer;
use httpfsm_transport::{Incoming, IncomingHandler, incoming};

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

#[test]
fn a_request_without_a_response_gets_a_500_and_the_operator_is_told() {
    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);
    impl Subscriber for Told {
        fn failed(&self, _: Option<&ConnectionInfo>, _: Failure, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
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

#[test]
fn a_wait_that_is_longer_than_the_clock_can_tell_has_no_end() {
    let (mut server, requests) = server();
    thread::scope(|scope| {
        let path =
            scope.spawn(|| requests.recv_timeout(Duration::MAX).map(|request| request.path().to_owned()));
        thread::sleep(Duration::from_millis(50));
        let client = server.connect().unwrap();
        client.send(GET);
        server.run();
        assert_eq!(path.join().unwrap().as_deref(), Some("/a"));
    });
}
