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
    /// A known rest, short enough to be awaited and discarded.
    Short,
    /// A long or unknown rest, which the application may still read.
    Long,
    /// A long or unknown rest that nobody reads, or one that broke off.
    Forgone,
    /// The peer waits for its 100, and may send the body or not.
    AwaitingContinue,
}

/// What a response is planned from, beside the response itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseContext<'a> {
    /// The request.
    pub(super) request: &'a HeadMeta,
    /// What is still to come of its body.
    pub(super) body_left: BodyLeft,
    /// The connection ends with this response, for a reason that is known already.
    pub(super) must_close: bool,
    /// Why the connection would end with this response whatever the response is.
    pub(super) why_close: Option<CloseReason>,
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
pub(super) struct ResponsePlan {
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

impl ResponseContext<'_> {
    /// Plans a response that meets its conditions.
    #[inline(always)]
    pub(super) fn plan(&self, response: &ResponseRef<'_>) -> ResponsePlan {
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
        let close = if switches { None } else { self.close_reason(response, framing, streams) };
        let connection = if switches {
            ConnectionOption::None
        } else if self.must_close || close.is_some() {
            ConnectionOption::Close
        } else if request.version == Version::Http10 {
            ConnectionOption::KeepAlive
        } else {
            ConnectionOption::None
        };
        ResponsePlan {
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
    fn close_reason(
        &self,
        response: &ResponseRef<'_>,
        framing: Framing,
        streams: bool,
    ) -> Option<CloseReason> {
        if !self.request.keep_alive {
            Some(CloseReason::RequestedByPeer)
        } else if response.fields.close() || framing == Framing::UntilClose || self.request.connect {
            Some(CloseReason::RequestedByApplication)
        } else if self.why_close.is_some() {
            self.why_close
        } else if self.leaves_body_unread(streams) {
            Some(CloseReason::BodyUnread)
        } else {
            None
        }
    }

    /// Whether it is certain now that the rest of the request body will not be read. While an application streams its
    /// response it may still read the body, so that is decided when the response ends. If the peer waits for a 100, the body
    /// cannot come, as no 100 follows a final head.
    fn leaves_body_unread(&self, streams: bool) -> bool {
        match self.body_left {
            BodyLeft::None | BodyLeft::Short => false,
            BodyLeft::Long => !streams,
            BodyLeft::Forgone | BodyLeft::AwaitingContinue => true,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;
    use crate::request::BodyLength;

    const GET: HeadMeta = HeadMeta {
        body: BodyLength::None,
        len: 0,
        target_len: 0,
        method_len: 0,
        start: 0,
        version: Version::Http11,
        expect: false,
        keep_alive: true,
        upgrade: false,
        head: false,
        connect: false,
    };
    const HEAD: HeadMeta = HeadMeta { head: true, ..GET };
    const OLD: HeadMeta = HeadMeta { version: Version::Http10, ..GET };
    const CONNECT: HeadMeta = HeadMeta { connect: true, ..GET };
    const UPGRADE: HeadMeta = HeadMeta { upgrade: true, ..GET };
    const UNKNOWN: BodyRef<'_> = BodyRef::Stream { length: None };
    const FIVE: BodyRef<'_> = BodyRef::Stream { length: Some(5) };

    fn response_context(request: &HeadMeta) -> ResponseContext<'_> {
        ResponseContext { request, body_left: BodyLeft::None, must_close: false, why_close: None }
    }

    #[test]
    fn framing_is_that_of_rfc_9112_section_6_3() {
        use AfterHead::{Complete, Stream, Switch};
        use BodyRef::{Empty, Slice};
        use Framing::{Chunked, Length, UntilClose};
        let none = Fields::new();
        let seven = Fields::new().with("Content-Length", "7").unwrap();
        for (at, (request, status, fields, body, framing, content, owed, then)) in [
            (GET, 200, &none, Empty, Length(0), Some(u64::MAX), Owed::Nothing, Complete),
            (GET, 200, &none, Slice(b"abc"), Length(3), Some(u64::MAX), Owed::Nothing, Complete),
            // What is above the declared length is cut.
            (GET, 200, &seven, Slice(b"123456789"), Length(7), Some(7), Owed::Nothing, Complete),
            (GET, 200, &none, FIVE, Length(5), Some(u64::MAX), Owed::Length(5), Stream),
            (GET, 200, &seven, UNKNOWN, Length(7), Some(7), Owed::Length(7), Stream),
            (GET, 200, &none, UNKNOWN, Chunked, Some(u64::MAX), Owed::Chunked, Stream),
            (OLD, 200, &none, UNKNOWN, UntilClose, Some(u64::MAX), Owed::UntilClose, Stream),
            (OLD, 200, &none, FIVE, Length(5), Some(u64::MAX), Owed::Length(5), Stream),
            // The head alone, with the framing that GET would have got.
            (HEAD, 200, &none, Slice(b"abc"), Length(3), None, Owed::Nothing, Complete),
            (HEAD, 200, &none, Empty, Framing::None, None, Owed::Nothing, Complete),
            (HEAD, 200, &none, UNKNOWN, Chunked, None, Owed::Nothing, Complete),
            (GET, 204, &none, Slice(b"abc"), Framing::None, None, Owed::Nothing, Complete),
            (GET, 205, &none, Slice(b"abc"), Length(0), None, Owed::Nothing, Complete),
            (GET, 304, &none, Empty, Framing::None, None, Owed::Nothing, Complete),
            (GET, 304, &seven, Empty, Length(7), None, Owed::Nothing, Complete),
            (CONNECT, 200, &none, Slice(b"abc"), Framing::None, None, Owed::Nothing, Switch),
            (CONNECT, 404, &none, Slice(b"abc"), Length(3), Some(u64::MAX), Owed::Nothing, Complete),
            (UPGRADE, 101, &none, Empty, Framing::None, None, Owed::Nothing, Switch),
        ]
        .into_iter()
        .enumerate()
        {
            let status = Status::new(status).unwrap();
            let plan = response_context(&request).plan(&ResponseRef { status, fields, body });
            let planned = (plan.framing, plan.content, plan.owed, plan.then);
            assert_eq!(planned, (framing, content, owed, then), "line {at}");
        }
    }

    #[test]
    fn why_a_connection_ends_with_a_response() {
        use BodyLeft::{AwaitingContinue, Forgone, Long, Short};
        use CloseReason::{BodyUnread, Drained, RequestedByApplication, RequestedByPeer};
        let (none, close) = (Fields::new(), Fields::new().with("Connection", "close").unwrap());
        let ends = HeadMeta { keep_alive: false, ..GET };
        let body = BodyRef::Slice(b"abc");
        for (at, (request, body_left, known, fields, body, expected)) in [
            (GET, BodyLeft::None, None, &none, body, None),
            (ends, BodyLeft::None, Some(Drained), &close, body, Some(RequestedByPeer)),
            (GET, BodyLeft::None, Some(Drained), &close, body, Some(RequestedByApplication)),
            (GET, Long, Some(Drained), &none, body, Some(Drained)),
            (OLD, BodyLeft::None, None, &none, UNKNOWN, Some(RequestedByApplication)),
            (GET, Short, None, &none, body, None),
            (GET, Long, None, &none, body, Some(BodyUnread)),
            // A response that goes on may read on.
            (GET, Long, None, &none, FIVE, None),
            (GET, Forgone, None, &none, FIVE, Some(BodyUnread)),
            (GET, AwaitingContinue, None, &none, FIVE, Some(BodyUnread)),
        ]
        .into_iter()
        .enumerate()
        {
            let context = ResponseContext { body_left, why_close: known, ..response_context(&request) };
            let plan = context.plan(&ResponseRef { status: Status::OK, fields, body });
            assert_eq!(plan.close, expected, "line {at}");
            let says_close = plan.connection == ConnectionOption::Close;
            assert_eq!(says_close, expected.is_some(), "line {at}");
        }
    }

    #[test]
    fn what_http_1_0_and_a_connection_that_ends_are_told() {
        let none = Fields::new();
        let response = ResponseRef::new(Status::OK, &none, b"abc");
        assert_eq!(response_context(&OLD).plan(&response).connection, ConnectionOption::KeepAlive);
        assert_eq!(response_context(&GET).plan(&response).connection, ConnectionOption::None);
        // The reason is known already, and noted elsewhere.
        let plan = ResponseContext { must_close: true, ..response_context(&GET) }.plan(&response);
        assert_eq!((plan.connection, plan.close), (ConnectionOption::Close, None));
    }

    #[test]
    fn a_response_that_breaks_a_condition_is_named() {
        let (none, seven) = (Fields::new(), Fields::new().with("Content-Length", "7").unwrap());
        let websocket = Fields::new().with("Upgrade", "websocket").unwrap();
        for (request, is_complete, status, fields, content, expected) in [
            (GET, true, 200, &none, &b"12345678"[..], None),
            (GET, true, 200, &none, b"123456789", Some(Condition::FitsHighWater)),
            (GET, true, 200, &seven, b"123456", Some(Condition::IsWhole)),
            (GET, true, 200, &seven, b"1234567", None),
            (HEAD, true, 200, &seven, b"", None),
            (GET, true, 103, &none, b"", Some(Condition::IsFinal)),
            (UPGRADE, true, 101, &websocket, b"", None),
            (UPGRADE, false, 101, &websocket, b"", Some(Condition::MaySwitch)),
            (UPGRADE, true, 101, &none, b"", Some(Condition::MaySwitch)),
            (GET, true, 101, &websocket, b"", Some(Condition::MaySwitch)),
        ] {
            let response = ResponseRef::new(Status::new(status).unwrap(), fields, content);
            assert_eq!(unmet(&request, is_complete, &response, 8), expected, "{status} {content:?}");
        }
    }
}
