//! `--app bench`: what the benchmarks ask for, at the least cost.
//!
//! | request | response |
//! |---|---|
//! | `GET /plaintext` | `Hello, World!` |
//! | `POST /upload` | the length of the body, of which nothing is kept |
//! | `GET /bytes/N` | N bytes, by reference |
//! | `POST /echo` | the body, as it comes |

use std::io::{self, Read};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use httpfsm::fields::{Fields, InvalidField};
use httpfsm::handler::{Body, BodyFailure, Frame, Handler, IntoResponse, Request, Response, Source};
use httpfsm::status::Status;
use httpfsm_transport::BodyReader;

/// The application. Its fields are made once; up to 70 bytes of them are copied without an allocation.
pub(crate) struct BenchApp {
    text: Fields,
    bytes: Fields,
}

impl BenchApp {
    pub(crate) fn new() -> Result<Self, InvalidField> {
        Ok(Self {
            text: Fields::new().with("Content-Type", "text/plain")?,
            bytes: Fields::new().with("Content-Type", "application/octet-stream")?,
        })
    }
}

impl Handler for BenchApp {
    type Future = BenchFuture;

    // Inlined, as in a program with one transport; here each transport has its own caller.
    #[inline(always)]
    fn call(&self, mut request: Request) -> BenchFuture {
        let head = request.head();
        BenchFuture::Ready(match (head.method(), head.target()) {
            ("GET" | "HEAD", "/plaintext") => respond(&self.text, "Hello, World!".into()),
            ("GET" | "HEAD", target) => match length_asked(target) {
                Some(left) => respond(&self.bytes, Body::stream(Pattern { left })),
                None => Response::new(Status::NOT_FOUND),
            },
            ("POST", "/echo") => respond(&self.bytes, request.take_body()),
            ("POST", "/upload") => {
                return BenchFuture::Upload {
                    body: request.take_body(),
                    length: 0,
                    fields: self.text.clone(),
                };
            }
            _ => Response::new(Status::NOT_FOUND),
        })
    }
}

/// `--app bench-function`: what a function that blocks costs beside.
pub(crate) fn function()
-> Result<impl Fn(Request) -> io::Result<Response> + Send + Sync + 'static, InvalidField> {
    let text = Fields::new().with("Content-Type", "text/plain")?;
    Ok(move |mut request: Request| {
        let head = request.head();
        Ok(match (head.method(), head.target()) {
            ("GET" | "HEAD", "/plaintext") => respond(&text, "Hello, World!".into()),
            ("POST", "/upload") => {
                let mut reader = BodyReader::new(request.take_body());
                let mut buffer = vec![0; 64 << 10];
                let mut length = 0;
                loop {
                    match reader.read(&mut buffer)? {
                        0 => break,
                        bytes => length += bytes as u64,
                    }
                }
                respond(&text, length.to_string().into())
            }
            _ => Response::new(Status::NOT_FOUND),
        })
    })
}

fn respond(fields: &Fields, body: Body) -> Response {
    let mut response = Response::new(Status::OK);
    response.fields.clone_from(fields);
    response.body = body;
    response
}

/// The N of `/bytes/N`.
fn length_asked(target: &str) -> Option<u64> {
    let digits = target.strip_prefix("/bytes/")?;
    if digits.starts_with('+') { None } else { digits.parse().ok() }
}

/// A response that is ready, or that counts an upload first.
pub(crate) enum BenchFuture {
    Ready(Response),
    Upload { body: Body, length: u64, fields: Fields },
    Given,
}

impl Future for BenchFuture {
    type Output = Response;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let this = self.get_mut();
        if let Self::Upload { body, length, fields } = this {
            *this = Self::Ready(match ready!(count(body, length, cx)) {
                Ok(()) => respond(fields, length.to_string().into()),
                // 503 where there was no room to read it. Of other failures the machine has responded by itself.
                Err(failure) => failure.into_response(),
            });
        }
        match mem::replace(this, Self::Given) {
            Self::Ready(response) => Poll::Ready(response),
            Self::Upload { .. } | Self::Given => Poll::Pending,
        }
    }
}

/// Counts a body's bytes and drops them.
fn count(body: &mut Body, length: &mut u64, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
    while let Some(data) = ready!(body.poll_data(cx)).transpose()? {
        *length += data.len() as u64;
    }
    Poll::Ready(Ok(()))
}

/// As many bytes as were asked for: slices of [`PATTERN`], repeated.
struct Pattern {
    left: u64,
}

impl Source for Pattern {
    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Frame> {
        let pattern = PATTERN.as_flattened();
        let next = usize::try_from(self.left).unwrap_or(usize::MAX).min(pattern.len());
        self.left -= next as u64;
        Poll::Ready(match next {
            0 => Frame::End,
            _ => Frame::Data(Bytes::from_static(pattern).slice(..next)),
        })
    }

    fn length(&self) -> Option<u64> {
        Some(self.left)
    }
}

