//! The rows of a table, folded while compiling into a dense matrix.

use core::marker::PhantomData;

use super::{Label, Transition};

/// What to do in each state on each event; `None` where there is no row.
///
/// Made by [`fold!`](crate::fold).
///
/// ```
#[doc = include_str!("../examples/door.txt")]
/// static MATRIX: Matrix<State, Event, NoEvents, Action, 2, 2, 0> =
///     httpfsm::fold!(State, Event, NoEvents, Action, ROWS, REFUSALS);
///
/// assert_eq!(MATRIX.on(State::Shut, Event::Push).map(|step| step.next), Some(State::Open));
/// ```
#[derive(Clone, Debug)]
pub struct Matrix<S, E, I, A: 'static, const STATES: usize, const INPUTS: usize, const INTERNALS: usize> {
    inputs: [[Option<Transition<S, A>>; INPUTS]; STATES],
    internals: [[Option<Transition<S, A>>; INTERNALS]; STATES],
    events: PhantomData<(E, I)>,
}

impl<S, E, I, A, const STATES: usize, const INPUTS: usize, const INTERNALS: usize>
    Matrix<S, E, I, A, STATES, INPUTS, INTERNALS>
where
    S: Label,
    E: Label,
    I: Label,
    A: Copy,
{
    /// The step for an input in `state`; `None`: the input is refused.
    ///
    /// ```
    #[doc = include_str!("../examples/door.txt")]
    /// static MATRIX: Matrix<State, Event, NoEvents, Action, 2, 2, 0> =
    ///     httpfsm::fold!(State, Event, NoEvents, Action, ROWS, REFUSALS);
    ///
    /// assert_eq!(MATRIX.on(State::Open, Event::Pull).map(|step| step.next), Some(State::Shut));
    /// assert_eq!(MATRIX.on(State::Open, Event::Push), None);
    /// ```
    #[inline(always)]
    #[must_use]
    pub fn on(&self, state: S, event: E) -> Option<Transition<S, A>> {
        self.inputs[state.index()][event.index()]
    }

    /// The step for an internal event in `state`; `None`: no action raises it there.
    ///
    /// ```
    /// use httpfsm::channel::{Internal, MATRIX, State};
    ///
    /// // That of a channel has the same two methods.
    /// assert_eq!(MATRIX.then(State::Idle, Internal::HeadBegins).map(|step| step.next), Some(State::Head));
    /// assert_eq!(MATRIX.then(State::Idle, Internal::LingerOver), None);
    /// ```
    #[inline(always)]
    #[must_use]
    pub fn then(&self, state: S, event: I) -> Option<Transition<S, A>> {
        self.internals[state.index()][event.index()]
    }
}

/// A matrix in the making, used by [`fold!`](crate::fold). Its methods panic, which while compiling is an error, with
/// the names of the pair that is wrong.
///
/// ```
#[doc = include_str!("../examples/door.txt")]
/// /// By hand, as `fold!` does it. A pair that is left out, or listed twice, does not compile.
/// const MATRIX: Matrix<State, Event, NoEvents, Action, 2, 2, 0> = {
///     let mut folding = Folding::new(State::LABELS, Event::LABELS, NoEvents::LABELS);
///     folding.input(0, 0, Transition { actions: &[Action::Creak, Action::Turn(90)], next: State::Open });
///     folding.input(1, 1, Transition { actions: &[Action::Turn(-90)], next: State::Shut });
///     folding.refuse(0, 1);
///     folding.refuse(1, 0);
///     folding.finish()
/// };
/// assert_eq!(MATRIX.on(State::Open, Event::Pull).map(|step| step.next), Some(State::Shut));
/// ```
#[derive(Debug)]
pub struct Folding<S, A: 'static, const STATES: usize, const INPUTS: usize, const INTERNALS: usize> {
    inputs: [[Option<Transition<S, A>>; INPUTS]; STATES],
    internals: [[Option<Transition<S, A>>; INTERNALS]; STATES],
    refused: [[bool; INPUTS]; STATES],
    names: Names,
}

/// The names of states, inputs and internal events, for the messages.
#[derive(Clone, Copy, Debug)]
struct Names {
    states: &'static [&'static str],
    inputs: &'static [&'static str],
    internals: &'static [&'static str],
}

