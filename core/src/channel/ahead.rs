//! Looking ahead: how many complete requests wait behind the one that the application has.
//!
//! Only `maximum_simultaneous_requests` needs to know. The position is kept, so the cost stays linear. Requests with
//! chunked bodies end the look-ahead: their length is known only by decoding them.

use super::Event;
use super::context::{Context, Receiving};
use crate::head::{HeadScan, Parsed};
use crate::request::BodyLength;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ahead {
    /// Octets behind the parse position that belong to complete requests.
    octets: u32,
    requests: u32,
    scan: HeadScan,
    /// Some(n): n more requests are served, and the next is refused.
    left: Option<u32>,
}

impl Ahead {
    /// Whether the request at the parse position is the one too many.
    #[inline]
    pub(super) fn refuses_next(&self) -> bool {
        self.left == Some(0)
    }

    /// A request of `head` octets was dequeued; its body follows it, if it has one.
    #[inline]
    pub(super) fn shift(&mut self, head: usize) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
        // Counted again from behind this request; what was counted stays counted through `left`.
        let _ = head;
        self.octets = 0;
        self.requests = 0;
        self.scan = HeadScan::default();
    }
}

impl Context {
    /// Counts the complete requests in the buffer, and marks the first one beyond the limit.
    pub(super) fn judge_excess(&mut self) -> Option<Event> {
        let limit = self.settings.config.maximum_simultaneous_requests;
        if limit == 0 || self.ahead.left.is_some() || self.receiving != Receiving::Complete {
            return None;
        }
        let octets = self.inbuf.unparsed();
        let ahead = &mut self.ahead;
        while let Some(rest) = octets.get(ahead.octets as usize..).filter(|rest| !rest.is_empty()) {
            let Parsed::Complete(meta) = ahead.scan.advance(rest, &self.settings.head) else { break };
            let body = match meta.body {
                BodyLength::None => 0,
                BodyLength::Known(length) => length,
                BodyLength::Chunked => break,
            };
            let whole = u64::from(meta.len) + body;
            if whole > rest.len() as u64 {
                break;
            }
            ahead.octets += whole as u32;
            ahead.requests += 1;
            ahead.scan = HeadScan::default();
            // One is with the application.
            if ahead.requests >= limit {
                ahead.left = Some(limit - 1);
                break;
            }
        }
        None
    }
}
