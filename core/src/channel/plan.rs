//! How a response goes out: a pure function of the request, the response, and what is known of the connection.
//!
//! It decides the framing (RFC 9112 section 6.3), how much of the content is sent, and whether the connection ends with
//! the response (RFC 9112 sections 9.3 and 9.6).

use super::Condition;
use crate::encode::{ConnectionOption, Framing};
use crate::error::CloseReason;
use crate::request::{HeadMeta, Version};
use crate::response::{BodyRef, ResponseRef};
use crate::status::Status;

/// What is still to come of the request body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BodyLeft {
    /// Nothing.
    None,
    /// A known rest, short enough to be awaited and thrown away.
    Short,
    /// A long or unknown rest, or one that broke off.
    Long,
    /// The peer waits for its 100, and may send the body or not.
    AwaitingContinue,
}

/// What a response is planned from, beside the response itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange<'a> {
    /// The request.
    pub(super) request: &'a HeadMeta,
    /// What is still to come of its body.
    pub(super) body_left: BodyLeft,
    /// The connection ends with this response, for a reason that is known already.
    pub(super) must_close: bool,
    /// Why the connection would end with this response whatever the response is.
    pub(super) close: Option<CloseReason>,
}

/// The content that is owed after what is staged with the head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owed {
    /// Nothing: no final head was accepted, or no content is owed.
    Nothing,
    /// This many bytes.
    Length(u64),
    /// Chunks, up to a last one.
    Chunked,
    /// Bytes up to the end of the connection.
    UntilClose,
}

/// What follows the response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AfterHead {
    /// It is complete with what came with its head.
    Complete,
    /// The application writes its content.
    Stream,
    /// The connection is handed over.
    Switch,
}

/// How a response goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Plan {
    pub(super) version: Version,
    pub(super) framing: Framing,
    pub(super) connection: ConnectionOption,
    /// Why the connection ends with this response; `None`: it does not, or the reason was known before.
    pub(super) close: Option<CloseReason>,
    /// How many bytes of the content that came with the head are sent at most; `None`: it is left out, as HTTP has none
    /// here.
    pub(super) content: Option<u64>,
    pub(super) owed: Owed,
    pub(super) then: AfterHead,
}

/// The condition of a response to `request` that `response` does not meet. `is_complete`: nothing of the request body is
/// to come; `high_water`: how long a slice may be.
#[inline]
pub(super) fn unmet(
    request: &HeadMeta,
    is_complete: bool,
    response: &ResponseRef<'_>,
    high_water: usize,
) -> Option<Condition> {
    let status = response.status;
    if status == Status::SWITCHING_PROTOCOLS {
        // It must name the protocol that begins (RFC 9110 section 15.2.2).
        let may = request.upgrade && is_complete && response.fields.names_protocols();
        return (!may).then_some(Condition::MaySwitch);
    }
    if status.is_informational() {
        return Some(Condition::IsFinal);
    }
    if matches!(response.body, BodyRef::Slice(slice) if slice.len() > high_water) {
        return Some(Condition::FitsHighWater);
    }
    // Content that is short of its length could never be finished.
    let length = given_length(response.body)?;
    let is_short = response.fields.content_length().is_some_and(|declared| length < declared);
    (is_short && !sends_no_content(request, status)).then_some(Condition::IsWhole)
}

/// Whether the head is all that is sent of a response, whatever content comes with it: to HEAD (RFC 9110 section
/// 9.3.2), and with the statuses that have none (sections 15.3.5, 15.3.6 and 15.4.5).
#[inline]
fn sends_no_content(request: &HeadMeta, status: Status) -> bool {
    request.head || status.forbids_content() || status == Status::RESET_CONTENT
}

