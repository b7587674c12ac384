//! Input: octets, heads, bodies.

use alloc::boxed::Box;

use super::Event;
use super::context::{Args, Chunked, Context, Receiving};
use super::pending::Pending;
use crate::chunked::ChunkStatus;
use crate::error::{BodyError, CloseReason, RequestError, Rule};
use crate::head::{HeadScan, Parsed};
use crate::input::Input;
use crate::request::{BodyLength, HeadMeta, Version};
use crate::trailers::TrailerStatus;

impl Context {
    /// Takes the octets of an RxData.
    #[inline]
    pub(super) fn receive(&mut self, args: &Args<'_>) {
        let n = match args.input {
            Input::RxRead(n) => {
                self.inbuf.accept_read(n);
                n
            }
            Input::RxData(octets) => {
                self.inbuf.append(octets);
                octets.len()
            }
            _ => return,
        };
        self.received += n as u64;
        if self.receiving.is_wanted() {
            self.body_rate.progress(n, args.at.as_millis(), self.settings.config.min_body_rate);
        }
    }

    #[inline]
    pub(super) fn parse_head(&mut self) -> Option<Event> {
        match self.scan.advance(self.inbuf.unparsed(), &self.settings.head) {
            // The input ended while another request was answered: this head will never be whole.
            Parsed::Partial if self.ended => self.end_head(),
            Parsed::Partial => None,
            Parsed::Complete(meta) => {
                self.meta = meta;
                if self.ahead.refuses_next() {
                    self.refusal = RequestError::new(Rule::SimultaneousRequests, 0);
                    return Some(Event::RequestRefused);
                }
                Some(Event::DequeueRequest)
            }
            Parsed::Refused(error) => {
                self.refusal = error;
                self.meta = self.guess_refused();
                Some(Event::RequestRefused)
            }
        }
    }

    /// RFC 9112 section 8: a head that the end of input cuts is no request. Empty lines alone are nothing to answer.
    pub(super) fn end_head(&mut self) -> Option<Event> {
        self.ended = true;
        if self.inbuf.unparsed().iter().all(|octet| matches!(octet, b'\r' | b'\n')) {
            self.because(CloseReason::PeerEnded);
            return Some(Event::NothingMore);
        }
        self.refusal = RequestError::new(Rule::HeadTruncated, self.inbuf.unparsed_len() as u64);
        self.meta = self.guess_refused();
        Some(Event::RequestRefused)
    }

    #[inline]
    pub(super) fn deliver_request(&mut self) -> Option<Event> {
        self.scan = HeadScan::default();
        self.ahead.shift(&self.meta);
        self.inbuf.pin_head(self.meta.len as usize);
        self.receiving = match self.meta.body {
            BodyLength::None | BodyLength::Known(0) => Receiving::Complete,
            BodyLength::Known(length) => Receiving::Known(length),
            BodyLength::Chunked => {
                self.begin_chunks();
                Receiving::Chunks
            }
        };
        self.body_rate.reset();
        self.credit = 0;
        self.demanded = false;
        self.expects = self.meta.expect;
        self.application_waited = false;
        self.requests += 1;
        self.pending.insert(Pending::REQUEST);
        None
    }

    fn begin_chunks(&mut self) {
        match &mut self.chunked {
            Some(chunked) => **chunked = Chunked::new(),
            none => *none = Some(Box::new(Chunked::new())),
        }
    }

    pub(super) fn grant_body(&mut self, args: &Args<'_>) -> Option<Event> {
        let Input::BodyDemand(octets) = args.input else { return None };
        self.credit = self.credit.saturating_add(octets);
        if octets == 0 {
            return None;
        }
        let first = !self.demanded;
        self.demanded = true;
        // From here on the body passes where the head stands.
        self.inbuf.unpin_head();
        if first && self.receiving == Receiving::Complete {
            // There is none, and whoever asks for it learns that as with any other.
            return self.body_complete();
        }
        self.send_continue();
        if self.expects && self.receiving.is_wanted() && !self.ended {
            // The final head has left; a peer that still waits for its 100 waits for ever.
            return self.body_broken(BodyError::Closed);
        }
        self.decode_body()
    }

