//! A step that is under way, and what a panic makes of it.

use super::parts::Parts;
use super::table::State;

/// The parts while a step runs. A panic of an error page or of a trace drops it, which ends the connection, as the step is
/// half done.
pub(super) struct HalfDone<'a> {
    pub(super) parts: &'a mut Parts,
    /// The state before the step.
    pub(super) state: State,
}

impl Drop for HalfDone<'_> {
    fn drop(&mut self) {
        // A closed channel has told its end.
        if self.state != State::Closed {
            self.parts.abandon();
        }
    }
}