/// 1 MiB of lines, so that byte i of a response is known for each i: `0` and the 62 characters after it, then LF.
static PATTERN: [[u8; 64]; 1 << 14] = [line(); 1 << 14];

const fn line() -> [u8; 64] {
    let mut bytes = [b'\n'; 64];
    let mut at = 0;
    while at < 63 {
        bytes[at] = b'0' + at as u8;
        at += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use httpfsm::error::BodyError;
    use httpfsm::fields::Fields;
    use httpfsm::handler::{Body, BodyFailure, Frame, Handler, NoRoom};
    use httpfsm::status::Status;

    use super::{BenchApp, BenchFuture, Pattern, length_asked};
    use crate::app::testing::{content, exchange, request};

    fn bench() -> BenchApp {
        BenchApp::new().unwrap_or_else(|fault| panic!("{fault}"))
    }

    #[test]
    fn plaintext_allocates_nothing() {
        let bench = bench();
        let (call, mut polled) = (request("GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n"), Poll::Pending);
        let allocated = allocation_counter::measure(|| {
            polled = pin!(bench.call(call)).poll(&mut Context::from_waker(Waker::noop()));
        });
        assert_eq!(allocated.count_total, 0);
        let Poll::Ready(response) = polled else { panic!("not ready") };
        assert!(matches!(&response.body, Body::Full(content) if content == "Hello, World!"), "{response:?}");
    }

    #[test]
    fn a_body_for_which_there_is_no_room_is_503() {
        let body = Body::from_fn(|_| Poll::Ready(Frame::Error(BodyFailure::source(NoRoom))));
        let upload = BenchFuture::Upload { body, length: 0, fields: Fields::new() };
        let polled = pin!(upload).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(response) = polled else { panic!("not ready") };
        assert_eq!(response.status, Status::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn each_path_responds() {
        let get = "GET /bytes/70 HTTP/1.1\r\nHost: a\r\n\r\n";
        assert!(content(bench(), get).ends_with("klmn\n012345"));
        let post = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(content(bench(), post), "5");
        let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(content(bench(), post), "hello");
        let response = exchange(bench(), "HEAD /bytes/70 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(
            response.contains("\r\nContent-Length: 70\r\n") && response.ends_with("\r\n\r\n"),
            "{response}"
        );
    }

    fn frames(mut body: Body) -> Vec<Frame> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut frames = Vec::new();
        while let Poll::Ready(frame) = body.poll_frame(&mut cx) {
            let last = frame.is_last();
            frames.push(frame);
            if last {
                break;
            }
        }
        frames
    }

    #[test]
    fn the_length_is_a_number_and_nothing_else() {
        assert_eq!(length_asked("/bytes/0"), Some(0));
        assert_eq!(length_asked("/bytes/1073741824"), Some(1 << 30));
        for target in
            ["/bytes/", "/bytes/+1", "/bytes/-1", "/bytes/1?", "/bytes/99999999999999999999", "/byte/1"]
        {
            assert_eq!(length_asked(target), None, "{target}");
        }
    }

    #[test]
    fn bytes_come_by_reference_in_pieces_of_a_mebibyte() {
        let frames = frames(Body::stream(Pattern { left: (2 << 20) + 3 }));
        let pieces: Vec<_> = frames
            .iter()
            .filter_map(|frame| match frame {
                Frame::Data(data) => Some((data.as_ptr(), data.len())),
                _ => None,
            })
            .collect();
        let pattern = super::PATTERN.as_flattened().as_ptr();
        assert_eq!(pieces, [(pattern, 1 << 20), (pattern, 1 << 20), (pattern, 3)]);
        assert!(matches!(frames.last(), Some(Frame::End)));
    }

    #[test]
    fn an_upload_is_counted_across_pauses() {
        let mut script = vec![
            Poll::Ready(Frame::Data("abc".into())),
            Poll::Pending,
            Poll::Ready(Frame::Data("de".into())),
            Poll::Ready(Frame::End),
        ]
        .into_iter();
        let body = Body::from_fn(move |_| script.next().unwrap_or(Poll::Pending));
        let mut future = pin!(BenchFuture::Upload { body, length: 0, fields: Fields::new() });
        let mut cx = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_pending());
        let Poll::Ready(response) = future.poll(&mut cx) else { panic!("still counting") };
        assert!(matches!(&response.body, Body::Full(content) if content == "5"), "{response:?}");
    }

    #[test]
    fn a_failed_upload_is_no_success() {
        let body = Body::from_fn(|_| Poll::Ready(Frame::Error(BodyError::Truncated.into())));
        let future = pin!(BenchFuture::Upload { body, length: 0, fields: Fields::new() });
        let Poll::Ready(response) = future.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("still counting")
        };
        assert_eq!(response.status, Status::BAD_REQUEST);
    }

    #[test]
    fn the_future_is_little_larger_than_its_response() {
        let future = size_of::<BenchFuture>();
        assert!(future <= size_of::<httpfsm::handler::Response>() + 16, "{future}");
    }
}
