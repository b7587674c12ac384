use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread;

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Request, Response};
use httpfsm_async_std::{BodyReader, sync};

use crate::{GET, HANG, connect, exchange, on_each_runtime, read_to_end, tcp};

on_each_runtime! {
    fn a_blocking_function_responds_on_a_thread_that_may_block(runtime: Runtime) {
        let server = runtime.start(sync(|mut request: Request| {
            let mut text = String::new();
            BodyReader::new(request.take_body()).read_to_string(&mut text).unwrap();
            format!("{text} on {}", thread::current().name().unwrap_or_default())
        }));
        let request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
        let mut stream = connect(&server);
        stream.write_all(request).unwrap();
        stream.write_all(b"hello").unwrap();
        let response = read_to_end(stream);
        assert!(response.contains("\r\n\r\nhello on httpfsm-blocking"), "{response}");
    }

    fn a_whole_body_waits_in_a_file(runtime: Runtime) {
        let mut config = ServerConfig::default();
        config.channel.bodies = Some(Bodies::Whole);
        config.channel.inbuf_overflow = 1000;
        let echo = |mut request: Request| async move { Response::bytes(request.body().collect(1 << 20).await.unwrap()) };
        let server = runtime.listen(vec![tcp("127.0.0.1:0")], config, echo);
        let mut stream = connect(&server);
        let body = "0123456789".repeat(50_000);
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let response = read_to_end(stream);
        assert!(response.ends_with(&body), "{}", response.len());
    }

    fn a_panic_gets_a_500_and_the_others_go_on(runtime: Runtime) {
        let server = runtime.start(|request: Request| async move {
            assert!(request.path() == "/", "as asked");
            "Hello, world!"
        });
        for _ in 0..5 {
            let response = exchange(connect(&server), b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
            assert!(!response.contains("as asked"), "{response}");
        }
        let response = exchange(connect(&server), GET);
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    }

    fn a_lost_connection_is_seen_while_the_handler_runs(runtime: Runtime) {
        let (tell, told) = mpsc::channel();
        let server = runtime.start(move |request: Request| {
            let tell = tell.clone();
            async move {
                tell.send("begun").unwrap();
                request.disconnected().await;
                tell.send("lost").unwrap();
                "nobody hears this"
            }
        });
        let mut stream = connect(&server);
        stream.write_all(GET).unwrap();
        assert_eq!(told.recv_timeout(HANG), Ok("begun"));
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(stream);
        assert_eq!(told.recv_timeout(HANG), Ok("lost"));
    }
}
