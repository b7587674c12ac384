//! What may go wrong.

/// Something that a network, a client or an application does to a connection.
///
/// All that may go wrong, but for a handler that panics and a server that drains:
///
/// ```
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_sim::{Ask, Fault, Simulation, World};
///
/// let handler = |_: Request| async { "Hello, world!" };
/// let faults = Fault::ALL.iter().copied();
/// Simulation::new(ServerConfig::default(), |_: &World| handler)
///     .traffic(|_| Ask::get("/"))
///     .faults(faults.filter(|fault| !matches!(fault, Fault::HandlerPanic | Fault::Drain)))
///     .connections(40)
///     .run()?;
/// # Ok::<(), Box<httpfsm_sim::BrokenContract>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Bytes arrive in small pieces.
    Split,
    /// Requests arrive together, before the earlier ones have their responses.
    Merge,
    /// The client sends nothing for less than a second.
    Delay,
    /// The client sends nothing for minutes.
    Stall,
    /// The client ends its output in the middle of something.
    Fin,
    /// The client ends its output behind its last request and reads on.
    HalfClose,
    /// The client resets the connection.
    Reset,
    /// The client closes the connection without reading what comes.
    Drop,
    /// The socket takes or gives a few bytes at a time.
    ShortWrite,
    /// A write takes nothing and says so.
    ZeroWrite,
    /// The socket is not ready although it was, and becomes so later.
    WouldBlock,
    /// A read or a write fails.
    Failure,
    /// The client reads a little at a time, or not at all for a while.
    SlowReader,
    /// The client never sends the rest, or never closes.
    Silence,
    /// The handler panics when it is called, when it is polled, or in the body of its response.
    HandlerPanic,
    /// The handler is slow.
    HandlerDelay,
    /// The handler never responds.
    HandlerSilence,
    /// A response replaces the handler, which is dropped before it has read anything.
    EarlyResponse,
    /// Time makes a leap.
    ClockJump,
    /// The server goes out of service.
    Drain,
    /// Accepting a connection fails, since there are no more descriptors.
    AcceptFailure,
    /// What comes before HTTP is refused, or is never complete.
    BrokenPrologue,
    /// The client sends what no server accepts, and tries to smuggle.
    Hostile,
}

impl Fault {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Split,
        Self::Merge,
        Self::Delay,
        Self::Stall,
        Self::Fin,
        Self::HalfClose,
        Self::Reset,
        Self::Drop,
        Self::ShortWrite,
        Self::ZeroWrite,
        Self::WouldBlock,
        Self::Failure,
        Self::SlowReader,
        Self::Silence,
        Self::HandlerPanic,
        Self::HandlerDelay,
        Self::HandlerSilence,
        Self::EarlyResponse,
        Self::ClockJump,
        Self::Drain,
        Self::AcceptFailure,
        Self::BrokenPrologue,
        Self::Hostile,
    ];
}
