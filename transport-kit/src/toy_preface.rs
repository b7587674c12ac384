//! A preface to test with: a line that names the peer, and a verdict on what comes next.

use httpfsm::error::Rule;
use httpfsm::peer::Peer;
use httpfsm_transport::{Preface, PrefaceRead, PrefaceVerdict};

use crate::toy::ToyLayer;

/// What begins a line that names the peer.
const FROM: &[u8] = b"FROM ";
/// What says that another protocol comes.
const OTHER: &[u8] = b"OTHER\r\n";

/// A [`Preface`] in three parts, each of which may be missing: a line that names the peer, as the header of a proxy does
/// (`FROM 192.0.2.1:5000`); then the line `OTHER`, behind which another protocol begins, or the hello of a [`ToyLayer`], or
/// HTTP.
///
/// ```
/// use httpfsm_transport::ListenerInfo;
/// use httpfsm_transport_kit::ToyPreface;
///
/// let listener = ListenerInfo::default().preface(|_| ToyPreface::default());
/// # drop(listener);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ToyPreface;

/// The line of a peer, for its client to send.
impl ToyPreface {
    /// The line that names this peer.
    #[must_use]
    pub fn line(peername: &Peer) -> Vec<u8> {
        format!("FROM {peername}\r\n").into_bytes()
    }
}

impl Preface for ToyPreface {
    fn received(&mut self, bytes: &[u8]) -> PrefaceVerdict {
        let (mut length, mut peername) = (0, None);
        if is_part(bytes, FROM) {
            return PrefaceVerdict::NeedsMore;
        }
        if bytes.starts_with(FROM) {
            let Some(end) = bytes.windows(2).position(|end| end == b"\r\n") else {
                return PrefaceVerdict::NeedsMore;
            };
            let named = std::str::from_utf8(&bytes[FROM.len()..end]).ok().and_then(|text| text.parse().ok());
            let Some(named) = named else { return PrefaceVerdict::Refused(Rule::Preface) };
            (length, peername) = (end + 2, Some(Peer::Ip(named)));
        }
        let rest = &bytes[length..];
        if is_part(rest, OTHER) {
            return PrefaceVerdict::NeedsMore;
        }
        let read = if rest.starts_with(OTHER) {
            PrefaceRead::new(length + OTHER.len()).other_protocol()
        } else if rest.first() == Some(&ToyLayer::FIRST_BYTE) {
            PrefaceRead::new(length).layer(ToyLayer::server())
        } else {
            PrefaceRead::new(length).plain()
        };
        PrefaceVerdict::Read(match peername {
            Some(peername) => read.peername(peername),
            None => read,
        })
    }
}

/// Whether `bytes` may become `whole`, and are not yet.
fn is_part(bytes: &[u8], whole: &[u8]) -> bool {
    bytes.len() < whole.len() && whole.starts_with(bytes)
}
