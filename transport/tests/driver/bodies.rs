//! Request bodies: read as they arrive or whole, with backpressure, and with the 100 that asks for them.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use httpfsm::CloseReason;
use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Body, BodyFailure, ConnectionInfo, Frame, Request, Response, Source, Subscriber};
use httpfsm::status::Status;
use httpfsm_transport::memory::MemoryServer;
use httpfsm_transport::run_blocking;

use crate::support::{GET, Gate, serve};

#[test]
fn a_body_is_read_as_it_arrives() {
    let mut server = serve(|mut request: Request| async move { request.body().collect(100).await });
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    server.run();
    client.send("01");
    server.run();
    assert_eq!(client.take_text(), "");
    client.send("234");
    server.run();
    assert!(client.take_text().ends_with("\r\n\r\n01234"));
}

#[test]
fn continue_is_sent_when_the_body_is_read() {
    let mut server = serve(|mut request: Request| async move {
        match request.path() {
            "/refuse" => Ok(Bytes::from_static(b"no")),
            _ => request.body().collect(100).await,
        }
    });
    let client = server.connect().unwrap();
    let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    client.send(format!("POST / {head}"));
    server.run();
    assert_eq!(client.take_text(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("ok");
    server.run();
    assert!(client.take_text().ends_with("\r\n\r\nok"));

    client.send(format!("POST /refuse {head}"));
    server.run();
    let response = client.take_text();
    assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("Connection: close"), "{response}");
}

#[test]
fn a_body_whose_100_was_refused_is_closed_to_its_reader() {
    let mut server = serve(|mut request: Request| async move {
        request.refuse_expect();
        request.body().collect(100).await
    });
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    server.run();
    let response = client.take_text();
    assert!(response.starts_with("HTTP/1.1 503 ") && !response.contains("100 Continue"), "{response}");
}

#[test]
fn refusing_a_100_that_is_not_expected_means_nothing() {
    let mut server = serve(|mut request: Request| async move {
        request.refuse_expect();
        request.body().collect(100).await
    });
    let client = server.connect().unwrap();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
        server.run();
        let response = client.take_text();
        assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("\r\n\r\nok"), "{response}");
    }
}

#[test]
fn a_slow_reader_stops_the_source_and_a_slow_source_the_reader() {
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pulled);
    let mut server = serve(move |_: Request| {
        let count = Arc::clone(&count);
        async move {
            let mut left = 1000;
            Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                left -= 1;
                Poll::Ready(if left == 0 { Frame::End } else { Frame::Data(Bytes::from(vec![b'x'; 10_000])) })
            }))
        }
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let held = pulled.load(Ordering::SeqCst);
    assert!(held < 20, "{held} pieces were pulled for 64 KiB on the way and 64 KiB of room");
    let mut received = 0;
    loop {
        let bytes = client.take();
        if bytes.is_empty() {
            break;
        }
        received += bytes.len();
        server.run();
    }
    assert_eq!(pulled.load(Ordering::SeqCst), 1000);
    assert!(received > 9_990_000, "{received}");
}

#[test]
fn an_unread_upload_stops_at_the_window() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let mut server = serve(move |mut request: Request| {
        let gate = waiting.clone();
        async move {
            let first = request.body().next_data().await.map(|first| first.map(|bytes| bytes.len()));
            gate.wait().await;
            let rest = request.body().collect(10 << 20).await.map_or(0, |bytes| bytes.len());
            format!("{}", first.unwrap().unwrap() + rest)
        }
    });
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    client.send(vec![b'x'; 1_000_000]);
    server.run();
    assert_eq!(client.take_text(), "");
    gate.open();
    server.run();
    assert!(client.take_text().ends_with("\r\n\r\n1000000"));
}

#[test]
fn an_echo_streams_both_ways_with_its_trailers() {
    let mut server =
        serve(|mut request: Request| async move { Response::new(Status::OK).with_body(request.take_body()) });
    let client = server.connect().unwrap();
    let piece = "0123456789abcdef".repeat(1000);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut response = String::new();
    for _ in 0..50 {
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
        server.run();
        response += &client.take_text();
    }
    client.send("0\r\nX-Sum: 5\r\n\r\n");
    server.run();
    response += &client.take_text();
    assert!(response.len() > 50 * piece.len(), "{}", response.len());
    assert!(response.ends_with("\r\n0\r\nX-Sum: 5\r\n\r\n"), "{}", &response[response.len() - 100..]);
}

