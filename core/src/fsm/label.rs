//! States, events and actions that know their own names.

use alloc::format;
use alloc::string::String;
use core::fmt::Debug;

/// An enum whose values have a number, a name and a meaning: the states or the events of a machine.
///
/// Made by [`labelled!`](crate::labelled).
///
/// ```
/// use httpfsm::channel::State;
/// use httpfsm::fsm::Label;
///
/// /// A table of the states, or of the events, of any machine.
/// fn table<L: Label>() -> String {
///     L::ALL.iter().map(|value| format!("{:<12} {}\n", value.label(), value.meaning())).collect()
/// }
///
/// assert!(table::<State>().starts_with("Fresh        Connected, no head has begun; empty lines may have come.\n"));
/// ```
pub trait Label: Copy + Eq + 'static {
    /// Every value, in order of declaration: `ALL[x.index()] == x`.
    const ALL: &'static [Self];
    /// The names of the values, as declared.
    const LABELS: &'static [&'static str];
    /// The doc comments of the values, each in one line.
    const MEANINGS: &'static [&'static str];

    /// The position in [`ALL`](Self::ALL).
    ///
    /// ```
    /// use httpfsm::channel::State;
    /// use httpfsm::fsm::Label;
    ///
    /// // How often each state was entered.
    /// let mut entered = [0; State::ALL.len()];
    /// entered[State::Idle.index()] += 1;
    /// assert_eq!(State::ALL[State::Idle.index()], State::Idle);
    /// ```
    fn index(self) -> usize;

    /// The name.
    ///
    /// ```
    /// use httpfsm::channel::State;
    /// use httpfsm::fsm::Label;
    ///
    /// assert_eq!(State::WaitResponse.label(), "WaitResponse");
    /// ```
    #[must_use]
    fn label(self) -> &'static str {
        Self::LABELS[self.index()]
    }

    /// The doc comment, in one line.
    ///
    /// ```
    /// use httpfsm::channel::State;
    /// use httpfsm::fsm::Label;
    ///
    /// assert_eq!(State::Closing.meaning(), "The last bytes are leaving; no input is accepted.");
    /// ```
    #[must_use]
    fn meaning(self) -> &'static str {
        Self::MEANINGS[self.index()].trim_ascii()
    }
}

/// What a machine can do. An action may carry data, so it has no number. Made by [`actions!`](crate::actions).
///
/// ```
#[doc = include_str!("../examples/door.txt")]
/// /// What each action of a row means.
/// fn meanings<A: Act>(actions: &[A]) -> String {
///     actions.iter().map(|action| format!("{}: {}\n", action.name(), action.meaning())).collect()
/// }
///
/// assert_eq!(meanings(ROWS[0].actions), "Creak: It creaks.\nTurn(90): It turns by so many degrees.\n");
/// assert_eq!(Action::NAMES, ["Turn", "Creak"]);
/// ```
pub trait Act: Copy + PartialEq + Debug + 'static {
    /// The names of all actions, without data.
    const NAMES: &'static [&'static str];

    /// The doc comment of the action, in one line.
    ///
    /// ```
    /// use httpfsm::CloseReason;
    /// use httpfsm::channel::Action;
    /// use httpfsm::fsm::Act;
    ///
    /// assert_eq!(Action::SetReason(CloseReason::Evicted).meaning(), "Set the close reason, unless one is known.");
    /// ```
    fn meaning(&self) -> &'static str;

    /// The action with its data, as in `Close(Drained)`.
    ///
    /// ```
    /// use httpfsm::CloseReason;
    /// use httpfsm::channel::Action;
    /// use httpfsm::fsm::Act;
    ///
    /// assert_eq!(Action::SetReason(CloseReason::Evicted).name(), "SetReason(Evicted)");
    /// ```
    fn name(&self) -> String {
        format!("{self:?}")
    }
}

/// The internal events of a machine that has none.
///
/// ```
/// use httpfsm::fsm::{Label, NoEvents, Row};
///
/// httpfsm::labelled! {
///     /// A lamp.
///     enum State {
///         /// It shines.
///         On,
///         /// It does not.
///         Off,
///     }
/// }
/// httpfsm::labelled! {
///     /// What happens to it.
///     enum Event {
///         /// Somebody presses its button.
///         Press,
///     }
/// }
/// httpfsm::actions! {
///     /// What it does.
///     enum Action {
///         /// It lets the current through, or does not.
///         Switch(bool),
///     }
/// }
///
/// // No action of a lamp decides anything, so no row begins with `then`.
/// const ROWS: &[Row<State, Event, NoEvents, Action>] = httpfsm::rows! {
///     State, Event, NoEvents;
///     on   Off,         Press, [Action::Switch(true)],   On;
///     on   On,          Press, [Action::Switch(false)],  Off;
/// };
/// assert!(NoEvents::ALL.is_empty());
/// # assert_eq!(ROWS.len(), 2);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoEvents {
    /// Not one of [`ALL`](Label::ALL): a row for it does not compile.
    #[doc(hidden)]
    Never,
}

