//! The outputs that were not taken yet.

use alloc::boxed::Box;

use crate::error::{BodyError, RequestError, Rule};
use crate::fsm::{Direction, Label};

crate::labelled! {
    /// The kind of an [`Output`](super::Output), in the order in which outputs that are pending together come out.
    ///
    /// ```
    /// use httpfsm::channel::OutputKind;
    /// use httpfsm::fsm::Label;
    ///
    /// // What the application learns last, and what comes before it.
    /// let last: Vec<_> = OutputKind::ALL.iter().rev().take(2).collect();
    /// assert_eq!(last, [&OutputKind::HttpChannelClosed, &OutputKind::Drop]);
    /// assert_eq!(OutputKind::Drop.meaning(), "Close the connection.");
    /// ```
    #[non_exhaustive]
    pub enum OutputKind {
        /// The channel is open.
        HttpChannelOpened,
        // The next four belong to the previous request, so they come before `HttpRequest`.
        /// The machine has responded 503, since the server is busy.
        RefusedBusy,
        /// Bytes of the response above its Content-Length were cut.
        Excess,
        /// Everything up to the last flush has left.
        Flushed,
        /// There is room for output again.
        TransmitReady,
        /// A request has come.
        HttpRequest,
        /// Bytes of the request body.
        BodyData,
        /// The request body is whole, with its trailer fields.
        BodyEnd,
        /// The request body ends here and is not whole.
        BodyFailed,
        /// The peer has ended its input; the response still goes out.
        PeerEnded,
        /// The machine has responded by itself.
        Refused,
        /// Send now.
        FlushOutputData,
        // These wait until all output has left.
        /// The connection is the application's.
        Upgraded,
        /// Send FIN, go on reading.
        CloseWrite,
        /// Close the connection.
        Drop,
        /// The channel is closed, and why.
        HttpChannelClosed,
    }
}

impl OutputKind {
    /// Who takes it.
    ///
    /// ```
    /// use httpfsm::channel::OutputKind;
    /// use httpfsm::fsm::{Direction, Label};
    ///
    /// // What a transport carries out by itself. All else goes to the application.
    /// let own = OutputKind::ALL.iter().filter(|kind| kind.direction() == Direction::BottomOutput);
    /// assert_eq!(own.map(|kind| kind.label()).collect::<Vec<_>>(), ["FlushOutputData", "CloseWrite", "Drop"]);
    /// ```
    #[must_use]
    pub const fn direction(self) -> Direction {
        match self {
            Self::HttpChannelOpened
            | Self::RefusedBusy
            | Self::Excess
            | Self::Flushed
            | Self::TransmitReady
            | Self::HttpRequest
            | Self::BodyData
            | Self::BodyEnd
            | Self::BodyFailed
            | Self::PeerEnded
            | Self::Refused
            | Self::Upgraded
            | Self::HttpChannelClosed => Direction::TopOutput,
            Self::FlushOutputData | Self::CloseWrite | Self::Drop => Direction::BottomOutput,
        }
    }

    /// Its bit in [`Outbox::pending`], which has no room for more than these.
    const fn bit(self) -> u16 {
        const { assert!(Self::ALL.len() <= u16::BITS as usize, "`Outbox::pending` needs more bits") };
        1 << self as u16
    }
}

/// The first of the outputs that wait until all output has left; those behind it wait, too.
const AFTER_OUTPUT: u16 = u16::MAX << OutputKind::Upgraded as u16;

/// What belongs to one request.
const OF_REQUEST: u16 =
    OutputKind::HttpRequest.bit() | OutputKind::BodyEnd.bit() | OutputKind::PeerEnded.bit();

/// The outputs that were not taken yet, and what they carry. The body bytes of `BodyData` are the receiver's, which
/// says whether there are any.
#[derive(Debug)]
pub(super) struct Outbox {
    /// A bit for each kind. All 16 are taken: one more output needs a `u32`.
    pending: u16,
    /// How many `RefusedBusy` were not taken.
    busy: u32,
    /// Few channels have any.
    errors: Option<Box<Errors>>,
}

/// What the last refusal, and the last failure of a body, was for.
#[derive(Debug)]
struct Errors {
    refusal: RequestError,
    body_error: BodyError,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { pending: OutputKind::HttpChannelOpened.bit(), busy: 0, errors: None }
    }
}

impl Default for Errors {
    fn default() -> Self {
        Self { refusal: RequestError::new(Rule::RequestLine, 0), body_error: BodyError::Closed }
    }
}

impl Outbox {
    #[inline]
    pub(super) fn put(&mut self, kind: OutputKind) {
        self.pending |= kind.bit();
    }

    /// What [`RefuseRequest`](super::Action::RefuseRequest) and [`RefuseBody`](super::Action::RefuseBody) respond to.
    #[cold]
    pub(super) fn note_refusal(&mut self, error: RequestError) {
        self.errors.get_or_insert_default().refusal = error;
    }

