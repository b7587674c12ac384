//! The media type of a request's content (RFC 9110 section 8.3).

use crate::request::RequestRef;

/// `type/subtype` of the content, without parameters.
pub(super) struct MediaType<'a>(&'a str);

impl<'a> MediaType<'a> {
    /// That of `Content-Type`, if there is one field line of this name.
    pub(super) fn of(head: RequestRef<'a>) -> Option<Self> {
        let mut lines = head.field_all("content-type");
        let value = core::str::from_utf8(lines.next()?).ok()?;
        let essence = value.split(';').next().unwrap_or_default().trim_matches([' ', '\t']);
        lines.next().is_none().then_some(Self(essence))
    }

    pub(super) fn is(&self, essence: &str) -> bool {
        self.0.eq_ignore_ascii_case(essence)
    }

    #[cfg(feature = "json")]
    pub(super) fn ends_with(&self, suffix: &str) -> bool {
        let at = self.0.len().saturating_sub(suffix.len());
        self.0.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    }
}
