//! Holds each response, and the end of the connection, against the plan.

use super::Client;
use crate::ask::{Expected, ReceivedResponse};
use crate::plan::ClientEnd;
use crate::watch::{HandlerFault, NUMBER};
use crate::wire::Fate;

/// Milliseconds in which a calm connection has ended behind both FINs: longer than a socket may block.
const PROMPT: u64 = 1900;

impl Client<'_> {
    /// Whether this is the response that was to come.
    pub(super) fn judge(&mut self, response: ReceivedResponse) -> Result<(), String> {
        let n = self.responses;
        self.responses += 1;
        self.closing |= response.says_close();
        let status = response.status;
        let told = response.field(NUMBER).map(str::to_owned);
        if self.plan.before.is_some_and(|before| before.is_refused()) {
            let is_right = told.is_none() && status == 400 && self.closing;
            return if is_right {
                Ok(())
            } else {
                Err(format!("{status} to what was to be refused before HTTP"))
            };
        }
        let Some(sent) = self.plan.sends.get(n) else {
            // The rest of what was broken off, or what was sent for another protocol, whose first word is no method (400) or
            // longer than any (501).
            let own = told.is_none() && matches!(status, 400 | 408 | 501 | 503);
            let odd = !self.plan.is_calm() || self.is_excused() || self.plan.owed() < self.plan.sends.len();
            return if own && odd { Ok(()) } else { Err(format!("a response to nothing: {status}")) };
        };
        let Some(told) = told else {
            let odd = !self.plan.is_calm() || self.is_excused();
            let expected = match (&sent.ask.expected, sent.handler_fault) {
                (Expected::Refused(statuses), _) if statuses.contains(&status) => {
                    return if self.closing { Ok(()) } else { Err(format!("{status} and no close")) };
                }
                (Expected::Refused(_), _) => {
                    // Cut off, it is something else that is wrong.
                    let cut = self.heads.get(n).is_some_and(|&end| end > self.sent);
                    odd && (matches!(status, 408 | 503) || (cut && status == 400))
                }
                (_, Some(HandlerFault::PanicInCall | HandlerFault::PanicAfter(_))) if status == 500 => true,
                // Its head still waited for the body.
                (_, Some(HandlerFault::PanicInBody)) if status == 500 && sent.expect => true,
                (_, Some(HandlerFault::Silence)) if status == 503 => true,
                _ => odd && matches!(status, 400 | 408 | 500 | 503),
            };
            return if expected { Ok(()) } else { Err(format!("request {n} got {status} from the machine")) };
        };
        if told != sent.number.to_string() {
            return Err(format!("request {} was given the response to {told}", sent.number));
        }
        if self.heads.get(n).is_some_and(|&end| end > self.sent) {
            return Err(format!("request {} got its response before it was sent", sent.number));
        }
        if sent.handler_fault == Some(HandlerFault::Early) {
            return if response.body == b"early" || sent.is_headless() {
                Ok(())
            } else {
                Err("not the early response".to_owned())
            };
        }
        let hands_over = status == 101 || (sent.ask.is_connect() && matches!(status, 200..=299));
        let has_content = response.field("Content-Length") != Some("0");
        if sent.handler_fault == Some(HandlerFault::PanicInBody)
            && !hands_over
            && !sent.is_headless()
            && has_content
        {
            return Err("a response that broke off came whole".to_owned());
        }
        match &sent.ask.expected {
            Expected::Refused(_) => Err(format!("what is to be refused got {status}")),
            Expected::Cut => Err("a response that broke off came whole".to_owned()),
            Expected::Tunnel { .. } if hands_over => Ok(()),
            Expected::Declined(_) if status == 403 && self.closing => Ok(()),
            Expected::Exactly(bytes) if status == 200 && response.body == *bytes => {
                self.judge_close(n, &response)
            }
            // The body broke off, and the handler says so.
            Expected::Exactly(_) if status == 400 && (!self.plan.is_calm() || self.is_excused()) => Ok(()),
            Expected::Exactly(bytes) => Err(format!(
                "request {} got {status} with {} bytes, not with {}",
                sent.number,
                response.body.len(),
                bytes.len()
            )),
            Expected::Checked(check) => check(&response),
            Expected::Anything => Ok(()),
            Expected::Tunnel { .. } | Expected::Declined(_) => {
                Err(format!("{} got {status}, and closes: {}", sent.ask.method, self.closing))
            }
        }
    }

    /// A calm connection is not given up without a reason.
    fn judge_close(&self, n: usize, response: &ReceivedResponse) -> Result<(), String> {
        let needless = n < self.plan.owed()
            && self.plan.is_calm()
            && !self.is_excused()
            && !self.places_are_few
            && self.plan.end != ClientEnd::Fin
            && response.says_close()
            && self.plan.sends.get(n).is_some_and(|sent| !sent.close && !sent.old);
        if needless { Err(format!("the response to request {n} closes without a reason")) } else { Ok(()) }
    }

    /// The connection has ended.
    pub(super) fn end(&mut self, cut: bool, now: u64) -> Result<(), String> {
        self.finished = true;
        self.trace.note(format_args!(
            "client {} sees the {}",
            self.number,
            if cut { "reset" } else { "end" }
        ));
        let whole = if cut { None } else { self.reader.end() };
        if let Some(response) = whole {
            self.judge(response)?;
            self.closing = true;
        }
        if self.plan.end != ClientEnd::Silent {
            self.end_output();
        }
        let evicted = self.ends.fate() == Some(Fate::Evicted) && !cut && !self.deaf;
        if evicted && (self.reader.is_amid() || self.responses < self.ends.requests()) {
            return Err(format!("it was not idle when it was evicted, but owed response {}", self.responses));
        }
        if !self.plan.is_calm() || self.is_excused() {
            return Ok(());
        }
        if self.done_since.is_some_and(|since| now > since + PROMPT) {
            return Err("the server did not close at the FIN behind the last response".to_owned());
        }
        let owed = self.plan.owed();
        if self.reader.is_amid() && self.responses < owed && !self.deaf {
            return Err(format!("the response to request {} broke off", self.responses));
        }
        if let Some((came, due)) = self.tunnel().filter(|(came, due)| came < due) {
            return Err(format!("the connection that was handed over ended behind {came} bytes of {due}"));
        }
        let all = self.responses >= owed || self.closing;
        if !all {
            return Err(format!("the connection ended before the response to request {}", self.responses));
        }
        Ok(())
    }
}
