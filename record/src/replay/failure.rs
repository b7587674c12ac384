//! Why a replay stopped, and how a difference is shown.

use std::{fmt, io};

use super::MAX_BYTES;
use crate::latin1::write_line;
use crate::line::{FORMAT, RecordLine};

/// Why a replay stopped.
///
/// ```
/// use httpfsm_record::{ReplayFailure, replay};
///
/// assert!(matches!(replay(&b""[..]), Err(ReplayFailure::Empty)));
/// let failure = replay(&b"{\"a\": \"JSON of something else\"}\n"[..]).expect_err("it is no recording");
/// assert!(failure.to_string().starts_with("this is not a recording: "));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayFailure {
    /// The machine does something else than it did.
    Differs(Difference),
    /// The file is empty.
    Empty,
    /// It does not begin as recordings do.
    NoRecording(String),
    /// It is of another version of the format, which is this. One that was made by an older program replays with that
    /// program.
    OtherFormat(u32),
    /// This line is none of a recording.
    Malformed {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The recording is longer than [`MAX_BYTES`].
    TooLarge,
    /// The recording cannot be read.
    Io(io::Error),
}

/// The first difference between a recording and the machine.
///
/// A machine that responds to requests as another version did not:
///
/// ```
/// use std::fs;
///
/// use httpfsm_record::{ReplayFailure, replay};
///
/// # fn main() -> std::io::Result<()> {
/// let recording = fs::read_to_string("tests/recordings/pipelined.jsonl")?;
/// // What the other version would have counted.
/// let other = recording.replacen(r#""HttpRequest","n":2"#, r#""HttpRequest","n":3"#, 1);
/// let Err(ReplayFailure::Differs(first)) = replay(other.as_bytes()) else { panic!("it is the same") };
/// assert_eq!(first.line, 4);
/// assert!(first.expected.contains(r#""n":3"#) && first.got.contains(r#""n":2"#));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The number of the line, from 1.
    pub line: usize,
    /// What the line says, from a little before the difference on.
    pub expected: String,
    /// What the machine says there.
    pub got: String,
}

impl fmt::Display for ReplayFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(Difference { line, expected, got }) => {
                write!(f, "line {line} differs\nexpected: {expected}\n     got: {got}")
            }
            Self::Empty => f.write_str("the file is empty"),
            Self::NoRecording(why) => write!(f, "this is not a recording: {why}"),
            Self::OtherFormat(format) => {
                let made = if *format < FORMAT { "an older" } else { "a newer" };
                write!(
                    f,
                    "the format of this recording is {format}, of {made} version of the program; this one reads {FORMAT}"
                )
            }
            Self::Malformed { line, why } => write!(f, "line {line} is none of a recording: {why}"),
            Self::TooLarge => write!(f, "the recording is longer than {MAX_BYTES} bytes"),
            Self::Io(error) => write!(f, "the recording cannot be read: {error}"),
        }
    }
}

impl std::error::Error for ReplayFailure {}

/// This line is none of a recording.
pub(super) fn malformed(line: usize, why: &str) -> ReplayFailure {
    ReplayFailure::Malformed { line, why: why.to_owned() }
}

/// The first difference between what a line says and what the machine says.
pub(super) fn differs(at: usize, expected: &RecordLine, got: &RecordLine) -> ReplayFailure {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    write_line(expected, &mut left);
    write_line(got, &mut right);
    differ(at, &left, &right)
}

/// Shows two lines from a little before the first byte in which they differ.
pub(super) fn differ(line: usize, expected: &[u8], got: &[u8]) -> ReplayFailure {
    const BEFORE: usize = 60;
    const SHOWN: usize = 160;
    let equal = expected.iter().zip(got).take_while(|(left, right)| left == right).count();
    let from = if equal + SHOWN / 2 < SHOWN { 0 } else { equal.saturating_sub(BEFORE) };
    let show = |bytes: &[u8]| {
        let rest = bytes.get(from..).unwrap_or_default().trim_ascii_end();
        let shown = rest.get(..SHOWN).unwrap_or(rest);
        let (before, after) =
            (if from > 0 { "... " } else { "" }, if shown.len() < rest.len() { " ..." } else { "" });
        format!("{before}{}{after}", String::from_utf8_lossy(shown))
    };
    ReplayFailure::Differs(Difference { line, expected: show(expected), got: show(got) })
}
