use crate::ServerProcess;

on_each_transport! {
    plaintext_is_thirteen_bytes_with_the_four_fields,
    an_upload_is_counted,
    the_bytes_asked_for_come_in_lines_of_64,
    a_body_is_echoed_as_it_came,
}

fn server(transport: &str) -> ServerProcess {
    ServerProcess::on(transport, &["--app", "bench"])
}

fn request(method: &str, target: &str, content: &str) -> Vec<u8> {
    let length = content.len();
    format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{content}")
        .into_bytes()
}

fn plaintext_is_thirteen_bytes_with_the_four_fields(transport: &str) {
    let response =
        server(transport).exchange(b"GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    response.assert("HTTP/1.1 200 OK", "Hello, World!");
    assert_eq!(response.field("content-type"), Some("text/plain"));
    assert_eq!(response.field("content-length"), Some("13"));
    assert!(response.field("server").is_some() && response.field("date").is_some());
    let head =
        server(transport).exchange(b"HEAD /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    head.assert("HTTP/1.1 200 OK", "");
    assert_eq!(head.field("content-length"), Some("13"));
}

fn an_upload_is_counted(transport: &str) {
    server(transport)
        .exchange(&request("POST", "/upload", &"x".repeat(300_000)))
        .assert("HTTP/1.1 200 OK", "300000");
    server(transport).exchange(&request("POST", "/upload", "")).assert("HTTP/1.1 200 OK", "0");
}

fn the_bytes_asked_for_come_in_lines_of_64(transport: &str) {
    let server = server(transport);
    for length in [0, 1, 64, 100, (1 << 20) + 65] {
        let response = server.exchange(&request("GET", &format!("/bytes/{length}"), ""));
        assert_eq!(response.status, "HTTP/1.1 200 OK");
        assert_eq!(response.field("content-length"), Some(length.to_string().as_str()));
        assert_eq!(response.content.len(), length);
        for (at, byte) in response.content.iter().enumerate() {
            let expected = if at % 64 == 63 { b'\n' } else { b'0' + (at % 64) as u8 };
            assert_eq!(*byte, expected, "byte {at} of {length}");
        }
    }
}

fn a_body_is_echoed_as_it_came(transport: &str) {
    let content = "0123456789".repeat(30_000);
    let response = server(transport).exchange(&request("POST", "/echo", &content));
    assert_eq!(response.status, "HTTP/1.1 200 OK");
    assert_eq!(response.field("content-length"), Some("300000"));
    assert!(response.text() == content);
}

#[test]
fn everything_else_is_not_there() {
    let server = ServerProcess::start(&["--app", "bench"]);
    for (method, target) in
        [("GET", "/"), ("GET", "/bytes/"), ("GET", "/bytes/-1"), ("GET", "/bytes/+1"), ("POST", "/plaintext")]
    {
        assert_eq!(
            server.exchange(&request(method, target, "")).status,
            "HTTP/1.1 404 Not Found",
            "{method} {target}"
        );
    }
}
