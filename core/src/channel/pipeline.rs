//! The pipeline limit: how many complete requests wait behind the one that the application has. It looks only when the
//! input `CheckPipeline` asks.
//!
//! Only `maximum_simultaneous_requests` needs to know. What was counted stays counted and what was searched is not
//! searched again, so the cost stays linear. A request with a chunked body ends the look-ahead: its length is known
//! only by decoding it.

use crate::head::{HeadLimits, HeadScan, Parsed};
use crate::request::{BodyLength, HeadMeta};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pipeline {
    /// Bytes behind the parse position that belong to complete requests.
    bytes: u32,
    requests: u32,
    scan: HeadScan,
    /// How many bytes have to stand behind the counted requests before the end of the next one can be found.
    enough: u32,
    /// Some(n): n more requests are served, and the next is refused.
    left: Option<u32>,
}

/// Whether and where the request behind the counted ones ends.
enum NextRequest {
    /// After so many bytes.
    Ends(u32),
    /// It cannot be known before so many bytes have come.
    Unknown { enough: u32 },
}

impl Pipeline {
    /// Whether the request at the parse position is the one too many.
    #[inline]
    pub(super) fn refuses_next(&self) -> bool {
        self.left == Some(0)
    }

    /// A request was dequeued; its body follows it, if it has one.
    #[inline]
    pub(super) fn shift(&mut self, meta: &HeadMeta) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
        if self.requests > 0 {
            // It was counted, so its length is known and fits.
            self.requests -= 1;
            self.bytes = self.bytes.saturating_sub(length(meta).unwrap_or(0) as u32);
        } else {
            // No request was counted, so that none is refused.
            *self = Self::default();
        }
    }

    /// Counts the complete requests in `bytes`, which stand behind the one that the application has, and marks the first
    /// one beyond the limit.
    pub(super) fn check(&mut self, bytes: &[u8], limit: u32, limits: &HeadLimits) {
        if self.left.is_some() {
            return;
        }
        while let Some(rest) = bytes.get(self.bytes as usize..) {
            if rest.is_empty() || rest.len() < self.enough as usize {
                break;
            }
            match self.look(rest, limits) {
                NextRequest::Unknown { enough } => {
                    self.enough = enough;
                    break;
                }
                NextRequest::Ends(whole) => {
                    self.bytes += whole;
                    self.requests += 1;
                    self.scan = HeadScan::default();
                    self.enough = 0;
                }
            }
            // One is with the application.
            if self.requests >= limit {
                self.left = Some(limit - 1);
                break;
            }
        }
    }

    fn look(&mut self, rest: &[u8], limits: &HeadLimits) -> NextRequest {
        const NEVER: NextRequest = NextRequest::Unknown { enough: u32::MAX };
        match self.scan.advance(rest, limits) {
            Parsed::Partial => NextRequest::Unknown { enough: rest.len() as u32 + 1 },
            // It gets its response in its turn.
            Parsed::Refused(_) => NEVER,
            Parsed::Complete(meta) => match length(&meta).map(u32::try_from) {
                Some(Ok(whole)) if whole as usize <= rest.len() => NextRequest::Ends(whole),
                Some(Ok(whole)) => NextRequest::Unknown { enough: whole },
                Some(Err(_)) | None => NEVER,
            },
        }
    }
}

/// Bytes of a request, with its body; `None`: chunks must tell.
fn length(meta: &HeadMeta) -> Option<u64> {
    let body = match meta.body {
        BodyLength::None => 0,
        BodyLength::Known(length) => length,
        BodyLength::Chunked => return None,
    };
    Some(u64::from(meta.len).saturating_add(body))
}
