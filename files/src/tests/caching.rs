//! Entity tags, and requests that depend on them.

use std::fs::File;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::site::{TestSite, field};

#[test]
fn equal_files_have_equal_tags_and_a_file_that_changed_has_another() {
    let (site, replica) = (TestSite::new(&[("a", "one")]), TestSite::new(&[("other", ""), ("a", "one")]));
    let (one, same) = (site.get("/a", ""), replica.get("/a", ""));
    assert_eq!(field(&one, "ETag"), field(&same, "ETag"));
    let file = File::options().write(true).open(site.root().join("a")).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::new(1_000_000_000, 1)).unwrap();
    let two = site.get("/a", "");
    assert_ne!(field(&one, "ETag"), field(&two, "ETag"));
    assert_eq!(field(&one, "Last-Modified"), field(&two, "Last-Modified"));
}

#[test]
fn a_file_of_this_second_has_a_weak_tag() {
    let site = TestSite::new(&[]);
    site.write("a", "new");
    let file = File::options().write(true).open(site.root().join("a")).unwrap();
    // A time in the future that the test does not reach.
    file.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    let response = site.get("/a", "");
    assert!(field(&response, "ETag").starts_with("W/\"3-"), "{response}");
    assert!(!response.contains("Last-Modified"), "{response}");
    let etag = field(&response, "ETag");
    assert!(site.get("/a", &format!("If-None-Match: {etag}\r\n")).starts_with("HTTP/1.1 304 "));
    let part = site.get("/a", &format!("Range: bytes=0-0\r\nIf-Range: {etag}\r\n"));
    assert!(part.starts_with("HTTP/1.1 200 "), "{part}");
}

#[test]
fn a_copy_that_is_still_right_is_not_sent_again() {
    let site = TestSite::new(&[("a.txt", "hello")]);
    let etag = field(&site.get("/a.txt", ""), "ETag").to_owned();
    for (method, fields) in [
        ("GET", format!("If-None-Match: {etag}\r\n")),
        ("HEAD", format!("If-None-Match: {etag}\r\n")),
        ("GET", format!("If-None-Match: {etag}\r\nRange: bytes=0-0\r\n")),
        ("GET", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n".to_owned()),
    ] {
        let response = site.request(method, "/a.txt", &fields);
        assert!(response.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{response}");
        assert!(response.ends_with("\r\n\r\n") && !response.contains("Content-"), "{response}");
        assert_eq!(field(&response, "ETag"), etag);
        assert_eq!(field(&response, "Cache-Control"), "no-cache");
    }
    let response = site.get("/a.txt", "If-Match: \"x\"\r\n");
    assert!(response.starts_with("HTTP/1.1 412 Precondition Failed\r\n"), "{response}");
    // RFC 9110 section 13.2.1: preconditions are not evaluated for a missing file.
    assert!(site.get("/b.txt", "If-None-Match: *\r\n").starts_with("HTTP/1.1 404 "));
}
