//! What llhttp reads in the bytes of a connection, where it was built in.

use httpfsm_fuzz_llhttp as llhttp;

use super::{ParsedRequest, Session, SessionEnd};

pub(super) fn read(bytes: &[u8]) -> Option<Session> {
    let reading = llhttp::read(bytes)?;
    let end = match reading.error.as_deref() {
        None => SessionEnd::Ordered,
        Some("HPE_PAUSED_UPGRADE") => SessionEnd::HandedOver,
        Some("HPE_INVALID_EOF_STATE") => SessionEnd::Cut,
        // It refuses the bytes behind a request that said close; we throw them away.
        Some("HPE_CLOSED_CONNECTION") => SessionEnd::Ordered,
        Some(error) => SessionEnd::Error(error.to_owned()),
    };
    let message = |m: llhttp::Message| ParsedRequest { method: m.method, target: m.target, body: m.body };
    Some(Session { requests: reading.requests.into_iter().map(message).collect(), end })
}
