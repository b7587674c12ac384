//! What a table is made of.

/// What happens to a machine.
///
/// ```
/// use httpfsm::channel::ROWS;
/// use httpfsm::fsm::Cause;
///
/// // How many pairs of a state and an input the table of a channel has, without the internal events.
/// let pairs: usize = ROWS
///     .iter()
///     .map(|row| row.states.len() * row.causes.iter().filter(|cause| matches!(cause, Cause::Input(_))).count())
///     .sum();
/// assert!(pairs > 50);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause<E, I> {
    /// Somebody sent this.
    Input(E),
    /// An action raised this.
    Internal(I),
}

/// A transition: in each of `states`, on each of `causes`, run `actions` in order and go to `next`. Made by
/// [`rows!`](crate::rows).
///
/// ```
/// use httpfsm::channel::{ROWS, State};
///
/// // Which states can a channel come to from `Idle`?
/// let from_idle = ROWS.iter().filter(|row| row.states.contains(&State::Idle));
/// let to: Vec<_> = from_idle.filter_map(|row| row.next).collect();
/// assert!(to.contains(&State::WaitResponse) && to.contains(&State::Closed) && !to.contains(&State::Responding));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row<S: 'static, E: 'static, I: 'static, A: 'static> {
    /// Where the machine stands.
    pub states: &'static [S],
    /// What happens.
    pub causes: &'static [Cause<E, I>],
    /// What the machine does, after it has gone to `next`. Only the last may raise an internal event.
    pub actions: &'static [A],
    /// Where it stands then; `None`: where it stood.
    pub next: Option<S>,
}

/// The inputs that do not fit in a state: none of them is accepted, and none changes anything. Made by
/// [`refusals!`](crate::refusals).
///
/// ```
/// use httpfsm::channel::{Event, REFUSALS, State};
///
/// // Which states refuse bytes from the peer?
/// let refusing = REFUSALS.iter().filter(|refusal| refusal.events.contains(&Event::RxData));
/// let states: Vec<_> = refusing.map(|refusal| refusal.state).collect();
/// assert_eq!(states, [State::Closing, State::Upgraded, State::Closed]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal<S, E: 'static> {
    /// Where the machine stands.
    pub state: S,
    /// What it does not accept there.
    pub events: &'static [E],
}

/// What the matrix says of a state and an event: the right half of a [`Row`].
///
/// ```
#[doc = include_str!("../examples/door.txt")]
/// static MATRIX: Matrix<State, Event, NoEvents, Action, 2, 2, 0> =
///     httpfsm::fold!(State, Event, NoEvents, Action, ROWS, REFUSALS);
///
/// /// A driver is this, for a machine whose actions raise no events.
/// fn handle(state: &mut State, event: Event, mut act: impl FnMut(&Action)) -> bool {
///     let Some(Transition { actions, next }) = MATRIX.on(*state, event) else { return false };
///     *state = next;
///     actions.iter().for_each(&mut act);
///     true
/// }
///
/// let (mut state, mut angle) = (State::Shut, 0);
/// let mut act = |action: &Action| match action {
///     Action::Turn(degrees) => angle += degrees,
///     Action::Creak => {}
/// };
/// assert!(handle(&mut state, Event::Push, &mut act) && !handle(&mut state, Event::Push, &mut act));
/// assert_eq!((state, angle), (State::Open, 90));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transition<S, A: 'static> {
    /// What to do, in this order, after going to `next`.
    pub actions: &'static [A],
    /// Where to go.
    pub next: S,
}

/// The rows of a table, one a line: the types of state, input and internal event, then the rows.
///
/// A row begins with `on` for inputs or `then` for internal events. Several states are separated by `|`, and so are
/// several events; the next state `=` stands for the one that the machine is in.
///
/// See the [module](crate::fsm#a-machine-of-ones-own) for an example.
///
/// ```
/// # use httpfsm::fsm::{Cause, Row};
/// # httpfsm::labelled! {
/// #     /// Where a lift stands.
/// #     enum State {
/// #         /// Doors open.
/// #         Waiting,
/// #         /// Between floors.
/// #         Moving,
/// #         /// Out of order.
/// #         Stuck,
/// #     }
/// # }
/// # httpfsm::labelled! {
/// #     /// Inputs.
/// #     enum Event {
/// #         /// A button.
/// #         Called,
/// #         /// A sensor.
/// #         FloorPassed,
/// #     }
/// # }
/// # httpfsm::labelled! {
/// #     /// Internal events.
/// #     enum Internal {
/// #         /// It is there.
/// #         Arrived,
/// #     }
/// # }
/// # httpfsm::actions! {
/// #     /// Actions.
/// #     enum Action {
/// #         /// The floor is noted.
/// #         NoteFloor,
/// #         /// The motor runs, or does not.
/// #         Motor(bool),
/// #         /// Is it the floor? Raises Arrived.
/// #         CompareFloor,
/// #     }
/// # }
/// # use Action::*;
/// const ROWS: &[Row<State, Event, Internal, Action>] = httpfsm::rows! {
///     State, Event, Internal;
///     on   Waiting,     Called,               [NoteFloor, Motor(true)],  Moving;
///     on   Moving,      Called,               [NoteFloor],               =;
///     on   Moving,      FloorPassed,          [CompareFloor],            =;
///     then Moving,      Arrived,              [Motor(false)],            Waiting;
///     on   Stuck,       Called | FloorPassed, [],                        =;
/// };
/// assert_eq!(ROWS[3].causes, [Cause::Internal(Internal::Arrived)]);
/// assert_eq!((ROWS[4].causes.len(), ROWS[4].next), (2, None));
/// ```
#[macro_export]
macro_rules! rows {
    (
        $states:ty, $inputs:ty, $internals:ty;
        $( $kind:ident $( $state:ident )|+ , $( $event:ident )|+ , [ $( $action:expr ),* $(,)? ] , $next:tt ; )*
    ) => {
        &[$(
            $crate::fsm::Row {
                states: &[$( <$states>::$state ),+],
                causes: $crate::rows!(@causes $kind, $inputs, $internals, $( $event )|+),
                actions: &[$( $action ),*],
                next: $crate::rows!(@next $states, $next),
            }
        ),*]
    };
    (@causes on, $inputs:ty, $internals:ty, $( $event:ident )|+) => {
        &[$( $crate::fsm::Cause::Input(<$inputs>::$event) ),+]
    };
    (@causes then, $inputs:ty, $internals:ty, $( $event:ident )|+) => {
        &[$( $crate::fsm::Cause::Internal(<$internals>::$event) ),+]
    };
    (@next $states:ty, =) => { ::core::option::Option::None };
    (@next $states:ty, $next:ident) => { ::core::option::Option::Some(<$states>::$next) };
}

/// The refusals of a table, one state a line: the types of state and input, then `State: Event, Event;`.
///
/// See the [module](crate::fsm#a-machine-of-ones-own) for an example.
///
/// ```
#[doc = include_str!("../examples/door.txt")]
/// const AGAIN: &[Refusal<State, Event>] = httpfsm::refusals! {
///     State, Event;
///     Shut: Pull;
///     Open: Push;
/// };
/// assert_eq!(AGAIN, REFUSALS);
/// assert_eq!(AGAIN[0], Refusal { state: State::Shut, events: &[Event::Pull] });
/// ```
#[macro_export]
macro_rules! refusals {
    ( $states:ty, $inputs:ty; $( $state:ident : $( $event:ident ),+ $(,)? ; )* ) => {
        &[$(
            $crate::fsm::Refusal { state: <$states>::$state, events: &[$( <$inputs>::$event ),+] }
        ),*]
    };
}
