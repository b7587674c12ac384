//! What a table is made of.

/// What happens to a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause<E, I> {
    /// Somebody sent this.
    Input(E),
    /// An action raised this.
    Internal(I),
}

/// A transition: in each of `states`, on each of `causes`, run `actions` in order and go to `next`. Made by
/// [`rows!`](crate::rows).
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal<S, E: 'static> {
    /// Where the machine stands.
    pub state: S,
    /// What it does not accept there.
    pub events: &'static [E],
}

/// What the matrix says of a state and an event: the right half of a [`Row`].
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
#[macro_export]
macro_rules! refusals {
    ( $states:ty, $inputs:ty; $( $state:ident : $( $event:ident ),+ $(,)? ; )* ) => {
        &[$(
            $crate::fsm::Refusal { state: <$states>::$state, events: &[$( <$inputs>::$event ),+] }
        ),*]
    };
}
