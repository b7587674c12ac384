//! What a channel waits for.

/// What a channel waits for when it has no output. Several may be true; none is true when the channel is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Waits {
    pub(crate) input: bool,
    pub(crate) room: bool,
    pub(crate) application: bool,
    pub(crate) deadline: bool,
}

impl Waits {
    /// Bytes from the peer: [`spare`](crate::Channel::spare) is where to.
    #[must_use]
    pub const fn input(self) -> bool {
        self.input
    }

    /// Room in the socket for [`unsent`](crate::Channel::unsent) bytes.
    #[must_use]
    pub const fn room(self) -> bool {
        self.room
    }

    /// The application: a response, a rest of one, or, after a hand-over, everything.
    #[must_use]
    pub const fn application(self) -> bool {
        self.application
    }

    /// Time: [`deadline`](crate::Channel::deadline) says when.
    #[must_use]
    pub const fn deadline(self) -> bool {
        self.deadline
    }

    /// Nothing: the channel is closed.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        !(self.input || self.room || self.application || self.deadline)
    }
}
