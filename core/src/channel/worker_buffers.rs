//! Buffers that a worker lends to one channel at a time.

use alloc::vec::Vec;
use core::fmt;

use super::{input_buffer, output_buffer};
use crate::head::FieldPlace;

/// A worker's buffers. Lent to a channel for one wake-up ([`lend`](crate::Channel::lend),
/// [`take_back`](crate::Channel::take_back)), they make "no allocation per request" and "no buffer on an idle
/// connection" hold together. They move by ownership, so bytes of one channel can never reach another, as long as
/// the transport reports with [`RxRead`](crate::channel::Input::RxRead) only what it has read: the buffers are not cleared.
///
/// Buffers that are lent to another channel at the moment are empty; this channel then makes buffers of its own.
///
/// ```
#[doc = include_str!("../examples/fresh_channel.txt")]
/// # let mut channels = [channel];
/// // One for all the channels of a thread.
/// let mut worker = WorkerBuffers::new();
/// for channel in &mut channels {
///     channel.lend(&mut worker);
///     channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
///     while channel.next_output().is_some() {}
///     channel.respond_with(&now, |_, responder| {
///         responder.respond(ResponseRef::new(Status::NO_CONTENT, &fields, b""));
///     })?;
///     channel.take_back(&mut worker);
///     worker.refill();
/// }
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Default)]
pub struct WorkerBuffers {
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    /// For [`FieldPlaces`](crate::head::FieldPlaces), which make it when they are the first to want it.
    pub(super) places: Vec<FieldPlace>,
}

impl WorkerBuffers {
    /// Fresh buffers: 64 KiB of input, 16 KiB of output.
    ///
    /// ```
    /// use httpfsm::channel::WorkerBuffers;
    ///
    /// assert_eq!(format!("{:?}", WorkerBuffers::new()), "WorkerBuffers { input: 65536 bytes, output: 16384 bytes }");
    /// // Nothing is allocated for these until they are refilled.
    /// assert_eq!(format!("{:?}", WorkerBuffers::default()), "WorkerBuffers { input: 0 bytes, output: 0 bytes }");
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { input: input_buffer::lendable(), output: output_buffer::lendable(), places: Vec::new() }
    }

    /// Replaces what was kept by a channel (unsent output, say), so that the next one is lent something.
    ///
    /// ```
    /// use httpfsm::channel::WorkerBuffers;
    ///
    /// let mut buffers = WorkerBuffers::default();
    /// buffers.refill();
    /// assert_eq!(format!("{buffers:?}"), format!("{:?}", WorkerBuffers::new()));
    /// ```
    pub fn refill(&mut self) {
        if self.input.is_empty() {
            self.input = input_buffer::lendable();
        }
        if self.output.capacity() == 0 {
            self.output = output_buffer::lendable();
        }
    }
}

/// Lengths alone: the buffers hold what the connections before have left.
impl fmt::Debug for WorkerBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuffers")
            .field("input", &format_args!("{} bytes", self.input.len()))
            .field("output", &format_args!("{} bytes", self.output.capacity()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_channel_kept_is_replaced_and_what_it_gave_back_is_not() {
        let mut buffers = WorkerBuffers::default();
        buffers.refill();
        assert_eq!((buffers.input.len(), buffers.output.capacity()), (64 << 10, 16 << 10));
        buffers.input.truncate(1);
        buffers.output = Vec::with_capacity(1);
        buffers.refill();
        assert_eq!((buffers.input.len(), buffers.output.capacity()), (1, 1));
    }
}
