//! What of a channel is recorded, and what is hidden.

/// The fields whose values are hidden unless told otherwise.
pub const MASKED: [&str; 4] = httpfsm::fields::SECRETS;

/// What of a channel is recorded.
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
