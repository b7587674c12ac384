//! What the extensions of each request begin with.

use http::Extensions;

/// An empty map with room. A copy of it has the same room, and need not grow where a router and a few layers put in theirs.
pub(crate) fn with_room() -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(One);
    extensions.insert(Two);
    extensions.insert(Three);
    extensions.insert(Four);
    extensions.clear();
    extensions
}

#[derive(Clone)]
struct One;
#[derive(Clone)]
struct Two;
#[derive(Clone)]
struct Three;
#[derive(Clone)]
struct Four;