#[test]
fn the_length_of_a_body_is_what_is_still_to_come() {
    let mut server = serve(|mut request: Request| async move {
        let body = request.body();
        assert_eq!(body.length(), Some(100));
        let first = body.next_data().await.unwrap().unwrap();
        assert_eq!((first.len(), body.length()), (60, Some(40)));
        match request.path() {
            "/collect" => Response::bytes(request.body().collect(40).await.unwrap()),
            _ => Response::new(Status::OK).with_body(request.take_body()),
        }
    });
    let client = server.connect().unwrap();
    for path in ["/collect", "/echo"] {
        client.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"));
        client.send([b'a'; 60]);
        server.run();
        client.send([b'b'; 40]);
        server.run();
        let response = client.take_text();
        let whole = format!("\r\n\r\n{}", "b".repeat(40));
        assert!(
            response.contains("\r\nContent-Length: 40\r\n") && response.ends_with(&whole),
            "{path}: {response}"
        );
    }
}

/// What a reader finds that does not wait, up to the end.
fn read_out(body: &mut Body) -> String {
    let mut found = String::new();
    loop {
        match body.poll_data(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(bytes))) => found += std::str::from_utf8(&bytes).unwrap(),
            Poll::Ready(Some(Err(failure))) => found += &format!(" {failure}"),
            Poll::Ready(None) => return found,
            Poll::Pending => panic!("it waits behind {found:?}"),
        }
    }
}

#[test]
fn what_was_asked_for_and_has_come_is_read_behind_the_response_and_the_rest_says_why_not() {
    let why = "The response was complete before the request body had been read to its end.";
    for (waits, asks, came, found) in [
        (false, true, "helloworld", "helloworld".to_owned()),
        (true, true, "helloworld", "helloworld".to_owned()),
        (false, true, "hello", format!("hello {why}")),
        (true, true, "hello", format!("hello {why}")),
        (false, false, "helloworld", format!(" {why}")),
    ] {
        let (gate, kept) = (Gate::default(), Arc::<Mutex<Body>>::default());
        let (waiting, keeps) = (gate.clone(), Arc::clone(&kept));
        let mut server = serve(move |mut request: Request| {
            let (gate, keeps) = (waiting.clone(), Arc::clone(&keeps));
            async move {
                if request.path() == "/keep" {
                    let mut body = request.take_body();
                    if asks {
                        let asked = poll_fn(|cx| Poll::Ready(body.poll_data(cx).is_pending())).await;
                        assert!(asked, "nothing has come yet");
                    }
                    *keeps.lock().unwrap() = body;
                    gate.wait().await;
                }
            }
        });
        if !waits {
            gate.open();
        }
        let client = server.connect().unwrap();
        client.send(format!("POST /keep HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{came}"));
        server.run();
        gate.open();
        server.run();
        assert_eq!(read_out(&mut kept.lock().unwrap()), found, "waits: {waits}, asks: {asks}, {came}");
        client.send("helloworld".strip_prefix(came).unwrap());
        client.send(GET);
        server.run();
        assert_eq!(client.take_text().matches("HTTP/1.1 204 ").count(), 2, "the connection goes on");
    }
}

#[test]
fn a_body_of_tiny_pieces_is_one_piece_for_a_reader_that_was_away() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let mut server = serve(move |mut request: Request| {
        let gate = waiting.clone();
        async move {
            let body = request.body();
            let _ = poll_fn(|cx| Poll::Ready(body.poll_data(cx).is_ready())).await;
            gate.wait().await;
            let bytes = body.next_data().await.map(Result::unwrap);
            format!("{}", bytes.map_or(0, |bytes| bytes.len()))
        }
    });
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n");
    server.run();
    for _ in 0..300 {
        client.send("x");
        server.run();
    }
    gate.open();
    server.run();
    let response = client.take_text();
    assert!(response.ends_with("\r\n\r\n300"), "{response}");
}

