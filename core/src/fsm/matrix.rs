//! The rows of a table, folded while compiling into a dense matrix.

use super::{Label, Step};

/// What to do in each state on each event; `None` where the pair is refused.
///
/// Made by [`fold!`](crate::fold). Two octets a cell while states and actions are plain enums.
#[derive(Clone, Debug)]
pub struct Matrix<S, A, const STATES: usize, const EVENTS: usize> {
    cells: [[Option<Step<S, A>>; EVENTS]; STATES],
}

impl<S: Label, A: Copy, const STATES: usize, const EVENTS: usize> Matrix<S, A, STATES, EVENTS> {
    /// The step for `event` in `state`; `None`: refused.
    #[inline(always)]
    #[must_use]
    pub fn step<E: Label>(&self, state: S, event: E) -> Option<Step<S, A>> {
        self.cells[state.index()][event.index()]
    }
}

/// A matrix in the making, used by [`fold!`](crate::fold). Its methods panic, which while compiling is an error, with
/// the names of the pair that is wrong.
#[derive(Debug)]
pub struct Folding<S, A, const STATES: usize, const EVENTS: usize> {
    cells: [[Option<Step<S, A>>; EVENTS]; STATES],
    refused: [[bool; EVENTS]; STATES],
    states: &'static [&'static str],
    events: &'static [&'static str],
}

impl<S: Copy, A: Copy, const STATES: usize, const EVENTS: usize> Folding<S, A, STATES, EVENTS> {
    /// Nothing folded yet; the names are for the messages.
    #[must_use]
    pub const fn new(states: &'static [&'static str], events: &'static [&'static str]) -> Self {
        assert!(states.len() == STATES, "the matrix has another number of states than the enum");
        assert!(events.len() == EVENTS, "the matrix has another number of events than the enum");
        Self { cells: [[None; EVENTS]; STATES], refused: [[false; EVENTS]; STATES], states, events }
    }

    /// Folds a row in.
    ///
    /// # Panics
    ///
    /// If the pair was listed before.
    pub const fn row(&mut self, state: usize, event: usize, step: Step<S, A>) {
        self.check_new(state, event);
        self.cells[state][event] = Some(step);
    }

    /// Folds a refusal in.
    ///
    /// # Panics
    ///
    /// If the pair was listed before.
    pub const fn refuse(&mut self, state: usize, event: usize) {
        self.check_new(state, event);
        self.refused[state][event] = true;
    }

    /// The matrix.
    ///
    /// # Panics
    ///
    /// If a pair was not listed.
    #[must_use]
    pub const fn finish(&self) -> Matrix<S, A, STATES, EVENTS> {
        let mut state = 0;
        while state < STATES {
            let mut event = 0;
            while event < EVENTS {
                if self.cells[state][event].is_none() && !self.refused[state][event] {
                    self.fail(state, event, " is neither a row nor a refusal");
                }
                event += 1;
            }
            state += 1;
        }
        Matrix { cells: self.cells }
    }

    const fn check_new(&self, state: usize, event: usize) {
        if self.cells[state][event].is_some() || self.refused[state][event] {
            self.fail(state, event, " is listed twice");
        }
    }

    const fn fail(&self, state: usize, event: usize, what: &str) -> ! {
        let mut message = Message::new();
        message.push("(");
        message.push(self.states[state]);
        message.push(", ");
        message.push(self.events[event]);
        message.push(")");
        message.push(what);
        match message.as_str() {
            Some(text) => panic!("{}", text),
            None => panic!("a pair of the table is listed twice or not at all"),
        }
    }
}

/// Text put together while compiling, where `format!` is not to be had.
struct Message {
    octets: [u8; 128],
    len: usize,
}

impl Message {
    const fn new() -> Self {
        Self { octets: [0; 128], len: 0 }
    }

    const fn push(&mut self, text: &str) {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() && self.len < self.octets.len() {
            self.octets[self.len] = text[at];
            self.len += 1;
            at += 1;
        }
    }

    const fn as_str(&self) -> Option<&str> {
        match core::str::from_utf8(self.octets.split_at(self.len).0) {
            Ok(text) => Some(text),
            Err(_) => None,
        }
    }
}

