//! Parts of a file.

use super::site::{TestSite, field};

#[test]
fn a_range_is_sent_alone() {
    let site = TestSite::new(&[("a.txt", "0123456789")]);
    let response = site.get("/a.txt", "Range: bytes=2-4\r\n");
    assert!(response.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n234"), "{response}");
    assert_eq!(field(&response, "Content-Range"), "bytes 2-4/10");
    assert_eq!(field(&response, "Content-Length"), "3");
    assert_eq!(field(&response, "Content-Type"), "text/plain; charset=utf-8");
    let etag = field(&response, "ETag");
    for (fields, status, content) in [
        (format!("If-Range: {etag}\r\n"), 206, "34"),
        ("If-Range: \"another\"\r\n".to_owned(), 200, "0123456789"),
        (format!("If-Match: {etag}\r\n"), 206, "34"),
        ("If-Match: \"another\"\r\n".to_owned(), 412, "This is not what the request supposes.\n"),
    ] {
        let response = site.get("/a.txt", &format!("Range: bytes=3-4\r\n{fields}"));
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {response}");
        assert!(response.ends_with(&format!("\r\n\r\n{content}")), "{fields}: {response}");
    }
}

#[test]
fn a_416_has_the_length() {
    let site = TestSite::new(&[("a.txt", "0123456789")]);
    let response = site.get("/a.txt", "Range: bytes=10-\r\n");
    assert!(response.starts_with("HTTP/1.1 416 Range Not Satisfiable\r\n"), "{response}");
    assert_eq!(field(&response, "Content-Range"), "bytes */10");
}

#[test]
fn several_ranges_come_as_parts() {
    let site = TestSite::new(&[("a.txt", "0123456789")]);
    let response = site.get("/a.txt", "Range: bytes=0-1,-2\r\n");
    assert!(response.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{response}");
    let boundary = field(&response, "Content-Type").strip_prefix("multipart/byteranges; boundary=").unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("Content-Range"), "{head}");
    assert_eq!(field(head, "Content-Length"), body.len().to_string());
    let expected = format!(
        "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
         \r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 8-9/10\r\n\r\n89\
         \r\n--{boundary}--\r\n"
    );
    assert_eq!(body, expected);
    let flood = site.get("/a.txt", &format!("Range: bytes={}\r\n", "0-,".repeat(500)));
    assert!(flood.starts_with("HTTP/1.1 200 OK\r\n") && flood.ends_with("\r\n\r\n0123456789"), "{flood}");
}
