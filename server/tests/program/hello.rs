use crate::ServerProcess;

on_each_transport! {
    the_page_says_what_runs_and_counts,
}

fn the_page_says_what_runs_and_counts(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "hello"]);
    let get = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    server.exchange(get);
    let response = server.exchange(get);
    assert_eq!(response.status, "HTTP/1.1 200 OK");
    assert_eq!(response.field("content-type"), Some("text/html; charset=utf-8"));
    let page = response.text();
    let address = server.address().to_string();
    for part in
        [env!("CARGO_PKG_VERSION"), transport, &address, "/machine.svg", "open channels", "server.clisrv_"]
    {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
    let opened = page.split("<dt>opened</dt><dd>").nth(1).and_then(|rest| rest.split('<').next());
    assert_eq!(opened, Some("2"), "{page}");
}

#[test]
fn the_picture_is_the_one_that_draw_prints() {
    let response = ServerProcess::start(&["--app", "hello"])
        .exchange(b"GET /machine.svg HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(response.status, "HTTP/1.1 200 OK");
    assert_eq!(response.field("content-type"), Some("image/svg+xml"));
    assert_eq!(response.content, crate::run(&["draw", "--format", "svg"]).stdout);
}

#[test]
fn elsewhere_there_is_nothing() {
    let server = ServerProcess::start(&["--app", "hello"]);
    let response = server.exchange(b"GET /favicon.ico HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(response.status, "HTTP/1.1 404 Not Found");
    let response = server.exchange(b"DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(response.status, "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(response.field("allow"), Some("GET, HEAD"));
    let response = server.exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    response.assert("HTTP/1.1 200 OK", "");
}
