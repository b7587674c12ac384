//! Validators, and the preconditions of requests (RFC 9110 sections 8.8 and 13).

use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::{fmt_http_date, parse_http_date};
use httpfsm::handler::Response;
use httpfsm::request::RequestRef;

use crate::coding::Coding;
use crate::ranges::{self, Selection};

/// What distinguishes one state of a content from the next: an entity tag and a date (RFC 9110 section 8.8), by which
/// conditional requests (section 13) and ranges (section 14) are judged.
///
/// ```
/// use httpfsm::handler::{Request, Response};
/// use httpfsm::status::Status;
/// use httpfsm_files::{PreconditionOutcome, Validators};
///
/// /// A text that costs little to make and much to send.
/// fn respond(request: &Request, text: String) -> Response {
///     let validators = Validators::of_text(&text);
///     match validators.evaluate(request.head()) {
///         PreconditionOutcome::Perform => validators.apply(Response::text(text)),
///         PreconditionOutcome::NotModified => validators.apply(Response::new(Status::NOT_MODIFIED)),
///         PreconditionOutcome::Failed => Response::new(Status::PRECONDITION_FAILED),
///     }
/// }
/// # let _ = respond;
/// ```
#[derive(Clone, Debug)]
pub struct Validators {
    /// `None` where nothing distinguishes the states.
    etag: Option<String>,
    /// In whole seconds; `None` where HTTP cannot express the time, or the time means nothing.
    modified: Option<SystemTime>,
    /// Whether no other state can have this date.
    is_settled: bool,
}

/// The result of the preconditions of a request (RFC 9110 section 13.2), which
/// [`Validators::evaluate`] gives; [`Validators`] has an example.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PreconditionOutcome {
    /// The request is to be performed.
    Perform,
    /// 304
    NotModified,
    /// 412
    Failed,
}

/// A date of HTTP has a year from 1970 to 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// A second, and a tick of the clock that files are stamped with: 10 ms at most on Linux.
const SETTLES_AFTER: Duration = Duration::from_millis(1010);

impl Validators {
    /// The validators of a file. The tag consists of the length and of the modification time in nanoseconds, so that
    /// equal copies of a file on two machines have equal tags.
    ///
    /// For a second and one tick of the file system's clock, the file may change again and keep its modification time,
    /// or its second (RFC 9110 section 8.8.2.2). During that time, and while the time is in the future, there is no
    /// `Last-Modified`, and the tag is weak and differs from the later one, as weak comparison would find them equal.
    /// So a copy from that second is never taken for current once the second is over.
    ///
    /// Nix and other builders set a time of 0 or 1 on every file: such a file has no validators.
    ///
    /// A file that a handler opens by itself, as the client may have it already:
    ///
    /// ```
    /// use std::{fs, io};
    ///
    /// use httpfsm::{Request, Response, Status};
    /// use httpfsm_files::{PreconditionOutcome, Validators};
    ///
    /// fn respond(request: &Request, path: &str) -> io::Result<Response> {
    ///     let validators = Validators::of_file(&fs::metadata(path)?);
    ///     Ok(match validators.evaluate(request.head()) {
    ///         PreconditionOutcome::Perform => validators.apply(Response::bytes(fs::read(path)?)),
    ///         PreconditionOutcome::NotModified => validators.apply(Response::new(Status::NOT_MODIFIED)),
    ///         PreconditionOutcome::Failed => Response::new(Status::PRECONDITION_FAILED),
    ///     })
    /// }
    /// # let _ = respond;
    /// ```
    #[must_use]
    pub fn of_file(metadata: &Metadata) -> Self {
        Self::at(metadata, SystemTime::now())
    }

    pub(crate) fn at(metadata: &Metadata, now: SystemTime) -> Self {
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        if matches!(seconds, 0 | 1) {
            return Self { etag: None, modified: None, is_settled: false };
        }
        let age = metadata.modified().ok().and_then(|modified| now.duration_since(modified).ok());
        let is_settled = age.is_some_and(|age| age >= SETTLES_AFTER);
        let state = format!("{:x}-{seconds:x}.{nanoseconds:x}", metadata.len());
        let etag = if is_settled { format!("\"{state}\"") } else { format!("W/\"{state}-new\"") };
        let modified = u64::try_from(seconds).ok().filter(|&seconds| seconds <= LAST_SECOND);
        let modified = modified.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        Self { etag: Some(etag), modified, is_settled }
    }