impl Label for NoEvents {
    const ALL: &'static [Self] = &[];
    const LABELS: &'static [&'static str] = &[];
    const MEANINGS: &'static [&'static str] = &[];

    fn index(self) -> usize {
        self as usize
    }
}

/// Declares an enum of actions, each plain or with one datum, and implements [`Act`](crate::fsm::Act) for it.
///
/// The doc comment of each action is required: it is the meaning that the generated documentation prints.
///
/// ```
/// use httpfsm::fsm::Act;
///
/// httpfsm::actions! {
///     /// What a lift does.
///     pub enum Action {
///         /// It goes to this floor.
///         Go(i8),
///         /// It opens
///         /// its doors.
///         Open,
///     }
/// }
///
/// assert_eq!((Action::Go(-1).name(), Action::Go(-1).meaning()), ("Go(-1)".into(), "It goes to this floor."));
/// assert_eq!(Action::Open.meaning(), "It opens its doors.");
/// ```
#[macro_export]
macro_rules! actions {
    (
        $(#[$outer:meta])*
        $visibility:vis enum $name:ident {
            $( $(#[doc = $doc:literal])+ $action:ident $( ($datum:ty) )? ),+ $(,)?
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, PartialEq, Debug)]
        $visibility enum $name {
            $( $(#[doc = $doc])+ $action $( ($datum) )? ),+
        }

        impl $crate::fsm::Act for $name {
            const NAMES: &'static [&'static str] = &[$( ::core::stringify!($action) ),+];

            fn meaning(&self) -> &'static str {
                match self {
                    $( Self::$action { .. } => ::core::concat!($($doc),+).trim_ascii() ),+
                }
            }
        }
    };
}

/// Declares a plain enum and implements [`Label`](crate::fsm::Label) and `Display` (its name) for it.
///
/// The doc comment of each value is required: it is the meaning that the generated documentation prints.
///
/// ```
/// use httpfsm::fsm::Label;
///
/// httpfsm::labelled! {
///     /// Where a lift stands.
///     pub enum State {
///         /// Its doors are open.
///         Waiting,
///         /// It is between two floors.
///         Moving,
///     }
/// }
///
/// assert_eq!(State::ALL, [State::Waiting, State::Moving]);
/// assert_eq!((State::Moving.to_string(), State::Moving.meaning()), ("Moving".into(), "It is between two floors."));
/// ```
#[macro_export]
macro_rules! labelled {
    (
        $(#[$outer:meta])*
        $visibility:vis enum $name:ident {
            $( $(#[doc = $doc:literal])+ $value:ident ),+ $(,)?
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        $visibility enum $name {
            $( $(#[doc = $doc])+ $value ),+
        }

        impl $crate::fsm::Label for $name {
            const ALL: &'static [Self] = &[$( Self::$value ),+];
            const LABELS: &'static [&'static str] = &[$( ::core::stringify!($value) ),+];
            const MEANINGS: &'static [&'static str] = &[$( ::core::concat!($($doc),+) ),+];

            #[inline(always)]
            fn index(self) -> usize {
                self as usize
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad($crate::fsm::Label::label(*self))
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::{Act, Label};

    crate::labelled! {
        enum Fruit {
            /// Grows on trees,
            /// and falls.
            Apple,
            /// Grows in bunches.
            Grape,
        }
    }

    crate::actions! {
        enum TestAction {
            /// Falls.
            Fall(u8),
            /// Grows
            /// on.
            Grow,
        }
    }

    #[test]
    fn actions_know_their_name_data_and_meaning() {
        assert_eq!(TestAction::NAMES, ["Fall", "Grow"]);
        assert_eq!(
            (TestAction::Fall(3).name().as_str(), TestAction::Fall(3).meaning()),
            ("Fall(3)", "Falls.")
        );
        assert_eq!((TestAction::Grow.name().as_str(), TestAction::Grow.meaning()), ("Grow", "Grows on."));
    }

    #[test]
    fn values_know_their_number_name_and_meaning() {
        assert_eq!(Fruit::ALL, [Fruit::Apple, Fruit::Grape]);
        assert!(Fruit::ALL.iter().enumerate().all(|(at, fruit)| fruit.index() == at));
        assert_eq!(Fruit::Grape.to_string(), "Grape");
        assert_eq!(Fruit::Apple.meaning(), "Grows on trees, and falls.");
    }
}
