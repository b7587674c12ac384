//! Content that the transport sends without handing over its bytes.

use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::ops::Range;

/// Content that is not in memory: bytes of a file, say, which the system can move to a socket by itself. A channel knows
/// how many bytes there are, and where in the response they come; a transport knows what they are bytes of.
///
/// ```
/// use std::sync::Arc;
/// use httpfsm::channel::{CompiledConfig, Data, Elsewhere, Facts, Input};
/// use httpfsm::config::ChannelConfig;
/// use httpfsm::response::{BodyRef, ResponseRef};
/// use httpfsm::time::{Date, Moment, Now};
/// use httpfsm::{Channel, Fields, Status};
///
/// struct Tape(&'static [u8]);
///
/// let mut channel = Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
/// let (now, fields) = (Now::new(Moment::START, &Date::EPOCH), Fields::new());
/// channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
/// while channel.next_output().is_some() {}
/// let body = BodyRef::Stream { length: Some(5) };
/// channel.handle(&now, Input::HttpResponse(ResponseRef { status: Status::OK, fields: &fields, body }))?;
/// let content = Elsewhere::new(Arc::new(Tape(b"0123456789")), 2..7);
/// channel.handle(&now, Input::Write(Data::Elsewhere(content)))?;
///
/// // What stands before it leaves first.
/// channel.handle(&now, Input::Sent(channel.unsent().len()))?;
/// assert!(channel.unsent().is_empty());
/// let content = channel.elsewhere().expect("it is to be sent");
/// let Some(Tape(bytes)) = content.source() else { panic!("bytes of something else") };
/// assert_eq!(&bytes[content.start() as usize..][..content.len() as usize], b"23456");
/// channel.handle(&now, Input::Sent(5))?;
/// assert!(channel.elsewhere().is_none());
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Clone)]
pub struct Elsewhere {
    source: Arc<dyn Any + Send + Sync>,
    range: Range<u64>,
}

impl Elsewhere {
    /// The bytes of `range` of a source. A range that ends before it begins is empty.
    #[must_use]
    pub fn new(source: Arc<dyn Any + Send + Sync>, range: Range<u64>) -> Self {
        Self { source, range: range.start..range.end.max(range.start) }
    }

    /// What they are bytes of, if it is of this type.
    #[must_use]
    pub fn source<T: Any>(&self) -> Option<&T> {
        self.source.downcast_ref()
    }

    /// Where in the source the next byte is.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.range.start
    }

    /// How many bytes are still to be sent.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Whether no byte is to be sent.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `n` bytes have left; there are as many.
    pub(super) fn advance(&mut self, n: u64) {
        self.range.start += n;
    }

    /// Only the first `length` bytes, where there are more.
    #[must_use]
    pub(super) fn truncated(mut self, length: u64) -> Self {
        self.range.end = self.range.end.min(self.range.start.saturating_add(length));
        self
    }
}

/// How many bytes there are.
impl fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Elsewhere({} bytes)", self.len())
    }
}
