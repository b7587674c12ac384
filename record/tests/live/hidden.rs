//! What a peer has sent is shown as a part of something well-formed, or not at all: wherever it ends, whatever it breaks.

use std::collections::HashMap;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm_record::{Options, replay};
use httpfsm_transport::memory::MemoryServer;
use serde_json::Value;

use crate::support::{application, recorded};

/// What no recording may show. No part of it is in anything else.
pub(crate) const SECRET: &str = "Zq7Kw9Xv3Jp5";

/// The parts of the secret that a recording shows, in its lines or in the bytes of several lines of one kind together.
pub(crate) fn leaked(recording: &str) -> Vec<&'static str> {
    let mut texts = HashMap::new();
    for line in recording.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let kind = line["in"].as_str().or(line["out"].as_str()).unwrap_or_default().to_owned();
        *texts.entry(kind).or_insert_with(String::new) += line["bytes"].as_str().unwrap_or_default();
    }
    let parts = (0..SECRET.len() - 3).map(|at| &SECRET[at..at + 4]);
    parts
        .filter(|part| recording.contains(*part) || texts.values().any(|text| text.contains(*part)))
        .collect()
}

/// A connection that sends this in pieces of at most so many bytes, and what was recorded.
fn session(mask_bodies: bool, sent: &[u8], piece: usize) -> String {
    let mut config = ServerConfig::default();
    config.channel.max_request_header_size = 2_000;
    config.channel.max_request_fields = 10;
    config.channel.max_request_target_size = 500;
    config.channel.max_request_body_size = 5_000;
    config.channel.max_trailer_size = 200;
    let options = Options { mask_bodies, ..Options::default() };
    let mut all = recorded(config, options, application, |server: &mut MemoryServer<_>, _| {
        let client = server.connect().unwrap();
        for piece in sent.chunks(piece) {
            client.send(piece);
            server.run();
            let _ = client.take();
        }
        server.run();
        server.advance(Duration::from_secs(200));
        client.close_write();
        server.run();
    });
    all.remove(0)
}

