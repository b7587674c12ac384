//! Whole bodies whose file cannot be made: in a process of its own, whose directory for temporary files is missing.
#![allow(clippy::unwrap_used)]

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::Request;
use httpfsm_transport::memory::MemoryServer;

#[test]
fn a_body_that_cannot_be_kept_gets_a_500_and_others_are_served() {
    tempfile::env::override_temp_dir(std::path::Path::new("/nonexistent")).unwrap();
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Whole);
    config.channel.inbuf_overflow = 1000;
    config.maximum_simultaneous_requests = 1;
    let mut server = MemoryServer::new(config, |mut request: Request| async move {
        request.body().collect(10 << 20).await.map(|bytes| bytes.len().to_string())
    });
    for (length, expected) in [(1000, "\r\n\r\n1000"), (100_000, "HTTP/1.1 500 "), (10, "\r\n\r\n10")] {
        let client = server.connect().unwrap();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        client.send(vec![b'x'; length]);
        server.run();
        let response = client.take_text();
        assert!(response.contains(expected) && !response.contains("nonexistent"), "{response}");
    }
}
