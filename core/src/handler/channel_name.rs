//! The name of a channel, which every connection keeps as long as it lives.

use alloc::boxed::Box;
use alloc::string::String;
use core::borrow::Borrow;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

use crate::part::{part, part_mut};

/// Bytes that need no memory of their own: `server.clisrv_` and eight digits.
const SHORT: usize = 22;

/// The name of a channel: text, which takes no memory of its own where it is as short as most names are.
///
/// ```
/// use httpfsm::handler::ChannelName;
///
/// let name = ChannelName::from("server.clisrv_17");
/// // It is used as a `&str` is.
/// assert!(name == "server.clisrv_17" && name.ends_with("_17"));
/// assert_eq!(format!("{name}: opened"), "server.clisrv_17: opened");
/// // So it is as a key.
/// let requests = std::collections::HashMap::from([(name, 3)]);
/// assert_eq!(requests.get("server.clisrv_17"), Some(&3));
/// ```
#[derive(Clone)]
pub struct ChannelName(Text);

#[derive(Clone)]
enum Text {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<str>),
}

impl ChannelName {
    /// The name as text.
    ///
    /// ```
    /// use httpfsm::handler::ChannelName;
    ///
    /// assert_eq!(ChannelName::from("server.clisrv_17").as_str().rsplit('_').next(), Some("17"));
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // The bytes are those of a `str`.
            Text::Short { length, bytes } => {
                core::str::from_utf8(part(bytes, 0..usize::from(*length))).unwrap_or_default()
            }
            Text::Long(text) => text,
        }
    }

    fn short(text: &str) -> Option<Self> {
        let mut bytes = [0; SHORT];
        if text.len() > SHORT {
            return None;
        }
        part_mut(&mut bytes, 0..text.len()).copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).ok()?;
        Some(Self(Text::Short { length, bytes }))
    }
}

impl From<&str> for ChannelName {
    fn from(text: &str) -> Self {
        Self::short(text).unwrap_or_else(|| Self(Text::Long(text.into())))
    }
}

impl From<String> for ChannelName {
    fn from(text: String) -> Self {
        Self::short(&text).unwrap_or_else(|| Self(Text::Long(text.into())))
    }
}

impl Deref for ChannelName {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for ChannelName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ChannelName {}

impl PartialOrd for ChannelName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// In the order of the text.
impl Ord for ChannelName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

/// As the text, so a map of names is asked with a `&str`.
impl Hash for ChannelName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for ChannelName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for ChannelName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for ChannelName {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_name_of_any_length_is_the_text_that_it_was_made_of() {
        for length in 0..2 * SHORT {
            // One of the letters takes two bytes.
            let text: String = "a".repeat(length) + "ö";
            let names = [ChannelName::from(text.as_str()), ChannelName::from(text.clone())];
            assert_eq!(names[0], names[1]);
            assert_eq!((names[0].as_str(), names[1].to_string()), (text.as_str(), text.clone()));
            assert_ne!(names[0], ChannelName::from("a".repeat(length)));
        }
    }

    #[test]
    fn names_are_sorted_as_their_texts_whatever_holds_them() {
        let long = "a".repeat(2 * SHORT);
        let sorted = ["a", &long, "b"].map(ChannelName::from);
        let names: alloc::collections::BTreeSet<_> = ["b", "a", &long].map(ChannelName::from).into();
        assert!(names.iter().eq(&sorted) && names.contains(long.as_str()));
    }

    #[test]
    fn a_name_is_no_larger_than_a_string_and_a_short_one_is_all_of_it() {
        assert_eq!(size_of::<ChannelName>(), size_of::<String>());
        let name = allocation_counter::measure(|| drop(ChannelName::from("server.clisrv_12345678")));
        assert_eq!(name.count_total, 0);
    }
}
