//! The body of a form with uploads, so that its parser holds little of it.
//!
//! `multer` reads as long as something is there, and keeps and searches again all that has come until a head of a part is
//! complete. So it is given one piece at a time, and no head that is too long.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use memchr::memmem;

use crate::handler::body::Body;

/// What may stand before the first part, and the most bytes of a part's head.
const HEAD: usize = 16 << 10;

type BoxError = Box<dyn core::error::Error + Send + Sync>;

/// The data of a body, as a stream.
pub(super) struct BoundedParts {
    body: Body,
    /// CR LF, two hyphens and the boundary, which end a part.
    delimiter: Vec<u8>,
    place: Place,
    /// The last bytes that have come, in which what ends this place may have begun.
    tail: Vec<u8>,
    /// Bytes since data was last read.
    head: usize,
    /// The last poll gave a piece, which is to be parsed before the next one.
    has_given: bool,
}

/// What comes.
#[derive(Clone, Copy)]
enum Place {
    /// What is before the first boundary.
    Preamble,
    /// The rest of a line with a boundary.
    Boundary,
    /// The field lines of a part.
    Fields,
    /// The data of a part.
    Data,
}

impl BoundedParts {
    pub(super) fn new(body: Body, boundary: &str) -> Self {
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        Self { body, delimiter, place: Place::Preamble, tail: Vec::new(), head: 0, has_given: false }
    }

    /// Follows the parts through these bytes. `false` if a head is too long.
    fn follow(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let end = match self.place {
                // No line needs to end before the first one.
                Place::Preamble => self.delimiter.get(2..).unwrap_or_default(),
                Place::Boundary => b"\r\n",
                Place::Fields => b"\r\n\r\n",
                Place::Data => &self.delimiter,
            };
            let passed = pass(&mut self.tail, bytes, end);
            let length = passed.unwrap_or(bytes.len());
            self.head = if matches!(self.place, Place::Data) { 0 } else { self.head + length };
            if self.head > HEAD {
                return false;
            }
            if passed.is_none() {
                return true;
            }
            bytes = bytes.get(length..).unwrap_or_default();
            self.place = match self.place {
                Place::Preamble | Place::Data => Place::Boundary,
                Place::Boundary => Place::Fields,
                Place::Fields => Place::Data,
            };
        }
    }
}

/// How many of `bytes` there are to the end of the first `end`, which may begin in `tail`. Without one, `tail` becomes what
/// may be its beginning.
fn pass(tail: &mut Vec<u8>, bytes: &[u8], end: &[u8]) -> Option<usize> {
    let before = tail.len();
    tail.extend_from_slice(bytes.get(..end.len() - 1).unwrap_or(bytes));
    let found = memmem::find(tail, end).map(|at| at + end.len() - before);
    let found = found.or_else(|| memmem::find(bytes, end).map(|at| at + end.len()));
    if found.is_some() {
        tail.clear();
        return found;
    }
    if bytes.len() >= end.len() {
        tail.clear();
        tail.extend_from_slice(bytes);
    }
    tail.drain(..tail.len().saturating_sub(end.len() - 1));
    None
}

impl Stream for BoundedParts {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if core::mem::take(&mut this.has_given) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(match ready!(this.body.poll_data(cx)) {
            Some(Ok(bytes)) if this.follow(&bytes) => {
                this.has_given = true;
                Some(Ok(bytes))
            }
            Some(Ok(_)) => Some(Err(Box::new(HeadTooLong))),
            Some(Err(failure)) => Some(Err(Box::new(failure))),
            None => None,
        })
    }
}

/// Why a form is read no further.
#[derive(Debug)]
struct HeadTooLong;

impl fmt::Display for HeadTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the head of a part has more than {HEAD} bytes")
    }
}

impl core::error::Error for HeadTooLong {}
