//! States, events and actions that know their own names.

/// An enum whose values have a number, a name and a meaning: the states, the events or the actions of a machine.
///
/// Made by [`labelled!`](crate::labelled).
pub trait Label: Copy + Eq + 'static {
    /// Every value, in order of declaration: `ALL[x.index()] == x`.
    const ALL: &'static [Self];
    /// The names of the values, as declared.
    const LABELS: &'static [&'static str];
    /// The doc comments of the values, each in one line.
    const MEANINGS: &'static [&'static str];

    /// The position in [`ALL`](Self::ALL).
    fn index(self) -> usize;

    /// The name.
    #[must_use]
    fn label(self) -> &'static str {
        Self::LABELS[self.index()]
    }

    /// The doc comment, in one line.
    #[must_use]
    fn meaning(self) -> &'static str {
        Self::MEANINGS[self.index()].trim_ascii()
    }
}

/// Declares a plain enum and implements [`Label`](crate::fsm::Label) and `Display` (its name) for it.
///
/// The doc comment of each value is required: it is the meaning that the generated documentation prints.
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

    use super::Label;

    crate::labelled! {
        enum Fruit {
            /// Grows on trees,
            /// and falls.
            Apple,
            /// Grows in bunches.
            Grape,
        }
    }

    #[test]
    fn values_know_their_number_name_and_meaning() {
        assert_eq!(Fruit::ALL, [Fruit::Apple, Fruit::Grape]);
        assert!(Fruit::ALL.iter().enumerate().all(|(at, fruit)| fruit.index() == at));
        assert_eq!(Fruit::Grape.to_string(), "Grape");
        assert_eq!(Fruit::Apple.meaning(), "Grows on trees, and falls.");
    }
}
