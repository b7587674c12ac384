//! What a recording hides, and who can read it.

use std::fs;
use std::sync::Arc;

use httpfsm::config::{ErrorPage, ErrorPages, ServerConfig};
use httpfsm_record::{FileRecorder, Options, Which, replay};
use httpfsm_transport::memory::MemoryServer;

use crate::support::{GET, application, recorded, session};

#[test]
fn no_secret_is_in_a_recording_wherever_its_head_is_cut() {
    let request = "POST /login HTTP/1.1\r\nHost: a\r\nAuthorization: Basic secret\r\nProxy-Authorization: secret\r\n\
        Cookie: a=secret;b=secret\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nCookie: secret\r\n\r\n\
        GET /hints HTTP/1.1\r\nHost: a\r\nCOOKIE:secret\r\n\r\n";
    for cut in 0..=request.len() {
        let (left, right) = request.as_bytes().split_at(cut);
        let options = Options {
            masked: [&httpfsm_record::MASKED[..], &["X-Key"]]
                .concat()
                .iter()
                .map(|n| n.to_string())
                .collect(),
            ..Options::default()
        };
        let recording = session(options, &[left, right]);
        assert!(!recording.contains("ecre"), "cut at {cut}: {recording}");
        assert!(recording.contains("Set-Cookie: xxxxxxxxxxx xxxxxx"), "cut at {cut}: {recording}");
        assert_eq!(replay(recording.as_bytes()).unwrap().end, "over", "cut at {cut}");
    }
}

#[test]
fn a_response_that_shows_the_head_of_its_request_shows_no_secret() {
    let get = b"GET /headers HTTP/1.1\r\nHost: a\r\nAuthorization: Basic secret\r\n\r\n";
    let head = [b"HEAD", &get[3..]].concat();
    let post = b"POST /pipe HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n:1\n\r\n";
    let rest = b"11\r\nA: b\nCookie: hush\r\n3\r\nhus\r\n0\r\n\r\n";
    let recording = session(Options::default(), &[get, &head, post, rest]);
    assert!(!recording.contains("secret"), "{recording}");
    assert!(recording.contains(r#""bytes":"Host: a\nAuthorization: xxxxx xxxxxx\n""#), "{recording}");
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
}

#[test]
fn a_head_that_a_response_shows_in_pieces_shows_no_secret() {
    // The response has a chunk for each of the request.
    let post = b"POST /pipe HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut pieces = vec![&post[..]];
    let chunks: Vec<_> = ["A: b\r\nCoo", "kie: Zq7K", "w9Xv", "3Jp5\r\nC: d"]
        .map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len()))
        .into();
    pieces.extend(chunks.iter().map(|chunk| chunk.as_bytes()));
    pieces.push(b"0\r\n\r\n");
    let recording = session(Options::default(), &pieces);
    let sent =
        recording.lines().filter(|line| line.contains(r#""in":"Sent""#) || line.contains(r#""in":"Write""#));
    let leaked = sent.filter(|line| ["Zq7K", "w9Xv", "3Jp5"].iter().any(|part| line.contains(part)));
    assert_eq!(leaked.count(), 0, "{recording}");
    assert!(recording.contains("C: d"), "{recording}");
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
}

#[test]
fn bodies_can_be_hidden_and_replay_all_the_same() {
    let options = Options { mask_bodies: true, ..Options::default() };
    let chunks =
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecret\r\n0\r\n\r\n";
    let length = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nsecret";
    let recording = session(options, &[chunks, length]);
    assert!(!recording.contains("secret"), "{recording}");
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
}

#[test]
fn names_of_trailers_that_a_response_sends_back_are_hidden_where_bodies_are() {
    let post =
        b"POST /pipe HTTP/1.1\r\nHost: a\r\nTrailer: Zq7Kw9Xv3Jp5\r\nTransfer-Encoding: chunked\r\n\r\n";
    let rest = b"1\r\na\r\n0\r\nCookie: b\r\nZq7Kw9Xv3Jp5: v\r\n\r\n";
    let recording = session(Options { mask_bodies: true, ..Options::default() }, &[post, rest]);
    assert!(!recording.contains("Zq7K"), "{recording}");
    assert!(recording.contains(r#""in":"Finish","fields":[["xxxxxxxxxxxx","x"]]"#), "{recording}");
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
}

/// What a recording holds of a connection on which the handler panics, and its replay.
fn failed(expose_tracebacks: bool, mask_bodies: bool, error_pages: Option<ErrorPages>) -> String {
    let mut config = ServerConfig::default();
    config.channel.expose_tracebacks = expose_tracebacks;
    config.channel.error_pages = error_pages;
    let options = Options { mask_bodies, ..Options::default() };
    let mut all = recorded(config, options, application, |server, _| {
        let client = server.connect().unwrap();
        client.send("GET /fail HTTP/1.1\r\nHost: a\r\n\r\n");
        server.run();
        let response = String::from_utf8(client.take()).unwrap();
        let sent = response.contains("must: s\u{e9}same\nCookie: a=secret;b=s\u{e9}cret\n secret\nX: y\n");
        assert_eq!(sent, expose_tracebacks, "{response}");
    });
    let recording = all.remove(0);
    assert_eq!(replay(recording.as_bytes()).unwrap().end, "over", "{recording}");
    recording
}

#[test]
fn the_text_of_a_failure_that_is_not_sent_is_not_in_a_recording() {
    for mask_bodies in [false, true] {
        let recording = failed(false, mask_bodies, None);
        let abort = recording.lines().find(|line| line.contains(r#""in":"Abort""#)).unwrap();
        assert!(!abort.contains(r#""text""#) && !recording.contains("as it must"), "{recording}");
    }
}

#[test]
fn the_text_of_a_failure_that_is_sent_is_hidden_as_the_body_is_that_it_is_a_part_of() {
    let recording = failed(true, false, None);
    assert!(recording.contains("panicked: as it must: "), "{recording}");
    assert!(recording.contains(r"\nCookie: xxxxxxxxxxxxxxxxxx\n xxxxxx\nX: y"), "{recording}");
    assert!(!recording.contains("cret"), "{recording}");
    let recording = failed(true, true, None);
    assert!(!recording.contains("must") && !recording.contains("same"), "{recording}");
    let abort = recording.lines().find(|line| line.contains(r#""in":"Abort""#)).unwrap();
    assert!(abort.contains(r#""text":"xxxx"#), "{abort}");
}

#[test]
fn an_error_page_is_hidden_as_other_bodies_are() {
    let page = |_: &_| ErrorPage { content_type: "text/plain".into(), body: b"a page of secrets"[..].into() };
    assert!(failed(false, false, Some(ErrorPages::new(page))).contains("a page of secrets"));
    let recording = failed(false, true, Some(ErrorPages::new(page)));
    assert!(!recording.contains("a page of secrets"), "{recording}");
    assert!(recording.contains(r#""bytes":"xxxxxxxxxxxxxxxxx""#), "{recording}");
}

#[test]
#[cfg(unix)]
fn only_the_user_can_read_a_recording() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let recorder = FileRecorder::new(folder.path(), Options::default(), 1).unwrap();
    recorder.record(Which::All);
    let tapes = Some(Arc::new(recorder.clone()) as _);
    let mut server = MemoryServer::recorded(ServerConfig::default(), 3_000, None, tapes, application);
    server.connect().unwrap().send(GET);
    server.run();
    drop(server);
    recorder.flush();
    let file = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}
