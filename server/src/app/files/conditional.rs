//! Validators, and the preconditions of requests (RFC 9110 sections 8.8 and 13).

use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::{fmt_http_date, parse_http_date};
use httpfsm::handler::Response;
use httpfsm::request::RequestRef;

use super::ranges::{self, Selection};

/// What tells one state of a content from the next.
#[derive(Debug)]
pub(super) struct Validators {
    etag: String,
    /// In whole seconds; `None` where HTTP has no date for it.
    modified: Option<SystemTime>,
    /// Whether that date stands for this state alone.
    is_settled: bool,
}

/// What the preconditions decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Perform,
    /// 304
    NotModified,
    /// 412
    Failed,
}

/// The years that a date of HTTP can say are 1970 to 9999.
const LAST_SECOND: u64 = 253_402_300_799;

impl Validators {
    /// Those of a file: size, time of modification to the nanosecond, and inode, as a file that is put in place of
    /// another has another.
    ///
    /// The date is told only when its second is over (and never in the future: RFC 9110 section 8.8.2.1). So whoever
    /// knows it has it of one state of the file, as of a strong validator (section 8.8.2.2).
    pub(super) fn of_file(metadata: &Metadata, now: SystemTime) -> Self {
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        let etag = format!("\"{:x}-{:x}-{seconds:x}.{nanoseconds:x}\"", metadata.ino(), metadata.len());
        let modified = u64::try_from(seconds).ok().filter(|&seconds| seconds <= LAST_SECOND);
        let modified = modified.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        let is_settled = modified.is_some_and(|modified| modified + Duration::from_secs(1) <= now);
        Self { etag, modified, is_settled }
    }

    /// That of a text that is made anew each time; weak, as two texts may have one hash.
    pub(super) fn of_text(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { etag: format!("W/\"{:x}\"", hasher.finish()), modified: None, is_settled: false }
    }

    /// Tells them.
    pub(super) fn apply(&self, response: Response) -> Response {
        let response = response.with_field("ETag", &self.etag);
        match self.settled() {
            Some(modified) => response.with_field("Last-Modified", fmt_http_date(modified)),
            None => response,
        }
    }

    /// Evaluates the preconditions of GET or HEAD in the order of RFC 9110 section 13.2.2.
    pub(super) fn judge(&self, request: RequestRef<'_>) -> Verdict {
        if request.field("If-Match").is_some() {
            if !self.any_tag(request, "If-Match", strongly_equal) {
                return Verdict::Failed;
            }
        } else if let (Some(date), Some(modified)) = (date(request, "If-Unmodified-Since"), self.modified) {
            if modified > date {
                return Verdict::Failed;
            }
        }
        if request.field("If-None-Match").is_some() {
            if self.any_tag(request, "If-None-Match", weakly_equal) {
                return Verdict::NotModified;
            }
        } else if let (Some(date), Some(modified)) = (date(request, "If-Modified-Since"), self.settled()) {
            if modified <= date {
                return Verdict::NotModified;
            }
        }
        Verdict::Perform
    }

    /// What a GET asks for of a content of this length: the last step, `Range` under `If-Range`. A `Range` that
    /// nobody understands is ignored (RFC 9110 section 14.2).
    pub(super) fn selection(&self, request: RequestRef<'_>, length: u64) -> Selection {
        match (only(request, "Range"), request.field("If-Range")) {
            (Some(range), None) => ranges::select(range, length),
            (Some(range), Some(_)) if self.is_unchanged(request) => ranges::select(range, length),
            _ => Selection::Whole,
        }
    }

    /// `If-Range`: an entity tag by strong comparison, or exactly the date (RFC 9110 section 13.1.5).
    fn is_unchanged(&self, request: RequestRef<'_>) -> bool {
        let Some(value) = only(request, "If-Range") else { return false };
        match date(request, "If-Range") {
            Some(date) => self.settled() == Some(date),
            None => strongly_equal(value, self.etag.as_bytes()),
        }
    }

    fn settled(&self) -> Option<SystemTime> {
        self.modified.filter(|_| self.is_settled)
    }

    /// Whether a field lists `*` or a tag that is equal. In a list that breaks off, what stands before counts.
    fn any_tag(&self, request: RequestRef<'_>, name: &str, equal: fn(&[u8], &[u8]) -> bool) -> bool {
        request
            .field_all(name)
            .any(|value| value == b"*" || tags(value).any(|tag| equal(tag, self.etag.as_bytes())))
    }
}

/// The value of a field that stands there once.
fn only<'a>(request: RequestRef<'a>, name: &str) -> Option<&'a [u8]> {
    let mut values = request.field_all(name);
    values.next().filter(|_| values.next().is_none())
}

/// A field that is no date is as if it were not there (RFC 9110 sections 13.1.3 and 13.1.4).
fn date(request: RequestRef<'_>, name: &str) -> Option<SystemTime> {
    parse_http_date(std::str::from_utf8(only(request, name)?).ok()?).ok()
}