    /// The validators of a text that is generated for each request; weak, as two texts may have the same hash.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { etag: Some(format!("W/\"{:x}\"", hasher.finish())), modified: None, is_settled: false }
    }

    /// Those of the same content in a coding: each has tags of its own (RFC 9110 section 8.8.3.3).
    pub(crate) fn coded(mut self, coding: Coding) -> Self {
        if let Some(etag) = self.etag.as_mut().filter(|etag| etag.ends_with('"')) {
            etag.pop();
            *etag += &format!("-{}\"", coding.name());
        }
        self
    }

    /// Adds the fields to a response: `ETag` and `Last-Modified`, as far as there are any.
    #[must_use]
    pub fn apply(&self, response: Response) -> Response {
        let response = match &self.etag {
            Some(etag) => response.with_field("ETag", etag),
            None => response,
        };
        match self.settled() {
            Some(modified) => response.with_field("Last-Modified", fmt_http_date(modified)),
            None => response,
        }
    }

    /// Evaluates the preconditions of GET or HEAD in the order of RFC 9110 section 13.2.2.
    #[must_use]
    pub fn evaluate(&self, request: RequestRef<'_>) -> PreconditionOutcome {
        if request.field("If-Match").is_some() {
            if !self.any_tag(request, "If-Match", strongly_equal) {
                return PreconditionOutcome::Failed;
            }
        } else if let (Some(date), Some(modified)) = (date(request, "If-Unmodified-Since"), self.modified) {
            if modified > date {
                return PreconditionOutcome::Failed;
            }
        }
        if request.field("If-None-Match").is_some() {
            if self.any_tag(request, "If-None-Match", weakly_equal) {
                return PreconditionOutcome::NotModified;
            }
        } else if let (Some(date), Some(modified)) = (date(request, "If-Modified-Since"), self.settled()) {
            if modified <= date {
                return PreconditionOutcome::NotModified;
            }
        }
        PreconditionOutcome::Perform
    }

    /// Which part of a content of this length a GET asks for: the last step, `Range` under `If-Range`. An unknown
    /// `Range` is ignored (RFC 9110 section 14.2).
    #[must_use]
    pub fn select(&self, request: RequestRef<'_>, length: u64) -> Selection {
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
            None => self.etag.as_ref().is_some_and(|etag| strongly_equal(value, etag.as_bytes())),
        }
    }

    fn settled(&self) -> Option<SystemTime> {
        self.modified.filter(|_| self.is_settled)
    }

    /// Whether a field lists `*` or an equal tag. A malformed list counts up to its error.
    fn any_tag(&self, request: RequestRef<'_>, name: &str, equal: fn(&[u8], &[u8]) -> bool) -> bool {
        let is_ours = |tag: &[u8]| self.etag.as_ref().is_some_and(|etag| equal(tag, etag.as_bytes()));
        request.field_all(name).any(|value| value == b"*" || tags(value).any(is_ours))
    }
}

/// The value of a field that occurs once.
fn only<'a>(request: RequestRef<'a>, name: &str) -> Option<&'a [u8]> {
    let mut values = request.field_all(name);
    values.next().filter(|_| values.next().is_none())
}

/// A field that is no date is ignored (RFC 9110 sections 13.1.3 and 13.1.4).
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
        let length = prefix + rest[prefix..].iter().position(|&byte| byte == b'"')? + 1;
        let (tag, after) = rest.split_at(length);
        rest = after;
        Some(tag)
    })
}

/// Strong comparison (RFC 9110 section 8.8.3.2).
fn strongly_equal(one: &[u8], other: &[u8]) -> bool {
    one == other && !one.starts_with(b"W/")
}

