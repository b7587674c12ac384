//! What a channel waits for.

/// What a channel waits for when it has no output. Several may be true; none is true when the channel is closed.
///
/// ```
#[doc = include_str!("../examples/fresh_channel.txt")]
/// // What is a transport to register for with its poller?
/// let waits = channel.waits_for();
/// let (readable, writable) = (waits.input(), waits.room());
/// assert!(readable && !writable);
/// ```
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
    ///
    /// ```
    #[doc = include_str!("../examples/waiting_channel.txt")]
    /// // The next request may come while this one is with the application.
    /// assert!(channel.waits_for().input());
    /// channel.handle(&now, Input::Disconnected)?;
    /// assert!(!channel.waits_for().input());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub const fn input(self) -> bool {
        self.input
    }

    /// Room in the socket for [`unsent`](crate::Channel::unsent) bytes.
    ///
    /// ```
    #[doc = include_str!("../examples/waiting_channel.txt")]
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
    /// assert!(channel.waits_for().room());
    /// channel.handle(&now, Input::Sent(channel.unsent_len()))?;
    /// assert!(!channel.waits_for().room());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub const fn room(self) -> bool {
        self.room
    }

    /// The application: a response, a rest of one, or, after a hand-over, everything.
    ///
    /// ```
    #[doc = include_str!("../examples/waiting_channel.txt")]
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, None)))?;
    /// // The head is there, and the content is to come.
    /// assert!(channel.waits_for().application());
    /// channel.finish(&now, None)?;
    /// assert!(!channel.waits_for().application());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub const fn application(self) -> bool {
        self.application
    }

    /// Time: [`deadline`](crate::Channel::deadline) says when.
    ///
    /// ```
    #[doc = include_str!("../examples/fresh_channel.txt")]
    /// // A timer is needed only where this holds.
    /// assert!(channel.waits_for().deadline());
    /// assert_eq!(channel.deadline(), Some(Moment::from_millis(30_000)));
    /// ```
    #[must_use]
    pub const fn deadline(self) -> bool {
        self.deadline
    }

    /// Nothing: the channel is closed.
    ///
    /// ```
    #[doc = include_str!("../examples/fresh_channel.txt")]
    /// assert!(!channel.waits_for().is_empty());
    /// channel.handle(&now, Input::Disconnected)?;
    /// assert!(channel.waits_for().is_empty());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub const fn is_empty(self) -> bool {
        !(self.input || self.room || self.application || self.deadline)
    }
}