#[test]
fn whole_bodies_reach_the_handler_at_once_from_memory_or_from_a_file() {
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Whole);
    config.channel.inbuf_overflow = 1000;
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let mut server = MemoryServer::new(config, move |mut request: Request| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let length = request.body().length();
            let bytes = request.body().collect(10 << 20).await?;
            let sum: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
            Ok::<_, httpfsm::handler::CollectError>(format!("{length:?} {} {sum}", bytes.len()))
        }
    });
    for length in [10, 1000, 1001, 300_000, 3_000_000] {
        let client = server.connect().unwrap();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let sum: u64 = body.iter().map(|&byte| u64::from(byte)).sum();
        client.send(&body[..5]);
        server.run();
        let before = calls.load(Ordering::SeqCst);
        client.send(&body[5..]);
        server.run();
        assert_eq!(calls.load(Ordering::SeqCst), before + 1);
        let response = client.take_text();
        assert!(response.ends_with(&format!("\r\n\r\nSome({length}) {length} {sum}")), "{response}");
    }
}

#[test]
fn a_whole_body_in_chunks_has_a_length_and_its_trailers() {
    for overflow in [3, 0] {
        let mut config = ServerConfig::default();
        config.channel.bodies = Some(Bodies::Whole);
        config.channel.inbuf_overflow = overflow;
        let mut server = MemoryServer::new(config, |mut request: Request| async move {
            let length = request.body().length();
            let bytes = request.body().collect(100).await.unwrap();
            format!("{length:?} {bytes:?} {:?}", request.trailers())
        });
        for (chunks, expected) in [
            ("0\r\n\r\n", r#"Some(0) b"" None"#),
            ("4\r\nabcd\r\n0\r\n\r\n", r#"Some(4) b"abcd" None"#),
            ("4\r\nabcd\r\n0\r\nX-Sum: 7\r\n\r\n", r#"Some(4) b"abcd" Some({"X-Sum": "7"})"#),
            ("0\r\nX-Sum: 7\r\n\r\n", r#"Some(0) b"" Some({"X-Sum": "7"})"#),
        ] {
            let client = server.connect().unwrap();
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            client.send(chunks);
            server.run();
            let response = client.take_text();
            assert!(response.ends_with(&format!("\r\n\r\n{expected}")), "{overflow}: {response}");
        }
    }
}

/// What a source asks for comes before what it gives, also in one poll.
#[test]
fn a_source_that_asks_for_the_body_and_gives_content_at_once_gets_the_body() {
    let mut server = serve(|mut request: Request| async move {
        let (mut body, mut begun) = (request.take_body(), false);
        Response::new(Status::OK).with_body(Body::from_fn(move |cx| {
            let read = body.poll_data(cx);
            if !std::mem::replace(&mut begun, true) {
                return Poll::Ready(Frame::Data("first ".into()));
            }
            read.map(|read| match read {
                Some(Ok(bytes)) => Frame::Data(bytes),
                Some(Err(failure)) => Frame::Error(failure),
                None => Frame::End,
            })
        }))
    });
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    server.run();
    let heads = client.take_text();
    assert!(heads.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "), "{heads}");
    client.send("ok");
    server.run();
    let rest = client.take_text();
    assert!(rest.contains("\r\nok\r\n") && rest.ends_with("0\r\n\r\n"), "{rest}");
}

const EXPECTS: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";

/// A source that never has anything.
fn silence() -> Body {
    Body::from_fn(|_| Poll::Pending)
}

/// A flush or the end, too, comes behind what the source has asked for in the same poll: the 100.
#[test]
fn what_a_source_asks_for_comes_before_any_frame_of_it() {
    for ends in ["flush", "end"] {
        let mut server = serve(move |mut request: Request| {
            let mut body = request.take_body();
            async move {
                let mut asked = false;
                Response::new(Status::OK).with_body(Body::from_fn(move |cx| {
                    let read = body.poll_frame(cx);
                    match (std::mem::replace(&mut asked, true), ends) {
                        (false, "flush") => Poll::Ready(Frame::Flush),
                        (false, _) => Poll::Ready(Frame::End),
                        (true, _) => read,
                    }
                }))
            }
        });
        let client = server.connect().unwrap();
        client.send(EXPECTS);
        server.run();
        let sent = client.take_text();
        assert!(sent.starts_with("HTTP/1.1 100 Continue\r\n\r\n"), "{ends}: {sent}");
        if ends == "flush" {
            client.send("ok");
            server.run();
            assert!(client.take_text().contains("2\r\nok\r\n0\r\n\r\n"));
        }
    }
}

/// Its failure drops the body, which would release the head.
#[test]
fn a_source_that_has_the_body_and_fails_behind_a_head_that_waits_gets_500() {
    let mut server = serve(|mut request: Request| {
        let body = request.take_body();
        async move {
            Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                let _has = &body;
                Poll::Ready(Frame::Error(BodyFailure::Source("it failed".into())))
            }))
        }
    });
    let client = server.connect().unwrap();
    client.send(EXPECTS);
    server.run();
    let response = client.take_text();
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
}

/// Nobody is left who could ask for the body, which the head would wait for.
#[test]
fn the_head_of_a_stream_does_not_wait_for_a_body_that_was_given_up_before() {
    for refuses in [false, true] {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&kept);
        let mut server = serve(move |mut request: Request| {
            let body = request.take_body();
            if refuses {
                request.refuse_expect();
                keeps.lock().unwrap().push(body);
            }
            async move { Response::new(Status::OK).with_body(silence()) }
        });
        let client = server.connect().unwrap();
        client.send(EXPECTS);
        server.run();
        let head = client.take_text();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Connection: close"), "{head}");
    }
}

#[test]
fn the_head_of_a_stream_leaves_when_the_body_is_given_up() {
    for refuses in [false, true] {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&kept);
        let mut server = serve(move |mut request: Request| {
            let body = request.take_body();
            keeps.lock().unwrap().push((request, body));
            async move { Response::new(Status::OK).with_body(silence()) }
        });
        let client = server.connect().unwrap();
        client.send(EXPECTS);
        server.run();
        assert_eq!(client.take_text(), "");
        let (request, body) = kept.lock().unwrap().pop().unwrap();
        if refuses {
            request.refuse_expect();
        } else {
            drop(body);
        }
        server.run();
        let head = client.take_text();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Connection: close"), "{refuses}: {head}");
    }
}

