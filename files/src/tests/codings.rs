//! Files that are there in a content coding as well.

use std::fs;
use std::os::unix::fs::symlink;

use super::site::{TestSite, field};
use crate::exchange::exchange;

const FILES: [(&str, &str); 6] = [
    ("a.js", "the script"),
    ("a.js.br", "brotli"),
    ("a.js.gz", "gzipped"),
    ("index.html", "<p>page"),
    ("index.html.zst", "zstd"),
    ("plain", "text"),
];

fn site() -> TestSite {
    TestSite::new(&FILES)
}

fn request(site: &TestSite, method: &str, target: &str, fields: &str) -> String {
    let files = site.files().precompressed(true);
    exchange(files, &format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

fn get(site: &TestSite, target: &str, fields: &str) -> String {
    request(site, "GET", target, fields)
}

#[track_caller]
fn assert_response(response: &str, status: u16, content: &str) {
    assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    assert!(response.ends_with(&format!("\r\n\r\n{content}")), "{response}");
}

#[test]
fn a_client_gets_the_coding_that_it_prefers_of_those_that_are_there() {
    let site = site();
    for (target, accepted, content, coding) in [
        ("/a.js", "", "the script", ""),
        ("/a.js", "Accept-Encoding: gzip, deflate, br, zstd\r\n", "brotli", "br"),
        ("/a.js", "Accept-Encoding: gzip\r\n", "gzipped", "gzip"),
        ("/a.js", "Accept-Encoding: br;q=0.5\r\nAccept-Encoding: x-gzip\r\n", "gzipped", "gzip"),
        ("/a.js", "Accept-Encoding: zstd\r\n", "the script", ""),
        ("/a.js", "Accept-Encoding: identity, *;q=0\r\n", "the script", ""),
        ("/", "Accept-Encoding: br, zstd\r\n", "zstd", "zstd"),
        ("/plain", "Accept-Encoding: br, gzip\r\n", "text", ""),
        ("/a.js.br", "Accept-Encoding: br\r\n", "brotli", ""),
    ] {
        let response = get(&site, target, accepted);
        assert_response(&response, 200, content);
        assert_eq!(field(&response, "Vary"), "Accept-Encoding");
        if coding.is_empty() {
            assert!(!response.contains("Content-Encoding"), "{response}");
        } else {
            assert_eq!(field(&response, "Content-Encoding"), coding);
        }
        if target == "/a.js" {
            assert_eq!(field(&response, "Content-Type"), "text/javascript");
        }
        let head = request(&site, "HEAD", target, accepted);
        assert_response(&head, 200, "");
        assert_eq!(field(&head, "Content-Length"), content.len().to_string());
    }
}

#[test]
fn each_coding_has_tags_conditions_and_ranges_of_its_own() {
    let site = site();
    // Equal length and time.
    site.write("a.js.br", "12345678");
    site.write("a.js.gz", "abcdefgh");
    let [br, gzip] = ["br", "gzip"].map(|coding| {
        let fields = format!("Accept-Encoding: {coding}\r\n");
        let etag = field(&get(&site, "/a.js", &fields), "ETag").to_owned();
        (fields, etag)
    });
    assert_eq!((&*br.1, &*gzip.1), ("\"8-3b9aca00.0-br\"", "\"8-3b9aca00.0-gzip\""));
    let with = |(fields, _): &(String, String), more: &str| get(&site, "/a.js", &format!("{fields}{more}"));
    let same = with(&br, &format!("If-None-Match: {}\r\n", br.1));
    assert_response(&same, 304, "");
    assert_eq!((field(&same, "Vary"), field(&same, "ETag")), ("Accept-Encoding", &*br.1));
    assert_response(&with(&gzip, &format!("If-None-Match: {}\r\n", br.1)), 200, "abcdefgh");
    assert_response(
        &with(&gzip, &format!("If-Match: {}\r\n", br.1)),
        412,
        "This is not what the request supposes.\n",
    );
    let part = with(&gzip, &format!("Range: bytes=2-3\r\nIf-Range: {}\r\n", gzip.1));
    assert_response(&part, 206, "cd");
    assert_eq!((field(&part, "Content-Encoding"), field(&part, "Content-Range")), ("gzip", "bytes 2-3/8"));
    assert_response(&with(&br, &format!("Range: bytes=2-3\r\nIf-Range: {}\r\n", gzip.1)), 200, "12345678");
    // Parts of a multipart are no coded content of it.
    let several = with(&br, "Range: bytes=0-1,3-4\r\n");
    assert_response(&several, 200, "12345678");
    assert!(with(&br, "Range: bytes=8-\r\n").contains("\r\nContent-Range: bytes */8\r\n"));
}

#[test]
fn a_client_that_takes_nothing_that_is_there_is_told_so() {
    let site = site();
    let missing = "The file is there in no coding that the request accepts.\n";
    for accepted in ["identity;q=0", "zstd, *;q=0", "identity;q=0, zstd"] {
        let response = get(&site, "/a.js", &format!("Accept-Encoding: {accepted}\r\n"));
        assert_response(&response, 406, missing);
        assert_eq!(field(&response, "Vary"), "Accept-Encoding");
    }
    assert_response(&get(&site, "/a.js", "Accept-Encoding: gzip, *;q=0\r\n"), 200, "gzipped");
    assert_response(&get(&site, "/missing", "Accept-Encoding: *;q=0\r\n"), 404, "There is nothing here.\n");
}

#[test]
fn what_is_not_served_is_not_sent_in_place_of_another_file() {
    let site = TestSite::new(&[("a", "one"), ("b", "two"), (".secret", "hidden"), ("only.gz", "coded")]);
    symlink("../secret", site.root().join("a.gz")).unwrap();
    symlink(".secret", site.root().join("a.br")).unwrap();
    fs::create_dir(site.root().join("b.br")).unwrap();
    for (target, content) in [("/a", "one"), ("/b", "two")] {
        assert_response(&get(&site, target, "Accept-Encoding: br, gzip\r\n"), 200, content);
    }
    // Without the file itself there is none.
    assert_response(&get(&site, "/only", "Accept-Encoding: gzip\r\n"), 404, "There is nothing here.\n");
}

#[test]
fn a_name_without_a_type_has_that_of_the_bytes_that_are_not_coded() {
    let site = TestSite::new(&[("LICENSE", "text"), ("LICENSE.gz", "\x1f\u{8}\0")]);
    let response = get(&site, "/LICENSE", "Accept-Encoding: gzip\r\n");
    assert_eq!(field(&response, "Content-Type"), "text/plain; charset=utf-8");
    assert_eq!(field(&response, "Content-Encoding"), "gzip");
}

#[test]
fn without_the_wish_nothing_is_looked_for() {
    let response = site().get("/a.js", "Accept-Encoding: br\r\n");
    assert_response(&response, 200, "the script");
    assert!(!response.contains("Vary"), "{response}");
}

#[test]
fn a_page_that_stands_in_comes_in_its_coding() {
    let site = site();
    let files = site.files().precompressed(true).single_page("index.html");
    let response =
        exchange(files, "GET /x HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nAccept-Encoding: zstd\r\n\r\n");
    assert_response(&response, 200, "zstd");
    assert!(response.contains("\r\nVary: Accept-Encoding\r\nVary: Accept, Sec-Fetch-Mode\r\n"), "{response}");
}