impl<S: Copy, A: Copy, const STATES: usize, const INPUTS: usize, const INTERNALS: usize>
    Folding<S, A, STATES, INPUTS, INTERNALS>
{
    /// Nothing folded yet; the names are for the messages.
    ///
    /// # Panics
    ///
    /// If there are not as many names as the matrix has states and events.
    #[must_use]
    pub const fn new(
        states: &'static [&'static str],
        inputs: &'static [&'static str],
        internals: &'static [&'static str],
    ) -> Self {
        assert!(states.len() == STATES, "the matrix has another number of states than the enum");
        assert!(inputs.len() == INPUTS, "the matrix has another number of inputs than the enum");
        assert!(
            internals.len() == INTERNALS,
            "the matrix has another number of internal events than the enum"
        );
        Self {
            inputs: [[None; INPUTS]; STATES],
            internals: [[None; INTERNALS]; STATES],
            refused: [[false; INPUTS]; STATES],
            names: Names { states, inputs, internals },
        }
    }

    /// Folds in what to do on an input.
    ///
    /// # Panics
    ///
    /// If the pair was listed before.
    pub const fn input(&mut self, state: usize, event: usize, step: Transition<S, A>) {
        self.check_new(state, event);
        self.inputs[state][event] = Some(step);
    }

    /// Folds in what to do on an internal event.
    ///
    /// ```
    /// use httpfsm::fsm::{Folding, Transition};
    ///
    /// // One state, no inputs, one internal event, which leads back.
    /// let mut folding = Folding::<u8, (), 1, 0, 1>::new(&["Only"], &[], &["Again"]);
    /// folding.internal(0, 0, Transition { actions: &[], next: 0 });
    /// ```
    ///
    /// # Panics
    ///
    /// If the pair was listed before.
    pub const fn internal(&mut self, state: usize, event: usize, step: Transition<S, A>) {
        if self.internals[state][event].is_some() {
            fail(self.names.states[state], self.names.internals[event], " is listed twice");
        }
        self.internals[state][event] = Some(step);
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
    /// If a pair of a state and an input was not listed.
    #[must_use]
    pub const fn finish<E, I>(&self) -> Matrix<S, E, I, A, STATES, INPUTS, INTERNALS> {
        let mut state = 0;
        while state < STATES {
            let mut event = 0;
            while event < INPUTS {
                if self.inputs[state][event].is_none() && !self.refused[state][event] {
                    self.fail(state, event, " is neither a row nor a refusal");
                }
                event += 1;
            }
            state += 1;
        }
        Matrix { inputs: self.inputs, internals: self.internals, events: PhantomData }
    }

    const fn check_new(&self, state: usize, event: usize) {
        if self.inputs[state][event].is_some() || self.refused[state][event] {
            self.fail(state, event, " is listed twice");
        }
    }

    const fn fail(&self, state: usize, event: usize, what: &str) -> ! {
        fail(self.names.states[state], self.names.inputs[event], what)
    }
}

const fn fail(state: &str, event: &str, what: &str) -> ! {
    let mut message = ConstText::new();
    message.push("(");
    message.push(state);
    message.push(", ");
    message.push(event);
    message.push(")");
    message.push(what);
    match message.as_str() {
        Some(text) => panic!("{}", text),
        None => panic!("a pair of the table is listed twice or not at all"),
    }
}

/// Text put together while compiling, where `format!` is not to be had.
struct ConstText {
    bytes: [u8; 128],
    len: usize,
}

impl ConstText {
    const fn new() -> Self {
        Self { bytes: [0; 128], len: 0 }
    }

    const fn push(&mut self, text: &str) {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() && self.len < self.bytes.len() {
            self.bytes[self.len] = text[at];
            self.len += 1;
            at += 1;
        }
    }

    const fn as_str(&self) -> Option<&str> {
        match core::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => Some(text),
            Err(_) => None,
        }
    }
}

