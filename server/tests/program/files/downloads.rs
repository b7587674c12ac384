//! Downloads with curl, as a person uses it: resumed, in ranges, and only where there is something new.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use super::TestSite;
use crate::curl::{Curl, path, url};
use crate::{ServerProcess, text};

on_each_transport! {
    curl_resumes_a_download,
    curl_gets_ranges,
    over_tls_curl_resumes_a_download,
    over_tls_curl_gets_ranges,
}

fn curl_resumes_a_download(transport: &str) {
    let site = TestSite::new();
    resumes_a_download(&site, &site.serve(transport));
}

fn over_tls_curl_resumes_a_download(transport: &str) {
    let site = TestSite::new();
    resumes_a_download(&site, &site.serve_over_tls(transport));
}

#[track_caller]
fn resumes_a_download(site: &TestSite, server: &ServerProcess) {
    let Some(curl) = Curl::find() else { return };
    let partial = site.folder.path().join("partial");
    let url = url(server, "/sub/content.bin");
    for have in [0, 1, 262_144, 1_000_000, site.bytes.len() - 1] {
        fs::write(&partial, &site.bytes[..have]).expect("a file");
        let printed = curl.run(&[
            "--insecure",
            "--continue-at",
            "-",
            "--output",
            path(&partial),
            "--write-out",
            "%{http_code}",
            &url,
        ]);
        assert_eq!(text(&printed.stdout), if have == 0 { "200" } else { "206" });
        assert!(fs::read(&partial).expect("a file") == site.bytes, "another content after {have} bytes");
    }
}

fn curl_gets_ranges(transport: &str) {
    let site = TestSite::new();
    gets_ranges(&site, &site.serve(transport));
}

fn over_tls_curl_gets_ranges(transport: &str) {
    let site = TestSite::new();
    gets_ranges(&site, &site.serve_over_tls(transport));
}

#[track_caller]
fn gets_ranges(site: &TestSite, server: &ServerProcess) {
    let Some(curl) = Curl::find() else { return };
    let url = url(server, "/sub/content.bin");
    let length = site.bytes.len();
    for (range, expected) in [
        ("0-0", 0..1),
        ("100-300000", 100..300_001),
        ("-7", length - 7..length),
        ("3145728-", 3_145_728..length),
    ] {
        let response = curl.include(&["--insecure", "--range", range, &url]);
        assert_eq!(response.status, "HTTP/1.1 206 Partial Content", "{range}");
        let content_range = format!("bytes {}-{}/{length}", expected.start, expected.end - 1);
        assert_eq!(response.field("content-range"), Some(content_range.as_str()));
        assert!(response.content == site.bytes[expected], "another content at {range}");
    }
    let response = curl.include(&["--insecure", "--range", "9999999-", &url]);
    assert_eq!(response.status, "HTTP/1.1 416 Range Not Satisfiable");
    assert_eq!(response.field("content-range"), Some(format!("bytes */{length}").as_str()));

    // Two parts that are too large to be read with the head of the file.
    let response = curl.include(&["--insecure", "--range", "0-299999,1000000-1299999", &url]);
    let boundary =
        response.field("content-type").and_then(|kind| kind.split("boundary=").nth(1)).expect("parts");
    assert_eq!(response.field("content-length"), Some(response.content.len().to_string().as_str()));
    let mut expected: Vec<u8> = Vec::new();
    for (start, end) in [(0, 300_000), (1_000_000, 1_300_000)] {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {start}-{}/{length}\r\n\r\n",
            end - 1
        );
        expected.extend(head.as_bytes());
        expected.extend(&site.bytes[start..end]);
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(response.content == expected, "other parts");
}

#[test]
fn curl_asks_for_what_is_newer() {
    let Some(curl) = Curl::find() else { return };
    let site = TestSite::new();
    let server = site.serve("tokio");
    let url = url(&server, "/sub/content.bin");
    let status = |arguments: &[&str]| curl.include(&[arguments, &[url.as_str()]].concat()).status;
    assert_eq!(status(&["--time-cond", "Sun, 09 Sep 2001 01:46:40 GMT"]), "HTTP/1.1 304 Not Modified");
    let old = curl.include(&["--time-cond", "Sun, 09 Sep 2001 01:46:39 GMT", &url]);
    assert_eq!(old.status, "HTTP/1.1 200 OK");
    let etag = format!("If-None-Match: {}", old.field("etag").expect("a tag"));
    assert_eq!(status(&["--header", &etag]), "HTTP/1.1 304 Not Modified");
    site.touch(UNIX_EPOCH + Duration::from_secs(1_000_000_001));
    assert_eq!(status(&["--header", &etag]), "HTTP/1.1 200 OK");
    assert_eq!(status(&["--time-cond", "Sun, 09 Sep 2001 01:46:40 GMT"]), "HTTP/1.1 200 OK");
}

#[test]
fn curl_asks_for_the_head_alone() {
    let Some(curl) = Curl::find() else { return };
    let site = TestSite::new();
    let server = site.serve("tokio");
    let url = url(&server, "/sub/content.bin");
    // The second request comes on the same connection: no content of the first may precede its response.
    let output = curl.run(&["--head", "--write-out", "%{num_connects}", &url, &url]);
    let printed = text(&output.stdout);
    assert_eq!(printed.matches(&format!("Content-Length: {}\r\n", site.bytes.len())).count(), 2, "{printed}");
    assert!(printed.trim_end().ends_with('0'), "{printed}");
    let output =
        curl.run(&["--location", "--write-out", "%{url_effective}", &url.replace("/content.bin", "?a=b")]);
    let printed = text(&output.stdout);
    assert!(printed.contains("content.bin") && printed.ends_with("/sub/?a=b"), "{printed}");
}
