//! What the second machine does with input: it looks for heads, and reads bodies.

use httpfsm::channel::State;
use httpfsm::{BodyError, Rule};

use super::body::{Body, BodyFraming, BodyRead, End, Stands};
use super::clock::{Patience, limits};
use super::machine::Reference;
use super::outputs::malformed;
use super::script::RequestKind;

impl Reference {
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        match self.state {
            State::Fresh | State::Idle | State::Head => self.parse(),
            State::WaitResponse | State::HeadHeld | State::Responding => {
                if self.body.is_open() {
                    self.body_patience.bytes(bytes.len(), self.now, self.times.rates);
                    self.continued = false;
                }
                self.read_or_begin_body();
            }
            State::Discard => {
                self.discard();
                if self.rest == 0 {
                    self.go(State::Flushing);
                    self.choose_next();
                }
            }
            _ => self.choose_next(),
        }
    }

    pub(super) fn end_input(&mut self) {
        self.ended = true;
        match self.state {
            State::Head => self.refuse(Rule::HeadTruncated, 400),
            State::Discard => self.close_after_output(),
            State::WaitResponse | State::HeadHeld | State::Responding => {
                self.pending.peer_ended += 1;
                self.entered = self.now;
                self.read_body();
            }
            _ => self.choose_next(),
        }
    }

    /// Bytes of the empty lines that are skipped.
    fn empty_lines(&self) -> usize {
        let lines = self.input.chunks(2).take(limits::EMPTY_LINES).take_while(|line| *line == b"\r\n");
        2 * lines.count()
    }

    /// Whether more has come than empty lines that are skipped, and the beginning of one more.
    pub(super) fn has_begun_head(&self) -> bool {
        !matches!(self.input[self.empty_lines()..], [] | [b'\r'])
    }

    /// Looks for a head.
    pub(super) fn parse(&mut self) {
        if !self.has_begun_head() {
            return;
        }
        let input = &self.input[self.empty_lines()..];
        let (is_empty_line, skipped) = (input.starts_with(b"\r\n"), self.input.len() - input.len());
        let whole = RequestKind::HEADS.iter().find(|message| input.starts_with(message.head().as_bytes()));
        let Some(&request) = whole else {
            let may_become_one =
                RequestKind::HEADS.iter().any(|message| message.head().as_bytes().starts_with(input));
            self.go(State::Head);
            if is_empty_line {
                self.refuse(Rule::EmptyLines, 400);
            } else if !may_become_one {
                self.refuse(Rule::Nul, 400);
            } else if self.ended {
                self.refuse(Rule::HeadTruncated, 400);
            }
            return;
        };
        self.input.drain(..skipped + request.head().len());
        self.request = request;
        self.body = Body::new(match request {
            RequestKind::Post | RequestKind::Expect => BodyFraming::Length(8),
            RequestKind::Chunked(_) | RequestKind::ExpectChunked(_) => BodyFraming::Chunked,
            _ => BodyFraming::Length(0),
        });
        self.expects = matches!(request, RequestKind::Expect | RequestKind::ExpectChunked(_));
        self.continued = false;
        self.close |= request == RequestKind::LastGet;
        self.application_since = None;
        self.body_patience = Patience::default();
        self.go(State::WaitResponse);
        self.pending.requests += 1;
        // Whoever gets a request behind the end of input hears of that end, too.
        self.pending.peer_ended += usize::from(self.ended);
    }

    // The body of a request.

    pub(super) fn demand(&mut self, bytes: u64) {
        let is_first = self.body.asked == 0;
        self.body.asked = self.body.asked.saturating_add(bytes);
        match self.body.stands {
            Stands::Whole if is_first => self.pending.body_ends.push(0),
            Stands::Whole | Stands::Broken => {}
            Stands::Open => {
                self.send_continue();
                if self.expects && !self.ended {
                    // After a final head no 100 can be sent.
                    return self.break_body(BodyError::NotContinued, Rule::BodyTruncated, 400);
                }
                self.read_or_begin_body();
            }
        }
    }

    pub(super) fn read_or_begin_body(&mut self) {
        if self.state == State::HeadHeld {
            self.begin_body();
        }
        self.read_body();
    }

    /// The head that waits leaves with the first byte of the content, if what is before it is as it should be; without a
    /// demand with any byte.
    fn begin_body(&mut self) {
        if self.expects && !self.ended {
            return;
        }
        let begins = if self.body.is_awaited() {
            let asked = if self.ended { self.body.asked } else { 1 };
            let BodyRead { content, end } = Body { asked, ..self.body }.read(&self.input);
            let is_cut = self.ended && asked > content.len() as u64;
            match end {
                End::Bad(_) => false,
                End::Whole { .. } => true,
                End::NotYet => !content.is_empty() && !is_cut,
            }
        } else {
            !self.input.is_empty()
        };
        if begins {
            self.send_held_head();
        }
    }

    /// Once, while no final head was accepted and nothing of the body has come.
    pub(super) fn send_continue(&mut self) {
        self.expects &= self.input.is_empty();
        let may_send = matches!(self.state, State::WaitResponse | State::HeadHeld);
        if self.expects && may_send && !self.ended {
            self.expects = false;
            self.continued = true;
            self.send_head(100, false);
        }
    }

    /// Passes on what was asked for and has come.
    fn read_body(&mut self) {
        if !self.body.is_open() || self.body.asked == 0 {
            return;
        }
        let reading = self.body.read(&self.input);
        self.pending.content.extend_from_slice(&reading.content[self.body.given..]);
        self.body.given = reading.content.len();
        match reading.end {
            End::Whole { len, trailers } => {
                self.input.drain(..len);
                self.body.stands = Stands::Whole;
                self.pending.body_ends.push(trailers);
            }
            End::Bad(rule) => {
                let status = match rule {
                    Rule::BodyTooLarge => 413,
                    Rule::TrailerTooLarge | Rule::TooManyTrailers => 431,
                    _ => 400,
                };
                self.break_body(malformed(rule), rule, status);
            }
            End::NotYet if self.ended && self.body.is_awaited() => {
                self.break_body(BodyError::Truncated, Rule::BodyTruncated, 400);
            }
            End::NotYet => {}
        }
    }

    /// A request without a response is refused then; a response that runs is the last one.
    pub(super) fn break_body(&mut self, error: BodyError, rule: Rule, status: u16) {
        self.fail_body(error);
        if matches!(self.state, State::WaitResponse | State::HeadHeld) {
            self.refuse(rule, status);
        } else {
            self.close = true;
        }
    }

    /// What is still to come of the body will not come: the application hears of that once.
    pub(super) fn fail_body(&mut self, error: BodyError) {
        if self.body.is_open() {
            self.body.stands = Stands::Broken;
            self.pending.body_failures.push(error);
        }
    }

    pub(super) fn discard(&mut self) {
        let came = self.rest.min(self.input.len());
        self.input.drain(..came);
        self.rest -= came;
    }
}