/// Folds rows and refusals into a [`Matrix`](crate::fsm::Matrix) while compiling.
///
/// Takes the types of states, events and actions, then a `&[Row]` and a `&[Refusal]`, both constants. A pair that is
/// listed twice, or both as a row and as a refusal, or not at all, does not compile; the message names it.
///
/// ```
/// # use httpfsm::fsm::{Matrix, Refusal, Row, refuse, row};
/// # httpfsm::labelled! { enum S { #[doc = "on"] On, #[doc = "off"] Off } }
/// # httpfsm::labelled! { enum E { #[doc = "press"] Press } }
/// # httpfsm::labelled! { enum A { #[doc = "click"] Click } }
/// static MATRIX: Matrix<S, A, 2, 1> =
///     httpfsm::fold!(S, E, A, &[row(S::On, E::Press, A::Click, S::Off)], &[refuse(S::Off, E::Press)]);
/// # assert!(MATRIX.step(S::On, E::Press).is_some());
/// ```
///
/// A row twice:
///
/// ```compile_fail,E0080
/// # use httpfsm::fsm::{Matrix, Refusal, Row, refuse, row};
/// # httpfsm::labelled! { enum S { #[doc = "on"] On, #[doc = "off"] Off } }
/// # httpfsm::labelled! { enum E { #[doc = "press"] Press } }
/// # httpfsm::labelled! { enum A { #[doc = "click"] Click } }
/// static MATRIX: Matrix<S, A, 2, 1> = httpfsm::fold!(
///     S, E, A,
///     &[row(S::On, E::Press, A::Click, S::Off), row(S::On, E::Press, A::Click, S::On)],
///     &[refuse(S::Off, E::Press)]
/// );
/// # assert!(MATRIX.step(S::On, E::Press).is_some());
/// ```
///
/// A pair that is both:
///
/// ```compile_fail,E0080
/// # use httpfsm::fsm::{Matrix, Refusal, Row, refuse, row};
/// # httpfsm::labelled! { enum S { #[doc = "on"] On, #[doc = "off"] Off } }
/// # httpfsm::labelled! { enum E { #[doc = "press"] Press } }
/// # httpfsm::labelled! { enum A { #[doc = "click"] Click } }
/// static MATRIX: Matrix<S, A, 2, 1> = httpfsm::fold!(
///     S, E, A,
///     &[row(S::On, E::Press, A::Click, S::Off)],
///     &[refuse(S::Off, E::Press), refuse(S::On, E::Press)]
/// );
/// # assert!(MATRIX.step(S::On, E::Press).is_some());
/// ```
///
/// A pair that is neither:
///
/// ```compile_fail,E0080
/// # use httpfsm::fsm::{Matrix, Refusal, Row, refuse, row};
/// # httpfsm::labelled! { enum S { #[doc = "on"] On, #[doc = "off"] Off } }
/// # httpfsm::labelled! { enum E { #[doc = "press"] Press } }
/// # httpfsm::labelled! { enum A { #[doc = "click"] Click } }
/// static MATRIX: Matrix<S, A, 2, 1> =
///     httpfsm::fold!(S, E, A, &[row(S::On, E::Press, A::Click, S::Off)], &[]);
/// # assert!(MATRIX.step(S::On, E::Press).is_some());
/// ```
#[macro_export]
macro_rules! fold {
    ($state:ty, $event:ty, $action:ty, $rows:expr, $refusals:expr $(,)?) => {
        const {
            let rows: &[$crate::fsm::Row<$state, $event, $action>] = $rows;
            let refusals: &[$crate::fsm::Refusal<$state, $event>] = $refusals;
            let mut folding =
                $crate::fsm::Folding::<
                    $state,
                    $action,
                    { <$state as $crate::fsm::Label>::ALL.len() },
                    { <$event as $crate::fsm::Label>::ALL.len() },
                >::new(<$state as $crate::fsm::Label>::LABELS, <$event as $crate::fsm::Label>::LABELS);
            let mut at = 0;
            while at < rows.len() {
                let row = rows[at];
                let step = $crate::fsm::Step { action: row.action, next: row.next };
                folding.row(row.state as usize, row.event as usize, step);
                at += 1;
            }
            let mut at = 0;
            while at < refusals.len() {
                folding.refuse(refusals[at].state as usize, refusals[at].event as usize);
                at += 1;
            }
            folding.finish()
        }
    };
}

#[cfg(test)]
mod tests {
    use super::Matrix;
    use crate::fsm::{Step, refuse, row};

    crate::labelled! {
        enum State {
            /// Nothing to do.
            Idle,
            /// Something to do.
            Busy,
        }
    }

    crate::labelled! {
        enum Event {
            /// Begin.
            Start,
            /// End.
            Stop,
        }
    }

    crate::labelled! {
        enum Action {
            /// Work.
            Work,
            /// Rest.
            Rest,
        }
    }

    use {Action::*, Event::*, State::*};

    static MATRIX: Matrix<State, Action, 2, 2> = crate::fold!(
        State,
        Event,
        Action,
        &[row(Idle, Start, Work, Busy), row(Busy, Stop, Rest, Idle)],
        &[refuse(Idle, Stop), refuse(Busy, Start)],
    );

    #[test]
    fn a_row_gives_its_step_and_a_refusal_none() {
        assert_eq!(MATRIX.step(Idle, Start), Some(Step { action: Work, next: Busy }));
        assert_eq!(MATRIX.step(Busy, Stop), Some(Step { action: Rest, next: Idle }));
        assert_eq!(MATRIX.step(Idle, Stop), None);
        assert_eq!(MATRIX.step(Busy, Start), None);
    }

    #[test]
    fn a_cell_is_two_octets() {
        assert_eq!(size_of_val(&MATRIX), 2 * 2 * 2);
    }

    #[test]
    #[should_panic(expected = "(Idle, Stop) is neither a row nor a refusal")]
    fn the_message_names_the_pair() {
        let mut folding = super::Folding::<State, Action, 2, 2>::new(&["Idle", "Busy"], &["Start", "Stop"]);
        folding.row(0, 0, Step { action: Work, next: Busy });
        let _ = folding.finish();
    }

    #[test]
    #[should_panic(expected = "(Busy, Start) is listed twice")]
    fn the_message_names_a_pair_listed_twice() {
        let mut folding = super::Folding::<State, Action, 2, 2>::new(&["Idle", "Busy"], &["Start", "Stop"]);
        folding.refuse(1, 0);
        folding.row(1, 0, Step { action: Work, next: Busy });
    }
}
