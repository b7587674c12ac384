//! What is hidden of responses, by what the machine has done with what a handler gave.

use httpfsm::config::ServerConfig;
use httpfsm_record::{Options, replay};
use httpfsm_transport::memory::MemoryServer;

use crate::hidden::{SECRET, leaked};
use crate::support::{application, recorded};

/// A connection on which this is requested with a secret cookie, by a client that reads at last; what it read and what was
/// recorded.
fn requested(request_line: &str) -> (String, String) {
    let mut config = ServerConfig::default();
    config.channel.expose_tracebacks = true;
    let mut response = Vec::new();
    let mut all = recorded(config, Options::default(), application, |server: &mut MemoryServer<_>, _| {
        let client = server.connect().unwrap();
        let cookie = format!("sid={SECRET}{SECRET}; a={SECRET}");
        client.send(format!("{request_line} HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n"));
        server.run();
        loop {
            let read = client.take();
            if read.is_empty() {
                break;
            }
            response.extend(read);
            server.run();
        }
        client.close_write();
        server.run();
    });
    let recording = all.remove(0);
    let replayed = replay(recording.as_bytes()).unwrap_or_else(|failure| panic!("{failure}\n{recording}"));
    assert_eq!(replayed.end, "over", "{recording}");
    (String::from_utf8(response).unwrap(), recording)
}

/// Asserts that nothing of the secret is shown of a response, of which this was sent.
fn is_hidden(request_line: &str, sent: &str) -> String {
    let (response, recording) = requested(request_line);
    assert!(response.contains(sent), "{response}");
    assert!(leaked(&recording).is_empty(), "{request_line}: {:?} in\n{recording}", leaked(&recording));
    recording
}

#[test]
fn content_behind_an_interim_head_that_has_not_left_is_hidden() {
    is_hidden("GET /hints-and-pieces", "3Jp5");
}

#[test]
fn content_is_hidden_behind_an_interim_head_that_was_refused() {
    let recording = is_hidden("GET /late-hints", "3Jp5");
    let refused = recording.lines().any(|line| line.contains("Informational") && line.contains("refused"));
    assert!(refused, "{recording}");
}

#[test]
fn content_that_is_not_sent_is_hidden_whole() {
    for path in ["/cut", "/cut-at-once"] {
        let recording = is_hidden(&format!("GET {path}"), "Host: a\nCookie: ");
        assert!(recording.contains("Excess") && recording.contains("xxxxx"), "{recording}");
    }
    let recording = is_hidden("HEAD /headers", "Content-Length: ");
    let response = recording.lines().find(|line| line.contains(r#""in":"HttpResponse""#)).unwrap();
    assert!(response.contains(r#""bytes":"xxxx"#) && !response.contains("Host: a"), "{response}");
}

#[test]
fn a_failure_that_begins_with_a_field_is_hidden_as_the_page_that_shows_it() {
    let recording = is_hidden("GET /fail-with-fields", &format!("Cookie: {SECRET}\n {SECRET}\nX: y\n"));
    let hidden = format!(r"The handler panicked: Cookie: {}\n {}\nX: y", "x".repeat(12), "x".repeat(12));
    assert_eq!(recording.matches(&hidden).count(), 2, "{recording}");
}

#[test]
fn the_first_line_of_a_range_is_hidden() {
    is_hidden("GET /range", &format!("\r\n\r\n sid={SECRET}"));
}
