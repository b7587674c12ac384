//! The application's answers.

use bytes::Bytes;

use super::Event;
use super::context::{Accepted, Answering, Args, Context, Receiving};
use super::pending::Pending;
use crate::encode::{self, ConnectionOption, Framing, HeadPlan};
use crate::error::CloseReason;
use crate::fields::Fields;
use crate::input::{Data, Input};
use crate::request::Version;
use crate::response::{BodyRef, ResponseRef};
use crate::status::Status;
use crate::time::Now;

impl Context {
    /// Whether a response fits the request.
    #[inline]
    pub(super) fn takes_response(&self, response: &ResponseRef<'_>) -> bool {
        if response.status == Status::SWITCHING_PROTOCOLS {
            // It must name the protocol that begins (RFC 9110 section 15.2.2).
            let asked = self.meta.upgrade && self.receiving == Receiving::Complete;
            return asked && response.fields.names_protocols();
        }
        let length = match response.body {
            BodyRef::Slice(slice) if slice.len() > self.settings.high_water => return false,
            BodyRef::Slice(slice) => slice.len() as u64,
            BodyRef::Bytes(bytes) => bytes.len() as u64,
            BodyRef::Empty => 0,
            BodyRef::Stream { .. } => return !response.status.is_informational(),
        };
        // Content that is short of its length could never be finished.
        let short = response.fields.content_length().is_some_and(|declared| length < declared);
        !response.status.is_informational() && (!short || self.sends_no_content(response.status))
    }

    /// Whether the head is all that is sent of an answer, whatever content comes with it: to HEAD (RFC 9110 section
    /// 9.3.2), and with the statuses that have none (sections 15.3.5, 15.3.6 and 15.4.5).
    #[inline]
    fn sends_no_content(&self, status: Status) -> bool {
        self.meta.head || status.forbids_content() || status == Status::RESET_CONTENT
    }

    #[inline]
    pub(super) fn accept_response(&mut self, args: &mut Args<'_>) -> Option<Event> {
        let accepted = match (args.accepted.take(), &args.input) {
            (Some(accepted), _) => accepted,
            (None, Input::HttpResponse(response)) => self.encode_response(&args.now, response),
            (None, _) => return None,
        };
        self.pending.remove(Pending::REQUEST);
        self.inbuf.unpin_head();
        match accepted {
            Accepted::Whole => Some(Event::AnswerComplete),
            Accepted::Switches => Some(Event::SwitchProtocols),
            Accepted::Streams => {
                self.application_since = args.at;
                self.note_crowd();
                None
            }
        }
    }