    /// Decodes as much of the body as there is credit for.
    #[inline]
    pub(super) fn decode_body(&mut self) -> Option<Event> {
        loop {
            match self.receiving {
                Receiving::Complete | Receiving::Unwanted(_) | Receiving::Failed => return None,
                Receiving::Known(rest) => {
                    let n = (self.inbuf.unparsed_len() as u64).min(rest).min(self.credit);
                    self.inbuf.body_ready(0..n as usize, n as usize);
                    self.credit -= n;
                    if n == rest {
                        return self.body_complete();
                    }
                    self.receiving = Receiving::Known(rest - n);
                    return self.body_pauses();
                }
                Receiving::Chunks => {
                    let chunked = self.chunked.as_deref_mut()?;
                    let octets = self.inbuf.unparsed_mut();
                    let decoded = chunked.decoder.decode(octets, self.credit, &self.settings.chunks);
                    self.credit -= decoded.data.len() as u64;
                    self.inbuf.body_ready(decoded.data, decoded.consumed);
                    match decoded.status {
                        ChunkStatus::More | ChunkStatus::Credit => return self.body_pauses(),
                        ChunkStatus::Last => self.receiving = Receiving::TrailerSection,
                        ChunkStatus::Failed(error) => return self.body_broken(BodyError::Malformed(error)),
                    }
                }
                Receiving::TrailerSection => {
                    let chunked = self.chunked.as_deref_mut()?;
                    let status = chunked.trailers.advance(
                        self.inbuf.unparsed(),
                        self.settings.trailer_size,
                        self.settings.trailer_fields,
                        chunked.decoder.offset(),
                    );
                    match status {
                        TrailerStatus::Partial => return self.body_pauses(),
                        TrailerStatus::Complete { len } => {
                            self.inbuf.trailers_ready(len);
                            return self.body_complete();
                        }
                        TrailerStatus::Refused(error) => {
                            return self.body_broken(BodyError::Malformed(error));
                        }
                    }
                }
            }
        }
    }

    fn body_complete(&mut self) -> Option<Event> {
        self.receiving = Receiving::Complete;
        self.pending.insert(Pending::BODY_END);
        None
    }

    /// More is to come; if nothing can come any more, the body is truncated.
    fn body_pauses(&mut self) -> Option<Event> {
        if self.ended && self.credit > 0 {
            return self.body_broken(BodyError::Truncated);
        }
        None
    }

    fn body_broken(&mut self, error: BodyError) -> Option<Event> {
        self.break_body(error);
        Some(Event::BodyBroken)
    }

    /// The body ends here, and is not whole.
    #[cold]
    pub(super) fn break_body(&mut self, error: BodyError) {
        self.body_arrived = self.body_arrived();
        self.receiving = Receiving::Failed;
        self.body_error = error;
    }

    /// Octets of the body that have arrived, as it was sent.
    fn body_arrived(&self) -> u64 {
        let buffered = self.inbuf.unparsed_len() as u64;
        match (self.receiving, self.meta.body, &self.chunked) {
            (Receiving::Known(rest), BodyLength::Known(length), _) => length - rest + buffered.min(rest),
            (Receiving::Chunks | Receiving::TrailerSection, _, Some(chunked)) => {
                chunked.decoder.offset() + buffered
            }
            _ => 0,
        }
    }

    pub(super) fn end_input(&mut self) -> Option<Event> {
        self.ended = true;
        self.pending.insert(Pending::PEER_ENDED);
        if self.demanded { self.decode_body() } else { None }
    }

    /// Throws body octets away; the rest is known.
    pub(super) fn discard_body(&mut self) -> Option<Event> {
        let Receiving::Unwanted(rest) = self.receiving else { return Some(Event::BodyDiscarded) };
        let n = (self.inbuf.unparsed_len() as u64).min(rest);
        self.inbuf.consume(n as usize);
        if n < rest {
            self.receiving = Receiving::Unwanted(rest - n);
            return None;
        }
        self.receiving = Receiving::Complete;
        Some(Event::BodyDiscarded)
    }

    /// What can be said of a head that was refused, for the answer: its version, and whether it is a HEAD. Only a
    /// request line that ends before the fault tells: whether more has come depends on how the input was cut.
    #[cold]
    pub(super) fn guess_refused(&self) -> HeadMeta {
        let octets = self.inbuf.unparsed();
        // What else has come by chance must not show: only the octets count that the verdict came from.
        let decisive = match self.refusal.rule {
            Rule::Nul | Rule::BareCr | Rule::BareLf | Rule::FirstOctet | Rule::EmptyLines => {
                usize::try_from(self.refusal.offset).unwrap_or(usize::MAX)
            }
            _ => self.settings.head.size as usize,
        };
        let octets = octets.get(..decisive).unwrap_or(octets);
        let octets = octets.strip_prefix(b"\r\n").unwrap_or(octets);
        let line = memchr::memchr(b'\n', octets).and_then(|end| octets.get(..end)).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        HeadMeta {
            version: if line.ends_with(b" HTTP/1.0") { Version::Http10 } else { Version::Http11 },
            head: octets.starts_with(b"HEAD "),
            ..HeadMeta::default()
        }
    }
}
