//! Requests that threads pull, over sockets.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use httpfsm::handler::Response;
use httpfsm::{ServerConfig, Status};
use httpfsm_blocking::{BodyReader, SpawnError, UpgradedStream, block_on, incoming, serve, spawn, tunnel};
use httpfsm_transport::memory::MemoryServer;

#[test]
fn threads_pull_requests_and_read_their_bodies() {
    let (handler, requests) = incoming();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = serve(listener, ServerConfig::default(), handler).unwrap();
    let address = server.local_addr().unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for request in &requests {
                    request.respond_with(|request| {
                        let body = BodyReader::new(request.take_body());
                        std::io::read_to_string(body).map(|text| text.to_uppercase())
                    });
                }
            });
        }
        for n in 0..20 {
            let mut stream = TcpStream::connect(address).unwrap();
            let content = format!("hello {n}");
            let length = content.len();
            let head = format!(
                "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
            );
            stream.write_all((head + &content).as_bytes()).unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).unwrap();
            assert!(response.ends_with(&format!("\r\n\r\nHELLO {n}")), "{response}");
        }
        block_on(server.begin_drain(None).gone());
    });
}

#[test]
fn a_thread_that_pulls_requests_begins_work_beside_them_as_a_handler_does() {
    let (handler, requests) = incoming();
    let server = serve(TcpListener::bind("127.0.0.1:0").unwrap(), ServerConfig::default(), handler).unwrap();
    let address = server.local_addr().unwrap();
    let pulling = thread::spawn(move || {
        assert_eq!(spawn(async {}), Err(SpawnError::Elsewhere), "it has taken no request");
        for request in &requests {
            let upgrade = request.upgrade();
            let begun = match request.path() {
                "/task" => spawn(async move {
                    let mut connection = upgrade.await.unwrap();
                    connection.write_all(b"from a task").await.unwrap();
                    connection.close().await.unwrap();
                }),
                _ => tunnel(upgrade, |mut connection: UpgradedStream| {
                    connection.write_all(b"from a thread").unwrap();
                    connection.close().unwrap();
                }),
            };
            begun.unwrap();
            request.respond(Response::switching_protocols("words"));
        }
        assert_eq!(spawn(async {}), Err(SpawnError::Elsewhere), "the loop is over");
    });
    for (path, words) in [("/task", "from a task"), ("/thread", "from a thread")] {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: words\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut received = String::new();
        stream.read_to_string(&mut received).unwrap();
        assert!(received.starts_with("HTTP/1.1 101 ") && received.ends_with(words), "{received}");
    }
    block_on(server.begin_drain(None).gone());
    pulling.join().unwrap();
}

/// Fails if only the thread that has taken a request may begin work for it, or if one acts for a server for ever.
#[test]
fn a_thread_that_responds_with_a_function_begins_work_in_it_and_not_behind_it() {
    let (handler, requests) = incoming();
    let server = serve(TcpListener::bind("127.0.0.1:0").unwrap(), ServerConfig::default(), handler).unwrap();
    let address = server.local_addr().unwrap();
    let pulling = thread::spawn(move || {
        for request in &requests {
            let responds = thread::spawn(|| {
                request.respond_with(|_| match spawn(async {}) {
                    Ok(()) => Status::NO_CONTENT,
                    Err(_) => Status::SERVICE_UNAVAILABLE,
                });
                assert_eq!(spawn(async {}), Err(SpawnError::Elsewhere));
            });
            responds.join().unwrap();
        }
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 204 "), "{response}");
    block_on(server.begin_drain(None).gone());
    pulling.join().unwrap();
}

/// Fails if a thread acts for a server whose request it has had before the present one.
#[test]
fn a_thread_that_takes_a_request_of_another_server_acts_no_more_for_the_one_before() {
    let (handler, requests) = incoming();
    let server = serve(TcpListener::bind("127.0.0.1:0").unwrap(), ServerConfig::default(), handler).unwrap();
    let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    requests.recv().unwrap().respond(Status::NO_CONTENT);
    assert_eq!(spawn(async {}), Ok(()));

    let (handler, others) = incoming();
    let mut in_memory = MemoryServer::new(ServerConfig::default(), handler);
    let client = in_memory.connect().unwrap();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    in_memory.run();
    let request = others.recv().unwrap();
    assert_eq!(spawn(async {}), Err(SpawnError::Elsewhere));
    request.respond(Status::NO_CONTENT);
    block_on(server.begin_drain(None).gone());
}
