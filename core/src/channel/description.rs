//! The channel's machine with what its drawings need.

use super::OutputKind;
use super::table::{Action, Event, Event as E, Internal, REFUSALS, ROWS, State, State as S};
use crate::fsm::{Label, Machine, OutputEvent, bottom, position, to_bottom, top};

/// The channel's machine, ready to be drawn: `MACHINE.describe().to_svg()`.
pub const MACHINE: Machine<State, Event, Internal, Action> = Machine {
    name: "Channel",
    initial: S::Fresh,
    rows: ROWS,
    refusals: REFUSALS,
    positions: &[
        position(S::Fresh, 0, 0, "first_byte_timeout"),
        position(S::Head, 1, 0, "head_timeout"),
        position(S::WaitResponse, 2, 0, "responseless_timeout, body"),
        position(S::Responding, 3, 0, "stream_idle_timeout, body"),
        position(S::HeadHeld, 4, 0, "stream_idle_timeout, body"),
        position(S::Idle, 0, 1, "inactivity_timeout"),
        position(S::Flushing, 1, 1, "write"),
        position(S::Discard, 2, 1, "discard_timeout"),
        position(S::Handover, 3, 1, "write"),
        position(S::Lingering, 0, 2, "linger_timeout"),
        position(S::Closing, 1, 2, "write"),
        position(S::Closed, 2, 2, ""),
        position(S::Upgraded, 3, 2, ""),
    ],
    inputs: &[
        bottom(E::RxData),
        bottom(E::RxEnd),
        bottom(E::Sent),
        bottom(E::TransmitReady),
        bottom(E::Disconnected),
        bottom(E::Busy),
        bottom(E::Evict),
        bottom(E::CheckPipeline),
        bottom(E::Tick),
        top(E::HttpResponse),
        top(E::Write),
        top(E::Flush),
        top(E::Finish),
        top(E::Continue),
        top(E::Informational),
        top(E::BodyDemand),
        top(E::BodyForgone),
        top(E::Abort),
        top(E::GoOut),
    ],
    outputs: &OUTPUTS,
};

/// Every output, and the bytes that are read with `unsent`, which are state and no output.
static OUTPUTS: [OutputEvent; OutputKind::ALL.len() + 1] = {
    let send = to_bottom("WriteOutputData", "Bytes to send, read with `unsent`.");
    let mut outputs = [send; OutputKind::ALL.len() + 1];
    let mut at = 0;
    while at < OutputKind::ALL.len() {
        let kind = OutputKind::ALL[at];
        outputs[at] = OutputEvent {
            name: OutputKind::LABELS[at],
            meaning: OutputKind::MEANINGS[at].trim_ascii(),
            direction: kind.direction(),
        };
        at += 1;
    }
    outputs
};
