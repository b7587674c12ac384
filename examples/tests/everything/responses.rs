//! Responses from memory, and to small bodies.

use crate::{on_each_transport, on_each_transport_with};

#[test]
fn the_page_comes_alone() {
    on_each_transport(|server| {
        let page = server.get("/");
        assert_eq!(page.interim, None);
        assert_eq!(page.field("Content-Type"), Some("text/html; charset=utf-8"));
        assert!(page.text().contains("<h1>Everything</h1>"), "{page:?}");
    });
}

#[test]
fn the_page_comes_after_its_hints_if_they_are_asked_for() {
    on_each_transport_with(&["--early-hints"], |server| {
        let page = server.get("/");
        let interim = page.interim.as_deref().unwrap_or_default();
        assert!(
            interim.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload"),
            "{page:?}"
        );
        assert!(page.text().contains("<h1>Everything</h1>"), "{page:?}");
    });
}

#[test]
fn what_the_page_needs_has_its_type() {
    on_each_transport(|server| {
        for (target, expected) in
            [("/style.css", "text/css"), ("/script.js", "text/javascript"), ("/machine.svg", "image/svg+xml")]
        {
            let response = server.get(target);
            assert_eq!(
                (response.status(), response.field("Content-Type")),
                (200, Some(expected)),
                "{target}"
            );
            let head = server.exchange(&format!("HEAD {target}"), "", "");
            assert_eq!(head.field("Content-Length"), response.field("Content-Length"), "{target}");
        }
    });
}

#[test]
fn a_request_is_described_in_json() {
    on_each_transport(|server| {
        let response = server.exchange("GET /request?a=b", "X-Quoted: \"\\\r\n", "");
        let description = response.json();
        assert_eq!(description["method"], "GET");
        assert_eq!(description["target"], "/request?a=b");
        assert_eq!(description["fields"][2], serde_json::json!(["X-Quoted", "\"\\"]));
    });
}

#[test]
fn a_form_is_decoded_and_what_it_says_is_no_markup() {
    on_each_transport(|server| {
        let response = server.post("/form", "other=1&name=Ada+%26+%3Cb%3E");
        assert_eq!(
            (response.status(), response.text().trim_end()),
            (200, "<p>Hello, Ada &amp; &lt;b&gt;!</p>")
        );
    });
}

#[test]
fn a_form_may_have_64_kib() {
    on_each_transport(|server| {
        assert_eq!(server.post("/form", vec![b'a'; 64 << 10]).status(), 200);
        assert_eq!(server.post("/form", vec![b'a'; (64 << 10) + 1]).status(), 413);
    });
}

#[test]
fn a_blocking_function_reads_its_body() {
    on_each_transport(|server| {
        assert_eq!(server.post("/words", " three\nlittle\twords").text(), "3 words\n");
        assert_eq!(server.post("/words", "").text(), "0 words\n");
        assert_eq!(server.post("/words", "word ".repeat(100_000)).text(), "100000 words\n");
    });
}

#[test]
fn what_is_not_there_is_404_and_what_is_there_names_its_methods() {
    on_each_transport(|server| {
        assert_eq!(server.get("/nothing").status(), 404);
        for (request, allowed) in
            [("DELETE /", "GET, HEAD"), ("GET /form", "POST"), ("HEAD /echo", "GET"), ("GET /files", "POST")]
        {
            let response = server.exchange(request, "", "");
            assert_eq!((response.status(), response.field("Allow")), (405, Some(allowed)), "{request}");
        }
    });
}
