//! What one line did.

use std::fmt;

use httpfsm::channel::State;
use httpfsm::time::Moment;

use crate::line::RecordLine;

/// What one line did. A line of an input may take several rows of the table, each a [`Step`](httpfsm::channel::Step) of the
/// channel.
///
/// [`Replay`](crate::Replay) shows one.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ReplayedLine {
    /// The number of the line, from 1.
    pub line: usize,
    /// When: the time of the last input.
    pub at: Moment,
    /// What the line is about.
    pub kind: LineKind,
    /// The input or the output, by name.
    pub name: String,
    /// What else the line says in words: a request line, a status, the reason of a close.
    pub text: String,
    /// The bytes that went in or out.
    pub bytes: Vec<u8>,
    /// The state before it.
    pub before: State,
    /// The state after it.
    pub after: State,
    /// The deadline after it.
    pub deadline: Option<Moment>,
    /// Bytes that are to be sent after it.
    pub unsent: usize,
    /// The rows of the table that the input took, deadlines that passed before it included. They are not in the
    /// recording: the machine takes the same ones again.
    pub rows: Vec<httpfsm::channel::Step>,
}

/// Of the bytes it shows how many there are.
impl fmt::Debug for ReplayedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayedLine")
            .field("line", &self.line)
            .field("at", &self.at)
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("text", &self.text)
            .field("bytes", &format_args!("{} bytes", self.bytes.len()))
            .field("before", &self.before)
            .field("after", &self.after)
            .field("deadline", &self.deadline)
            .field("unsent", &self.unsent)
            .field("rows", &self.rows)
            .finish()
    }
}

/// What a line is about.
///
/// Used on the page of [`Replay`](crate::Replay).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineKind {
    /// An input that was accepted.
    Input,
    /// An input that was not accepted.
    NotAccepted,
    /// An output.
    Output,
    /// A call that is neither.
    Call,
}

/// What else a line says in words.
pub(super) fn words(line: &RecordLine) -> String {
    let mut words = Vec::new();
    words.extend(line.status.map(|status| status.to_string()));
    words.extend(line.text.clone());
    words.extend(line.n.map(|n| match line.out.as_deref() {
        Some("HttpRequest") => format!("with {n} fields"),
        Some("BodyEnd") => format!("with {n} trailer fields"),
        _ => n.to_string(),
    }));
    words.join(" ")
}
