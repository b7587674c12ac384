//! Content that means harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use httpfsm::handler::{Body, Frame, MultipartError, Request};
use httpfsm_transport::test::TestRequest;
use multer::Constraints;

use super::{respond, status_and_text};

/// The data of each part, behind its name.
async fn parts(mut request: Request) -> Result<String, MultipartError> {
    let mut form = request.multipart(Constraints::new())?;
    let mut seen = String::new();
    while let Some(mut part) = form.next_field().await? {
        seen += part.name().unwrap_or_default();
        let mut bytes = 0;
        while let Some(piece) = part.chunk().await? {
            bytes += piece.len();
        }
        seen += &format!(" {bytes};");
    }
    Ok(seen)
}

fn form(content: impl Into<Vec<u8>>) -> TestRequest {
    TestRequest::post("/", content.into()).field("Content-Type", "multipart/form-data; boundary=xx")
}

#[test]
fn heads_of_a_form_are_bounded() {
    let part = "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    let long = |byte: &str| byte.repeat(17 << 10);
    for content in [
        format!("{}{part}1\r\n--xx--", long("p")),
        format!("--xx{}\r\n{}1\r\n--xx--", long(" "), &part[6..]),
        format!("--xx\r\nA: {}\r\n{}1\r\n--xx--", long("h"), &part[6..]),
        format!("{part}1\r\n{part}2\r\n--xx\r\nA: {}", long("h")),
        // A blank line at once ends no head for the parser.
        format!("--xx\r\n\r\n{}", long("h")),
    ] {
        let (code, text) = status_and_text(parts, form(content));
        assert_eq!((code, text.contains("more than 16384 bytes")), (400, true), "{text}");
    }
    // Data may be long, and heads together.
    let (data, field) = (long("\r\n--x"), format!("--xx\r\nB: {}", "b".repeat(6 << 10)));
    let content = format!(
        "{}{part}{data}\r\n{field}{}1\r\n{field}{}2\r\n--xx--",
        "p".repeat(9000),
        &part[4..],
        &part[4..]
    );
    assert_eq!(respond(parts, form(content)).text(), format!("a {};a 1;a 1;", data.len()));
}

/// What the parser has not been asked for stays where it is bounded.
#[test]
fn a_form_is_read_as_far_as_it_is_asked_for() {
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    let upload = move |mut request: Request| {
        let given = Arc::clone(&count);
        async move {
            let mut first = Some("--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n");
            let counted = Arc::clone(&given);
            *request.body() = Body::from_fn(move |_| {
                // It comes without a pause, as from a file.
                Poll::Ready(match counted.fetch_add(1, Ordering::Relaxed) {
                    1000.. => Frame::End,
                    _ => Frame::Data(first.take().unwrap_or("data").into()),
                })
            });
            let mut form = request.multipart(Constraints::new())?;
            let mut part = form.next_field().await?.ok_or(multer::Error::IncompleteStream)?;
            let piece = part.chunk().await?.unwrap_or_default();
            Ok::<_, MultipartError>(format!("{} {}", piece.len(), given.load(Ordering::Relaxed)))
        }
    };
    assert_eq!(respond(upload, form("x")).text(), "4 2");
}

#[test]
fn a_form_has_one_content_type() {
    let part = "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xx--";
    assert_eq!(respond(parts, form(part)).text(), "a 1;");
    let twice = form(part).field("Content-Type", "multipart/form-data; boundary=yy");
    assert_eq!(status_and_text(parts, twice).0, 415);
}

/// One cookie that is no text, which another site of the domain may have set, takes none of the others with it.
#[test]
fn a_bad_cookie_is_left_out_alone() {
    use httpfsm_transport::memory::MemoryServer;
    let names = |request: Request| async move {
        request.cookies().map(|cookie| cookie.name().to_owned()).collect::<Vec<_>>().join(",")
    };
    let mut server = MemoryServer::new(httpfsm::ServerConfig::default(), names);
    let client = server.connect().expect("everybody may connect");
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1; evil=\xff; b=2\r\n\r\n");
    server.run();
    let text = client.take_text();
    assert!(text.ends_with("\r\n\r\na,b"), "{text}");
}
