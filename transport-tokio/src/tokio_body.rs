//! A body for what speaks tokio's traits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use httpfsm::fields::Fields;
use httpfsm::handler::Body;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

/// A body as tokio's `AsyncRead` and `AsyncBufRead`, for `copy`, `lines`, decoders, and what else reads. It is read from the
/// connection as fast as it is polled, and no faster. It needs no runtime, so it reads bodies of any transport.
///
/// Within an error is the [`BodyFailure`](httpfsm::handler::BodyFailure), which [`io::Error::downcast`] takes out. As a
/// response it is the one that the failure calls for: 400, 408, 413. Behind an error there is an end.
///
/// `AsyncBufRead` gives the bytes as they came, so `copy_buf` and `lines` need no buffer beside.
///
/// ```
/// use std::io;
///
/// use httpfsm::Request;
/// use httpfsm_tokio::TokioBody;
/// use tokio::io::AsyncBufReadExt;
///
/// /// How many lines of the body have a comma.
/// async fn rows(mut request: Request) -> io::Result<String> {
///     let mut lines = TokioBody::new(request.take_body()).lines();
///     let mut rows = 0;
///     while let Some(line) = lines.next_line().await? {
///         rows += usize::from(line.contains(','));
///     }
///     Ok(format!("{rows} rows"))
/// }
/// # let _ = rows;
/// ```
#[derive(Debug)]
pub struct TokioBody {
    body: Body,
    /// What has come and is not read yet.
    left: Bytes,
}

impl TokioBody {
    /// Reads `body`.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self { body, left: Bytes::new() }
    }

    /// The trailer section, once the body has been read to its end; `None` if none came.
    #[must_use]
    pub fn trailers(&self) -> Option<&Fields> {
        self.body.trailers()
    }
}

impl AsyncRead for TokioBody {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Nothing would be taken of bytes that are waited for.
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let taken = bytes.len().min(buffer.remaining());
        buffer.put_slice(&bytes[..taken]);
        self.consume(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for TokioBody {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.left.is_empty() {
            // What has been read is not kept while more is waited for.
            this.left = Bytes::new();
            if let Some(data) = ready!(this.body.poll_data(cx)) {
                this.left = data?;
            }
        }
        Poll::Ready(Ok(&this.left))
    }

    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        self.left.advance(bytes);
    }
}
