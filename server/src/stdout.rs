//! The standard output. Its errors name it.

use std::error::Error;
use std::fmt;
use std::io::{self, BufWriter, StdoutLock, Write};

/// The standard output, to be flushed at the end.
pub(crate) struct Stdout(BufWriter<StdoutLock<'static>>);

impl Stdout {
    pub(crate) fn lock() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

/// Why the standard output cannot be written.
#[derive(Debug)]
struct StdoutError(io::Error);

impl fmt::Display for StdoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write to the standard output: {}", self.0)
    }
}

impl Error for StdoutError {}

/// The same error, with the standard output in its text.
pub(crate) fn named(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), StdoutError(error))
}

/// Whether the error is that the reader has closed the standard output.
pub(crate) fn is_unread(error: &(dyn Error + 'static)) -> bool {
    let Some(error) = error.downcast_ref::<io::Error>() else { return false };
    error.kind() == io::ErrorKind::BrokenPipe
        && error.get_ref().is_some_and(|inner| inner.is::<StdoutError>())
}
