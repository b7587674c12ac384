//! What a script made happen, to be compared with what it made happen elsewhere.

use std::fmt;

/// The width of a column where two traces stand side by side.
const WIDTH: usize = 70;
/// Equal lines that are shown before a difference.
const BEFORE: usize = 3;
/// Lines that are shown of a difference.
const SHOWN: usize = 24;

/// What happened in a script: the events of each channel, what the application saw of each request, and the bytes
/// that each peer received, with the end of its connection. Two traces are equal byte for byte; of the bytes only
/// the value of `Date` is left out.
///
/// ```
/// use httpfsm_transport_kit::{OBLIGATIONS, in_memory};
///
/// let trace_of = |name: &str| {
///     let mut scripts = OBLIGATIONS.iter().flat_map(|obligation| obligation.scripts());
///     in_memory(&scripts.find(|script| script.name == name).expect("there is one of this name"))
/// };
/// let ended = trace_of("an end without a request");
/// assert_eq!(ended.is_stuck(), None);
/// assert_eq!(ended.difference(&trace_of("an end without a request")), "");
/// assert_ne!(ended.difference(&trace_of("a reset without a request")), "", "both, side by side");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptTrace {
    lanes: Vec<(String, Vec<u8>)>,
    stuck: Option<String>,
}

impl ScriptTrace {
    pub(crate) fn new(lanes: Vec<(String, String)>) -> Self {
        let lanes = lanes.into_iter().map(|(title, text)| (title, text.into_bytes()));
        Self { lanes: lanes.collect(), stuck: None }
    }

    pub(crate) fn wire(&mut self, number: usize, bytes: &[u8], end: &str) {
        self.lanes.push((format!("bytes to peer {number}"), without_dates(bytes)));
        self.lanes.push((format!("end of peer {number}"), end.as_bytes().to_vec()));
    }

    /// The same, with an end in place of each reset of the server: Unix sockets have none.
    pub(crate) fn without_resets(mut self) -> Self {
        for (title, bytes) in &mut self.lanes {
            if title.starts_with("end of peer ") && bytes == b"RST" {
                *bytes = b"FIN".to_vec();
            }
        }
        self
    }

    pub(crate) fn stuck(&mut self, stuck: Option<String>) {
        self.stuck = stuck;
    }

    /// Where the script waited for something that never came.
    #[must_use]
    pub fn is_stuck(&self) -> Option<&str> {
        self.stuck.as_deref()
    }

    /// The two traces side by side, as far as they differ; empty if they do not.
    #[must_use]
    pub fn difference(&self, reference: &Self) -> String {
        let mut text = String::new();
        if self.stuck != reference.stuck {
            let (ours, theirs) = (self.stuck.as_deref(), reference.stuck.as_deref());
            side_by_side(
                &mut text,
                "stuck",
                theirs.unwrap_or_default().as_bytes(),
                ours.unwrap_or_default().as_bytes(),
            );
        }
        let titles = reference.lanes.iter().map(|(title, _)| title);
        let more = self.lanes.iter().map(|(title, _)| title).filter(|title| reference.lane(title).is_none());
        for title in titles.chain(more) {
            let (theirs, ours) = (reference.lane(title), self.lane(title));
            if theirs != ours {
                side_by_side(&mut text, title, theirs.unwrap_or(b"(nothing)"), ours.unwrap_or(b"(nothing)"));
            }
        }
        text
    }

    fn lane(&self, title: &str) -> Option<&[u8]> {
        self.lanes.iter().find(|(found, _)| found == title).map(|(_, bytes)| &bytes[..])
    }
}

impl fmt::Display for ScriptTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, bytes) in &self.lanes {
            writeln!(f, "{title}:")?;
            lines(bytes).iter().try_for_each(|line| writeln!(f, "    {}", show(line, 2 * WIDTH)))?;
        }
        self.stuck.iter().try_for_each(|stuck| writeln!(f, "stuck {stuck}"))
    }
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n').collect()
}

fn side_by_side(text: &mut String, title: &str, theirs: &[u8], ours: &[u8]) {
    let (left, right) = (lines(theirs), lines(ours));
    let first = left.iter().zip(&right).take_while(|(left, right)| left == right).count();
    text.push_str(&format!("  {title}\n    {:WIDTH$} | on the subject\n", "in memory"));
    for number in first.saturating_sub(BEFORE)..left.len().max(right.len()).min(first + SHOWN) {
        let (left, right) = (left.get(number).copied(), right.get(number).copied());
        let sign = if left == right { ' ' } else { '|' };
        // A long line from where it differs.
        let from = match (left, right) {
            (Some(left), Some(right)) => {
                left.iter().zip(right).take_while(|(left, right)| left == right).count()
            }
            _ => 0,
        };
        let from = if left == right { 0 } else { from.saturating_sub(20) };
        let cut =
            |line: Option<&[u8]>| show(line.and_then(|line| line.get(from..)).unwrap_or_default(), WIDTH);
        text.push_str(&format!("    {:WIDTH$} {sign} {}\n", cut(left), cut(right)));
    }
}

fn show(bytes: &[u8], width: usize) -> String {
    let mut text = bytes.escape_ascii().to_string();
    if text.len() > width {
        text.truncate(width.saturating_sub(2));
        text.push_str("..");
    }
    text
}

/// The bytes with the same value in each `Date`.
fn without_dates(bytes: &[u8]) -> Vec<u8> {
    const FIELD: &[u8] = b"\r\nDate: ";
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) =
        bytes.get(at..).and_then(|rest| rest.windows(FIELD.len()).position(|w| w == FIELD))
    {
        at += found + FIELD.len();
        bytes.iter_mut().skip(at).take_while(|byte| **byte != b'\r').for_each(|byte| *byte = b'-');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(events: &str, bytes: &[u8], end: &str) -> ScriptTrace {
        let mut trace = ScriptTrace::new(vec![("channel 0".to_owned(), events.to_owned())]);
        trace.wire(0, bytes, end);
        trace
    }

    #[test]
    fn dates_do_not_differ_and_nothing_else_is_left_out() {
        let one = trace("opened", b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n", "FIN");
        let other = trace("opened", b"HTTP/1.1 200 OK\r\nDate: Mon, 07 Nov 1994 08:49:37 GMT\r\n\r\n", "FIN");
        assert_eq!(one, other);
        assert_eq!(one.difference(&other), "");
        assert_ne!(one, trace("opened", b"HTTP/1.1 200 OK\r\nDate: x\r\n\r\n", "FIN"));
    }

    #[test]
    fn a_difference_shows_both_sides_and_the_bytes_escaped() {
        let reference = trace("opened\nclosed", b"one\r\ntwo\x00", "FIN");
        let subject = trace("opened", b"one\r\ntwo\x01", "RST");
        let text = subject.difference(&reference);
        for part in ["closed", "one\\r\\n", "two\\x00", "two\\x01", "FIN", "RST"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn what_only_one_of_them_has_is_a_difference() {
        let (less, more) = (ScriptTrace::new(Vec::new()), trace("opened", b"", "FIN"));
        assert!(less.difference(&more).contains("(nothing)"));
        assert!(more.difference(&less).contains("(nothing)"));
    }
}