/// The entity tags of a list, each with its `W/` (RFC 9110 section 8.8.3). A comma may stand inside a tag.
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', after @ ..] = rest {
            rest = after;
        }
        let prefix = if rest.starts_with(b"W/\"") { 3 } else { 1 };
        if prefix == 1 && rest.first() != Some(&b'"') {
            return None;
        }
        let length = prefix + rest[prefix..].iter().position(|&octet| octet == b'"')? + 1;
        let (tag, after) = rest.split_at(length);
        rest = after;
        Some(tag)
    })
}

/// Both are strong and the same (RFC 9110 section 8.8.3.2).
fn strongly_equal(one: &[u8], other: &[u8]) -> bool {
    one == other && !one.starts_with(b"W/")
}

/// The same, weak or not.
fn weakly_equal(one: &[u8], other: &[u8]) -> bool {
    fn opaque(tag: &[u8]) -> &[u8] {
        tag.strip_prefix(b"W/").unwrap_or(tag)
    }
    opaque(one) == opaque(other)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::super::ranges::Selection;
    use super::{Validators, Verdict, tags};
    use crate::app::testing::request;

    proptest! {
        #[test]
        fn whatever_stands_in_a_list_each_tag_is_one(list in "[W/\", \tab]{0,20}") {
            for tag in tags(list.as_bytes()) {
                let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
                prop_assert!(opaque.len() >= 2 && opaque.starts_with(b"\"") && opaque.ends_with(b"\""));
                prop_assert!(!opaque[1..opaque.len() - 1].contains(&b'"'));
            }
        }
    }

    /// Modified at 02:00:00 on the first of January 2020.
    fn validators(etag: &str) -> Validators {
        let modified = Some(UNIX_EPOCH + Duration::from_secs(1_577_844_000));
        Validators { etag: etag.to_owned(), modified, is_settled: true }
    }

    const BEFORE: &str = "Wed, 01 Jan 2020 01:59:59 GMT";
    const EXACTLY: &str = "Wed, 01 Jan 2020 02:00:00 GMT";
    const AFTER: &str = "Wed, 01 Jan 2020 02:00:01 GMT";

    fn judge(validators: &Validators, fields: &[(&str, &str)]) -> Verdict {
        let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        validators.judge(request(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).head())
    }

    #[test]
    fn preconditions_have_their_order() {
        use Verdict::{Failed, NotModified, Perform};
        let validators = validators("\"a\"");
        for (fields, expected) in [
            (&[][..], Perform),
            // If-Match, strong
            (&[("If-Match", "\"a\"")], Perform),
            (&[("If-Match", "*")], Perform),
            (&[("If-Match", "\"b\", \"a\"")], Perform),
            (&[("If-Match", "\"b\""), ("If-Match", "\"a\"")], Perform),
            (&[("If-Match", "\"b\"")], Failed),
            (&[("If-Match", "W/\"a\"")], Failed),
            (&[("If-Match", "a")], Failed),
            (&[("If-Match", "")], Failed),
            // If-Unmodified-Since
            (&[("If-Unmodified-Since", BEFORE)], Failed),
            (&[("If-Unmodified-Since", EXACTLY)], Perform),
            (&[("If-Unmodified-Since", AFTER)], Perform),
            (&[("If-Unmodified-Since", "yesterday")], Perform),
            // If-Match goes before it
            (&[("If-Match", "\"a\""), ("If-Unmodified-Since", BEFORE)], Perform),
            (&[("If-Match", "\"b\""), ("If-Unmodified-Since", AFTER)], Failed),
            // If-None-Match, weak
            (&[("If-None-Match", "\"a\"")], NotModified),
            (&[("If-None-Match", "W/\"a\"")], NotModified),
            (&[("If-None-Match", "*")], NotModified),
            (&[("If-None-Match", "\"x,y\" ,, W/\"b\",\t\"a\"")], NotModified),
            (&[("If-None-Match", "\"b\""), ("If-None-Match", "\"a\"")], NotModified),
            (&[("If-None-Match", "\"b\"")], Perform),
            (&[("If-None-Match", "a")], Perform),
            (&[("If-None-Match", "w/\"a\"")], Perform),
            (&[("If-None-Match", "\"a")], Perform),
            // If-Modified-Since
            (&[("If-Modified-Since", BEFORE)], Perform),
            (&[("If-Modified-Since", EXACTLY)], NotModified),
            (&[("If-Modified-Since", AFTER)], NotModified),
            (&[("If-Modified-Since", "Wednesday, 01-Jan-20 02:00:00 GMT")], NotModified),
            (&[("If-Modified-Since", "Wed Jan  1 02:00:00 2020")], NotModified),
            (&[("If-Modified-Since", "soon")], Perform),
            (&[("If-Modified-Since", AFTER), ("If-Modified-Since", AFTER)], Perform),
            // If-None-Match goes before it
            (&[("If-None-Match", "\"b\""), ("If-Modified-Since", AFTER)], Perform),
            (&[("If-None-Match", "\"a\""), ("If-Modified-Since", BEFORE)], NotModified),
            // The first pair goes before the second
            (&[("If-Match", "\"b\""), ("If-None-Match", "\"a\"")], Failed),
            (&[("If-Match", "\"a\""), ("If-None-Match", "\"a\"")], NotModified),
            (&[("If-Unmodified-Since", BEFORE), ("If-Modified-Since", AFTER)], Failed),
        ] {
            assert_eq!(judge(&validators, fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_weak_tag_matches_weakly_alone() {
        let weak = validators("W/\"a\"");
        assert_eq!(judge(&weak, &[("If-Match", "W/\"a\"")]), Verdict::Failed);
        assert_eq!(judge(&weak, &[("If-Match", "*")]), Verdict::Perform);
        assert_eq!(judge(&weak, &[("If-None-Match", "\"a\"")]), Verdict::NotModified);
    }

    #[test]
    fn a_date_whose_second_runs_proves_a_change_and_never_its_absence() {
        let young = Validators { is_settled: false, ..validators("\"a\"") };
        assert_eq!(judge(&young, &[("If-Modified-Since", AFTER)]), Verdict::Perform);
        assert_eq!(judge(&young, &[("If-Unmodified-Since", BEFORE)]), Verdict::Failed);
        assert_eq!(select(&young, &format!("Range: bytes=0-0\r\nIf-Range: {EXACTLY}\r\n")), Selection::Whole);
    }

    #[test]
    fn only_a_date_whose_second_is_over_is_told() {
        let file = tempfile::tempfile().unwrap();
        let modified = UNIX_EPOCH + Duration::from_millis(1_000_000_000_500);
        file.set_modified(modified).unwrap();
        let metadata = file.metadata().unwrap();
        for (later, told) in [(0, false), (499, false), (500, true), (10_000, true)] {
            let now = modified + Duration::from_millis(later);
            let settled = Validators::of_file(&metadata, now).settled();
            assert_eq!(settled, told.then_some(UNIX_EPOCH + Duration::from_secs(1_000_000_000)), "{later}");
        }
        assert_eq!(Validators::of_file(&metadata, UNIX_EPOCH).settled(), None);
        for outside in
            [UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH + Duration::from_secs(253_402_300_800)]
        {
            file.set_modified(outside).unwrap();
            let metadata = file.metadata().unwrap();
            // Not every file system can keep such a time.
            if metadata.modified().unwrap() == outside {
                let validators = Validators::of_file(&metadata, outside + Duration::from_secs(9));
                assert_eq!(validators.modified, None, "{outside:?}");
            }
        }
    }

    fn select(validators: &Validators, lines: &str) -> Selection {
        validators.selection(request(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).head(), 10)
    }

    #[test]
    fn a_range_holds_only_for_what_the_client_has_the_rest_of() {
        let range = Selection::One(0..1);
        for (if_range, applies) in [
            ("", true),
            ("If-Range: \"a\"\r\n", true),
            ("If-Range: W/\"a\"\r\n", false),
            ("If-Range: \"b\"\r\n", false),
            ("If-Range: *\r\n", false),
            ("If-Range: \"b\", \"a\"\r\n", false),
            ("If-Range: \"a\"\r\nIf-Range: \"a\"\r\n", false),
            ("If-Range: Wed, 01 Jan 2020 02:00:00 GMT\r\n", true),
            ("If-Range: Wed, 01 Jan 2020 02:00:01 GMT\r\n", false),
            ("If-Range: Wed, 01 Jan 2020 01:59:59 GMT\r\n", false),
            ("If-Range:\r\n", false),
        ] {
            let expected = if applies { range.clone() } else { Selection::Whole };
            let lines = format!("Range: bytes=0-0\r\n{if_range}");
            assert_eq!(select(&validators("\"a\""), &lines), expected, "{if_range}");
            assert_eq!(select(&validators("\"a\""), if_range), Selection::Whole, "{if_range}");
        }
        let weak = select(&validators("W/\"a\""), "Range: bytes=0-0\r\nIf-Range: W/\"a\"\r\n");
        assert_eq!(weak, Selection::Whole);
        let twice = select(&validators("\"a\""), "Range: bytes=0-0\r\nRange: bytes=0-0\r\n");
        assert_eq!(twice, Selection::Whole);
    }

    #[test]
    fn a_list_of_tags_is_taken_apart() {
        for (list, expected) in [
            ("", &[][..]),
            (" , ,", &[]),
            ("\"a\"", &["\"a\""]),
            ("\"\"", &["\"\""]),
            ("W/\"a\",\"b\"", &["W/\"a\"", "\"b\""]),
            ("\"a, b\" \t, \"c\"", &["\"a, b\"", "\"c\""]),
            ("\"a\", b, \"c\"", &["\"a\""]),
            ("\"a\", \"b", &["\"a\""]),
            ("W/", &[]),
        ] {
            let expected: Vec<_> = expected.iter().map(|tag| tag.as_bytes()).collect();
            assert_eq!(tags(list.as_bytes()).collect::<Vec<_>>(), expected, "{list}");
        }
    }
}
