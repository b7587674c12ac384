//! The machine's own answers: to requests that break a rule, come too slowly, or find nobody who answers.

use alloc::string::String;
use core::fmt::Write as _;

use bytes::Bytes;

use super::Event;
use super::context::{Args, Context};
use super::pending::Pending;
use crate::error::{BodyError, CloseReason, RequestError, Rule};
use crate::fields::Fields;
use crate::input::Input;
use crate::response::{BodyRef, ResponseRef};

const BUSY: RequestError = RequestError::new(Rule::Busy, 0);

impl Context {
    pub(super) fn refuse_request(&mut self, args: &Args<'_>) -> Option<Event> {
        let error = self.refusal;
        self.answer_error(args, error, None);
        self.begin_close()
    }

    /// Refuses a head that is not complete.
    pub(super) fn refuse_head(&mut self, args: &Args<'_>, rule: Rule) -> Option<Event> {
        // A server that has no room blames no octet.
        let offset = if rule == Rule::Busy { 0 } else { self.inbuf.unparsed_len() as u64 };
        self.refusal = RequestError::new(rule, offset);
        self.meta = self.guess_refused();
        self.refuse_request(args)
    }

    pub(super) fn refuse_body(&mut self, args: &Args<'_>) -> Option<Event> {
        self.pending.insert(Pending::BODY_FAILED);
        let error = match self.body_error {
            BodyError::Malformed(error) => error,
            BodyError::TimedOut => RequestError::new(Rule::BodyTimeout, self.body_arrived),
            _ => RequestError::new(Rule::BodyTruncated, self.body_arrived),
        };
        self.answer_error(args, error, None);
        self.begin_close()
    }

    pub(super) fn refuse_slow_body(&mut self, args: &Args<'_>) -> Option<Event> {
        self.break_body(BodyError::TimedOut);
        self.refuse_body(args)
    }

    pub(super) fn fail_body(&mut self) -> Option<Event> {
        self.pending.insert(Pending::BODY_FAILED);
        self.end_with_answer(CloseReason::BodyFailed(self.body_error));
        None
    }

    pub(super) fn fail_slow_body(&mut self) -> Option<Event> {
        self.break_body(BodyError::TimedOut);
        self.fail_body()
    }

    pub(super) fn answer_busy(&mut self, args: &Args<'_>) -> Option<Event> {
        self.stage_error(args, BUSY, None);
        // The connection goes on: the next refusal may come before this one was told.
        self.busy = self.busy.saturating_add(1);
        self.pending.insert(Pending::BUSY);
        Some(Event::AnswerComplete)
    }

    /// One of the requests that were refused because the server is busy.
    pub(super) fn take_busy(&mut self) -> RequestError {
        self.busy -= 1;
        if self.busy > 0 {
            self.pending.insert(Pending::BUSY);
        }
        BUSY
    }

    pub(super) fn answer_failure(&mut self, args: &Args<'_>) -> Option<Event> {
        let text = match args.input {
            Input::Abort(text) if self.settings.config.expose_tracebacks => text,
            _ => None,
        };
        self.answer_and_close(args, Rule::HandlerFailed, text)
    }

    pub(super) fn answer_and_close(
        &mut self,
        args: &Args<'_>,
        rule: Rule,
        text: Option<&str>,
    ) -> Option<Event> {
        self.fail_receiving(BodyError::Closed);
        self.answer_error(args, RequestError::new(rule, 0), text);
        self.begin_close()
    }

    /// Answers by itself and notes that the connection ends with it.
    fn answer_error(&mut self, args: &Args<'_>, error: RequestError, text: Option<&str>) {
        self.must_close = true;
        self.because(CloseReason::Refused(error));
        self.refusal = error;
        self.pending.insert(Pending::REFUSED);
        self.stage_error(args, error, text);
    }

    #[cold]
    fn stage_error(&mut self, args: &Args<'_>, error: RequestError, text: Option<&str>) {
        self.refused += 1;
        self.forget_untold();
        self.inbuf.unpin_head();
        let mut fields = Fields::new();
        let page = self.settings.config.error_pages.as_ref().map(|pages| pages.page(&error));
        let content = match page {
            Some(page) if fields.push("Content-Type", page.content_type.as_bytes()).is_ok() => page.body,
            _ => {
                fields = Fields::from_known(b"Content-Type: text/plain; charset=utf-8\r\n");
                Bytes::from(error_text(&error, text))
            }
        };
        let response =
            ResponseRef { status: error.status(), fields: &fields, body: BodyRef::Bytes(&content) };
        self.encode_response(&args.now, &response);
    }
}

/// The default content of the machine's own answers.
fn error_text(error: &RequestError, text: Option<&str>) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(page, "{}\n{}", error.status(), error.rule);
    if let Some(text) = text {
        page.push_str(text);
        page.push('\n');
    }
    page
}
