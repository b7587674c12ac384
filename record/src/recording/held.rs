//! Lines that wait for what the machine says of their bytes.

use std::collections::VecDeque;

use crate::line::RecordLine;

/// Lines that are not written yet, since the machine has not said what bytes of the peer are in the first of them.
#[derive(Default)]
pub(super) struct HeldLines {
    /// Each with the number of bytes that it lacks.
    pub(super) lines: VecDeque<(RecordLine, usize)>,
    /// The bytes that they lack.
    pub(super) bytes: VecDeque<u8>,
    /// At least so much memory.
    pub(super) size: usize,
}

impl HeldLines {
    pub(super) fn push(&mut self, line: RecordLine, bytes: &[u8]) {
        self.size += size(&line) + bytes.len();
        self.bytes.extend(bytes);
        self.lines.push_back((line, bytes.len()));
    }

    /// The next bytes that lines lack; fewer if there are not so many.
    pub(super) fn take(&mut self, bytes: usize) -> Vec<u8> {
        self.bytes.drain(..bytes.min(self.bytes.len())).collect()
    }

    /// Gives the lines bytes that they lack.
    pub(super) fn give(&mut self, mut bytes: &[u8]) {
        for (line, lacks) in self.lines.iter_mut().filter(|(_, lacks)| *lacks > 0) {
            if bytes.is_empty() {
                return;
            }
            let (own, rest) = bytes.split_at(bytes.len().min(*lacks));
            line.bytes.get_or_insert_default().0.extend_from_slice(own);
            *lacks -= own.len();
            bytes = rest;
        }
    }

    /// The next line, if it lacks nothing.
    pub(super) fn pop(&mut self) -> Option<RecordLine> {
        if self.lines.front()?.1 > 0 {
            return None;
        }
        let (line, _) = self.lines.pop_front()?;
        self.size = self.size.saturating_sub(size(&line));
        Some(line)
    }

    /// The last line was not accepted: what it would have brought is hidden, and of its bytes only their number is known.
    pub(super) fn refuse_last(&mut self) {
        let Some((mut line, lacks)) = self.unpush() else { return };
        if let Some(bytes) = &mut line.bytes {
            let len = bytes.0.len() + lacks;
            bytes.0 = vec![b'x'; len];
        }
        if let Some(text) = &mut line.text {
            *text = "x".repeat(text.len());
        }
        self.push(line, &[]);
    }

    /// Completes the last line.
    pub(super) fn complete_last(&mut self, complete: impl FnOnce(&mut RecordLine)) {
        let Some((line, _)) = self.lines.back_mut() else { return };
        self.size = self.size.saturating_sub(size(line));
        complete(line);
        self.size += size(line);
    }

    /// Takes the last line back, with the bytes that it lacks.
    pub(super) fn unpush(&mut self) -> Option<(RecordLine, usize)> {
        let (line, lacks) = self.lines.pop_back()?;
        self.size = self.size.saturating_sub(size(&line) + lacks);
        self.bytes.truncate(self.bytes.len() - lacks.min(self.bytes.len()));
        Some((line, lacks))
    }
}

/// What a line that is held counts for.
fn size(line: &RecordLine) -> usize {
    let bytes = line.bytes.as_ref().map_or(0, |bytes| bytes.0.len());
    let text = line.text.as_ref().map_or(0, String::len);
    let fields = line.fields.iter().flatten();
    let fields = fields.map(|field| size_of_val(field) + field.0.len() + field.1.0.len());
    size_of::<RecordLine>() + bytes + text + fields.sum::<usize>()
}
