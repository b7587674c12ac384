use std::io::{self, Read, Write};
use std::thread;

use httpfsm::handler::{Request, Response};
use httpfsm::status::Status;
use httpfsm_async_std::{BodyReader, sync, written_sync};

use crate::{connect, on_each_runtime, read_to_end};

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

    fn a_blocking_function_writes_a_response_on_such_a_thread_and_waits_for_its_reader(runtime: Runtime) {
        const LINES: usize = 100_000;
        let server = runtime.start(|_: Request| async {
            let body = written_sync(|body| -> io::Result<()> {
                writeln!(body, "{}", thread::current().name().unwrap_or_default())?;
                (0..LINES).try_for_each(|line| writeln!(body, "{line}"))
            });
            Response::new(Status::OK).with_body(body)
        });
        let mut stream = connect(&server);
        stream.write_all(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
        let response = read_to_end(stream);
        let (_, content) = response.split_once("\r\n\r\n").unwrap();
        let mut lines = content.lines();
        assert!(lines.next().is_some_and(|thread| thread.starts_with("httpfsm-blocking")), "{content:.100}");
        assert!(lines.map(str::parse).eq((0..LINES).map(Ok)), "{} bytes", content.len());
    }
}