/// Weak comparison.
fn weakly_equal(one: &[u8], other: &[u8]) -> bool {
    fn opaque(tag: &[u8]) -> &[u8] {
        tag.strip_prefix(b"W/").unwrap_or(tag)
    }
    opaque(one) == opaque(other)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::{PreconditionOutcome, Validators, tags};
    use crate::exchange::request;
    use crate::ranges::Selection;

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
        Validators { etag: Some(etag.to_owned()), modified, is_settled: true }
    }

    const BEFORE: &str = "Wed, 01 Jan 2020 01:59:59 GMT";
    const EXACTLY: &str = "Wed, 01 Jan 2020 02:00:00 GMT";
    const AFTER: &str = "Wed, 01 Jan 2020 02:00:01 GMT";

    fn evaluate(validators: &Validators, fields: &[(&str, &str)]) -> PreconditionOutcome {
        let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        validators.evaluate(request(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).head())
    }

    #[test]
    fn preconditions_have_their_order() {
        use PreconditionOutcome::{Failed, NotModified, Perform};
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
            assert_eq!(evaluate(&validators, fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_weak_tag_matches_weakly_alone() {
        let weak = validators("W/\"a\"");
        assert_eq!(evaluate(&weak, &[("If-Match", "W/\"a\"")]), PreconditionOutcome::Failed);
        assert_eq!(evaluate(&weak, &[("If-Match", "*")]), PreconditionOutcome::Perform);
        assert_eq!(evaluate(&weak, &[("If-None-Match", "\"a\"")]), PreconditionOutcome::NotModified);
    }

    #[test]
    fn a_date_whose_second_runs_proves_a_change_and_never_its_absence() {
        let young = Validators { is_settled: false, ..validators("\"a\"") };
        assert_eq!(evaluate(&young, &[("If-Modified-Since", AFTER)]), PreconditionOutcome::Perform);
        assert_eq!(evaluate(&young, &[("If-Unmodified-Since", BEFORE)]), PreconditionOutcome::Failed);
        assert_eq!(select(&young, &format!("Range: bytes=0-0\r\nIf-Range: {EXACTLY}\r\n")), Selection::Whole);
    }

    /// Those of a file of so many bytes that was modified then.
    fn of_file(length: u64, modified: SystemTime, now: SystemTime) -> Validators {
        let file = tempfile::tempfile().unwrap();
        file.set_len(length).unwrap();
        file.set_modified(modified).unwrap();
        Validators::at(&file.metadata().unwrap(), now)
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_tag_is_of_length_and_time_alone() {
        let modified = UNIX_EPOCH + Duration::new(1_000_000_000, 5);
        let tag = |length, modified| of_file(length, modified, modified + DAY).etag.unwrap();
        assert_eq!(tag(26, modified), "\"1a-3b9aca00.5\"");
        // Another file, on another machine perhaps.
        assert_eq!(tag(26, modified), tag(26, modified));
        assert_ne!(tag(26, modified), tag(27, modified));
        assert_ne!(tag(26, modified), tag(26, modified + Duration::from_nanos(1)));
        assert_ne!(tag(26, modified), tag(26, modified + Duration::from_secs(1)));
        // It does not depend on when it is asked for.
        assert_eq!(of_file(26, modified, modified + 2 * DAY).etag.as_deref(), Some("\"1a-3b9aca00.5\""));
    }

    #[test]
    fn a_file_that_may_change_within_its_second_has_a_weak_tag_and_no_date() {
        let second = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for millis in [0, 500, 999] {
            let modified = second + Duration::from_millis(millis);
            for (later, is_settled) in [(0, false), (999, false), (1009, false), (1010, true), (10_000, true)]
            {
                let validators = of_file(9, modified, modified + Duration::from_millis(later));
                assert_eq!(validators.settled(), is_settled.then_some(second), "{millis} {later}");
                let etag = validators.etag.unwrap();
                assert_eq!(etag.starts_with("W/\""), !is_settled, "{etag} {millis} {later}");
            }
        }
        let future = of_file(9, second, second - DAY);
        assert!(future.settled().is_none() && future.etag.unwrap().starts_with("W/\""));
    }

    #[test]
    fn a_copy_of_the_running_second_is_right_within_it_alone() {
        let modified = UNIX_EPOCH + Duration::from_millis(1_000_000_000_100);
        let young = of_file(9, modified, modified);
        let settled = of_file(9, modified, modified + DAY);
        let tag = young.etag.clone().unwrap();
        for (validators, outcome) in
            [(&young, PreconditionOutcome::NotModified), (&settled, PreconditionOutcome::Perform)]
        {
            assert_eq!(evaluate(validators, &[("If-None-Match", &tag)]), outcome);
            assert_eq!(
                select(validators, &format!("Range: bytes=0-0\r\nIf-Range: {tag}\r\n")),
                Selection::Whole
            );
        }
        let tag = settled.etag.clone().unwrap();
        assert_eq!(evaluate(&settled, &[("If-None-Match", &tag)]), PreconditionOutcome::NotModified);
        let range = format!("Range: bytes=0-0\r\nIf-Range: {tag}\r\n");
        assert_eq!(select(&settled, &range), Selection::One(0..1));
    }

    #[test]
    fn a_time_that_every_file_has_is_not_sent() {
        for seconds in [0, 1] {
            let modified = UNIX_EPOCH + Duration::from_secs(seconds);
            let validators = of_file(9, modified, modified + DAY);
            assert_eq!((&validators.etag, validators.modified), (&None, None));
            let date = "Thu, 01 Jan 1970 00:00:01 GMT";
            assert_eq!(evaluate(&validators, &[("If-Modified-Since", date)]), PreconditionOutcome::Perform);
            assert_eq!(
                evaluate(&validators, &[("If-None-Match", "\"9-0.0\"")]),
                PreconditionOutcome::Perform
            );
            assert_eq!(evaluate(&validators, &[("If-None-Match", "*")]), PreconditionOutcome::NotModified);
            assert_eq!(
                select(&validators, &format!("Range: bytes=0-0\r\nIf-Range: {date}\r\n")),
                Selection::Whole
            );
        }
        assert!(of_file(9, UNIX_EPOCH + Duration::from_secs(2), UNIX_EPOCH + DAY).etag.is_some());
    }

    #[test]
    fn a_date_that_http_does_not_have_is_not_sent() {
        for outside in
            [UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH + Duration::from_secs(253_402_300_800)]
        {
            let file = tempfile::tempfile().unwrap();
            file.set_modified(outside).unwrap();
            let metadata = file.metadata().unwrap();
            // Not every file system can keep such a time.
            if metadata.modified().unwrap() == outside {
                let validators = Validators::at(&metadata, outside + DAY);
                assert_eq!(validators.modified, None, "{outside:?}");
                assert!(validators.etag.unwrap().starts_with('"'));
            }
        }
    }

    fn select(validators: &Validators, lines: &str) -> Selection {
        validators.select(request(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).head(), 10)
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