/// Folds rows and refusals into a [`Matrix`](crate::fsm::Matrix) while compiling.
///
/// The matrix is complete: a pair of a state and an input that is listed twice or not at all does not compile, nor does
/// a pair of a state and an internal event that is listed twice.
///
/// Complete:
///
/// ```
/// # use httpfsm::fsm::{Matrix, NoEvents, Refusal, Row};
/// # httpfsm::labelled! { enum S { #[doc = "on"] On, #[doc = "off"] Off } }
/// # httpfsm::labelled! { enum E { #[doc = "press"] Press } }
/// # httpfsm::actions! { #[derive(Eq)] enum A { #[doc = "click"] Click } }
/// const ROWS: &[Row<S, E, NoEvents, A>] = httpfsm::rows! { S, E, NoEvents; on On, Press, [A::Click], Off; };
/// const REFUSALS: &[Refusal<S, E>] = httpfsm::refusals! { S, E; Off: Press; };
/// static MATRIX: Matrix<S, E, NoEvents, A, 2, 1, 0> = httpfsm::fold!(S, E, NoEvents, A, ROWS, REFUSALS);
/// # assert!(MATRIX.on(S::On, E::Press).is_some());
/// ```
///
/// A row twice:
///
/// ```compile_fail,E0080
/// # use httpfsm::fsm::{Matrix, NoEvents, Refusal, Row};
/// # httpfsm::labelled! { enum S { #[doc = "on"] On, #[doc = "off"] Off } }
/// # httpfsm::labelled! { enum E { #[doc = "press"] Press } }
/// # httpfsm::actions! { #[derive(Eq)] enum A { #[doc = "click"] Click } }
/// const ROWS: &[Row<S, E, NoEvents, A>] = httpfsm::rows! {
///     S, E, NoEvents; on On, Press, [A::Click], Off; on On, Press, [], =;
/// };
/// const REFUSALS: &[Refusal<S, E>] = httpfsm::refusals! { S, E; Off: Press; };
/// static MATRIX: Matrix<S, E, NoEvents, A, 2, 1, 0> = httpfsm::fold!(S, E, NoEvents, A, ROWS, REFUSALS);
/// # assert!(MATRIX.on(S::On, E::Press).is_some());
/// ```
///
/// A pair that is both:
///
/// ```compile_fail,E0080
/// # use httpfsm::fsm::{Matrix, NoEvents, Refusal, Row};
/// # httpfsm::labelled! { enum S { #[doc = "on"] On, #[doc = "off"] Off } }
/// # httpfsm::labelled! { enum E { #[doc = "press"] Press } }
/// # httpfsm::actions! { #[derive(Eq)] enum A { #[doc = "click"] Click } }
/// const ROWS: &[Row<S, E, NoEvents, A>] = httpfsm::rows! { S, E, NoEvents; on On, Press, [A::Click], Off; };
/// const REFUSALS: &[Refusal<S, E>] = httpfsm::refusals! { S, E; Off: Press; On: Press; };
/// static MATRIX: Matrix<S, E, NoEvents, A, 2, 1, 0> = httpfsm::fold!(S, E, NoEvents, A, ROWS, REFUSALS);
/// # assert!(MATRIX.on(S::On, E::Press).is_some());
/// ```
///
/// A pair that is neither:
///
/// ```compile_fail,E0080
/// # use httpfsm::fsm::{Matrix, NoEvents, Refusal, Row};
/// # httpfsm::labelled! { enum S { #[doc = "on"] On, #[doc = "off"] Off } }
/// # httpfsm::labelled! { enum E { #[doc = "press"] Press } }
/// # httpfsm::actions! { #[derive(Eq)] enum A { #[doc = "click"] Click } }
/// const ROWS: &[Row<S, E, NoEvents, A>] = httpfsm::rows! { S, E, NoEvents; on On, Press, [A::Click], Off; };
/// const REFUSALS: &[Refusal<S, E>] = httpfsm::refusals! { S, E;  };
/// static MATRIX: Matrix<S, E, NoEvents, A, 2, 1, 0> = httpfsm::fold!(S, E, NoEvents, A, ROWS, REFUSALS);
/// # assert!(MATRIX.on(S::On, E::Press).is_some());
/// ```
#[macro_export]
macro_rules! fold {
    ($state:ty, $event:ty, $internal:ty, $action:ty, $rows:expr, $refusals:expr $(,)?) => {
        const {
            let rows: &'static [$crate::fsm::Row<$state, $event, $internal, $action>] = $rows;
            let refusals: &[$crate::fsm::Refusal<$state, $event>] = $refusals;
            let mut folding = $crate::fsm::Folding::<
                $state,
                $action,
                { <$state as $crate::fsm::Label>::ALL.len() },
                { <$event as $crate::fsm::Label>::ALL.len() },
                { <$internal as $crate::fsm::Label>::ALL.len() },
            >::new(
                <$state as $crate::fsm::Label>::LABELS,
                <$event as $crate::fsm::Label>::LABELS,
                <$internal as $crate::fsm::Label>::LABELS,
            );
            let mut at = 0;
            while at < rows.len() {
                let row = &rows[at];
                let mut pair = 0;
                while pair < row.states.len() * row.causes.len() {
                    let state = row.states[pair / row.causes.len()];
                    let next = match row.next {
                        Some(next) => next,
                        None => state,
                    };
                    let step = $crate::fsm::Transition { actions: row.actions, next };
                    match row.causes[pair % row.causes.len()] {
                        $crate::fsm::Cause::Input(event) => {
                            folding.input(state as usize, event as usize, step);
                        }
                        $crate::fsm::Cause::Internal(event) => {
                            folding.internal(state as usize, event as usize, step);
                        }
                    }
                    pair += 1;
                }
                at += 1;
            }
            let mut at = 0;
            while at < refusals.len() {
                let mut one = 0;
                while one < refusals[at].events.len() {
                    folding.refuse(refusals[at].state as usize, refusals[at].events[one] as usize);
                    one += 1;
                }
                at += 1;
            }
            folding.finish()
        }
    };
}