    /// Stages a final head and the content that comes with it. Touches neither the state nor the input.
    #[inline]
    pub(super) fn encode_response(&mut self, now: &Now<'_>, response: &ResponseRef<'_>) -> Accepted {
        let (status, fields) = (response.status, response.fields);
        let switches = status == Status::SWITCHING_PROTOCOLS || (self.meta.connect && status.is_success());
        let length = match response.body {
            BodyRef::Empty => Some(0),
            BodyRef::Slice(slice) => Some(slice.len() as u64),
            BodyRef::Bytes(bytes) => Some(bytes.len() as u64),
            BodyRef::Stream { length } => length.or(fields.content_length()),
        };
        let declared = fields.content_length();
        let without_content = self.sends_no_content(status) || switches;
        let framing = if without_content {
            self.framing_without_content(status, switches, response.body, declared.or(length))
        } else {
            match declared.or(length) {
                Some(length) => Framing::Length(length),
                None if self.meta.version == Version::Http10 => Framing::UntilClose,
                None => Framing::Chunked,
            }
        };
        let streams = !without_content
            && matches!(response.body, BodyRef::Stream { .. })
            && !matches!(framing, Framing::Length(0));
        self.answering = match framing {
            _ if !streams => Answering::Nothing,
            Framing::Length(length) => Answering::Length(length),
            Framing::Chunked => Answering::Chunked,
            Framing::None | Framing::UntilClose => Answering::UntilClose,
        };
        if !switches {
            self.decide_close(fields, framing, streams);
        }
        let connection = if switches {
            ConnectionOption::None
        } else if self.must_close {
            ConnectionOption::Close
        } else if self.meta.version == Version::Http10 {
            ConnectionOption::KeepAlive
        } else {
            ConnectionOption::None
        };
        self.stage_head(now, status, fields, HeadPlan { version: self.meta.version, connection, framing });
        if !streams && !without_content {
            let limit = declared.unwrap_or(u64::MAX);
            match response.body {
                BodyRef::Slice(slice) => {
                    let slice = self.cut_slice(slice, limit);
                    self.outbuf.stage().extend_from_slice(slice);
                }
                BodyRef::Bytes(bytes) => {
                    let content = self.cut_bytes(bytes.clone(), limit);
                    self.outbuf.push(&content);
                }
                BodyRef::Empty | BodyRef::Stream { .. } => {}
            }
        }
        match (switches, streams) {
            (true, _) => Accepted::Switches,
            (false, true) => Accepted::Streams,
            (false, false) => Accepted::Whole,
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
        let unsaid = matches!(body, BodyRef::Empty);
        match (length, status) {
            _ if switches || status == Status::NO_CONTENT => Framing::None,
            (_, Status::RESET_CONTENT) => Framing::Length(0),
            // What GET would have got is not known from an empty body, and 304 never has another.
            (Some(0), _) if unsaid || status == Status::NOT_MODIFIED => Framing::None,
            (Some(length), _) => Framing::Length(length),
            (None, Status::NOT_MODIFIED) => Framing::None,
            (None, _) if self.meta.version == Version::Http10 => Framing::None,
            (None, _) => Framing::Chunked,
        }
    }

    /// Whether the connection ends with this answer (RFC 9112 sections 9.3 and 9.6). What the peer has sent of the
    /// body beyond what the application asked for does not count, or the answer would depend on arrival.
    fn decide_close(&mut self, fields: &Fields, framing: Framing, streams: bool) {
        let settings = &self.settings;
        let served = settings.config.requests_per_connection;
        let reason = if !self.meta.keep_alive {
            CloseReason::RequestedByPeer
        } else if fields.close() || framing == Framing::UntilClose || self.meta.connect {
            CloseReason::RequestedByApplication
        } else if self.draining {
            CloseReason::Drained
        } else if self.evicted {
            CloseReason::Evicted
        } else if served != 0 && self.requests >= served {
            CloseReason::RequestsServed
        } else if self.latest.as_millis() >= self.age {
            CloseReason::AgeReached
        } else if self.leaves_body_unread(streams) {
            CloseReason::BodyUnread
        } else {
            return;
        };
        self.end_with_answer(reason);
    }

    /// Whether it is certain now that the rest of the request body will not be read. An application whose answer goes
    /// on may read on, too, and is judged at the end; but a peer that waits for a 100 gets none after a final head.
    fn leaves_body_unread(&self, streams: bool) -> bool {
        if streams { self.expects && self.receiving != Receiving::Complete } else { !self.rest_is_short() }
    }

    /// Whether the rest of the request body is worth waiting for.
    pub(super) fn rest_is_short(&self) -> bool {
        match self.receiving {
            Receiving::Complete => true,
            // A peer that waits for its 100 may send the body or not.
            Receiving::Known(_) if self.expects => false,
            Receiving::Known(rest) => {
                self.settings.discard > 0 && rest <= self.settings.config.discard_octets
            }
            Receiving::Chunks | Receiving::TrailerSection | Receiving::Unwanted(_) | Receiving::Failed => {
                false
            }
        }
    }

    #[inline]
    fn stage_head(&mut self, now: &Now<'_>, status: Status, fields: &Fields, plan: HeadPlan) {
        let out = self.outbuf.stage();
        let start = out.len();
        encode::response_head(out, status, fields, plan, now.date, &self.settings.identity);
        say_version(out, start, plan.version);
    }

    fn cut_slice<'a>(&mut self, content: &'a [u8], limit: u64) -> &'a [u8] {
        let Some(cut) = usize::try_from(limit).ok().and_then(|limit| content.get(..limit)) else {
            return content;
        };
        self.note_excess((content.len() - cut.len()) as u64);
        cut
    }

    fn cut_bytes(&mut self, mut content: Bytes, limit: u64) -> Bytes {
        if let Ok(limit) = usize::try_from(limit) {
            self.note_excess(content.len().saturating_sub(limit) as u64);
            content.truncate(limit);
        }
        content
    }

    fn note_excess(&mut self, octets: u64) {
        if octets > 0 {
            self.excess += octets;
            self.pending.insert(Pending::EXCESS);
        }
    }

    /// Whether there is room for the octets of a Write.
    pub(super) fn takes_content(&self, data: &Data<'_>) -> bool {
        let room = self.room();
        match data {
            Data::Slice(slice) => slice.len() <= room,
            Data::Bytes(bytes) => bytes.len() <= room || self.has_room(),
        }
    }

    /// Whether a content of any length would be taken.
    pub(super) fn has_room(&self) -> bool {
        self.room() > 0 && !self.outbuf.has_large()
    }

    pub(super) fn room(&self) -> usize {
        self.settings.high_water.saturating_sub(self.outbuf.len())
    }

    pub(super) fn stage_data(&mut self, args: &mut Args<'_>) -> Option<Event> {
        let Input::Write(data) = &args.input else { return None };
        self.application_since = args.at;
        if data.as_slice().is_empty() {
            return None;
        }
        match self.answering {
            Answering::Nothing => {}
            Answering::UntilClose => self.stage_content(data, u64::MAX),
            Answering::Length(rest) => {
                self.stage_content(data, rest);
                self.answering = Answering::Length(rest.saturating_sub(data.as_slice().len() as u64));
            }
            Answering::Chunked => {
                encode::chunk_start(self.outbuf.stage(), data.as_slice().len() as u64);
                self.stage_content(data, u64::MAX);
                encode::chunk_end(self.outbuf.stage());
            }
        }
        self.note_crowd();
        None
    }

    /// Whoever finds no room is told when there is.
    fn note_crowd(&mut self) {
        self.crowded |= !self.has_room();
    }

    fn stage_content(&mut self, data: &Data<'_>, limit: u64) {
        match data {
            Data::Slice(slice) => {
                let slice = self.cut_slice(slice, limit);
                self.outbuf.stage().extend_from_slice(slice);
            }
            Data::Bytes(bytes) => {
                let content = self.cut_bytes(bytes.clone(), limit);
                self.outbuf.push(&content);
            }
        }
    }

    pub(super) fn finish_answer(&mut self, args: &Args<'_>) -> Option<Event> {
        let Input::Finish(trailers) = args.input else { return None };
        match self.answering {
            Answering::Length(rest) if rest > 0 => return Some(Event::AnswerShort),
            Answering::Chunked => encode::last_chunk(self.outbuf.stage(), trailers),
            Answering::Nothing | Answering::Length(_) | Answering::UntilClose => {}
        }
        Some(Event::AnswerComplete)
    }

    /// Sends the 100 once, to a peer that waits for it: not when octets of the body came already (RFC 9110
    /// section 10.1.1).
    pub(super) fn send_continue(&mut self) -> Option<Event> {
        if self.inbuf.unparsed_len() > 0 {
            self.expects = false;
        }
        if self.expects && self.answering == Answering::Nothing && !self.ended {
            self.outbuf.stage().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.expects = false;
        }
        None
    }

    pub(super) fn send_informational(&mut self, args: &Args<'_>) -> Option<Event> {
        if let Input::Informational(status, fields) = args.input {
            if self.meta.version == Version::Http11 {
                encode::informational_head(self.outbuf.stage(), status, fields);
                self.note_crowd();
            }
        }
        None
    }
}

/// The status line says HTTP/1.1 until the request was HTTP/1.0.
#[inline]
fn say_version(out: &mut [u8], start: usize, version: Version) {
    if version == Version::Http10 {
        if let Some(minor) = out.get_mut(start + 7) {
            *minor = b'0';
        }
    }
}
