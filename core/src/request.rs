//! Stand-in for the request's head.

use alloc::vec::Vec;

/// The version of HTTP that a request speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// One field line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldRef<'a> {
    /// The name.
    pub name: &'a str,
    /// The value, without the blanks around it.
    pub value: &'a [u8],
}

/// A view of a head.
#[derive(Clone, Copy, Debug)]
pub struct RequestRef<'a> {
    octets: &'a [u8],
}

impl<'a> RequestRef<'a> {
    /// The method.
    pub fn method(&self) -> &'a str {
        core::str::from_utf8(self.octets).unwrap_or("")
    }
    /// The target.
    pub fn target(&self) -> &'a str {
        ""
    }
    /// The path.
    pub fn path(&self) -> &'a str {
        ""
    }
    /// The query.
    pub fn query(&self) -> Option<&'a str> {
        None
    }
    /// The authority.
    pub fn authority(&self) -> Option<&'a str> {
        None
    }
    /// The version.
    pub fn version(&self) -> Version {
        Version::Http11
    }
    /// The fields.
    pub fn fields(&self) -> core::iter::Empty<FieldRef<'a>> {
        core::iter::empty()
    }
    /// The first value.
    pub fn field(&self, _name: &str) -> Option<&'a [u8]> {
        None
    }
    /// All values.
    pub fn field_all(&self, _name: &str) -> core::iter::Empty<&'a [u8]> {
        core::iter::empty()
    }
    /// Expect.
    pub fn expects_continue(&self) -> bool {
        false
    }
}

/// An owned head.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    octets: Vec<u8>,
}

impl RequestHead {
    /// The view.
    pub fn as_ref(&self) -> RequestRef<'_> {
        RequestRef { octets: &self.octets }
    }
}
