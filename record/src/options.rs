//! What of a channel is recorded, and what is hidden.

/// The fields whose values are hidden unless told otherwise.
pub const MASKED: [&str; 4] = httpfsm::fields::SECRETS;

/// What of a channel is recorded.
///
/// A field of one's own that is a secret:
///
/// ```
/// use std::fs;
/// use std::sync::Arc;
///
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_record::{FileRecorder, Options, Which};
/// use httpfsm_transport::memory::MemoryServer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let mut options = Options::default();
/// options.masked.push("X-Api-Key".to_owned());
/// let recorder = FileRecorder::new(folder.path(), options, 1)?;
/// recorder.record(Which::All);
///
/// let handler = |_: Request| async { "Hello, world!" };
/// let recorded = Some(Arc::new(recorder.clone()) as _);
/// let mut server = MemoryServer::recorded(ServerConfig::default(), 1024, None, recorded, handler);
/// let client = server.connect().expect("there is room");
/// client.send("GET / HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: sesame\r\n\r\n");
/// client.close_write();
/// server.run();
/// assert!(recorder.flush());
/// let recording = fs::read_to_string(folder.path().join("server.clisrv_1.jsonl"))?;
/// assert!(recording.contains("X-Api-Key: xxxxxx") && !recording.contains("sesame"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of a recording; it ends before the line that would exceed them. Default 1 MiB.
    pub max_bytes: usize,
    /// Fields whose values are hidden, each byte by an `x`, in any case of letters. Those that frame or route a message are
    /// never hidden. In content, a line is hidden from such a name and a colon on to its end, and so are the next lines if
    /// they begin with a blank. Default [`MASKED`].
    pub masked: Vec<String>,
    /// Whether bodies are hidden as well: those of requests and responses, their trailers with the names and the value of
    /// `Trailer`, and the texts of failures, which `expose_tracebacks` puts into a body. Of what was sent, only the number
    /// of bytes is recorded then. Default `false`.
    pub mask_bodies: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_bytes: 1 << 20, masked: MASKED.map(str::to_owned).to_vec(), mask_bodies: false }
    }
}
