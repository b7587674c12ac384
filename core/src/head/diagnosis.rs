//! Which rule a line of a head breaks, and at which byte. Off the usual path: it walks the line once more, slowly.

use super::{HeadLimits, MAX_METHOD, start};
use crate::error::{RequestError, Rule};
use crate::part::part;
use crate::target;
use crate::token::{is_blank, is_field_byte, is_tchar};

/// The rule that the last line of `lines` breaks, which begins at `line_at` and has ended: no continuation can mend it.
/// Lines that come before it break none, and no word of it is too long. `is_first_field`: `None` for the request line.
#[cold]
pub(super) fn wrong_line(lines: &[u8], line_at: usize, is_first_field: Option<bool>) -> Option<RequestError> {
    let line = part(lines, line_at..);
    crate::witness::bytes(line.len());
    let (rule, at) = match is_first_field {
        None => request_line(line),
        Some(is_first) => field_line(line, is_first),
    }?;
    Some(RequestError::new(rule, (line_at + at) as u64))
}

/// The rule for a request line that goes on behind these bytes, by the last of which its method or its target is too long.
#[cold]
pub(super) fn too_long(head: &[u8], limits: &HeadLimits) -> RequestError {
    let line_at = start(head);
    let line = part(head, line_at..);
    let (rule, at) =
        wrong_or_long_method(line).unwrap_or((Rule::TargetTooLong, word(line, 0).len() + 1 + limits.target));
    RequestError::new(rule, (line_at + at) as u64)
}

fn wrong_or_long_method(line: &[u8]) -> Option<(Rule, usize)> {
    let method = word(line, 0);
    if let Some(at) = method.iter().take(MAX_METHOD).position(|&byte| !is_tchar(byte)) {
        return Some((Rule::Method, at));
    }
    (method.len() > MAX_METHOD).then_some((Rule::MethodTooLong, MAX_METHOD))
}

fn request_line(line: &[u8]) -> Option<(Rule, usize)> {
    if line == b"PRI * HTTP/2.0" {
        return Some((Rule::Http2Preface, 0));
    }
    if let wrong @ Some(_) = wrong_or_long_method(line) {
        return wrong;
    }
    let method = word(line, 0);
    if method.len() == line.len() {
        return Some((Rule::RequestLine, line.len()));
    }
    let target_at = method.len() + 1;
    let target = word(line, target_at);
    if target.is_empty() {
        return Some((Rule::RequestLine, target_at));
    }
    if let Err((rule, at)) = target::check(method, target) {
        return Some((rule, target_at + at));
    }
    let version_at = target_at + target.len() + 1;
    // A line that ends with its target has no version, not even an empty one.
    version(line.get(version_at..).unwrap_or_default())
        .map(|(rule, at)| (rule, (version_at + at).min(line.len())))
}

/// `HTTP/DIGIT.DIGIT`, case-sensitive (RFC 9112 section 2.3), and of those only 1.x.
fn version(word: &[u8]) -> Option<(Rule, usize)> {
    let fits = |(&byte, &pattern): (&u8, &u8)| match pattern {
        b'0' => byte.is_ascii_digit(),
        _ => byte == pattern,
    };
    let pattern = b"HTTP/0.0";
    let same = word.iter().zip(pattern).take_while(|&pair| fits(pair)).count();
    if same < pattern.len() || word.len() > pattern.len() {
        Some((Rule::RequestLine, same))
    } else if word.get(5) != Some(&b'1') {
        Some((Rule::Version, 5))
    } else {
        None
    }
}

fn field_line(line: &[u8], is_first: bool) -> Option<(Rule, usize)> {
    if !is_first && line.first().is_some_and(|&byte| is_blank(byte)) {
        return Some((Rule::ObsFold, 0));
    }
    let Some(colon) = memchr::memchr(b':', line) else { return Some((Rule::FieldLine, 0)) };
    let (name, value) = line.split_at_checked(colon)?;
    if name.is_empty() {
        return Some((Rule::FieldName, 0));
    }
    if let Some(at) = name.iter().position(|&byte| !is_tchar(byte)) {
        return Some((Rule::FieldName, at));
    }
    value.iter().position(|&byte| !is_field_byte(byte)).map(|at| (Rule::FieldValue, colon + at))
}

/// The bytes from an offset up to the next SP or the end of the line.
fn word(line: &[u8], at: usize) -> &[u8] {
    // Behind the last word is no other.
    let rest = line.get(at..).unwrap_or_default();
    part(rest, ..memchr::memchr(b' ', rest).unwrap_or(rest.len()))
}
