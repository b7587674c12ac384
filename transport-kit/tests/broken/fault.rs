//! The faults.

/// What a transport does wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Fault {
    Nothing,
    /// No fault: each poll of a connection takes its time.
    IsSlow,
    LosesTheEndOfInput,
    DropsTheLastSliceOfAWrite,
    SendsTheRestOfAWriteAgain,
    LosesAByteOfLargeReads,
    /// What was read is handed on when an empty line ends it, or the input.
    KeepsHeadsUntilTheirEnds,
    NeverWakesForADeadline,
    EndsWhereItShouldReset,
    SwapsTheNames,
    /// The socket of a connection has no path.
    ForgetsThePath,
    Spins,
    LeaksDescriptors,
    LeaksADescriptorAServer,
    LeaksAThreadAServer,
    KeepsListening,
    LosesAResetInsideARequest,
    NeverWritesAfterAFullSocket,
    ReadsAheadWithoutBound,
    SkipsEverySecondListener,
    SkipsIpv6,
    ForgetsDriversThatSawAPanic,
    /// A handler that has panicked never ends.
    HidesPanics,
    /// A connection is not woken by the accept loop, which wants it to make room.
    IgnoresEvictions,
    /// A descriptor of each connection whose peer has not ended it.
    LeaksDescriptorsOfOpenConnections,
    LeaksLostHandlers,
    LosesTheEndOfUnixInput,
    KeepsItsFirstDate,
    KeepsItsFirstDeadline,
    LosesTheEventOfADroppedFuture,
    LosesAFrameThatWaited,
    LosesWhatCameAhead,
    FlushesNothing,
    LosesInterimResponses,
    StaysInService,
    HidesARefusedResponse,
}