#[cfg(test)]
mod tests {
    use super::Matrix;
    use crate::fsm::{Refusal, Row, Transition};

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
        enum Internal {
            /// It is done.
            Done,
        }
    }

    crate::actions! {
        enum Action {
            /// Work.
            Work(u8),
            /// Rest.
            Rest,
        }
    }

    use {Action::*, State::*};

    const ROWS: &[Row<State, Event, Internal, Action>] = crate::rows! {
        State, Event, Internal;
        on   Idle,        Start, [Work(1), Rest], Busy;
        on   Idle | Busy, Stop,  [],              =;
        then Busy,        Done,  [Rest],          Idle;
    };
    const REFUSALS: &[Refusal<State, Event>] = crate::refusals! { State, Event; Busy: Start; };
    static MATRIX: Matrix<State, Event, Internal, Action, 2, 2, 1> =
        crate::fold!(State, Event, Internal, Action, ROWS, REFUSALS);

    const REST: Transition<State, Action> = Transition { actions: &[Rest], next: Busy };

    #[test]
    fn a_row_gives_its_step_and_a_refusal_none() {
        assert_eq!(MATRIX.on(Idle, Event::Start), Some(Transition { actions: &[Work(1), Rest], next: Busy }));
        assert_eq!(MATRIX.on(Busy, Event::Start), None);
        for state in [Idle, Busy] {
            assert_eq!(MATRIX.on(state, Event::Stop), Some(Transition { actions: &[], next: state }));
        }
    }

    #[test]
    fn an_internal_event_has_steps_of_its_own() {
        assert_eq!(MATRIX.then(Busy, Internal::Done), Some(Transition { actions: &[Rest], next: Idle }));
        assert_eq!(MATRIX.then(Idle, Internal::Done), None);
    }

    #[test]
    #[should_panic(expected = "(Idle, Stop) is neither a row nor a refusal")]
    fn the_message_names_the_pair() {
        let mut folding =
            super::Folding::<State, Action, 2, 2, 1>::new(&["Idle", "Busy"], &["Start", "Stop"], &["Done"]);
        folding.input(0, 0, REST);
        let _ = folding.finish::<Event, Internal>();
    }

    #[test]
    #[should_panic(expected = "(Busy, Start) is listed twice")]
    fn the_message_names_a_pair_listed_twice() {
        let mut folding =
            super::Folding::<State, Action, 2, 2, 1>::new(&["Idle", "Busy"], &["Start", "Stop"], &["Done"]);
        folding.refuse(1, 0);
        folding.input(1, 0, REST);
    }

    #[test]
    #[should_panic(expected = "(Busy, Done) is listed twice")]
    fn the_message_names_an_internal_pair_listed_twice() {
        let mut folding =
            super::Folding::<State, Action, 2, 2, 1>::new(&["Idle", "Busy"], &["Start", "Stop"], &["Done"]);
        folding.internal(1, 0, REST);
        folding.internal(1, 0, REST);
    }
}
