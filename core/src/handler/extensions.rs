//! Facts of any type about a connection.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::{Any, TypeId};
use core::fmt;

/// A value, and its type.
type Entry = (TypeId, Arc<dyn Any + Send + Sync>);

/// Facts about a connection that this crate has no names for, at most one of each type. A listener has the same for all of
/// its connections; a wire, a preface and a layer add those of their own; and a handler reads them
/// ([`ConnectionInfo::extensions`](super::OwnEnd::extensions)).
///
/// A copy shares the values. Without values it takes no memory.
///
/// ```
/// use httpfsm::handler::Extensions;
///
/// #[derive(PartialEq, Debug)]
/// struct Zone(&'static str);
///
/// let mut extensions = Extensions::default();
/// extensions.insert(Zone("internal"));
/// assert_eq!(extensions.get(), Some(&Zone("internal")));
/// assert_eq!(extensions.get::<u16>(), None);
/// ```
#[derive(Clone, Default)]
pub struct Extensions(Option<Arc<Vec<Entry>>>);

impl Extensions {
    /// Adds a value, in place of the one of its type.
    ///
    /// ```
    /// use httpfsm::handler::Extensions;
    ///
    /// let mut extensions = Extensions::default();
    /// extensions.insert("first");
    /// // There is one of each type.
    /// extensions.insert("second");
    /// assert_eq!(extensions.get::<&str>(), Some(&"second"));
    /// ```
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        let entries = Arc::make_mut(self.0.get_or_insert_default());
        entries.retain(|(of, _)| *of != TypeId::of::<T>());
        entries.push((TypeId::of::<T>(), Arc::new(value)));
    }

    /// Adds the values of another, in place of those of their types. They are shared.
    ///
    /// ```
    /// use httpfsm::handler::Extensions;
    ///
    /// let (mut listener, mut layer) = (Extensions::default(), Extensions::default());
    /// listener.insert("internal");
    /// layer.insert(3_u8);
    /// listener.extend(&layer);
    /// assert_eq!((listener.get::<&str>(), listener.get::<u8>()), (Some(&"internal"), Some(&3)));
    /// ```
    pub fn extend(&mut self, other: &Self) {
        for (of, value) in other.0.as_deref().into_iter().flatten() {
            let entries = Arc::make_mut(self.0.get_or_insert_default());
            entries.retain(|(its, _)| its != of);
            entries.push((*of, Arc::clone(value)));
        }
    }

    /// The value of this type.
    ///
    /// ```
    /// use httpfsm::Request;
    ///
    /// /// What a layer has found out about the client.
    /// struct Client {
    ///     name: String,
    /// }
    ///
    /// async fn whoami(request: Request) -> String {
    ///     match request.connection().extensions.get::<Client>() {
    ///         Some(client) => format!("You are {}.", client.name),
    ///         None => "Nobody knows who you are.".into(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        let (_, value) = self.0.as_ref()?.iter().find(|(of, _)| *of == TypeId::of::<T>())?;
        value.downcast_ref()
    }
}

/// Values are the same if they are shared.
impl PartialEq for Extensions {
    fn eq(&self, other: &Self) -> bool {
        let entries = |these: &Self| these.0.as_deref().map_or(0, Vec::len);
        let shared = |(of, value): &Entry| {
            let others = other.0.as_deref().into_iter().flatten();
            others.into_iter().any(|(their, theirs)| their == of && Arc::ptr_eq(theirs, value))
        };
        entries(self) == entries(other) && self.0.as_deref().into_iter().flatten().all(shared)
    }
}

impl Eq for Extensions {}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extensions({})", self.0.as_deref().map_or(0, Vec::len))
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::Extensions;

    #[test]
    fn there_is_one_value_of_each_type_and_a_copy_is_its_own() {
        let mut one = Extensions::default();
        one.insert(1_u8);
        one.insert("text");
        one.insert(2_u8);
        let mut other = one.clone();
        assert_eq!((one.get::<u8>(), one.get::<&str>()), (Some(&2), Some(&"text")));
        assert_eq!(format!("{one:?}"), "Extensions(2)");
        assert_eq!(one, other);
        other.insert(3_u8);
        assert_eq!((one.get::<u8>(), other.get::<u8>()), (Some(&2), Some(&3)));
        assert_ne!(one, other);
        one.extend(&other);
        assert_eq!(one, other);
        one.extend(&Extensions::default());
        assert_eq!((one.get::<u8>(), one.get::<&str>()), (Some(&3), Some(&"text")));
        let mut none = Extensions::default();
        none.extend(&one);
        assert_eq!(none, one);
        assert_eq!(Extensions::default(), Extensions::default());
    }
}
