//! Whatever bytes stand for a chunked body: the channel and a naive decoder agree on content, trailers and end, or on
//! the refusal, however the bytes are cut and however little of the body is demanded at once.
//!
//! The first line of an input decides (any bytes up to LF): the pieces and the demands. The rest is the body, and
//! what follows it: another protocol, so that what is behind the body comes out as it went in.
//!
//! Seen to fail with `MAX_SIZE_DIGITS` at 17 (a size wraps), with a blank behind a size accepted before CR, and with any
//! byte taken for the LF after chunk data.

pub(crate) mod decoder;

use std::sync::{Arc, LazyLock};

use httpfsm::channel::CompiledConfig;
use httpfsm::config::ChannelConfig;
use httpfsm::{BodyError, CloseReason};

use self::decoder::{BodyLimits, DecodedBody, decode};
use crate::decisions::{self, Decisions};
use crate::reading::{self, Reading, Upgrades};

const HEAD: &[u8] = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
Connection: upgrade\r\nUpgrade: other\r\n\r\n";

const LIMITS: BodyLimits = BodyLimits {
    extension_line: 24,
    extension_body: 60,
    content: 2000,
    trailer_size: 120,
    trailer_fields: 4,
};

static SETTINGS: LazyLock<Arc<CompiledConfig>> = LazyLock::new(|| {
    Arc::new(CompiledConfig::new(&ChannelConfig {
        max_chunk_extension_line: LIMITS.extension_line as u32,
        max_chunk_extension_body: LIMITS.extension_body as u32,
        max_request_body_size: LIMITS.content,
        max_trailer_size: LIMITS.trailer_size as u32,
        max_trailer_fields: LIMITS.trailer_fields as u32,
        ..ChannelConfig::hardened()
    }))
});

/// Decodes the body in both ways.
pub fn check(input: &[u8]) {
    let (decisions, bytes) = decisions::split(input);
    let reading = read(decisions, bytes);
    let message = reading.requests.first().expect("the head is in order");
    let text = bytes.escape_ascii();
    match decode(bytes, &LIMITS) {
        DecodedBody::Whole { content, trailers, len } => {
            assert!(message.is_whole, "{:?} for {text}", reading.broken);
            assert_eq!(message.content, content, "{text}");
            let trailers: Vec<_> =
                trailers.into_iter().filter(|(name, _)| decoder::may_trail(name)).collect();
            assert_eq!(message.trailers, trailers, "{text}");
            assert_eq!(
                reading.handed_over.as_deref(),
                Some(&bytes[len..]),
                "the body ends elsewhere: {text}"
            );
            cut_short(decisions, &bytes[..len]);
        }
        DecodedBody::Refused { content, statuses } => {
            let Some(BodyError::Malformed(error)) = reading.broken else {
                panic!("{:?} instead of {statuses:?} for {text}", reading.broken)
            };
            assert!(statuses.contains(&error.status().code()), "{error:?} is none of {statuses:?}: {text}");
            assert!(error.offset <= bytes.len() as u64, "{error:?} is behind {text}");
            assert_eq!(reading.closed, Some(CloseReason::Refused(error)), "{text}");
            not_whole(&reading, &content);
        }
        // Its beginning may be wrong already.
        DecodedBody::Unfinished { content } => {
            assert!(matches!(reading.broken, Some(BodyError::Truncated | BodyError::Malformed(_))), "{text}");
            not_whole(&reading, &content);
        }
    }
}

fn read(decisions: &[u8], bytes: &[u8]) -> Reading {
    let mut cuts = Decisions::new(decisions);
    let mut demands = Decisions::new(decisions);
    let large = |decision: u8| if decision == 0 { u64::MAX } else { u64::from(decision) };
    reading::read(
        &SETTINGS,
        Upgrades::Given,
        &[HEAD, bytes].concat(),
        |at| {
            if at < HEAD.len() {
                HEAD.len() - at
            } else {
                usize::try_from(large(cuts.next())).unwrap_or(usize::MAX)
            }
        },
        || large(demands.next()),
    )
}

fn not_whole(reading: &Reading, content: &[u8]) {
    let message = &reading.requests[0];
    assert!(!message.is_whole, "a broken body was taken for a whole one");
    assert!(message.trailers.is_empty());
    assert_eq!(reading.handed_over, None, "what follows a broken body was handed over");
    // The channel looks at bytes one by one; the decoder waits for whole lines, and reads on from there.
    assert!(message.content.starts_with(content) || content.starts_with(&message.content));
}

/// A whole body without its last bytes is truncated, and never malformed.
fn cut_short(decisions: &[u8], body: &[u8]) {
    let end = decisions.iter().fold(0, |sum, decision| (sum * 7 + usize::from(*decision)) % body.len())
        % body.len();
    let reading = read(decisions, &body[..end]);
    assert_eq!(reading.broken, Some(BodyError::Truncated), "{}", body[..end].escape_ascii());
    assert!(!reading.requests[0].is_whole);
}