/// Asserts that each case shows nothing of the secret, replays, and ends so.
fn each_is_hidden(mask_bodies: bool, cases: &[(&str, &str, &str)]) {
    let mut faults = Vec::new();
    for (name, sent, end) in cases {
        let sent = sent.replace("SECRET", SECRET);
        for piece in [usize::MAX, 1, 7, 64] {
            let recording = session(mask_bodies, sent.as_bytes(), piece);
            let leaked = leaked(&recording);
            if !leaked.is_empty() {
                faults.push(format!("{name}, in pieces of {piece}: shows {leaked:?}"));
            }
            match replay(recording.as_bytes()) {
                Ok(replayed) if replayed.end == *end => {}
                other => faults.push(format!("{name}, in pieces of {piece}: {other:?}\n{recording}")),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A request that comes behind something, with credentials.
macro_rules! behind {
    ($before:literal) => {
        concat!($before, "GET /next HTTP/1.1\r\nHost: a\r\nCookie: SECRET\r\n\r\n")
    };
}

/// A request with this line among its fields.
macro_rules! with_line {
    ($line:expr) => {
        concat!("GET / HTTP/1.1\r\nHost: a\r\n", $line, "\r\nAuthorization: SECRET\r\n\r\n")
    };
}

#[test]
fn no_credential_is_in_a_recording_of_a_request_that_is_refused_or_ends_early() {
    let too_large = concat!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: ", "LONG", "\r\nCookie: SECRET\r\n\r\n")
        .replace("LONG", &"l".repeat(1_960));
    let too_long = format!("GET /{} HTTP/1.1\r\nHost: a\r\nCookie: SECRET\r\n\r\n", "t".repeat(600));
    let too_many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}Cookie: SECRET\r\n\r\n", "X: y\r\n".repeat(10));
    each_is_hidden(
        false,
        &[
            // What comes behind a request that is refused.
            (
                "a refused Expect",
                behind!("POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 99\r\n\r\n"),
                "over",
            ),
            (
                "CONNECT with Content-Length",
                behind!("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 99\r\n\r\n"),
                "over",
            ),
            (
                "Content-Length with chunked",
                behind!(
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
                ),
                "over",
            ),
            (
                "an unknown coding",
                behind!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
                "over",
            ),
            (
                "a list of lengths",
                behind!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7, 8\r\n\r\n"),
                "over",
            ),
            (
                "a body that is too large",
                behind!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"),
                "over",
            ),
            (
                "a body that was longer than it said",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nabc\r\nCookie: SECRET\r\n\r\n",
                "over",
            ),
            ("the last request", behind!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), "over"),
            // Heads that are refused for what they mean.
            ("no Host", "GET / HTTP/1.1\r\nCookie: SECRET\r\n\r\n", "over"),
            ("two of Host", with_line!("Host: b\r\nCookie: SECRET"), "over"),
            ("another version", "GET / HTTP/2.0\r\nCookie: SECRET\r\n\r\n", "over"),
            ("a head that is too large", &too_large, "over"),
            ("a target that is too long", &too_long, "over"),
            ("too many fields", &too_many, "over"),
            // Heads that are malformed.
            ("VT before the colon", with_line!("Cookie\u{b}: SECRET"), "over"),
            ("NUL before the colon", with_line!("Cookie\0: SECRET"), "over"),
            ("SP before the colon", with_line!("Cookie : SECRET"), "over"),
            ("SP in the name", with_line!("Coo kie: SECRET"), "over"),
            ("CR before the colon", with_line!("Cookie\r: SECRET"), "over"),
            ("a delimiter in the name", with_line!("Cook@ie: SECRET"), "over"),
            ("no name", with_line!(": SECRET"), "over"),
            ("no colon", with_line!("Cookie SECRET"), "over"),
            ("a bare CR", with_line!("X: a\rCookie: SECRET"), "over"),
            ("a bare LF", with_line!("X: a\nCookie: SECRET"), "over"),
            ("LF alone everywhere", "GET / HTTP/1.1\nHost: a\nCookie: SECRET\n\n", "over"),
            ("NUL in the value", with_line!("Cookie: SEC\0SECRET"), "over"),
            ("a control character in the value", with_line!("Cookie: a\u{1}SECRET"), "over"),
            ("a folded value", with_line!("Cookie: a\r\n SECRET"), "over"),
            ("a fold before the name", "GET / HTTP/1.1\r\n Cookie: SECRET\r\n\r\n", "over"),
            ("two empty lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nCookie: SECRET\r\n\r\n", "over"),
            ("empty lines and no request", "\r\n\r\n\r", "over"),
            ("a NUL behind empty lines", "\r\n\r\nGET / SECRET\0\r\n", "over"),
            (
                "empty lines behind a request",
                "GET / HTTP/1.1\r\nHost: a\r\nCookie: SECRET\r\n\r\n\r\n\r\n",
                "over",
            ),
            ("a field in place of a request", "Cookie: SECRET\r\nHost: a\r\n\r\n", "over"),
            ("a method with a delimiter", "G@T / HTTP/1.1\r\nCookie: SECRET\r\n\r\n", "over"),
            ("no version", "GET /\r\nCookie: SECRET\r\n\r\n", "over"),
            // Heads that are not whole.
            ("a value that breaks off", "GET / HTTP/1.1\r\nHost: a\r\nCookie: SECRET", "over"),
            ("a head that breaks off", "GET / HTTP/1.1\r\nHost: a\r\nCookie: SECRET\r\n", "over"),
            ("a first line that breaks off", "Cookie: SECRET", "over"),
            // Trailers.
            (
                "a trailer with SP before the colon",
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nCookie : SECRET\r\n\r\n",
                "masked",
            ),
            (
                "a folded trailer",
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nCookie: a\r\n SECRET\r\n\r\n",
                "masked",
            ),
            (
                "a trailer that breaks off",
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nCookie: SECRET",
                "over",
            ),
            (
                "a trailer that nobody asked for",
                "POST /never HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nCookie: SECRET\r\n\r\n",
                "over",
            ),
            // And what is as it should be.
            ("a cookie", with_line!("Cookie: SECRET"), "over"),
            (
                "a cookie behind a body",
                behind!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
                "over",
            ),
            (
                "a cookie among trailers",
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nCookie: SECRET\r\n\r\n",
                "over",
            ),
        ],
    );
}

#[test]
fn no_credential_is_in_the_content_of_a_request_that_shows_a_head() {
    let upload = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: SECRET\r\n\r\n{}", "z".repeat(4_000));
    let unread = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{upload}",
        upload.replace("SECRET", SECRET).len()
    );
    each_is_hidden(
        false,
        &[
            (
                "a head in place of content",
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 52\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nCookie: SECRET\r\n\r\n",
                "over",
            ),
            (
                "an upload that was given up after its 100",
                behind!(
                    "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 900\r\n\r\n"
                ),
                "over",
            ),
            (
                "a part of a batch",
                "POST /pipe HTTP/1.1\r\nHost: a\r\nContent-Length: 107\r\n\r\n--b\r\nContent-Type: application/http\r\n\r\n\
                 PUT / HTTP/1.1\r\nAuthorization: Basic SECRET\r\n SECRET\r\n\r\n--b--\r\n",
                "over",
            ),
            (
                "a line in several chunks",
                "POST /pipe HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nCoo\r\n9\r\nkie: Zq7K\r\n8\r\nw9Xv3Jp5\r\n0\r\n\r\n",
                "over",
            ),
            ("a content that nobody reads", &unread, "over"),
        ],
    );
}

#[test]
fn the_rest_of_a_content_that_shows_a_head_is_shown() {
    let sent = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 22\r\n\r\nA: b\r\nCookie: c\r\nD: e\n";
    let recording = session(false, sent, usize::MAX);
    assert!(recording.contains(r#""out":"BodyData","bytes":"A: b\r\nCookie: x\r\nD: e\n""#), "{recording}");
    // In the content of the next request lines begin anew.
    let open = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nCookie:";
    let next = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nshown";
    let recording = session(false, &[&open[..], next].concat(), usize::MAX);
    assert!(recording.contains(r#""out":"BodyData","bytes":"shown""#), "{recording}");
}

/// A request to `/echo` with these fields and this body.
macro_rules! post {
    ($fields:expr, $body:expr) => {
        concat!("POST /echo HTTP/1.1\r\nHost: a\r\n", $fields, "\r\n\r\n", $body)
    };
}

#[test]
fn no_body_is_in_a_recording_that_hides_bodies_however_it_is_framed() {
    let unread = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n{}",
        "SECRET\r\n".repeat(500).chars().take(4_000).collect::<String>()
    );
    each_is_hidden(
        true,
        &[
            ("an unknown coding", post!("Transfer-Encoding: gzip", "SECRET"), "over"),
            (
                "an unknown coding and chunked",
                post!("Transfer-Encoding: gzip, chunked", "c\r\nSECRET\r\n0\r\n\r\n"),
                "over",
            ),
            (
                "Content-Length with chunked",
                post!("Content-Length: 12\r\nTransfer-Encoding: chunked", "c\r\nSECRET\r\n0\r\n\r\n"),
                "over",
            ),
            ("a list of lengths", post!("Content-Length: 7, 8", "SECRET"), "over"),
            ("two lengths", post!("Content-Length: 12\r\nContent-Length: 12", "SECRET"), "over"),
            ("a length that is none", post!("Content-Length: -1", "SECRET"), "over"),
            ("HTTP/1.0 without a length", "POST /echo HTTP/1.0\r\n\r\nSECRET", "over"),
            (
                "HTTP/1.0 with chunked",
                "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\nc\r\nSECRET\r\n0\r\n\r\n",
                "over",
            ),
            ("no length", post!("X: y", "SECRET\r\nSECRET: SECRET\r\n\r\n"), "over"),
            ("a malformed chunk size", post!("Transfer-Encoding: chunked", "SECRET\r\n"), "over"),
            ("a chunk size that begins well", post!("Transfer-Encoding: chunked", "abcSECRET\r\n"), "masked"),
            (
                "a chunk size that is too long",
                post!("Transfer-Encoding: chunked", "00000000000000000cSECRET\r\n"),
                "masked",
            ),
            (
                "a chunk that is longer than it said",
                post!("Transfer-Encoding: chunked", "1\r\nSECRET\r\n0\r\n\r\n"),
                "over",
            ),
            ("a chunk that breaks off", post!("Transfer-Encoding: chunked", "ff\r\nSECRET"), "over"),
            ("a short Content-Length", post!("Content-Length: 2", "SECRET\r\n\r\n"), "over"),
            (
                "lines behind a short Content-Length",
                post!(
                    "Content-Length: 2",
                    "--SECRET\r\nContent-Disposition: form-data; name=a\r\n\r\nSECRET\r\n\r\n"
                ),
                "over",
            ),
            (
                "a short Content-Length and another request",
                post!("Content-Length: 2", "SECRETGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                "over",
            ),
            (
                "a body of a GET and another request",
                "GET / HTTP/1.1\r\nHost: a\r\n\r\nSECRETPOST /echo HTTP/1.1\r\nX: y\r\n\r\n",
                "over",
            ),
            ("a body that breaks off", post!("Content-Length: 100", "SECRET"), "over"),
            (
                "a chunk extension",
                post!(
                    "Transfer-Encoding: chunked",
                    "c;a=SECRET;b=\"SEC\\\"SECRET; c\" ; SECRET\r\nSECRET\r\n0;SECRET\r\n\r\n"
                ),
                "over",
            ),
            (
                "a malformed chunk extension",
                post!("Transfer-Encoding: chunked", "c;a=SECRET@\r\nSECRET\r\n0\r\n\r\n"),
                "masked",
            ),
            (
                "a chunk extension that breaks off",
                post!("Transfer-Encoding: chunked", "c;a=SECRET"),
                "masked",
            ),
            (
                "a trailer",
                post!("Transfer-Encoding: chunked", "0\r\nX-Sum: SECRET\r\nDigest: SECRET\r\n\r\n"),
                "over",
            ),
            (
                "a malformed trailer",
                post!("Transfer-Encoding: chunked", "0\r\nX-Sum: a\r\nSECRET\r\n\r\n"),
                "masked",
            ),
            ("what comes behind the last request", post!("Connection: close", "SECRET\r\n"), "over"),
            (
                "a message behind the last request",
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nPOST / HTTP/1.1\r\nX: SECRET\r\n\r\nSECRET",
                "over",
            ),
            (
                "another protocol",
                "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nSECRET SECRET",
                "over",
            ),
            ("a refused Expect", post!("Expect: magic\r\nContent-Length: 12", "SECRET"), "over"),
            ("a body that is too large", post!("Content-Length: 9999", "SECRET"), "over"),
            ("a chunk that is too large", post!("Transfer-Encoding: chunked", "9999\r\nSECRET"), "masked"),
            (
                "CONNECT with a body",
                "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 12\r\n\r\nSECRET",
                "over",
            ),
            ("behind CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nSECRET\r\nSECRET", "over"),
            ("a body that nobody reads", &unread, "over"),
            ("a body of another head", "SECRET SECRET\r\n\r\n{\"a\": \"SECRET\"}", "over"),
            (
                "a head that is not whole and a body",
                "POST / HTTP/1.1\r\nHost: a\r\n{\"a\":\"SECRET\"}\r\n\r\nSECRET\0\u{1}\u{2}SECRET",
                "over",
            ),
            ("a body", post!("Content-Length: 12", "SECRET"), "over"),
            (
                "chunks",
                post!("Transfer-Encoding: chunked", "5\r\nZq7Kw\r\n7\r\n9Xv3Jp5\r\n0\r\n\r\n"),
                "over",
            ),
        ],
    );
}