impl Exchange<'_> {
    /// Plans a response that meets its conditions.
    #[inline(always)]
    pub(super) fn plan(&self, response: &ResponseRef<'_>) -> Plan {
        let (request, status) = (self.request, response.status);
        let switches = status == Status::SWITCHING_PROTOCOLS || (request.connect && status.is_success());
        let declared = response.fields.content_length();
        let length = declared.or(match response.body {
            BodyRef::Stream { length } => length,
            body => given_length(body),
        });
        let without_content = switches || sends_no_content(request, status);
        let framing = if without_content {
            self.framing_without_content(status, switches, response.body, length)
        } else {
            match length {
                Some(length) => Framing::Length(length),
                None if request.version == Version::Http10 => Framing::UntilClose,
                None => Framing::Chunked,
            }
        };
        let streams = !without_content
            && matches!(response.body, BodyRef::Stream { .. })
            && !matches!(framing, Framing::Length(0));
        let close = if switches { None } else { self.close(response, framing, streams) };
        let connection = if switches {
            ConnectionOption::None
        } else if self.must_close || close.is_some() {
            ConnectionOption::Close
        } else if request.version == Version::Http10 {
            ConnectionOption::KeepAlive
        } else {
            ConnectionOption::None
        };
        Plan {
            version: request.version,
            framing,
            connection,
            close,
            content: (!without_content).then(|| declared.unwrap_or(u64::MAX)),
            owed: match framing {
                _ if !streams => Owed::Nothing,
                Framing::Length(length) => Owed::Length(length),
                Framing::Chunked => Owed::Chunked,
                Framing::None | Framing::UntilClose => Owed::UntilClose,
            },
            then: if switches {
                AfterHead::Switch
            } else if streams {
                AfterHead::Stream
            } else {
                AfterHead::Complete
            },
        }
    }

    /// RFC 9112 section 6.3, items 1 and 2; RFC 9110 sections 8.6 and 9.3.2.
    fn framing_without_content(
        &self,
        status: Status,
        switches: bool,
        body: BodyRef<'_>,
        length: Option<u64>,
    ) -> Framing {
        let is_empty = matches!(body, BodyRef::Empty);
        match (length, status) {
            _ if switches || status == Status::NO_CONTENT => Framing::None,
            (_, Status::RESET_CONTENT) => Framing::Length(0),
            // What GET would have got is not known from an empty body, and 304 never has another.
            (Some(0), _) if is_empty || status == Status::NOT_MODIFIED => Framing::None,
            (Some(length), _) => Framing::Length(length),
            (None, Status::NOT_MODIFIED) => Framing::None,
            (None, _) if self.request.version == Version::Http10 => Framing::None,
            (None, _) => Framing::Chunked,
        }
    }

    /// Why the connection ends with this response (RFC 9112 sections 9.3 and 9.6). What the peer has sent of the body
    /// beyond what the application asked for does not count, or the response would depend on arrival.
    #[inline]
    fn close(&self, response: &ResponseRef<'_>, framing: Framing, streams: bool) -> Option<CloseReason> {
        if !self.request.keep_alive {
            Some(CloseReason::RequestedByPeer)
        } else if response.fields.close() || framing == Framing::UntilClose || self.request.connect {
            Some(CloseReason::RequestedByApplication)
        } else if self.close.is_some() {
            self.close
        } else if self.leaves_body_unread(streams) {
            Some(CloseReason::BodyUnread)
        } else {
            None
        }
    }

    /// Whether it is certain now that the rest of the request body will not be read. An application whose response goes
    /// on may read on, too, and is judged at the end; but a peer that waits for a 100 gets none after a final head.
    fn leaves_body_unread(&self, streams: bool) -> bool {
        match self.body_left {
            BodyLeft::None | BodyLeft::Short => false,
            BodyLeft::Long => !streams,
            BodyLeft::AwaitingContinue => true,
        }
    }
}

/// Bytes of content that come with the head; `None`: the application writes it.
#[inline]
fn given_length(body: BodyRef<'_>) -> Option<u64> {
    match body {
        BodyRef::Empty => Some(0),
        BodyRef::Slice(slice) => Some(slice.len() as u64),
        BodyRef::Bytes(bytes) => Some(bytes.len() as u64),
        BodyRef::Stream { .. } => None,
    }
}
