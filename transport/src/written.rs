//! Bodies that an async function writes.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, BodyFailure, Frame, Source};

use crate::lock::lock;
use crate::{panics, waiting};

/// A body that is what `write` writes. Its future runs within the connection, as fast as the peer takes the bytes, and
/// is dropped when the peer is gone; what it returns as an error cuts the response off.
///
/// It is sent chunked, unless the response declares its length: `with_field("Content-Length", length.to_string())`. Then a
/// body that is shorter has its response cut off, and what is written beyond the length is not sent.
///
/// To wait, it takes a timer of the runtime. `httpfsm-blocking` has none: there, take one that needs no runtime, as that of
/// the crate `async-io`. A `thread::sleep` holds the thread that polls, a worker or one of the runtime, and with it other
/// requests.
///
/// The crate of each transport has this function, too, as `httpfsm_tokio::written`.
///
/// ```
/// use std::convert::Infallible;
///
/// use httpfsm::handler::{Request, Response};
/// use httpfsm::status::Status;
/// use httpfsm_transport::{BodyWriter, written};
///
/// async fn count(mut body: BodyWriter) -> Result<(), Infallible> {
///     for number in 1..=10 {
///         body.data(format!("{number}\n")).await;
///     }
///     Ok(())
/// }
///
/// async fn handler(_: Request) -> Response {
///     Response::new(Status::OK).with_body(written(count))
/// }
/// # let _ = handler;
/// ```
pub fn written<W, F, E>(write: W) -> Body
where
    W: FnOnce(BodyWriter) -> F,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let slot = Arc::new(Mutex::new(Slot::default()));
    let writing = write(BodyWriter(Arc::clone(&slot)));
    let writing = Box::pin(async { writing.await.map_err(Into::into) });
    Body::stream(WrittenSource { writing: Some(writing), last: None, slot })
}

/// What the function that is given to [`written`] writes with. It is for that function's own future: anywhere else it
/// waits for ever once the body is gone.
pub struct BodyWriter(Arc<Mutex<Slot>>);

impl BodyWriter {
    /// Writes bytes; resolves when there is room for more.
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use httpfsm::{Request, Response, Status};
    /// use httpfsm_transport::test::{TestRequest, call};
    /// use httpfsm_transport::{block_on, written};
    ///
    /// async fn count(_: Request) -> Response {
    ///     let numbers = written(|mut body| async move {
    ///         for number in 1..=3 {
    ///             body.data(format!("{number}\n")).await;
    ///         }
    ///         Ok::<(), Infallible>(())
    ///     });
    ///     Response::new(Status::OK).with_body(numbers)
    /// }
    ///
    /// assert_eq!(block_on(call(count, TestRequest::get("/"))).text(), "1\n2\n3\n");
    /// ```
    pub async fn data(&mut self, bytes: impl Into<Bytes>) {
        self.put(Frame::Data(bytes.into())).await;
    }

    /// Resolves when all bytes so far have left: [`Frame::Flush`].
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use httpfsm_transport::BodyWriter;
    ///
    /// /// The peer has each line before the next one is made.
    /// async fn follow(mut body: BodyWriter, lines: impl IntoIterator<Item = String>) -> Result<(), Infallible> {
    ///     for line in lines {
    ///         body.data(line).await;
    ///         body.flush().await;
    ///     }
    ///     Ok(())
    /// }
    /// # let lines = ["a".to_owned(), "b".to_owned()];
    /// # let handler = move |_: httpfsm::Request| {
    /// #     let body = httpfsm_transport::written(|body| follow(body, lines.clone()));
    /// #     async { httpfsm::Response::new(httpfsm::Status::OK).with_body(body) }
    /// # };
    /// # let response = httpfsm_transport::test::call(handler, httpfsm_transport::test::TestRequest::get("/"));
    /// # assert_eq!(httpfsm_transport::block_on(response).text(), "ab");
    /// ```
    pub async fn flush(&mut self) {
        self.put(Frame::Flush).await;
    }

    /// The trailer section that is to follow the content, where it is chunked: [`Frame::Trailers`].
    ///
    /// ```
    /// use httpfsm::{Fields, InvalidField, Request, Response, Status};
    /// use httpfsm_transport::test::{TestRequest, call};
    /// use httpfsm_transport::{block_on, written};
    ///
    /// async fn counted(_: Request) -> Response {
    ///     let body = written(|mut body| async move {
    ///         body.data("one two three").await;
    ///         body.trailers(Fields::new().with("X-Words", "3")?);
    ///         Ok::<(), InvalidField>(())
    ///     });
    ///     Response::new(Status::OK).with_body(body)
    /// }
    ///
    /// let response = block_on(call(counted, TestRequest::get("/")));
    /// assert!(response.trailers().any(|field| field.name == "X-Words" && field.value == b"3"));
    /// ```
    pub fn trailers(&mut self, fields: Fields) {
        let before = lock(&self.0).trailers.replace(fields);
        drop(before);
    }

    async fn put(&self, frame: Frame) {
        // Two waits, because a writer that was dropped while it waited has left its frame here.
        self.taken().await;
        let before = std::mem::replace(&mut lock(&self.0).frame, FrameSlot::Full(frame));
        // A frame may hold what is the application's, which is dropped outside of the lock.
        drop(before);
        self.taken().await;
    }

    async fn taken(&self) {
        poll_fn(|cx| {
            waiting::poll(&self.0, cx, |slot| match slot.frame {
                FrameSlot::Empty => Ok(()),
                FrameSlot::Full(_) | FrameSlot::Taken => Err(&mut slot.writer),
            })
        })
        .await;
    }
}

/// One frame on its way from the writer to the source.
#[derive(Default)]
struct Slot {
    frame: FrameSlot,
    trailers: Option<Fields>,
    writer: Option<Waker>,
}

#[derive(Default)]
enum FrameSlot {
    #[default]
    Empty,
    Full(Frame),
    /// Nobody has asked for another frame since: after a flush, bytes may still be on their way.
    Taken,
}

struct WrittenSource {
    /// `None` when it has returned.
    writing: Option<Pin<Box<Writing>>>,
    last: Option<Frame>,
    slot: Arc<Mutex<Slot>>,
}

type Writing = dyn Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send;

impl WrittenSource {
    fn take(&self, cx: &Context<'_>) -> Option<Frame> {
        let mut slot = lock(&self.slot);
        if let FrameSlot::Full(frame) = std::mem::replace(&mut slot.frame, FrameSlot::Taken) {
            return Some(frame);
        }
        slot.frame = FrameSlot::Empty;
        // A part of the future may have a waker of its own; the future as a whole is about to be polled.
        let writer = slot.writer.take();
        drop(slot);
        match writer {
            Some(writer) if !writer.will_wake(cx.waker()) => panics::wake(writer),
            known => panics::discard(known),
        }
        None
    }

    fn write(&mut self, cx: &mut Context<'_>) {
        let Some(writing) = &mut self.writing else { return };
        let Poll::Ready(result) = writing.as_mut().poll(cx) else { return };
        self.writing = None;
        self.last = Some(match result {
            Ok(()) => lock(&self.slot).trailers.take().map_or(Frame::End, Frame::Trailers),
            Err(error) => Frame::Error(BodyFailure::source(error)),
        });
    }
}

impl Source for WrittenSource {
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        if let Some(frame) = self.take(cx) {
            return Poll::Ready(frame);
        }
        self.write(cx);
        match self.take(cx).or_else(|| self.last.take()) {
            Some(frame) => Poll::Ready(frame),
            None => Poll::Pending,
        }
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyWriter(..)")
    }
}
