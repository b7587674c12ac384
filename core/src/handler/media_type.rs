//! The media type of a request's content (RFC 9110 section 8.3).

use crate::request::RequestRef;

/// The value of `Content-Type`, if there is one field line of this name. Of two, whoever stands before the server may
/// believe another than the handler.
pub(super) fn only_content_type(head: RequestRef<'_>) -> Option<&str> {
    let mut lines = head.field_all("content-type");
    let value = core::str::from_utf8(lines.next()?).ok()?;
    lines.next().is_none().then_some(value)
}

/// `type/subtype` of the content, without parameters.
#[cfg(any(feature = "form", feature = "json"))]
pub(super) struct MediaType<'a>(&'a str);

#[cfg(any(feature = "form", feature = "json"))]
impl<'a> MediaType<'a> {
    /// That of the only `Content-Type`.
    pub(super) fn of(head: RequestRef<'a>) -> Option<Self> {
        let essence = only_content_type(head)?.split(';').next().unwrap_or_default();
        Some(Self(essence.trim_matches([' ', '\t'])))
    }

    pub(super) fn is(&self, essence: &str) -> bool {
        self.0.eq_ignore_ascii_case(essence)
    }

    #[cfg(feature = "json")]
    pub(super) fn ends_with(&self, suffix: &str) -> bool {
        let at = self.0.len().saturating_sub(suffix.len());
        let is_of_type = self.0.get(..at).is_some_and(|before| before.contains('/'));
        is_of_type && self.0.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    }
}
