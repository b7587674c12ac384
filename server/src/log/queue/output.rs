//! Writes lines to a stream that may be full, or fail.

use std::io::{self, Write};

use super::PendingLines;

/// Where lines are written.
pub(in crate::log) trait LogStream: Write {
    /// Waits until the stream, which was full, takes more.
    ///
    /// # Errors
    ///
    /// The time to wait is over, or waiting fails.
    fn wait(&mut self) -> io::Result<()>;
}

/// A stream, and whether its last line is complete.
pub(super) struct LineOutput<S> {
    pub(super) stream: S,
    /// A line was written in part before the stream failed.
    is_inside_line: bool,
}

impl<S: LogStream> LineOutput<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, is_inside_line: false }
    }

    /// Writes a batch; returns how many lines are lost, which includes the lost lines that the batch should have
    /// reported.
    pub(super) fn write(&mut self, batch: &PendingLines) -> u64 {
        if batch.failed > 0 {
            let message =
                format!("httpfsm: {} lines were lost here, as they could not be written\n", batch.failed);
            if self.line(&message).is_err() {
                return batch.failed + batch.lines.len() as u64 + batch.dropped;
            }
        }
        for (written, line) in batch.lines.iter().enumerate() {
            if self.line(line).is_err() {
                return (batch.lines.len() - written) as u64 + batch.dropped;
            }
        }
        if batch.dropped > 0 {
            let dropped = batch.dropped;
            let message =
                format!("httpfsm: {dropped} lines were dropped here, as nobody read this stream in time\n");
            if self.line(&message).is_err() {
                return dropped;
            }
        }
        // The lines are written, even if the flush fails.
        let _ = self.stream.flush();
        0
    }

    /// One write for each line, so that lines of several programs do not mix.
    fn line(&mut self, line: &str) -> io::Result<()> {
        if self.is_inside_line {
            self.all(b"\n")?;
            self.is_inside_line = false;
        }
        self.all(line.as_bytes())
    }

    fn all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    self.is_inside_line = !bytes.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Another program that shares the stream has set O_NONBLOCK.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.wait()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
