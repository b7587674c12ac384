//! Forms with uploads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use httpfsm::Status;
use httpfsm::handler::{Body, Frame, MultipartError, Request};
use httpfsm_transport::test::TestRequest;
use multer::{Constraints, SizeLimit};

use crate::{respond, status_and_text};

#[test]
fn parts_of_a_form_come_one_by_one() {
    async fn upload(mut request: Request) -> Result<String, MultipartError> {
        let limits = SizeLimit::new().per_field(8);
        let mut form = request.multipart(Constraints::new().size_limit(limits))?;
        let mut seen = String::new();
        while let Some(mut part) = form.next_part().await? {
            let (name, file) =
                (part.name().unwrap_or_default().to_owned(), part.file_name().map(str::to_owned));
            seen += &format!("{name} {file:?} {};", part.text(100).await?);
        }
        Ok(seen)
    }
    let form = |text: &str| {
        let content = format!(
            "--xx\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n{text}\r\n--xx\r\nContent-Disposition: form-data; \
             name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nabc\r\n--xx--\r\n"
        );
        TestRequest::post("/", content).field("Content-Type", "multipart/form-data; boundary=xx")
    };
    assert_eq!(respond(upload, form("hello")).text(), "note None hello;file Some(\"a.txt\") abc;");
    assert_eq!(status_and_text(upload, form("more than eight")).0, 413);
    assert_eq!(status_and_text(upload, form("a").content("--xx\r\nContent-Disp")).0, 400);
    assert_eq!(status_and_text(upload, TestRequest::post_json("/", "{}")).0, 415);
    let twice = form("a").field("Content-Type", "multipart/form-data; boundary=yy");
    assert_eq!(status_and_text(upload, twice).0, 415);
    let chunks = form("a").content("5\r\n--xx\r\nnonsense").field("Transfer-Encoding", "chunked");
    assert_eq!(respond(upload, chunks).status(), Status::BAD_REQUEST);
}

/// A form that is all there, as that of a body in a file, after `head` the same piece for ever; and how much of it was read.
fn ready(head: &'static str, piece: Bytes) -> (Body, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let (counts, mut head) = (Arc::clone(&read), Some(Bytes::from_static(head.as_bytes())));
    let body = Body::from_fn(move |_| {
        let piece = head.take().unwrap_or_else(|| piece.clone());
        let before = counts.fetch_add(piece.len(), Ordering::Relaxed);
        assert!(before < 64 << 20, "it is read to its end");
        Poll::Ready(Frame::Data(piece))
    });
    (body, read)
}

fn post() -> TestRequest {
    TestRequest::post("/", "-").field("Content-Type", "multipart/form-data; boundary=xx")
}

const FILE: &str = "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../a\"\r\nContent-Type: text/css\r\n\r\n";

#[test]
fn no_more_is_read_of_a_body_than_its_reader_takes() {
    let upload = |mut request: Request| async move {
        let (body, read) = ready(FILE, Bytes::from(vec![b'x'; 256 << 10]));
        *request.body() = body;
        let mut form = request.multipart(Constraints::new())?;
        let Some(mut part) = form.next_part().await? else { return Ok(String::new()) };
        let head = (part.name(), part.file_name(), part.content_type(), part.field("content-TYPE"));
        assert_eq!(head, (Some("file"), Some("../a"), Some("text/css"), Some(&b"text/css"[..])));
        let mut taken = 0;
        for _ in 0..100 {
            taken += part.chunk().await?.unwrap_or_default().len();
            let ahead = read.load(Ordering::Relaxed) - taken;
            assert!(ahead <= (256 << 10) + 300, "{ahead}");
        }
        assert!(taken > 1 << 20, "{taken}");
        assert!(part.bytes(1 << 20).await.is_err());
        Ok::<_, MultipartError>("read".to_owned())
    };
    assert_eq!(respond(upload, post()).text(), "read");
}

/// A parser that reads on with each of them would have all of them in memory.
#[test]
fn many_small_parts_are_read_one_by_one_and_those_that_nobody_reads_are_skipped() {
    const PART: &str = "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n";
    let upload = |mut request: Request| async move {
        let (body, read) = ready("", Bytes::from(PART.repeat(100)));
        *request.body() = body;
        let mut form = request.multipart(Constraints::new())?;
        for parts in 1..2000 {
            let Some(mut part) = form.next_part().await? else { break };
            if parts % 2 == 0 {
                assert_eq!(part.text(1).await?, "b");
            }
            let ahead = read.load(Ordering::Relaxed) - parts * PART.len();
            assert!(ahead <= (32 << 10) + 300, "{ahead}");
        }
        Ok::<_, MultipartError>("read".to_owned())
    };
    assert_eq!(respond(upload, post()).text(), "read");
}

#[test]
fn a_part_without_a_beginning_is_a_413() {
    for head in ["", "--xx\r\nX-Endless: "] {
        let upload = move |mut request: Request| async move {
            *request.body() = ready(head, Bytes::from_static(&[b'x'; 5000])).0;
            let mut form = request.multipart(Constraints::new())?;
            let found = form.next_part().await?.is_some();
            Ok::<_, MultipartError>(format!("{found}"))
        };
        assert_eq!(respond(upload, post()).status(), Status::CONTENT_TOO_LARGE, "{head}");
    }
}

/// Its bytes are as many as the constraints allow.
#[test]
fn a_large_part_that_nobody_reads_is_skipped() {
    let upload = |mut request: Request| async move {
        *request.body() = ready(FILE, Bytes::from(vec![b'x'; 100_000])).0;
        let limits = SizeLimit::new().per_field(20 << 20);
        let mut form = request.multipart(Constraints::new().size_limit(limits))?;
        let is_first = form.next_part().await?.is_some();
        let is_second = form.next_part().await?.is_some();
        Ok::<_, MultipartError>(format!("{is_first} {is_second}"))
    };
    let (code, text) = status_and_text(upload, post());
    assert_eq!(code, 413);
    assert!(text.contains("20971520"), "{text}");
}
