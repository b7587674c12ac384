//! The program between clients and upstreams, with real sockets.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

/// More than all buffers between the two ends hold.
const LARGE: u64 = 64 << 20;

struct Proxy {
    program: Child,
    address: SocketAddr,
}

impl Proxy {
    fn before(upstream: SocketAddr) -> Self {
        Self::start(upstream, "60")
    }

    fn start(upstream: SocketAddr, silence: &str) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_reverse-proxy"))
            .args(["127.0.0.1:0", &upstream.to_string(), silence])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let output = program.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim_end().strip_prefix("listening on ").expect("the address");
        Self { address: address.parse().expect("an address"), program }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).expect("it listens")
    }

    /// What comes until the end of a connection that sends `request`, and how it ended.
    fn ask(&self, request: &str) -> (String, io::Result<()>) {
        let mut client = self.connect();
        client.write_all(request.as_bytes()).expect("it is read");
        until_the_end(&mut client)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn until_the_end(client: &mut TcpStream) -> (String, io::Result<()>) {
    let mut bytes = Vec::new();
    let end = client.read_to_end(&mut bytes).map(drop);
    (String::from_utf8(bytes).expect("text"), end)
}

/// An upstream in a thread of its own, which serves each connection by `serve`.
fn upstream(serve: impl Fn(BufReader<TcpStream>) -> io::Result<()> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for connection in listener.incoming() {
            let _ = connection.and_then(|connection| serve(BufReader::new(connection)));
        }
    });
    address
}

/// An upstream that reads a head, responds with `response`, and closes.
fn upstream_that_says(response: &'static str) -> SocketAddr {
    upstream(move |mut connection| {
        head(&mut connection)?;
        connection.get_mut().write_all(response.as_bytes())
    })
}

/// Reads a head with its empty line.
fn head(from: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// An upstream of httpfsm that sends each body back as it comes.
fn echo() -> SocketAddr {
    use httpfsm::handler::{Request, Response};
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let handler = async |mut request: Request| {
                Response::new(httpfsm::Status::OK)
                    .with_field("Trailer", "x-sum")
                    .with_body(request.take_body())
            };
            let server = httpfsm_tokio::serve(listener, httpfsm::ServerConfig::default(), handler);
            let server = server.expect("it serves");
            tell.send(server.local_addrs()[0].clone()).expect("it is waited for");
            server.gone().await;
        });
    });
    told.recv().expect("it listens").to_string().parse().expect("an address")
}

#[test]
fn a_body_passes_both_ways_as_it_comes_with_its_trailers() {
    let proxy = Proxy::before(echo());
    let mut client = BufReader::new(proxy.connect());
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n";
    client.get_mut().write_all(request.as_bytes()).unwrap();
    for round in 0..3 {
        client.get_mut().write_all(b"5\r\nround\r\n").unwrap();
        if round == 0 {
            assert!(head(&mut client).unwrap().starts_with("HTTP/1.1 200 OK\r\n"));
        }
        let mut chunk = [0; 10];
        client.read_exact(&mut chunk).unwrap();
        assert_eq!(&chunk, b"5\r\nround\r\n");
    }
    client.get_mut().write_all(b"0\r\nx-sum: 15\r\n\r\n").unwrap();
    assert_eq!(head(&mut client).unwrap(), "0\r\nx-sum: 15\r\n\r\n");
}

