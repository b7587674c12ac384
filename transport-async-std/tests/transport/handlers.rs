use std::io::{Read, Write};
use std::thread;

use httpfsm::handler::Request;
use httpfsm_async_std::{BodyReader, sync};

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
}
