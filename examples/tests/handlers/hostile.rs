//! Content that means harm.

use httpfsm::handler::{MultipartError, Request};
use httpfsm_transport::test::TestRequest;
use multer::Constraints;

use super::{respond, status_and_text};

/// The data of each part, behind its name.
async fn parts(mut request: Request) -> Result<String, MultipartError> {
    let mut form = request.multipart(Constraints::new())?;
    let mut seen = String::new();
    while let Some(mut part) = form.next_part().await? {
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