#[derive(Default)]
struct Reasons(Mutex<Vec<CloseReason>>);

impl Subscriber for Reasons {
    fn closed(&self, _: &ConnectionInfo, reason: CloseReason) {
        self.0.lock().unwrap().push(reason);
    }
}

/// The handler has asked for the body, got none of it, and lets it go, so that no head has to wait for it.
///
/// Fails if the head goes on waiting, if it does not say what comes of the body, or if the reason is another.
#[test]
fn a_head_that_waited_for_a_body_says_close_where_a_long_one_is_given_up() {
    for (framing, closes) in [("Transfer-Encoding: chunked", true), ("Content-Length: 2", false)] {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&kept);
        let handler = move |mut request: Request| {
            let mut body = request.take_body();
            let asked = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
            assert!(asked.is_pending());
            keeps.lock().unwrap().push(body);
            async move { Response::new(Status::OK).with_body(silence()) }
        };
        let mut server = serve(handler);
        let client = server.connect().unwrap();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"));
        server.run();
        assert_eq!(client.take_text(), "HTTP/1.1 100 Continue\r\n\r\n");
        kept.lock().unwrap().clear();
        server.run();
        let head = client.take_text();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(head.contains("\r\nConnection: close\r\n"), closes, "{head}");
    }
}

/// The same where the source, which has the body, gives it up and has something to send at once.
///
/// Fails if the content releases the head before the channel knows that the body is given up.
#[test]
fn a_head_that_waited_says_close_where_its_source_gives_the_body_up_and_goes_on() {
    let gate = Gate::default();
    let opened = gate.clone();
    let mut server = serve(move |mut request: Request| {
        let (gate, mut body) = (opened.clone(), Some(request.take_body()));
        async move {
            Response::new(Status::OK).with_body(Body::from_fn(move |cx| {
                let Some(unread) = &mut body else { return Poll::Ready(Frame::End) };
                if gate.poll(cx).is_pending() {
                    assert!(unread.poll_frame(cx).is_pending());
                    return Poll::Pending;
                }
                body = None;
                Poll::Ready(Frame::Data("too late".into()))
            }))
        }
    });
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    server.run();
    assert_eq!(client.take_text(), "HTTP/1.1 100 Continue\r\n\r\n");
    gate.open();
    server.run();
    let response = client.take_text();
    assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("\r\ntoo late\r\n"), "{response}");
    assert!(response.contains("\r\nConnection: close\r\n"), "{response}");
}

/// Five bytes, and something behind them.
struct Hello {
    is_over: bool,
    behind: fn() -> Poll<Frame>,
}

