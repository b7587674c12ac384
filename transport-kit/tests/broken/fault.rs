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
    NeverWakesForADeadline,
    EndsWhereItShouldReset,
    SwapsTheNames,
    Spins,
    LeaksDescriptors,
    LeaksADescriptorAServer,
    LeaksAThreadAServer,
    KeepsListening,
    LosesAResetInsideARequest,
    NeverWritesAfterAFullSocket,
    ReadsAheadWithoutBound,
    SkipsEverySecondListener,
    ForgetsDriversThatSawAPanic,
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
}
