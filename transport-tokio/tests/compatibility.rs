//! The rows of `docs/compatibility.md` that only a socket can show.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::error::{CloseReason, RequestError};
use httpfsm::handler::{Body, ConnectionInfo, Frame, Request, Response, Subscriber};
use httpfsm::peer::Peer;
use httpfsm_tokio::{Server, ServerHandle, serve};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::{sleep, timeout};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_CLOSE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Longer than anything here takes: only a hang reaches it.
const HANG: Duration = Duration::from_secs(20);

async fn hello(_: Request) -> &'static str {
    "hello"
}

fn config(change: impl FnOnce(&mut ServerConfig)) -> ServerConfig {
    let mut config = ServerConfig::default();
    change(&mut config);
    config
}

async fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn connect(server: &ServerHandle) -> TcpStream {
    TcpStream::connect(server.local_addr().unwrap()).await.unwrap()
}

/// Sends, and reads until the server ends.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, octets: &str) -> String {
    stream.write_all(octets.as_bytes()).await.unwrap();
    to_end(stream).await
}

async fn to_end(mut stream: impl AsyncRead + Unpin) -> String {
    let mut answer = Vec::new();
    timeout(HANG, stream.read_to_end(&mut answer)).await.expect("the server ends").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// What a subscriber heard.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn note(&self, connection: &ConnectionInfo, what: String) {
        self.0.lock().unwrap().push(format!("{}: {what}", connection.channel));
    }

    async fn wait_for(&self, n: usize) -> Vec<String> {
        let enough = async {
            while self.0.lock().unwrap().len() < n {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(HANG, enough).await.expect("the subscriber hears");
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Heard {
    fn opened(&self, connection: &ConnectionInfo) {
        self.note(connection, "opened".into());
    }

    fn refused(&self, connection: &ConnectionInfo, error: &RequestError) {
        self.note(connection, format!("refused {:?}", error.rule));
    }

    fn closed(&self, connection: &ConnectionInfo, reason: CloseReason) {
        self.note(connection, format!("closed {reason:?}"));
    }
}

#[tokio::test]
async fn a_handler_is_all_that_a_server_needs() {
    let server = serve(loopback().await, ServerConfig::default(), hello).unwrap();
    assert!(exchange(connect(&server).await, GET_CLOSE).await.ends_with("hello"));
}

#[tokio::test]
async fn host_and_port_say_where_to_listen() {
    let server = Server::new(config(|config| config.host = "127.0.0.1".into())).serve(hello).unwrap();
    let address = server.local_addr().unwrap();
    assert!(address.ip().is_loopback() && address.is_ipv4());
    assert!(exchange(connect(&server).await, GET_CLOSE).await.ends_with("hello"));
}

#[tokio::test]
async fn port_0_is_a_port_that_the_system_chooses_and_the_handle_tells() {
    let a = serve(loopback().await, ServerConfig::default(), hello).unwrap();
    let b =
        Server::new(ServerConfig::default()).listen_tcp("127.0.0.1:0".parse().unwrap()).serve(hello).unwrap();
    let ports = [&a, &b].map(|server| server.local_addr().unwrap().port());
    assert!(ports[0] != 0 && ports[1] != 0 && ports[0] != ports[1]);
    for server in [a, b] {
        assert!(exchange(connect(&server).await, GET_CLOSE).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn ipv6_is_served() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return httpfsm_testing::not_run("IPv6");
    }
    let server = Server::new(ServerConfig::default())
        .listen_tcp("[::1]:0".parse().unwrap())
        .serve(|request: Request| async move { request.peername().to_string() })
        .unwrap();
    let stream = connect(&server).await;
    let own = stream.local_addr().unwrap().to_string();
    assert!(exchange(stream, GET_CLOSE).await.ends_with(&own));
}

#[tokio::test]
async fn unix_sockets_are_served_and_removed() {
    let directory = std::env::temp_dir().join(format!("httpfsm-compatibility-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("socket");
    let server = Server::new(ServerConfig::default())
        .listen_unix(&path)
        .serve(|request: Request| async move { format!("{}", request.sockname()) })
        .unwrap();
    assert!(matches!(server.local_addrs(), [Peer::Unix(Some(_))]));
    let answer = exchange(UnixStream::connect(&path).await.unwrap(), GET_CLOSE).await;
    assert!(answer.ends_with(&format!("unix:{}", path.display())), "{answer}");
    server.drain(None).await;
    assert!(!path.exists());
    std::fs::remove_dir(directory).unwrap();
}

#[tokio::test]
async fn origins_are_enforced_at_accept() {
    for (origin, served) in [("127.0.0.0/8", true), ("192.0.2.0/24", false), ("unix", false)] {
        let heard = Heard::default();
        let server = Server::new(config(|config| config.origins = vec![origin.parse().unwrap()]))
            .listen_fd(&loopback().await)
            .unwrap()
            .subscriber(heard.clone())
            .serve(hello)
            .unwrap();
        let mut stream = connect(&server).await;
        let _ = stream.write_all(GET_CLOSE.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = timeout(HANG, stream.read_to_end(&mut answer)).await.expect("the server ends");
        assert_eq!(answer.ends_with(b"hello"), served, "{origin}");
        assert_eq!(server.stats().refused_origin, u64::from(!served), "{origin}");
        assert_eq!(heard.0.lock().unwrap().is_empty(), !served, "{origin}");
    }
}

#[tokio::test]
async fn peername_sockname_and_url_scheme_are_what_requests_report() {
    let server = serve(
        loopback().await,
        config(|config| config.channel.url_scheme = "https".into()),
        |request: Request| async move {
            format!("{} {} {}", request.peername(), request.sockname(), request.scheme())
        },
    )
    .unwrap();
    let stream = connect(&server).await;
    let expected = format!("{} {} https", stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    assert!(exchange(stream, GET_CLOSE).await.ends_with(&expected));
}

#[tokio::test]
async fn identity_is_sent() {
    let server = serve(loopback().await, config(|config| config.channel.identity = "mine".into()), hello);
    let server = server.unwrap();
    assert!(exchange(connect(&server).await, GET_CLOSE).await.contains("\r\nServer: mine\r\n"));
}

#[tokio::test]
async fn n_channels_counts_the_open_channels() {
    let server = serve(loopback().await, ServerConfig::default(), hello).unwrap();
    let mut streams = Vec::new();
    for n in 1..=3 {
        let mut stream = connect(&server).await;
        stream.write_all(GET.as_bytes()).await.unwrap();
        assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
        streams.push(stream);
        assert_eq!(server.stats().n_channels, n);
    }
    drop(streams);
    server.drain(None).await;
    let stats = server.stats();
    assert_eq!((stats.n_channels, stats.most_channels, stats.closed), (0, 3, 3));
}

#[tokio::test]
async fn the_subscriber_hears_of_every_channel_by_a_name_of_its_own_and_why_it_ended() {
    let heard = Heard::default();
    let server = Server::new(ServerConfig::default())
        .listen_fd(&loopback().await)
        .unwrap()
        .subscriber(heard.clone())
        .serve(hello)
        .unwrap();
    exchange(connect(&server).await, GET_CLOSE).await;
    heard.wait_for(2).await;
    exchange(connect(&server).await, "GET / HTTP/1.1\r\n\r\n").await;
    heard.wait_for(5).await;
    drop(connect(&server).await);
    let told = heard.wait_for(7).await;
    assert_eq!(told[..2], ["server.clisrv_1: opened", "server.clisrv_1: closed RequestedByPeer"]);
    assert_eq!(told[2..4], ["server.clisrv_2: opened", "server.clisrv_2: refused HostMissing"]);
    assert!(told[4].starts_with("server.clisrv_2: closed Refused"), "{told:?}");
    assert_eq!(told[5..], ["server.clisrv_3: opened", "server.clisrv_3: closed PeerEnded"]);
}

#[tokio::test]
async fn a_traceback_is_shown_only_where_it_is_exposed() {
    for expose in [false, true] {
        let server = serve(
            loopback().await,
            config(|config| config.channel.expose_tracebacks = expose),
            |request: Request| async move {
                assert_ne!(request.path(), "/", "as asked");
                "fine"
            },
        )
        .unwrap();
        let answer = exchange(connect(&server).await, GET_CLOSE).await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert_eq!(answer.contains("as asked"), expose, "{answer}");
        // The others go on.
        let answer = exchange(connect(&server).await, &GET_CLOSE.replace("GET /", "GET /x")).await;
        assert!(answer.ends_with("fine"), "{answer}");
    }
}

#[tokio::test]
async fn a_whole_body_above_inbuf_overflow_waits_in_a_file_and_is_complete() {
    let server = serve(
        loopback().await,
        config(|config| {
            config.channel.bodies = Some(Bodies::Whole);
            config.channel.inbuf_overflow = 1_000;
        }),
        |mut request: Request| async move {
            let octets = request.body().collect(1 << 20).await.unwrap();
            Response::octets(octets)
        },
    )
    .unwrap();
    for length in [0, 999, 1_000, 1_001, 300_000] {
        let content: String = ('a'..='z').cycle().take(length).collect();
        let head =
            format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        let (mut input, mut output) = connect(&server).await.into_split();
        let sent = content.clone();
        let writer = tokio::spawn(async move {
            output.write_all((head + &sent).as_bytes()).await.unwrap();
            output
        });
        let answer = to_end(&mut input).await;
        assert!(answer.ends_with(&format!("\r\n\r\n{content}")), "{length}: {:.200}", answer);
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_whole_body_reaches_the_handler_only_when_it_is_in() {
    let called = Arc::new(AtomicUsize::new(0));
    let calls = Arc::clone(&called);
    let server = serve(
        loopback().await,
        config(|config| config.channel.bodies = Some(Bodies::Whole)),
        move |_: Request| {
            calls.fetch_add(1, Ordering::SeqCst);
            async { "in" }
        },
    )
    .unwrap();
    let mut stream = connect(&server).await;
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhell")
        .await
        .unwrap();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(called.load(Ordering::SeqCst), 0);
    assert!(exchange(stream, "o").await.ends_with("in"));
    assert_eq!(called.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn inactivity_timeout_closes_an_idle_connection_in_silence() {
    let server = serve(
        loopback().await,
        config(|config| config.channel.inactivity_timeout = Some(Duration::from_millis(50))),
        hello,
    )
    .unwrap();
    let answer = exchange(connect(&server).await, GET).await;
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
}

#[tokio::test]
async fn responseless_timeout_responds_for_a_silent_handler() {
    let server = serve(
        loopback().await,
        config(|config| config.channel.responseless_timeout = Some(Duration::from_millis(50))),
        |_: Request| std::future::pending::<&'static str>(),
    )
    .unwrap();
    let answer = exchange(connect(&server).await, GET).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test]
async fn a_half_sent_head_gets_408() {
    let server = serve(
        loopback().await,
        config(|config| config.channel.head_timeout = Some(Duration::from_millis(50))),
        hello,
    )
    .unwrap();
    let answer = exchange(connect(&server).await, "GET / HTTP/1.1\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn limits_of_head_and_body_respond_431_and_413() {
    let server = serve(
        loopback().await,
        config(|config| {
            config.channel.max_request_header_size = 100;
            config.channel.max_request_body_size = 100;
        }),
        hello,
    )
    .unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100));
    assert!(exchange(connect(&server).await, &head).await.starts_with("HTTP/1.1 431 "));
    let body = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n";
    assert!(exchange(connect(&server).await, body).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn requests_above_the_limit_of_a_channel_get_503_in_their_turn() {
    let open = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&open);
    let server = serve(
        loopback().await,
        config(|config| config.channel.maximum_simultaneous_requests = 2),
        move |_: Request| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                "served"
            }
        },
    )
    .unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(GET.repeat(4).as_bytes()).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    open.add_permits(10);
    let answer = to_end(stream).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 2, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 503 ").count(), 1, "{answer}");
    assert!(answer.rfind("served") < answer.find("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test]
async fn requests_above_the_limit_of_a_server_get_503_and_the_connection_goes_on() {
    let enter = Arc::new(Notify::new());
    let leave = Arc::new(Notify::new());
    let (entered, left) = (Arc::clone(&enter), Arc::clone(&leave));
    let server = serve(
        loopback().await,
        config(|config| config.maximum_simultaneous_requests = 1),
        move |request: Request| {
            let (entered, left) = (Arc::clone(&entered), Arc::clone(&left));
            async move {
                if request.path() == "/wait" {
                    entered.notify_one();
                    left.notified().await;
                }
                "served"
            }
        },
    )
    .unwrap();
    let mut first = connect(&server).await;
    first.write_all(GET_CLOSE.replace("GET /", "GET /wait").as_bytes()).await.unwrap();
    timeout(HANG, enter.notified()).await.unwrap();
    let mut second = connect(&server).await;
    second.write_all(GET.as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let n = second.read(&mut answer).await.unwrap();
    assert!(answer[..n].starts_with(b"HTTP/1.1 503 "));
    leave.notify_one();
    assert!(to_end(first).await.ends_with("served"));
    let answer = exchange(second, GET_CLOSE).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_large_response_arrives_whole_before_the_close() {
    const SIZE: usize = 8 << 20;
    let content = Bytes::from(vec![b'x'; SIZE]);
    let server = serve(loopback().await, ServerConfig::default(), move |_: Request| {
        let content = content.clone();
        async move { Response::octets(content) }
    })
    .unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(GET_CLOSE.as_bytes()).await.unwrap();
    // Input that nobody reads must not overtake the answer with a reset.
    stream.write_all(&[b'y'; 10_000]).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    let answer = to_end(stream).await;
    let start = answer.find("\r\n\r\n").unwrap() + 4;
    assert_eq!(answer.len() - start, SIZE);
}

#[tokio::test]
async fn a_response_is_pulled_no_faster_than_the_peer_reads() {
    const PIECE: usize = 64 << 10;
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pulled);
    let server = serve(loopback().await, ServerConfig::default(), move |_: Request| {
        let count = Arc::clone(&count);
        let piece = Bytes::from(vec![b'x'; PIECE]);
        async move {
            Response::text(Body::from_fn(move |_| {
                let n = count.fetch_add(1, Ordering::SeqCst);
                Poll::Ready(if n < 1_000 { Frame::Data(piece.clone()) } else { Frame::End })
            }))
        }
    })
    .unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(GET_CLOSE.as_bytes()).await.unwrap();
    // Wait until nothing moves.
    let mut last = 0;
    while last == 0 || last != pulled.load(Ordering::SeqCst) {
        last = pulled.load(Ordering::SeqCst);
        sleep(Duration::from_millis(100)).await;
    }
    assert!((1..500).contains(&last), "{last} of 1000 pieces were pulled, and none was read");
    let answer = to_end(stream).await;
    assert!(answer.len() > 1_000 * PIECE);
    assert!(answer.ends_with("\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn a_body_is_read_no_faster_than_the_handler_takes_it() {
    let open = Arc::new(Notify::new());
    let gate = Arc::clone(&open);
    let server = serve(loopback().await, ServerConfig::default(), move |mut request: Request| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            let mut octets = 0;
            while let Some(Ok(data)) = request.body().next_data().await {
                octets += data.len();
            }
            octets.to_string()
        }
    })
    .unwrap();
    let total = 64 << 20;
    let (mut input, mut output) = connect(&server).await.into_split();
    let sent = Arc::new(AtomicUsize::new(0));
    let progress = Arc::clone(&sent);
    let writer = tokio::spawn(async move {
        let head =
            format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {total}\r\n\r\n");
        output.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; 64 << 10];
        for _ in 0..total / piece.len() {
            output.write_all(&piece).await.unwrap();
            progress.fetch_add(piece.len(), Ordering::SeqCst);
        }
        output
    });
    let mut last = 0;
    while last == 0 || last != sent.load(Ordering::SeqCst) {
        last = sent.load(Ordering::SeqCst);
        sleep(Duration::from_millis(100)).await;
    }
    assert!(last < total / 2, "{last} octets were sent, and none was read");
    open.notify_one();
    assert!(to_end(&mut input).await.ends_with(&total.to_string()));
    writer.await.unwrap();
}

#[tokio::test]
async fn the_end_of_input_does_not_lose_the_response() {
    let server = serve(loopback().await, ServerConfig::default(), |request: Request| async move {
        timeout(HANG, request.peer_ended()).await.expect("the handler is told");
        "nevertheless"
    })
    .unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(to_end(stream).await.ends_with("nevertheless"));
}

#[tokio::test]
async fn a_lost_connection_reaches_a_handler_that_waits() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let heard = Heard::default();
    let server = Server::new(ServerConfig::default())
        .listen_fd(&loopback().await)
        .unwrap()
        .subscriber(heard.clone())
        .serve(move |request: Request| {
            let tell = tell.clone();
            async move {
                let gone = request.disconnected();
                tell.send("waits").unwrap();
                tokio::spawn(async move {
                    gone.await;
                    tell.send("gone").unwrap();
                });
                std::future::pending::<&'static str>().await
            }
        })
        .unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(timeout(HANG, told.recv()).await.unwrap(), Some("waits"));
    stream.set_zero_linger().unwrap();
    drop(stream);
    assert_eq!(timeout(HANG, told.recv()).await.unwrap(), Some("gone"));
    assert_eq!(heard.wait_for(2).await[1], "server.clisrv_1: closed Disconnected");
}

#[tokio::test]
async fn a_100_is_sent_when_the_handler_reads_and_not_before() {
    let read = Arc::new(Notify::new());
    let gate = Arc::clone(&read);
    let server = serve(loopback().await, ServerConfig::default(), move |mut request: Request| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            Response::octets(request.body().collect(100).await.unwrap())
        }
    })
    .unwrap();
    let mut stream = connect(&server).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 100];
    assert!(timeout(Duration::from_millis(50), stream.read(&mut interim)).await.is_err());
    read.notify_one();
    let n = timeout(HANG, stream.read(&mut interim)).await.unwrap().unwrap();
    assert_eq!(&interim[..n], b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(exchange(stream, "hello").await.ends_with("\r\n\r\nhello"));
}

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

    let drained = server.drain(None);
    assert_eq!(to_end(idle).await, "");
    open.notify_one();
    let answer = to_end(&mut busy).await;
    assert!(answer.contains("\r\nConnection: close\r\n") && answer.ends_with("served"), "{answer}");
    drop(busy);
    timeout(HANG, drained).await.expect("all are gone");
    assert!(TcpStream::connect(server.local_addr().unwrap()).await.is_err());
}

#[tokio::test]
async fn the_drain_deadline_responds_for_a_handler_that_never_does() {
    let server = serve(
        loopback().await,
        config(|config| {
            config.drain_deadline = Some(Duration::from_secs(10));
            config.channel.drain_deadline = Some(Duration::from_millis(50));
        }),
        |_: Request| std::future::pending::<&'static str>(),
    )
    .unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(20)).await;
    let drained = server.drain(None);
    let answer = to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(stream);
    timeout(HANG, drained).await.expect("all are gone");
}

#[tokio::test]
async fn an_upgraded_connection_belongs_to_the_application_from_its_first_byte() {
    let server = serve(loopback().await, ServerConfig::default(), |request: Request| async move {
        let upgrade = request.upgrade();
        tokio::spawn(async move {
            let mut upgraded = upgrade.await.unwrap();
            let mut octets = [0; 5];
            let mut read = 0;
            while read < octets.len() {
                let n = std::future::poll_fn(|cx| upgraded.poll_read(cx, &mut octets[read..])).await.unwrap();
                assert_ne!(n, 0);
                read += n;
            }
            octets.reverse();
            let n = std::future::poll_fn(|cx| upgraded.poll_write(cx, &octets)).await.unwrap();
            assert_eq!(n, octets.len());
            std::future::poll_fn(|cx| upgraded.poll_flush(cx)).await.unwrap();
            std::future::poll_fn(|cx| upgraded.poll_close(cx)).await.unwrap();
        });
        Response::switching_protocols("reverse")
    })
    .unwrap();
    let mut stream = connect(&server).await;
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: reverse\r\n\r\nhel";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = exchange(stream, "lo").await;
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nolleh"), "{answer}");
}