impl Source for Hello {
    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Frame> {
        let is_over = std::mem::replace(&mut self.is_over, true);
        if is_over { (self.behind)() } else { Poll::Ready(Frame::Data("hello".into())) }
    }

    fn length(&self) -> Option<u64> {
        Some(5)
    }
}

/// What a source does behind the last byte of its length is its own affair.
///
/// Fails if it is polled for its end: a source that waits holds up the next request, one that goes on is polled for ever,
/// and one that fails cuts a response that is whole.
#[test]
fn a_response_is_over_with_the_last_byte_of_its_length() {
    let behind: [fn() -> Poll<Frame>; 4] = [
        || Poll::Pending,
        || Poll::Ready(Frame::Data("more".into())),
        || Poll::Ready(Frame::Error(BodyFailure::source("too late"))),
        || panic!("too late"),
    ];
    for behind in behind {
        let mut server =
            serve(move |_: Request| async move { Response::stream(Hello { is_over: false, behind }) });
        let client = server.connect().unwrap();
        client.send(GET.repeat(2));
        server.run();
        let responses = client.take_text();
        assert_eq!(responses.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{responses}");
        assert!(responses.ends_with("\r\n\r\nhello") && !client.is_ended(), "{responses}");
    }
}

/// A thread that reads a body, and does so as soon as it is woken.
#[derive(Default)]
struct Reader {
    body: Mutex<Option<Body>>,
    woken: AtomicUsize,
    read: AtomicUsize,
}

impl Reader {
    fn read(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let mut body = self.body.lock().unwrap();
        let Some(body) = &mut *body else { return };
        run_blocking(|| {
            let mut cx = Context::from_waker(&waker);
            while let Poll::Ready(Some(Ok(data))) = pin!(body.next_data()).poll(&mut cx) {
                self.read.fetch_add(data.len(), Ordering::SeqCst);
            }
        });
    }
}

impl Wake for Reader {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        self.read();
    }
}

#[test]
fn a_thread_that_reads_is_woken_once_for_all_that_comes_in_a_wake_up() {
    const BYTES: usize = 200_000;
    let reader = Arc::<Reader>::default();
    let its = Arc::clone(&reader);
    let mut server = serve(move |mut request: Request| {
        *its.body.lock().unwrap() = Some(request.take_body());
        std::future::pending::<()>()
    });
    let client = server.connect().unwrap();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 10 * BYTES));
    server.run();
    Arc::clone(&reader).read();
    server.run();
    let mut receive = || {
        client.send(vec![b'x'; BYTES]);
        server.run();
        (reader.read.swap(0, Ordering::SeqCst), reader.woken.swap(0, Ordering::SeqCst))
    };
    // Of a body that begins, less is asked for at once.
    let begins = [(); 2].map(|()| receive());
    assert_eq!(begins.map(|(bytes, _)| bytes), [BYTES; 2]);
    assert_eq!([(); 3].map(|()| receive()), [(BYTES, 1); 3]);
}

/// Fails if the connection ends behind a streamed response that has not said so.
#[test]
fn a_streamed_response_says_close_where_nobody_will_read_the_body() {
    for (path, framing, closes) in [
        ("/ignores", "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", true),
        ("/ignores", "Content-Length: 5\r\n\r\nabcde", false),
        ("/reads", "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", false),
    ] {
        let reasons = Arc::<Reasons>::default();
        let handler = |mut request: Request| async move {
            let mut body = request.take_body();
            if request.path() != "/reads" {
                body = Body::Empty;
            }
            Response::default().with_body(Body::from_fn(move |cx| body.poll_frame(cx)))
        };
        let subscriber: Arc<dyn Subscriber> = Arc::clone(&reasons) as _;
        let mut server = MemoryServer::with(ServerConfig::default(), 1 << 16, Some(subscriber), handler);
        let client = server.connect().unwrap();
        client.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\n{framing}{GET}"));
        server.run();
        let responses = client.take_text();
        let says_close = responses.contains("\r\nConnection: close\r\n");
        let answered = responses.matches("HTTP/1.1 200 OK\r\n").count();
        assert_eq!(
            (says_close, answered),
            (closes, if closes { 1 } else { 2 }),
            "{path} {framing:?} {responses}"
        );
        client.close_write();
        server.run();
        let expected = if closes { CloseReason::BodyUnread } else { CloseReason::PeerEnded };
        assert_eq!(*reasons.0.lock().unwrap(), [expected]);
    }
}
