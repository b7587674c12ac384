//! What the machine takes its input for, told as it takes it. Whoever writes down or shows what a peer has sent learns from
//! the machine itself what it was: a second reader of the bytes would read some of them otherwise, and show a secret.

use super::table::{Action, Event, Internal, State, Step};
use crate::fsm::Trace;

/// What a stretch of the input was taken for ([`ChannelTrace::part`]).
///
/// ```
/// use std::sync::Arc;
///
/// use httpfsm::channel::{Action, ChannelTrace, CompiledConfig, Event, Facts, Input, InputPart, Internal, State, Step};
/// use httpfsm::fsm::Trace;
/// use httpfsm::time::{Date, Moment, Now};
/// use httpfsm::{Channel, ChannelConfig};
///
/// /// How much of the input is of this part.
/// struct Count(InputPart, usize);
///
/// impl Trace<State, Event, Internal, Action> for Count {
///     fn step(&mut self, _: &Step) {}
/// }
///
/// impl ChannelTrace for Count {
///     fn part(&mut self, part: InputPart, bytes: usize) {
///         if part == self.0 {
///             self.1 += bytes;
///         }
///     }
/// }
///
/// let mut channel = Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
/// let now = Now::new(Moment::START, &Date::EPOCH);
/// let request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;ext\r\nhello\r\n0\r\n\r\n";
/// let mut extensions = Count(InputPart::ChunkExtension, 0);
/// channel.handle_with(&now, Input::RxData(request), &mut extensions)?;
/// while channel.next_output().is_some() {}
/// channel.handle_with(&now, Input::BodyDemand(1024), &mut extensions)?;
/// assert_eq!(extensions.1, 4);
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InputPart {
    /// The head of a request that is delivered, empty lines before it included. [`head_lines`](crate::request::head_lines)
    /// tells its lines.
    Head,
    /// Content of a request.
    Body,
    /// The digits of a chunk size.
    ChunkSize,
    /// Chunk extensions, from the first byte behind the size on.
    ChunkExtension,
    /// The CR LF behind a chunk size with its extensions, or behind the data of a chunk.
    ChunkLineEnd,
    /// A trailer section, its empty line included. [`trailer_lines`](crate::request::trailer_lines) tells its lines.
    Trailers,
    /// The rest of a content of known length, which nobody wanted.
    Skipped,
    /// What came for the protocol that takes over.
    HandedOver,
    /// Anything else: the connection ends, and these bytes are no part of a request that was delivered. Where the channel
    /// stood in [`State::Head`] ([`Step::state`]), they begin with a head that is refused or not whole. In `Fresh` and
    /// `Idle` they are empty lines.
    Unread,
}

/// A [`Trace`] of a channel. It hears of each row and, between the rows, of the input that their actions take.
///
/// Closures and `()` hear of the rows alone.
///
/// ```
/// use std::sync::Arc;
/// use httpfsm::channel::{Action, ChannelTrace, CompiledConfig, Event, Facts, Input, InputPart, Internal, State, Step};
/// use httpfsm::config::ChannelConfig;
/// use httpfsm::fsm::Trace;
/// use httpfsm::time::{Date, Moment, Now};
/// use httpfsm::Channel;
///
/// struct Parts(Vec<(InputPart, usize)>);
///
/// impl Trace<State, Event, Internal, Action> for Parts {
///     fn step(&mut self, _: &Step) {}
/// }
///
/// impl ChannelTrace for Parts {
///     fn part(&mut self, part: InputPart, bytes: usize) {
///         self.0.push((part, bytes));
///     }
/// }
///
/// let mut channel = Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
/// let now = Now::new(Moment::START, &Date::EPOCH);
/// let mut parts = Parts(Vec::new());
/// channel.handle_with(&now, Input::RxData(b"GET / HTTP/1.1\r\nHost: a\r\n"), &mut parts)?;
/// assert_eq!(parts.0, []);
/// channel.handle_with(&now, Input::RxData(b"\r\n"), &mut parts)?;
/// assert_eq!(parts.0, [(InputPart::Head, 27)]);
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
pub trait ChannelTrace: Trace<State, Event, Internal, Action> {
    /// The next `bytes` bytes of the input, which may be none, are a `part`.
    ///
    /// The calls together cover the input from its first byte on, each byte once and in order. A byte is reported when its
    /// kind is certain; those of an incomplete head, for example, wait until then. When the channel closes, the bytes that
    /// wait are reported, except after a panic.
    ///
    /// ```
    /// use std::collections::VecDeque;
    ///
    /// use httpfsm::channel::{Action, ChannelTrace, Event, InputPart, Internal, State, Step};
    /// use httpfsm::fsm::Trace;
    ///
    /// /// A recording of the input, without contents. Bytes that have come wait until it is known what they are.
    /// #[derive(Default)]
    /// struct Recorder {
    ///     waiting: VecDeque<u8>,
    ///     recording: Vec<u8>,
    /// }
    ///
    /// impl Trace<State, Event, Internal, Action> for Recorder {
    ///     fn step(&mut self, _: &Step) {}
    /// }
    ///
    /// impl ChannelTrace for Recorder {
    ///     fn part(&mut self, part: InputPart, bytes: usize) {
    ///         let known = self.waiting.drain(..bytes);
    ///         match part {
    ///             InputPart::Body | InputPart::Skipped => self.recording.extend(known.map(|_| b'.')),
    ///             _ => self.recording.extend(known),
    ///         }
    ///     }
    /// }
    /// ```
    #[inline(always)]
    fn part(&mut self, part: InputPart, bytes: usize) {
        let _ = (part, bytes);
    }
}

impl ChannelTrace for () {}

impl<F: FnMut(&Step)> ChannelTrace for F {}
