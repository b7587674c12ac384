//! The response to GET of a file, and to other methods.

use std::fs::{self, File};
use std::sync::{Arc, Mutex};

use httpfsm::config::ServerConfig;
use httpfsm::handler::{ConnectionInfo, Failure, Subscriber};
use httpfsm_transport::memory::MemoryServer;

use super::site::{TestSite, field};

#[test]
fn a_file_is_sent_with_what_a_cache_needs() {
    let site = TestSite::new(&[("a/b c.txt", "hello")]);
    let response = site.get("/a/b%20c.txt?x", "");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\nhello"), "{response}");
    assert_eq!(field(&response, "Content-Length"), "5");
    assert_eq!(field(&response, "Content-Type"), "text/plain; charset=utf-8");
    assert_eq!(field(&response, "X-Content-Type-Options"), "nosniff");
    assert_eq!(field(&response, "Last-Modified"), "Sun, 09 Sep 2001 01:46:40 GMT");
    assert_eq!(field(&response, "Accept-Ranges"), "bytes");
    assert_eq!(field(&response, "Cache-Control"), "no-cache");
    assert_eq!(field(&response, "ETag"), "\"5-3b9aca00.0\"");

    let head = site.request("HEAD", "/a/b%20c.txt", "Range: bytes=1-2\r\n");
    let (expected, _) = response.split_once("Server:").unwrap();
    assert!(head.starts_with(expected) && head.ends_with("Content-Length: 5\r\n\r\n"), "{head}");
}

#[test]
fn an_empty_file_is_a_file() {
    let site = TestSite::new(&[("empty", "")]);
    for fields in ["", "Range: bytes=0-\r\n", "Range: bytes=-1\r\n"] {
        let response = site.get("/empty", fields);
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(response.ends_with("Content-Length: 0\r\n\r\n"), "{response}");
    }
}

#[test]
fn files_are_only_read() {
    let site = TestSite::new(&[("a", "x")]);
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get"] {
        let response = site.request(method, "/a", "");
        assert!(response.starts_with("HTTP/1.1 405 "), "{method}: {response}");
        assert_eq!(field(&response, "Allow"), "GET, HEAD, OPTIONS");
    }
    for target in ["/a", "*"] {
        let response = site.request("OPTIONS", target, "");
        assert!(response.starts_with("HTTP/1.1 204 "), "{response}");
        assert_eq!(field(&response, "Allow"), "GET, HEAD, OPTIONS");
    }
    assert_eq!(fs::read(site.root().join("a")).unwrap(), b"x");
}

/// Records the failures that are reported.
#[derive(Default)]
struct FailureLog(Mutex<Vec<String>>);

impl Subscriber for FailureLog {
    fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        assert!(connection.is_some());
        self.0.lock().unwrap().push(format!("{failure:?}: {text}"));
    }
}

#[test]
fn a_file_that_becomes_shorter_while_it_is_sent_is_named_to_the_operator() {
    let site = TestSite::new(&[]);
    site.write("sub/large", "l".repeat(2 << 20));
    let failures = Arc::new(FailureLog::default());
    let subscriber = Arc::clone(&failures) as Arc<dyn Subscriber>;
    let mut server = MemoryServer::with(ServerConfig::default(), 4096, Some(subscriber), site.files());
    let client = server.connect().unwrap_or_else(|refusal| panic!("{refusal:?}"));
    client.send("GET /sub/large HTTP/1.1\r\nHost: a\r\n\r\n");
    server.run();
    let path = site.root().join("sub/large");
    File::options().write(true).open(&path).unwrap().set_len(1000).unwrap();
    while !client.take().is_empty() {
        server.run();
    }
    let expected =
        format!("Response: The source of the body failed: {path:?} became shorter while it was sent.");
    assert_eq!(*failures.0.lock().unwrap(), [expected]);
}
