//! Uploads and downloads.

use std::io::{Read, Write};

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};

use crate::{on_each_transport, wait_for};

/// Bytes that depend on their position.
fn content(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

#[test]
fn what_was_uploaded_is_downloaded_with_its_digest() {
    on_each_transport(|server| {
        for content in [content(0), content(1), content(1_000_003)] {
            let hash = Sha256::digest(&content);
            let name = HEXLOWER.encode(&hash);
            let created = server.post("/files", &content);
            assert_eq!(created.status(), 201, "{created:?}");
            assert_eq!(created.field("Location"), Some(&*format!("/files/{name}")));
            assert_eq!(
                created.json(),
                serde_json::json!({
                    "sha256": name, "bytes": content.len(), "location": format!("/files/{name}"),
                })
            );
            let response = server.get(&format!("/files/{name}"));
            let (back, trailers) = response.chunks();
            assert!(back == content, "another content came back");
            assert_eq!(trailers, format!("Content-Digest: sha-256=:{}:\r\n\r\n", BASE64.encode(&hash)));
        }
        assert_eq!(server.files().len(), 3);
    });
}

#[test]
fn a_chunked_upload_is_taken_as_well() {
    on_each_transport(|server| {
        let created =
            server.exchange("POST /files", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(created.json()["bytes"], 3, "{created:?}");
    });
}

#[test]
fn an_upload_and_a_download_take_no_memory() {
    on_each_transport(|server| {
        let content = content(24 << 20);
        // From now on the memory for one piece is allocated.
        server.post("/files", &content[..1 << 20]);
        let before = server.peak_memory();
        let created = server.post("/files", &content);
        let response = server.get(created.field("Location").unwrap_or_else(|| panic!("{created:?}")));
        assert!(response.chunks().0 == content, "another content came back");
        let grown = server.peak_memory() - before;
        assert!(grown < 8 << 10, "{grown} KiB");
    });
}

#[test]
fn an_upload_that_is_broken_off_leaves_no_file() {
    on_each_transport(|server| {
        let mut stream = server.connect();
        stream
            .write_all(b"POST /files HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
            .expect("sent");
        stream.write_all(&content(300_000)).expect("sent");
        wait_for("a file", || server.files().pop());
        drop(stream);
        wait_for("no file", || server.files().is_empty().then_some(()));
    });
}

#[test]
fn a_client_that_expects_a_100_is_refused_before_it_sends_too_much() {
    on_each_transport(|server| {
        let mut stream = server.connect();
        let length = (64 << 20) + 1;
        let head = format!(
            "POST /files HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response and its end");
        assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    });
}

#[test]
fn a_client_that_expects_a_100_gets_it() {
    on_each_transport(|server| {
        let mut stream = server.connect();
        let head = "POST /files HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n";
        write!(stream, "{head}Content-Length: 3\r\n\r\n").expect("sent");
        let expected = "HTTP/1.1 100 Continue\r\n\r\n";
        let mut interim = vec![0; expected.len()];
        stream.read_exact(&mut interim).expect("a response");
        assert_eq!(String::from_utf8_lossy(&interim), expected);
        stream.write_all(b"abc").expect("sent");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response and its end");
        assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    });
}

#[test]
fn an_upload_without_a_length_ends_at_the_limit() {
    on_each_transport(|server| {
        let mut stream = server.connect();
        let head = "POST /files HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("sent");
        let mut writing = stream.try_clone().expect("a second handle");
        let sending = std::thread::spawn(move || {
            let piece = [b"100000\r\n", &[b'x'; 1 << 20][..], b"\r\n"].concat();
            // The server may not read to the end, so this may fail.
            let _ = (0..65).try_for_each(|_| writing.write_all(&piece));
        });
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("a response");
        assert_eq!(&status, b"HTTP/1.1 413");
        drop(stream);
        sending.join().expect("sent");
        wait_for("no file", || server.files().is_empty().then_some(()));
    });
}

#[test]
fn no_name_leads_elsewhere() {
    on_each_transport(|server| {
        let unknown = HEXLOWER.encode(&Sha256::digest("unknown"));
        for name in ["", "x", "../../../etc/passwd", "%2e%2e/x", &unknown, &unknown.to_uppercase()] {
            assert_eq!(server.get(&format!("/files/{name}")).status(), 404, "{name}");
        }
    });
}
