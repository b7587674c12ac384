//! The lines of a recording.

use super::failure::{ReplayFailure, malformed};
use crate::line::RecordLine;

/// The lines that are to come. They stay bytes until their turn: a line that is taken apart is many times as large.
#[derive(Default)]
pub(super) struct RecordedLines {
    bytes: Vec<u8>,
    pub(super) place: LinePlace,
}

/// A place between two lines.
#[derive(Clone, Copy, Default)]
pub(super) struct LinePlace {
    byte: usize,
    lines_before: usize,
}

impl RecordedLines {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, place: LinePlace::default() }
    }

    /// The next line and its number, from 1. Bytes without the end of a line are none.
    pub(super) fn next(&mut self) -> Option<(usize, &[u8])> {
        let rest = self.bytes.get(self.place.byte..)?;
        let line = rest.get(..rest.iter().position(|byte| *byte == b'\n')?)?;
        self.place.byte += line.len() + 1;
        self.place.lines_before += 1;
        Some((self.place.lines_before, line))
    }

    /// The next line, taken apart.
    pub(super) fn parse_next(&mut self) -> Result<Option<(usize, RecordLine)>, ReplayFailure> {
        let Some((at, line)) = self.next() else { return Ok(None) };
        let parsed = serde_json::from_slice(line).map_err(|error| malformed(at, &error.to_string()))?;
        Ok(Some((at, parsed)))
    }
}
