//! The response of a service, as the machine takes it.

use std::any::Any;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::Body as HttpBody;
use httpfsm::handler::{self, BodyFailure, Frame, IntoResponse, NoRoom, Response, Source};
use httpfsm::{BodyError, Fields, Status};

use crate::BoxError;
use crate::body::Body;
use crate::request::Asked;
use crate::spare;

/// How deep an error is searched for what it was made of.
const DEPTH: usize = 16;

/// Converts a response. Its body is polled once, since most bodies are whole then and need not be streamed.
pub(crate) fn convert<B>(response: http::Response<B>, asked: Asked, cx: &mut Context<'_>) -> Response
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let (parts, body) = response.into_parts();
    let status = Status::from(parts.status);
    let mut converted = Response::new(status);
    for (name, value) in &parts.headers {
        if converted.fields.push_header(name, value).is_err() {
            // Told as the same fault of any handler is.
            return converted.with_field(name.as_str(), value);
        }
    }
    spare::give(parts.headers);
    let without_content = asked.head || status.forbids_content();
    converted.body = content(body, without_content, cx);
    converted
}

/// The response to a request whose service has failed: 500, of which the subscriber is told why; or where the body of the
/// request failed, or there was no room in memory, what any handler's failure responds with.
#[cold]
pub(crate) fn failed(error: BoxError) -> Response {
    match known(&*error) {
        Some(failure) => failure.into_response(),
        None => {
            Response::new(Status::INTERNAL_SERVER_ERROR).with_failure(format!("The service failed: {error}"))
        }
    }
}

fn content<B>(body: B, without_content: bool, cx: &mut Context<'_>) -> handler::Body
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let mut body = Some(body);
    if let Some(own) = (&mut body as &mut dyn Any).downcast_mut::<Option<Body>>() {
        return own.take().unwrap_or_default().into_inner();
    }
    // This one needs no box to be polled in.
    #[cfg(feature = "axum")]
    if let Some(body) = (&mut body as &mut dyn Any).downcast_mut::<Option<axum::body::Body>>() {
        return body.take().map_or(handler::Body::Empty, |body| whole_or_stream(body, without_content, cx));
    }
    body.map_or(handler::Body::Empty, |body| whole_or_stream(Box::pin(body), without_content, cx))
}

/// Polls once for the first frame.
fn whole_or_stream<B>(mut body: B, without_content: bool, cx: &mut Context<'_>) -> handler::Body
where
    B: HttpBody + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        return handler::Body::Empty;
    }
    // Before the first frame: some bodies say what they had, and go on saying so.
    let length = body.size_hint().exact();
    let is_exact = |sent: usize| length.is_none_or(|length| length == sent as u64);
    let mut first = None;
    if !without_content {
        match poll(Pin::new(&mut body), cx) {
            // A body that is not as long as it said is streamed: so it is cut, however many frames it has.
            Poll::Ready(Frame::Data(data)) if body.is_end_stream() && is_exact(data.len()) => {
                return data.into();
            }
            Poll::Ready(Frame::End) if is_exact(0) => return handler::Body::Empty,
            Poll::Ready(frame) => first = Some(frame),
            Poll::Pending => {}
        }
    }
    handler::Body::stream(Streamed { body, first, left: length })
}

/// The next frame of a body.
fn poll<B>(body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Frame>
where
    B: HttpBody,
    B::Error: Into<BoxError>,
{
    Poll::Ready(match ready!(body.poll_frame(cx)) {
        None => Frame::End,
        Some(Err(error)) => {
            let error = error.into();
            Frame::Error(known(&*error).unwrap_or(BodyFailure::Source(error)))
        }
        Some(Ok(frame)) => match frame.into_data() {
            // `Bytes` are not copied here.
            Ok(mut data) => Frame::Data(data.copy_to_bytes(data.remaining())),
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => match Fields::try_from(&trailers) {
                    Ok(fields) => Frame::Trailers(fields),
                    Err(fault) => Frame::Error(BodyFailure::source(fault)),
                },
                // A kind of frame that HTTP/1 does not have.
                Err(_) => Frame::Data(Bytes::new()),
            },
        },
    })
}

/// A body of a service on its way out.
struct Streamed<B> {
    body: B,
    /// A frame that came before.
    first: Option<Frame>,
    /// Bytes still to come, of what the body had when it began.
    left: Option<u64>,
}

impl<B> Source for Streamed<B>
where
    B: HttpBody + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        let frame = match self.first.take() {
            Some(frame) => frame,
            None => ready!(poll(Pin::new(&mut self.body), cx)),
        };
        if let (Frame::Data(data), Some(left)) = (&frame, &mut self.left) {
            *left = left.saturating_sub(data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn length(&self) -> Option<u64> {
        self.left
    }
}

/// A failure of a request body, or of memory, that a service has wrapped.
fn known(error: &(dyn Error + Send + Sync + 'static)) -> Option<BodyFailure> {
    let mut error: &(dyn Error + 'static) = error;
    for _ in 0..DEPTH {
        if let Some(error) = error.downcast_ref::<BodyError>() {
            return Some(BodyFailure::Request(*error));
        }
        if let Some(none) = error.downcast_ref::<NoRoom>() {
            return Some(BodyFailure::source(*none));
        }
        error = error.source()?;
    }
    None
}
