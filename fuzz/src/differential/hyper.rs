//! What hyper reads in the bytes of a connection, without a socket and without a runtime.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};

use super::{FIELDS, ParsedRequest, Session, SessionEnd};

pub(super) fn read(bytes: &[u8]) -> Session {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let end = Arc::new(Mutex::new(None));
    let seen = (requests.clone(), end.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (requests, end) = seen.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body,
                Err(error) => {
                    *end.lock().expect("nobody panicked") = Some(end_of(&error));
                    return Ok(Response::new(Empty::new()));
                }
            };
            let (method, target) = (head.method.as_str().into(), head.uri.to_string().into());
            let message = ParsedRequest { method, target, body: body.to_bytes().into() };
            requests.lock().expect("nobody panicked").push(message);
            if head.method == Method::CONNECT {
                *end.lock().expect("nobody panicked") = Some(SessionEnd::HandedOver);
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let io = Memory { unread: bytes.to_vec(), at: 0 };
    let connection = http1::Builder::new()
        .half_close(true)
        .max_headers(FIELDS)
        // The clock would have the same input cover other code at another time.
        .auto_date_header(false)
        .serve_connection(io, service);
    let mut connection = pin!(connection.with_upgrades());
    let mut context = Context::from_waker(Waker::noop());
    let mut polls = 0;
    let ended = loop {
        match connection.as_mut().poll(&mut context) {
            Poll::Ready(ended) => break ended,
            // Input and output are always ready, so each poll gets on.
            Poll::Pending => polls += 1,
        }
        assert!(polls < bytes.len() + 64, "hyper waits for nothing: {}", bytes.escape_ascii());
    };
    let requests = std::mem::take(&mut *requests.lock().expect("nobody panicked"));
    let in_service = end.lock().expect("nobody panicked").take();
    let end =
        in_service.unwrap_or_else(|| ended.map_or_else(|error| end_of(&error), |()| SessionEnd::Ordered));
    Session { requests, end }
}

fn end_of(error: &hyper::Error) -> SessionEnd {
    let cause = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    let is_cut = error.is_incomplete_message()
        || cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::UnexpectedEof);
    if is_cut { SessionEnd::Cut } else { SessionEnd::Error(format!("{error:?}")) }
}

/// A socket whose peer has sent everything, and takes everything.
struct Memory {
    unread: Vec<u8>,
    at: usize,
}

impl Read for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut room: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let n = room.remaining().min(self.unread.len() - self.at);
        room.put_slice(&self.unread[self.at..self.at + n]);
        self.at += n;
        Poll::Ready(Ok(()))
    }
}

impl Write for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