#[test]
fn bodies_larger_than_any_buffer_pass() {
    let proxy = Proxy::before(echo());
    let client = proxy.connect();
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let sender = thread::spawn(move || {
        let mut client = client;
        write!(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n")?;
        io::copy(&mut io::repeat(b'x').take(LARGE), &mut client)
    });
    let head = head(&mut reader).unwrap();
    assert!(head.to_lowercase().contains(&format!("content-length: {LARGE}\r\n")), "{head}");
    let mut left = LARGE as usize;
    while left > 0 {
        let piece = reader.fill_buf().unwrap();
        assert!(!piece.is_empty() && piece.iter().all(|byte| *byte == b'x'), "{left} bytes are missing");
        let bytes = piece.len();
        reader.consume(bytes);
        left -= bytes;
    }
    assert_eq!(sender.join().unwrap().unwrap(), LARGE);
}

#[test]
fn fields_of_one_connection_are_not_passed_on_and_who_asks_is_told() {
    let proxy = Proxy::before(upstream(|mut connection| {
        let head = head(&mut connection)?;
        let fields = "Connection: x-own, close\r\nX-Own: 1\r\nKeep-Alive: timeout=5\r\nX-End: 1";
        let length = head.len();
        write!(connection.get_mut(), "HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: {length}\r\n\r\n{head}")
    }));
    let (response, _) = proxy.ask(
        "GET http://b:81/path?query HTTP/1.1\r\nHost: b:81\r\nConnection: close, x-hop,\tX-Other, Host\r\nX-Hop: 1\r\n\
         X-Other: 1\r\nKeep-Alive: 1\r\nProxy-Connection: 1\r\nTE: trailers\r\nX-End: 1\r\nVia: 1.0 first\r\n\
         Forwarded: for=forged\r\nX-Forwarded-For: forged\r\n\r\n",
    );
    let (sent_back, received) = response.split_once("\r\n\r\n").unwrap();
    let received = received.to_lowercase();
    assert!(received.starts_with("get /path?query http/1.1\r\n"), "{received}");
    for field in ["host: b:81", "x-end: 1", "via: 1.0 first", "via: http/1.1 httpfsm"] {
        assert!(received.contains(&format!("\r\n{field}\r\n")), "no {field} in {received}");
    }
    assert!(received.contains("\r\nforwarded: for=\"127.0.0.1:"), "{received}");
    for field in ["x-hop", "x-other", "keep-alive", "connection", "te", "x-forwarded-for", "forged"] {
        assert!(!received.contains(&format!("\n{field}:")), "{field} in {received}");
    }
    assert!(!received.contains("forged"), "{received}");
    let sent_back = sent_back.to_lowercase() + "\r\n";
    for field in ["x-end: 1", "via: http/1.1 httpfsm", "connection: close"] {
        assert!(sent_back.contains(&format!("\r\n{field}\r\n")), "no {field} in {sent_back}");
    }
    for field in ["x-own", "keep-alive"] {
        assert!(!sent_back.contains(&format!("\n{field}:")), "{field} in {sent_back}");
    }
}

#[test]
fn content_of_any_method_passes_with_its_length_or_in_chunks() {
    let proxy = Proxy::before(echo());
    for framing in
        ["Content-Length: 4\r\n\r\nbody", "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"]
    {
        for method in ["GET", "POST", "QUERY"] {
            let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{framing}");
            let (response, _) = proxy.ask(&request);
            assert!(
                response.starts_with("HTTP/1.1 200 OK\r\n") && response.contains("body"),
                "{request:?}: {response}"
            );
        }
    }
}

#[test]
fn a_length_passes_once_and_as_the_number_that_it_is() {
    let proxy = Proxy::before(upstream(|mut connection| {
        let head = head(&mut connection)?.to_lowercase();
        assert!(head.contains("\r\ncontent-length: 4\r\n"), "{head}");
        assert_eq!(head.matches("content-length").count(), 1, "{head}");
        connection.read_exact(&mut [0; 4])?;
        let lengths = "Content-Length: 02\r\nContent-Length: 2";
        write!(connection.get_mut(), "HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nok")
    }));
    let request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 004\r\n\r\nbody";
    let (response, end) = proxy.ask(request);
    let response = response.to_lowercase();
    assert!(end.is_ok() && response.starts_with("http/1.1 200 ok\r\n"), "{response}");
    assert!(response.contains("\r\ncontent-length: 2\r\n") && response.ends_with("\r\n\r\nok"), "{response}");
    assert_eq!(response.matches("content-length").count(), 1, "{response}");
}

#[test]
fn a_response_that_breaks_off_does_not_look_whole() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let proxy = Proxy::before(upstream_that_says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"));
    let (response, _) = proxy.ask(get);
    assert!(response.to_lowercase().contains("content-length: 10\r\n"), "{response}");
    assert!(
        !response.ends_with("\r\n\r\n") && response.len() < response.find("\r\n\r\n").unwrap() + 14,
        "{response}"
    );

    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let proxy = Proxy::before(upstream_that_says(CHUNKED));
    let (response, _) = proxy.ask(get);
    assert!(response.contains("half") && !response.contains("\r\n0\r\n"), "{response}");
    // A client of HTTP/1.0 has no chunks: a reset tells it.
    let (response, end) = proxy.ask("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(end.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset), "{response}");
}

#[test]
fn an_upstream_that_does_not_respond_is_a_bad_gateway_and_a_silent_one_a_timeout() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let starts = |upstream, start: &str| {
        let (response, _) = Proxy::start(upstream, "1").ask(get);
        assert!(response.starts_with(start), "{response}");
    };
    starts(free, "HTTP/1.1 502 ");
    starts(upstream_that_says(""), "HTTP/1.1 502 ");
    starts(upstream_that_says("nonsense\r\n\r\n"), "HTTP/1.1 502 ");
    // Nobody has asked for it.
    starts(
        upstream_that_says("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
        "HTTP/1.1 502 ",
    );
    let silent = upstream(|mut connection| io::copy(&mut connection, &mut io::sink()).map(drop));
    starts(silent, "HTTP/1.1 504 ");
}

#[test]
fn a_request_whose_content_breaks_off_reaches_no_end_at_the_upstream() {
    let (tell, told) = std::sync::mpsc::channel();
    let proxy = Proxy::before(upstream(move |mut connection| {
        head(&mut connection)?;
        let mut rest = String::new();
        let _ = connection.read_to_string(&mut rest);
        tell.send(rest).map_err(io::Error::other)
    }));
    let mut client = proxy.connect();
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        .unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let (response, _) = until_the_end(&mut client);
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    let rest = told.recv().unwrap();
    assert!(!rest.contains("0\r\n\r\n"), "{rest}");
}

#[test]
fn the_length_of_what_has_no_content_passes() {
    let proxy = Proxy::before(upstream_that_says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"));
    let (response, end) = proxy.ask("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(end.is_ok() && response.ends_with("\r\n\r\n"), "{response}");
    assert!(response.to_lowercase().contains("content-length: 10\r\n"), "{response}");
}

#[test]
fn tunnels_and_traces_are_refused_and_h2c_does_not_pass() {
    let proxy = Proxy::before(echo());
    for request in [
        "CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ] {
        let (response, _) = proxy.ask(request);
        assert!(response.starts_with("HTTP/1.1 501 "), "{response}");
    }
    let h2c = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade, http2-settings\r\nUpgrade: h2c\r\n\
               HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let (response, _) = proxy.ask(h2c);
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

#[test]
fn an_upstream_that_switches_to_another_protocol_than_was_asked_for_is_a_bad_gateway() {
    let websocket = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\n\r\n";
    for fields in ["Connection: upgrade\r\nUpgrade: h2c\r\n", "Connection: upgrade\r\n"] {
        let response = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n");
        let (response, _) = Proxy::before(upstream_that_says(response.leak())).ask(websocket);
        assert!(response.starts_with("HTTP/1.1 502 "), "{fields:?}: {response}");
    }
}

/// RFC 9110 section 15.5.22: the field is in each 426.
#[test]
fn an_upstream_that_wants_a_websocket_is_heard() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let wants = |name| {
        format!("HTTP/1.1 426 U\r\nConnection: upgrade\r\nUpgrade: {name}\r\nContent-Length: 0\r\n\r\n")
    };
    for (name, passes) in [("websocket", true), ("h2c", false)] {
        let (response, _) = Proxy::before(upstream_that_says(wants(name).leak())).ask(get);
        let response = response.to_lowercase();
        assert!(response.starts_with("http/1.1 426 "), "{response}");
        assert_eq!(response.contains(&format!("\r\nupgrade: {name}\r\n")), passes, "{response}");
    }
}

#[test]
fn no_websocket_is_asked_for_behind_content() {
    let proxy = Proxy::before(upstream(|mut connection| {
        let head = head(&mut connection)?;
        connection.read_exact(&mut [0; 4])?;
        let length = head.len();
        write!(connection.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{head}")
    }));
    let fields = "Connection: close, upgrade\r\nUpgrade: websocket\r\nContent-Length: 4";
    let (response, _) = proxy.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\nbody"));
    let (_, received) = response.split_once("\r\n\r\n").expect("a head");
    assert!(received.starts_with("GET / HTTP/1.1\r\n"), "{response}");
    assert!(!received.to_lowercase().contains("\nupgrade:"), "{received}");
}

#[tokio::test]
async fn a_websocket_passes() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::before(listener.local_addr().unwrap());
    let upstream = tokio::spawn(async move {
        let (connection, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(connection).await.unwrap();
        socket.send(Message::text("welcome")).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if !message.is_close() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let request = format!("ws://{}/chat", proxy.address).into_client_request().unwrap();
    let connection = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, connection).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("welcome"));
    let large = Message::binary(vec![7; 4 << 20]);
    for message in [Message::text("hello"), large] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        assert!(message.is_close(), "{message:?}");
    }
    upstream.await.unwrap();
}

#[test]
fn the_program_is_short() {
    let lines = include_str!("../src/main.rs").lines().count();
    assert!(lines <= 120, "{lines} lines");
}