    /// Keeps the error for `BodyFailed`, an output that `RefuseBody` or `FailBody` of the same row puts.
    #[cold]
    pub(super) fn note_body_error(&mut self, error: BodyError) {
        self.errors.get_or_insert_default().body_error = error;
    }

    pub(super) fn put_refusal(&mut self, error: RequestError) {
        self.note_refusal(error);
        self.put(OutputKind::Refused);
    }

    pub(super) fn put_body_failed(&mut self, error: BodyError) {
        self.note_body_error(error);
        self.put(OutputKind::BodyFailed);
    }

    /// The connection goes on after this refusal, so the next may come before this one was taken.
    pub(super) fn put_busy(&mut self) {
        self.busy = self.busy.saturating_add(1);
        self.put(OutputKind::RefusedBusy);
    }

    #[inline]
    pub(super) fn has(&self, kind: OutputKind) -> bool {
        self.pending & kind.bit() != 0
    }

    /// Removes an output, which was taken or is not to be told.
    #[inline]
    pub(super) fn remove(&mut self, kind: OutputKind) {
        self.pending &= !kind.bit();
    }

    /// One `RefusedBusy` was taken.
    pub(super) fn busy_taken(&mut self) {
        self.busy = self.busy.saturating_sub(1);
        if self.busy > 0 {
            self.put(OutputKind::RefusedBusy);
        }
    }

    /// The exchange is over: what belongs to its request and was not taken never is.
    #[inline]
    pub(super) fn end_request(&mut self) {
        self.pending &= !OF_REQUEST;
    }

    /// Takes back a request that was not taken, with what belongs to it. Returns whether there was one.
    pub(super) fn retract_request(&mut self) -> bool {
        let untaken = self.has(OutputKind::HttpRequest);
        if untaken {
            self.end_request();
            self.remove(OutputKind::BodyFailed);
        }
        untaken
    }

    /// The connection closes now: nothing is left for the transport to do but to drop it.
    pub(super) fn end_connection(&mut self) {
        self.remove(OutputKind::CloseWrite);
        self.remove(OutputKind::FlushOutputData);
        self.put(OutputKind::HttpChannelClosed);
    }

    /// The output that comes next; `sent`: all bytes of the output have left; `body`: body bytes wait.
    #[inline]
    pub(super) fn first(&self, sent: bool, body: bool) -> Option<OutputKind> {
        let mut bits = self.pending;
        if !sent {
            bits &= !AFTER_OUTPUT;
        }
        if body {
            bits |= OutputKind::BodyData.bit();
        }
        OutputKind::ALL.get(bits.trailing_zeros() as usize).copied()
    }

    #[cold]
    pub(super) fn refusal(&self) -> RequestError {
        self.errors.as_deref().unwrap_or(&Errors::default()).refusal
    }

    #[cold]
    pub(super) fn body_error(&self) -> BodyError {
        self.errors.as_deref().unwrap_or(&Errors::default()).body_error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(kinds: &[OutputKind]) -> Outbox {
        let mut outbox = Outbox { pending: 0, ..Outbox::default() };
        kinds.iter().for_each(|kind| outbox.put(*kind));
        outbox
    }

    #[test]
    fn everything_comes_out_once_and_in_order() {
        let mut outbox = outbox(OutputKind::ALL);
        for kind in OutputKind::ALL {
            assert_eq!(outbox.first(true, false), Some(*kind));
            outbox.remove(*kind);
        }
        assert_eq!(outbox.first(true, false), None);
        assert_eq!(outbox.first(true, true), Some(OutputKind::BodyData));
    }

    #[test]
    fn the_end_of_a_connection_waits_for_its_output() {
        for kind in OutputKind::ALL {
            let waits = kind.index() >= OutputKind::Upgraded.index();
            assert_eq!(outbox(&[*kind]).first(false, false).is_none(), waits, "{kind}");
        }
    }

    #[test]
    fn a_request_takes_with_it_what_belongs_to_it() {
        use OutputKind::{BodyEnd, BodyFailed, HttpRequest, PeerEnded};
        for kind in OutputKind::ALL {
            let mut ended = outbox(&[*kind]);
            ended.end_request();
            let of_request = [HttpRequest, BodyEnd, PeerEnded].contains(kind);
            assert_eq!(ended.first(true, false).is_none(), of_request, "{kind}");

            let mut retracted = outbox(&[HttpRequest, *kind]);
            assert!(retracted.retract_request());
            let of_request = of_request || *kind == BodyFailed;
            assert_eq!(retracted.first(true, false).is_none(), of_request, "{kind}");

            let mut taken = outbox(&[*kind]);
            assert_eq!(taken.retract_request(), *kind == HttpRequest, "{kind}");
        }
    }

    #[test]
    fn each_refusal_of_a_busy_server_is_told() {
        let mut outbox = outbox(&[]);
        outbox.put_busy();
        outbox.put_busy();
        for left in [true, true, false] {
            assert_eq!(outbox.has(OutputKind::RefusedBusy), left);
            outbox.remove(OutputKind::RefusedBusy);
            outbox.busy_taken();
        }
    }
}
